//! What stands between QEMU and a path of the host beside AppArmor: the /dev that libvirt gives it,
//! the controller of devices, permissions, and the sandbox. Facts for one domain.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::OnceLock;

use crate::host::qemu_user::QemuUser;
use crate::host::reach::{Act, Hindrance, Obstacle, obstacles};
use crate::host::way::way;
use crate::host::{CONFIGURATION, Root, daemon};

/// What a list of the admin's takes the place of (qemu_cgroup.c, defaultDeviceACL; the last since
/// 10.1).
pub const DEFAULT_DEVICES: [&str; 8] = [
    "/dev/null",
    "/dev/full",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/kvm",
    "/dev/userfaultfd",
];

/// File systems that are mounted below /dev on every host, and so in QEMU's, too.
const MOUNTED: [&str; 4] = ["/dev/shm", "/dev/hugepages", "/dev/mqueue", "/dev/pts"];

/// What is known for all paths of a domain.
#[derive(Debug, Default)]
pub struct Walls {
    /// The user QEMU runs as, where that is known and matters.
    pub user: Option<QemuUser>,
    /// What libvirt's own elements name: it sees to owner, node and rule.
    natives: Vec<String>,
    /// The same, and what that leads to, once somebody has asked.
    known_natives: OnceLock<BTreeSet<String>>,
    /// What qemu.conf says, where it may be read, once somebody has asked.
    settings: OnceLock<Option<Settings>>,
    /// Who reads that, and whether it was changed after; likewise.
    reader: OnceLock<(&'static str, bool)>,
}

/// What qemu.conf and the host make of devices and programs.
#[derive(Debug)]
pub struct Settings {
    /// Whether QEMU has a /dev of its own.
    pub private: bool,
    /// Whether there is a controller of devices; nothing where libvirt tries and may not get it.
    pub controlled: Option<bool>,
    /// Whether the admin has a list of devices.
    pub has_list: bool,
    /// Whether there is a second one, which does not count.
    pub has_two: bool,
    /// Those of [`DEFAULT_DEVICES`] that a guest cannot do without and that the list lacks.
    pub lacks: Vec<&'static str>,
    /// Whether QEMU may not execute anything.
    pub sandboxed: bool,
    /// Names that libvirt makes in QEMU's own /dev, links and what they lead to.
    listed: BTreeSet<String>,
    /// Where file systems are mounted below /dev.
    mounted: Vec<String>,
}

/// Whether QEMU gets at a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceWay {
    /// It is none, or that is not known.
    #[default]
    Unknown,
    /// Not in its own /dev, or not by the controller of devices.
    Closed,
    /// The admin has let it.
    Open,
    /// libvirt lets it, and grants it, too.
    Native,
}

/// What stands before one path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Whether QEMU gets at it, where it is a device.
    pub way: DeviceWay,
    /// The name below /dev that is not let through, or that the admin's list lets.
    pub device: String,
    /// What permissions have against it.
    pub obstacles: Vec<Obstacle>,
}

impl Walls {
    /// For paths that are looked at as this user. `natives` are paths that libvirt's own elements
    /// name.
    pub fn new(user: Option<QemuUser>, natives: Vec<String>) -> Walls {
        Walls {
            user,
            natives,
            ..Walls::default()
        }
    }

    /// Where nothing is known.
    pub fn unknown() -> Walls {
        Walls {
            settings: OnceLock::from(None),
            ..Walls::default()
        }
    }

    /// Looks who reads qemu.conf, where it was asked what that says.
    pub fn ask_for_reader(&self, root: &Root) {
        if self.settings.get().is_some() {
            self.reader.get_or_init(|| reader(root));
        }
    }

    /// The daemon that reads qemu.conf when it starts, and whether the file was changed after that.
    pub fn reader(&self) -> (&'static str, bool) {
        let unknown = ("libvirtd (or virtqemud)", false);
        self.reader.get().copied().unwrap_or(unknown)
    }

    /// What qemu.conf says.
    pub fn settings(&self, root: &Root) -> Option<&Settings> {
        let settings = self.settings.get_or_init(|| Settings::read(root));
        settings.as_ref()
    }

    /// The same, where somebody has asked.
    pub fn known_settings(&self) -> Option<&Settings> {
        self.settings.get()?.as_ref()
    }

