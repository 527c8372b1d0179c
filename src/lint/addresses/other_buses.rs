//! Text devices on a bus other than PCI that a controller of libvirt's brings, which comes later
//! (decision D13).

use std::collections::BTreeSet;

use crate::assumptions::DeviceForm;
use crate::domain::Device;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::unknown::Unknown;
use crate::lint::{Context, enough};
use crate::pci::machine::{self, Family};
use crate::qemu::device_models::{self, ModelBus};
use crate::qemu::device_spelling;
use crate::text::{brief, quoted};

/// A kind of bus.
struct Kind {
    bus: ModelBus,
    /// QEMU's name of the kind.
    name: &'static str,
    /// What is in the names of all that bring one along.
    brings: &'static [&'static str],
    /// Whether a device of libvirt's brings one along.
    libvirts: fn(&Device) -> bool,
}

static KINDS: [Kind; 4] = [
    Kind {
        bus: ModelBus::Usb,
        name: "usb-bus",
        brings: &["usb", "hci"],
        libvirts: |device| controller(device, "usb"),
    },
    Kind {
        bus: ModelBus::Scsi,
        name: "SCSI",
        brings: &[
            "scsi",
            "usb-storage",
            "usb-bot",
            "usb-uas",
            "lsi",
            "53c",
            "mega",
            "mpt",
            "dc390",
            "esp",
        ],
        libvirts: |device| controller(device, "scsi"),
    },
    Kind {
        bus: ModelBus::Serial,
        name: "virtio-serial-bus",
        brings: &["serial"],
        libvirts: |device| controller(device, "virtio-serial"),
    },
    Kind {
        bus: ModelBus::Hda,
        name: "HDA",
        brings: &["hda"],
        libvirts: |device| {
            let model = device.model.as_deref();
            &*device.element == "sound" && matches!(model, Some("ich6" | "ich7" | "ich9"))
        },
    },
];

/// Properties that are text in JSON, too.
const STRINGS: [&str; 8] = [
    "driver", "id", "bus", "port", "drive", "chardev", "name", "audiodev",
];

/// Says so of I2C devices where nothing brings such a bus; no controller of libvirt's does.
pub fn without_i2c(context: Context, findings: &mut Vec<Finding>) {
    if machine::without_i2c(context.domain, context.line) != Some(true) {
        return;
    }
    for device in &context.line.devices {
        let driver = device.driver();
        match device_models::model(driver).map(|model| model.bus) {
            // Its screen has a bus for it, and what nobody knows may have one.
            Some(_) if driver == "ati-vga" => return,
            None if !device.virtfs => return,
            Some(ModelBus::I2c) if !enough(findings) => findings.push(
                Finding::error(
                    Code::BusUnknown,
                    whole_argument(context, device.arg),
                    format!(
                        "this machine has no bus for {}, as it has no SMBus: QEMU refuses to start with \"No 'i2c-bus' bus \
                         found\"",
                        quoted(driver)
                    ),
                )
                .help("remove it; pc has an SMBus with <acpi/> in <features>, q35 without `smbus=off`"),
            ),
            _ => {}
        }
    }
}

fn controller(device: &Device, kind: &str) -> bool {
    device.is_controller(kind) && device.model.as_deref() != Some("none")
}

/// Says so of each kind's first devices, up to one that may bring such a bus along.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    let (domain, line) = (context.domain, context.line);
    let form = context.assume.device_form(&domain.capabilities);
    let known = matches!(machine::family(domain), Family::I440fx | Family::Q35);
    // Other options may bring one along, too.
    let others = !line.implied.is_empty() || !line.unmodelled.is_empty();
    if form == Some(DeviceForm::Text) || !known || others {
        return;
    }
    let mut brought: BTreeSet<usize> = BTreeSet::new();
    let texts = line.devices.iter();
    for device in texts.filter(|device| device.form == DeviceForm::Text && !device.is_9p()) {
        let driver = device.driver();
        // What nobody knows may bring any.
        let Some(model) = device_models::model(driver) else {
            return;
        };
        for (number, kind) in KINDS.iter().enumerate() {
            if model.bus != kind.bus {
                if kind.brings.iter().any(|part| driver.contains(part)) {
                    brought.insert(number);
                }
                continue;
            }
            let Some(libvirts) = domain.devices.iter().find(|device| (kind.libvirts)(device))
            else {
                continue;
            };
            if brought.contains(&number) || enough(findings) {
                continue;
            }
            let said = match device.text("bus") {
                Some(bus) => format!("Bus '{}' not found", brief(bus)),
                None => format!(
                    "No '{}' bus found for device '{}'",
                    kind.name,
                    brief(driver)
                ),
            };
            let finding = Finding::error(
                Code::BusLater,
                whole_argument(context, device.arg),
                format!(
                    "libvirt's <{}> that brings the bus for this is a JSON device, and QEMU creates text devices first: it \
                     refuses to start with \"{said}\"",
                    brief(&libvirts.element)
                ),
            );
            // What is a number, or on or off, is not written as text there.
            let plain = device
                .properties
                .iter()
                .all(|one| one.arg == device.arg && STRINGS.contains(&&*one.key));
            let finding = match plain {
                true => {
                    let element = device_spelling::arg_element(&device_spelling::as_json(device));
                    finding.help(format!("write it as JSON: {element}"))
                }
                false => finding.help(
                    "write it as JSON: numbers without quotes, `true` and `false` for on and off",
                ),
            };
            findings.push(match form {
                Some(_) => finding,
                None => finding.doubtful(Unknown::DeviceForm),
            });
        }
    }
}
