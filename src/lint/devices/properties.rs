//! The properties of a 9p device, and their values.

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::DeviceForm;
use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::{meant, outer, switch};
use crate::lint::keys::{Occurrence, misspelt, repeated};
use crate::lint::{Context, enough};
use crate::ordered;
use crate::pci::machine::{self, Family};
use crate::qemu::command_line::{RawDevice, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::qemu::device_properties::{self, ValueKind, virtio_9p_property};
use crate::qemu::fsdev_keys::fsdev_key;
use crate::qemu::numbers::{self, OptionNumber, option_number};
use crate::qemu::option_string;
use crate::text::quoted;
use crate::version::Version;

use super::at;

/// Finds properties that the device does not have, and values that it does not take.
pub fn properties(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
    // Looked up once: each look goes through all properties.
    let driver = device.driver();
    // From the end, because the last of each counts.
    let mut later: BTreeMap<&str, &RawProperty> = BTreeMap::new();
    let all = ordered::set(device.properties.iter().map(|one| one.key.as_str()));
    for property in device.properties.iter().rev() {
        if enough(findings) {
            return;
        }
        let key = property.key.as_str();
        // An id that -set adds leaves the one in the argument what it is.
        let added = key == "id" && property.arg != device.arg;
        let counted = if added {
            None
        } else {
            later.insert(key, property)
        };
        let overridden = counted.is_some();
        if let Some(counted) =
            counted.filter(|_| device.form == DeviceForm::Text && property.arg == device.arg)
        {
            findings.push(repeated(key, &occurrence(property), &occurrence(counted)));
            later.insert(key, counted);
        }
        // QEMU >= 6.2 keeps the last of each before it sets any; older ones set all in turn.
        let all_count = context
            .assume
            .qemu
            .is_some_and(|qemu| qemu < Version(6, 2, 0));
        if matches!(key, "driver" | "id" | "bus") || (overridden && !all_count) {
            continue;
        }
        findings.extend(self::property(context, device.form, driver, property, &all));
    }
    exclusive(device, findings);
}

fn occurrence(property: &RawProperty) -> Occurrence<'_> {
    Occurrence {
        arg: property.arg,
        key: &property.key_range,
        value: &property.value_range,
    }
}

/// What is wrong with one property, in name or value; `all` are those that the device has.
pub fn property(
    context: Context,
    form: DeviceForm,
    driver: &str,
    property: &RawProperty,
    all: &BTreeSet<&str>,
) -> Option<Finding> {
    // On s390x that alias is virtio-9p-ccw, with properties of its own (devno).
    if driver == "virtio-9p" && machine::family(context.domain) == Family::Other {
        return None;
    }
    let known = virtio_9p_property(&property.key);
    let belongs = match (known, context.assume.qemu) {
        (Some(known), _)
            if known.plain_only && !matches!(driver, "virtio-9p" | "virtio-9p-pci") =>
        {
            Some(false)
        }
        (Some(known), Some(qemu)) => known.is_in(qemu),
        (Some(known), None) if known.since.is_none() && known.until.is_none() => Some(true),
        (Some(_), None) => None,
        // Newer than all we have seen: who knows.
        (None, qemu) => qemu
            .filter(|qemu| *qemu <= Version(11, 1, 999))
            .map(|_| false),
    };
    if belongs != Some(true) {
        // A property that some seen version has, on a version in between, is most likely there.
        if belongs.is_none() && known.is_some() {
            return None;
        }
        let place = Place::Arg(property.arg, property.key_range.clone());
        let finding = Finding::error_if(
            belongs.map(|belongs| !belongs),
            Code::KeyUnknown,
            place.clone(),
            format!(
                "{} is no property of {}: QEMU refuses to start",
                quoted(&property.key),
                driver
            ),
        )?;
        // Not one that is there already.
        let names = ["id", "bus"].into_iter().chain(device_properties::names());
        let typed = match property.key.as_str() {
            "slot" => "addr",
            "tag" | "target" => "mount_tag",
            typed => typed,
        };
        let near = meant(typed, names.filter(|name| !all.contains(name)));
        return Some(match near.filter(|_| known.is_none()) {
            Some(near) if !property.flag => misspelt(finding, near, Some(place)),
            _ if fsdev_key(&property.key).is_some() => finding.help("write it into the `-fsdev`"),
            _ => finding.help("remove it, or check its spelling"),
        });
    }
    let wanted = wrong_value(known?.kind, form, &property.value)?;
    let code = if matches!(property.key.as_str(), "addr" | "multifunction") {
        Code::AddressInvalid
    } else {
        Code::ValueInvalid
    };
    let shown = match &property.value {
        JsonValue::String(text) => quoted(text),
        JsonValue::Integer(number) => quoted(&number.to_string()),
        JsonValue::Bool(on) => quoted(&on.to_string()),
        JsonValue::Other => "this".to_owned(),
    };
    let finding = Finding::error(
        code,
        at(property),
        format!(
            "`{}` wants {wanted}, not {shown}: QEMU refuses to start",
            property.key
        ),
    );
    Some(match value_meant(known?.kind, form, &property.value) {
        Some(value) if !property.flag => {
            let json = form == DeviceForm::Json;
            let (mark, is) = if json { ("\"", ":") } else { ("", "=") };
            let start = property.key_range.start.saturating_sub(mark.len());
            let range = start..outer(property, json).end;
            let between = context.domain.args.get(property.arg);
            let between = between.and_then(|arg| {
                arg.value
                    .get(property.key_range.end + mark.len()..outer(property, json).start)
            });
            let key = &property.key;
            let text = format!("{mark}{key}{mark}{}{value}", between.unwrap_or(is));
            finding.write(Place::Arg(property.arg, range), text)
        }
        _ => finding.help(match property.key.as_str() {
            "addr" => {
                "write SLOT or SLOT.FUNCTION, for example addr=0x6 or addr=0x6.0x1".to_owned()
            }
            key => format!("write `{key}` with {wanted}"),
        }),
    })
}

