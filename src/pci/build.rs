//! Everything of a domain on its buses, in the order in which QEMU creates it.
//!
//! All text `-device` come before all JSON ones, whatever their place in argv (vl.c,
//! qemu_create_cli_devices; facts Q0). libvirt puts raw arguments after most of its own devices
//! and before shmem, panic, vsock, crypto and pstore (qemuBuildCommandLine).

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::{Assumptions, DeviceForm};
use crate::domain::{Device, Domain, Interned};
use crate::ordered;
use crate::pci::machine;
use crate::pci::topology::{BusKind, Party, PciRefusal, PciRequest, Placement, Topology, User};
use crate::qemu::command_line::{CommandLine, RawDevice};
use crate::qemu::device_json::JsonValue;
use crate::qemu::numbers::{self, SlotFunction};
use crate::qemu::option_string;
use crate::version::Version;

/// What became of the raw devices.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The buses, everything placed.
    pub topology: Topology,
    /// Raw devices that found a place: index and place.
    pub placed: Vec<(usize, Placement)>,
    /// Raw devices that did not, or that were in the way of a device of libvirt's; each once.
    pub refused: Vec<Refused>,
    /// Whether a raw device we cannot follow may take an automatic address too.
    pub automatic_is_uncertain: bool,
    /// libvirt's buses by its numbers: which of the topology's each is.
    pub controllers: BTreeMap<u32, usize>,
}

/// A raw device that QEMU refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The raw device concerned.
    pub raw: usize,
    /// The device QEMU would name: the raw one, or one of libvirt's that came later.
    pub victim: Party,
    /// What QEMU would say.
    pub why: PciRefusal,
    /// Whether the raw device had no address of its own.
    pub automatic: bool,
}

impl Refused {
    /// The slot in which it meets somebody else: index of the bus, and number.
    pub fn slot(&self) -> Option<(usize, u8)> {
        match self.why {
            PciRefusal::Taken(place, _)
            | PciRefusal::BesideSingle(place, _)
            | PciRefusal::SingleBeside(place, _) => Some((place.bus, place.at.slot)),
            _ => None,
        }
    }
}

/// Where a raw device wants to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// No PCI device, or one we do not know to be one.
    NotPci,
    /// Its `addr` or `multifunction` cannot be read; said elsewhere.
    Unreadable,
    /// A PCI device.
    Pci {
        /// `bus=`
        bus: Option<String>,
        /// `addr=`
        at: Option<SlotFunction>,
        /// `multifunction=`
        multifunction: bool,
    },
}

/// The bus that a driver brings along, when it is a bridge.
pub fn bridge_kind(driver: &str) -> Option<BusKind> {
    match driver {
        "pcie-root-port" | "ioh3420" | "xio3130-downstream" => Some(BusKind::Port),
        "x3130-upstream" => Some(BusKind::Upstream),
        "pci-bridge" | "pcie-pci-bridge" => Some(BusKind::Bridge),
        "i82801b11-bridge" | "pxb" => Some(BusKind::Plain),
        "pxb-pcie" => Some(BusKind::BridgesOnly),
        _ => None,
    }
}

/// The bus that a PCI controller of libvirt's brings along (facts L8.1).
fn controller_kind(model: &str) -> Option<BusKind> {
    match model {
        "pcie-root-port" | "pcie-switch-downstream-port" => Some(BusKind::Port),
        "pcie-switch-upstream-port" => Some(BusKind::Upstream),
        "pci-bridge" | "pcie-to-pci-bridge" => Some(BusKind::Bridge),
        "dmi-to-pci-bridge" | "pci-expander-bus" => Some(BusKind::Plain),
        "pcie-expander-bus" => Some(BusKind::BridgesOnly),
        _ => None,
    }
}

/// Whether a driver of QEMU's, or a controller model of libvirt's, is an expander.
pub fn is_expander(model: &str) -> bool {
    matches!(
        model,
        "pxb" | "pxb-pcie" | "pci-expander-bus" | "pcie-expander-bus"
    )
}

