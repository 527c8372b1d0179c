//! `-fsdev` and `-device` → `<filesystem>`: which pairs, which arguments go, and where the
//! elements come.

use std::collections::BTreeSet;

use crate::convert::edit::Edit;
use crate::convert::layout::{Style, blank};
use crate::convert::portable::{Address, Model};
use crate::convert::read_arguments::{Pair, RawShares};
use crate::convert::tree::{self, XmlNode};
use crate::convert::{Conversion, Plan, Refusal, Refusals, filesystem, undefined};
use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::ordered;
use crate::pci::build::{self, Placed, Wish, wish};
use crate::pci::machine::{self, Family};
use crate::pci::proposals::Proposals;
use crate::pci::topology::{Party, PciRequest, Topology};
use crate::qemu::command_line::RawDevice;
use crate::qemu::numbers::SlotFunction;
use crate::text::{Span, brief, quoted};

/// Plans the conversion of the shares that are wanted.
///
/// # Errors
/// With everything that stands in the way.
pub fn plan(context: &Conversion, style: &Style) -> Result<Plan, Vec<Refusal>> {
    let line = context.line;
    let reader = RawShares::new(context);
    let mut refused = Refusals::default();
    let (mut pairs, mut gone, mut tags) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (index, device) in line.devices.iter().enumerate() {
        let tag = device.text("mount_tag").unwrap_or("");
        if device.looks_like_9p() {
            tags.push(tag);
        }
        if !device.looks_like_9p() || !context.request.wants(tag) {
            continue;
        }
        gone.insert(index);
        match reader.read(device) {
            Ok(pair) => pairs.push((device, pair)),
            Err(refusals) => refused.extend(refusals),
        }
    }
    let unknown = context.request.unknown_targets(&tags, "raw 9p device");
    if context.request.targets.is_empty() || !unknown.is_empty() {
        refused.extend(unreadable(context));
    }
    refused.extend(unknown);
    refused.extend(lost(context, &tags));
    let mut notes = Vec::new();
    for (_, pair) in &pairs {
        notes.extend(ignored_modes(pair));
    }
    refused.extend(addresses(context, &gone, &mut pairs, &mut notes));
    let has_modes = |pair: &Pair| pair.share.fmode.or(pair.share.dmode).is_some();
    if context.assume.libvirt.is_none() && pairs.iter().any(|(_, pair)| has_modes(pair)) {
        notes.push(
            "which libvirt this is for is not known: before 6.10 it drops fmode and dmode of <filesystem> without a word"
                .to_owned(),
        );
    }
    let unused = line
        .fsdevs
        .iter()
        .filter(|fsdev| !fsdev.virtfs && !reader.names.is_used(fsdev));
    notes.extend(unused.filter_map(|fsdev| fsdev.id()).map(|id| {
        format!(
            "-fsdev {} has no device, so it is no share, and stays as it is",
            quoted(&id.value)
        )
    }));
    let pairs: Vec<Pair> = pairs.into_iter().map(|(_, pair)| pair).collect();
    let mut plan = Plan {
        shares: pairs.len(),
        notes,
        ..Plan::default()
    };
    if !pairs.is_empty() {
        plan.edits = remove(context, style, &pairs);
        let lines: Vec<String> = pairs
            .iter()
            .flat_map(|pair| filesystem::write(&pair.share, style.step))
            .collect();
        match place(context, style, &lines) {
            Some(edit) => plan.edits.push(edit),
            None => refused.push(Refusal::at(
                context.tree.tag,
                "this domain has no <devices> that a <filesystem> could stand in",
            )),
        }
    }
    refused.finish(plan)
}

/// A 9p device in JSON that QEMU refuses, so that which share it is cannot be told.
fn unreadable(context: &Conversion) -> impl Iterator<Item = Refusal> {
    let words = ["9p", "fsdev", "mount_tag"];
    let broken = context.findings.iter().filter(move |finding| {
        let Place::Arg(arg, _) = finding.place else {
            return false;
        };
        let arg = context.domain.args.get(arg);
        finding.code == Code::JsonInvalid
            && arg.is_some_and(|arg| words.iter().any(|word| arg.value.contains(word)))
    });
    broken.map(Refusal::from)
}