/// What to write for a value that was meant otherwise than it is written.
fn value_meant(kind: ValueKind, form: DeviceForm, value: &JsonValue) -> Option<String> {
    let json = form == DeviceForm::Json;
    let on = match value {
        JsonValue::Bool(on) => Some(*on),
        JsonValue::String(text) => switch(text),
        JsonValue::Integer(number @ 0..=1) => Some(*number == 1),
        _ => None,
    };
    let text = |text: &str| match json {
        true => format!("\"{text}\""),
        false => text.to_owned(),
    };
    let on_off = |on| text(if on { "on" } else { "off" });
    match (kind, value) {
        (ValueKind::Bool, _) if json => on.map(|on| on.to_string()),
        (ValueKind::Bool | ValueKind::OnOffAuto, _) => on.map(on_off),
        (ValueKind::Text, JsonValue::Integer(number)) => Some(text(&number.to_string())),
        (ValueKind::Integer, JsonValue::String(digits)) if json => {
            let number: u32 = digits.parse().ok()?;
            Some(number.to_string())
        }
        (ValueKind::Address, JsonValue::String(written)) => {
            numbers::address_meant(written).map(|at| text(&at.to_string()))
        }
        _ => None,
    }
}

/// What the property wants, when the value is not that.
fn wrong_value(kind: ValueKind, form: DeviceForm, value: &JsonValue) -> Option<&'static str> {
    let json = form == DeviceForm::Json;
    let number = |text: &str| match option_number(text) {
        OptionNumber::Number(number) => u32::try_from(number).is_ok(),
        _ => false,
    };
    let (good, wanted) = match (kind, value) {
        (ValueKind::Bool, JsonValue::Bool(_)) => (json, "true or false"),
        (ValueKind::Bool, JsonValue::String(text)) if !json => {
            (option_string::boolean(text).is_some(), "on or off")
        }
        (ValueKind::Bool, _) => (false, "true or false, without quotes"),
        (ValueKind::OnOffAuto, JsonValue::String(text)) => (
            matches!(text.as_str(), "on" | "off" | "auto"),
            "\"on\", \"off\" or \"auto\"",
        ),
        (ValueKind::OnOffAuto, _) => (false, "\"on\", \"off\" or \"auto\""),
        (ValueKind::Text, JsonValue::String(_)) => (true, ""),
        (ValueKind::Text, _) => (false, "a string"),
        (ValueKind::Integer, JsonValue::String(text)) if !json => {
            (number(text), "a number below 4294967296")
        }
        (ValueKind::Integer, JsonValue::Integer(number)) => (
            u32::try_from(*number).is_ok() || *number == -1,
            "a number below 4294967296",
        ),
        (ValueKind::Integer, _) => (false, "a number, without quotes"),
        // Sizes take suffixes and fractions; nobody sets one here.
        (ValueKind::Size | ValueKind::Refused, _) => (true, ""),
        (ValueKind::Address, JsonValue::String(text)) => (
            crate::qemu::numbers::pci_address(text).is_some(),
            "a slot up to 0x1f, or SLOT.FUNCTION with a function up to 7, in hex",
        ),
        (ValueKind::Address, JsonValue::Integer(devfn)) => (
            (-1..=255).contains(devfn),
            "a number (slot * 8 + function) from -1 to 255, or a string",
        ),
        (ValueKind::Address, _) => (false, "an address"),
    };
    (!good).then_some(wanted)
}

/// A device cannot be without its legacy and its modern side (virtio-pci.c).
fn exclusive(device: &RawDevice, findings: &mut Vec<Finding>) {
    let on = |key: &str| match device.last(key).map(|p| &p.value) {
        Some(JsonValue::String(text)) => {
            text == "on" || (key == "disable-modern" && option_string::boolean(text) == Some(true))
        }
        Some(JsonValue::Bool(on)) => *on,
        _ => false,
    };
    if let Some(modern) = device
        .last("disable-modern")
        .filter(|_| on("disable-legacy") && on("disable-modern"))
    {
        findings.push(
            Finding::error(
                Code::ValueInvalid,
                at(modern),
                "`disable-legacy` and `disable-modern` together leave nothing of the device: QEMU refuses to start",
            )
            .help("leave one of them out"),
        );
    }
}
