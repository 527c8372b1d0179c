//! Chassis and slot numbers of raw ports and bridges.

use crate::assumptions::DeviceForm;
use crate::domain::Domain;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::set_keys;
use crate::lint::{Context, enough};
use crate::ordered;
use crate::pci::build;
use crate::pci::topology::BusKind;
use crate::qemu::command_line::RawDevice;
use crate::qemu::device_json::JsonValue;
use crate::qemu::numbers::{OptionNumber, option_number};

use super::place_of;

/// The numbers that libvirt's ports have: chassis is the controller's index unless the XML says
/// otherwise, the slot number stays 0.
fn libvirt_chassis(domain: &Domain) -> Vec<u32> {
    domain
        .devices
        .iter()
        .filter(|device| {
            device.is_controller("pci")
                && matches!(
                    device.model.as_deref(),
                    Some("pcie-root-port" | "pcie-switch-downstream-port")
                )
        })
        .filter_map(|device| device.chassis.or(device.index))
        .collect()
}

/// Raw ports need a pair of chassis and slot of their own (hw/pci/pcie_port.c,
/// pcie_chassis_add_slot), raw pci-bridges a chassis number.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    let number = |device: &RawDevice, key: &str| match device.last(key).map(|p| &p.value) {
        Some(JsonValue::String(text)) => match option_number(text) {
            OptionNumber::Number(number) => Some(number),
            _ => None,
        },
        Some(JsonValue::Integer(number)) => u64::try_from(*number).ok(),
        Some(_) => None,
        None => Some(0),
    };
    let libvirts = libvirt_chassis(context.domain).into_iter();
    let mut taken = ordered::set(libvirts.map(|chassis| (u64::from(chassis), 0)));
    let is_port = |device: &&RawDevice| build::bridge_kind(device.driver()) == Some(BusKind::Port);
    let ports = context.line.devices.iter().filter(is_port);
    let mut used = ordered::set(ports.filter_map(|port| number(port, "chassis")));
    used.extend(taken.iter().map(|(chassis, _)| *chassis));
    // One byte, high numbers first: libvirt counts up from 1.
    let mut free = (100..=255).chain(1..100).filter(|n| !used.contains(n));
    for device in &context.line.devices {
        if enough(findings) {
            return;
        }
        let port = build::bridge_kind(device.driver()) == Some(BusKind::Port);
        if port {
            let (Some(chassis), Some(slot)) = (number(device, "chassis"), number(device, "slot"))
            else {
                continue;
            };
            if taken.contains(&(chassis, slot)) {
                let finding = Finding::error(
                    Code::ChassisTaken,
                    place_of(context, device, &["chassis"]),
                    format!(
                        "another port has chassis {chassis} and slot {slot} too: QEMU refuses to start"
                    ),
                );
                findings.push(renumbered(finding, context, device, "chassis", free.next()));
            }
            taken.insert((chassis, slot));
        } else if device.driver() == "pci-bridge" && number(device, "chassis_nr") == Some(0) {
            let finding = Finding::error(
                Code::ChassisTaken,
                place_of(context, device, &["chassis_nr"]),
                "a pci-bridge needs a `chassis_nr` above 0: QEMU refuses to start",
            );
            findings.push(renumbered(
                finding,
                context,
                device,
                "chassis_nr",
                free.next(),
            ));
        }
    }
}

/// With this number as what to write.
fn renumbered(
    finding: Finding,
    context: Context,
    device: &RawDevice,
    key: &str,
    free: Option<u64>,
) -> Finding {
    let Some(free) = free else {
        return finding.help("remove one of them; no chassis is free any more");
    };
    let finding = finding.help(format!("write `{key}={free}`"));
    // In JSON it is a number.
    match device.form {
        DeviceForm::Text => finding.fix(set_keys(
            context.domain,
            device,
            &[(key, &free.to_string())],
        )),
        DeviceForm::Json => finding,
    }
}
