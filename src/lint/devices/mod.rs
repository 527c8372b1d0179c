//! -device virtio-9p: driver, id, fsdev, mount tag and properties.

mod driver;
mod fsdev;
mod mount_tag;
mod natives;
mod properties;

use crate::assumptions::DeviceForm;
use crate::domain::Place;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fsdevs::renamed;
use crate::lint::{Context, enough};
use crate::qemu::command_line::{RawDevice, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::qemu::device_spelling;
use crate::qemu::option_string;
use crate::text::quoted;
use crate::version::Version;

/// Finds what is wrong with each raw device, addresses left out.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    for (index, error) in &context.line.broken_json {
        if enough(findings) {
            return;
        }
        let value = context.domain.args.get(*index).map_or("", |arg| &arg.value);
        let wrong = value.get(error.at..).and_then(|rest| rest.chars().next());
        let end = error.at + wrong.map_or(0, char::len_utf8);
        findings.push(
            Finding::error(
                Code::JsonInvalid,
                Place::Arg(*index, error.at..end),
                format!(
                    "not the JSON that -device takes: {}; QEMU refuses to start",
                    error.message
                ),
            )
            .help("fix it: {\"driver\":\"virtio-9p-pci\",\"fsdev\":\"…\",\"mount_tag\":\"…\"}"),
        );
    }
    for (index, device) in context.line.devices.iter().enumerate() {
        if enough(findings) {
            return;
        }
        if !device.virtfs {
            id(context, index, device, findings);
            form(context, device, findings);
            driver::driver(context, device, findings);
        }
        if device.is_9p() || device.driver() == "virtio-9p-device" {
            fsdev::fsdev(context, device, findings);
            mount_tag::tag(context, index, device, findings);
            if device.is_9p() && !device.virtfs {
                properties::properties(context, device, findings);
            }
        }
    }
    for native in &context.index.natives {
        natives::given(context, native, findings);
    }
    mount_tag::native_tags(context, findings);
    natives::native_sets(context, findings);
    natives::native_overrides(context, findings);
}

fn at(property: &RawProperty) -> Place {
    Place::Arg(property.arg, property.value_range.clone())
}

fn id(context: Context, index: usize, device: &RawDevice, findings: &mut Vec<Finding>) {
    let (Some(id), Some(text)) = (device.id(), device.id_text()) else {
        return;
    };
    // One that -set gives is not looked at.
    if id.arg == device.arg && !option_string::id_is_well_formed(text) {
        // JSON devices were not checked before QEMU 11.1 ("Invalid qdev ID").
        let refused = match (device.form, context.assume.qemu) {
            (DeviceForm::Text, _) => Some(true),
            (DeviceForm::Json, Some(qemu)) if qemu >= Version(11, 1, 0) => Some(true),
            (DeviceForm::Json, Some(qemu)) if qemu < Version(10, 1, 0) => Some(false),
            (DeviceForm::Json, _) => None,
        };
        findings.extend(
            Finding::error_if(
                refused,
                Code::IdInvalid,
                at(id),
                format!(
                    "{} is no id: QEMU wants a letter, then letters, digits, `-`, `.` or `_`, and refuses to start",
                    quoted(text)
                ),
            )
            .map(|finding| {
                let edits = context.renames.device(device);
                renamed(finding, edits, "choose such a name, or leave the id out")
            }),
        );
    }
    // -set changes the id of a device, not the one by which QEMU knows its options; those of
    // libvirt's devices only where it writes text, too.
    let others = |first: Option<&RawProperty>, owner: Option<usize>| {
        let owner = owner.and_then(|owner| context.domain.devices.get(owner));
        match (first, owner) {
            (Some(first), _) => Some(("another raw device has".to_owned(), at(first))),
            (None, Some(owner)) => Some((
                format!("libvirt gives to its <{}>", owner.element),
                Place::Xml(owner.tag),
            )),
            (None, None) => None,
        }
    };
    let another = |first: Option<usize>| {
        let first = first.filter(|first| *first != index);
        context.line.devices.get(first?)
    };
    let is = |text: &str| {
        let first = another(context.index.device(text)).and_then(RawDevice::id);
        others(first, context.index.libvirt(text))
    };
    let was = |text: &str| {
        let form = context.assume.device_form(&context.domain.capabilities);
        let owner = context.index.libvirt(text);
        let owner = owner.filter(|_| form == Some(DeviceForm::Text));
        let first = another(context.index.written(text)).and_then(RawDevice::written_id);
        others(first, owner)
    };
    let taken = is(text).map(|other| (id, text, other)).or_else(|| {
        let id = device.written_id()?;
        let JsonValue::String(text) = &id.value else {
            return None;
        };
        Some((id, text.as_str(), was(text)?))
    });
    let Some((id, text, (who, other))) = taken else {
        return;
    };
    let finding = Finding::error(
        Code::IdDuplicate,
        at(id),
        format!(
            "{} is the id that {who}: QEMU refuses to start with \"Duplicate ID\"",
            quoted(text)
        ),
    )
    .with(other, "this has it");
    let help = format!("choose another id, such as `share-{text}`, or leave it out");
    findings.push(renamed(finding, context.renames.device(device), &help));
}

fn form(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
    let old = context
        .assume
        .qemu
        .is_some_and(|qemu| qemu < Version(6, 2, 0));
    if device.form == DeviceForm::Json && old {
        let finding = Finding::error(
            Code::JsonTooNew,
            whole_argument(context, device.arg),
            "QEMU takes JSON in -device since 6.2; this one refuses to start with \"not a valid device model name\"",
        );
        findings.push(match device_spelling::as_text(device) {
            Some(text) => finding.write(whole_argument(context, device.arg), text),
            None => finding.help("write it as text: `driver,key=value,…`"),
        });
    }
}
