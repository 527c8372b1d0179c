//! The keys of `-fsdev` and `-virtfs`, one row each: with which drivers it goes, what its value is,
//! which QEMU has it, and what libvirt's `<filesystem>` has in its place. Whoever asks about a key
//! asks here: `lint` what QEMU takes, `convert` what can be said on the other side.
//!
//! From fsdev/qemu-fsdev.c (FsDrivers) and qemu-fsdev-opts.c, and tried on Debian's 5.2.0, 7.2.22,
//! 10.0.13 and 11.1.3.

use crate::version::Version;

/// A driver of `-fsdev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fsdriver {
    /// As QEMU has it.
    pub name: &'static str,
    /// The first QEMU without it (facts Q2.9).
    pub gone: Option<Version>,
}

/// Every driver that there is or was.
pub const FSDRIVERS: [Fsdriver; 4] = [
    Fsdriver {
        name: "local",
        gone: None,
    },
    Fsdriver {
        name: "synth",
        gone: None,
    },
    Fsdriver {
        name: "proxy",
        gone: Some(Version(9, 2, 0)),
    },
    Fsdriver {
        name: "handle",
        gone: Some(Version(4, 0, 0)),
    },
];

/// What `security_model` may say; the last one given is checked.
pub const SECURITY_MODELS: [&str; 5] = [
    "passthrough",
    "mapped",
    "mapped-xattr",
    "mapped-file",
    "none",
];

/// What `multidevs` may say; the last one given is checked.
pub const MULTIDEVS: [&str; 3] = ["remap", "forbid", "warn"];

/// With which drivers an option takes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drivers {
    /// With none: it is not this option's.
    None,
    /// With whichever.
    Any,
    /// With these.
    Of(&'static [&'static str]),
}

impl Drivers {
    /// Whether the key goes with this driver. One that is not known takes what any takes: that it
    /// is not known is said of the driver itself.
    fn take(self, driver: Option<&str>) -> bool {
        match self {
            Drivers::None => false,
            Drivers::Any => true,
            Drivers::Of(drivers) => driver.is_none_or(|driver| drivers.contains(&driver)),
        }
    }
}

/// What QEMU checks of every value, also of one that a later one replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyValue {
    /// Nothing, or nothing before the driver reads the last one.
    Any,
    /// `on` or `off`, as [`crate::qemu::option_string::boolean`] reads them.
    Switch,
    /// A number, below this where that is said.
    Number(Option<u64>),
    /// A number, though people write it with a unit.
    Rate,
}

/// Which QEMU has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InQemu {
    /// Every one.
    Every,
    /// This one and those after it. Where the version is not known, it is taken to be there.
    Since(Version),
    /// None before the first version; all in a series from the second to before the third; all from
    /// the last one on. Of the others it depends on the build.
    Builds(Version, [Version; 2], Version),
    /// Those of some distributor.
    SomeBuilds,
}

impl InQemu {
    /// The first that has it, where there were others before.
    pub fn first(self) -> Option<Version> {
        match self {
            InQemu::Since(first) | InQemu::Builds(first, ..) => Some(first),
            InQemu::Every | InQemu::SomeBuilds => None,
        }
    }

    /// Whether this QEMU has it; nothing where that cannot be told.
    pub fn has(self, qemu: Option<Version>) -> Option<bool> {
        match (self, qemu) {
            (InQemu::Every, _) | (InQemu::Since(_), None) => Some(true),
            (InQemu::Since(first), Some(qemu)) => Some(qemu >= first),
            (InQemu::Builds(first, ..), Some(qemu)) if qemu < first => Some(false),
            (InQemu::Builds(_, [from, to], all), Some(qemu))
                if (from..to).contains(&qemu) || qemu >= all =>
            {
                Some(true)
            }
            (InQemu::Builds(..) | InQemu::SomeBuilds, _) => None,
        }
    }
}

