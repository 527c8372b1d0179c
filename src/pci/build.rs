//! Everything of a domain on its buses, in the order in which QEMU creates it.
//!
//! All text `-device` come before all JSON ones, whatever their place in argv (vl.c,
//! qemu_create_cli_devices; facts Q0). libvirt puts raw arguments after most of its own devices
//! and before shmem, panic, vsock, crypto and pstore (qemuBuildCommandLine).

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::{Assumptions, DeviceForm};
use crate::domain::{Device, Domain, Interned, Override};
use crate::ordered;
use crate::pci::machine::{self, Family};
use crate::pci::overrides::{self, Overrides};
use crate::pci::topology::{
    BusKind, Party, PciRefusal, PciRequest, Placement, Topology, User, VirtualFunctions,
};
use crate::qemu::command_line::{CommandLine, RawDevice};
use crate::qemu::device_json::JsonValue;
use crate::qemu::device_models::{self, ModelBus};
use crate::qemu::implied::{Implied, Makes, When};
use crate::qemu::numbers::{self, OptionNumber, SlotFunction};
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
    /// The devices of libvirt's that `<qemu:override>` moves.
    pub moved: BTreeSet<usize>,
    /// Those of them that meet the machine or another of libvirt's, or find no place; each once.
    pub moved_refused: Vec<MovedRefused>,
    /// Whether a device of libvirt's is moved that we cannot follow.
    pub moves_are_uncertain: bool,
    /// What other options make, where QEMU does not create it or where it is in the way of a device
    /// of libvirt's; each once.
    pub implied_refused: Vec<ImpliedRefused>,
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

/// A device of libvirt's that `<qemu:override>` moves to where QEMU refuses it, or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedRefused {
    /// Index into `Domain::devices`.
    pub device: usize,
    /// The other one of libvirt's, where that came second.
    pub victim: Option<usize>,
    /// What QEMU would say.
    pub why: PciRefusal,
}

/// A device that another option makes and that is in the way, or that QEMU refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImpliedRefused {
    /// Index into `CommandLine::implied`.
    pub implied: usize,
    /// The device of libvirt's that QEMU would name, where it is not this one.
    pub victim: Option<usize>,
    /// What QEMU would say.
    pub why: PciRefusal,
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
    /// No PCI device.
    Elsewhere,
    /// A model that no QEMU known here has, and which does not say what it is.
    Unknown,
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
        "pcie-root-port" | "ioh3420" | "xio3130-downstream" | "cxl-rp" | "cxl-downstream" => {
            Some(BusKind::Port)
        }
        "x3130-upstream" | "cxl-upstream" => Some(BusKind::Upstream),
        "pci-bridge" | "pci-bridge-seat" | "pcie-pci-bridge" => Some(BusKind::Bridge),
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

/// Whether a device of this model goes on a PCI bus; `None` where no QEMU known here has it.
pub fn is_pci(driver: &str) -> Option<bool> {
    // It brings along a PCI device without an address (facts Q4.9).
    if driver == "amd-iommu" {
        return Some(true);
    }
    if let Some(model) = device_models::model(driver) {
        return Some(model.bus == ModelBus::Pci);
    }
    let suffixes = ["-pci", "-pci-transitional", "-pci-non-transitional"];
    let named = suffixes.iter().any(|suffix| driver.ends_with(suffix));
    named.then_some(true)
}

/// Reads `bus`, `addr` and `multifunction` of a raw device.
pub fn wish(device: &RawDevice) -> Wish {
    // The virtual function of another raw device, whose place that decides (QEMU >= 10.2).
    if device.last("sriov-pf").is_some() {
        return Wish::Elsewhere;
    }
    let bus = device.text("bus").map(str::to_owned);
    match is_pci(device.driver()) {
        Some(true) => {}
        Some(false) => return Wish::Elsewhere,
        // What has both is one.
        None if bus.is_some() && device.last("addr").is_some() => {}
        None => return Wish::Unknown,
    }
    let value = |key: &str| device.last(key).map(|property| &property.value);
    let (Some(at), Some(multifunction)) = (
        address(value("addr")),
        switch(value("multifunction"), device.form),
    ) else {
        return Wish::Unreadable;
    };
    Wish::Pci {
        bus,
        at,
        multifunction,
    }
}

/// A `multifunction`; `None` cannot be read.
fn switch(value: Option<&JsonValue>, form: DeviceForm) -> Option<bool> {
    match value {
        None => Some(false),
        Some(JsonValue::Bool(on)) => Some(*on),
        Some(JsonValue::String(text)) if form == DeviceForm::Text => option_string::boolean(text),
        Some(_) => None,
    }
}