    /// What stands before what QEMU does at `path`.
    pub fn before(&self, root: &Root, path: &Path, act: Act) -> Before {
        let mut before = Before::default();
        let Some(way) = way(root, path, act != Act::Replaces) else {
            return before;
        };
        if let Some(user) = &self.user {
            before.obstacles = obstacles(root, user, &way, act);
        }
        // Not before: this is where nobody waits for ever.
        let natives = self.known_natives.get_or_init(|| {
            let natives = self.natives.iter().map(String::as_str);
            names(root, natives)
        });
        let is_native = |name: &String| natives.contains(name);
        // libvirt gives QEMU's user what its own elements name.
        if way.names().any(|name| is_native(&name)) {
            let own = |one: &Obstacle| matches!(one.what, Hindrance::File(..));
            before.obstacles.retain(|one| !own(one));
        }
        let names = way.names().filter(|name| name.starts_with("/dev/"));
        let mut names = names.peekable();
        if names.peek().is_none() {
            return before;
        }
        let Some(conf) = self.settings(root) else {
            return before;
        };
        let is_node = way.is.as_ref().is_some_and(|is| {
            let kind = is.file_type();
            kind.is_char_device() || kind.is_block_device()
        });
        while let Some(name) = names.next() {
            let is_last = names.peek().is_none();
            // What is mounted there is the host's own, but for nodes.
            if !conf.is_own(&name) {
                if is_last && !is_node {
                    before.way = DeviceWay::Open;
                }
                continue;
            }
            // The controller knows of nodes only, whatever leads to them. What is not there is no
            // device, and nobody but root makes it.
            if !conf.private && !is_last || way.is.is_none() {
                continue;
            }
            let is_free = !conf.private && conf.controlled == Some(false);
            let listed = conf.listed.contains(&name);
            if is_native(&name) {
                before.way = DeviceWay::Native;
            } else if is_free || listed {
                before.way = DeviceWay::Open;
                if listed && conf.has_list {
                    before.device = name;
                }
            } else {
                before.way = DeviceWay::Closed;
                before.device = name;
                break;
            }
        }
        before
    }
}

impl Settings {
    fn read(root: &Root) -> Option<Settings> {
        let conf = root.configuration()?;
        let list = conf.texts("cgroup_device_acl");
        let default = DEFAULT_DEVICES.to_vec();
        let listed = names(root, list.as_ref().unwrap_or(&default).iter().copied());
        let needed = DEFAULT_DEVICES.into_iter().take(7);
        let lacks =
            needed.filter(|device| list.as_ref().is_some_and(|list| !list.contains(device)));
        let lacks = lacks.collect();
        let names_one = |key: &str, one: &str| conf.texts(key).map(|list| list.contains(&one));
        let mounts = root.text("/proc/self/mounts").unwrap_or_default();
        let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mounted = mounted.filter(|place| place.starts_with("/dev/"));
        let private = names_one("namespaces", "mount") != Some(false);
        let has_cgroups = || {
            ["cgroup.controllers", "devices"]
                .iter()
                .any(|name| root.path(format!("/sys/fs/cgroup/{name}")).exists())
        };
        Some(Settings {
            private,
            controlled: match names_one("cgroup_controllers", "devices") {
                Some(false) => Some(false),
                _ => (!private && has_cgroups()).then_some(true),
            },
            has_list: list.is_some(),
            has_two: conf.repeats("cgroup_device_acl"),
            lacks,
            sandboxed: conf.number("seccomp_sandbox") != Some(0),
            listed,
            mounted: mounted.chain(MOUNTED).map(str::to_owned).collect(),
        })
    }

    /// Whether it lies in the /dev that QEMU has of its own.
    fn is_own(&self, name: &str) -> bool {
        let name = Path::new(name);
        name.starts_with("/dev") && !self.mounted.iter().any(|place| name.starts_with(place))
    }
}

fn reader(root: &Root) -> (&'static str, bool) {
    let running = daemon::running(root);
    let changed = std::fs::metadata(root.path(CONFIGURATION)).map_or(0, |is| is.mtime());
    let started = running.as_ref().and_then(|daemon| daemon.started);
    (
        running.map_or("libvirtd (or virtqemud)", |daemon| daemon.name),
        started.is_some_and(|started| changed > started),
    )
}

/// What libvirt makes for these paths: each link on the way, and the end
/// (qemuNamespacePrepareOneItem); and the paths as they are written.
fn names<'n>(root: &Root, paths: impl IntoIterator<Item = &'n str>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for path in paths {
        all.insert(path.to_owned());
        if path.starts_with("/dev/")
            && let Some(way) = way(root, Path::new(path), true)
        {
            all.extend(way.names());
        }
    }
    all
}