/// QEMU's name of the bus behind a PCI controller of libvirt's.
pub fn controller_bus(device: &Device) -> Option<(Interned, BusKind)> {
    let kind = bus_behind(device)?;
    let name = match &device.alias {
        Some(alias) => alias.clone(),
        None => format!("pci.{}", device.index?).into(),
    };
    Some((name, kind))
}

/// The kind of the bus behind a PCI controller of libvirt's.
fn bus_behind(device: &Device) -> Option<BusKind> {
    if !device.is_controller("pci") {
        return None;
    }
    controller_kind(device.model.as_deref()?)
}

/// Whether `driver` is a PCI device for certain.
pub fn is_pci_driver(driver: &str) -> bool {
    const OTHERS: [&str; 14] = [
        "e1000",
        "e1000e",
        "rtl8139",
        "nvme",
        "qemu-xhci",
        "nec-usb-xhci",
        "VGA",
        "AC97",
        "intel-hda",
        "ich9-intel-hda",
        "i6300esb",
        "ivshmem-plain",
        "virtio-9p",
        "ich9-ahci",
    ];
    bridge_kind(driver).is_some()
        || OTHERS.contains(&driver)
        || ["-pci", "-pci-transitional", "-pci-non-transitional"]
            .iter()
            .any(|suffix| driver.ends_with(suffix))
}

/// Reads `bus`, `addr` and `multifunction` of a raw device.
pub fn wish(device: &RawDevice) -> Wish {
    let bus = device.text("bus").map(str::to_owned);
    if !is_pci_driver(device.driver()) && (bus.is_none() || device.last("addr").is_none()) {
        return Wish::NotPci;
    }
    let Some(at) = address(device) else {
        return Wish::Unreadable;
    };
    let multifunction = match device.last("multifunction").map(|p| &p.value) {
        None => false,
        Some(JsonValue::Bool(on)) => *on,
        Some(JsonValue::String(text)) if device.form == DeviceForm::Text => {
            match option_string::boolean(text) {
                Some(on) => on,
                None => return Wish::Unreadable,
            }
        }
        Some(_) => return Wish::Unreadable,
    };
    Wish::Pci {
        bus,
        at,
        multifunction,
    }
}

/// The `addr` of a raw device: `Some(None)` is automatic, `None` cannot be read. In JSON a
/// number is a devfn, and -1 is automatic.
fn address(device: &RawDevice) -> Option<Option<SlotFunction>> {
    match device.last("addr").map(|p| &p.value) {
        None => Some(None),
        Some(JsonValue::String(text)) => numbers::pci_address(text).map(Some),
        Some(JsonValue::Integer(-1)) => Some(None),
        Some(JsonValue::Integer(devfn)) => {
            let devfn = u8::try_from(*devfn).ok()?;
            Some(Some(SlotFunction::from_devfn(devfn)))
        }
        Some(_) => None,
    }
}

/// Places the whole domain. `None` where the machine has no PCI bus we know.
pub fn build(
    domain: &Domain,
    line: &CommandLine,
    form: DeviceForm,
    qemu: Option<Version>,
) -> Option<Placed> {
    let (name, express) = machine::root_bus(domain)?;
    let mut builder = Builder {
        domain,
        line,
        outcome: Placed {
            topology: Topology::new(machine::bridge_slot_zero_refused(domain, qemu)),
            placed: Vec::new(),
            refused: Vec::new(),
            automatic_is_uncertain: line.adds_devices,
            controllers: BTreeMap::new(),
        },
        unnamed: (if express { 0 } else { 1 }, 0),
        behind_expander: behind_expander(domain),
        blamed: BTreeSet::new(),
    };
    builder.machine(name, express);
    match form {
        DeviceForm::Json => {
            builder.raw(DeviceForm::Text);
            builder.libvirt(false);
            builder.raw(DeviceForm::Json);
            builder.libvirt(true);
        }
        DeviceForm::Text => {
            builder.libvirt(false);
            builder.raw(DeviceForm::Text);
            builder.libvirt(true);
            builder.raw(DeviceForm::Json);
        }
    }
    Some(builder.outcome)
}

