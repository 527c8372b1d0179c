//! `<filesystem>` → `-fsdev` and `-device`: ids, addresses, text or JSON, and where they go.

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::DeviceForm;
use crate::convert::edit::Edit;
use crate::convert::layout::Style;
use crate::convert::named_buses::NamedBuses;
use crate::convert::portable::{Access, Address, PortableShare};
use crate::convert::tree::{self, XmlNode};
use crate::convert::{
    Conversion, DEFINE, Plan, Refusal, Refusals, filesystem, undefined, write_arguments,
};
use crate::domain::MOST_XML;
use crate::domain::xml::{QEMU_NAMESPACE, attribute};
use crate::domain::{Device, Place};
use crate::lint::share_ids::ShareIds;
use crate::ordered;
use crate::pci::build::{self, Placed};
use crate::pci::machine::{self, Family};
use crate::pci::proposals::Proposals;
use crate::pci::topology::Topology;
use crate::qemu::index::Index;
use crate::text::{Span, quoted};
use crate::version::Version;

/// A share that is to go.
struct Leaving<'a> {
    /// Index into `Domain::devices`.
    index: usize,
    node: &'a XmlNode,
    share: PortableShare,
}

/// Plans the conversion of the shares that are wanted.
///
/// # Errors
/// With everything that stands in the way.
pub fn plan(context: &Conversion, style: &Style) -> Result<Plan, Vec<Refusal>> {
    let mut refused = Refusals::default();
    let mut leaving = Vec::new();
    let mut tags = Vec::new();
    let buses = NamedBuses::of(context.domain);
    let nodes = nodes(context);
    for (index, device) in context.domain.devices.iter().enumerate() {
        let Some(tag) = tag(device) else { continue };
        tags.push(tag);
        if !context.request.wants(tag) {
            continue;
        }
        if !device.is_9p() {
            if !context.request.targets.is_empty() {
                refused.push(Refusal::at(
                    device.tag,
                    "this share is not 9p, and has no equal among QEMU's 9p arguments",
                ));
            }
            continue;
        }
        let Some(node) = nodes.get(&device.span) else {
            continue;
        };
        match filesystem::read(&buses, device, node) {
            Ok(share) => leaving.push(Leaving { index, node, share }),
            Err(refusals) => refused.extend(refusals),
        }
    }
    refused.extend(context.request.unknown_targets(&tags, "<filesystem>"));
    if !leaving.is_empty() {
        refused.extend(bound_to_numbers(context));
    }
    let mut notes = Vec::new();
    for leaving in &mut leaving {
        refused.part(modes(context, leaving, &mut notes));
    }
    refused.extend(addresses(context, &mut leaving));
    let mut names = ShareIds::of(context.domain, context.line);
    let known = context.assume.device_form(&context.domain.capabilities);
    let mut words = Vec::new();
    let mut size = 0;
    for Leaving { node, share, .. } in &leaving {
        let Some(address) = &share.address else {
            continue;
        };
        let form = refused.part(form(context, known, node, address).map(Some));
        let fsdev = names.share(&share.tag);
        let id = share.alias.as_deref().unwrap_or(&fsdev);
        let form = form.unwrap_or(DeviceForm::Text);
        let (fsdev, device) = (
            write_arguments::fsdev(share, &fsdev),
            write_arguments::device(share, &fsdev, id, address, form),
        );
        // A bus may have a name of megabytes, and each share on it has it in its argument.
        size += fsdev.len() + device.len();
        if size > MOST_XML {
            refused.push(Refusal::at(
                node.tag,
                "the result would have more than 10 MiB",
            ));
            break;
        }
        words.extend(["-fsdev".to_owned(), fsdev, "-device".to_owned(), device]);
    }
    let spans: Vec<Span> = leaving.iter().map(|leaving| leaving.node.span).collect();
    let mut plan = Plan {
        shares: leaving.len(),
        notes,
        ..Plan::default()
    };
    if !words.is_empty() {
        plan.edits = style.remove(&spans);
        plan.edits.extend(add(context, style, &words));
    }
    refused.finish(plan)
}

/// The mount tag of a `<filesystem>` of any kind; empty where it has none.
fn tag(device: &Device) -> Option<&str> {
    let filesystem = device.filesystem.as_ref()?;
    let target = filesystem.target.as_ref();
    Some(target.map_or("", |target| target.value.as_str()))
}

