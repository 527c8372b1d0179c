//! `-fsdev` and `-device` → `<filesystem>`, and what else libvirt has an equal for: which arguments
//! go, and where the elements come.

use std::collections::BTreeSet;

use crate::convert::edit::Edit;
use crate::convert::layout::{Style, blank};
use crate::convert::portable::{Address, Model};
use crate::convert::read_arguments::{Pair, RawShares};
use crate::convert::tree::{self, XmlNode};
use crate::convert::{Conversion, Plan, Refusal, Refusals, filesystem, undefined};
use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::native::{self, Element, Native};
use crate::ordered;
use crate::pci::build::{self, Placed, Wish, wish};
use crate::pci::machine::{self, Family};
use crate::pci::proposals::Proposals;
use crate::pci::topology::{Party, PciRequest, Topology};
use crate::qemu::command_line::RawDevice;
use crate::qemu::numbers::SlotFunction;
use crate::text::{Span, brief, quoted};
use crate::version::Version;

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
    let (mut natives, stays) = natives(context, &reader, &mut notes);
    if pairs.is_empty() && natives.is_empty() {
        refused.extend(stays.iter().cloned());
    }
    gone.extend(natives.iter().filter_map(|(native, _)| native.device));
    let mut moving: Vec<Moving> = Vec::new();
    for (device, pair) in &mut pairs {
        moving.push(Moving {
            device,
            what: format!("share {}", quoted(&pair.share.tag)),
            conventional: pair.share.model == Model::Transitional,
            share: true,
            address: &mut pair.share.address,
        });
    }
    for (native, address) in &mut natives {
        let device = native.device.and_then(|number| line.devices.get(number));
        let Some(device) = device else { continue };
        moving.push(Moving {
            device,
            what: format!(
                "shared memory {}",
                quoted(device.text("memdev").unwrap_or(""))
            ),
            // libvirt's own choice would be a new bridge on PCI Express; it takes a root bus as well.
            conventional: false,
            share: false,
            address,
        });
    }
    refused.extend(addresses(context, &gone, &mut moving, &mut notes));
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
    let mut plan = Plan {
        shares: pairs.len(),
        others: natives.len(),
        stays,
        notes,
        ..Plan::default()
    };
    let of_shares = pairs.iter().flat_map(|(_, pair)| pair.args);
    let of_others = natives.iter().flat_map(|(native, _)| &native.args);
    let arguments = ordered::set(of_shares.chain(of_others.copied()));
    if !arguments.is_empty() {
        plan.edits = remove(context, style, &arguments);
        let shares = pairs
            .iter()
            .flat_map(|(_, pair)| filesystem::write(&pair.share, style.step));
        match place(context, style, shares.collect(), &natives) {
            Some(edits) => plan.edits.extend(edits),
            None => refused.push(Refusal::at(
                context.tree.tag,
                "this domain has no <devices> that a <filesystem> could stand in, or no <os>",
            )),
        }
    }
    refused.finish(plan)
}

const STAYS: &str = "this argument stays as it is";

/// What libvirt has an equal for besides shares, with the addresses of devices; and what stays as it
/// is, and why.
fn natives(
    context: &Conversion,
    reader: &RawShares,
    notes: &mut Vec<String>,
) -> (Vec<(Native, Option<Address>)>, Vec<Refusal>) {
    let (mut natives, mut stays) = (Vec::new(), Vec::new());
    if !context.request.targets.is_empty() {
        return (natives, stays);
    }
    let acpi = context.tree.all("os").flat_map(|os| os.all("acpi"));
    let tables = acpi.flat_map(|acpi| acpi.all("table"));
    let mut types: BTreeSet<&str> = ordered::set(tables.filter_map(|table| table.value("type")));
    let libvirt = context.assume.libvirt;
    let mut newest = Version(0, 0, 0);
    for native in native::read(context.domain, context.line) {
        let native = match native {
            Ok(native) => native,
            Err(unequal) => {
                let stay = Refusal::arg(unequal.arg, &unequal.range, unequal.message);
                stays.push(stay.help(STAYS));
                continue;
            }
        };
        let arg = native.args.first().copied().unwrap_or(0);
        let mut stay = |message| stays.push(Refusal::arg(arg, &native.range, message).help(STAYS));
        let name = native.element.name();
        let mut address = None;
        if let Some(libvirt) = libvirt.filter(|libvirt| *libvirt < native.since) {
            let why = format!(
                "libvirt has {name} for this since {}: this is {libvirt}{}",
                native.since,
                match native.table {
                    Some("raw") =>
                        "; where the file is a SLIC table, `sig=SLIC` before it says so, and has an element",
                    _ => "",
                }
            );
            stay(why);
            continue;
        }
        if let Some(kind) = native.table {
            // Facts P6.2.
            let one = libvirt.is_some_and(|libvirt| libvirt < Version(11, 2, 0));
            if types.contains(kind) && kind != "raw" || one && !types.is_empty() {
                stay("libvirt takes one table here, and has another".to_owned());
                continue;
            }
            types.insert(kind);
        }
        let device = native.device.and_then(|at| context.line.devices.get(at));
        if let Some(device) = device {
            match reader.address(device, Model::default()) {
                Ok(found) => address = found,
                Err(refusal) => {
                    stays.push(refusal);
                    continue;
                }
            }
        }
        newest = newest.max(native.since);
        natives.push((native, address));
    }
    if libvirt.is_none() && !natives.is_empty() {
        notes.push(format!(
            "which libvirt this is for is not known: before {newest} it does not have all of these elements"
        ));
    }
    (natives, stays)
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

/// A device that libvirt is to make.
struct Moving<'a> {
    device: &'a RawDevice,
    /// In words.
    what: String,
    /// Where it is, if libvirt can have that.
    address: &'a mut Option<Address>,
    /// Whether libvirt wants a conventional bus for it.
    conventional: bool,
    /// Whether it is a share.
    share: bool,
}