/// The domain with its devices in the form that libvirt writes here; in either, where that is not
/// known. Nothing where the machine has no PCI bus we know.
pub fn worlds(domain: &Domain, line: &CommandLine, assume: &Assumptions) -> Vec<Placed> {
    let known = assume.device_form(&domain.capabilities);
    let forms = [DeviceForm::Text, DeviceForm::Json].into_iter();
    let forms = forms.filter(|form| known.is_none_or(|known| known == *form));
    let built = forms.map(|form| build(domain, line, form, assume.qemu));
    built.flatten().collect()
}

struct Builder<'d> {
    domain: &'d Domain,
    line: &'d CommandLine,
    outcome: Placed,
    /// How many buses without a name of their own there are: `pci.N` and `pcie.N`. The root bus
    /// of i440fx is the first of its kind, that of q35 has a name (facts Q3).
    unnamed: (u32, u32),
    /// Which of libvirt's controllers make buses that belong to an expander or lie behind one.
    behind_expander: BTreeSet<u32>,
    /// The raw devices that were refused.
    blamed: BTreeSet<usize>,
}

impl Builder<'_> {
    fn machine(&mut self, name: &str, express: bool) {
        let kind = if express {
            BusKind::PcieRoot
        } else {
            BusKind::PciRoot
        };
        let root = self.outcome.topology.add_bus(name.into(), kind, false);
        self.outcome.controllers.insert(0, root);
        if let Some(root) = self.outcome.topology.buses.first_mut() {
            for device in machine::built_in(self.domain) {
                root.users.insert(
                    device.at,
                    User {
                        party: Party::Machine(device.name),
                        multifunction: device.multifunction,
                    },
                );
            }
        }
    }

    /// libvirt's devices; `late` are those it writes after the raw arguments.
    fn libvirt(&mut self, late: bool) {
        let domain = self.domain;
        let devices = || {
            domain
                .devices
                .iter()
                .enumerate()
                .filter(move |(_, device)| {
                    let comes_late = matches!(
                        &*device.element,
                        "shmem" | "panic" | "vsock" | "crypto" | "pstore"
                    );
                    comes_late == late
                })
        };
        for (_, device) in devices() {
            if let Some((name, kind)) = controller_bus(device) {
                let bus = if is_expander(device.model.as_deref().unwrap_or("")) {
                    self.outcome.topology.add_expander(name, kind)
                } else {
                    let parent = device.pci.map(|address| address.bus);
                    let expander = parent.is_some_and(|bus| self.behind_expander.contains(&bus));
                    self.outcome.topology.add_bus(name, kind, expander)
                };
                if let Some(index) = device.index {
                    self.outcome.controllers.entry(index).or_insert(bus);
                }
            }
        }
        for (index, device) in devices() {
            self.libvirt_device(index, device);
        }
    }

    fn libvirt_device(&mut self, index: usize, device: &Device) {
        let Some(address) = device.pci else { return };
        // The first <console> repeats the first <serial>, address and all (facts L8.4).
        if &*device.element == "console" {
            return;
        }
        let at = SlotFunction {
            slot: address.slot,
            function: address.function,
        };
        let bus = self.outcome.controllers.get(&address.bus).copied();
        if bus.is_none() {
            return;
        }
        let request = PciRequest {
            party: Party::Libvirt(index),
            at: Some(at),
            multifunction: address.multifunction,
            bridge: bus_behind(device).is_some(),
        };
        let raw = match self.outcome.topology.place(bus, &request) {
            Err(why) => match why {
                PciRefusal::Taken(_, Party::Raw(raw))
                | PciRefusal::BesideSingle(_, Party::Raw(raw))
                | PciRefusal::SingleBeside(_, Party::Raw(raw)) => Some((raw, why)),
                // Among libvirt's own devices, and with the machine's (the first IDE controller
                // is the machine's, and in the XML too), libvirt sees to it itself.
                _ => None,
            },
            Ok(_) => None,
        };
        if let Some((raw, why)) = raw {
            self.refuse(raw, Party::Libvirt(index), why);
        }
    }

    fn raw(&mut self, form: DeviceForm) {
        for (index, device) in self.line.devices.iter().enumerate() {
            if device.form == form {
                self.raw_device(index, device);
            }
        }
    }

    fn raw_device(&mut self, index: usize, device: &RawDevice) {
        let (bus, at, multifunction) = match wish(device) {
            Wish::NotPci => {
                // It may be a PCI device all the same, and take the first free slot.
                self.outcome.automatic_is_uncertain |= device.last("bus").is_none();
                return;
            }
            Wish::Unreadable => return,
            Wish::Pci {
                bus,
                at,
                multifunction,
            } => (bus, at, multifunction),
        };
        let kind = bridge_kind(device.driver());
        let request = PciRequest {
            party: Party::Raw(index),
            at,
            multifunction,
            bridge: kind.is_some(),
        };
        let topology = &self.outcome.topology;
        let named = bus.is_some();
        let bus = topology.wanted(bus.as_deref());
        let parent = bus.and_then(|index| topology.buses.get(index));
        let expander = named && parent.is_some_and(|bus| bus.expander);
        match self.outcome.topology.place(bus, &request) {
            Ok(place) => self.outcome.placed.push((index, place)),
            Err(why) => self.refuse(index, Party::Raw(index), why),
        }
        if let Some(kind) = kind {
            let name = match device.id_text() {
                Some(id) => id.into(),
                None => self.automatic_name(kind),
            };
            if is_expander(device.driver()) {
                self.outcome.topology.add_expander(name, kind);
            } else {
                self.outcome.topology.add_bus(name, kind, expander);
            }
        }
    }

    fn automatic_name(&mut self, kind: BusKind) -> Interned {
        let (pci, express) = &mut self.unnamed;
        let (prefix, count) = match kind {
            BusKind::Port | BusKind::Upstream | BusKind::BridgesOnly => ("pcie", express),
            _ => ("pci", pci),
        };
        let name = format!("{prefix}.{count}");
        *count += 1;
        name.into()
    }

    /// However many devices one is in the way of, moving it is one thing to do.
    fn refuse(&mut self, raw: usize, victim: Party, why: PciRefusal) {
        if !self.blamed.insert(raw) {
            return;
        }
        let automatic = self
            .line
            .devices
            .get(raw)
            .is_some_and(|device| matches!(wish(device), Wish::Pci { at: None, .. }));
        self.outcome.refused.push(Refused {
            raw,
            victim,
            why,
            automatic,
        });
    }
}

