//! The global workaround: a share opened for every guest, in a file that all profiles include,
//! as guides tell people to. Works, but takes away what the profiles are for.

use std::io;

use crate::apparmor::files::TEMPLATE;
use crate::apparmor::policy::{self, Rule};
use crate::doctor::{CheckLine, Subject};
use crate::host::Root;
use crate::text::{quoted, visible};

/// Files that the profile of every guest includes or is made from (facts L5.1).
const FILES: [&str; 3] = [
    "/etc/apparmor.d/abstractions/libvirt-qemu",
    "/etc/apparmor.d/local/abstractions/libvirt-qemu",
    TEMPLATE,
];

/// A directory of them (libvirt 9.6 and later).
const LIBVIRT_QEMU_D: &str = "/etc/apparmor.d/abstractions/libvirt-qemu.d";

/// Where the system keeps its own. libvirt and QEMU need parts of it in every guest, so a rule
/// there is no sign of a share.
const SYSTEM: [&str; 15] = [
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys",
    "tmp", "usr", "var",
];

/// A shared directory of a guest that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The guest's name.
    pub guest: String,
    /// The kernel's name for the directory.
    pub directory: Vec<u8>,
}

/// Reads the files and judges each rule in them.
pub fn lines(root: &Root, shares: &[Shared]) -> Vec<CheckLine> {
    let mut files: Vec<String> = FILES.map(str::to_owned).into();
    let mut lines = Vec::new();
    match root.names(LIBVIRT_QEMU_D) {
        Ok(names) => files.extend(names.iter().map(|name| format!("{LIBVIRT_QEMU_D}/{name}"))),
        Err(error) => lines.push(CheckLine::not_looked_at(Subject::AppArmor, WHAT, &error)),
    }
    for file in files {
        match root.text(&file) {
            Ok(text) => lines.extend(lines_of_file(&file, &text, shares)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => lines.push(CheckLine::not_looked_at(
                Subject::AppArmor,
                format!("{WHAT} by {file}"),
                &error,
            )),
        }
    }
    if lines.is_empty() {
        lines.push(CheckLine::pass(Subject::AppArmor, WHAT));
    }
    lines
}

const WHAT: &str = "for directories opened to every guest";

/// The rules of one file that open a share, or what looks like one, to every guest.
pub fn lines_of_file(file: &str, text: &str, shares: &[Shared]) -> Vec<CheckLine> {
    policy::rules(text)
        .iter()
        .filter_map(|rule| {
            let reason = opens_share(rule, shares).or_else(|| opens_data(rule))?;
            Some(CheckLine::warn(
                Subject::AppArmor,
                WHAT,
                format!(
                    "{file}:{}: {} {reason}: remove the rule, virt-9p opens each share to its own guest",
                    rule.line,
                    quoted(&rule.text)
                ),
            ))
        })
        .collect()
}

/// Whether the rule reaches into one of the shares, and which.
fn opens_share(rule: &Rule, shares: &[Shared]) -> Option<String> {
    let share = shares
        .iter()
        .find(|share| rule.opens() && reaches(rule, &share.directory))?;
    Some(format!(
        "lets every guest into {}, a share of guest {}",
        visible(&String::from_utf8_lossy(&share.directory)),
        quoted(&share.guest)
    ))
}

/// Whether it lets in at any name in the directory, or at a directory below it. A rule for one file
/// of a known name does not.
fn reaches(rule: &Rule, directory: &[u8]) -> bool {
    let below = [directory.strip_suffix(b"/").unwrap_or(directory), b"/"].concat();
    // A name that nobody would write out.
    let any = [below.as_slice(), b"virt9panyname"].concat();
    let deeper = [any.as_slice(), b"/virt9panyname"].concat();
    rule.pattern.matches(&any)
        || rule.pattern.matches(&deeper)
        || rule
            .pattern
            .opened()
            .any(|prefix| prefix.starts_with(&below) && !is_system(&prefix))
}

/// Whether it lets write where people keep their data.
fn opens_data(rule: &Rule) -> Option<String> {
    let prefix = rule
        .pattern
        .opened()
        .find(|prefix| rule.writes() && !is_system(prefix))?;
    Some(format!(
        "lets every guest write below {}",
        visible(&String::from_utf8_lossy(&prefix))
    ))
}

/// Whether a fixed beginning lies in one of the system's directories.
fn is_system(prefix: &[u8]) -> bool {
    let first = prefix.split(|byte| *byte == b'/').nth(1).unwrap_or(b"");
    // `/lib*` and the like: the beginning of a name, with no slash behind it.
    let whole = prefix.iter().filter(|byte| **byte == b'/').count() > 1;
    SYSTEM.iter().any(|name| {
        let name = name.as_bytes();
        if whole {
            first == name
        } else {
            !first.is_empty() && first.starts_with(name)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rule: &str, shares: &[&str]) -> usize {
        let shares: Vec<Shared> = shares
            .iter()
            .map(|directory| Shared {
                guest: "web".into(),
                directory: directory.as_bytes().to_vec(),
            })
            .collect();
        lines_of_file("f", rule, &shares).len()
    }

    #[test]
    fn finds_what_opens_a_share() {
        for rule in [
            "/srv/share/** rw,",
            "/srv/share/{,**} rw,",
            "owner \"/srv/share/**\" rwk,",
            "/srv/** r,",
            "/** rwlk,",
            "rw /srv/share/*,",
            "/srv/sh*/** r,",
            "/srv/share/sub/** r,",
            "/{srv,mnt}/[s]hare/** r,",
            "@{ANY}/share/** r,",
            "file,",
        ] {
            assert_eq!(lines(rule, &["/srv/share"]), 1, "{rule}");
        }
        assert_eq!(lines("/var/lib/shares/** r,", &["/var/lib/shares/a"]), 1);
    }

    #[test]
    fn leaves_other_rules_alone() {
        for rule in [
            "/srv/share r,",
            "/srv/share/ r,",
            "/srv/share/disk.img rwk,",
            "/srv/shared/** r,",
            "deny /srv/share/** rw,",
            "owner /tmp/**/ r,",
            "/usr/share/** r,",
            "owner @{HOME}/.pulse-cookie rwk,",
            "/srv/share/** ix,",
        ] {
            assert_eq!(lines(rule, &["/srv/share", "/home", "/tmp/x"]), 0, "{rule}");
        }
        assert_eq!(
            lines(
                "owner /var/lib/libvirt/qemu/nvram/*_VARS.fd rwk,",
                &["/var/lib"]
            ),
            0
        );
    }

    #[test]
    fn finds_wide_rules_without_knowing_a_share() {
        for rule in [
            "/** rw,",
            "/srv/** rw,",
            "/mnt/disk/{,**} rw,",
            "@{HOME}/** rw,",
            "/export/* w,",
        ] {
            assert_eq!(lines(rule, &[]), 1, "{rule}");
        }
        for rule in [
            "/srv/** r,",
            "/dev/snd/* rw,",
            "/{dev,run}/shmpulse-shm* rwk,",
            "owner /tmp/pulse-*/* rw,",
        ] {
            assert_eq!(lines(rule, &[]), 0, "{rule}");
        }
    }
}
