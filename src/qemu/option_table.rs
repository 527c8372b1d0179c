//! The options of QEMU's command line, and which of them take an argument.
//!
//! Read from the table inside the binaries of Debian's 5.2.0, 7.2.22, 10.0.13 and 11.1.3, which
//! each hold the options of all architectures and those that `-help` does not show; it agrees
//! with qemu-options.hx of 5.2, 7.2 and 10.0. What was gone before 5.2 is from qemu-options.hx
//! of 2.9, dated by the list of removed features in 10.0's manual.
//!
//! No option was seen to change between taking an argument and not taking one, so one table does
//! for all versions. That an option was removed, or not there yet, is said in a comment only:
//! QEMU itself will say so, and for pairing words it is better known than unknown.

/// Whether QEMU takes the word after this option for its argument (HAS_ARG in qemu-options.hx).
///
/// `name` is without the dashes; QEMU takes one or two, and no other spelling: the case counts,
/// there are no abbreviations and no `-name=value` (vl.c, lookup_opt).
///
/// `Some(true)`: it swallows the next word, whatever that is. `Some(false)`: it stands alone.
/// `None`: none of the sources above has it; QEMU says `invalid option` and does not start.
pub fn takes_argument(name: &str) -> Option<bool> {
    OPTIONS
        .binary_search_by(|(known, _)| (*known).cmp(name))
        .ok()
        .and_then(|position| OPTIONS.get(position))
        .map(|(_, takes)| *takes)
}