/// What `<filesystem>` has in place of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InFilesystem {
    /// Its equal, in every libvirt.
    Always,
    /// Its equal, an attribute of the same name, since this libvirt: an older one drops it without
    /// a word.
    Since(Version),
    /// Nothing.
    Nothing,
    /// Nothing: it is a limit, which `<filesystem>` has none of.
    NoLimits,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FsdevKey {
    /// As QEMU has it; of the limits, their common beginning.
    pub name: &'static str,
    /// The drivers with which `-fsdev` takes it.
    pub fsdev: Drivers,
    /// The drivers with which `-virtfs` takes it.
    pub virtfs: Drivers,
    /// What its value is.
    pub value: KeyValue,
    /// Which QEMU has it.
    pub qemu: InQemu,
    /// What `convert --to native` makes of it, of the driver `local`.
    pub filesystem: InFilesystem,
}

const LOCAL: Drivers = Drivers::Of(&["local"]);
const PROXY: Drivers = Drivers::Of(&["proxy"]);

/// A row of the driver `local`, with an equal in `<filesystem>`.
const fn local(name: &'static str) -> FsdevKey {
    FsdevKey {
        name,
        fsdev: LOCAL,
        virtfs: LOCAL,
        value: KeyValue::Any,
        qemu: InQemu::Every,
        filesystem: InFilesystem::Always,
    }
}

/// A row of whichever driver, with an equal in `<filesystem>`.
const fn any(name: &'static str) -> FsdevKey {
    FsdevKey {
        fsdev: Drivers::Any,
        virtfs: Drivers::Any,
        ..local(name)
    }
}

/// A row of some drivers, without an equal.
const fn of(name: &'static str, drivers: Drivers) -> FsdevKey {
    FsdevKey {
        fsdev: drivers,
        virtfs: drivers,
        filesystem: InFilesystem::Nothing,
        ..local(name)
    }
}

/// `-virtfs` reads a mode and forgets it, whatever the driver (vl.c).
const fn mode(name: &'static str) -> FsdevKey {
    FsdevKey {
        virtfs: Drivers::Any,
        qemu: InQemu::Since(Version(2, 10, 0)),
        filesystem: InFilesystem::Since(Version(6, 10, 0)),
        ..local(name)
    }
}

/// Every key but the limits.
pub const KEYS: [FsdevKey; 15] = [
    any("fsdriver"),
    any("id"),
    local("path"),
    local("security_model"),
    mode("fmode"),
    mode("dmode"),
    FsdevKey {
        value: KeyValue::Switch,
        ..any("readonly")
    },
    FsdevKey {
        fsdev: Drivers::Of(&["local", "proxy"]),
        virtfs: Drivers::Of(&["local", "proxy"]),
        ..local("writeout")
    },
    FsdevKey {
        // facts Q2.10
        qemu: InQemu::Since(Version(4, 2, 0)),
        filesystem: InFilesystem::Since(Version(6, 3, 0)),
        ..local("multidevs")
    },
    FsdevKey {
        // That of the device; an -fsdev has none.
        fsdev: Drivers::None,
        ..of("mount_tag", Drivers::Any)
    },
    FsdevKey {
        value: KeyValue::Number(Some(1 << 32)),
        // In Debian's 10.0.13 and 11.1.3, but not in 10.2.2 (facts Q2.5).
        qemu: InQemu::Builds(
            Version(10, 0, 0),
            [Version(10, 0, 13), Version(10, 1, 0)],
            Version(11, 0, 0),
        ),
        ..of("max_xattr", Drivers::Of(&["local", "synth"]))
    },
    FsdevKey {
        // Canonical's.
        qemu: InQemu::SomeBuilds,
        ..of("uid_map", LOCAL)
    },
    FsdevKey {
        qemu: InQemu::SomeBuilds,
        ..of("gid_map", LOCAL)
    },
    of("socket", PROXY),
    FsdevKey {
        value: KeyValue::Number(None),
        ..of("sock_fd", PROXY)
    },
];

/// The limits: `throttling.bps-total` and its kin. `-virtfs` has none of them.
const THROTTLING: FsdevKey = FsdevKey {
    virtfs: Drivers::None,
    value: KeyValue::Rate,
    filesystem: InFilesystem::NoLimits,
    ..local("throttling.")
};