/// The indexes of libvirt's controllers whose buses hang, over however many others, on an expander.
fn behind_expander(domain: &Domain) -> BTreeSet<u32> {
    let controllers = || {
        let devices = domain.devices.iter();
        devices.filter(|device| device.is_controller("pci"))
    };
    // Hardly a domain has one.
    if !controllers().any(|device| device.model.as_deref().is_some_and(is_expander)) {
        return BTreeSet::new();
    }
    // Model and parent, by index.
    let parents: BTreeMap<u32, (&str, Option<u32>)> =
        ordered::map(controllers().filter_map(|device| {
            let parent = device.pci.map(|address| address.bus);
            Some((device.index?, (device.model.as_deref()?, parent)))
        }));
    let mut behind = BTreeSet::new();
    let mut known = BTreeSet::new();
    for start in parents.keys() {
        let mut chain = Vec::new();
        let mut at = Some(*start);
        // Up to what is known already, which is where a circle ends, too.
        while let Some(index) = at.filter(|index| known.insert(*index)) {
            chain.push(index);
            at = match parents.get(&index) {
                Some((model, _)) if is_expander(model) => {
                    behind.insert(index);
                    break;
                }
                Some((_, parent)) => *parent,
                None => None,
            };
        }
        let hangs = |index: u32| behind.contains(&index);
        if at.is_some_and(hangs) {
            behind.extend(chain);
        }
    }
    behind
}
