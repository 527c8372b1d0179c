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
                Some(alias.clone())
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

/// The prefix that numbers this element, when it always becomes a `-device`.
fn prefix(device: &Device) -> Option<&'static str> {
    let kind = device.kind.as_deref().unwrap_or("");
    let model = device.model.as_deref().unwrap_or("");
    match device.element.as_str() {
        "filesystem" => Some("fs"),
        // type='hostdev' shares its numbers with <hostdev>, in an order that is not the document's.
        "interface" if kind != "hostdev" => Some("net"),
        "rng" => Some("rng"),
        "video" if model != "none" => Some("video"),
        "memballoon" if model != "none" => Some("balloon"),
        "disk" if device.bus.as_deref() == Some("virtio") => Some("virtio-disk"),
        "controller" => Some("controller"),
        _ => None,
    }
}

fn automatic(device: &Device, prefix: &str, count: u32) -> Option<String> {
    match prefix {
        "virtio-disk" => {
            disk_index(device.target_dev.as_deref()?).map(|n| format!("virtio-disk{n}"))
        }
        "controller" => {
            let index = device.index?;
            match (device.kind.as_deref()?, device.model.as_deref()) {
                // The machine's own root bus is no -device.
                ("pci", Some("pci-root" | "pcie-root")) => None,
                ("pci", Some(_)) => Some(format!("pci.{index}")),
                ("virtio-serial", _) => Some(format!("virtio-serial{index}")),
                ("scsi", Some(model)) if model.starts_with("virtio") => {
                    Some(format!("scsi{index}"))
                }
                _ => None,
            }
        }
        _ => Some(format!("{prefix}{count}")),
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
        </devices></domain>";
        let domain = crate::domain::read(xml).unwrap();
        let ids: Vec<_> = libvirt_ids(&domain).into_iter().map(|t| t.id).collect();
        assert_eq!(
            ids,
            ["virtio-disk26", "pci.3", "fs0", "ua-x", "fs1", "net0"]
        );
    }
}
