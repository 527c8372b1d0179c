//! Devices that QEMU takes where they are, and the guest does not find.

use crate::assumptions::DeviceForm;
use crate::domain::Place;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::fix::set_keys;
use crate::lint::unknown::Unknown;
use crate::pci::build::{self, Placed, Wish};
use crate::pci::machine::{self, Family};
use crate::pci::next::{Coming, NextDevices};
use crate::pci::proposals::Proposals;
use crate::pci::topology::{BusKind, Placement};
use crate::qemu::command_line::RawDevice;
use crate::qemu::device_json::JsonValue;
use crate::qemu::numbers::SlotFunction;
use crate::qemu::option_string;

use super::{place_of, propose, where_at};

/// What is wrong with raw device `raw`, which QEMU puts at `place`.
pub fn check(
    context: Context,
    outcome: &Placed,
    raw: usize,
    place: Placement,
    proposals: &mut Proposals,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let topology = &outcome.topology;
    let (Some(device), Some(bus)) = (context.line.devices.get(raw), topology.buses.get(place.bus))
    else {
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
        let finding = Finding::warning(
            Code::SlotInvisible,
            address,
            format!(
                "the guest does not look at {}: QEMU starts, and the share is invisible",
                where_at(topology, place)
            ),
        );
        findings.push(propose(finding, context, proposals, raw, device));
    } else if place.at.function != 0 && bus.users.get(zero).is_none() {
        let finding = Finding::warning(
            Code::FunctionAlone,
            address,
            format!(
                "nothing is at function 0 beside {}: QEMU starts, and the guest sees no share",
                where_at(topology, place)
            ),
        );
        // Others there would need it to be a multifunction device.
        findings.push(if bus.users.in_slot(place.at.slot).nth(1).is_some() {
            propose(finding, context, proposals, raw, device)
        } else {
            let zero = zero.to_string();
            finding
                .help(format!("use function 0: `{zero}`"))
                .fix(set_keys(context.domain, device, &[("addr", &zero)]))
        });
    } else if bus.kind == BusKind::Bridge && place.at.slot == 0 {
        findings.extend(bridge_slot_zero(
            topology.slot_zero_refused,
            address,
            where_at(topology, place),
        ));
    } else if automatic
        && device.form == DeviceForm::Text
        && place.bus == 0
        // What other machines have built in, and whether this is a PCI device there, is not known.
        && machine::family(context.domain) != Family::Other
    {
        let finding = Finding::warning(
            Code::AddressAutomatic,
            whole_argument(context, device.arg),
            format!(
                "this device has no address: QEMU puts it at {}, where libvirt may put another device later",
                where_at(topology, place)
            ),
        )
        .about(Key::Lacks("addr"));
        findings.push(propose(finding, context, proposals, raw, device));
    }
    findings
}

/// Whether libvirt, which does not know the raw device at `place`, puts one of its next there.
pub fn in_the_way(
    context: Context,
    outcome: &Placed,
    next: &NextDevices,
    raw: usize,
    place: Placement,
    proposals: &mut Proposals,
) -> Option<Finding> {
    let topology = &outcome.topology;
    let device = context.line.devices.get(raw)?;
    let bus = topology.buses.get(place.bus)?;
    let (coming, number) = next.at(place)?;
    let automatic = matches!(build::wish(device), Wish::Pci { at: None, .. });
    const ORDINALS: [&str; 8] = ["next", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th"];
    let number = ORDINALS.get(number - 1).unwrap_or(&"next");
    let comes = match coming {
        Coming::Device => {
            format!("the {number} device that is hot-plugged or added goes there, too")
        }
        Coming::Conventional => {
            format!(
                "the {number} conventional PCI device that is hot-plugged or added goes there, too"
            )
        }
        // A port is never hot-plugged, and at a start the raw device is put elsewhere.
        Coming::Port if automatic => return None,
        Coming::Port => {
            format!("a pcie-root-port for the {number} device that is added goes there, too")
        }
    };
    let finding = Finding::warning(
        Code::AddressNext,
        place_of(context, device, &["addr", "bus"]),
        format!(
            "libvirt does not know of this device and takes {} for free: {comes}, and QEMU refuses it",
            where_at(topology, place)
        ),
    );
    let finding = propose(finding, context, proposals, raw, device);
    // The guest knows a share by its tag, other devices perhaps by their address. And what stands
    // beside a function 0 is not found without it.
    let leads = place.at.function == 0 && bus.users.in_slot(place.at.slot).nth(1).is_some();
    Some(match device.is_9p() && !leads {
        true => finding,
        false => Finding {
            fix: Vec::new(),
            ..finding
        },
    })
}

/// A device with a legacy side cannot promise iommu_platform (virtio-pci.c,
/// virtio_pci_device_plugged). By default it has one unless it is behind a PCI Express port.
fn iommu_platform(context: Context, device: &RawDevice, bus: BusKind) -> Option<Finding> {
    let on = |key: &str| match device.last(key).map(|p| &p.value) {
        Some(JsonValue::String(text)) => option_string::boolean(text),
        Some(JsonValue::Bool(on)) => Some(*on),
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
fn bridge_slot_zero(refused: Option<bool>, address: Place, at: String) -> Option<Finding> {
    let text = match refused {
        Some(_) => {
            format!("{at} is a slot that libvirt never uses, and that other machine types refuse")
        }
        None => format!("{at} is refused by some machine types and QEMU versions"),
    };
    Some(Finding {
        depends: refused.is_none().then_some(Unknown::Qemu),
        ..Finding::warning(Code::SlotZero, address, text).help("use slots 0x1 to 0x1f there")
    })
}
