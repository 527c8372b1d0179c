//! The table: which key of which option is a path, what QEMU opens it as, and how.
//!
//! Read from the sources of 5.2, 7.2 and 10.0; `tests/qemu_paths.rs` holds each row that opens
//! something against the system calls of a real QEMU.

use super::Opening;

/// What QEMU takes a path for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file that is read.
    File,
    /// A file that is read; a name that is not there is looked for in QEMU's own data directories.
    Firmware,
    /// A file that is written, and created where it is missing.
    Log,
    /// A disk image: opened with locks.
    Image,
    /// A socket to listen on: what lies there is removed first.
    Listens,
    /// A socket to connect to.
    Connects,
    /// A pair of pipes, or one.
    Pipe,
    /// A character device.
    Node,
    /// Memory: a file, created where it is missing, or a directory for a private one.
    Memory,
    /// A directory with credentials.
    Tls(Credentials),
}

/// Which credentials QEMU looks for in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// X.509, as a server.
    Server,
    /// X.509, as a client.
    Client,
    /// Shared keys.
    Psk,
    /// Shared keys, as a server.
    PskServer,
    /// Anonymous.
    Anon,
    /// Those of SPICE.
    Spice,
    /// Those of SPICE, some of which lie elsewhere.
    SomeSpice,
}

impl Credentials {
    /// The names of the files.
    pub fn files(self) -> &'static [&'static str] {
        let all = &[
            "ca-cert.pem",
            "server-key.pem",
            "server-cert.pem",
            "ca-crl.pem",
            "dh-params.pem",
        ];
        match self {
            Credentials::Server => all,
            Credentials::Client => &["ca-cert.pem", "client-cert.pem", "client-key.pem"],
            Credentials::Psk => &["keys.psk"],
            Credentials::PskServer => &["keys.psk", "dh-params.pem"],
            Credentials::Anon => &["dh-params.pem"],
            Credentials::Spice | Credentials::SomeSpice => all.get(..3).unwrap_or(all),
        }
    }

    /// How many of them, the first, QEMU does not start without.
    pub fn needed(self) -> usize {
        match self {
            Credentials::Server | Credentials::Spice => 3,
            Credentials::Client | Credentials::Psk | Credentials::PskServer => 1,
            Credentials::Anon | Credentials::SomeSpice => 0,
        }
    }
}

/// What AppArmor has to grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// Reading.
    R,
    /// Writing, creating, removing.
    W,
    /// Writing with a lock.
    Wk,
    /// Reading and writing.
    Rw,
    /// Reading with a lock.
    Rk,
    /// All three.
    Rwk,
}

impl Letters {
    /// As they stand in a rule.
    pub fn text(self) -> &'static str {
        match self {
            Letters::R => "r",
            Letters::W => "w",
            Letters::Wk => "wk",
            Letters::Rw => "rw",
            Letters::Rk => "rk",
            Letters::Rwk => "rwk",
        }
    }

    /// Whether there is a `w` among them.
    pub fn write(self) -> bool {
        !matches!(self, Letters::R | Letters::Rk)
    }
}

/// How an option's argument is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// QemuOpts or keyval: the same as far as paths go.
    Options,
    /// The same, or JSON where it begins with `{`.
    OptionsOrJson,
    /// QemuOpts, where the value of a key with a path is a list with `:` between.
    List,
    /// The whole word.
    Word,
    /// The whole word; what it says is a key of `-machine`.
    Sugar,
    /// The character device string of `-serial`; whether it may begin with `mon:`.
    Character(bool),
    /// The whole word is an image; whether it is only read.
    ImageWord(bool),
    /// `-drive`.
    Drive,
}

/// Why nothing can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A program.
    Exec,
    /// A program that sets up the network.
    Network,
    /// A program that is run when QEMU ends.
    Down,
    /// A bus.
    Bus,
    /// Memory by a name of QEMU's own.
    Shared,
    /// More options.
    Config,
    /// A directory with all below.
    Tree,
    /// What an image names.
    Layers,
    /// A file of QEMU's own for what the guest writes.
    Temporary,
    /// A device of the host.
    Hostdev,
    /// A node without a path.
    Vhost,
    /// libvirt's own business.
    Libvirts,
    /// Open files.
    Fds,
    /// Record and replay.
    Replay,
    /// The guest names the files.
    Guests,
    /// A library.
    Code,
    /// QEMU's own tests.
    Tests,
    /// What libraries open.
    Environment,
}

