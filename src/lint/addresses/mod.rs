//! Where the raw devices are on the PCI buses, and with whom they collide.
//!
//! The verdict may depend on whether libvirt writes its devices as text or as JSON. Where that
//! is not known, both worlds are built: what goes wrong in both is an error, what goes wrong in
//! one is a warning.

mod chassis;
mod drives;
mod implied;
mod implied_refused;
mod mmio;
mod moved;
mod no_pci;
mod other_buses;
mod placed;
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::DeviceForm;
use crate::domain::Place;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::set_keys;
use crate::lint::unknown::Unknown;
use crate::lint::{Context, ENOUGH};
use crate::ordered;
use crate::pci::build::{self, Placed, Refused, Wish};
use crate::pci::machine;
use crate::pci::next::NextDevices;
use crate::pci::overrides::Overrides;
use crate::pci::proposals::{Proposal, Proposals};
use crate::pci::topology::{Placement, Topology};
use crate::qemu::command_line::RawDevice;
use crate::text::brief;

/// Finds collisions and places that no guest looks at.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    drives::check(context, findings);
    mmio::check(context, findings);
    other_buses::without_i2c(context, findings);
    let moves = context.domain.moves_devices();
    if context.line.devices.is_empty() && context.line.implied.is_empty() && !moves {
        return;
    }
    if machine::without_pci(context.domain, context.line) {
        return no_pci::check(context, findings);
    }
    let none = BTreeSet::new();
    let outcomes = build::worlds(context.domain, context.line, &none, context.assume);
    let topologies: Vec<&Topology> = outcomes.iter().map(|outcome| &outcome.topology).collect();
    let Some(mut proposals) = Proposals::new(context.domain, &topologies) else {
        findings.extend(undefined(context));
        return;
    };
    let uncertain = outcomes.iter().any(|outcome| outcome.moves_are_uncertain);
    // The same devices in both.
    let last = outcomes.iter().map(last_judged).min().unwrap_or(usize::MAX);
    let mut worlds = outcomes
        .iter()
        .map(|outcome| world(context, outcome, last, &mut proposals));
    let Some(first) = worlds.next() else { return };
    let found = match worlds.next() {
        None => first,
        Some(second) => merge(first, second),
    };
    let found = found.into_iter().chain(implied::unknown(context));
    // Where that is so, a device need not be where its <address> says, nor an address free.
    findings.extend(found.map(|finding| match uncertain {
        true => Finding {
            fix: Vec::new(),
            ..finding.doubtful(Unknown::Override)
        },
        false => finding,
    }));
    chassis::check(context, findings);
    other_buses::check(context, findings);
}

/// What to do with a domain that libvirt has not seen yet.
const DEFINE: &str = "define the domain, and check what `virsh dumpxml --inactive` prints";

/// libvirt chooses a machine and adds controllers when a domain is defined; before that nobody knows
/// which places are free.
fn undefined(context: Context) -> impl Iterator<Item = Finding> {
    let devices = context.line.devices.iter().take(ENOUGH);
    let shares =
        devices.filter(move |device| context.domain.machine.value.is_empty() && device.is_9p());
    shares.filter_map(move |device| {
        let (code, key, what) = match build::wish(device) {
            Wish::Pci { at: None, .. } => (
                Code::AddressAutomatic,
                "",
                "this device has no address: QEMU chooses one, and where libvirt's own devices will be is not known",
            ),
            Wish::Pci { .. } => (
                Code::BusUnknown,
                "bus",
                "whether this bus will be there, and this address free, is not known",
            ),
            Wish::Elsewhere | Wish::Unknown | Wish::Unreadable => return None,
        };
        let place = place_of(context, device, &[key]);
        let message = format!("{what}: this domain has no machine type yet, and libvirt chooses it");
        Some(Finding::warning(code, place, message).help(DEFINE))
    })
}

