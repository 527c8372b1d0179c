//! PCI devices of other options than `-device` that are in the way, and what to write instead.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::unknown::Unknown;
use crate::pci::build::{ImpliedRefused, Placed};
use crate::pci::proposals::Proposals;
use crate::pci::topology::{Party, PciRefusal};
use crate::qemu::implied::{Implied, Makes, When};
use crate::text::brief;

use super::implied::{name, place};
use super::refused::RefusalExplainer;
use super::where_at;

/// What QEMU says of one of them, and the `-device` that can be somewhere else.
pub fn explain(
    context: Context,
    outcome: &Placed,
    one: &ImpliedRefused,
    explainer: &mut RefusalExplainer,
    proposals: &mut Proposals,
) -> Option<Finding> {
    let implied = context.line.implied.get(one.implied)?;
    let topology = &outcome.topology;
    let name = name(context, implied);
    let victim = one
        .victim
        .and_then(|index| context.domain.devices.get(index));
    let (code, at, whose) = match one.why {
        PciRefusal::Taken(at, by) => (Code::AddressTaken, Some(at), Some(by)),
        PciRefusal::BesideSingle(at, by) | PciRefusal::SingleBeside(at, by) => {
            (Code::FunctionConflict, Some(at), Some(by))
        }
        PciRefusal::SlotZero(at) => (Code::SlotZero, Some(at), None),
        PciRefusal::Full(_) => (Code::BusFull, None, None),
        PciRefusal::NoBus | PciRefusal::BridgesOnly | PciRefusal::VirtualBeyond(_) => {
            (Code::BusUnsuitable, None, None)
        }
    };
    let message = match at {
        Some(at) => {
            let who = match one.victim {
                Some(index) => explainer.name(Party::Libvirt(index)),
                None => whose.map_or_else(String::new, |by| explainer.name(by)),
            };
            let own = match implied.makes {
                Makes::Usb => "",
                _ => ", the first that is free when it is made",
            };
            let clash = match (code, who.is_empty()) {
                (Code::AddressTaken, _) => format!("which belongs to {who}"),
                (_, false) => format!("in one slot with {who}, without multifunction"),
                (_, true) => "where no device may be".to_owned(),
            };
            format!(
                "QEMU puts {name} at {}{own}, {clash}: it refuses to start",
                where_at(topology, at)
            )
        }
        None => format!("{name} finds no place on its bus: QEMU refuses to start"),
    };
    let free = proposals.get(usize::MAX - one.implied, false);
    let free = free.map_or_else(
        || "bus=BUS,addr=ADDRESS".to_owned(),
        |free| format!("bus={},addr={}", proposals.bus, free.at),
    );
    let has_usb = victim.is_some_and(|device| device.is_controller("usb"));
    let help = match implied.makes == Makes::Usb && has_usb {
        true => "remove it: libvirt's controller is there for USB devices".to_owned(),
        false => format!("write {}", instead(implied, &free)),
    };
    let mut finding = Finding::error(code, place(context, implied), message).help(help);
    if let Some(device) = victim {
        finding = finding.with(Place::Xml(device.tag), "this is there, too");
    }
    let uncertain = outcome.automatic_is_uncertain && implied.makes != Makes::Usb;
    Some(match uncertain {
        true => finding.doubtful(Unknown::Arguments),
        false => finding,
    })
}

/// What can be given an address, in place of the option.
fn instead(implied: &Implied, address: &str) -> String {
    match (&implied.makes, implied.when) {
        (_, When::Drive) => {
            format!("`if=none,id=NAME` there, and `-device virtio-blk-pci,drive=NAME,{address}`")
        }
        (Makes::Card(model), _) => format!(
            "`-netdev …,id=NAME` and `-device {},netdev=NAME,{address}` instead",
            model.as_deref().map_or("MODEL".to_owned(), brief)
        ),
        (Makes::Model(model), _) => format!("`-device {model},{address}` instead"),
        _ => format!("`-device qemu-xhci,{address}` instead"),
    }
}