impl Why {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Why::Exec | Why::Network => {
                "QEMU runs it as a program, for which there is no rule, and which libvirt's sandbox (seccomp_sandbox in qemu.conf) stops unless it is off"
            }
            Why::Down => {
                "QEMU runs it as a program when it ends, which libvirt's sandbox (seccomp_sandbox in qemu.conf) stops unless it is off: write downscript=no"
            }
            Why::Bus => {
                "on a bus more than its socket decides: use libvirt's <graphics type='dbus'>, which has one of its own"
            }
            Why::Shared => {
                "QEMU makes it in /dev/shm, with its process number in its name, which no rule for one guest knows: use memory-backend-memfd"
            }
            Why::Config => {
                "what is in that file is more options, and virt-9p does not read it as root for a guest"
            }
            Why::Tree => {
                "QEMU opens whatever lies below that directory, and a rule for all of it is granted to 9p shares only"
            }
            Why::Layers => {
                "what that image itself names (a backing file, a data file) is not read here: name it (`backing`), or flatten the image (`qemu-img convert`)"
            }
            Why::Temporary => {
                "QEMU makes a file with a name of its own in /var/tmp (vl.…) for what the guest writes: name an overlay instead (`qemu-img create -f qcow2 -b`), or write libvirt's <disk> with <transient/>"
            }
            Why::Hostdev => {
                "a host device needs the node, the memory limit and the rules that only libvirt's own <hostdev> makes"
            }
            Why::Vhost => {
                "QEMU opens a node below /dev that is not in the private /dev of libvirt's guests: use libvirt's own element (<vsock>, <hostdev>, <interface>, <graphics>, <tpm>)"
            }
            Why::Libvirts => {
                "libvirt passes its own, which comes first, or which this one gets in the way of"
            }
            Why::Fds => "it hands over open files, and no rule opens those",
            Why::Replay => {
                "record and replay is a matter of debugging QEMU, for which virt-9p has no rule"
            }
            Why::Guests => "with semihosting the guest itself names the files that QEMU opens",
            Why::Code => "QEMU loads it as a part of its own program, and no guest is granted that",
            Why::Environment => {
                "what QEMU's libraries open for it is theirs to say: only what an argument names is granted, as server= of -audiodev"
            }
            Why::Tests => "it is there for QEMU's own tests",
        }
    }
}

/// What a key of an option means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// QEMU opens it.
    Opens(Kind, Letters),
    /// Nothing can be granted; why.
    Never(Why),
}

/// A short text without a pointer to it: what has none costs nothing at the start of a program,
/// and the hook is the same program.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    bytes: [u8; 37],
    length: u8,
    /// Where its first two slashes are; behind its end, where there are none.
    slashes: [u8; 2],
}

impl Name {
    const fn new(text: &str) -> Self {
        let mut bytes = [0; 37];
        let (own, _) = bytes.split_at_mut(text.len());
        own.copy_from_slice(text.as_bytes());
        let length = text.len() as u8;
        let mut slashes = [length; 2];
        let mut left = text.as_bytes();
        while let [before @ .., last] = left {
            if *last == b'/' {
                slashes = [before.len() as u8, slashes[0]];
            }
            left = before;
        }
        Name {
            bytes,
            length,
            slashes,
        }
    }

    /// What stands from one place to another.
    fn part(&self, from: usize, to: u8) -> &[u8] {
        self.bytes.get(from..usize::from(to)).unwrap_or_default()
    }

    /// The words between the slashes.
    fn parts(&self) -> [&[u8]; 3] {
        let [first, second] = self.slashes;
        let behind = |slash: u8| usize::from(slash) + 1;
        [
            self.part(0, first),
            self.part(behind(first), second),
            self.part(behind(second), self.length),
        ]
    }

    /// As a text.
    pub fn text(&self) -> &str {
        let own = self.bytes.get(..usize::from(self.length));
        std::str::from_utf8(own.unwrap_or_default()).unwrap_or("")
    }
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Three words with `/` between: the option; the value of its implied key, where it matters,
    /// with `*` at its end for all that begin so; the key, empty for the whole word.
    pub name: Name,
    /// What it means.
    pub meaning: Meaning,
    /// The first QEMU that has it; 5.2 stands for all before, too.
    pub since: (u8, u8),
    /// Whether QEMU refuses to start where it cannot open it.
    pub needed: bool,
}

impl Row {
    /// Option, value of the implied key, key.
    pub fn words(&self) -> (&str, &str, &str) {
        let [option, of, key] = self.name.parts();
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or("");
        (text(option), text(of), text(key))
    }

