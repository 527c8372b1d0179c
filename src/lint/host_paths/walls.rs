//! The walls between QEMU and a path beside AppArmor: its own /dev, permissions, the controller of
//! devices, the sandbox. QEMU stops at the first; here each is a finding, in that order.

use crate::apparmor::guest_access::GuestAccess;
use crate::apparmor::system_paths;
use crate::domain::Place;
use crate::host::named_file::NamedFile;
use crate::host::reach::{Act, Certain, Hindrance, Obstacle};
use crate::host::timed_look::Files;
use crate::host::walls::{Before, DEFAULT_DEVICES, DeviceWay, Settings, Walls};
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::lint::host_paths::{Around, access};
use crate::lint::unknown::Unknown;
use crate::qemu::host_paths::table::{Kind, Why};
use crate::qemu::host_paths::{Access, HostPath, Opening};
use crate::text::{quoted, shell_word, visible};

/// Directories that nobody should open to a guest's user for writing.
const ROOTS_OWN: [&str; 11] = [
    "/", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/run", "/usr", "/var", "/var/lib",
];

/// What QEMU does with each of the names of a path.
pub fn act(opening: Opening) -> Act {
    let bits = if opening.letters.write() { 0o6 } else { 0o4 };
    match opening.kind {
        Kind::Log => Act::Writes,
        Kind::Listens => Act::Replaces,
        Kind::Connects => Act::Opens(0o2),
        Kind::Memory => Act::OpensOrMakes(bits),
        _ => Act::Opens(bits),
    }
}

