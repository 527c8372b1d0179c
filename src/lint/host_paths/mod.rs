//! The paths in raw arguments that are no shares: which of them the hook opens to the guest, and what
//! is to be said of the others. Judges what others have looked up.

pub mod native;
pub mod walls;

use crate::apparmor::guest_access::{self, GuestAccess};
use crate::domain::Place;
use crate::host::directory::NoDirectory;
use crate::host::named_file::{Lies, NamedFile};
use crate::host::timed_look::Files;
use crate::host::walls::{Before, DeviceWay, Walls};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::paths::linked;
use crate::qemu::host_paths::table::{Kind, Letters};
use crate::qemu::host_paths::{Access, HostPath, Opening};
use crate::text::{Span, quoted};

/// What is known beside the path itself.
pub struct Around<'a> {
    /// The name of the domain.
    pub name: &'a str,
    /// Whether AppArmor decides about it at all.
    pub confined: bool,
    /// Directories in which the guest can make symbolic links.
    pub open: &'a [Vec<u8>],
    /// Whether a rule of somebody else's opens a name to this guest, with these letters.
    pub opened_elsewhere: &'a dyn Fn(&[u8], &str) -> bool,
    /// What stands between QEMU and the path besides.
    pub walls: &'a Walls,
}

/// A file that the guest is let at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// The kernel's name for it.
    pub name: Vec<u8>,
    /// Whether QEMU ends the name as it likes.
    pub any_end: bool,
    /// What it may do with it.
    pub letters: &'static str,
}

/// One path, judged.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// What is opened to the guest.
    pub rules: Vec<FileRule>,
    /// What is to be said.
    pub findings: Vec<Finding>,
}

/// What is to be done about one file: what is opened, and what is to be said.
type Outcome = (Option<FileRule>, Option<Finding>);

/// Judges one path. `files` are those that QEMU opens because of it; nothing where the host did not
/// answer. `unclear`: the word that it stands in may be another (white-space-unclear).
pub fn judge(path: &HostPath, files: Option<&Files>, unclear: bool, around: &Around) -> Judged {
    let shown = || quoted(&path.path);
    let mut judged = Judged::default();
    let mut note = |text: String| {
        let note = Finding::note(Code::HostPath, path.place.clone(), text);
        judged.findings.push(note);
    };
    let opening = match path.access {
        Access::Never(why) => {
            note(format!(
                "nothing can be granted for {}: {}",
                shown(),
                why.text()
            ));
            return judged;
        }
        Access::Unclear(why) => {
            note(format!(
                "what QEMU opens on the host by {} is not known here, so nothing is granted for it: {why}",
                shown()
            ));
            return judged;
        }
        // QEMU's own data directories are open to every guest.
        Access::Opens(opening) if opening.kind == Kind::Firmware && !path.path.contains('/') => {
            return judged;
        }
        Access::Opens(opening) => opening,
    };
    let opens = || opens(opening, &shown());
    if unclear {
        note(format!(
            "{}, but what the name is depends on who reads the white space in it: no rule opens it",
            opens()
        ));
        return judged;
    }
    let Some(files) = files else {
        let unknown = unknown(path, &opens(), &NoDirectory::Silent);
        judged.findings.push(unknown);
        return judged;
    };
    let mut whole = true;
    for (number, file) in files.files.iter().enumerate() {
        let before = files.before.get(number);
        let mut opening = opening;
        // Each is a file that has to be there.
        if let Kind::Tls(credentials) = opening.kind
            && number < credentials.needed()
        {
            opening.kind = Kind::File;
        }
        let (rule, finding) = match file {
            Ok(file) => one(path, opening, file, before, files.any_end, &opens, around),
            Err(why) => (None, Some(unknown(path, &opens(), why))),
        };
        // What does not work as a whole is not opened in part.
        whole &= rule.is_some() || finding.is_none();
        judged.rules.extend(rule);
        // Of one path one is enough to say.
        if judged.findings.is_empty() {
            judged.findings.extend(finding);
        }
    }
    if !whole {
        judged.rules.clear();
    }
    judged
}

