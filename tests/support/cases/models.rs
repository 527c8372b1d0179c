//! Devices of every model in the table, and options that make devices by themselves, on machines
//! with PCI and without.
//!
//! Whether a model needs more than a place to be (a drive, a kernel's help, another machine) is
//! asked of QEMU itself, once a run: those that do not start alone are left out. So whatever QEMU
//! says of a case, it says of places.

use super::topology::{self, Drawing};
use super::{Case, Dialect, Own, as_text, chance, doubled, either, pick};
use crate::shares::Shares;
use fastrand::Rng;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use virt_9p::qemu::device_models::{self, ModelBus};

/// What a model needs: words before it, and properties; `NN` stands for a number of its own.
struct Need {
    model: &'static str,
    words: &'static [&'static str],
    properties: &'static [(&'static str, &'static str)],
}

const fn need(
    model: &'static str,
    words: &'static [&'static str],
    properties: &'static [(&'static str, &'static str)],
) -> Need {
    Need {
        model,
        words,
        properties,
    }
}

const DRIVE: &[&str] = &["-drive", "if=none,id=drNN,file=null-co://,format=raw"];
const MEMORY: &[&str] = &["-object", "memory-backend-ram,id=meNN,size=1M,share=on"];
const BMC: &[&str] = &["-device", "ipmi-bmc-sim,id=bmNN"];
const CHARACTERS: &[&str] = &["-chardev", "null,id=chNN"];

const NEEDS: &[Need] = &[
    need("nvme", &[], &[("serial", "x")]),
    need("virtio-blk", DRIVE, &[("drive", "drNN")]),
    need("virtio-blk-pci", DRIVE, &[("drive", "drNN")]),
    need("virtio-blk-device", DRIVE, &[("drive", "drNN")]),
    need("virtio-blk-pci-transitional", DRIVE, &[("drive", "drNN")]),
    need(
        "virtio-blk-pci-non-transitional",
        DRIVE,
        &[("drive", "drNN")],
    ),
    need("ide-hd", DRIVE, &[("drive", "drNN")]),
    need("scsi-hd", DRIVE, &[("drive", "drNN")]),
    need("usb-storage", DRIVE, &[("drive", "drNN")]),
    need("ivshmem-plain", MEMORY, &[("memdev", "meNN")]),
    need("acpi-erst", MEMORY, &[("memdev", "meNN")]),
    need("pci-ipmi-bt", BMC, &[("bmc", "bmNN")]),
    need("pci-ipmi-kcs", BMC, &[("bmc", "bmNN")]),
    need("isa-ipmi-bt", BMC, &[("bmc", "bmNN")]),
    need("isa-ipmi-kcs", BMC, &[("bmc", "bmNN")]),
    need("smbus-ipmi", BMC, &[("bmc", "bmNN")]),
    need("usb-serial", CHARACTERS, &[("chardev", "chNN")]),
    need("usb-redir", CHARACTERS, &[("chardev", "chNN")]),
    need("isa-debugcon", CHARACTERS, &[("chardev", "chNN")]),
    need("isa-parallel", CHARACTERS, &[("chardev", "chNN")]),
    need(
        "virtio-crypto-pci",
        &["-object", "cryptodev-backend-builtin,id=crNN"],
        &[("cryptodev", "crNN")],
    ),
];

/// What gives an nvme two virtual functions.
const VIRTUAL: &[(&str, u32)] = &[
    ("sriov_max_vfs", 2),
    ("sriov_vq_flexible", 4),
    ("sriov_vi_flexible", 2),
    ("max_ioqpairs", 8),
    ("msix_qsize", 9),
];

/// The controllers that models need whose names begin so: theirs is the bus.
const CONTROLLERS: &[(&str, &str)] = &[
    ("usb-", "qemu-xhci"),
    ("scsi-", "virtio-scsi-pci"),
    ("hda-", "intel-hda"),
    ("virtserialport", "virtio-serial-pci"),
    ("virtconsole", "virtio-serial-pci"),
];

