//! The `id=` that libvirt gives its own devices: raw devices must not take the same.
//!
//! At `prepare` the XML has no automatic aliases yet, so they are worked out as
//! qemu_alias.c does: a prefix and a number. Only kinds that
//! always become a `-device` with that id are listed; a name missing here costs a late message
//! from QEMU, a wrong one would stop somebody's VM.

use std::collections::BTreeMap;

use crate::domain::{Device, Domain};

/// An id that a device of libvirt's has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenId {
    /// The `id=` on QEMU's command line.
    pub id: String,
    /// Index into [`Domain::devices`].
    pub device: usize,
}

/// Every id known to be taken, in document order.
pub fn libvirt_ids(domain: &Domain) -> Vec<TakenId> {
    let mut next: BTreeMap<&str, u32> = BTreeMap::new();
    let mut taken = Vec::new();
    for (index, device) in domain.devices.iter().enumerate() {
        let Some(prefix) = prefix(device) else {
            // An alias of the user's is the id whatever the device is.
            if let Some(id) = user_alias(device) {
                taken.push(TakenId { id, device: index });
            }
            continue;
        };
        let next = next.entry(prefix).or_insert(0);
        let id = match &device.alias {
            Some(alias) => {
                // The next automatic number is one above the highest so far (qemu_alias.c); aliases
                // of the user (ua-…) do not count. <video> counts all.
                let number = alias
                    .strip_prefix(prefix)
                    .and_then(|n| n.parse::<u32>().ok());
                if let Some(number) = number {
                    *next = (*next).max(number.saturating_add(1));
                } else if prefix == "video" {
                    *next += 1;
                }
                (!is_built_in(device)).then(|| alias.to_string())
            }
            None => {
                let number = *next;
                *next += 1;
                automatic(device, prefix, number)
            }
        };
        if let Some(id) = id {
            taken.push(TakenId { id, device: index });
        }
    }
    taken
}

/// The alias of an element that is not numbered here, when it is the user's and a `-device` has it.
fn user_alias(device: &Device) -> Option<String> {
    let alias = device.alias.as_ref()?;
    (alias.starts_with("ua-") && !is_built_in(device)).then(|| alias.to_string())
}

/// The prefix that numbers this element.
fn prefix(device: &Device) -> Option<&'static str> {
    let kind = device.kind.as_deref().unwrap_or("");
    let model = device.model.as_deref().unwrap_or("");
    match &*device.element {
        "filesystem" => Some("fs"),
        // libvirt numbers these two together, the interfaces first; which of them has which
        // number does not matter here.
        "interface" if kind == "hostdev" => Some("hostdev"),
        "hostdev" => Some("hostdev"),
        "interface" => Some("net"),
        "rng" => Some("rng"),
        "video" if model != "none" => Some("video"),
        "memballoon" if model != "none" => Some("balloon"),
        "disk" if device.bus.as_deref() == Some("virtio") => Some("virtio-disk"),
        "controller" => Some("controller"),
        "sound" => Some("sound"),
        "shmem" => Some("shmem"),
        "input" => Some("input"),
        "watchdog" => Some("watchdog"),
        "vsock" => Some("vsock"),
        "serial" => Some("serial"),
        _ => None,
    }
}

/// Whether libvirt makes no `-device` of it, though it has a number: it is part of the machine.
fn is_built_in(device: &Device) -> bool {
    let kind = device.kind.as_deref().unwrap_or("");
    let model = device.model.as_deref().unwrap_or("");
    match &*device.element {
        "controller" => {
            kind == "pci" && matches!(model, "pci-root" | "pcie-root")
                || matches!(kind, "ide" | "sata" | "fdc")
        }
        "input" => !matches!(device.bus.as_deref(), Some("usb" | "virtio")),
        "sound" => model == "pcspk",
        "watchdog" => model != "i6300esb",
        "emulator" | "graphics" | "audio" | "console" | "parallel" | "tpm" => true,
        _ => model == "none",
    }
}

fn automatic(device: &Device, prefix: &str, count: u32) -> Option<String> {
    if is_built_in(device) {
        return None;
    }
    match prefix {
        "virtio-disk" => {
            disk_index(device.target_dev.as_deref()?).map(|n| format!("virtio-disk{n}"))
        }
        "controller" => controller(device),
        _ => Some(format!("{prefix}{count}")),
    }
}

/// A controller is called by its type and index (qemuAssignDeviceControllerAlias).
fn controller(device: &Device) -> Option<String> {
    let index = device.index?;
    match (device.kind.as_deref()?, device.model.as_deref()) {
        ("pci", Some(_)) => Some(format!("pci.{index}")),
        ("virtio-serial", _) => Some(format!("virtio-serial{index}")),
        // Companions of a USB 2 controller have its index, and no id of their own.
        ("usb", _) if device.pci.is_some() && index == 0 => Some("usb".to_owned()),
        ("usb", _) if device.pci.is_some() => Some(format!("usb{index}")),
        ("scsi", Some(model)) if model.starts_with("virtio") => Some(format!("scsi{index}")),
        _ => None,
    }
}

/// `vda` → 0, `vdb` → 1, `vdaa` → 26 (virDiskNameToIndex).
fn disk_index(target: &str) -> Option<u32> {
    let letters = target.strip_prefix("vd")?;
    let mut index: u32 = 0;
    for c in letters.bytes() {
        if !c.is_ascii_lowercase() {
            return None;
        }
        index = index
            .checked_mul(26)?
            .checked_add(u32::from(c - b'a') + 1)?;
    }
    index.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_libvirt_names() {
        let xml = "<domain><devices>
          <disk><target dev='vdaa' bus='virtio'/></disk>
          <controller type='pci' index='0' model='pcie-root'/>
          <controller type='pci' index='3' model='pcie-root-port'/>
          <filesystem/><filesystem><alias name='ua-x'/></filesystem><filesystem/>
          <interface type='network'/><memballoon model='none'/>
          <interface type='hostdev'/><hostdev/><sound model='pcspk'/><sound model='ich9'/>
          <input type='mouse' bus='ps2'/><input type='tablet' bus='usb'/><watchdog model='itco'/>
          <disk><target dev='sda' bus='sata'/><alias name='ua-root'/></disk>
          <controller type='usb' index='0'><address type='pci' bus='0' slot='0x1d'/></controller>
        </devices></domain>";
        let domain = crate::domain::read(xml).unwrap();
        let ids: Vec<_> = libvirt_ids(&domain).into_iter().map(|t| t.id).collect();
        assert_eq!(
            ids,
            [
                "virtio-disk26",
                "pci.3",
                "fs0",
                "ua-x",
                "fs1",
                "net0",
                "hostdev0",
                "hostdev1",
                "sound1",
                "input1",
                "ua-root",
                "usb"
            ]
        );
    }
}
