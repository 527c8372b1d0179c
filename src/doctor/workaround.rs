//! The global workaround: a share, or another path that raw arguments name, opened for every guest,
//! in a file that all profiles include, as guides tell people to. Works, but takes away what the
//! profiles are for.

use std::io;

use crate::apparmor::files::{self, ABSTRACTIONS, TEMPLATE};
use crate::apparmor::policy::{self, Rule};
use crate::doctor::{CheckLine, Subject};
use crate::host::Root;
use crate::text::{find, quoted, visible};

/// Where the system keeps its own. libvirt and QEMU need parts of it in every guest, so a rule
/// there is no sign of a share.
const SYSTEM: [&str; 15] = [
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys",
    "tmp", "usr", "var",
];

/// Rules of libvirt's own, from 7.0 to 11.3, that let at what raw arguments may name
/// (facts P3.1), with a line end around each.
const LIBVIRTS: &str = "\n/dev/kvm rw\n/dev/vfio/vfio rw\nowner /tmp/pulse-*/* rw\n\
    owner /{dev,run}/shm/spice.* rw\n@{HOME}/.pulse-cookie rwk\n";

/// What the raw arguments of a guest that was looked at open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The guest's name.
    pub guest: String,
    /// The kernel's name.
    pub name: Vec<u8>,
    /// What it is to the guest.
    pub what: What,
}

/// What a name is to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A shared directory.
    Share,
    /// A file, and whether virt-9p opens it to the guest.
    File(bool),
}

/// Reads the files and judges each rule in them.
pub fn lines(root: &Root, opened: &[Opened]) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    let mut files = files::of_every_guest(root).unwrap_or_else(|error| {
        lines.push(CheckLine::not_looked_at(Subject::AppArmor, WHAT, &error));
        ABSTRACTIONS.map(str::to_owned).to_vec()
    });
    files.push(TEMPLATE.to_owned());
    for file in files {
        match root.text(&file) {
            Ok(text) => lines.extend(lines_of_file(&file, &text, opened)),
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

const WHAT: &str = "for paths opened to every guest";

/// The rules of one file that open a share, another path, or what looks like a share to every guest.
pub fn lines_of_file(file: &str, text: &str, opened: &[Opened]) -> Vec<CheckLine> {
    policy::rules(text)
        .iter()
        .filter_map(|rule| {
            let reason = opens_one(rule, opened).or_else(|| opens_data(rule))?;
            Some(CheckLine::warn(
                Subject::AppArmor,
                WHAT,
                format!("{file}:{}: {} {reason}", rule.line, quoted(&rule.text)),
            ))
        })
        .collect()
}

/// Whether the rule opens one of them, and which.
fn opens_one(rule: &Rule, opened: &[Opened]) -> Option<String> {
    let line = format!("\n{}\n", rule.text);
    if !rule.opens() || find(LIBVIRTS.as_bytes(), line.as_bytes()).is_some() {
        return None;
    }
    let one = opened.iter().find(|one| match one.what {
        What::Share => reaches(rule, &one.name),
        What::File(_) => rule.pattern.matches(&one.name),
    })?;
    let (into, is, cure) = match one.what {
        What::Share => ("into", "a share", REMOVE),
        What::File(true) => ("at", "a path in raw arguments", REMOVE),
        What::File(false) => (
            "at",
            "a path in raw arguments",
            "virt-9p does not open it even to that guest, and virt-9p check says why; with that settled, remove the rule",
        ),
    };
    Some(format!(
        "lets every guest {into} {}, {is} of guest {}: {cure}",
        visible(&String::from_utf8_lossy(&one.name)),
        quoted(&one.guest)
    ))
}

const REMOVE: &str = "remove the rule, virt-9p opens to each guest what its raw arguments need";

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
        "lets every guest write below {}: {REMOVE}",
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
        told(rule, What::Share, shares).len()
    }

    fn told(rule: &str, what: What, names: &[&str]) -> Vec<CheckLine> {
        let opened = names.iter().map(|name| Opened {
            guest: "web".into(),
            name: name.as_bytes().to_vec(),
            what,
        });
        lines_of_file("f", rule, &opened.collect::<Vec<_>>())
    }

    #[test]
    fn finds_what_opens_another_path() {
        for (rule, name) in [
            ("/dev/shm/looking-glass rw,", "/dev/shm/looking-glass"),
            ("/dev/input/* rw,", "/dev/input/event4"),
            ("/dev/kvmfr0 rw,", "/dev/kvmfr0"),
            ("/**.qcow2 rwk,", "/srv/a.qcow2"),
            ("/run/user/** rw,", "/run/user/1000/pulse/native"),
            ("/srv/x r,", "/srv/x"),
            ("file,", "/srv/x"),
        ] {
            for granted in [true, false] {
                let lines = told(rule, What::File(granted), &[name]);
                let [
                    CheckLine {
                        hint: Some(hint), ..
                    },
                ] = lines.as_slice()
                else {
                    panic!("{rule}: {lines:?}");
                };
                assert!(
                    hint.contains(name) && hint.contains("of guest `web`"),
                    "{hint}"
                );
                assert_eq!(hint.contains("virt-9p check"), !granted, "{hint}");
            }
        }
        for (rule, name) in [
            ("/dev/shm/looking-glass rw,", "/dev/shm/other"),
            ("deny /srv/x rw,", "/srv/x"),
            ("/srv/x ix,", "/srv/x"),
            ("/srv/x/** r,", "/srv/x"),
            ("owner /{dev,run}/shm/spice.* rw,", "/dev/shm/spice.1"),
            ("/dev/vfio/vfio rw,", "/dev/vfio/vfio"),
        ] {
            assert!(told(rule, What::File(true), &[name]).is_empty(), "{rule}");
        }
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
