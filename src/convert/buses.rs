//! The PCI buses that both libvirt and QEMU have a name for: an index, and a word.

use crate::domain::Domain;
use crate::pci::build::{controller_bus, is_expander};
use crate::pci::machine;
use crate::pci::topology::BusKind;

/// A bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// The index of its controller.
    pub index: u32,
    /// QEMU's name.
    pub name: String,
    /// What kind of bus it is.
    pub kind: BusKind,
    /// Whether it is an expander: a device without `bus=` goes there, and not to the root bus.
    pub expander: bool,
}

impl Bus {
    /// Whether libvirt accepts a device in this slot of it (virDomainPCIAddressBusSetModel).
    pub fn takes(&self, slot: u8) -> bool {
        match self.kind {
            BusKind::PciRoot | BusKind::PcieRoot | BusKind::Bridge => slot > 0,
            BusKind::Port => slot == 0,
            BusKind::Plain => true,
            BusKind::Upstream | BusKind::BridgesOnly => false,
        }
    }
}

/// The buses of a domain, the root bus first; none where the machine has no PCI that we know.
pub fn all(domain: &Domain) -> Vec<Bus> {
    let Some((root, express)) = machine::root_bus(domain) else {
        return Vec::new();
    };
    let mut buses = vec![Bus {
        index: 0,
        name: root.to_owned(),
        kind: if express {
            BusKind::PcieRoot
        } else {
            BusKind::PciRoot
        },
        expander: false,
    }];
    buses.extend(domain.devices.iter().filter_map(|device| {
        let (name, kind) = controller_bus(device)?;
        Some(Bus {
            index: device.index?,
            name,
            kind,
            expander: is_expander(device.model.as_deref().unwrap_or("")),
        })
    }));
    buses
}
