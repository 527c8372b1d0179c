//! Whether AppArmor denies guests anything at all: guides have people switch it off for all of
//! libvirt, or for one guest, so that QEMU gets at a path.

use crate::apparmor::files::{PROFILES, TEMPLATE};
use crate::doctor::{CheckLine, Subject};
use crate::domain::Uuid;
use crate::host::security_driver::{self, Setting};
use crate::host::{CONFIGURATION, Root, profiles};
use crate::text::shell_word;

const INSTEAD: &str =
    "virt-9p opens to each guest what its raw arguments need, and nothing to others";

/// Looks at libvirt's configuration.
pub fn driver(root: &Root) -> CheckLine {
    let what = "that libvirt lets AppArmor confine guests";
    let warn = |setting: &str| {
        CheckLine::warn(
            Subject::AppArmor,
            what,
            format!(
                "{CONFIGURATION} sets {setting}: take that out and restart the daemon; {INSTEAD}"
            ),
        )
    };
    match security_driver::setting(root) {
        _ if root.configuration().is_none() => {
            CheckLine::warn(Subject::AppArmor, what, super::NEEDS_ROOT)
        }
        Setting::Off => warn("a security_driver that is not AppArmor"),
        Setting::OnRequest => warn("security_default_confined = 0"),
        Setting::Confines => CheckLine::pass(Subject::AppArmor, what),
    }
}

/// Looks at all profiles of guests in libvirt's directory, and at their template.
pub fn lines(root: &Root) -> Option<CheckLine> {
    let what = "that AppArmor enforces the profiles of guests";
    let loaded = root.text(profiles::LOADED).unwrap_or_default();
    let complains = |name: &str| {
        let mut labels = loaded.lines().filter_map(profiles::label);
        labels.any(|found| found == (name, "complain"))
    };
    let (mut files, mut links, mut again) = (String::new(), String::new(), String::new());
    let add = |list: &mut String, path: &str| {
        list.push(' ');
        list.push_str(&shell_word(path));
    };
    // What cannot be read is said elsewhere.
    for name in root.names(PROFILES).ok()? {
        let file = format!("{PROFILES}/{name}");
        if Uuid::of_profile(&name).is_none() && file != TEMPLATE {
            continue;
        }
        // By the name of the file (facts A9.4).
        for directory in ["disable", "force-complain"] {
            let link = format!("/etc/apparmor.d/{directory}/{name}");
            if root.path(&link).symlink_metadata().is_ok() {
                add(&mut links, &link);
            }
        }
        if root.text(&file).is_ok_and(|text| is_lenient(&text)) {
            add(&mut files, &file);
        } else if complains(&name) {
            add(&mut again, &file);
        }
    }
    let mut cures = String::new();
    for (command, list) in [
        ("; aa-enforce", files),
        ("; rm", links),
        ("; apparmor_parser -r", again),
    ] {
        if !list.is_empty() {
            cures.push_str(command);
            cures.push_str(&list);
        }
    }
    Some(match cures.strip_prefix("; ") {
        None => CheckLine::pass(Subject::Profiles, what),
        Some(cures) => CheckLine::warn(
            Subject::Profiles,
            what,
            format!("it denies nothing to some: {cures}. {INSTEAD}"),
        ),
    })
}

/// Whether the head of a profile has a flag by which nothing is denied.
fn is_lenient(text: &str) -> bool {
    let heads = text.lines().map(str::trim_start);
    let mut heads = heads.filter(|line| line.starts_with("profile "));
    heads.any(|head| {
        let flags = head
            .split_once("flags=(")
            .and_then(|(_, rest)| rest.split_once(')'));
        flags.is_some_and(|(flags, _)| {
            let mut flags = flags.split([',', ' ']);
            flags.any(|flag| matches!(flag, "complain" | "unconfined" | "default_allow"))
        })
    })
}