/// What stands before the files that QEMU opens because of `path`.
pub fn check(path: &HostPath, files: Option<&Files>, around: &Around) -> Vec<Finding> {
    let mut findings = Vec::new();
    let walls = around.walls;
    let opening = match path.access {
        Access::Never(why @ (Why::Exec | Why::Network)) => {
            findings.extend(program(path, why, walls));
            return findings;
        }
        // What has no slash lies in QEMU's own data directories.
        Access::Opens(opening) if opening.kind != Kind::Firmware || path.path.contains('/') => {
            opening
        }
        _ => return findings,
    };
    let of = Of {
        path,
        opening,
        reader: walls.reader(),
    };
    let Some(files) = files else {
        return findings;
    };
    let conf = walls.known_settings();
    for (number, before) in files.before.iter().enumerate() {
        let name = files.files.get(number).and_then(|file| file.as_ref().ok());
        let refused = name.and_then(|file| refusal(opening, file, around));
        // That is said already.
        if refused.is_some() && around.confined {
            continue;
        }
        let device = conf.and_then(|conf| of.device(before, conf));
        let user = walls.user.as_ref().map(|user| user.name.as_str());
        let user = user.unwrap_or_default();
        // What is not there is missed before permissions are asked, the controller after.
        let (first, last) = match conf {
            Some(conf) if conf.private => (device, None),
            _ => (None, device),
        };
        // A device that is missing is said to be, and a socket that has no place there.
        let makes = matches!(opening.kind, Kind::Log | Kind::Memory | Kind::Listens);
        let is_device = makes
            && before.way != DeviceWay::Open
            && name.is_some_and(|file| system_paths::is_in_dev(&file.name));
        let is_missing = |it: &&Obstacle| is_device && it.what == Hindrance::Make;
        let obstacles = before.obstacles.iter().filter(|it| !is_missing(it));
        let obstacles = obstacles.map(|it| of.obstacle(it, user));
        for mut finding in first.into_iter().chain(obstacles).chain(last) {
            // Nobody is told how to open what should be closed.
            if let Some(why) = refused {
                finding.help = Some(format!("do without: {why}"));
            }
            // Of credentials each is behind the same directories.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// Why no guest should have it, where no rule of the admin's own opens it.
fn refusal(opening: Opening, file: &NamedFile, around: &Around) -> Option<&'static str> {
    match access(file, opening, around).0 {
        GuestAccess::Refused(_)
            if (around.opened_elsewhere)(&file.name, opening.letters.text()) =>
        {
            None
        }
        GuestAccess::Refused(why) => Some(why),
        _ => None,
    }
}

/// A program, which the sandbox stops.
fn program(path: &HostPath, why: Why, walls: &Walls) -> Option<Finding> {
    walls.known_settings().filter(|conf| conf.sandboxed)?;
    let text = format!(
        "QEMU executes a program for {} here, which libvirt's sandbox (seccomp) denies it whatever else is allowed: QEMU \
         is killed, or refuses to start with \"Operation not permitted\"",
        quoted(&path.path)
    );
    let instead = match why {
        Why::Network => {
            "write libvirt's own <interface>, of type='bridge' or type='ethernet', instead; or make the interface \
             yourself (`ip tuntap add dev tap7 mode tap user` with QEMU's user), and write \
             `tap,ifname=tap7,script=no,downscript=no`"
        }
        _ => "have libvirt or a hook do it",
    };
    let help = format!(
        "{instead}; `seccomp_sandbox = 0` in /etc/libvirt/qemu.conf takes the sandbox from every guest"
    );
    let finding = Finding::error(Code::ProgramSandboxed, path.place.clone(), text).help(help);
    Some(if walls.reader().1 {
        finding.doubtful(Unknown::Configuration)
    } else {
        finding
    })
}

/// A path, and how it is opened.
struct Of<'p> {
    path: &'p HostPath,
    opening: Opening,
    reader: (&'static str, bool),
}

impl Of<'_> {
    /// A finding, as bad as what QEMU does about it.
    fn finding(&self, code: Code, what: &str, says: &str) -> Finding {
        let (level, then) = match (self.opening.needed, self.opening.kind) {
            (false, _) => (Level::Warning, "QEMU starts without it".to_owned()),
            // Of which it says that it failed to find it.
            (true, Kind::Firmware) => (Level::Error, "QEMU refuses to start".to_owned()),
            (true, _) => (
                Level::Error,
                format!("QEMU refuses to start with \"{says}\""),
            ),
        };
        let text = format!("{what}: {then}");
        Finding {
            level,
            ..Finding::error(code, self.place(), text)
        }
    }

    fn place(&self) -> Place {
        self.path.place.clone()
    }

    /// The private /dev, or the controller of devices.
    fn device(&self, before: &Before, conf: &Settings) -> Option<Finding> {
        let shown = quoted(&self.path.path);
        let (daemon, is_newer) = self.reader;
        let restart = format!("restart {daemon}, for which a reload is not enough");
        let device = quoted(&before.device);
        if before.way != DeviceWay::Closed {
            if before.device.is_empty() || !is_newer {
                return None;
            }
            let text = format!(
                "{device} is in cgroup_device_acl of /etc/libvirt/qemu.conf, which was changed after {daemon} had read it"
            );
            let finding = Finding::warning(Code::DeviceNotAllowed, self.place(), text);
            return Some(finding.help(restart));
        }
        let (what, says) = match (conf.private, self.opening.kind) {
            (true, Kind::Memory) => (
                "is not in the /dev that libvirt gives QEMU, which then may not make it",
                "Permission denied",
            ),
            (true, _) => (
                "is not in the /dev that libvirt gives QEMU",
                "No such file or directory",
            ),
            (false, _) => (
                "is not allowed by the controller of devices (cgroup) that libvirt puts QEMU under",
                "Operation not permitted",
            ),
        };
        let device_is = match device == shown {
            true => "which".to_owned(),
            false => format!("and {device}"),
        };
        let text = format!("QEMU opens {shown} here, {device_is} {what}");
        let finding = self.finding(Code::DeviceNotAllowed, &text, says);
        let mut help = format!("add {device} to cgroup_device_acl in /etc/libvirt/qemu.conf");
        if conf.has_list {
            if conf.has_two {
                help.push_str(", to the first, as a second one counts for nothing");
            }
            if !conf.lacks.is_empty() {
                help.push_str(", with ");
                help.push_str(&conf.lacks.join(", "));
                help.push_str(", which guests need and it lacks");
            }
        } else {
            help.push_str(", which replaces libvirt's own list: `cgroup_device_acl = [ \"");
            help.push_str(&DEFAULT_DEVICES.get(..7).unwrap_or_default().join("\", \""));
            help.push_str("\", \"");
            help.push_str(device.trim_matches('`'));
            help.push_str("\" ]`");
        }
        help.push_str("; then ");
        help.push_str(&restart);
        let finding = finding.help(help);
        Some(if is_newer {
            finding.doubtful(Unknown::Configuration)
        } else if !conf.private && conf.controlled.is_none() {
            finding.doubtful(Unknown::Controller)
        } else {
            finding
        })
    }

    /// Permissions.
    fn obstacle(&self, obstacle: &Obstacle, user: &str) -> Finding {
        let at = visible(&obstacle.at.to_string_lossy());
        let (word, at) = (shell_word(&at), quoted(&at));
        let sticky = "in a directory with the sticky bit";
        let mut code = Code::PathUnreachable;
        let mut says = "Permission denied";
        let acl = |letters: &str| format!("`setfacl -m u:{user}:{letters} {word}`");
        let mut is_spare = false;
        let (what, help) = match &obstacle.what {
            Hindrance::Search => (
                format!("directory {at} does not let it through"),
                format!("{}, or `chmod o+x {word}`", acl("x")),
            ),
            Hindrance::Make => (
                format!("it may make nothing in directory {at}"),
                match obstacle
                    .at
                    .to_str()
                    .is_some_and(|at| ROOTS_OWN.contains(&at))
                {
                    true => "write a path in another directory".to_owned(),
                    false => format!("{}, or another directory", acl("rwx")),
                },
            ),
            Hindrance::File(bits, owner) => {
                let letters = match act(self.opening) {
                    Act::Opens(0o4) | Act::OpensOrMakes(0o4) => "r",
                    Act::Writes | Act::Opens(0o2) => "w",
                    _ => "rw",
                };
                // What a drive only offers to write is not opened for it before a device writes.
                is_spare = self.opening.kind == Kind::Image && *bits != 0o4;
                let verb = if *bits == 0o4 { "read" } else { "write to" };
                let help = if owner.device {
                    let by_group = match &owner.group {
                        Some(group) => format!("`usermod -aG {group} {user}`, or "),
                        None => String::new(),
                    };
                    let name = obstacle.at.file_name().unwrap_or_default();
                    let name = visible(&name.to_string_lossy());
                    format!(
                        "{by_group}a rule of udev's such as KERNEL==\"{name}\", OWNER=\"{user}\"; chmod does not last"
                    )
                } else {
                    format!("{}, or chown", acl(letters))
                };
                (format!("it may not {verb} {at}"), help)
            }
            Hindrance::ForeignLink(owner) => {
                code = Code::StickyDirectory;
                (
                    format!(
                        "{at} is a symbolic link of user {owner} {sticky}, which the kernel follows for nobody else \
                         (fs.protected_symlinks)"
                    ),
                    "write the path without the link".to_owned(),
                )
            }
            Hindrance::ForeignFile(owner) => {
                code = Code::StickyDirectory;
                (
                    format!(
                        "{at} is a file of user {owner} {sticky}, which the kernel lets nobody else open with O_CREAT \
                         (fs.protected_regular, fs.protected_fifos)"
                    ),
                    "remove it, so that QEMU makes its own, or write a path in another directory"
                        .to_owned(),
                )
            }
            Hindrance::NotRemoved(owner) => {
                code = Code::StickyDirectory;
                says = "Operation not permitted";
                (
                    format!(
                        "it may not remove {at}, as it does first: it belongs to user {owner}, {sticky}"
                    ),
                    "remove it, or write a path in a directory of QEMU's user".to_owned(),
                )
            }
        };
        let what = format!("QEMU runs as {}, and {what}", quoted(user));
        let finding = if is_spare {
            let text =
                format!("{what}: unless nothing does, QEMU refuses to start with \"{says}\"");
            Finding::warning(code, self.place(), text)
        } else {
            self.finding(code, &what, says)
        };
        let finding = finding.help(help);
        match obstacle.certain {
            Certain::Yes => finding,
            Certain::Groups => finding.doubtful(Unknown::Groups),
            Certain::Server => finding.doubtful(Unknown::Server),
        }
    }
}
