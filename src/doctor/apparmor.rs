//! AppArmor in the kernel, libvirt's template, and the profile that confines virt-9p itself.

use std::io;

use crate::apparmor::files::{StoreError, TEMPLATE};
use crate::apparmor::store;
use crate::doctor::{CheckLine, Subject};
use crate::domain::Uuid;
use crate::host::{Root, confine, profiles};

/// The file of our own profile.
const FILE: &str = "/etc/apparmor.d/usr.sbin.virt-9p";

/// Looks at all of it.
pub fn lines(root: &Root, enabled: bool) -> Vec<CheckLine> {
    const WHAT: &str = "that AppArmor is enabled";
    if !enabled {
        return vec![CheckLine::warn(
            Subject::AppArmor,
            WHAT,
            "it is not: guests are not confined, and virt-9p checks their shares and writes nothing",
        )];
    }
    let there = root.path(FILE).is_file();
    let disabled = root
        .path("/etc/apparmor.d/disable/usr.sbin.virt-9p")
        .symlink_metadata()
        .is_ok();
    vec![
        CheckLine::pass(Subject::AppArmor, WHAT),
        template(store_template(root)),
        own(there, disabled, profiles::loaded(root, confine::PROFILE)),
    ]
}

/// What a guest without a profile would get.
fn store_template(root: &Root) -> Result<Option<Vec<u8>>, StoreError> {
    // Any UUID will do: nothing is written.
    match Uuid::parse("00000000000000000000000000000000") {
        Some(uuid) => store::from_template(root, &uuid, ""),
        None => Ok(None),
    }
}

fn template(made: Result<Option<Vec<u8>>, StoreError>) -> CheckLine {
    let what = "for libvirt's template of guest profiles";
    match made {
        Ok(Some(_)) => CheckLine::pass(Subject::AppArmor, what),
        Ok(None) => CheckLine::warn(
            Subject::AppArmor,
            what,
            format!(
                "{} is not there, as with a libvirt built without AppArmor: guests get no profile",
                TEMPLATE
            ),
        ),
        Err(StoreError::Io(_, _, error)) => {
            CheckLine::not_looked_at(Subject::AppArmor, what, &error)
        }
        Err(error) => CheckLine::fail(
            Subject::AppArmor,
            what,
            format!("{error}: {}", error.help()),
        ),
    }
}

fn own(there: bool, disabled: bool, loaded: io::Result<Option<String>>) -> CheckLine {
    let what = "that virt-9p's own profile is enforced";
    let warn = |hint: String| CheckLine::warn(Subject::AppArmor, what, hint);
    match loaded {
        Ok(Some(mode)) if mode == "enforce" => CheckLine::pass(Subject::AppArmor, what),
        Ok(Some(mode)) => warn(format!(
            "it is loaded in {mode} mode and forbids nothing: aa-enforce {FILE}"
        )),
        Ok(None) if disabled => warn(format!(
            "it is disabled by a link in /etc/apparmor.d/disable: aa-enforce {FILE}"
        )),
        Ok(None) if there => warn(format!("it is not loaded: apparmor_parser -r {FILE}")),
        Ok(None) => warn(format!(
            "{FILE} is not installed: virt-9p works, unconfined"
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => warn(format!(
            "{} is not there: mount securityfs",
            profiles::LOADED
        )),
        Err(error) => CheckLine::not_looked_at(Subject::AppArmor, what, &error),
    }
}
