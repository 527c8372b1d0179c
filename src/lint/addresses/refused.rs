//! Devices that QEMU refuses where they are, and what to write instead.

use crate::lint::Context;
use crate::lint::arguments::whole;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::pci::build::{self, Outcome, Refused, Wish};
use crate::pci::machine::{self, Family};
use crate::pci::topology::{Party, Refusal, Request, Topology};
use crate::qemu::command_line::RawDevice;
use crate::qemu::spell;
use crate::text::quoted;
use crate::version::DeviceForm;

use super::{place_of, proposal, propose, where_at};

/// What a party is called in a message.
fn name(context: Context, party: Party) -> String {
    match party {
        Party::Machine(name) => format!("{name}, which is built into the machine"),
        Party::Libvirt(index) => match context.domain.devices.get(index) {
            Some(device) => {
                // A disk is known by its target: vda says more than `file`.
                let disk = (&*device.element == "disk").then_some(device.target_dev.as_deref());
                let model = disk.flatten().or(device.model.as_deref());
                let model = model.or(device.kind.as_deref());
                let model = model.map_or(String::new(), |m| format!(" {}", quoted(m)));
                format!("libvirt's <{}>{model}", device.element)
            }
            None => "a device of libvirt's".to_owned(),
        },
        Party::Raw(index) => match context.line.devices.get(index) {
            Some(device) => match device.id_text() {
                Some(id) => format!("the raw {} {}", device.driver(), quoted(id)),
                None => format!("another raw {}", device.driver()),
            },
            None => "a raw device".to_owned(),
        },
    }
}

/// What QEMU says of the device, and what to write. Only a warning where somebody else may have
/// taken the free slot before.
pub fn judge(context: Context, outcome: &Outcome, refused: &Refused) -> Option<Finding> {
    let device = context.line.devices.get(refused.raw)?;
    let topology = &outcome.topology;
    let other = |by: Party| match refused.victim {
        // libvirt's device came second: it is the one QEMU would name.
        Party::Libvirt(_) => name(context, refused.victim),
        _ => name(context, by),
    };
    let automatic = if refused.automatic {
        ", the first free one, as the device has no address of its own,"
    } else {
        ""
    };
    let address = place_of(context, device, &["addr", "bus"]);
    let finding = match refused.why {
        Refusal::NoBus => no_bus(context, outcome, device),
        Refusal::BridgesOnly => Finding::error(
            Code::BusUnsuitable,
            place_of(context, device, &["bus"]),
            format!(
                "bus {} takes bridges and ports only: QEMU refuses to start",
                quoted(device.text("bus").unwrap_or(""))
            ),
        )
        .help(propose(topology, device)),
        Refusal::Taken(place, by) => Finding::error(
            Code::AddressTaken,
            address,
            format!(
                "address {}{automatic} belongs to {}: QEMU refuses to start",
                where_at(topology, place),
                other(by)
            ),
        )
        .help(propose(topology, device)),
        Refusal::BesideSingle(place, by) | Refusal::SingleBeside(place, by) => {
            let zero = if place.at.function == 0 { "this function 0" } else { "function 0 of that slot" };
            Finding::error(
                Code::FunctionConflict,
                address,
                format!(
                    "address {}{automatic} shares its slot with {}, and {zero} has no multifunction: QEMU refuses to start",
                    where_at(topology, place),
                    other(by)
                ),
            )
            .help(propose(topology, device))
        }
        Refusal::Full(bus) => Finding::error(
            Code::BusFull,
            whole(context, device.arg),
            format!(
                "bus {} has no free slot left for this device: QEMU refuses to start",
                topology.buses.get(bus).map_or("", |bus| &bus.name)
            ),
        )
        .help(propose(topology, device)),
        Refusal::SlotZero(place) => Finding::error(
            Code::SlotZero,
            address,
            format!(
                "address {}{automatic} is refused by the bridge's hot-plug controller: QEMU does not start",
                where_at(topology, place)
            ),
        )
        .help("use slots 0x1 to 0x1f there"),
    };
    // Somebody else may have taken the free slot before.
    if refused.automatic && outcome.automatic_is_uncertain && finding.level == Level::Error {
        return Some(Finding {
            level: Level::Warning,
            ..finding
        });
    }
    Some(finding)
}

/// What to write for a text device whose bus comes too late: the same in JSON, where its address
/// is free once libvirt's devices are there, or an address on the root bus.
fn instead_of_text(topology: &Topology, device: &RawDevice) -> String {
    let fits = match build::wish(device) {
        Wish::Pci {
            bus,
            at,
            multifunction,
        } => {
            let request = Request {
                party: Party::Raw(usize::MAX),
                bus: bus.as_deref(),
                at,
                multifunction,
                bridge: false,
            };
            topology.clone().place(&request).is_ok()
        }
        Wish::NotPci | Wish::Unreadable => true,
    };
    if !fits {
        return propose(topology, device);
    }
    let json = spell::arg_element(&spell::as_json(device));
    let or_free =
        proposal(topology, device).map_or(String::new(), |free| format!(", or use `{free}`"));
    format!("write {json}{or_free}")
}

fn no_bus(context: Context, outcome: &Outcome, device: &RawDevice) -> Finding {
    let bus = device.text("bus").unwrap_or("");
    let topology = &outcome.topology;
    let place = place_of(context, device, &["bus"]);
    let libvirt = context
        .domain
        .devices
        .iter()
        .filter_map(build::controller_bus)
        .any(|(name, _)| name == bus);
    let raw =
        context.line.devices.iter().find(|other| {
            build::bridge_kind(other.driver()).is_some() && other.id_text() == Some(bus)
        });
    if let (true, DeviceForm::Text) = (libvirt, device.form) {
        return Finding::error(
            Code::BusLater,
            place,
            format!(
                "bus {} is a JSON device of libvirt's, and QEMU creates text devices first: it refuses to start with \
                 \"Bus '{}' not found\"",
                quoted(bus),
                crate::text::visible(bus)
            ),
        )
        .help(instead_of_text(topology, device));
    }
    if let Some(raw) = raw {
        let json = raw.form == DeviceForm::Json;
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
    let known: Vec<_> = topology
        .buses
        .iter()
        .map(|bus| bus.name.as_str())
        .take(12)
        .collect();
    let finding = Finding::error(
        Code::BusUnknown,
        place,
        format!("there is no bus {}: QEMU refuses to start", quoted(bus)),
    )
    .help(format!(
        "the buses of this domain are {}; {}",
        known.join(", "),
        propose(topology, device)
    ));
    // A machine we do not know may have more buses (pSeries: pci.1.0), and so may a raw device
    // that is a bridge of a kind we do not know.
    let maybe = machine::family(context.domain) == Family::Other
        || context.line.devices.iter().any(|other| {
            let id = other.id_text().and_then(|id| bus.strip_prefix(id));
            id.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                && !build::is_pci_driver(other.driver())
                && !other.looks_like_9p()
        });
    if maybe {
        return Finding {
            level: Level::Warning,
            ..finding
        };
    }
    finding
}
