//! Where `<qemu:override>` (libvirt >= 8.2) puts libvirt's own PCI devices
//! (qemu_command.c, qemuBuildDeviceCommandlineHandleOverrides).

use std::collections::BTreeMap;

use crate::assumptions::DeviceForm;
use crate::domain::{Domain, Override};
use crate::qemu::command_line::CommandLine;
use crate::qemu::device_json::JsonValue;
use crate::qemu::device_models::{self, ModelBus};

/// What becomes of the address of one device.
#[derive(Debug, Clone, Default)]
pub struct Moved<'d> {
    /// `addr`
    pub addr: Option<&'d Override>,
    /// `bus`
    pub bus: Option<&'d Override>,
    /// `multifunction`
    pub multifunction: Option<&'d Override>,
}

/// All that are moved.
#[derive(Debug, Clone, Default)]
pub struct Overrides<'d> {
    /// By index into [`Domain::devices`].
    pub moved: BTreeMap<usize, Moved<'d>>,
    /// Whether one is moved that cannot be followed: its address or its bus is taken away, and then
    /// QEMU's choice depends on libvirt's order, or nobody knows which device it is.
    pub uncertain: bool,
}

impl<'d> Overrides<'d> {
    /// Of a domain whose devices have addresses.
    pub fn of(domain: &'d Domain, line: &CommandLine) -> Self {
        let mut all = Overrides::default();
        if !domain.moves_devices() {
            return all;
        }
        let ids = line.libvirt_ids(domain);
        for property in &domain.overrides {
            let name = property.name.as_str();
            let index = ids.device(&property.alias);
            let device = index.and_then(|index| domain.devices.get(index));
            let value = property.value.as_deref().unwrap_or("");
            let (Some(index), Some(device)) = (index, device.filter(|one| one.pci.is_some()))
            else {
                all.uncertain |= match name {
                    // That of a disk or of an input device is another.
                    "bus" => value.starts_with("pci"),
                    "addr" | "multifunction" => true,
                    _ => false,
                };
                continue;
            };
            match name {
                "addr" => all.moved.entry(index).or_default().addr = Some(property),
                "bus" => all.moved.entry(index).or_default().bus = Some(property),
                "multifunction" => {
                    all.moved.entry(index).or_default().multifunction = Some(property);
                }
                "driver" => {
                    let bridges = ["bridge", "port", "stream", "pxb", "cxl", "ioh3420"];
                    let bridge = bridges.iter().any(|part| value.contains(part));
                    let model = device_models::model(value);
                    let pci = model.is_some_and(|model| model.bus == ModelBus::Pci);
                    all.uncertain |= bridge || !pci || device.is_controller("pci");
                }
                "id" => all.uncertain |= device.is_controller("pci"),
                _ => {}
            }
        }
        for moved in all.moved.values() {
            let automatic = |property: &&Override| {
                let value = property.value.as_deref();
                value.is_none_or(|value| property.kind != "string" && value.trim() == "-1")
            };
            all.uncertain |= [moved.addr, moved.bus].iter().flatten().any(automatic);
        }
        all
    }
}

/// The value as libvirt writes it; nothing where the property is removed.
pub fn written(by: &Override, form: DeviceForm) -> Option<JsonValue> {
    let value = by.value.as_deref()?;
    let text = |value: &str| JsonValue::String(value.to_owned());
    Some(match (by.kind.as_str(), form) {
        ("string", _) => text(value),
        ("bool", DeviceForm::Json) => JsonValue::Bool(value == "true"),
        ("bool", DeviceForm::Text) => text(if value == "true" { "on" } else { "off" }),
        (_, form) => match value.trim().parse::<i128>() {
            Ok(number) if form == DeviceForm::Json => JsonValue::Integer(number),
            // It is read as a number and written as one.
            Ok(number) => text(&number.to_string()),
            Err(_) if form == DeviceForm::Json => JsonValue::Other,
            Err(_) => text(value),
        },
    })
}