/// Of these there are rules beside the places: where they may be, and what with.
const LEFT_OUT: &[&str] = &[
    // On the root bus of the machine only.
    "virtio-iommu-pci",
    "virtio-iommu",
    // Beside a vmxnet3 only.
    "pvrdma",
    // Drawn where there are buses (topology/raw.rs), with the numbers that each needs.
    "pci-bridge",
    "pci-bridge-seat",
    "pcie-root-port",
    "ioh3420",
    "x3130-upstream",
    "xio3130-downstream",
    "pcie-pci-bridge",
    "i82801b11-bridge",
    "pxb",
    "pxb-pcie",
    "cxl-rp",
    "cxl-upstream",
    "cxl-downstream",
];

/// A model that starts alone on a machine.
#[derive(Debug, Clone)]
pub struct Known {
    pub name: String,
    pub is_pci: bool,
    controller: Option<&'static str>,
}

/// Which models start alone: on pc, q35 and microvm.
static KNOWN: OnceLock<[Vec<Known>; 3]> = OnceLock::new();

/// Asks `starts` of every model that the table has.
pub fn learn(starts: impl Fn(&[String]) -> bool + Sync) -> &'static [Vec<Known>; 3] {
    let ask = |machine: &str, name: &str| {
        let model = device_models::model(name)?;
        let is_pci = model.bus == ModelBus::Pci;
        let find = |(begin, _): &&(&str, &str)| name.starts_with(*begin) && !is_pci;
        let controller = CONTROLLERS.iter().find(find);
        let controller = controller.map(|(_, controller)| *controller);
        let mut words = super::words(&["-machine", machine]);
        words.extend(
            controller
                .iter()
                .flat_map(|one| super::words(&["-device", one])),
        );
        let (before, device) = device(name, 0);
        words.extend(before);
        words.extend(["-device".to_owned(), as_text(&device)]);
        starts(&words).then(|| Known {
            name: name.to_owned(),
            is_pci,
            controller,
        })
    };
    KNOWN.get_or_init(|| {
        let mut names = device_models::names();
        names.retain(|name| !LEFT_OUT.contains(&name.as_str()));
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let size = names.len().div_ceil(threads);
        ["pc", "q35", "microvm"].map(|machine| {
            let part = |names: &[String]| -> Vec<Known> {
                let known = names.iter().filter_map(|name| ask(machine, name));
                known.collect()
            };
            std::thread::scope(|scope| {
                let parts = names
                    .chunks(size)
                    .map(|names| scope.spawn(move || part(names)));
                let parts: Vec<_> = parts.collect();
                parts
                    .into_iter()
                    .flat_map(|part| part.join().unwrap())
                    .collect()
            })
        })
    })
}

/// A device of this model, and the words before it that it needs.
fn device(name: &str, number: usize) -> (Vec<String>, Map<String, Value>) {
    let mut device = Map::new();
    device.insert("driver".to_owned(), json!(name));
    let own = |text: &str| text.replace("NN", &number.to_string());
    let Some(need) = NEEDS.iter().find(|need| need.model == name) else {
        return (Vec::new(), device);
    };
    for (key, value) in need.properties {
        device.insert((*key).to_owned(), json!(own(value)));
    }
    (need.words.iter().map(|word| own(word)).collect(), device)
}

/// Options that make devices by themselves, or look as if they did.
const OPTIONS: &[&[&str]] = &[
    &["-nic", "user"],
    &["-nic", "user,model=virtio"],
    &["-nic", "user,model=rtl8139"],
    &["-nic", "none"],
    &["--nic", "model=e1000,type=user"],
    &["-nic", "hubport,hubid=1,model=vmxnet3"],
    &["-net", "nic"],
    &["-net", "nic,model=ne2k_pci"],
    &["-net", "user"],
    &["-net", "none"],
    &["-vga", "std"],
    &["-vga", "cirrus"],
    &["-vga", "qxl"],
    &["-vga", "vmware"],
    &["-vga", "virtio"],
    &["-vga", "none"],
    &["-usb"],
    &["-usbdevice", "mouse"],
    &["-machine", "usb=on"],
    &["-machine", "usb=off"],
    &["-audio", "none,model=hda"],
    &["-audio", "none,model=ac97"],
    &["-drive", "if=virtio,file=null-co://,format=raw"],
    &["-drive", "file=null-co://,format=raw,if=virtio"],
    &["-drive", "if=none,file=null-co://,format=raw"],
    &["-watchdog-action", "pause"],
];

