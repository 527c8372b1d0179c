//! The ids that we say libvirt gives its devices, beside those that the real libvirt gives them:
//! each one is on its command line, and what is on its command line is known, but for kinds that
//! nobody would take by accident.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_DOMAINS` says how many domains there are (60).

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/libvirtd.rs"]
#[allow(dead_code)] // each test uses its part
mod libvirtd;

use fastrand::Rng;
use libvirtd::Libvirtd;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

/// Elements, to be repeated up to so many times; `{}` is the number of the repetition, `ALIAS` is
/// where an alias may stand.
const ELEMENTS: &[(usize, &str)] = &[
    (3, "<sound model='ac97'>ALIAS</sound>"),
    (2, "<sound model='usb'>ALIAS</sound>"),
    (1, "<sound model='pcspk'>ALIAS</sound>"),
    (2, "<sound model='ich9'>ALIAS</sound>"),
    (3, "<input type='tablet' bus='usb'>ALIAS</input>"),
    (2, "<input type='keyboard' bus='virtio'>ALIAS</input>"),
    (1, "<input type='mouse' bus='ps2'>ALIAS</input>"),
    (1, "<hub type='usb'>ALIAS</hub>"),
    (
        3,
        "<shmem name='m{}'><model type='ivshmem-plain'/><size unit='M'>4</size>ALIAS</shmem>",
    ),
    (
        2,
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend>ALIAS</rng>",
    ),
    (2, "<serial type='pty'>ALIAS</serial>"),
    (
        1,
        "<serial type='pty'><target type='pci-serial'/>ALIAS</serial>",
    ),
    (
        2,
        "<console type='pty'><target type='virtio'/>ALIAS</console>",
    ),
    (
        2,
        "<channel type='pty'><target type='virtio' name='c{}'/>ALIAS</channel>",
    ),
    (1, "<parallel type='pty'>ALIAS</parallel>"),
    (1, "<watchdog model='i6300esb'>ALIAS</watchdog>"),
    (1, "<memballoon model='virtio'>ALIAS</memballoon>"),
    (
        1,
        "<vsock model='virtio'><cid auto='no' address='9'/>ALIAS</vsock>",
    ),
    (
        3,
        "<redirdev bus='usb' type='tcp'><source mode='connect' host='localhost' service='{}'/>ALIAS</redirdev>",
    ),
    (
        3,
        "<filesystem type='mount'><source dir='/srv'/><target dir='t{}'/>ALIAS</filesystem>",
    ),
    (
        2,
        "<disk type='network' device='disk'><source protocol='nbd' name='x'><host name='localhost'/></source>\
         <target dev='vd{x}' bus='virtio'/>ALIAS</disk>",
    ),
    (
        1,
        "<disk type='network' device='disk'><source protocol='nbd' name='x'><host name='localhost'/></source>\
         <target dev='sd{x}' bus='sata'/>ALIAS</disk>",
    ),
    (
        2,
        "<hostdev mode='subsystem' type='usb' managed='no'><source startupPolicy='optional'>\
         <address bus='1' device='{}'/></source>ALIAS</hostdev>",
    ),
    (1, "<controller type='sata' index='0'/>"),
    (1, "<controller type='sata' index='1'>ALIAS</controller>"),
    (
        1,
        "<controller type='scsi' index='0' model='virtio-scsi'>ALIAS</controller>",
    ),
    (
        1,
        "<controller type='scsi' index='1' model='lsilogic'>ALIAS</controller>",
    ),
    (
        1,
        "<controller type='virtio-serial' index='0'>ALIAS</controller>",
    ),
    (
        1,
        "<controller type='virtio-serial' index='2'>ALIAS</controller>",
    ),
    (1, "<controller type='ccid' index='0'>ALIAS</controller>"),
    (
        1,
        "<controller type='usb' index='1' model='nec-xhci'>ALIAS</controller>",
    ),
];

/// Ids on libvirt's command line that are not worked out: of what libvirt adds by itself, and of
/// kinds whose numbers say where on a bus they are.
const NOT_KNOWN: [&str; 10] = [
    "ua-other-",
    "sata1-0-",
    "parallel",
    "channel",
    "console",
    "sata0-0-",
    "ide0-",
    "usb-disk",
    "smartcard",
    "-codec",
];

