//! The fsdev that a 9p device names.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::fix::meant;
use crate::lint::unknown::Unknown;
use crate::qemu::argv::Stray;
use crate::qemu::command_line::RawDevice;
use crate::qemu::option_string::{self, Opt};
use crate::text::quoted;

use super::at;

/// Whether the device names an fsdev that is there.
pub fn fsdev(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
    // The tag of a -virtfs is the name of its fsdev; that it lacks is said there.
    if device.virtfs && device.text("fsdev").is_none() {
        return;
    }
    let place = device
        .last("fsdev")
        .map_or_else(|| whole_argument(context, device.arg), at);
    findings.extend(fsdev_unknown(
        context,
        device.text("fsdev"),
        place,
        !device.virtfs,
    ));
}

/// A device must name an fsdev that is there; `given` says that `place` is that of the name.
pub fn fsdev_unknown(
    context: Context,
    named: Option<&str>,
    place: Place,
    given: bool,
) -> Option<Finding> {
    let raw = |id: &str| context.index.fsdev(id).is_some();
    let native = |id: &str| {
        let device = context
            .index
            .native(id)
            .and_then(|index| context.domain.devices.get(index));
        device.is_some_and(|device| device.is_9p())
    };
    if named.is_some_and(|id| raw(id) || native(id)) {
        return None;
    }
    // A file read by -readconfig may define it.
    let certain = context.line.unmodelled.is_empty().then_some(true);
    let message = match named {
        Some(id) => format!("there is no fsdev {}: QEMU refuses to start", quoted(id)),
        None => "no `fsdev` is given: QEMU refuses to start".to_owned(),
    };
    let first = context.index.first_fsdevs.iter();
    let ids: Vec<String> = first.clone().map(|id| quoted(id)).collect();
    // All there are, and no more than a reader takes in.
    let all = context.line.fsdevs.len() == ids.len();
    let near = named.filter(|_| all && given);
    let near = near.and_then(|named| meant(named, first.copied()));
    if near.is_none() && named.is_some_and(|id| is_said_of(context, id)) {
        return None;
    }
    let finding = Finding::error_if(certain, Code::FsdevUnknown, place.clone(), message)?;
    let finding = finding.depends_on(Unknown::Arguments);
    let finding = match named {
        Some(_) => finding,
        None => finding.about(Key::Lacks("fsdev")),
    };
    Some(match near {
        Some(near) => finding.write(place, near),
        None if ids.is_empty() => finding.help("add an `-fsdev local,id=NAME,…` and name it"),
        None => finding.help(format!("the fsdevs here are {}", ids.join(", "))),
    })
}

/// Whether another error says already why this fsdev is not there: its `id` is misspelt, or its
/// `-fsdev`. Looked for in the first few, which are all there is to read for a person.
fn is_said_of(context: Context, id: &str) -> bool {
    let mut nameless = context.index.nameless_fsdevs.iter();
    let named_id = format!("id={}", option_string::escape(id));
    let is_value = |opt: &Opt| opt.value.split(';').next() == Some(id);
    nameless.any(|fsdev| fsdev.opts.iter().any(is_value))
        || context.line.strays.iter().take(8).any(|stray| {
            let (Stray::Lost(word) | Stray::Misspelt(word, _)) = *stray else {
                return false;
            };
            let word = context.domain.args.get(word);
            word.is_some_and(|arg| arg.value.split(',').any(|part| part == named_id))
        })
}
