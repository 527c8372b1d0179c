//! -device virtio-9p: driver, id, fsdev, mount tag and properties.

use std::collections::{BTreeMap, BTreeSet};

use crate::assumptions::DeviceForm;
use crate::domain::{Override, Place};
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::{Replacement, meant, outer, switch, unquoted};
use crate::lint::fsdevs::renamed;
use crate::lint::unknown::Unknown;
use crate::lint::{Context, enough};
use crate::ordered;
use crate::pci::machine::{self, Family};
use crate::qemu::command_line::{DRIVERS_9P, RawDevice, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::qemu::device_properties::{self, ValueKind, virtio_9p_property};
use crate::qemu::device_spelling;
use crate::qemu::native_fsdevs::{By, NativeFsdev};
use crate::qemu::numbers::{self, OptionNumber, option_number};
use crate::qemu::option_string;
use crate::text::quoted;
use crate::version::Version;

/// Linux's and QEMU's limit for a mount tag (9p.c, v9fs_device_realize_common).
const LONGEST_TAG: usize = 31;

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
            driver(context, device, findings);
        }
        if device.is_9p() {
            fsdev(context, device, findings);
            tag(context, index, device, findings);
            if !device.virtfs {
                properties(context, device, findings);
            }
        }
    }
    for native in &context.index.natives {
        given(context, native, findings);
    }
    native_sets(context, findings);
    native_overrides(context, findings);
}

/// An fsdev that libvirt's device has been given must be there as its own would.
fn given(context: Context, native: &NativeFsdev, findings: &mut Vec<Finding>) {
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
fn native_sets(context: Context, findings: &mut Vec<Finding>) {
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
            "mount_tag" => findings.extend(tag_too_long(&changed, &set.opt.value)),
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

/// What `<qemu:override>` does to libvirt's own 9p devices. libvirt writes what it says, and QEMU
/// refuses what it does not know.
fn native_overrides(context: Context, findings: &mut Vec<Finding>) {
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
        if !device.is_some_and(|device| device.is_9p())
            || matches!(name, "driver" | "id" | "bus" | "fsdev")
        {
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
    let Some(value) = &by.value else {
        return (by.name == "mount_tag").then(|| tag_missing(place));
    };
    let text = || JsonValue::String(value.clone());
    let value = match (by.kind.as_str(), form) {
        ("string", _) => text(),
        ("bool", DeviceForm::Json) => JsonValue::Bool(value == "true"),
        ("bool", DeviceForm::Text) => {
            JsonValue::String(if value == "true" { "on" } else { "off" }.to_owned())
        }
        (_, DeviceForm::Json) => value
            .trim()
            .parse()
            .map_or(JsonValue::Other, JsonValue::Integer),
        (_, DeviceForm::Text) => text(),
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
        (JsonValue::String(tag), "mount_tag") => tag_too_long(&changed, tag),
        _ => property(context, form, "virtio-9p-pci", &changed, &BTreeSet::new()).map(|finding| {
            match finding.code {
                // What is written otherwise there is no argument.
                Code::KeyUnknown => finding,
                _ => finding.help("give the property a type and a value that fit, or leave it out"),
            }
        }),
    }
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

fn driver(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
    let help = "write `virtio-9p-pci`, or in JSON \"driver\":\"virtio-9p-pci\"";
    let Some(driver) = device
        .last("driver")
        .filter(|p| matches!(p.value, JsonValue::String(_)))
    else {
        findings.push(
            Finding::error(
                Code::DriverUnknown,
                whole_argument(context, device.arg),
                "no driver is given: QEMU refuses to start",
            )
            .help(help),
        );
        return;
    };
    let name = device.driver();
    let is_name = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._+".contains(&b));
    let why = if name.is_empty() || name.starts_with('-') || !is_name {
        "is no name of a device"
    } else if device.is_9p() || !device.looks_like_9p() {
        return;
    } else if matches!(name, "virtio-9p-device" | "virtio-9p-ccw") {
        let pc = matches!(
            machine::family(context.domain),
            Family::I440fx | Family::Q35
        );
        if !pc {
            return;
        }
        "does not exist on this machine"
    } else {
        "is no 9p device, and no other has an fsdev or a mount_tag"
    };
    let finding = Finding::error(
        Code::DriverUnknown,
        at(driver),
        format!("{} {why}: QEMU refuses to start", quoted(name)),
    );
    let argument = context.domain.args.get(device.arg);
    let plain = argument.and_then(|arg| unquoted(&arg.value));
    let near = device.looks_like_9p().then(|| driver_meant(name)).flatten();
    findings.push(match (plain, near) {
        (Some(plain), _) => finding.write(whole_argument(context, device.arg), plain),
        (_, Some(near)) if !driver.flag => finding.write(at(driver), near),
        _ => finding.help(help),
    });
}

/// The driver that was meant. Two of QEMU's are for other machines.
fn driver_meant(name: &str) -> Option<&'static str> {
    if matches!(name, "virtio-9p-device" | "virtio-9p-ccw") {
        return Some("virtio-9p-pci");
    }
    meant(name, DRIVERS_9P.into_iter())
}

fn fsdev(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
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
fn fsdev_unknown(
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

fn tag(context: Context, index: usize, device: &RawDevice, findings: &mut Vec<Finding>) {
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

fn tag_missing(place: Place) -> Finding {
    Finding::error(
        Code::TagMissing,
        place,
        "no `mount_tag` is given: QEMU refuses to start",
    )
    .help("add mount_tag=NAME; the guest mounts the share by it")
}

fn tag_too_long(tag: &RawProperty, text: &str) -> Option<Finding> {
    if text.len() <= LONGEST_TAG {
        return None;
    }
    let message = format!(
        "this mount tag has {} bytes; QEMU takes {LONGEST_TAG} at most and refuses to start",
        text.len()
    );
    Some(Finding::error(Code::TagTooLong, at(tag), message).help("choose a shorter one"))
}

fn properties(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
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
            let (counts, other) = if key == "id" {
                ("first", "this one does not count")
            } else {
                ("last", "this one counts")
            };
            findings.push(
                Finding::warning(
                    Code::KeyRepeated,
                    Place::Arg(
                        property.arg,
                        property.key_range.start..property.value_range.end,
                    ),
                    format!("`{key}` stands here more than once; QEMU takes the {counts}"),
                )
                .help("keep the one you mean")
                .with(
                    Place::Arg(
                        counted.arg,
                        counted.key_range.start..counted.value_range.end,
                    ),
                    other,
                ),
            );
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

fn property(
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
        let near = meant(&property.key, names.filter(|name| !all.contains(name)));
        return Some(match near.filter(|_| known.is_none()) {
            Some(near) if !property.flag => {
                let edit = Replacement::new(place, near);
                finding.fix([edit]).help(format!("did you mean `{near}`?"))
            }
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
            let range = outer(property, form == DeviceForm::Json);
            finding.write(Place::Arg(property.arg, range), value)
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