/// Sorted by byte, so capitals come first.
static OPTIONS: &[(&str, bool)] = &[
    ("D", true),
    ("L", true),
    ("M", true),
    ("S", false),
    ("accel", true),
    ("acpitable", true),
    ("action", true), // new between 5.2 and 7.2
    ("add-fd", true),
    ("alt-grab", false), // removed in 7.1
    ("append", true),
    ("async-teardown", false), // new between 5.2 and 7.2, removed in 9.0
    ("audio", true),           // new between 5.2 and 7.2
    ("audio-help", false),     // removed in 8.2
    ("audiodev", true),
    ("balloon", true), // removed in 3.1
    ("bios", true),
    ("blockdev", true),
    ("boot", true),
    ("bootp", true), // removed in 3.1
    ("bt", true),    // gone by 5.2
    ("cdrom", true),
    ("chardev", true),
    ("chroot", true), // removed in 9.0
    ("clock", true),  // gone by 5.2
    ("compat", true), // new between 5.2 and 7.2
    ("cpu", true),
    ("ctrl-grab", false), // removed in 7.1
    ("curses", false),    // removed in 7.1
    ("d", true),
    ("daemonize", false),
    ("debugcon", true),
    ("device", true),
    ("dfilter", true),
    ("display", true),
    ("drive", true),
    ("dtb", true),
    ("dump-vmstate", true),
    ("echr", true),
    ("enable-fips", false), // removed in 7.1
    ("enable-hax", false),  // gone by 5.2
    ("enable-kvm", false),
    ("enable-sync-profile", false),
    ("fda", true),
    ("fdb", true),
    ("fsdev", true),
    ("full-screen", false),
    ("fw_cfg", true),
    ("g", true),
    ("gdb", true),
    ("global", true),
    ("h", false),
    ("hda", true),
    ("hdachs", true), // removed in 2.12
    ("hdb", true),
    ("hdc", true),
    ("hdd", true),
    ("help", false),
    ("icount", true),
    ("incoming", true),
    ("initrd", true),
    ("iscsi", true),
    ("jitdump", false), // new between 7.2 and 10.0
    ("k", true),
    ("kernel", true),
    ("loadvm", true),
    ("localtime", false), // removed in 3.1
    ("m", true),
    ("machine", true),
    ("mem-path", true),
    ("mem-prealloc", false),
    ("mon", true),
    ("monitor", true),
    ("msg", true),
    ("mtdblock", true),
    ("name", true),
    ("net", true),
    ("netdev", true),
    ("nic", true),
    ("no-acpi", false), // removed in 9.0
    ("no-fd-bootchk", false),
    ("no-frame", false),               // gone by 5.2
    ("no-hpet", false),                // removed in 9.0
    ("no-kvm", false),                 // removed in 5.2
    ("no-kvm-irqchip", false),         // removed in 3.0
    ("no-kvm-pit", false),             // removed in 2.12
    ("no-kvm-pit-reinjection", false), // removed in 3.0
    ("no-quit", false),                // removed in 7.0
    ("no-reboot", false),
    ("no-shutdown", false),
    ("no-user-config", false),
    ("nodefaults", false),
    ("nodefconfig", false), // removed in 3.1
    ("nographic", false),
    ("numa", true),
    ("object", true),
    ("old-param", false), // gone by 11.1
    ("only-migratable", false),
    ("option-rom", true),
    ("overcommit", true),
    ("parallel", true),
    ("perfmap", false), // new between 7.2 and 10.0
    ("pflash", true),
    ("pidfile", true),
    ("plugin", true),
    ("portrait", false), // removed in 9.2
    ("preconfig", false),
    ("prom-env", true),
    ("qmp", true),
    ("qmp-pretty", true),
    ("qtest", true),
    ("qtest-log", true),
    ("readconfig", true),
    ("realtime", true), // removed in 6.0
    ("redir", true),    // removed in 3.1
    ("rotate", true),   // removed in 9.2
    ("rtc", true),
    ("rtc-td-hack", false), // removed in 3.1
    ("run-with", true),     // new between 7.2 and 10.0
    ("runas", true),        // removed in 10.0
    ("s", false),
    ("sandbox", true),
    ("sd", true),
    ("sdl", false), // removed in 7.1
    ("seed", true),
    ("semihosting", false),
    ("semihosting-config", true),
    ("serial", true),
    ("set", true),
    ("shim", true),         // new between 7.2 and 10.0
    ("show-cursor", false), // removed in 6.0
    ("singlestep", false),  // removed in 9.0
    ("smb", true),          // removed in 3.1
    ("smbios", true),
    ("smp", true),
    ("snapshot", false),
    ("soundhw", true), // gone by 7.2
    ("spice", true),
    ("startdate", true), // removed in 3.1
    ("tb-size", true),   // removed in 6.0
    ("tdf", false),      // removed in 2.12
    ("tftp", true),      // removed in 3.1
    ("tpmdev", true),
    ("trace", true),
    ("usb", false),
    ("usbdevice", true),
    ("uuid", true),
    ("version", false),
    ("vga", true),
    ("virtfs", true),
    ("virtfs_synth", false), // gone by 5.2
    ("virtioconsole", true), // gone by 5.2
    ("vnc", true),
    ("watchdog", true), // removed in 7.2
    ("watchdog-action", true),
    ("win2k-hack", false),
    ("writeconfig", true), // removed in 7.1
    ("xen-attach", false),
    ("xen-create", false), // gone by 5.2
    ("xen-domid", true),
    ("xen-domid-restrict", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted() {
        assert!(OPTIONS.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn tells_options_with_and_without_argument() {
        for name in [
            "fsdev", "device", "virtfs", "set", "name", "M", "D", "d", "m", "redir",
        ] {
            assert_eq!(takes_argument(name), Some(true), "{name}");
        }
        for name in [
            "S",
            "s",
            "nodefaults",
            "snapshot",
            "h",
            "usb",
            "virtfs_synth",
            "tdf",
        ] {
            assert_eq!(takes_argument(name), Some(false), "{name}");
        }
    }

    #[test]
    fn finds_every_option_and_nothing_else() {
        for (name, takes) in OPTIONS {
            assert_eq!(takes_argument(name), Some(*takes), "{name}");
        }
        for name in ["", "-fsdev", "Fsdev", "fsde", "fsdev=x", "zzz", "smp-cache"] {
            assert_eq!(takes_argument(name), None, "{name}");
        }
    }
}
