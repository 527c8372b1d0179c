//! `-fsdev` and `-device` → `<filesystem>`: which pairs, which arguments go, and where the
//! elements come.

use std::collections::BTreeSet;

use crate::convert::edit::Edit;
use crate::convert::layout::{Style, blank};
use crate::convert::read_arguments::{Pair, RawShares};
use crate::convert::tree::{self, XmlNode};
use crate::convert::{Conversion, Plan, Refusal, Refusals, filesystem};
use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::ordered;
use crate::pci::build::{Wish, wish};
use crate::qemu::command_line::RawDevice;
use crate::text::{Span, quoted};

/// Plans the conversion of the shares that are wanted.
///
/// # Errors
/// With everything that stands in the way.
pub fn plan(context: &Conversion, style: &Style) -> Result<Plan, Vec<Refusal>> {
    let line = context.line;
    let reader = RawShares::new(context);
    let mut refused = Refusals::default();
    let (mut pairs, mut staying, mut tags) = (Vec::new(), Vec::new(), Vec::new());
    for device in &line.devices {
        let tag = device.text("mount_tag").unwrap_or("");
        if device.looks_like_9p() {
            tags.push(tag);
        }
        if !device.looks_like_9p() || !context.request.wants(tag) {
            staying.push(device);
            continue;
        }
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
    let alone = staying.iter().all(|other| wish(other) == Wish::NotPci);
    for (device, pair) in &pairs {
        match without_address(device, pair, alone) {
            Some(Ok(note)) => notes.push(note),
            Some(Err(refusal)) => refused.push(refusal),
            None => {}
        }
    }
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

/// A device without address gets one from libvirt when the domain is defined. libvirt does not
/// know about raw devices, so that is safe only where none stays (`alone`).
fn without_address(
    device: &RawDevice,
    pair: &Pair,
    alone: bool,
) -> Option<Result<String, Refusal>> {
    if pair.share.address.is_some() {
        return None;
    }
    if alone {
        return Some(Ok(format!(
            "share {} has no address; libvirt assigns one when the domain is defined",
            quoted(&pair.share.tag)
        )));
    }
    let place = device.last("mount_tag").or_else(|| device.last("driver"))?;
    Some(Err(Refusal::arg(
        place.arg,
        &place.value_range,
        "this device has no address, and libvirt, which would assign one, does not know about the raw devices that stay",
    )
    .help("give it bus= and addr= first; `virt-9p check` proposes one")))
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
