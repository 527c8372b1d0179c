//! The options of QEMU's command line, and which of them take an argument.
//!
//! Read from the table inside the binaries of Debian's 5.2.0, 7.2.22, 10.0.13 and 11.1.3, which
//! each hold the options of all architectures and those that `-help` does not show; it agrees
//! with qemu-options.hx of 5.2, 7.2 and 10.0. What was gone before 5.2 is from qemu-options.hx
//! of 2.9, dated by the list of removed features in 10.0's manual.
//!
//! No option was seen to change between taking an argument and not taking one, so one table does
//! for all versions. That an option was not there yet is said in a comment only; one that was
//! removed is known, and by which version it was gone.

/// Whether QEMU takes the word after this option for its argument (HAS_ARG in qemu-options.hx).
///
/// `name` is without the dashes; QEMU takes one or two, and no other spelling: the case counts,
/// there are no abbreviations and no `-name=value` (vl.c, lookup_opt).
///
/// `Some(true)`: it swallows the next word, whatever that is. `Some(false)`: it stands alone.
/// `None`: none of the sources above has it; QEMU says `invalid option` and does not start.
///
/// With it comes 0, or the number of the first of `seen_versions::SEEN`, from 1, that has it no more.
pub fn known(name: &str) -> Option<(bool, u8)> {
    let mut padded = [0; LONGEST];
    padded
        .get_mut(..name.len())?
        .copy_from_slice(name.as_bytes());
    OPTIONS
        .binary_search_by(|(known, ..)| known.cmp(&padded))
        .ok()
        .and_then(|position| OPTIONS.get(position))
        .map(|(_, takes, gone)| (*takes, *gone))
}

/// The length of the longest name.
const LONGEST: usize = 22;

/// An option with its name filled up with zeros, which no word of an XML has: a pointer for each
/// name would be one more to relocate at every start.
const fn option(name: &str, takes: bool) -> ([u8; LONGEST], bool, u8) {
    gone(0, name, takes)
}

/// One that was removed.
const fn gone(by: u8, name: &str, takes: bool) -> ([u8; LONGEST], bool, u8) {
    let mut padded = [0; LONGEST];
    padded
        .split_at_mut(name.len())
        .0
        .copy_from_slice(name.as_bytes());
    (padded, takes, by)
}