/// The elements of `<devices>` by where they stand.
fn nodes<'a>(context: &Conversion<'a>) -> BTreeMap<Span, &'a XmlNode> {
    let devices = context.tree.children.iter();
    let devices = devices.filter(|child| child.is("devices"));
    let all = devices.flat_map(|devices| &devices.children);
    ordered::map(all.map(|node| (node.span, node)))
}

/// libvirt numbers its shares by their order (`fs0`, `fs1` …). What names one by its number would
/// afterwards name another.
fn bound_to_numbers(context: &Conversion) -> Vec<Refusal> {
    let index = Index::new(context.domain, context.line);
    let is_share = |device: Option<usize>| {
        let device = device.and_then(|device| context.domain.devices.get(device));
        device.is_some_and(|device| device.filesystem.is_some())
    };
    let message = |what: &str, id: &str| {
        format!(
            "{what} names libvirt's share {}, and libvirt numbers its shares anew when one of them goes",
            quoted(id)
        )
    };
    let sets = context.line.sets.iter();
    let sets =
        sets.filter(|set| is_share(index.native(&set.id).or_else(|| index.libvirt(&set.id))));
    let mut refused: Vec<Refusal> = sets
        .map(|set| {
            let place = Place::Arg(set.opt.arg, 0..set.opt.value_range.end);
            Refusal::new(place, message("this -set", &set.id)).help(
                "write what it sets into the <filesystem>, if libvirt knows it, and remove it",
            )
        })
        .collect();
    let overrides = context
        .tree
        .children
        .iter()
        .filter(|child| child.is_qemu("override"));
    for device in overrides.flat_map(|block| &block.children) {
        if let Some((alias, span)) = device.attribute("alias")
            && is_share(index.libvirt(alias))
        {
            refused.push(Refusal::at(span, message("this override", alias)));
        }
    }
    refused
}

/// The modes asked for, or what to know when there are none.
fn modes(
    context: &Conversion,
    leaving: &mut Leaving,
    notes: &mut Vec<String>,
) -> Result<(), Refusal> {
    let request = context.request;
    let share = &mut leaving.share;
    if share.access != Access::Mapped {
        let place = leaving.node.attribute("accessmode");
        let place = Place::Xml(place.map_or(leaving.node.tag, |(_, span)| span));
        return request.without_modes(place, &share.tag, "accessmode", share.access.libvirt());
    }
    share.fmode = request.fmode.or(share.fmode);
    share.dmode = request.dmode.or(share.dmode);
    let missing: Vec<&str> = [(share.fmode, "--fmode 0644"), (share.dmode, "--dmode 0755")]
        .into_iter()
        .filter(|(mode, _)| mode.is_none())
        .map(|(_, option)| option)
        .collect();
    // In a read-only share nothing is created that could get a mode.
    if !missing.is_empty() && !share.readonly {
        notes.push(format!(
            "share {} does not say which modes its new files and directories get on the host; without them it is \
             0600 and 0700, for the QEMU user alone. To let others read: {}",
            quoted(&share.tag),
            missing.join(" ")
        ));
    }
    Ok(())
}

/// Moves each share to an address that libvirt never hands out (decision D25), as libvirt, which
/// does not know of raw devices, would give the old one to its next device.
fn addresses(context: &Conversion, leaving: &mut [Leaving]) -> Vec<Refusal> {
    let domain = context.domain;
    let mut refused = Vec::new();
    let worlds = build::worlds(domain, context.line, &BTreeSet::new(), context.assume);
    let topologies: Vec<&Topology> = worlds.iter().map(|world| &world.topology).collect();
    // Other machines may have more of their own than we know, and s390x has no use for PCI.
    let mut proposals =
        Proposals::new(domain, &topologies).filter(|_| machine::family(domain) != Family::Other);
    for leaving in leaving {
        let stays = leaving.share.address.as_ref().is_some_and(|address| {
            context.request.keep_address || proposals.is_none() || holds(&worlds, address)
        });
        if stays {
            continue;
        }
        let place = Place::Xml(leaving.node.tag);
        let Some(proposals) = &mut proposals else {
            refused.push(undefined(context, place, "this share has no address"));
            continue;
        };
        let free = proposals.get(leaving.index, true);
        if free.is_none() && leaving.share.address.is_none() {
            let why = "this share has no address, and no slot of the root bus is free";
            refused.push(Refusal::new(place, why).help(DEFINE));
        }
        if let Some(free) = free {
            leaving.share.address = Some(Address {
                index: 0,
                bus: proposals.bus.into(),
                at: free.at,
                multifunction: false,
            });
        }
    }
    refused
}