/// Decision D27. Keeps the addresses that libvirt can have, but for those that it never hands out, which have done
/// their work; the others it assigns when the domain is defined. It does not know about raw devices
/// that stay, so where one of them could be in its way a share gets an address here.
fn addresses(
    context: &Conversion,
    gone: &BTreeSet<usize>,
    moving: &mut [Moving],
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
    for (number, one) in moving.iter().enumerate() {
        let fits = one.address.as_ref().is_some_and(|address| {
            let is_spare = address.index == 0 && spare.contains(&address.at);
            let keeps = !is_spare || context.request.keep_address || !alone;
            keeps && takes(&mut worlds, address)
        });
        if !fits {
            leave.push(number);
        }
    }
    // What nothing stands beside is found by no guest.
    for (number, one) in moving.iter().enumerate() {
        let address = one.address.as_ref();
        if address.is_some_and(|address| is_alone(&worlds, address)) {
            leave.push(number);
        }
    }
    let topologies: Vec<&Topology> = worlds.iter().map(|world| &world.topology).collect();
    let mut proposals =
        Proposals::new(domain, &topologies).filter(|_| machine::family(domain) != Family::Other);
    let mut refused = Vec::new();
    for number in ordered::set(leave) {
        let Some(one) = moving.get_mut(number) else {
            continue;
        };
        let device = one.device;
        let mut what = std::mem::take(&mut one.what);
        match one.address.take() {
            None => what.push_str(" has no address"),
            Some(old) => what.push_str(&format!(" leaves {} of bus {}", old.at, brief(&old.bus))),
        }
        // For a transitional one on PCI Express libvirt makes a bus of its own.
        let elsewhere = express && one.conventional;
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
            Some(proposals) => match proposals.get(number, one.share) {
                None => refused.push(Refusal::new(
                    whole_argument(context, device),
                    "this device needs another address, and no slot of the root bus is free",
                )),
                Some(free) => {
                    notes.push(format!(
                        "{what}, and gets {} of bus {}: raw devices stay, of which libvirt does not know when it assigns one",
                        free.at, proposals.bus
                    ));
                    *one.address = Some(Address {
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

/// Takes these arguments away with their options, and blocks in which nothing is left.
fn remove(context: &Conversion, style: &Style, arguments: &BTreeSet<usize>) -> Vec<Edit> {
    // QEMU takes the argument from the word after the option, so the option is the word before.
    let words = arguments.iter();
    let words = ordered::set(words.flat_map(|arg| [arg.saturating_sub(1), *arg]));
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

/// Behind the last of their kind, or at the end of what they stand in.
fn place(
    context: &Conversion,
    style: &Style,
    shares: Vec<String>,
    natives: &[(Native, Option<Address>)],
) -> Option<Vec<Edit>> {
    let [mut inputs, mut memory, mut entries, mut tables] = [const { Vec::new() }; 4];
    for (native, address) in natives {
        let inside = native
            .inner
            .iter()
            .cloned()
            .chain(address.as_ref().map(Address::xml));
        let to = match native.element {
            Element::FwCfg => &mut entries,
            Element::Acpi => &mut tables,
            Element::Input => &mut inputs,
            Element::Shmem => &mut memory,
        };
        if matches!(native.element, Element::Input | Element::Shmem) {
            to.extend(style.wrapped(&native.open, inside, native.close));
        } else {
            to.extend(inside);
        }
    }
    let mut edits = Vec::new();
    let mut last = Vec::new();
    let devices = context.tree.all("devices").next();
    for (name, lines) in [("filesystem", shares), ("input", inputs), ("shmem", memory)] {
        if lines.is_empty() {
            continue;
        }
        match devices?.all(name).next_back() {
            Some(sibling) => edits.push(style.after(sibling, &lines)),
            None => last.extend(lines),
        }
    }
    if !last.is_empty() {
        edits.push(style.append(devices?, &last));
    }
    let os = context.tree.all("os").next();
    if !tables.is_empty() {
        edits.push(match os?.all("acpi").next() {
            Some(acpi) => style.append(acpi, &tables),
            None => style.append(os?, &style.wrapped("<acpi>", tables.into_iter(), "</acpi>")),
        });
    }
    if !entries.is_empty() {
        let mut infos = context.tree.all("sysinfo");
        let info = infos.find(|info| info.value("type") == Some("fwcfg"));
        edits.push(match info {
            Some(info) => style.append(info, &entries),
            None => style.after(
                os?,
                &style.wrapped("<sysinfo type='fwcfg'>", entries.into_iter(), "</sysinfo>"),
            ),
        });
    }
    Some(edits)
}
