//! Where the raw devices are on the PCI buses, and with whom they collide.
//!
//! The verdict may depend on whether libvirt writes its devices as text or as JSON. Where that
//! is not known, both worlds are built: what goes wrong in both is an error, what goes wrong in
//! one is a warning.

use std::collections::BTreeSet;

use crate::domain::Domain;
use crate::lint::arguments::whole;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level, Place};
use crate::lint::{Context, enough};
use crate::ordered;
use crate::pci::build::{self, Outcome, Refused, Wish};
use crate::pci::machine::{self, Family};
use crate::pci::topology::{BusKind, Party, Placement, Refusal, Request, Topology};
use crate::qemu::command_line::RawDevice;
use crate::qemu::json::Value;
use crate::qemu::number::{Mode, SlotFunction, option_number};
use crate::qemu::opts;
use crate::qemu::spell;
use crate::text::quoted;
use crate::version::DeviceForm;

/// Finds collisions and places that no guest looks at.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    if !context.line.devices.iter().any(RawDevice::looks_like_9p) {
        return;
    }
    let known = context.assume.device_form(&context.domain.capabilities);
    let mut worlds = [DeviceForm::Text, DeviceForm::Json]
        .into_iter()
        .filter(|form| known.is_none_or(|known| known == *form))
        .filter_map(|form| world(context, form));
    let Some(first) = worlds.next() else { return };
    let found = match worlds.next() {
        None => first,
        Some(second) => merge(first, second),
    };
    // With <qemu:override> a device need not be where its <address> says.
    let most = if context.domain.moves_devices {
        Level::Warning
    } else {
        Level::Error
    };
    findings.extend(found.into_iter().map(|finding| Finding {
        level: finding.level.min(most),
        ..finding
    }));
    chassis(context, findings);
}

/// What is found in both worlds stays as it is; what is found in one depends on the versions.
fn merge(text: Vec<Finding>, json: Vec<Finding>) -> Vec<Finding> {
    // Ordered, not hashed: a hash wants random numbers, and the library panics where there are none.
    let key = |finding: &Finding| (finding.code, finding.place.key());
    let in_text = ordered::set(text.iter().map(key));
    let in_json = ordered::set(json.iter().map(key));
    let doubtful = |finding: Finding, versions: &str| Finding {
        level: finding.level.min(Level::Warning),
        message: format!("{} ({versions})", finding.message),
        uncertain: finding.level == Level::Error,
        ..finding
    };
    let (both, only_json): (Vec<_>, Vec<_>) = json
        .into_iter()
        .partition(|finding| in_text.contains(&key(finding)));
    let only_text = text
        .into_iter()
        .filter(|finding| !in_json.contains(&key(finding)))
        .map(|finding| {
            doubtful(
                finding,
                "where libvirt writes text devices, before 8.1 or with QEMU before 7.0",
            )
        });
    let only_text: Vec<_> = only_text.collect();
    let only_json = only_json.into_iter().map(|finding| {
        doubtful(
            finding,
            "where libvirt writes JSON devices: from 8.1 with QEMU from 7.0",
        )
    });
    let only_json: Vec<_> = only_json.collect();
    both.into_iter().chain(only_text).chain(only_json).collect()
}

/// The findings where libvirt writes its devices in this form; `None` without a PCI bus.
fn world(context: Context, form: DeviceForm) -> Option<Vec<Finding>> {
    let outcome = build::build(context.domain, context.line, form, context.assume.qemu)?;
    let mut findings = Vec::new();
    for refused in &outcome.refused {
        if enough(&findings) {
            break;
        }
        findings.extend(refusal(context, &outcome, refused));
    }
    for (raw, place) in &outcome.placed {
        if let Some(device) = context.line.devices.get(*raw) {
            findings.extend(placed(context, &outcome, device, *place));
        }
    }
    Some(findings)
}