/// For machines with PCI.
const MORE: &[&[&str]] = &[
    &["-nic", "user,model=ne2k_isa"],
    &["-audio", "driver=none,model=sb16"],
    &["-machine", "smbus=off"],
    &["-machine", "smbus=on"],
    &["-machine", "acpi=off"],
    &["-M", "acpi=on"],
];

/// Drives, which have places of their own.
const DRIVES: &[&[&str]] = &[
    &["-drive", "file=null-co://,format=raw"],
    &["-drive", "file=null-co://,format=raw,if=ide"],
    &["-drive", "if=ide,index=3,file=null-co://,format=raw"],
    &["-drive", "file=null-co://,format=raw,bus=1"],
    &["-drive", "file=null-co://,format=raw,bus=1,unit=0"],
    &["-drive", "file=null-co://,format=raw,unit=1"],
    &["-drive", "file=null-co://,format=raw,index=1"],
    &["-drive", "media=cdrom,index=2,file=null-co://"],
    &["-drive", "if=none,index=1,file=null-co://,format=raw"],
    &["-drive", "if=none,file=null-co://,format=raw"],
    &["-drive", "if=floppy,file=null-co://,format=raw"],
    &["-drive", "if=virtio,index=0,file=null-co://,format=raw"],
    &["-drive", "if=virtio,file=null-co://,format=raw"],
    &["--hda", "null-co://"],
    &["-hdb", "null-co://"],
    &["-hdc", "null-co://"],
    &["-hdd", "null-co://"],
    &["-cdrom", "null-co://"],
    &["-fda", "null-co://"],
    &["null-co://"],
];

/// Those that QEMU has no place for.
const NOWHERE: &[&[&str]] = &[
    &["-drive", "if=scsi,file=null-co://,format=raw"],
    &["-drive", "if=sd,id=card,file=null-co://,format=raw"],
    &["-sd", "null-co://"],
    &["-mtdblock", "null-co://"],
    &["-drive", "if=usb,file=null-co://,format=raw"],
    &["-drive", "file=null-co://,format=raw,index=6"],
    &["-drive", "file=null-co://,format=raw,index=4"],
    &["-drive", "file=null-co://,format=raw,index=1,unit=0"],
    &["-drive", "file=null-co://,format=raw,index=x"],
];

pub fn case(rng: &mut Rng, shares: &Shares) -> Case {
    match rng.u32(..10) {
        0 | 1 => microvm(rng, shares),
        2 => bare(rng, shares),
        _ => topology::with(rng, shares, raw),
    }
}

