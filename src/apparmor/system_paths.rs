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

#[cfg(test)]
mod tests {
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