/// Judges one file.
fn one(
    path: &HostPath,
    opening: Opening,
    file: &NamedFile,
    before: Option<&Before>,
    any_end: bool,
    opens: &dyn Fn() -> String,
    around: &Around,
) -> Outcome {
    let place = || path.place.clone();
    let opens = || {
        let mut opens = opens();
        if file.name != path.path.as_bytes() {
            let target = quoted(&String::from_utf8_lossy(&file.name));
            opens.push_str(", by the name of ");
            opens.push_str(&target);
        }
        opens
    };
    let refused = |why: &str| {
        let opens = opens();
        let text = format!("{opens}: it is not opened to a guest under AppArmor, because {why}");
        let finding = Finding::error(Code::HostPathRefused, place(), text);
        (None, Some(finding))
    };
    let letters = opening.letters.text();
    let (access, other) = access(file, opening, around);
    if let (GuestAccess::Refused(why), true) = (access, around.confined) {
        if (around.opened_elsewhere)(&file.name, letters) {
            return (None, None);
        }
        return match other {
            None => refused(why),
            Some(other) => {
                let other = quoted(&String::from_utf8_lossy(other));
                refused(&format!("it is {other} by another mount, and {why}"))
            }
        };
    }
    let is_device = access == GuestAccess::Device;
    let way = before.filter(|_| is_device).map(|before| before.way);
    // Where something else is mounted others may make files.
    let in_dev = is_device && way != Some(DeviceWay::Open);
    let shared = around
        .walls
        .known_settings()
        .is_some_and(|conf| !conf.private);
    if in_dev && opening.kind == Kind::Listens && around.confined && !shared {
        return refused(
            "in the /dev that libvirt gives QEMU it makes nothing, and nobody else sees it",
        );
    }
    let (unfit, is_open) = match unfit(opening, file.lies, in_dev) {
        Some((code, why)) => {
            let text = format!("{}, but {why}", opens());
            let (finding, is_open) = match code {
                Code::HostPathKind => (Finding::error(code, place(), text), false),
                _ => (
                    Finding::warning(code, place(), text).help(match in_dev {
                        true => "load its module or plug it in, or write the path of what is meant",
                        false => "put it there, or write the path of what is meant",
                    }),
                    opening.kind == Kind::Connects,
                ),
            };
            (Some(finding), is_open)
        }
        None => (None, true),
    };
    // Of credentials, those that are there.
    let is_absent = matches!(opening.kind, Kind::Tls(_)) && file.lies == Lies::Nothing;
    if !is_open || is_absent || !around.confined || access == GuestAccess::Open {
        return (None, unfit);
    }
    // That is said already, and a rule would be dead text; or libvirt writes it.
    if matches!(way, Some(DeviceWay::Closed | DeviceWay::Native)) {
        return (None, unfit);
    }
    if in_dev {
        let shown = quoted(&path.path);
        let text = format!(
            "{}: libvirt gives QEMU a /dev of its own, which has of the devices only those in cgroup_device_acl of \
             /etc/libvirt/qemu.conf, so a rule alone opens nothing, and there is none",
            opens()
        );
        let help = format!(
            "name {shown} in cgroup_device_acl (which replaces the default list: keep those entries), restart \
             libvirt's daemon, and let QEMU's user open the node"
        );
        return (
            None,
            Some(Finding::note(Code::HostPath, place(), text).help(help)),
        );
    }
    if file.lies == Lies::Device && !is_device {
        return refused("it is a device outside of /dev");
    }
    let (links, owner) = (&file.links, file.owner);
    let linked = || {
        let shown = quoted(&path.path);
        linked(&place(), &shown, &file.name, links, owner, around.open)
    };
    match (!links.is_empty()).then(linked).flatten() {
        Some((finding, false)) => (None, Some(finding)),
        _ => {
            let name = file.name.clone();
            let rule = FileRule {
                name,
                any_end,
                letters,
            };
            (Some(rule), unfit)
        }
    }
}

/// How a file may be opened, by its own name and by those that it has by other mounts; and the one
/// of these by which it may not.
fn access<'a>(
    file: &'a NamedFile,
    opening: Opening,
    around: &Around,
) -> (GuestAccess, Option<&'a [u8]>) {
    let image = opening.kind == Kind::Image;
    let judge = |name: &[u8]| guest_access::judge(name, around.name, opening.letters.text(), image);
    let access = judge(&file.name);
    let is_refused = |access| matches!(access, GuestAccess::Refused(_));
    if !is_refused(access) {
        for other in &file.other_names {
            let refused = judge(other);
            if is_refused(refused) {
                return (refused, Some(other));
            }
        }
    }
    (access, None)
}