/// Sorted by byte, so capitals come first.
static OPTIONS: &[([u8; LONGEST], bool, u8)] = &[
    option("D", true),
    option("L", true),
    option("M", true),
    option("S", false),
    option("accel", true),
    option("acpitable", true),
    option("action", true), // new between 5.2 and 7.2
    option("add-fd", true),
    gone(2, "alt-grab", false), // removed in 7.1
    option("append", true),
    option("async-teardown", false), // new between 5.2 and 7.2, removed in 9.0
    option("audio", true),           // new between 5.2 and 7.2
    gone(3, "audio-help", false),    // removed in 8.2
    option("audiodev", true),
    gone(1, "balloon", true), // removed in 3.1
    option("bios", true),
    option("blockdev", true),
    option("boot", true),
    gone(1, "bootp", true), // removed in 3.1
    gone(1, "bt", true),    // gone by 5.2
    option("cdrom", true),
    option("chardev", true),
    gone(3, "chroot", true), // removed in 9.0
    gone(1, "clock", true),  // gone by 5.2
    option("compat", true),  // new between 5.2 and 7.2
    option("cpu", true),
    gone(2, "ctrl-grab", false), // removed in 7.1
    gone(2, "curses", false),    // removed in 7.1
    option("d", true),
    option("daemonize", false),
    option("debugcon", true),
    option("device", true),
    option("dfilter", true),
    option("display", true),
    option("drive", true),
    option("dtb", true),
    option("dump-vmstate", true),
    option("echr", true),
    gone(2, "enable-fips", false), // removed in 7.1
    option("enable-hax", false),   // gone by 5.2
    option("enable-kvm", false),
    option("enable-sync-profile", false),
    option("fda", true),
    option("fdb", true),
    option("fsdev", true),
    option("full-screen", false),
    option("fw_cfg", true),
    option("g", true),
    option("gdb", true),
    option("global", true),
    option("h", false),
    option("hda", true),
    gone(1, "hdachs", true), // removed in 2.12
    option("hdb", true),
    option("hdc", true),
    option("hdd", true),
    option("help", false),
    option("icount", true),
    option("incoming", true),
    option("initrd", true),
    option("iscsi", true),
    option("jitdump", false), // new between 7.2 and 10.0
    option("k", true),
    option("kernel", true),
    option("loadvm", true),
    gone(1, "localtime", false), // removed in 3.1
    option("m", true),
    option("machine", true),
    option("mem-path", true),
    option("mem-prealloc", false),
    option("mon", true),
    option("monitor", true),
    option("msg", true),
    option("mtdblock", true),
    option("name", true),
    option("net", true),
    option("netdev", true),
    option("nic", true),
    gone(3, "no-acpi", false), // removed in 9.0
    option("no-fd-bootchk", false),
    gone(1, "no-frame", false),               // gone by 5.2
    gone(3, "no-hpet", false),                // removed in 9.0
    gone(1, "no-kvm", false),                 // removed in 5.2
    gone(1, "no-kvm-irqchip", false),         // removed in 3.0
    gone(1, "no-kvm-pit", false),             // removed in 2.12
    gone(1, "no-kvm-pit-reinjection", false), // removed in 3.0
    gone(2, "no-quit", false),                // removed in 7.0
    option("no-reboot", false),
    option("no-shutdown", false),
    option("no-user-config", false),
    option("nodefaults", false),
    gone(1, "nodefconfig", false), // removed in 3.1
    option("nographic", false),
    option("numa", true),
    option("object", true),
    gone(4, "old-param", false), // gone by 11.1
    option("only-migratable", false),
    option("option-rom", true),
    option("overcommit", true),
    option("parallel", true),
    option("perfmap", false), // new between 7.2 and 10.0
    option("pflash", true),
    option("pidfile", true),
    option("plugin", true),
    gone(3, "portrait", false), // removed in 9.2
    option("preconfig", false),
    option("prom-env", true),
    option("qmp", true),
    option("qmp-pretty", true),
    option("qtest", true),
    option("qtest-log", true),
    option("readconfig", true),
    gone(2, "realtime", true), // removed in 6.0
    gone(1, "redir", true),    // removed in 3.1
    gone(3, "rotate", true),   // removed in 9.2
    option("rtc", true),
    gone(1, "rtc-td-hack", false), // removed in 3.1
    option("run-with", true),      // new between 7.2 and 10.0
    gone(3, "runas", true),        // removed in 10.0
    option("s", false),
    option("sandbox", true),
    option("sd", true),
    gone(2, "sdl", false), // removed in 7.1
    option("seed", true),
    option("semihosting", false),
    option("semihosting-config", true),
    option("serial", true),
    option("set", true),
    option("shim", true),          // new between 7.2 and 10.0
    gone(2, "show-cursor", false), // removed in 6.0
    gone(3, "singlestep", false),  // removed in 9.0
    gone(1, "smb", true),          // removed in 3.1
    option("smbios", true),
    option("smp", true),
    option("snapshot", false),
    gone(2, "soundhw", true), // gone by 7.2
    option("spice", true),
    gone(1, "startdate", true), // removed in 3.1
    gone(2, "tb-size", true),   // removed in 6.0
    gone(1, "tdf", false),      // removed in 2.12
    gone(1, "tftp", true),      // removed in 3.1
    option("tpmdev", true),
    option("trace", true),
    option("usb", false),
    option("usbdevice", true),
    option("uuid", true),
    option("version", false),
    option("vga", true),
    option("virtfs", true),
    option("virtfs_synth", false),  // gone by 5.2
    gone(1, "virtioconsole", true), // gone by 5.2
    option("vnc", true),
    gone(2, "watchdog", true), // removed in 7.2
    option("watchdog-action", true),
    option("win2k-hack", false),
    gone(2, "writeconfig", true), // removed in 7.1
    option("xen-attach", false),
    gone(1, "xen-create", false), // gone by 5.2
    option("xen-domid", true),
    option("xen-domid-restrict", false),
];

/// Those that were removed and by which version they were gone, for those who test.
#[doc(hidden)]
pub fn removed() -> impl Iterator<Item = (&'static str, u8)> {
    let gone = OPTIONS.iter().filter(|(.., gone)| *gone > 0);
    gone.filter_map(|(name, _, gone)| {
        let name = std::str::from_utf8(name).ok()?;
        Some((name.trim_end_matches('\0'), *gone))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted() {
        assert!(OPTIONS.is_sorted_by(|(a, ..), (b, ..)| a < b));
    }

    #[test]
    fn knows_which_are_gone() {
        let by = |name| known(name).map(|(_, by)| by);
        assert_eq!(by("redir"), Some(1));
        assert_eq!(by("soundhw"), Some(2));
        assert_eq!(by("no-acpi"), Some(3));
        assert_eq!(by("fsdev"), Some(0));
    }

    #[test]
    fn tells_options_with_and_without_argument() {
        for name in [
            "fsdev", "device", "virtfs", "set", "name", "M", "D", "d", "m", "redir",
        ] {
            assert_eq!(known(name).map(|(takes, _)| takes), Some(true), "{name}");
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
            assert_eq!(known(name).map(|(takes, _)| takes), Some(false), "{name}");
        }
    }

    #[test]
    fn finds_every_option_and_nothing_else() {
        for (name, takes, by) in OPTIONS {
            let name = std::str::from_utf8(name).unwrap().trim_end_matches('\0');
            assert_eq!(known(name), Some((*takes, *by)), "{name}");
        }
        assert!(OPTIONS.is_sorted());
        for name in ["", "-fsdev", "Fsdev", "fsde", "fsdev=x", "zzz", "smp-cache"] {
            assert_eq!(known(name), None, "{name}");
        }
    }
}