/// Whether others are in its slot, which a guest does not find without function 0.
fn holds(worlds: &[Placed], address: &Address) -> bool {
    let others = |world: &Placed| {
        let bus = *world.controllers.get(&address.index)?;
        let bus = world.topology.buses.get(bus)?;
        Some(bus.users.in_slot(address.at.slot).nth(1).is_some())
    };
    address.at.function == 0 && worlds.iter().filter_map(others).any(|others| others)
}

/// Text or JSON. QEMU creates all text devices first, so a text one finds the root bus always, and
/// a bus of libvirt's only where libvirt writes text, too (facts Q0).
fn form(
    context: &Conversion,
    known: Option<DeviceForm>,
    node: &XmlNode,
    address: &Address,
) -> Result<DeviceForm, Refusal> {
    let on_root = address.index == 0;
    let place = node.all("address").next().map_or(node.tag, |node| node.tag);
    let bus = quoted(&address.bus);
    match (context.request.device, known) {
        (Some(DeviceForm::Json), _)
            if context.assume.qemu.is_some_and(|qemu| qemu < Version(6, 2, 0)) =>
        {
            Err(Refusal::at(
                place,
                "QEMU takes JSON in -device since 6.2, and this one is older",
            )
            .help("leave out --device json"))
        }
        (Some(DeviceForm::Text), Some(DeviceForm::Json)) if !on_root => Err(Refusal::at(
            place,
            format!("a text -device on bus {bus} cannot start: libvirt writes JSON here, and QEMU makes text devices before that bus is there"),
        )
        .help("leave out --device text")),
        (Some(form), _) => Ok(form),
        (None, _) if on_root => Ok(DeviceForm::Text),
        (None, Some(form)) => Ok(form),
        (None, None) => {
            let (unknown, options) = match (context.assume.libvirt, context.assume.qemu) {
                (Some(_), _) => ("QEMU's is", "it with --qemu"),
                (None, Some(_)) => ("libvirt's is", "it with --libvirt"),
                (None, None) => ("they are", "them with --libvirt and --qemu"),
            };
            Err(Refusal::at(
                place,
                format!(
                    "whether a device on bus {bus} must be text or JSON depends on the versions of libvirt and QEMU, and {unknown} not known here"
                ),
            )
            .help(format!(
                "name {options}, or choose with --device: json from libvirt 8.1 with QEMU 7.0 on, text before"
            )))
        }
    }
}

/// Adds the words: to the last block, or in a new one at the end of the domain.
fn add(context: &Conversion, style: &Style, words: &[String]) -> Vec<Edit> {
    let (text, tree) = (context.text, context.tree);
    let arg = |prefix: &str, word: &String| format!("<{prefix}arg value={}/>", attribute(word));
    if let Some(block) = tree::blocks(tree).next_back() {
        let prefix = prefix_of(block.written(text));
        let lines: Vec<String> = words.iter().map(|word| arg(prefix, word)).collect();
        return vec![style.append(block, &lines)];
    }
    let (prefix, declaration) = match tree.qemu_prefix() {
        Some(prefix) => (prefix.to_owned(), None),
        None => {
            let prefix = free_prefix(tree);
            (prefix.clone(), Some(declare(text, tree, &prefix)))
        }
    };
    let prefix = format!("{prefix}:");
    let mut lines = vec![format!("<{prefix}commandline>")];
    lines.extend(
        words
            .iter()
            .map(|word| format!("{}{}", style.step, arg(&prefix, word))),
    );
    lines.push(format!("</{prefix}commandline>"));
    let mut edits = vec![style.append(tree, &lines)];
    edits.extend(declaration);
    edits
}

/// `qemu:` of `qemu:commandline`; nothing where the default namespace is QEMU's.
fn prefix_of(written: &str) -> &str {
    let local = written.rsplit(':').next().unwrap_or("");
    written.strip_suffix(local).unwrap_or("")
}

/// `qemu`, unless `<domain>` means something else by it.
fn free_prefix(domain: &XmlNode) -> String {
    let mut prefix = "qemu".to_owned();
    let mut number = 0;
    while domain.declared(&prefix).is_some() {
        number += 1;
        prefix = format!("qemu{number}");
    }
    prefix
}

/// Declares QEMU's namespace in the start tag of `<domain>`, behind what is there.
fn declare(text: &str, domain: &XmlNode, prefix: &str) -> Edit {
    let tag = domain.tag.of(text);
    let inside = tag.trim_end_matches('>').trim_end_matches('/').trim_end();
    Edit::insert(
        domain.tag.start + inside.len(),
        format!(" xmlns:{prefix}={}", attribute(QEMU_NAMESPACE)),
    )
}