#[test]
#[ignore = "needs real libvirt"]
fn ids_are_those_that_libvirt_gives() {
    let number = |variable: &str| -> Option<u64> { std::env::var(variable).ok()?.parse().ok() };
    let seed = number("VIRT9P_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let domains = number("VIRT9P_DOMAINS").unwrap_or(60);
    let _ = writeln!(std::io::stderr(), "ids: VIRT9P_SEED={seed}");
    let libvirtd = Libvirtd::start();
    let mut rng = Rng::with_seed(seed);
    let mut found = BTreeSet::new();
    for number in 0..domains {
        let name = format!("ids{number}");
        let label = format!("VIRT9P_SEED={seed}, domain {number}");
        let xml = domain(&mut rng, &name);
        let xml = libvirtd
            .formatted(&name, &xml)
            .unwrap_or_else(|error| panic!("{label}: libvirt refuses {xml}\n{error}"));
        let argv = libvirtd
            .argv(&name, &xml)
            .unwrap_or_else(|error| panic!("{label}: libvirt refuses {xml}\n{error}"));
        let theirs = devices(&argv);
        let domain = virt_9p::domain::read(&xml, virt_9p::domain::Origin::File).unwrap();
        let taken = virt_9p::qemu::libvirt_ids::LibvirtIds::of(&domain);
        let ours: BTreeSet<String> = taken.iter().map(|(id, _)| id.to_string()).collect();
        let wrong: Vec<_> = ours.difference(&theirs).collect();
        assert!(
            wrong.is_empty(),
            "{label}: not taken: {wrong:?}\n{xml}\n{argv}"
        );
        let missed: Vec<_> = theirs
            .difference(&ours)
            .filter(|id| !NOT_KNOWN.iter().any(|part| id.contains(part)))
            .collect();
        assert!(
            missed.is_empty(),
            "{label}: missed: {missed:?}\n{xml}\n{argv}"
        );
        found.extend(ours);
    }
    let kinds: BTreeSet<&str> = found
        .iter()
        .map(|id| id.trim_end_matches(|c: char| c.is_ascii_digit()))
        .collect();
    assert!(kinds.len() >= 18, "too few to prove anything: {kinds:?}");
}

/// Some of the elements in any order, some of them with names of the user's.
fn domain(rng: &mut Rng, name: &str) -> String {
    let mut devices = Vec::new();
    let mut aliases = 0;
    for (most, element) in ELEMENTS {
        for repetition in 0..rng.usize(..=*most) {
            let alias = if element.contains("ALIAS") && rng.u32(..100) < 35 {
                aliases += 1;
                // Whether these are devices is not known from what is read of them.
                let unknown = ["<parallel", "<console", "<channel"];
                let kind = if unknown.iter().any(|kind| element.starts_with(kind)) {
                    "ua-other"
                } else {
                    "ua"
                };
                format!("<alias name='{kind}-{aliases}'/>")
            } else {
                String::new()
            };
            let letter = char::from(b'a' + u8::try_from(repetition + rng.usize(..2) * 9).unwrap());
            devices.push(
                element
                    .replace("ALIAS", &alias)
                    .replace("{}", &(repetition + 1).to_string())
                    .replace("{x}", &letter.to_string()),
            );
        }
    }
    rng.shuffle(&mut devices);
    if !devices
        .iter()
        .any(|device| device.starts_with("<memballoon"))
    {
        devices.push("<memballoon model='none'/>".to_owned());
    }
    for video in 0..rng.usize(..3) {
        let model = if video == 0 { "vga" } else { "qxl" };
        let alias = if rng.bool() {
            format!("<alias name='ua-video{video}'/>")
        } else {
            String::new()
        };
        devices.push(format!("<video><model type='{model}'/>{alias}</video>"));
    }
    let machine = if rng.bool() {
        "pc-i440fx-7.2"
    } else {
        "pc-q35-7.2"
    };
    let mut xml = format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='{machine}'>hvm</type></os><features><acpi/></features>\
         <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    );
    for device in devices {
        let _ = write!(xml, "{device}");
    }
    xml.push_str("</devices></domain>");
    xml
}

/// The ids of `-device` on a command line, however it is written.
fn devices(argv: &str) -> BTreeSet<String> {
    let mut words = argv.split("-device ").skip(1);
    let mut ids = BTreeSet::new();
    for word in words.by_ref() {
        let device = word.split(" -").next().unwrap_or("");
        let id = device
            .split_once("\"id\":\"")
            .and_then(|(_, rest)| rest.split('"').next())
            .or_else(|| {
                let (_, rest) = device.split_once(",id=")?;
                rest.split([',', ' ', '\n', '\'']).next()
            });
        ids.extend(id.map(str::to_owned));
    }
    ids
}