    /// How QEMU opens what stands there.
    pub fn opening(&self, kind: Kind, letters: Letters) -> Opening {
        Opening {
            kind,
            letters,
            since: self.since,
            needed: self.needed,
            layered: false,
        }
    }

    /// Whether it is about this option and this value of its implied key.
    pub fn is_of(&self, option: &str, of: &str) -> bool {
        let [own, only, _] = self.name.parts();
        let of = of.as_bytes();
        own == option.as_bytes()
            && match only.strip_suffix(b"*") {
                Some(begin) => of.starts_with(begin),
                None => only.is_empty() || only == of,
            }
    }
}

/// The rows about this key.
pub fn rows<'k>(option: &'k str, of: &'k str, key: &'k str) -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
        .filter(move |row| row.name.parts()[2] == key.as_bytes() && row.is_of(option, of))
}

/// Whether QEMU has one of this option, however often it is given: a later key takes the place of
/// an earlier one.
pub fn is_single(option: &str) -> bool {
    among(option, "machine boot D pidfile mem-path dump-vmstate k")
}

/// How the argument of `option` is read: its name, its implied first key or the one that it stands
/// for, the grammar. Nothing where no path can be in it.
pub fn grammar(option: &str) -> Option<(&'static str, &'static str, Grammar)> {
    GRAMMARS.iter().find_map(|(name, grammar)| {
        // Of most the first letters tell.
        if !name.bytes.starts_with(option.as_bytes()) {
            return None;
        }
        let name = name.text();
        let (name, key) = name.split_once('/').unwrap_or((name, ""));
        (name == option).then_some((name, key, *grammar))
    })
}

use Grammar::{Character, Drive, ImageWord, List, Options, OptionsOrJson, Sugar, Word};
use Kind::{Connects, File, Firmware, Image, Listens, Log, Memory, Node, Pipe, Tls};
use Letters::{R, Rk, Rw, Rwk, W, Wk};

static GRAMMARS: [(Name, Grammar); 61] = [
    (Name::new("D"), Word),
    (Name::new("L"), Word),
    (Name::new("M/type"), Options),
    (Name::new("accel/accel"), Options),
    (Name::new("acpitable"), List),
    (Name::new("add-fd/"), Options),
    (Name::new("audio/driver"), Options),
    (Name::new("audiodev/driver"), OptionsOrJson),
    (Name::new("bios/firmware"), Sugar),
    (Name::new("blockdev/driver"), OptionsOrJson),
    (Name::new("boot/order"), Options),
    (Name::new("cdrom"), ImageWord(true)),
    (Name::new("chardev/backend"), Options),
    (Name::new("chroot"), Word),
    (Name::new("debugcon"), Character(false)),
    (Name::new("device/driver"), OptionsOrJson),
    (Name::new("display/type"), OptionsOrJson),
    (Name::new("drive"), Drive),
    (Name::new("dtb/dtb"), Sugar),
    (Name::new("dump-vmstate"), Word),
    (Name::new("fda"), ImageWord(false)),
    (Name::new("fdb"), ImageWord(false)),
    (Name::new("fw_cfg/name"), Options),
    (Name::new("gdb"), Character(true)),
    (Name::new("hda"), ImageWord(false)),
    (Name::new("hdb"), ImageWord(false)),
    (Name::new("hdc"), ImageWord(false)),
    (Name::new("hdd"), ImageWord(false)),
    (Name::new("icount/shift"), Options),
    (Name::new("incoming"), Word),
    (Name::new("initrd/initrd"), Sugar),
    (Name::new("k"), Word),
    (Name::new("kernel/kernel"), Sugar),
    (Name::new("machine/type"), Options),
    (Name::new("mem-path"), Word),
    (Name::new("monitor"), Character(true)),
    (Name::new("mtdblock"), ImageWord(false)),
    (Name::new("net/type"), Options),
    (Name::new("netdev/type"), OptionsOrJson),
    (Name::new("nic/type"), Options),
    (Name::new("object/qom-type"), OptionsOrJson),
    (Name::new("option-rom/romfile"), Options),
    (Name::new("parallel"), Character(true)),
    (Name::new("pflash"), ImageWord(false)),
    (Name::new("pidfile"), Word),
    (Name::new("plugin/file"), Options),
    (Name::new("qmp"), Character(true)),
    (Name::new("qmp-pretty"), Character(true)),
    (Name::new("qtest"), Character(false)),
    (Name::new("qtest-log"), Word),
    (Name::new("readconfig"), Word),
    (Name::new("run-with/"), Options),
    (Name::new("sd"), ImageWord(false)),
    (Name::new("semihosting-config/enable"), Options),
    (Name::new("serial"), Character(true)),
    (Name::new("shim/shim"), Sugar),
    (Name::new("smbios/"), Options),
    (Name::new("spice/"), Options),
    (Name::new("tpmdev/type"), Options),
    (Name::new("trace/enable"), Options),
    (Name::new("vnc/vnc"), Options),
];

