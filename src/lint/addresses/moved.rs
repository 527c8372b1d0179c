//! Devices of libvirt's that `<qemu:override>` moves to where there is no place for them.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::unknown::Unknown;
use crate::pci::build::{MovedRefused, Placed};
use crate::pci::machine::{self, Family};
use crate::pci::overrides::Overrides;
use crate::pci::proposals::Proposals;
use crate::pci::topology::{Party, PciRefusal};
use crate::text::{brief, quoted};

use super::refused::RefusalExplainer;
use super::where_at;

/// What QEMU says of one of them, and of whom it is in the way.
pub fn explain(
    context: Context,
    outcome: &Placed,
    one: &MovedRefused,
    overrides: &Overrides,
    explainer: &mut RefusalExplainer,
    proposals: &mut Proposals,
) -> Option<Finding> {
    let moved = overrides.moved.get(&one.device)?;
    let device = context.domain.devices.get(one.device)?;
    let (code, by) = match one.why {
        PciRefusal::Taken(..) => (Code::AddressTaken, moved.addr.or(moved.bus)),
        PciRefusal::BesideSingle(..) | PciRefusal::SingleBeside(..) => {
            (Code::FunctionConflict, moved.addr.or(moved.multifunction))
        }
        PciRefusal::SlotZero(_) => (Code::SlotZero, moved.addr),
        PciRefusal::Full(_) => (Code::BusFull, moved.bus),
        PciRefusal::NoBus => (Code::BusUnknown, moved.bus),
        PciRefusal::BridgesOnly => (Code::BusUnsuitable, moved.bus),
        PciRefusal::VirtualBeyond(_) => (Code::AddressInvalid, moved.addr),
    };
    let by = by.or(moved.bus).or(moved.addr).or(moved.multifunction)?;
    let what = format!("<{}>", brief(&device.element));
    let bus = || quoted(by.value.as_deref().unwrap_or(""));
    let mut there = None;
    let message = match one.why {
        PciRefusal::Taken(at, party)
        | PciRefusal::BesideSingle(at, party)
        | PciRefusal::SingleBeside(at, party) => {
            let other = one.victim.map_or(party, Party::Libvirt);
            there = match other {
                Party::Libvirt(index) => context.domain.devices.get(index),
                _ => None,
            };
            let other = explainer.name(other);
            let clash = match code {
                Code::AddressTaken => format!("which belongs to {other}"),
                _ => format!("in one slot with {other}, and its function 0 has no multifunction"),
            };
            format!("to {}, {clash}", where_at(&outcome.topology, at))
        }
        PciRefusal::SlotZero(at) => format!(
            "to {}, which the bridge's hot-plug controller refuses",
            where_at(&outcome.topology, at)
        ),
        PciRefusal::VirtualBeyond(at) => format!(
            "to {}, too high for its virtual functions",
            where_at(&outcome.topology, at)
        ),
        PciRefusal::Full(_) => "to a bus that is full".to_owned(),
        PciRefusal::NoBus => format!("to bus {}, which is not there when QEMU creates it", bus()),
        PciRefusal::BridgesOnly => {
            format!("to bus {}, which takes bridges and ports only", bus())
        }
    };
    let finding = Finding::error(
        code,
        Place::Xml(by.span),
        format!("<qemu:override> moves libvirt's {what} {message}: QEMU refuses to start"),
    );
    // Neither raw devices nor what other options make have such numbers.
    let free = proposals.get(usize::MAX / 2 + one.device, false);
    let finding = match free {
        Some(free) => finding.help(format!(
            "write `bus` {} and `addr` `{}`, which is free, or leave it where libvirt puts it",
            quoted(proposals.bus),
            free.at
        )),
        None => finding.help("leave it where libvirt puts it"),
    };
    let finding = match there {
        Some(device) => finding.with(Place::Xml(device.tag), "this is there, too"),
        None => finding,
    };
    // Which buses another machine has is not known.
    let unsure = one.why == PciRefusal::NoBus && machine::family(context.domain) == Family::Other;
    Some(match unsure {
        true => finding.doubtful(Unknown::Buses),
        false => finding,
    })
}
