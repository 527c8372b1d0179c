//! The fsdev that a 9p device names.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::meant;
use crate::lint::unknown::Unknown;
use crate::qemu::command_line::RawDevice;
use crate::text::quoted;

use super::at;

/// Whether the device names an fsdev that is there.
pub fn fsdev(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
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
    let finding = Finding::error_if(certain, Code::FsdevUnknown, place.clone(), message)?;
    let finding = finding.depends_on(Unknown::Arguments);
    Some(match near {
        Some(near) => finding.write(place, near),
        None if ids.is_empty() => finding.help("add an `-fsdev local,id=NAME,…` and name it"),
        None => finding.help(format!("the fsdevs here are {}", ids.join(", "))),
    })
}