/// The place of a property of the device, or the whole argument.
fn place_of(context: Context, device: &RawDevice, keys: &[&str]) -> Place {
    keys.iter()
        .find_map(|key| device.last(key))
        .filter(|_| !device.virtfs)
        .map_or_else(
            || whole(context, device.arg),
            |property| Place::Arg(property.arg, property.value_range.clone()),
        )
}

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

fn where_at(topology: &Topology, place: Placement) -> String {
    let bus = topology.buses.get(place.bus).map_or("", |bus| &bus.name);
    format!("{} of bus {bus}", place.at)
}

/// A free address on the root bus, as it is written in a device's form.
fn proposal(topology: &Topology, device: &RawDevice) -> Option<String> {
    let root = topology.buses.first()?;
    let free = root.free_slot()?;
    Some(match device.form {
        DeviceForm::Text => format!("bus={},addr={free}", root.name),
        DeviceForm::Json => format!("\"bus\":\"{}\",\"addr\":\"{free}\"", root.name),
    })
}

fn propose(topology: &Topology, device: &RawDevice) -> String {
    match (proposal(topology, device), device.virtfs) {
        (Some(free), true) => format!(
            "-virtfs takes no address: write `-fsdev` and `-device virtio-9p-pci,…,{free}` instead"
        ),
        (Some(free), false) => format!("write `{free}`, which is free"),
        (None, _) => {
            "add a pcie-root-port or pci-bridge controller; the root bus is full".to_owned()
        }
    }
}

