//! The mount tag of a 9p device.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::qemu::command_line::{RawDevice, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::text::quoted;

use super::at;

/// Linux's and QEMU's limit for a mount tag (9p.c, v9fs_device_realize_common).
const LONGEST_TAG: usize = 31;

/// Whether the device has a mount tag of its own.
pub fn tag(context: Context, index: usize, device: &RawDevice, findings: &mut Vec<Finding>) {
    let Some(tag) = device.last("mount_tag") else {
        findings.push(tag_missing(whole_argument(context, device.arg)));
        return;
    };
    let JsonValue::String(text) = &tag.value else {
        return;
    };
    findings.extend(tag_too_long(tag, text));
    let first = context.index.tag(text).filter(|first| *first != index);
    let first = first.and_then(|first| context.line.devices.get(first)?.last("mount_tag"));
    if first.is_some() || context.index.has_native_tag(text) {
        let finding = Finding::warning(
            Code::TagDuplicate,
            at(tag),
            format!(
                "another share has mount tag {} too: the guest gets whichever comes first",
                quoted(text)
            ),
        )
        .help("give each share its own tag");
        let other = first.map(at).or_else(|| {
            let mut natives = context.domain.devices.iter().filter_map(|device| {
                let target = device.filesystem.as_ref()?.target.as_ref()?;
                (device.is_9p() && target.value == *text).then_some(target.span)
            });
            natives.next().map(Place::Xml)
        });
        findings.push(match other {
            Some(other) => finding.with(other, "this has it, too"),
            None => finding,
        });
    }
}

/// That there is none.
pub fn tag_missing(place: Place) -> Finding {
    Finding::error(
        Code::TagMissing,
        place,
        "no `mount_tag` is given: QEMU refuses to start",
    )
    .help("add mount_tag=NAME; the guest mounts the share by it")
    .about(Key::Lacks("mount_tag"))
}

/// That it is too long, if it is.
pub fn tag_too_long(tag: &RawProperty, text: &str) -> Option<Finding> {
    if text.len() <= LONGEST_TAG {
        return None;
    }
    let message = format!(
        "this mount tag has {} bytes; QEMU takes {LONGEST_TAG} at most and refuses to start",
        text.len()
    );
    Some(Finding::error(Code::TagTooLong, at(tag), message).help("choose a shorter one"))
}