/// An `addr`: `Some(None)` is automatic, `None` cannot be read. In JSON a number is a devfn, and -1
/// is automatic.
fn address(value: Option<&JsonValue>) -> Option<Option<SlotFunction>> {
    match value {
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

/// What another option makes of PCI devices on this domain's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Nothing,
    Device,
    Unknown,
}

fn made(domain: &Domain, implied: &Implied) -> Made {
    let text = implied.when >= When::Text(0);
    match (machine::family(domain), &implied.makes) {
        (_, Makes::Unknown) => Made::Unknown,
        (Family::I440fx | Family::Q35 | Family::Microvm, Makes::UsualDisk) => Made::Nothing,
        (Family::I440fx | Family::Q35, _) => Made::Device,
        // Its network cards and disks are PCI devices; of its other devices less is known.
        (Family::Virt, Makes::Card(_) | Makes::UsualDisk) => Made::Device,
        (_, Makes::Model(_)) if text => Made::Device,
        (Family::Microvm, Makes::Model(_)) if implied.when == When::Sound => Made::Device,
        // It has no use for the others, and warns.
        (Family::Microvm, _) => Made::Nothing,
        _ => Made::Unknown,
    }
}

/// An igb's (IGB_VF_OFFSET, IGB_VF_STRIDE).
const OF_IGB: VirtualFunctions = VirtualFunctions {
    offset: 0x80,
    stride: 2,
    count: 8,
};

/// The virtual functions of a raw device: an nvme has as many as it is told (NVME_VF_OFFSET).
pub fn virtual_functions_of(device: &RawDevice) -> Option<VirtualFunctions> {
    match device.driver() {
        "igb" => Some(OF_IGB),
        "nvme" => {
            let count = match &device.last("sriov_max_vfs")?.value {
                JsonValue::Integer(count) => u16::try_from(*count).ok()?,
                JsonValue::String(count) => match numbers::option_number(count) {
                    OptionNumber::Number(count) => u16::try_from(count).ok()?,
                    _ => return None,
                },
                _ => return None,
            };
            // More than 127 it refuses by itself.
            let (offset, stride) = (1, 1);
            (1..=127).contains(&count).then_some(VirtualFunctions {
                offset,
                stride,
                count,
            })
        }
        _ => None,
    }
}

/// Whether devices bring their virtual functions along: older versions create them when the guest asks
/// (facts Q4.10).
pub fn virtual_functions(qemu: Option<Version>) -> bool {
    qemu.is_some_and(|qemu| qemu >= Version(10, 0, 0))
}

/// Whether it is not known what the option makes.
pub fn is_unknown(domain: &Domain, implied: &Implied) -> bool {
    made(domain, implied) == Made::Unknown
}

/// Places the whole domain. `None` where the machine has no PCI bus we know.
pub fn build(
    domain: &Domain,
    line: &CommandLine,
    gone: &BTreeSet<usize>,
    form: DeviceForm,
    qemu: Option<Version>,
) -> Option<Placed> {
    let (name, express) =
        machine::root_bus(domain).filter(|_| !machine::without_pci(domain, line))?;
    let overrides = Overrides::of(domain, line);
    let mut builder = Builder {
        domain,
        line,
        gone,
        form,
        virtual_functions: virtual_functions(qemu),
        outcome: Placed {
            topology: Topology::new(machine::bridge_slot_zero_refused(domain, line, qemu)),
            placed: Vec::new(),
            refused: Vec::new(),
            moved: ordered::set(overrides.moved.keys().copied()),
            moved_refused: Vec::new(),
            moves_are_uncertain: overrides.uncertain,
            implied_refused: Vec::new(),
            automatic_is_uncertain: !line.unmodelled.is_empty(),
            controllers: BTreeMap::new(),
        },
        unnamed: (if express { 0 } else { 1 }, 0),
        behind_expander: behind_expander(domain),
        blamed: BTreeSet::new(),
        implied: 0,
        overrides,
    };
    builder.machine(name, express);
    builder.implied_before(When::Text(0));
    match form {
        DeviceForm::Json => {
            builder.raw(DeviceForm::Text);
            builder.implied_before(When::End);
            builder.libvirt(false);
            builder.raw(DeviceForm::Json);
            builder.libvirt(true);
        }
        DeviceForm::Text => {
            builder.libvirt(false);
            builder.raw(DeviceForm::Text);
            builder.implied_before(When::Drive);
            builder.libvirt(true);
            builder.implied_before(When::End);
            builder.raw(DeviceForm::Json);
        }
    }
    Some(builder.outcome)
}

/// The domain with its devices in the form that libvirt writes here; in either, where that is not
/// known, and without the raw devices in `gone`. Nothing where the machine has no PCI bus we know.
pub fn worlds(
    domain: &Domain,
    line: &CommandLine,
    gone: &BTreeSet<usize>,
    assume: &Assumptions,
) -> Vec<Placed> {
    let known = assume.device_form(&domain.capabilities);
    let forms = [DeviceForm::Text, DeviceForm::Json].into_iter();
    let forms = forms.filter(|form| known.is_none_or(|known| known == *form));
    let built = forms.map(|form| build(domain, line, gone, form, assume.qemu));
    built.flatten().collect()
}

struct Builder<'d> {
    domain: &'d Domain,
    line: &'d CommandLine,
    /// Raw devices that are not to be there.
    gone: &'d BTreeSet<usize>,
    outcome: Placed,
    /// How many buses without a name of their own there are: `pci.N` and `pcie.N`. The root bus
    /// of i440fx is the first of its kind, that of q35 has a name (facts Q3).
    unnamed: (u32, u32),
    /// Which of libvirt's controllers make buses that belong to an expander or lie behind one.
    behind_expander: BTreeSet<u32>,
    /// The raw devices that were refused, and behind them what other options make.
    blamed: BTreeSet<usize>,
    /// How many of what other options make are there.
    implied: usize,
    /// How libvirt writes its devices.
    form: DeviceForm,
    /// Whether an igb brings its virtual functions along.
    virtual_functions: bool,
    /// Where they are not where their addresses say.
    overrides: Overrides<'d>,
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
            for device in machine::built_in(self.domain, self.line) {
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
        for (own, device) in devices() {
            if let Some((name, kind)) = controller_bus(device) {
                let bus = if is_expander(device.model.as_deref().unwrap_or("")) {
                    self.outcome.topology.add_expander(name, kind)
                } else {
                    let parent = device.pci.map(|address| address.bus);
                    let expander = match self.overrides.moved.get(&own).and_then(|one| one.bus) {
                        Some(by) => {
                            let topology = &self.outcome.topology;
                            let bus = topology.wanted(by.value.as_deref());
                            let bus = bus.and_then(|bus| topology.buses.get(bus));
                            bus.is_some_and(|bus| bus.expander)
                        }
                        None => parent.is_some_and(|bus| self.behind_expander.contains(&bus)),
                    };
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
        let mut bus = self.outcome.controllers.get(&address.bus).copied();
        let mut request = PciRequest {
            party: Party::Libvirt(index),
            at: Some(SlotFunction {
                slot: address.slot,
                function: address.function,
            }),
            multifunction: address.multifunction,
            bridge: bus_behind(device).is_some(),
        };
        let moved = self.overrides.moved.get(&index);
        if let Some(moved) = moved {
            let written = |by: &Override| overrides::written(by, self.form);
            if let Some(by) = moved.addr {
                match self::address(written(by).as_ref()) {
                    Some(at) => request.at = at,
                    // Said elsewhere.
                    None => return,
                }
            }
            if let Some(by) = moved.multifunction {
                match switch(written(by).as_ref(), self.form) {
                    Some(on) => request.multifunction = on,
                    None => return,
                }
            }
            if let Some(by) = moved.bus {
                let name = written(by);
                let name = name.as_ref().and_then(|name| match name {
                    JsonValue::String(name) => Some(name.as_str()),
                    _ => None,
                });
                // One of a controller that comes later, or its own, is not there yet.
                let own = device.index.filter(|_| request.bridge);
                let own = own.and_then(|own| self.outcome.controllers.get(&own));
                bus = self.outcome.topology.wanted(name);
                bus = bus.filter(|bus| own.is_none_or(|own| bus < own));
            }
        }
        // What has a place of libvirt's choice has a bus there.
        if bus.is_none() && moved.is_none_or(|moved| moved.bus.is_none()) {
            return;
        }
        let moved = moved.is_some();
        let igb = &*device.element == "interface" && device.model.as_deref() == Some("igb");
        let Err(why) = self.place(bus, &request, igb.then_some(OF_IGB)) else {
            return;
        };
        let party = match why {
            PciRefusal::Taken(_, party)
            | PciRefusal::BesideSingle(_, party)
            | PciRefusal::SingleBeside(_, party) => Some(party),
            _ => None,
        };
        match party {
            Some(Party::Raw(raw)) => self.refuse(raw, Party::Libvirt(index), why),
            Some(Party::Implied(implied)) => self.refuse_implied(implied, Some(index), why),
            _ if moved => self.refuse_moved(index, None, why),
            Some(Party::Libvirt(other)) if self.outcome.moved.contains(&other) => {
                self.refuse_moved(other, Some(index), why);
            }
            // Among libvirt's own devices, and with the machine's (the first IDE controller
            // is the machine's, and in the XML too), libvirt sees to it itself.
            _ => {}
        }
    }

    /// However many devices one is in the way of, it is one to move.
    fn refuse_moved(&mut self, device: usize, victim: Option<usize>, why: PciRefusal) {
        // Behind raw devices and what other options make.
        let number = self.line.devices.len() + self.line.implied.len() + device;
        if self.blamed.insert(number) {
            self.outcome.moved_refused.push(MovedRefused {
                device,
                victim,
                why,
            });
        }
    }

    /// A device, and the virtual functions it has.
    fn place(
        &mut self,
        bus: Option<usize>,
        request: &PciRequest,
        functions: Option<VirtualFunctions>,
    ) -> Result<Placement, PciRefusal> {
        let topology = &mut self.outcome.topology;
        let place = topology.place(bus, request)?;
        if let Some(mut functions) = functions {
            if !self.virtual_functions {
                functions.count = 0;
            }
            topology.place_virtual(place, request.party, functions)?;
        }
        Ok(place)
    }

    /// What other options make before this time.
    fn implied_before(&mut self, time: When) {
        let line = self.line;
        while let Some(one) = line.implied.get(self.implied).filter(|one| one.when < time) {
            let number = self.implied;
            self.implied += 1;
            match made(self.domain, one) {
                Made::Nothing => {}
                Made::Unknown => self.outcome.automatic_is_uncertain = true,
                Made::Device if one.makes == Makes::Usb => self.usb(number),
                Made::Device => self.implied_device(number),
            }
        }
    }

    fn usb(&mut self, number: usize) {
        for (at, multifunction) in machine::usb(self.domain) {
            let request = PciRequest {
                party: Party::Implied(number),
                at: Some(at),
                multifunction,
                bridge: false,
            };
            // Nothing else is there yet.
            let _ = self.outcome.topology.place(Some(0), &request);
        }
    }

    fn implied_device(&mut self, number: usize) {
        let request = PciRequest {
            party: Party::Implied(number),
            at: None,
            multifunction: false,
            bridge: false,
        };
        let bus = self.outcome.topology.wanted(None);
        let makes = self.line.implied.get(number).map(|one| &one.makes);
        let igb = matches!(makes, Some(Makes::Card(Some(model))) if &**model == "igb");
        if let Err(why) = self.place(bus, &request, igb.then_some(OF_IGB)) {
            self.refuse_implied(number, None, why);
        }
    }

    fn refuse_implied(&mut self, implied: usize, victim: Option<usize>, why: PciRefusal) {
        if self.blamed.insert(self.line.devices.len() + implied) {
            self.outcome.implied_refused.push(ImpliedRefused {
                implied,
                victim,
                why,
            });
        }
    }

    fn raw(&mut self, form: DeviceForm) {
        for (index, device) in self.line.devices.iter().enumerate() {
            if device.form == form {
                if form == DeviceForm::Text {
                    self.implied_before(When::Text(index + 1));
                }
                if self.gone.contains(&index) {
                    continue;
                }
                self.raw_device(index, device);
            }
        }
    }

    fn raw_device(&mut self, index: usize, device: &RawDevice) {
        let (bus, at, multifunction) = match wish(device) {
            Wish::Unknown => {
                // What names a PCI bus is for one; what names none may be, and take the first slot.
                let bus = device.text("bus");
                self.outcome.automatic_is_uncertain |= device.last("bus").is_none();
                match bus.filter(|bus| self.outcome.topology.find(bus).is_some()) {
                    Some(bus) => (Some(bus.to_owned()), None, false),
                    None => return,
                }
            }
            Wish::Elsewhere | Wish::Unreadable => return,
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
        let bus = match device.driver() {
            // Whatever expanders there are, its function is on the machine's own bus (facts Q4.9).
            "amd-iommu" => Some(0),
            _ => topology.wanted(bus.as_deref()),
        };
        let parent = bus.and_then(|index| topology.buses.get(index));
        let expander = named && parent.is_some_and(|bus| bus.expander);
        match self.place(bus, &request, virtual_functions_of(device)) {
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