fn refusal(context: Context, outcome: &Outcome, refused: &Refused) -> Option<Finding> {
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

fn placed(
    context: Context,
    outcome: &Outcome,
    device: &RawDevice,
    place: Placement,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let topology = &outcome.topology;
    let Some(bus) = topology.buses.get(place.bus) else {
        return findings;
    };
    let address = place_of(context, device, &["addr", "bus"]);
    if !device.is_9p() {
        return findings;
    }
    findings.extend(iommu_platform(context, device, bus.kind));
    let automatic = matches!(build::wish(device), Wish::Pci { at: None, .. });
    let zero = SlotFunction {
        slot: place.at.slot,
        function: 0,
    };
    if bus.kind == BusKind::Port && place.at.slot != 0 || bus.kind == BusKind::Upstream {
        findings.push(
            Finding::warning(
                Code::SlotInvisible,
                address,
                format!(
                    "the guest does not look at {}: QEMU starts, and the share is invisible",
                    where_at(topology, place)
                ),
            )
            .help(propose(topology, device)),
        );
    } else if place.at.function != 0 && !bus.users.contains_key(&zero) {
        findings.push(
            Finding::warning(
                Code::FunctionAlone,
                address,
                format!(
                    "nothing is at function 0 beside {}: QEMU starts, and the guest sees no share",
                    where_at(topology, place)
                ),
            )
            .help("use function 0"),
        );
    } else if bus.kind == BusKind::Bridge && place.at.slot == 0 {
        findings.extend(bridge_slot_zero(
            context,
            address,
            where_at(topology, place),
        ));
    } else if automatic
        && device.form == DeviceForm::Text
        && place.bus == 0
        // What other machines have built in, and whether this is a PCI device there, is not known.
        && machine::family(context.domain) != Family::Other
    {
        findings.push(
            Finding::warning(
                Code::AddressAutomatic,
                whole(context, device.arg),
                format!(
                    "this device has no address: QEMU puts it at {}, where libvirt may put another device later",
                    where_at(topology, place)
                ),
            )
            .help(propose(topology, device)),
        );
    }
    findings
}

/// A device with a legacy side cannot promise iommu_platform (virtio-pci.c,
/// virtio_pci_device_plugged). By default it has one unless it is behind a PCI Express port.
fn iommu_platform(context: Context, device: &RawDevice, bus: BusKind) -> Option<Finding> {
    let on = |key: &str| match device.last(key).map(|p| &p.value) {
        Some(Value::String(text)) => opts::boolean(text),
        Some(Value::Bool(on)) => Some(*on),
        _ => None,
    };
    let legacy = match device.driver() {
        "virtio-9p-pci-non-transitional" => false,
        "virtio-9p-pci-transitional" => true,
        _ => on("disable-legacy").map_or(bus != BusKind::Port, |off| !off),
    };
    (legacy && on("iommu_platform") == Some(true)).then(|| {
        Finding::error(
            Code::ValueInvalid,
            place_of(context, device, &["iommu_platform"]),
            "`iommu_platform` needs a device without legacy side, which this one has here: QEMU refuses to start",
        )
        .help("add `disable-legacy=on`, or use `virtio-9p-pci-non-transitional`")
    })
}

/// Accepted here, or not known.
fn bridge_slot_zero(context: Context, address: Place, at: String) -> Option<Finding> {
    let refused = machine::bridge_slot_zero_refused(context.domain, context.assume.qemu);
    let text = match refused {
        Some(_) => {
            format!("{at} is a slot that libvirt never uses, and that other machine types refuse")
        }
        None => format!("{at} is refused by some machine types and QEMU versions"),
    };
    Some(Finding {
        uncertain: refused.is_none(),
        ..Finding::warning(Code::SlotZero, address, text).help("use slots 0x1 to 0x1f there")
    })
}

/// The numbers that libvirt's ports have: chassis is the controller's index unless the XML says
/// otherwise, the slot number stays 0.
fn libvirt_chassis(domain: &Domain) -> Vec<u32> {
    domain
        .devices
        .iter()
        .filter(|device| {
            device.is_controller("pci")
                && matches!(
                    device.model.as_deref(),
                    Some("pcie-root-port" | "pcie-switch-downstream-port")
                )
        })
        .filter_map(|device| device.chassis.or(device.index))
        .collect()
}

/// Raw ports need a pair of chassis and slot of their own (hw/pci/pcie_port.c,
/// pcie_chassis_add_slot), raw pci-bridges a chassis number.
fn chassis(context: Context, findings: &mut Vec<Finding>) {
    let number = |device: &RawDevice, key: &str| match device.last(key).map(|p| &p.value) {
        Some(Value::String(text)) => match option_number(text) {
            Mode::Number(number) => Some(number),
            _ => None,
        },
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        Some(_) => None,
        None => Some(0),
    };
    let libvirts = libvirt_chassis(context.domain).into_iter();
    let mut taken = ordered::set(libvirts.map(|chassis| (u64::from(chassis), 0)));
    for device in &context.line.devices {
        let port = build::bridge_kind(device.driver()) == Some(BusKind::Port);
        if port {
            let (Some(chassis), Some(slot)) = (number(device, "chassis"), number(device, "slot"))
            else {
                continue;
            };
            if taken.contains(&(chassis, slot)) {
                findings.push(
                    Finding::error(
                        Code::ChassisTaken,
                        place_of(context, device, &["chassis"]),
                        format!(
                            "another port has chassis {chassis} and slot {slot} too: QEMU refuses to start"
                        ),
                    )
                    .help(format!("write `chassis={}`", free_chassis(&taken))),
                );
            }
            taken.insert((chassis, slot));
        } else if device.driver() == "pci-bridge" && number(device, "chassis_nr") == Some(0) {
            findings.push(
                Finding::error(
                    Code::ChassisTaken,
                    place_of(context, device, &["chassis_nr"]),
                    "a pci-bridge needs a `chassis_nr` above 0: QEMU refuses to start",
                )
                .help("write `chassis_nr=` and a number that no controller has as its index"),
            );
        }
    }
}

fn free_chassis(taken: &BTreeSet<(u64, u64)>) -> u64 {
    (100..=255)
        .find(|chassis| {
            taken
                .range((*chassis, 0)..=(*chassis, u64::MAX))
                .next()
                .is_none()
        })
        .unwrap_or(99)
}