/// Arguments that libvirt does not see are no shares, but somebody takes them for such.
fn lost(context: &Conversion, tags: &[&str]) -> Option<Refusal> {
    let lost = context.domain.lost.first().filter(|_| tags.is_empty())?;
    Some(
        Refusal::at(
            lost.span,
            "libvirt drops this without a word: it is not in QEMU's namespace, or not where libvirt looks",
        )
        .help("`virt-9p check` says what to write"),
    )
}

/// What `-virtfs` says of modes was never true, and does not become so unasked.
fn ignored_modes(pair: &Pair) -> Option<String> {
    let share = &pair.share;
    if pair.ignored.is_empty() || share.fmode.or(share.dmode).is_some() {
        return None;
    }
    Some(format!(
        "share {} comes from -virtfs, whose {} no QEMU has ever applied: new files and directories have got 0600 and \
         0700, and still do. To let others read: --fmode 0644 --dmode 0755",
        quoted(&share.tag),
        pair.ignored.join(" and ")
    ))
}

/// Decision D27. Keeps the addresses that libvirt can have, but for those that it never hands out, which have done
/// their work; the others it assigns when the domain is defined. It does not know about raw devices
/// that stay, so where one of them could be in its way a share gets an address here.
fn addresses(
    context: &Conversion,
    gone: &BTreeSet<usize>,
    pairs: &mut [(&RawDevice, Pair)],
    notes: &mut Vec<String>,
) -> Vec<Refusal> {
    let domain = context.domain;
    let spare: BTreeSet<SlotFunction> = ordered::set(machine::spare(domain));
    let (root, express) = machine::root_bus(domain).unwrap_or(("", false));
    let in_the_way = |(index, device): (usize, &RawDevice)| match wish(device) {
        _ if gone.contains(&index) => false,
        Wish::Elsewhere => false,
        Wish::Pci {
            bus: Some(bus),
            at: Some(at),
            ..
        } => bus != root || !spare.contains(&at),
        _ => true,
    };
    let mut devices = context.line.devices.iter().enumerate();
    let alone = !devices.any(in_the_way) && context.line.implied.is_empty();
    let mut worlds = build::worlds(domain, context.line, gone, context.assume);
    let mut leave = Vec::new();
    for (number, (_, pair)) in pairs.iter().enumerate() {
        let fits = pair.share.address.as_ref().is_some_and(|address| {
            let is_spare = address.index == 0 && spare.contains(&address.at);
            let keeps = !is_spare || context.request.keep_address || !alone;
            keeps && takes(&mut worlds, address)
        });
        if !fits {
            leave.push(number);
        }
    }
    // What nothing stands beside is found by no guest.
    for (number, (_, pair)) in pairs.iter().enumerate() {
        let address = pair.share.address.as_ref();
        if address.is_some_and(|address| is_alone(&worlds, address)) {
            leave.push(number);
        }
    }
    let topologies: Vec<&Topology> = worlds.iter().map(|world| &world.topology).collect();
    let mut proposals =
        Proposals::new(domain, &topologies).filter(|_| machine::family(domain) != Family::Other);
    let mut refused = Vec::new();
    for number in ordered::set(leave) {
        let Some((device, pair)) = pairs.get_mut(number) else {
            continue;
        };
        let tag = quoted(&pair.share.tag);
        let old = pair.share.address.take();
        let what = match &old {
            None => format!("share {tag} has no address"),
            Some(old) => format!("share {tag} leaves {} of bus {}", old.at, brief(&old.bus)),
        };
        // For a transitional one on PCI Express libvirt makes a bus of its own.
        let elsewhere = express && pair.share.model == Model::Transitional;
        if alone || elsewhere {
            notes.push(format!(
                "{what}; libvirt assigns one when the domain is defined"
            ));
            continue;
        }
        match &mut proposals {
            None => {
                let place = whole_argument(context, device);
                refused.push(undefined(context, place, "this device has no address"));
            }
            Some(proposals) => match proposals.get(number, true) {
                None => refused.push(Refusal::new(
                    whole_argument(context, device),
                    "this device needs another address, and no slot of the root bus is free",
                )),
                Some(free) => {
                    notes.push(format!(
                        "{what}, and gets {} of bus {}: raw devices stay, of which libvirt does not know when it assigns one",
                        free.at, proposals.bus
                    ));
                    pair.share.address = Some(Address {
                        index: 0,
                        bus: proposals.bus.into(),
                        at: free.at,
                        multifunction: false,
                    });
                }
            },
        }
    }
    refused
}