/// Why what lies there is not for QEMU. `in_dev`: there only root makes anything.
fn unfit(opening: Opening, lies: Lies, in_dev: bool) -> Option<(Code, &'static str)> {
    use Kind::{Connects, File, Firmware, Image, Listens, Log, Memory, Node, Pipe};
    const HERE: &str =
        "it does not exist: unless it is there when the hook runs, QEMU refuses to start";
    const ABOVE: &str =
        "not even the directory is there that it would be made in: QEMU refuses to start";
    let missing = |why| Some((Code::HostPathMissing, why));
    let wrong = |why| Some((Code::HostPathKind, why));
    match (opening.kind, lies) {
        (Listens, Lies::Directory | Lies::Device | Lies::Other) => wrong(
            "something that is no socket lies there, which QEMU would remove first: no rule opens it",
        ),
        (File | Firmware | Image | Log | Node | Connects, Lies::Directory) => {
            wrong("that is a directory: QEMU refuses to start")
        }
        (File | Firmware | Image | Node | Pipe, Lies::Nothing | Lies::NoDirectory) => missing(HERE),
        (Log | Memory, Lies::Nothing) if in_dev => missing(
            "it does not exist, and nobody but root makes anything there: unless it is there when the hook runs, QEMU \
             refuses to start",
        ),
        (Connects, Lies::Nothing | Lies::NoDirectory) => missing(
            "it does not exist: unless something listens there by then, QEMU refuses to start",
        ),
        (_, Lies::NoDirectory) => missing(ABOVE),
        _ => None,
    }
}

/// The finding about a file that is to be written, and that libvirt keeps the guest from writing,
/// because it is named at `span` for reading only.
pub fn denied(path: &HostPath, span: Span) -> Finding {
    let text = format!(
        "QEMU is to write {} here, and the domain names the same file for reading only in an element of libvirt's own: \
         libvirt's `deny … w` for it beats every rule, so it stays closed",
        quoted(&path.path)
    );
    Finding::error(Code::HostPathDenied, path.place.clone(), text)
        .help("name the file once, or read it only here, too")
        .with(Place::Xml(span), "named here")
}

/// What has no name gets no rule.
fn unknown(path: &HostPath, opens: &str, why: &NoDirectory) -> Finding {
    let why = match why {
        NoDirectory::Silent => {
            "its file system does not answer (NFS, FUSE), or not in time".to_owned()
        }
        NoDirectory::Denied(_) => {
            "a directory on the way is closed to whoever asks here".to_owned()
        }
        NoDirectory::NotADirectory => "something on the way is no directory".to_owned(),
        NoDirectory::Failed(error) | NoDirectory::NotLookedAt(error) => error.clone(),
        _ => "its name is not certain".to_owned(),
    };
    let text =
        format!("{opens}, but where that leads is not known here, so no rule opens it: {why}");
    Finding::warning(Code::HostPathUnknown, path.place.clone(), text)
}

/// In words: what QEMU opens, and how.
fn opens(opening: Opening, shown: &str) -> String {
    let kind = match opening.kind {
        Kind::File => "a file",
        Kind::Firmware => "firmware",
        Kind::Log => "a file",
        Kind::Image => "a disk image",
        Kind::Listens => "a socket to listen on",
        Kind::Connects => "a socket to connect to",
        Kind::Pipe => "a pipe",
        Kind::Node => "a device",
        Kind::Memory => "memory of the guest",
        Kind::Tls(_) => "a directory of credentials",
    };
    let letters = match (opening.kind, opening.letters) {
        (Kind::Listens | Kind::Connects, _) => "",
        (_, Letters::R | Letters::Rk) => ", read-only",
        (_, Letters::W | Letters::Wk) => ", to write, created where it is missing",
        (_, Letters::Rw | Letters::Rwk) => ", read-write",
    };
    format!("QEMU opens {shown} here ({kind}{letters})")
}
