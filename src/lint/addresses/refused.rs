//! Devices that QEMU refuses where they are, and what to write instead.

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::DeviceForm;
use crate::domain::{Interned, Place};
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::unknown::Unknown;
use crate::ordered;
use crate::pci::build::{self, Placed, Refused, Wish};
use crate::pci::machine::{self, Family};
use crate::pci::proposals::Proposals;
use crate::pci::topology::{BusKind, Party, PciRefusal, PciRequest, Placement, Topology, User};
use crate::qemu::command_line::RawDevice;
use crate::qemu::device_spelling;
use crate::text::{brief, count, quoted};

use super::{DEFINE, implied, place_of, propose, where_at};

/// Says why QEMU refuses devices; what many of them need to know is looked up once.
pub struct RefusalExplainer<'a> {
    context: Context<'a>,
    outcome: &'a Placed,
    /// What raw devices are called in messages, as far as that was asked.
    names: BTreeMap<usize, String>,
    /// The buses of libvirt's controllers.
    libvirt: BTreeSet<Interned>,
    /// The first raw bridge of each id.
    bridges: BTreeMap<&'a str, &'a RawDevice>,
    /// Raw devices that may be bridges of a kind we do not know.
    unknown: BTreeSet<&'a str>,
    /// The buses there are, as far as anybody reads them.
    buses: String,
}

impl<'a> RefusalExplainer<'a> {
    /// Goes through the domain once.
    pub fn new(context: Context<'a>, outcome: &'a Placed) -> Self {
        let devices = context.domain.devices.iter();
        let buses = devices.filter_map(build::controller_bus);
        let libvirt = ordered::set(buses.map(|(name, _)| name));
        let (mut bridges, mut unknown) = (BTreeMap::new(), BTreeSet::new());
        for device in &context.line.devices {
            let Some(id) = device.id_text() else { continue };
            if build::bridge_kind(device.driver()).is_some() {
                bridges.entry(id).or_insert(device);
            } else if build::is_pci(device.driver()).is_none() && !device.looks_like_9p() {
                unknown.insert(id);
            }
        }
        let buses = outcome.topology.buses.iter().take(12);
        let buses: Vec<String> = buses.map(|bus| brief(&bus.name)).collect();
        RefusalExplainer {
            context,
            outcome,
            names: BTreeMap::new(),
            libvirt,
            bridges,
            unknown,
            buses: buses.join(", "),
        }
    }

    /// What a party is called in a message.
    pub fn name(&mut self, party: Party) -> String {
        let context = self.context;
        match party {
            Party::Machine(name) => format!("{name}, which is built into the machine"),
            Party::Libvirt(index) => match context.domain.devices.get(index) {
                Some(device) => {
                    // A disk and a share are known by their targets: vda says more than `file`.
                    let target = match &*device.element {
                        "disk" => device.target_dev.as_deref(),
                        _ => device.mount_tag().map(|tag| tag.value.as_str()),
                    };
                    let model = target.or(device.model.as_deref());
                    let model = model.or(device.kind.as_deref());
                    let model = model.map_or(String::new(), |m| format!(" {}", quoted(m)));
                    let moved = match self.outcome.moved.contains(&index) {
                        true => ", which <qemu:override> puts there",
                        false => "",
                    };
                    format!("libvirt's <{}>{model}{moved}", brief(&device.element))
                }
                None => "a device of libvirt's".to_owned(),
            },
            Party::Raw(index) => {
                let name = || match context.line.devices.get(index) {
                    Some(device) => match device.id_text() {
                        Some(id) => format!("the raw {} {}", brief(device.driver()), quoted(id)),
                        None => format!("another raw {}", brief(device.driver())),
                    },
                    None => "a raw device".to_owned(),
                };
                self.names.entry(index).or_insert_with(name).clone()
            }
            Party::Implied(index) => match context.line.implied.get(index) {
                Some(implied) => implied::name(context, implied),
                None => "a device of another option".to_owned(),
            },
        }
    }

    /// The other party, as it is called in messages.
    fn other(&mut self, refused: &Refused, by: Party) -> String {
        match refused.victim {
            // libvirt's device came second: it is the one QEMU would name.
            Party::Libvirt(_) => self.name(refused.victim),
            _ => self.name(by),
        }
    }