/// What is found in both worlds stays as it is; what is found in one depends on the versions.
fn merge(text: Vec<Finding>, json: Vec<Finding>) -> Vec<Finding> {
    // Ordered, not hashed: a hash wants random numbers, and the library panics where there are none.
    let key = |finding: &Finding| (finding.code, finding.place.key());
    let in_text = ordered::set(text.iter().map(key));
    let in_json = ordered::set(json.iter().map(key));
    let doubtful = |finding: Finding, versions: &str| Finding {
        message: format!("{} ({versions})", finding.message),
        ..finding.doubtful(Unknown::DeviceForm)
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

/// The last raw device of which anything is said; of more than [`ENOUGH`] nobody reads.
fn last_judged(outcome: &Placed) -> usize {
    let raw = outcome.refused.iter().map(|refused| refused.raw);
    let raw = ordered::set(raw.chain(outcome.placed.iter().map(|(raw, _)| *raw)));
    raw.into_iter().nth(ENOUGH).unwrap_or(usize::MAX)
}

/// The findings where libvirt writes its devices in one form.
fn world(
    context: Context,
    outcome: &Placed,
    last: usize,
    proposals: &mut Proposals,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let refused = || outcome.refused.iter().filter(|one| one.raw <= last);
    // One slot is one thing to say, however many want it.
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut slots: Vec<Vec<&Refused>> = Vec::new();
    let number = |(bus, slot): (usize, u8)| bus * 32 + usize::from(slot);
    for (slot, one) in refused().filter_map(|one| Some((one.slot()?, one))) {
        let at = *numbers.entry(number(slot)).or_insert(slots.len());
        match slots.get_mut(at) {
            Some(group) => group.push(one),
            None => slots.push(vec![one]),
        }
    }
    let mut explainer = None;
    for one in refused() {
        let group = match one.slot() {
            // Once for each slot.
            Some(slot) => numbers
                .get(&number(slot))
                .and_then(|at| slots.get_mut(*at))
                .map(std::mem::take),
            None => Some(vec![one]),
        };
        let explainer =
            explainer.get_or_insert_with(|| refused::RefusalExplainer::new(context, outcome));
        findings.extend(group.and_then(|group| explainer.explain(&group, proposals)));
    }
    let blamed = ordered::set(refused().map(|one| one.raw));
    let mut next = None;
    for one in &outcome.implied_refused {
        let explainer =
            explainer.get_or_insert_with(|| refused::RefusalExplainer::new(context, outcome));
        findings.extend(implied_refused::explain(
            context, outcome, one, explainer, proposals,
        ));
    }
    if !outcome.moved_refused.is_empty() {
        let overrides = Overrides::of(context.domain, context.line);
        let explainer =
            explainer.get_or_insert_with(|| refused::RefusalExplainer::new(context, outcome));
        for one in outcome.moved_refused.iter().take(ENOUGH) {
            findings.extend(moved::explain(
                context, outcome, one, &overrides, explainer, proposals,
            ));
        }
    }
    for (raw, place) in outcome.placed.iter().filter(|(raw, _)| *raw <= last) {
        let wrong = placed::check(context, outcome, *raw, *place, proposals);
        if wrong.is_empty() && !blamed.contains(raw) {
            let next =
                next.get_or_insert_with(|| NextDevices::of(context.domain, context.line, outcome));
            findings.extend(placed::in_the_way(
                context, outcome, next, *raw, *place, proposals,
            ));
        }
        findings.extend(wrong);
    }
    findings
}

/// The place of a property of the device, or the whole argument.
fn place_of(context: Context, device: &RawDevice, keys: &[&str]) -> Place {
    keys.iter()
        .find_map(|key| device.last(key))
        .filter(|_| !device.virtfs)
        .map_or_else(
            || whole_argument(context, device.arg),
            |property| Place::Arg(property.arg, property.value_range.clone()),
        )
}

fn where_at(topology: &Topology, place: Placement) -> String {
    let bus = topology.buses.get(place.bus).map_or("", |bus| &bus.name);
    format!("{} of bus {}", place.at, brief(bus))
}

/// What else is to be said of a free address.
fn stays(spare: bool) -> &'static str {
    match spare {
        true => ", and which libvirt never gives out",
        false => "",
    }
}

/// With a free address as what to write, in the device's form.
fn propose(
    finding: Finding,
    context: Context,
    proposals: &mut Proposals,
    raw: usize,
    device: &RawDevice,
) -> Finding {
    let functions = build::virtual_functions_of(device);
    if functions.is_some() && build::virtual_functions(context.assume.qemu) {
        return finding.help(match device.driver() {
            "igb" => {
                "put it on a port of its own, or at a slot up to 0xe where the slots 16 and 17 above are \
                 free"
            }
            _ => "put it on a port of its own, or where as many functions above its own are free",
        });
    }
    if device.driver() == "amd-iommu" {
        return finding.help(
            "it takes no address, but the first free slot when QEMU creates it: leave one free below \
             libvirt's own, or write it as JSON, after libvirt's",
        );
    }
    let Some(Proposal { at: free, spare }) = proposals.get(raw, device.is_9p()) else {
        return finding.help("add a pcie-root-port or pci-bridge controller; the root bus is full");
    };
    let bus = proposals.bus;
    let text = match device.form {
        DeviceForm::Text => format!("bus={bus},addr={free}"),
        DeviceForm::Json => format!("\"bus\":\"{bus}\",\"addr\":\"{free}\""),
    };
    if device.virtfs {
        return finding.help(format!(
            "-virtfs takes no address: write `-fsdev` and `-device virtio-9p-pci,…,{text}` instead"
        ));
    }
    let values = [("bus", bus), ("addr", &*free.to_string())];
    finding
        .help(format!("write `{text}`, which is free{}", stays(spare)))
        .fix(set_keys(context.domain, device, &values))
}
