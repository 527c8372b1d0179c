//! TAB, LF and CR in raw arguments: what libvirt makes of them.
//!
//! libvirt writes them into its XML as they are, for its hooks, `virsh dumpxml` and its own file
//! in /etc/libvirt/qemu alike (virBufferEscapeString, 4.0 to 12.8). QEMU and the hook get the same
//! bytes. But whoever reads that XML as XML makes blanks of them, and libvirtd does so with its own
//! file at its next start.

use std::collections::BTreeSet;

use crate::domain::Place;
use crate::domain::xml::has_white_space;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::ordered;
use crate::qemu::command_line::CommandLine;
use crate::qemu::device_json::JsonValue;

/// Finds arguments that are, or will be, something else than they look like.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    let args = || context.domain.args.iter().enumerate();
    // The common case costs one look at each argument.
    if !args().any(|(_, arg)| arg.blanked || has_white_space(&arg.value)) {
        return;
    }
    let ours = of_9p(context.line);
    for (index, arg) in args() {
        // Between the tokens of JSON white space is free; in its strings it cannot stand.
        let json = arg.value.trim_start().starts_with('{');
        if arg.blanked && (!json || has_blank(context.line, index)) {
            findings.push(unclear(context, index, ours.contains(&index)));
        }
        if let Some(at) = arg.value.find(['\t', '\n', '\r']).filter(|_| !json) {
            findings.push(lost(index, at, &arg.value));
        }
    }
}

/// The arguments that make 9p shares.
fn of_9p(line: &CommandLine) -> BTreeSet<usize> {
    let fsdevs = line.fsdevs.iter().flat_map(|fsdev| &fsdev.opts);
    let devices = line.devices.iter().filter(|device| device.looks_like_9p());
    let properties = devices.flat_map(|device| &device.properties);
    let sets = line.sets.iter().filter(|set| set.group == "fsdev");
    ordered::set(
        fsdevs
            .map(|opt| opt.arg)
            .chain(properties.map(|property| property.arg))
            .chain(sets.map(|set| set.opt.arg)),
    )
}

/// Whether a string of the JSON device in this argument has a blank in it.
fn has_blank(line: &CommandLine, index: usize) -> bool {
    let devices = line.devices.iter().filter(|device| device.arg == index);
    devices
        .flat_map(|device| &device.properties)
        .any(|property| matches!(&property.value, JsonValue::String(text) if text.contains(' ')))
}

fn unclear(context: Context, index: usize, ours: bool) -> Finding {
    let finding = Finding::error(
        Code::WhiteSpaceUnclear,
        whole_argument(context, index),
        "this value is written with a TAB or line end as such. libvirt makes a blank of it when it \
         reads this file, but where virsh dumpxml printed it, QEMU gets it as it is: which of the \
         two is meant cannot be told",
    );
    Finding {
        // Elsewhere it is mostly a long line that was broken, and a blank is what is meant.
        level: if ours { Level::Error } else { Level::Warning },
        ..finding.help("write a blank, or &#9; for TAB, &#10; for LF and &#13; for CR")
    }
}

fn lost(index: usize, at: usize, value: &str) -> Finding {
    let name = match value.as_bytes().get(at) {
        Some(b'\t') => "a TAB",
        Some(b'\n') => "a line end (LF)",
        _ => "a line end (CR)",
    };
    Finding::warning(
        Code::WhiteSpaceLost,
        Place::Arg(index, at..at + 1),
        format!(
            "this value has {name} in it, which libvirt keeps only until its daemon starts anew: it \
             then reads a blank out of its own file, and QEMU gets another name"
        ),
    )
    .help("choose a name without it")
}