    /// What is to be said where one of the two is a virtual function.
    fn of_virtual(&self, refused: &Refused, place: Placement, by: Party) -> &'static str {
        let context = self.context;
        let raw = |index: usize| {
            let device = context.line.devices.get(index);
            device.filter(|device| build::virtual_functions_of(device).is_some())
        };
        let mut parties = [Party::Raw(refused.raw), by].into_iter();
        let nvme = parties.any(
            |party| matches!(party, Party::Raw(index) if raw(index).is_some_and(|one| one.driver() == "nvme")),
        );
        let asks = raw(refused.raw).is_some_and(
            |device| matches!(build::wish(device), Wish::Pci { at, .. } if at != Some(place.at)),
        );
        // One that is there is in the lower half.
        let native = |party: Party| match party {
            Party::Libvirt(index) => {
                let device = context.domain.devices.get(index);
                device.is_some_and(|device| device.model.as_deref() == Some("igb"))
            }
            _ => false,
        };
        let has = matches!(by, Party::Raw(index) if raw(index).is_some())
            || native(by)
            || native(refused.victim);
        let known = build::virtual_functions(context.assume.qemu);
        match known && (asks || has && (nvme || place.at.slot > 15)) {
            true if nvme => " (an nvme has sriov_max_vfs functions next to its own)",
            true => " (an igb has eight virtual functions from 16 slots above its own)",
            false => "",
        }
    }

    /// What QEMU says of the first of these devices, which are refused for one and the same slot, and
    /// where to move them all. Only a warning where somebody else may have taken the free slot
    /// before.
    pub fn explain(&mut self, group: &[&Refused], proposals: &mut Proposals) -> Option<Finding> {
        let refused = group.first()?;
        let (context, outcome) = (self.context, self.outcome);
        let device = context.line.devices.get(refused.raw)?;
        let topology = &outcome.topology;
        let automatic = if refused.automatic {
            ", the first free one, as the device has no address of its own,"
        } else {
            ""
        };
        let address = place_of(context, device, &["addr", "bus"]);
        let finding = match refused.why {
            PciRefusal::NoBus => self.no_bus(refused.raw, device, proposals),
            PciRefusal::BridgesOnly => {
                let finding = Finding::error(
                    Code::BusUnsuitable,
                    place_of(context, device, &["bus"]),
                    format!(
                        "{} takes bridges and ports only: QEMU refuses to start",
                        match device.text("bus") {
                            Some(bus) => format!("bus {}", quoted(bus)),
                            None =>
                                "the bus of the newest expander, where QEMU puts this,".to_owned(),
                        }
                    ),
                );
                propose(finding, context, proposals, refused.raw, device)
            }
            PciRefusal::Taken(place, by) => {
                let finding = Finding::error(
                    Code::AddressTaken,
                    address,
                    format!(
                        "address {}{automatic} belongs to {}{}: QEMU refuses to start",
                        where_at(topology, place),
                        self.other(refused, by),
                        self.of_virtual(refused, place, by)
                    ),
                );
                let finding = propose(finding, context, proposals, refused.raw, device);
                self.parties(finding, group, proposals)
            }
            PciRefusal::BesideSingle(place, by) | PciRefusal::SingleBeside(place, by) => {
                let zero = if place.at.function == 0 {
                    "this function 0"
                } else {
                    "function 0 of that slot"
                };
                let finding = Finding::error(
                    Code::FunctionConflict,
                    address,
                    format!(
                        "address {}{automatic} shares its slot with {}{}, and {zero} has no multifunction: QEMU \
                         refuses to start",
                        where_at(topology, place),
                        self.other(refused, by),
                        self.of_virtual(refused, place, by)
                    ),
                );
                let finding = propose(finding, context, proposals, refused.raw, device);
                self.parties(finding, group, proposals)
            }
            PciRefusal::Full(bus) => {
                let finding = Finding::error(
                    Code::BusFull,
                    whole_argument(context, device.arg),
                    format!(
                        "bus {} has no free slot left for this device: QEMU refuses to start",
                        brief(topology.buses.get(bus).map_or("", |bus| &bus.name))
                    ),
                );
                propose(finding, context, proposals, refused.raw, device)
            }
            PciRefusal::VirtualBeyond(place) => {
                let finding = Finding::error(
                    Code::AddressInvalid,
                    address,
                    format!(
                        "at {} there is no room for the virtual functions of this, which are above its own: QEMU \
                         refuses to start with \"VF addr overflows\"",
                        where_at(topology, place)
                    ),
                );
                propose(finding, context, proposals, refused.raw, device)
            }
            PciRefusal::SlotZero(place) => {
                let finding = Finding::error(
                    Code::SlotZero,
                    address,
                    format!(
                        "address {}{automatic} is refused by the bridge's hot-plug controller: QEMU does not start",
                        where_at(topology, place)
                    ),
                );
                propose(finding, context, proposals, refused.raw, device)
            }
        };
        // Somebody else may have taken the free slot before.
        Some(if refused.automatic && outcome.automatic_is_uncertain {
            finding.doubtful(Unknown::Arguments)
        } else {
            finding
        })
    }

    /// With everybody else who has to do with a slot: who is there, and who is refused, too, and
    /// moves with the first.
    fn parties(
        &mut self,
        mut finding: Finding,
        group: &[&Refused],
        proposals: &mut Proposals,
    ) -> Finding {
        let context = self.context;
        let there = group.iter().flat_map(|refused| match refused.why {
            PciRefusal::Taken(_, by)
            | PciRefusal::BesideSingle(_, by)
            | PciRefusal::SingleBeside(_, by) => [Some(by), Some(refused.victim)],
            _ => [None, None],
        });
        let mut known: BTreeSet<usize> = ordered::set(group.iter().map(|one| one.raw));
        let mut others: Vec<usize> = group.iter().skip(1).map(|one| one.raw).collect();
        let beside = group.first().and_then(|one| one.slot());
        let beside = beside.map_or(Vec::new(), |(bus, slot)| self.beside(bus, slot));
        others.extend(beside.into_iter().filter(|raw| known.insert(*raw)));
        let mut natives = BTreeSet::new();
        for party in there.flatten() {
            let place = match party {
                Party::Libvirt(index) if natives.insert(index) => {
                    let device = context.domain.devices.get(index);
                    device.map(|device| Place::Xml(device.tag))
                }
                Party::Raw(raw) if known.insert(raw) => {
                    let device = context.line.devices.get(raw);
                    device.map(|device| place_of(context, device, &["addr", "bus"]))
                }
                Party::Implied(index) => {
                    let implied = context.line.implied.get(index);
                    implied.map(|implied| implied::place(context, implied))
                }
                _ => None,
            };
            if let Some(place) = place {
                finding = finding.with(place, "this is there, too");
            }
        }
        for other in others.iter().copied() {
            let Some(device) = context.line.devices.get(other) else {
                continue;
            };
            let place = place_of(context, device, &["addr", "bus"]);
            let own = Finding::error(finding.code, place.clone(), "");
            let own = propose(own, context, proposals, other, device);
            let help = own.help.unwrap_or_default();
            finding = finding.with(place, format!("this is in the way, too: {help}"));
            finding.fix.extend(own.fix);
        }
        if !others.is_empty() {
            let more = count(others.len(), "other raw device");
            finding
                .message
                .push_str(&format!(" (and with {more} there)"));
        }
        finding
    }

    /// The raw devices beside a function 0 of somebody else's that has no multifunction.
    fn beside(&self, bus: usize, slot: u8) -> Vec<usize> {
        let Some(bus) = self.outcome.topology.buses.get(bus) else {
            return Vec::new();
        };
        let zero = bus.users.in_slot(slot).find(|(at, _)| at.function == 0);
        let stays = |user: &User| !matches!(user.party, Party::Raw(_)) && !user.multifunction;
        if !zero.is_some_and(|(_, user)| stays(user)) {
            return Vec::new();
        }
        bus.users
            .in_slot(slot)
            .filter_map(|(_, user)| match user.party {
                Party::Raw(raw) => Some(raw),
                _ => None,
            })
            .collect()
    }

    fn no_bus(&self, raw: usize, device: &RawDevice, proposals: &mut Proposals) -> Finding {
        let bus = device.text("bus").unwrap_or("");
        let topology = &self.outcome.topology;
        let place = place_of(self.context, device, &["bus"]);
        if self.libvirt.contains(bus) && device.form == DeviceForm::Text {
            let finding = Finding::error(
                Code::BusLater,
                place,
                format!(
                    "bus {} is a JSON device of libvirt's, and QEMU creates text devices first: it refuses to start with \
                     \"Bus '{}' not found\"",
                    quoted(bus),
                    brief(bus)
                ),
            );
            return instead_of_text(self.context, finding, topology, raw, device, proposals);
        }
        if let Some(bridge) = self.bridges.get(bus) {
            let json = bridge.form == DeviceForm::Json;
            return Finding::error(
                Code::BusLater,
                place,
                format!(
                    "bus {} is made by a raw device that QEMU creates later{}: it refuses to start with \"Bus not found\"",
                    quoted(bus),
                    if json { ", because it is JSON" } else { "" }
                ),
            )
            .help("put the bridge before this device, and write both in the same form");
        }
        let finding = Finding::error(
            Code::BusUnknown,
            place,
            format!("there is no bus {}: QEMU refuses to start", quoted(bus)),
        );
        let finding = propose(finding, self.context, proposals, raw, device);
        let help = finding.help.clone().unwrap_or_default();
        let finding = finding.help(format!(
            "the buses of this domain are {}; {help}",
            self.buses
        ));
        // A machine we do not know may have more buses (pSeries: pci.1.0), and so may a raw device
        // that is a bridge of a kind we do not know: ID itself, or ID.NUMBER (qbus_init_internal).
        let id = bus.rsplit_once('.').map_or(bus, |(id, _)| id);
        // And before libvirt has added its ports, q35 has none of them.
        let controllers = self.context.domain.devices.iter();
        let controllers = controllers.filter(|device| device.is_controller("pci"));
        if express(topology) && controllers.count() == 0 && is_numbered(bus) {
            let finding = finding
                .doubtful(Unknown::Buses)
                .help(format!("{DEFINE}; {help}"));
            return Finding {
                fix: Vec::new(),
                ..finding
            };
        }
        let maybe = machine::family(self.context.domain) == Family::Other
            || self.unknown.contains(bus)
            || self.unknown.contains(id);
        if maybe {
            // It may be where it should be.
            Finding {
                fix: Vec::new(),
                ..finding.doubtful(Unknown::Buses)
            }
        } else {
            finding
        }
    }
}

