//! Directories that no guest is let at: libvirt's own list (virt-aa-helper.c, valid_path), and what
//! contains them.

/// Below these nothing is granted.
const RESTRICTED: [&str; 16] = [
    "/bin/",
    "/etc/",
    "/lib",
    "/lost+found/",
    "/proc/",
    "/sbin/",
    "/selinux/",
    "/sys/",
    "/usr/bin/",
    "/usr/lib",
    "/usr/sbin/",
    "/usr/share/",
    "/usr/local/bin/",
    "/usr/local/etc/",
    "/usr/local/lib",
    "/usr/local/sbin/",
];

/// Below these only reading is granted: boot files and firmware (libvirt 9.0;
/// later ones add /usr/share/qemu/ and /usr/share/edk2-ovmf/, which 9.0 refuses).
const READ_ONLY: [&str; 11] = [
    "/boot/",
    "/vmlinuz",
    "/initrd",
    "/usr/lib/u-boot/",
    "/usr/share/edk2/",
    "/usr/share/OVMF/",
    "/usr/share/ovmf/",
    "/usr/share/AAVMF/",
    "/usr/share/qemu-efi/",
    "/usr/share/qemu-efi-aarch64/",
    "/usr/lib/riscv64-linux-gnu/opensbi",
];

/// What is libvirt's own, and whose: whatever begins so. It holds more than its own list, from which
/// nobody but QEMU is kept.
pub const LIBVIRTS: &str = "/run/libvirt/ /var/lib/libvirt/qemu/ /var/lib/libvirt/swtpm/ \
     /var/lib/libvirt/secrets/ /var/lib/libvirt/dnsmasq/ /var/lib/libvirt/lockd/ /var/lib/libvirt/sanlock/ \
     /var/lib/libvirt/network/ /var/lib/libvirt/nwfilter/ /var/cache/libvirt/ /var/log/libvirt/";

/// Where those listen and keep their files who rule the host: systemd, buses, containers, our own
/// lock; whatever begins so.
pub const RULERS: &str = "/run/systemd/ /run/dbus/ /run/bus /run/at-spi/ /run/docker /run/cri /run/containerd \
     /run/podman/ /run/k0s/ /run/k3s/ /run/nri/ /run/balena /run/buildkit /run/snapd /run/udev/ /run/incus/ \
     /run/lxd /run/lvm/ /run/multipathd /run/openvswitch/ /run/virt-9p /var/lib/incus/ /var/lib/lxd/ /var/snap/lxd/ /var/snap/microk8s/";

/// Where the devices are.
pub const DEV: &str = "/dev/";

/// Mounts below /dev that are the host's own in a guest's private /dev, too.
const SHARED: [&str; 3] = ["/dev/shm/", "/dev/hugepages/", "/dev/mqueue/"];

/// Whether it lies where a guest has a /dev of its own.
pub fn is_in_dev(name: &[u8]) -> bool {
    let is_below = |shared: &str| name.starts_with(shared.as_bytes());
    name.starts_with(DEV.as_bytes()) && !SHARED.into_iter().any(is_below)
}

/// The name as the lists have it: /var/run is a link to /run on every system of today, and a user's
/// daemons lie below as those of the host do (/run/user/1000/podman, /run/user/1000/bus).
pub fn listed_name(name: &[u8]) -> Vec<u8> {
    let name = match name.strip_prefix(b"/var") {
        Some(run) if run.starts_with(b"/run/") => run,
        _ => name,
    };
    match name.strip_prefix(b"/run/user/") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b'/');
            let below = end.and_then(|end| rest.get(end..)).unwrap_or_default();
            [b"/run", below].concat()
        }
        None => name.to_vec(),
    }
}

/// Below these everything is granted all the same.
const EXCEPTED: [&str; 3] = [
    "/sys/devices/pci",
    "/sys/kernel/config/target/vhost",
    "/etc/libvirt-sandbox/services/",
];

