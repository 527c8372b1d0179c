//! What raw arguments and `<qemu:override>` do to libvirt's own 9p devices.

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::DeviceForm;
use crate::domain::{Override, Place};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::{Context, enough};
use crate::ordered;
use crate::pci::overrides;
use crate::qemu::command_line::RawProperty;
use crate::qemu::device_json::JsonValue;
use crate::qemu::native_fsdevs::{By, NativeFsdev};

use super::at;
use super::fsdev::fsdev_unknown;
use super::mount_tag::{tag_missing, tag_too_long};
use super::properties::property;

/// An fsdev that libvirt's device has been given must be there as its own would.
pub fn given(context: Context, native: &NativeFsdev, findings: &mut Vec<Finding>) {
    let place = match &native.by {
        By::Libvirt => return,
        By::Override(span) => Place::Xml(*span),
        By::Set(arg, range) => Place::Arg(*arg, range.clone()),
    };
    findings.extend(fsdev_unknown(
        context,
        native.fsdev.as_deref(),
        place,
        false,
    ));
}

/// What -set does to libvirt's own 9p devices, where it can reach them: JSON ones it cannot, and
/// that is said already.
pub fn native_sets(context: Context, findings: &mut Vec<Finding>) {
    let form = context.assume.device_form(&context.domain.capabilities);
    if form == Some(DeviceForm::Json) {
        return;
    }
    let natives = context.line.sets.iter().filter(|set| {
        let owner = context.index.libvirt(&set.id);
        let device = owner.and_then(|owner| context.domain.devices.get(owner));
        set.group == "device" && device.is_some_and(|device| device.is_9p())
    });
    for set in natives {
        let changed = RawProperty::of_text(set.opt.clone());
        match set.opt.key.as_str() {
            "driver" | "id" | "bus" | "fsdev" => {}
            "mount_tag" => findings.extend(tag_too_long(at(&changed), &set.opt.value)),
            _ => findings.extend(property(
                context,
                DeviceForm::Text,
                "virtio-9p-pci",
                &changed,
                &BTreeSet::new(),
            )),
        }
    }
}

/// What `<qemu:override>` does to libvirt's own 9p devices, and to the addresses of others. libvirt
/// writes what it says, and QEMU refuses what it does not know.
pub fn native_overrides(context: Context, findings: &mut Vec<Finding>) {
    let overrides = context.domain.overrides.iter();
    // The last of each counts.
    let last: BTreeMap<(&str, &str), &Override> =
        ordered::map(overrides.map(|property| ((&*property.alias, &*property.name), property)));
    let form = context.assume.device_form(&context.domain.capabilities);
    for ((alias, name), property) in last {
        let device = context.index.libvirt(alias);
        let device = device.and_then(|device| context.domain.devices.get(device));
        if enough(findings) {
            return;
        }
        let judged = device.is_some_and(|device| match name {
            "driver" | "id" | "bus" | "fsdev" => false,
            // Every PCI device has these.
            "addr" | "multifunction" => device.is_9p() || device.pci.is_some(),
            _ => device.is_9p(),
        });
        if !judged {
            continue;
        }
        // Where the form is not known, what is wrong in one of them may be right in the other.
        let found = match form {
            Some(form) => overridden(context, form, property),
            None => overridden(context, DeviceForm::Text, property)
                .and_then(|_| overridden(context, DeviceForm::Json, property)),
        };
        findings.extend(found.map(|finding| Finding {
            place: Place::Xml(property.span),
            fix: Vec::new(),
            ..finding
        }));
    }
}

/// What is wrong with a property of `<qemu:override>`, as libvirt writes it.
fn overridden(context: Context, form: DeviceForm, by: &Override) -> Option<Finding> {
    let place = Place::Xml(by.span);
    let Some(value) = overrides::written(by, form) else {
        return (by.name == "mount_tag").then(|| tag_missing(place));
    };
    let changed = RawProperty {
        key: by.name.clone(),
        value,
        flag: false,
        arg: 0,
        key_range: 0..0,
        value_range: 0..0,
    };
    match (&changed.value, by.name.as_str()) {
        (JsonValue::String(tag), "mount_tag") => tag_too_long(at(&changed), tag),
        _ => property(context, form, "virtio-9p-pci", &changed, &BTreeSet::new()).map(|finding| {
            match finding.code {
                // What is written otherwise there is no argument.
                Code::KeyUnknown => finding,
                _ => finding.help("give the property a type and a value that fit, or leave it out"),
            }
        }),
    }
}