/// Whether the root bus is PCI Express, where libvirt adds ports as they are needed.
fn express(topology: &Topology) -> bool {
    let root = topology.buses.first();
    root.is_some_and(|root| root.kind == BusKind::PcieRoot)
}

/// Whether libvirt may call a bus so: `pci.6`.
fn is_numbered(bus: &str) -> bool {
    let number = bus.strip_prefix("pci.").map(str::parse::<u32>);
    matches!(number, Some(Ok(1..)))
}

/// With what to write for a text device whose bus comes too late: an address on the root bus, or the
/// same in JSON, where its address is free once libvirt's devices are there.
fn instead_of_text(
    context: Context,
    finding: Finding,
    topology: &Topology,
    raw: usize,
    device: &RawDevice,
    proposals: &mut Proposals,
) -> Finding {
    let fits = match build::wish(device) {
        Wish::Pci {
            bus,
            at,
            multifunction,
        } => {
            let request = PciRequest {
                party: Party::Raw(usize::MAX),
                at,
                multifunction,
                bridge: false,
            };
            let bus = topology.wanted(bus.as_deref());
            topology.try_placing(bus, &request).is_ok()
        }
        Wish::Elsewhere | Wish::Unknown | Wish::Unreadable => true,
    };
    let moved = propose(finding.clone(), context, proposals, raw, device);
    // What -set does to it would not reach it any more.
    let own = device.properties.iter().all(|one| one.arg == device.arg);
    if !fits || !own {
        return moved;
    }
    // An older QEMU takes no JSON, and on libvirt's bus the device is in the way of libvirt's next.
    let element = device_spelling::arg_element(&device_spelling::as_json(device));
    let help = moved.help.as_deref().unwrap_or("");
    let help = format!("{help}; or, in its place, as JSON: {element}");
    moved.help(help)
}
