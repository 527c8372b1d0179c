//! The PCI buses that both libvirt and QEMU have a name for: an index, and a word.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::convert::portable::Model;
use crate::domain::Domain;
use crate::pci::build::{controller_bus, is_expander};
use crate::pci::machine;
use crate::pci::topology::BusKind;

/// A bus that a `<controller>` makes, or the machine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedBus {
    /// The index of its controller.
    pub index: u32,
    /// What `bus=` says, without a slash at its end.
    pub name: Rc<str>,
    /// What kind of bus it is.
    pub kind: BusKind,
    /// Whether it is an expander: a device without `bus=` goes there, and not to the root bus.
    pub expander: bool,
}

impl NamedBus {
    /// Whether libvirt accepts a share in this slot of it (virDomainPCIAddressBusSetModel): a
    /// transitional one wants a conventional bus (qemuDomainDeviceCalculatePCIConnectFlags).
    pub fn takes(&self, slot: u8, model: Model) -> bool {
        let express = matches!(self.kind, BusKind::PcieRoot | BusKind::Port);
        if express && model == Model::Transitional {
            return false;
        }
        match self.kind {
            BusKind::PciRoot | BusKind::PcieRoot | BusKind::Bridge => slot > 0,
            BusKind::Port => slot == 0,
            BusKind::Plain => true,
            BusKind::Upstream | BusKind::BridgesOnly => false,
        }
    }
}

/// The buses of a domain, found by index and by name.
#[derive(Debug, Default)]
pub struct NamedBuses {
    all: Vec<NamedBus>,
    /// The first of each index.
    indexes: BTreeMap<u32, usize>,
    /// The first of each name.
    names: BTreeMap<Rc<str>, usize>,
    expander: bool,
}

impl NamedBuses {
    /// Goes through the domain once. The root bus is the first; there is none where the machine has
    /// no PCI that we know.
    pub fn of(domain: &Domain) -> Self {
        let mut buses = NamedBuses::default();
        let Some((root, express)) = machine::root_bus(domain) else {
            return buses;
        };
        buses.add(NamedBus {
            index: 0,
            name: root.into(),
            kind: if express {
                BusKind::PcieRoot
            } else {
                BusKind::PciRoot
            },
            expander: false,
        });
        for device in &domain.devices {
            if let (Some((name, kind)), Some(index)) = (controller_bus(device), device.index) {
                buses.add(NamedBus {
                    index,
                    name,
                    kind,
                    expander: is_expander(device.model.as_deref().unwrap_or("")),
                });
            }
        }
        buses
    }

    fn add(&mut self, bus: NamedBus) {
        let at = self.all.len();
        self.indexes.entry(bus.index).or_insert(at);
        self.names.entry(bus.name.clone()).or_insert(at);
        self.expander |= bus.expander;
        self.all.push(bus);
    }

    /// The bus of this index.
    pub fn index(&self, index: u32) -> Option<&NamedBus> {
        self.all.get(*self.indexes.get(&index)?)
    }

    /// The bus of this name.
    pub fn name(&self, name: &str) -> Option<&NamedBus> {
        self.all.get(*self.names.get(name)?)
    }

    /// Where a device without `bus=` goes: the root bus, unless an expander is in the way.
    pub fn without_name(&self) -> Option<&NamedBus> {
        self.all.first().filter(|_| !self.expander)
    }
}
