//! PCI devices on a machine that has no PCI bus.

use crate::assumptions::DeviceForm;
use crate::domain::Place;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::Replacement;
use crate::lint::{Context, enough};
use crate::pci::build::{self, Wish};
use crate::pci::machine::{self, Family};
use crate::qemu::command_line::RawDevice;
use crate::qemu::device_models::{self, ModelBus};
use crate::qemu::device_spelling;
use crate::qemu::implied::{Makes, When};
use crate::text::{brief, quoted};

use super::{implied, place_of};

/// Says so of each, with the device that works there.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    let machine = quoted(&context.domain.machine.value);
    let microvm = machine::family(context.domain) == Family::Microvm;
    let error = |place: Place, bus: Option<&str>| {
        let said = match bus {
            Some(bus) => format!("\"Bus '{}' not found\"", brief(bus)),
            None => "\"No 'PCI' bus found\"".to_owned(),
        };
        let message =
            format!("machine {machine} has no PCI bus: QEMU refuses to start with {said}");
        Finding::error(Code::BusUnknown, place, message)
    };
    let elsewhere = "only a machine with PCI takes this, such as q35";
    for device in &context.line.devices {
        if enough(findings) {
            return;
        }
        let Wish::Pci { bus, .. } = build::wish(device) else {
            continue;
        };
        let bus = bus.as_deref();
        let place = match bus {
            Some(_) => place_of(context, device, &["bus"]),
            None => place_of(context, device, &["driver"]),
        };
        let finding = error(place, bus);
        findings.push(match sibling(device).filter(|_| microvm) {
            Some(sibling) if device.virtfs => finding.help(format!(
                "write `-fsdev` and `-device {sibling},fsdev=…,mount_tag=…` instead"
            )),
            Some(sibling) => moved(context, finding, device, &sibling),
            None => finding.help(elsewhere),
        });
    }
    // Such a machine leaves out its own screen and network cards, and nothing else.
    let disks = context.line.implied.iter();
    for disk in disks.filter(|one| matches!(one.makes, Makes::Model(_)) && one.when >= When::Sound)
    {
        if enough(findings) {
            return;
        }
        let finding = error(implied::place(context, disk), None);
        findings.push(finding.help(match microvm && disk.when == When::Drive {
            true => "write `if=none,id=NAME` there, and `-device virtio-blk-device,drive=NAME`",
            false => elsewhere,
        }));
    }
}

/// The model for the bus of virtio-mmio that does the same.
fn sibling(device: &RawDevice) -> Option<String> {
    let driver = device.driver();
    let base = ["-pci-non-transitional", "-pci-transitional", "-pci"];
    let base = base.iter().find_map(|end| driver.strip_suffix(end));
    let sibling = format!("{}-device", base.unwrap_or(driver));
    let model = device_models::model(&sibling)?;
    (model.bus == ModelBus::Virtio).then_some(sibling)
}

/// With the same device for that bus, where nothing of PCI's is said of it but the address.
fn moved(context: Context, finding: Finding, device: &RawDevice, sibling: &str) -> Finding {
    let mut other = device.clone();
    let address = ["bus", "addr", "multifunction"];
    other.properties.retain(|one| !address.contains(&&*one.key));
    let common = ["driver", "id", "fsdev", "mount_tag"];
    let plain = other
        .properties
        .iter()
        .all(|one| common.contains(&&*one.key) && one.arg == device.arg);
    for property in other
        .properties
        .iter_mut()
        .filter(|one| one.key == "driver")
    {
        property.value = crate::qemu::device_json::JsonValue::String(sibling.to_owned());
    }
    let text = match device.form {
        DeviceForm::Text => device_spelling::as_text(&other),
        DeviceForm::Json => Some(device_spelling::as_json(&other)),
    };
    match text.filter(|_| plain && device.is_9p()) {
        Some(text) => {
            let help = format!("write {}", quoted(&text));
            let edit = Replacement::new(whole_argument(context, device.arg), text);
            finding.fix([edit]).help(help)
        }
        None => finding.help(format!("use {} there, without an address", quoted(sibling))),
    }
}