/// The raw words of a machine with PCI: devices of any model, options, and perhaps shares.
fn raw(drawing: &mut Drawing, rng: &mut Rng, shares: &Shares, dialect: Dialect) -> Vec<String> {
    let known = KNOWN.get().expect("learn() comes first");
    let known = &known[usize::from(drawing.is_q35())];
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut drawn: Vec<&str> = Vec::new();
    for number in 1..=pick(rng, &[0, 1, 1, 1, 2, 2, 3, 5]) {
        let mut one = &known[rng.usize(..known.len())];
        if chance(rng, 4) {
            one = known.iter().find(|one| one.name == "nvme").unwrap_or(one);
        }
        if drawn.contains(&kind(&one.name)) {
            continue;
        }
        drawn.push(kind(&one.name));
        let (mut group, mut device) = device(&one.name, number);
        if one.name == "nvme" && chance(rng, 60) {
            group.extend(super::words(&["-device", "nvme-subsys,id=sub"]));
            device.insert("subsys".to_owned(), json!("sub"));
            for (key, value) in VIRTUAL {
                device.insert((*key).to_owned(), json!(value));
            }
        }
        if let Some(controller) = one.controller {
            if drawn.contains(&controller) {
                continue;
            }
            drawn.push(controller);
            let mut before = Map::new();
            before.insert("driver".to_owned(), json!(controller));
            // As text both, so that it is there first.
            let word = drawing.placed(rng, Dialect::OldText, before, &format!("ctl{number}"));
            group.extend(["-device".to_owned(), word, "-device".to_owned()]);
            group.push(as_text(&device));
        } else if one.is_pci {
            let word = drawing.placed(rng, dialect, device, &format!("dev{number}"));
            group.extend(["-device".to_owned(), word]);
        } else {
            let json = dialect != Dialect::OldText && chance(rng, 30);
            let word = match json && NEEDS.iter().all(|need| need.model != one.name) {
                true => Value::Object(device).to_string(),
                false => as_text(&device),
            };
            group.extend(["-device".to_owned(), word]);
        }
        groups.push(group);
    }
    if !drawn.contains(&"screen") {
        options(rng, &mut groups, MORE);
    }
    if chance(rng, 30) {
        for _ in 0..pick(rng, &[1, 1, 2, 2, 3, 5]) {
            groups.push(super::words(either(rng, 95, DRIVES, NOWHERE)));
        }
        if chance(rng, 40) {
            drawing.optical_disc(rng);
        }
    }
    if chance(rng, 70) {
        groups.push(drawing.raw(rng, shares, dialect));
    }
    rng.shuffle(&mut groups);
    groups.concat()
}

/// Models of which a machine takes one alone; the name itself for others.
fn kind(name: &str) -> &str {
    let kinds = [
        ("vga", "screen"),
        ("VGA", "screen"),
        ("qxl", "screen"),
        ("cirrus", "screen"),
        ("balloon", "balloon"),
        ("iommu", "iommu"),
    ];
    let kind = kinds.iter().find(|(part, _)| name.contains(part));
    kind.map_or(name, |(_, kind)| kind)
}

/// Some of them, one of a kind.
fn options(rng: &mut Rng, groups: &mut Vec<Vec<String>>, more: &[&[&str]]) {
    let mut drawn: Vec<&str> = Vec::new();
    for _ in 0..pick(rng, &[0, 0, 1, 1, 1, 2, 3]) {
        let option = either(
            rng,
            88,
            OPTIONS,
            if more.is_empty() { OPTIONS } else { more },
        );
        let kind = option[0].trim_start_matches('-');
        // The same host devices twice, or two that are the only one.
        if kind != "drive" && drawn.contains(&kind) {
            continue;
        }
        drawn.push(kind);
        groups.push(super::words(option));
    }
}

/// Text or JSON.
fn written(rng: &mut Rng, device: Map<String, Value>) -> String {
    match chance(rng, 40) {
        true => Value::Object(device).to_string(),
        false => as_text(&device),
    }
}

/// A machine whose devices are on virtio-mmio, with a PCI bus or without.
fn microvm(rng: &mut Rng, shares: &Shares) -> Case {
    let known = &KNOWN.get().expect("learn() comes first")[2];
    // What a machine with PCI has.
    let pci = &KNOWN.get().expect("learn() comes first")[1];
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let with_pci = chance(rng, 35);
    if with_pci {
        let pcie = pick(rng, &["pcie=on", "pcie=on", "pcie=off"]);
        groups.push(super::words(&[pick(rng, &["-machine", "-M"]), pcie]));
    }
    for number in 1..=pick(rng, &[0, 1, 1, 2, 3]) {
        let wants_pci = chance(rng, if with_pci { 50 } else { 12 });
        let from = if wants_pci { pci } else { known };
        let from: Vec<&Known> = from.iter().filter(|one| one.is_pci == wants_pci).collect();
        let one = from[rng.usize(..from.len())];
        if names.iter().any(|name| name == kind(&one.name)) {
            continue;
        }
        names.push(kind(&one.name).to_owned());
        let (mut group, mut device) = device(&one.name, number);
        if wants_pci {
            place(rng, &mut device);
        }
        let needs = !group.is_empty();
        group.push("-device".to_owned());
        group.push(if needs {
            as_text(&device)
        } else {
            written(rng, device)
        });
        groups.push(group);
    }
    options(rng, &mut groups, &[]);
    if chance(rng, 10) {
        groups.push(super::words(&["-machine", "ioapic2=off"]));
    }
    share(rng, shares, &mut groups, with_pci);
    let own = pick(rng, &[0, 0, 1, 3]);
    // So that about as many are there as there is room for.
    if chance(rng, 25) {
        for _ in 0..pick(rng, &[4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24, 25]) {
            groups.push(super::words(&["-device", "virtio-rng-device"]));
        }
    }
    let mut case = finished(rng, "microvm", groups);
    // Without ACPI it has no USB, which -usbdevice wants: that is not said yet.
    case.acpi = chance(rng, 70) || case.raw.iter().any(|word| word == "-usbdevice");
    for number in 0..own {
        let mut device = Map::new();
        device.insert("driver".to_owned(), json!("virtio-rng-device"));
        device.insert("id".to_owned(), json!(format!("rng{number}")));
        case.own.push(Own {
            xml: "<rng model='virtio'><backend model='random'>/dev/urandom</backend>\
                  <address type='virtio-mmio'/></rng>"
                .to_owned(),
            fsdev: None,
            device,
            late: false,
        });
    }
    case
}

