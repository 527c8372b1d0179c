//! The mount tag of a 9p device.

use std::collections::BTreeSet;

use crate::domain::Place;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::{Context, enough};
use crate::ordered;
use crate::qemu::command_line::RawDevice;
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
    findings.extend(tag_too_long(at(tag), text));
    let first = context.index.tag(text).filter(|first| *first != index);
    let first = first.and_then(|first| context.line.devices.get(first)?.last("mount_tag"));
    let other = first.map(at).or_else(|| of_libvirts(context, text, None));
    findings.extend(other.map(|other| tag_duplicate(at(tag), text, other)));
}

/// Whether the mount tags of libvirt's own 9p devices will do. libvirt itself looks at neither
/// their length nor whether another has the same.
pub fn native_tags(context: Context, findings: &mut Vec<Finding>) {
    let overrides = context.domain.overrides.iter();
    let overrides = overrides.filter(|property| property.name == "mount_tag");
    let sets = context.line.sets.iter();
    let sets = sets.filter(|set| set.group == "device" && set.opt.key == "mount_tag");
    let changed = overrides.map(|property| property.alias.as_str());
    let changed = changed.chain(sets.map(|set| set.id.as_str()));
    let changed: BTreeSet<usize> = ordered::set(changed.filter_map(|id| context.index.libvirt(id)));
    for (position, device) in context.domain.devices.iter().enumerate() {
        let Some(tag) = device.mount_tag().filter(|_| !changed.contains(&position)) else {
            continue;
        };
        if enough(findings) {
            return;
        }
        findings.extend(tag_too_long(Place::Xml(tag.span), &tag.value));
        let other = of_libvirts(context, &tag.value, Some(position));
        findings.extend(other.map(|other| tag_duplicate(Place::Xml(tag.span), &tag.value, other)));
    }
}

/// Where the first of libvirt's own 9p devices has this mount tag, if that is another one.
fn of_libvirts(context: Context, tag: &str, than: Option<usize>) -> Option<Place> {
    let first = context.index.native_tag(tag)?;
    let device = context.domain.devices.get(first)?;
    let tag = device.mount_tag().filter(|_| Some(first) != than)?;
    Some(Place::Xml(tag.span))
}

fn tag_duplicate(place: Place, tag: &str, other: Place) -> Finding {
    Finding::warning(
        Code::TagDuplicate,
        place,
        format!(
            "another share has mount tag {} too: the guest gets whichever comes first",
            quoted(tag)
        ),
    )
    .help("give each share its own tag")
    .with(other, "this has it, too")
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
pub fn tag_too_long(place: Place, text: &str) -> Option<Finding> {
    if text.len() <= LONGEST_TAG {
        return None;
    }
    let message = format!(
        "this mount tag has {} bytes; QEMU takes {LONGEST_TAG} at most and refuses to start",
        text.len()
    );
    Some(Finding::error(Code::TagTooLong, place, message).help("choose a shorter one"))
}
