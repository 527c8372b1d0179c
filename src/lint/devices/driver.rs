//! The driver of a raw device.

use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::{meant, unquoted};
use crate::pci::machine::{self, Family};
use crate::qemu::command_line::{DRIVERS_9P, RawDevice};
use crate::qemu::device_json::JsonValue;
use crate::text::quoted;

use super::at;

/// Whether the driver is one of QEMU's and fits the machine.
pub fn driver(context: Context, device: &RawDevice, findings: &mut Vec<Finding>) {
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