/// Shorthand: the rows are read by people.
const fn row(name: &'static str, kind: Kind, letters: Letters) -> Row {
    since(5, 2, name, kind, letters)
}

const fn since(major: u8, minor: u8, name: &'static str, kind: Kind, letters: Letters) -> Row {
    Row {
        name: Name::new(name),
        meaning: Meaning::Opens(kind, letters),
        since: (major, minor),
        needed: true,
    }
}

/// What QEMU starts without, or opens later.
const fn spare(name: &'static str, kind: Kind, letters: Letters) -> Row {
    Row {
        needed: false,
        ..row(name, kind, letters)
    }
}

const fn never(name: &'static str, why: Why) -> Row {
    Row {
        name: Name::new(name),
        meaning: Meaning::Never(why),
        since: (5, 2),
        needed: false,
    }
}

/// All rows. What a row needs besides (`readonly=on`, `server=on`, …) is in `read`.
pub static ROWS: [Row; 106] = [
    row("object/memory-backend-file/mem-path", Memory, Rw),
    row("object/input-linux/evdev", Node, Rw),
    row("object/rng-random/filename", File, R),
    row("object/secret/file", File, R),
    row("object/tls-creds-x509/dir", Tls(Credentials::Server), R),
    row("object/tls-creds-psk/dir", Tls(Credentials::Psk), R),
    row("object/tls-creds-anon/dir", Tls(Credentials::Anon), R),
    row("object/filter-dump/file", Log, W),
    never("object/iommufd/qom-type", Why::Hostdev),
    never("object/memory-backend-epc/qom-type", Why::Vhost),
    never("object/memory-backend-shm/qom-type", Why::Shared),
    never("object/dbus-vmstate/addr", Why::Bus),
    row("object/pr-manager-helper/path", Connects, Rw),
    row("mem-path//", Memory, Rw),
    row("fw_cfg//file", File, R),
    row("acpitable//file", File, R),
    row("acpitable//data", File, R),
    row("smbios//file", File, R),
    row("smbios//path", File, R),
    spare("boot//splash", Firmware, R),
    spare("option-rom//romfile", Firmware, R),
    row("machine//kernel", File, R),
    row("machine//initrd", File, R),
    row("machine//dtb", File, R),
    row("machine//firmware", Firmware, R),
    since(10, 0, "machine//shim", File, R),
    row("device//romfile", Firmware, R),
    row("device/loader/file", Firmware, R),
    row("device/virtio-input-host*/evdev", Node, Rw),
    since(7, 1, "device/cxl-*/cdat", File, R),
    since(10, 0, "device/uefi-vars*/jsonfile", Log, Rw),
    since(6, 0, "device/usb-*/pcap", Log, W),
    spare("device/ipmi-bmc-sim/frudatafile", Firmware, R),
    spare("device/ipmi-bmc-sim/sdrfile", Firmware, R),
    never("object/sev-*/qom-type", Why::Hostdev),
    never("device/vfio-pci*/driver", Why::Hostdev),
    never("device/vfio-user-pci/socket", Why::Hostdev),
    never("device/vfio-ap/driver", Why::Hostdev),
    never("device/vfio-ccw/driver", Why::Hostdev),
    never("device/vfio-platform/driver", Why::Hostdev),
    never("device/usb-host/driver", Why::Hostdev),
    never("device/u2f-passthru/driver", Why::Hostdev),
    never("device/vhost-vsock*/driver", Why::Vhost),
    never("device/vhost-scsi*/driver", Why::Vhost),
    never("device/vhost-vdpa*/driver", Why::Vhost),
    never("device/usb-mtp/rootdir", Why::Tree),
    never("device/u2f-emulated/dir", Why::Tree),
    never("device/ccid-card-emulated/db", Why::Tree),
    row("chardev/socket/path", Listens, Rw),
    row("chardev/file/path", Log, W),
    since(10, 0, "chardev/file/input-path", File, R),
    row("chardev/pipe/path", Pipe, Rw),
    row("chardev/serial/path", Node, Rw),
    row("chardev/tty/path", Node, Rw),
    row("chardev/parallel/path", Node, Rw),
    row("chardev/parport/path", Node, Rw),
    row("chardev//logfile", Log, W),
    row("blockdev/file/filename", Image, Rwk),
    row("blockdev/host_device/filename", Image, Rwk),
    row("blockdev/host_cdrom/filename", Image, Rk),
    row("blockdev/nbd/server.path", Connects, Rw),
    row("blockdev/nbd/path", Connects, Rw),
    row("blockdev/blkdebug/config", File, R),
    never("blockdev/vvfat/dir", Why::Tree),
    Row {
        // It connects and listens in a thread of its own.
        needed: false,
        ..since(7, 2, "netdev/stream/addr.path", Listens, Rw)
    },
    since(7, 2, "netdev/dgram/local.path", Listens, Rw),
    since(7, 2, "netdev/dgram/remote.path", Connects, Rw),
    never("netdev/vde/sock", Why::Tree),
    never("netdev//script", Why::Network),
    never("netdev//downscript", Why::Down),
    never("netdev//helper", Why::Network),
    never("netdev/vhost-vdpa/vhostdev", Why::Vhost),
    never("netdev/user/smb", Why::Exec),
    never("netdev/user/guestfwd", Why::Exec),
    never("netdev/user/tftp", Why::Tree),
    row("tpmdev/passthrough/path", Node, Rw),
    spare("audiodev/pa/server", Connects, Rw),
    spare("audiodev/wav/path", Log, W),
    row("vnc//vnc", Listens, Rw),
    row("display//vnc", Listens, Rw),
    never("display/dbus/addr", Why::Bus),
    never("display//rendernode", Why::Vhost),
    never("spice//rendernode", Why::Vhost),
    never("accel//device", Why::Libvirts),
    row("spice//addr", Listens, Rw),
    row("spice//x509-key-file", File, R),
    row("spice//x509-cert-file", File, R),
    row("spice//x509-cacert-file", File, R),
    row("spice//x509-dh-key-file", File, R),
    row("spice//x509-dir", Tls(Credentials::Spice), R),
    row("k//", Firmware, R),
    row("D//", Log, W),
    row("pidfile//", Log, Wk),
    row("dump-vmstate//", Log, W),
    row("trace//events", File, R),
    row("trace//file", Log, W),
    never("qtest-log//", Why::Tests),
    never("readconfig//", Why::Config),
    never("plugin//file", Why::Code),
    never("incoming//", Why::Libvirts),
    never("L//", Why::Tree),
    never("chroot//", Why::Tree),
    never("run-with//chroot", Why::Tree),
    never("add-fd//fd", Why::Fds),
    never("icount//rrfile", Why::Replay),
    never("semihosting-config//enable", Why::Guests),
];

