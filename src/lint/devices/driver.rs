//! The driver of a raw device.

use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::{meant, unquoted};
use crate::lint::unknown::Unknown;
use crate::pci::machine::{self, Family};
use crate::qemu::command_line::{DRIVERS_9P, RawDevice, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::qemu::device_models::{self, Model, ModelBus};
use crate::text::quoted;

use super::at;

/// Whether the driver is one of QEMU's and fits the machine.
pub fn driver(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
    let help = match machine::family(context.domain) {
        Family::Microvm => "write `virtio-9p-device`, or in JSON \"driver\":\"virtio-9p-device\"",
        Family::Bare => "only a machine with PCI has shares, such as q35",
        _ => "write `virtio-9p-pci`, or in JSON \"driver\":\"virtio-9p-pci\"",
    };
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
    let family = machine::family(context.domain);
    let model = device_models::model(name);
    let why = if name.is_empty() || name.starts_with('-') || !is_name {
        "is no name of a device"
    } else if name == "virtio-9p-ccw" && !matches!(family, Family::Virt | Family::Other) {
        "does not exist on this machine"
    } else if model.is_some_and(|model| model.bus == ModelBus::Virtio)
        && matches!(family, Family::I440fx | Family::Q35 | Family::Bare)
    {
        "goes on virtio-mmio, which this machine does not have"
    } else if device.is_9p() || !device.looks_like_9p() {
        findings.extend(model.and_then(|model| version(context, driver, name, model)));
        return;
    } else if matches!(name, "virtio-9p-device" | "virtio-9p-ccw") {
        return;
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
    findings.push(match (plain, meant_here(device, family)) {
        (Some(plain), _) => finding.write(whole_argument(context, device.arg), plain),
        (_, Some(near)) if !driver.flag => finding.write(at(driver), near),
        _ if device.looks_like_9p() => finding.help(help),
        _ => finding.help("`-device help` of QEMU lists what it has"),
    });
}

/// The driver that was meant. Some of QEMU's are for other machines.
fn meant_here(device: &RawDevice, family: Family) -> Option<String> {
    let name = device.driver();
    let other = match family {
        Family::I440fx | Family::Q35 => "-pci",
        Family::Microvm => "-device",
        Family::Bare => return None,
        Family::Virt | Family::Other => "",
    };
    let base = ["-device", "-ccw"];
    let base = base.iter().find_map(|end| name.strip_suffix(end));
    let here = base.map(|base| format!("{base}{other}"));
    if let Some(here) = here.filter(|here| device_models::model(here).is_some()) {
        return Some(here);
    }
    if !device.looks_like_9p() {
        return None;
    }
    meant(name, DRIVERS_9P.into_iter()).map(str::to_owned)
}

/// What a QEMU of that version does not have, as Debian builds it; others have more or less.
fn version(context: Context, driver: &RawProperty, name: &str, model: Model) -> Option<Finding> {
    if model.is_in_all() {
        return None;
    }
    let qemu = context.assume.qemu;
    let is_in = qemu.and_then(|qemu| model.is_in(qemu));
    let message = match (is_in, qemu) {
        (Some(true), _) => return None,
        (Some(false), Some(qemu)) => format!(
            "QEMU {qemu} refuses to start unless it is built with {}, which Debian's does not have",
            quoted(name)
        ),
        _ => format!(
            "QEMU refuses to start unless it has {}, and not every version has",
            quoted(name)
        ),
    };
    let finding = Finding::warning(Code::DriverUnknown, at(driver), message);
    Some(Finding {
        depends: qemu.is_none().then_some(Unknown::Qemu),
        ..finding.help("use a model that `-device help` of that QEMU lists")
    })
}
