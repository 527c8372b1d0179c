//! The paths in raw arguments that are no shares: what QEMU opens there, and the rule for whoever
//! wants it. Judges what others have looked up.

use crate::apparmor::guest_access::{self, GuestAccess};
use crate::host::named_file::{Lies, NamedFile};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::qemu::host_paths::table::{Kind, Letters};
use crate::qemu::host_paths::{Access, HostPath, Opening};
use crate::text::quoted;

/// What is known of the host for one path: the files that QEMU opens because of it.
pub struct Looked {
    /// Each of them; nothing where its name cannot be known.
    pub files: Vec<Option<NamedFile>>,
    /// Whether the last name ends as QEMU likes.
    pub any_end: bool,
    /// The word it stands in may be another (white-space-unclear).
    pub unclear: bool,
}

/// The finding about one path, if there is anything to say. `profile` is the name of the guest's
/// profile, `lines` what lies in it already.
pub fn check(path: &HostPath, looked: &Looked, profile: &str, lines: &str) -> Option<Finding> {
    let shown = quoted(&path.path);
    let (text, help) = match path.access {
        Access::Never(why) => (
            format!("nothing can be granted for {shown}: {}", why.text()),
            None,
        ),
        Access::Unclear(why) => (
            format!("what QEMU opens on the host by {shown} is not known here: {why}"),
            None,
        ),
        // QEMU's own data directories are open to every guest.
        Access::Opens(opening) if opening.kind == Kind::Firmware && !path.path.contains('/') => {
            return None;
        }
        Access::Opens(opening) => {
            let (letters, kind) = what(opening);
            let opens = format!("QEMU opens {shown} here ({kind}{letters})");
            match rules(opening, looked) {
                Err((but, why)) => (format!("{opens}{but}{why}"), None),
                Ok(mut found) => {
                    let has = |rule: &str| lines.lines().any(|line| line.trim() == rule);
                    found.rules.retain(|rule| !has(rule));
                    if found.rules.is_empty() {
                        return None;
                    }
                    let help = help(&found, &shown, looked, profile);
                    (granted(opening, &opens), Some(help))
                }
            }
        }
    };
    let mut finding = Finding::note(Code::HostPath, path.place.clone(), text);
    finding.help = help;
    Some(finding)
}

/// What opens a path.
struct Rules {
    rules: Vec<String>,
    /// Whether a device is among them.
    device: bool,
}

/// The rules for one path; why there are none, and how that is joined.
fn rules(opening: Opening, looked: &Looked) -> Result<Rules, (&'static str, &'static str)> {
    let mut found = Rules {
        rules: Vec::new(),
        device: false,
    };
    if looked.unclear {
        let why = "what the name is depends on who reads the white space in it";
        return Err((", but ", why));
    }
    for file in &looked.files {
        let Some(file) = file else {
            let why = "where that leads is not known here: no rule can be said";
            return Err((", and ", why));
        };
        let image = opening.kind == Kind::Image;
        let letters = opening.letters.text();
        let rule = match guest_access::judge(&file.name, looked.any_end, letters, image) {
            GuestAccess::Open => continue,
            GuestAccess::Refused(why) => {
                return Err(("; no rule for it should be written: ", why));
            }
            GuestAccess::Rule(rule) => rule,
            GuestAccess::Device(rule) => {
                found.device = true;
                rule
            }
        };
        if let Some(why) = unsuitable(opening, file) {
            return Err((", but ", why));
        }
        // Of credentials, those that are there.
        if !matches!(opening.kind, Kind::Tls(_)) || file.lies != Lies::Nothing {
            found.rules.push(rule);
        }
    }
    Ok(found)
}

/// What is said where a rule opens it.
fn granted(opening: Opening, opens: &str) -> String {
    let since = match opening.since {
        (5, _) => String::new(),
        (major, minor) => format!("from QEMU {major}.{minor} on "),
    };
    let denies = if opening.kind == Kind::Connects {
        "where the kernel asks AppArmor about sockets (Ubuntu's does, Debian's does not)"
    } else {
        "unless a device of the domain has the same path"
    };
    format!(
        "{since}{opens}; libvirt grants nothing for raw arguments, so AppArmor denies it {denies}, and virt-9p grants \
         9p shares only so far"
    )
}

/// What to do about it.
fn help(found: &Rules, shown: &str, looked: &Looked, profile: &str) -> String {
    let mut help = String::new();
    if found.device {
        // As it stands in the argument: a link is not found by the name of its node.
        help = format!(
            "name {shown} in cgroup_device_acl of /etc/libvirt/qemu.conf (which replaces the default list: keep those \
             entries), restart libvirt's daemon, let QEMU's user open the node; and "
        );
    }
    help.push_str("where this guest alone should have it, add to /etc/apparmor.d/libvirt/");
    help.push_str(profile);
    help.push_str(", outside virt-9p's block: ");
    help.push_str(&found.rules.join(" "));
    let mut files = looked.files.iter().flatten();
    if files.any(|file| file.lies == Lies::Unknown) {
        help.push_str(
            " (if no symbolic link is on the way: a rule needs the name that links lead to)",
        );
    }
    help
}

/// Why what lies there is not for QEMU.
fn unsuitable(opening: Opening, file: &NamedFile) -> Option<&'static str> {
    match (opening.kind, file.lies) {
        (Kind::Listens, Lies::Directory | Lies::Other) => {
            Some("something that is no socket lies there, which QEMU would remove first")
        }
        (Kind::File | Kind::Firmware | Kind::Image | Kind::Log, Lies::Directory) => {
            Some("that is a directory")
        }
        (Kind::File | Kind::Firmware | Kind::Image | Kind::Node, Lies::Nothing) => {
            Some("it does not exist: QEMU refuses to start")
        }
        (Kind::Pipe, Lies::Nothing) => Some("the pipe does not exist: QEMU refuses to start"),
        _ => None,
    }
}

/// In words: the access, and what is accessed.
fn what(opening: Opening) -> (&'static str, &'static str) {
    let kind = match opening.kind {
        Kind::File => "a file",
        Kind::Firmware => "firmware",
        Kind::Log => "a file",
        Kind::Image => "a disk image",
        Kind::Listens => return ("", "a socket to listen on"),
        Kind::Connects => return ("", "a socket to connect to"),
        Kind::Pipe => "a pipe",
        Kind::Node => "a device",
        Kind::Memory => "memory of the guest",
        Kind::Tls(_) => "a directory of credentials",
    };
    let letters = match opening.letters {
        Letters::R | Letters::Rk => ", read-only",
        Letters::W | Letters::Wk => ", to write, created where it is missing",
        Letters::Rw | Letters::Rwk => ", read-write",
    };
    (letters, kind)
}