/// What a variable of the environment makes QEMU open: its own (audio_legacy.c, module.c,
/// qemu_get_tmp_dir), those of libpulse, libpipewire, GLib, Xlib and GnuTLS, and the loader's.
pub fn variable(name: &str) -> Option<Why> {
    let opened = "PULSE_SERVER PULSE_RUNTIME_PATH PULSE_COOKIE PIPEWIRE_RUNTIME_DIR PIPEWIRE_REMOTE XDG_RUNTIME_DIR \
                  DBUS_SESSION_BUS_ADDRESS XAUTHORITY QEMU_PA_SERVER QEMU_WAV_PATH QEMU_OSS_DAC_DEV QEMU_OSS_ADC_DEV \
                  TMPDIR SSLKEYLOGFILE";
    let loaded = "LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT QEMU_MODULE_DIR";
    match (among(name, opened), among(name, loaded)) {
        (true, _) => Some(Why::Environment),
        (_, true) => Some(Why::Code),
        _ => None,
    }
}

/// Whether a block driver has no path of the host in a word of its own.
pub fn is_pathless(driver: &str) -> bool {
    let known = "raw qcow2 qcow qed vmdk vdi vpc vhdx parallels bochs cloop dmg luks throttle copy-on-read \
                 copy-before-write snapshot-access null-co null-aio http https ftp ftps ssh nfs iscsi nvme quorum \
                 replication compress preallocate blkreplay blkverify blklogwrites";
    among(driver, known)
}

/// Whether it is one of these, with a blank between.
#[inline(never)]
pub fn among(one: &str, all: &str) -> bool {
    all.split(' ').any(|other| other == one)
}
