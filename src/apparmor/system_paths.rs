//! Folders that no guest is let at: libvirt's own list (virt-aa-helper.c, valid_path), and what
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
/// 11.3 adds /usr/share/qemu/, which 9.0 refuses).
const READ_ONLY: [&str; 12] = [
    "/boot/",
    "/vmlinuz",
    "/initrd",
    "/usr/lib/u-boot/",
    "/usr/share/edk2/",
    "/usr/share/edk2-ovmf/",
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

/// Why a folder is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is, or lies below, this.
    Below(&'static str),
    /// It is to be written to, and contains this.
    Contains(&'static str),
}

/// Whether the folder of this name (the kernel's own, so without symlinks) is refused.
///
/// What virt-aa-helper refuses a native `<filesystem>` is refused; beyond that, a folder that is
/// itself one of the list, and a writable one that contains one of them.
pub fn refused(name: &[u8], readonly: bool) -> Option<Refused> {
    let mut folder = name.to_vec();
    if !folder.ends_with(b"/") {
        folder.push(b'/');
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
    if let Some(prefix) = starts(&folder, &RESTRICTED) {
        return Some(Refused::Below(prefix));
    }
    if readonly {
        return None;
    }
    if let Some(prefix) = starts(&folder, &READ_ONLY) {
        return Some(Refused::Below(prefix));
    }
    RESTRICTED
        .iter()
        .chain(&READ_ONLY)
        .copied()
        .find(|prefix| prefix.as_bytes().starts_with(&folder))
        .map(Refused::Contains)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_libvirts_lists() {
        use Refused::{Below, Contains};
        for (name, readonly, expected) in [
            ("/srv/share", false, None),
            ("/etc", true, Some(Below("/etc/"))),
            ("/etc/ssl", true, Some(Below("/etc/"))),
            ("/etcetera", false, None),
            ("/lib64", false, Some(Below("/lib"))),
            ("/libvirt", false, Some(Below("/lib"))),
            ("/usr/share/ovmf/x", false, Some(Below("/usr/share/"))),
            ("/usr/share/ovmf/x", true, None),
            ("/usr/share/ovmf", true, Some(Below("/usr/share/"))),
            ("/boot", true, None),
            ("/boot", false, Some(Below("/boot/"))),
            ("/", true, None),
            ("/", false, Some(Contains("/bin/"))),
            ("/usr", false, Some(Contains("/usr/bin/"))),
            ("/usr", true, None),
            ("/usr/local", false, Some(Contains("/usr/local/bin/"))),
            ("/sys/devices/pci0000:00", false, None),
            ("/home", false, None),
        ] {
            assert_eq!(
                refused(name.as_bytes(), readonly),
                expected,
                "{name} {readonly}"
            );
        }
    }
}