/// What holds everything that the host keeps from its users: not even reading is granted of what
/// contains one of them.
const SECRET: [&str; 3] = ["/etc/", "/proc/", "/sys/"];

/// What a directory has to do with the system's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is, or lies below, this one.
    Below(&'static str),
    /// It contains this one.
    Contains(&'static str),
}

/// What is said of a directory that has to do with the system's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemPath {
    /// What it has to do with them.
    pub what: Relation,
    /// Whether it is granted all the same.
    pub granted: bool,
    /// Whether libvirt grants it as a `<filesystem>`.
    pub natively: bool,
}

/// Judges the directory of this name (the kernel's own, so without symlinks); nothing where it is
/// none of the system's.
///
/// What virt-aa-helper refuses a native `<filesystem>` is refused. Beyond that: a directory that is
/// itself one of the list, a writable one that contains one of them, and a read-only one that
/// contains what holds secrets.
pub fn system_path(name: &[u8], readonly: bool) -> Option<SystemPath> {
    let mut directory = name.to_vec();
    if !directory.ends_with(b"/") {
        directory.push(b'/');
    }
    let starts = |name: &[u8], list: &[&'static str]| {
        list.iter()
            .copied()
            .find(|prefix| name.starts_with(prefix.as_bytes()))
    };
    // libvirt compares the name without a slash at its end: /usr/share/ovmf itself is no exception.
    if starts(name, &EXCEPTED).is_some() || (readonly && starts(name, &READ_ONLY).is_some()) {
        return None;
    }
    // So to libvirt /etc is not below /etc/.
    let natively =
        starts(name, &RESTRICTED).is_none() && (readonly || starts(name, &READ_ONLY).is_none());
    let refused = |what| SystemPath {
        what,
        granted: false,
        natively,
    };
    if let Some(prefix) = starts(&directory, &RESTRICTED) {
        return Some(refused(Relation::Below(prefix)));
    }
    let contained = |list: &[&'static str]| {
        list.iter()
            .copied()
            .find(|prefix| prefix.as_bytes().starts_with(&directory))
            .map(Relation::Contains)
    };
    if readonly {
        let secret = contained(&SECRET).map(refused);
        return secret.or_else(|| {
            contained(&RESTRICTED).map(|what| SystemPath {
                granted: true,
                ..refused(what)
            })
        });
    }
    starts(&directory, &READ_ONLY)
        .map(Relation::Below)
        .or_else(|| contained(&RESTRICTED))
        .or_else(|| contained(&READ_ONLY))
        .map(refused)
}

/// Judges a directory to be shared, of which all that lies below is opened: as [`system_path`], and
/// beyond it what nobody but the host itself has a use for. What contains such is granted.
pub fn shared_path(name: &[u8], readonly: bool) -> Option<SystemPath> {
    let judged = system_path(name, readonly);
    if judged.is_some_and(|judged| !judged.granted) {
        return judged;
    }
    let directory = [name, b"/"].concat();
    let starts = |prefix: &[u8]| directory.starts_with(prefix);
    // Of no other is anything said below.
    if name != b"/" && !(starts(b"/run/") || starts(b"/var/") || starts(b"/dev/")) {
        return judged;
    }
    let listed = listed_name(&directory);
    let find = |is_it: &dyn Fn(&[u8]) -> bool| {
        // Where containers keep their volumes lies elsewhere, and may well be shared.
        let rulers = RULERS.split(' ').filter(|own| own.starts_with("/run/"));
        let mut names = LIBVIRTS.split(' ').chain(rulers);
        names.find(|own| is_it(own.as_bytes()))
    };
    let below = match is_in_dev(&directory) {
        true => Some(DEV),
        false => find(&|own| listed.starts_with(own)),
    };
    let own = |what, granted| SystemPath {
        what,
        granted,
        natively: true,
    };
    if let Some(prefix) = below {
        return Some(own(Relation::Below(prefix), false));
    }
    judged.or_else(|| {
        let contained = find(&|own| own.starts_with(&directory))?;
        Some(own(Relation::Contains(contained), true))
    })
}