/// The six buckets of limits, as their keys name them.
pub const BUCKETS: [(&str, &str); 6] = [
    ("bps", "total"),
    ("bps", "read"),
    ("bps", "write"),
    ("iops", "total"),
    ("iops", "read"),
    ("iops", "write"),
];

/// The key of this name, where there is one.
pub fn fsdev_key(name: &str) -> Option<&'static FsdevKey> {
    match name.strip_prefix(THROTTLING.name) {
        Some(limit) => is_limit(limit).then_some(&THROTTLING),
        None => KEYS.iter().find(|key| key.name == name),
    }
}

fn is_limit(name: &str) -> bool {
    let of_bucket = |(unit, way): &(&str, &str)| {
        let rest = name.strip_prefix(unit)?.strip_prefix('-')?;
        rest.strip_prefix(way)
    };
    name == "iops-size"
        || BUCKETS
            .iter()
            .filter_map(of_bucket)
            .any(|rest| matches!(rest, "" | "-max" | "-max-length"))
}

impl FsdevKey {
    /// Whether an option takes it: `-virtfs`, or `-fsdev` and `-set`; with this driver, where that
    /// is known, in this QEMU. Nothing where it depends on what is not known.
    pub fn belongs(
        &self,
        virtfs: bool,
        driver: Option<&str>,
        qemu: Option<Version>,
    ) -> Option<bool> {
        let drivers = if virtfs { self.virtfs } else { self.fsdev };
        match drivers.take(driver) {
            true => self.qemu.has(qemu),
            false => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_and_goes_with_drivers_that_are_there() {
        for key in &KEYS {
            assert_eq!(fsdev_key(key.name), Some(key));
            for drivers in [key.fsdev, key.virtfs] {
                if let Drivers::Of(names) = drivers {
                    let known = |name: &&str| FSDRIVERS.iter().any(|driver| driver.name == *name);
                    assert!(names.iter().all(known), "{}", key.name);
                }
            }
        }
        for name in ["throttling.bps-total", "throttling.iops-read-max-length"] {
            assert_eq!(fsdev_key(name), Some(&THROTTLING), "{name}");
        }
        for name in [
            "",
            "Path",
            "throttling.",
            "throttling.bps",
            "throttling.bps-total-min",
        ] {
            assert_eq!(fsdev_key(name), None, "{name}");
        }
    }

    #[test]
    fn versions_decide_where_they_are_known() {
        let of = |name: &str, qemu: Option<Version>| fsdev_key(name).unwrap().qemu.has(qemu);
        for (name, qemu, has) in [
            ("multidevs", Some(Version(4, 1, 0)), Some(false)),
            ("multidevs", Some(Version(4, 2, 0)), Some(true)),
            ("multidevs", None, Some(true)),
            ("max_xattr", Some(Version(9, 2, 0)), Some(false)),
            ("max_xattr", Some(Version(10, 0, 12)), None),
            ("max_xattr", Some(Version(10, 0, 13)), Some(true)),
            ("max_xattr", Some(Version(10, 2, 2)), None),
            ("max_xattr", Some(Version(11, 0, 0)), Some(true)),
            ("max_xattr", None, None),
            ("uid_map", Some(Version(11, 1, 3)), None),
        ] {
            assert_eq!(of(name, qemu), has, "{name} {qemu:?}");
        }
    }

    #[test]
    fn drivers_and_options_have_keys_of_their_own() {
        let belongs =
            |name: &str, virtfs, driver| fsdev_key(name).unwrap().belongs(virtfs, driver, None);
        for (name, virtfs, driver, expected) in [
            ("mount_tag", true, Some("local"), true),
            ("mount_tag", false, None, false),
            ("fmode", true, Some("synth"), true),
            ("fmode", false, Some("synth"), false),
            ("socket", false, Some("proxy"), true),
            ("socket", false, Some("local"), false),
            ("throttling.iops-size", true, Some("local"), false),
            ("path", false, None, true),
        ] {
            assert_eq!(belongs(name, virtfs, driver), Some(expected), "{name}");
        }
    }
}