/// A machine that has no bus for a share.
fn bare(rng: &mut Rng, shares: &Shares) -> Case {
    let mut groups: Vec<Vec<String>> = Vec::new();
    if chance(rng, 30) {
        let mut device = Map::new();
        let models = ["virtio-rng-pci", "vmxnet3", "virtio-rng-device"];
        device.insert("driver".to_owned(), json!(pick(rng, &models)));
        if chance(rng, 30) {
            place(rng, &mut device);
            device
                .remove("addr")
                .filter(|_| device["driver"] == "virtio-rng-device");
        }
        groups.push(vec!["-device".to_owned(), written(rng, device)]);
    }
    if chance(rng, 40) {
        share(rng, shares, &mut groups, true);
    }
    finished(rng, "isapc", groups)
}

fn place(rng: &mut Rng, device: &mut Map<String, Value>) {
    if chance(rng, 60) {
        device.insert(
            "bus".to_owned(),
            json!(pick(rng, &["pcie.0", "pcie.0", "pci.0"])),
        );
        let addr = pick(rng, &["5", "0x6", "7.1", "0", "1", "2"]);
        device.insert("addr".to_owned(), json!(addr));
    }
}

/// A share or two, on a device of either kind.
fn share(rng: &mut Rng, shares: &Shares, groups: &mut Vec<Vec<String>>, pci: bool) {
    for number in 0..pick(rng, &[0, 1, 1, 1, 2]) {
        let path = doubled(&shares.path(pick(rng, &["a", "b"])));
        let share = format!("local,id=share{number},path={path},security_model=none");
        let mut device = Map::new();
        let on_pci = chance(rng, if pci { 50 } else { 15 });
        let driver = if on_pci {
            pick(rng, &["virtio-9p-pci", "virtio-9p-pci", "virtio-9p"])
        } else {
            "virtio-9p-device"
        };
        device.insert("driver".to_owned(), json!(driver));
        device.insert(
            "fsdev".to_owned(),
            json!(either(rng, 95, &[&*format!("share{number}")], &["nope"])),
        );
        device.insert("mount_tag".to_owned(), json!(format!("tag{number}")));
        if on_pci {
            place(rng, &mut device);
        }
        let mut group = vec!["-fsdev".to_owned(), share, "-device".to_owned()];
        group.push(written(rng, device));
        if chance(rng, 10) {
            group = super::words(&["-virtfs"]);
            group.push(format!(
                "local,mount_tag=v{number},path={path},security_model=none"
            ));
        }
        groups.push(group);
    }
}

fn finished(rng: &mut Rng, machine: &'static str, mut groups: Vec<Vec<String>>) -> Case {
    rng.shuffle(&mut groups);
    Case {
        machine,
        acpi: true,
        dialect: pick(rng, &[Dialect::Json, Dialect::ForcedText]),
        decoy: chance(rng, 10),
        own: Vec::new(),
        raw: groups.concat(),
        overrides: Vec::new(),
    }
}