#[cfg(test)]
mod tests {
    /// Directories that are libvirt's or the host's own are granted to no share, by whatever name, and
    /// what contains them with a warning.
    #[test]
    fn shares_no_directory_of_libvirts_or_of_the_hosts_own() {
        use Relation::{Below, Contains};
        for (name, expected) in [
            ("/run/libvirt", Some((Below("/run/libvirt/"), false))),
            ("/var/run/libvirt", Some((Below("/run/libvirt/"), false))),
            ("/run/docker", Some((Below("/run/docker"), false))),
            (
                "/run/user/1000/podman",
                Some((Below("/run/podman/"), false)),
            ),
            (
                "/var/lib/libvirt/qemu/nvram",
                Some((Below("/var/lib/libvirt/qemu/"), false)),
            ),
            ("/dev", Some((Below("/dev/"), false))),
            ("/dev/bus/usb", Some((Below("/dev/"), false))),
            ("/dev/shm", None),
            ("/dev/shm/a", None),
            ("/run", Some((Contains("/run/libvirt/"), true))),
            ("/var", Some((Contains("/var/lib/libvirt/qemu/"), true))),
            (
                "/var/lib/libvirt",
                Some((Contains("/var/lib/libvirt/qemu/"), true)),
            ),
            ("/var/lib/libvirt/images", None),
            ("/run/user/1000", None),
            ("/run/user/1000/pulse", None),
            ("/srv/run/libvirt", None),
            ("/var/lib/docker/volumes/a", None),
            ("/var/snap/lxd/common/a", None),
            ("/usr", Some((Contains("/usr/bin/"), true))),
            ("/etc/ssl", Some((Below("/etc/"), false))),
        ] {
            let judged = shared_path(name.as_bytes(), true);
            let judged = judged.map(|judged| (judged.what, judged.granted));
            assert_eq!(judged, expected, "{name}");
        }
    }

    use super::*;

    #[test]
    fn follows_libvirts_lists_and_goes_beyond() {
        use Relation::{Below, Contains};
        let all = [
            ("/srv/share", false, None),
            ("/etc", true, Some((Below("/etc/"), false, true))),
            ("/etc/ssl", true, Some((Below("/etc/"), false, false))),
            ("/etcetera", false, None),
            ("/lib64", false, Some((Below("/lib"), false, false))),
            ("/libvirt", false, Some((Below("/lib"), false, false))),
            (
                "/usr/share/ovmf/x",
                false,
                Some((Below("/usr/share/"), false, false)),
            ),
            ("/usr/share/ovmf/x", true, None),
            (
                "/usr/share/ovmf",
                true,
                Some((Below("/usr/share/"), false, false)),
            ),
            ("/boot", true, None),
            ("/boot", false, Some((Below("/boot/"), false, true))),
            ("/boot/grub", false, Some((Below("/boot/"), false, false))),
            ("/", true, Some((Contains("/etc/"), false, true))),
            ("/", false, Some((Contains("/bin/"), false, true))),
            ("/usr", false, Some((Contains("/usr/bin/"), false, true))),
            ("/usr", true, Some((Contains("/usr/bin/"), true, true))),
            (
                "/usr/local",
                false,
                Some((Contains("/usr/local/bin/"), false, true)),
            ),
            (
                "/usr/local",
                true,
                Some((Contains("/usr/local/bin/"), true, true)),
            ),
            ("/sys/devices/pci0000:00", false, None),
            ("/home", false, None),
        ];
        for (name, readonly, expected) in all {
            let judged = system_path(name.as_bytes(), readonly)
                .map(|judged| (judged.what, judged.granted, judged.natively));
            assert_eq!(judged, expected, "{name} {readonly}");
        }
    }
}