/// Whether an address is free wherever libvirt's devices and those that stay come from; it is then
/// taken.
fn takes(worlds: &mut [Placed], address: &Address) -> bool {
    let request = PciRequest {
        party: Party::Raw(usize::MAX),
        at: Some(address.at),
        multifunction: address.multifunction,
        bridge: false,
    };
    let bus = |world: &Placed| world.controllers.get(&address.index).copied();
    let free = worlds
        .iter()
        .all(|world| world.topology.try_placing(bus(world), &request).is_ok());
    if free {
        for world in worlds {
            let _ = world.topology.place(bus(world), &request);
        }
    }
    free
}

/// Whether it is a function other than 0, and nothing is at function 0.
fn is_alone(worlds: &[Placed], address: &Address) -> bool {
    let zero = SlotFunction {
        slot: address.at.slot,
        function: 0,
    };
    let found = |world: &Placed| {
        let bus = *world.controllers.get(&address.index)?;
        world.topology.buses.get(bus)?.users.get(zero).map(|_| ())
    };
    worlds.iter().any(|world| found(world).is_none())
}

fn whole_argument(context: &Conversion, device: &RawDevice) -> Place {
    let arg = context.domain.args.get(device.arg);
    Place::Arg(device.arg, 0..arg.map_or(0, |arg| arg.value.len()))
}

/// Takes the words of the pairs away, and blocks in which nothing is left.
fn remove(context: &Conversion, style: &Style, pairs: &[Pair]) -> Vec<Edit> {
    // QEMU takes the argument from the word after the option, so the option is the word before.
    let arguments = pairs.iter().flat_map(|pair| pair.args);
    let words = ordered::set(arguments.flat_map(|arg| [arg.saturating_sub(1), arg]));
    let args = tree::args(context.tree);
    let gone = words.iter().filter_map(|word| args.get(*word));
    let gone = ordered::set(gone.map(|arg| arg.span));
    let mut spans = Vec::new();
    for block in tree::blocks(context.tree) {
        let touched = block
            .children
            .iter()
            .any(|child| gone.contains(&child.span));
        if touched && is_emptied(context.text, block, &gone) {
            spans.push(block.span);
        } else {
            let children = block.children.iter().map(|child| child.span);
            spans.extend(children.filter(|span| gone.contains(span)));
        }
    }
    style.remove(&spans)
}

/// Whether nothing stands in the block but what goes: no other argument, no comment.
fn is_emptied(text: &str, block: &XmlNode, gone: &BTreeSet<Span>) -> bool {
    let mut at = block.tag.end;
    for child in &block.children {
        if !gone.contains(&child.span) || !blank(text, Span::new(at, child.span.start)) {
            return false;
        }
        at = child.span.end;
    }
    blank(text, Span::new(at, block.end_tag(text)))
}

/// Behind the last `<filesystem>`, or at the end of `<devices>`.
fn place(context: &Conversion, style: &Style, lines: &[String]) -> Option<Edit> {
    let devices = context.tree.all("devices").next()?;
    Some(match devices.all("filesystem").next_back() {
        Some(last) => style.after(last, lines),
        None => style.append(devices, lines),
    })
}
