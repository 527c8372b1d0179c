//! Where libvirt puts its next devices, whatever raw ones are there, which it does not know
//! (facts L8.7).

use std::collections::BTreeSet;

use crate::domain::Domain;
use crate::ordered;
use crate::pci::build::{self, Placed};
use crate::pci::machine::{self, Family};
use crate::pci::topology::{BusKind, Placement};
use crate::qemu::command_line::CommandLine;

/// So many devices may come in the life of a guest; what libvirt gets to later is far enough away.
/// The free ports that it keeps ready are fewer.
const REACH: usize = 8;

/// What libvirt would put somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coming {
    /// A device that is added or hot-plugged.
    Device,
    /// The same of conventional PCI, on a machine whose other devices are PCI Express.
    Conventional,
    /// A root port for a device that is added.
    Port,
}

/// The places of libvirt's next devices.
#[derive(Debug)]
pub struct NextDevices(Vec<Next>);

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Next {
    coming: Coming,
    /// The how-manieth device it is: conventional ones are counted for themselves, ports with the
    /// devices that they are for.
    number: usize,
    /// The topology's.
    bus: usize,
    slot: u8,
    /// Where it is not the whole slot.
    function: Option<u8>,
}

impl NextDevices {
    /// Of a domain on a machine that we know; nothing of others.
    pub fn of(domain: &Domain, line: &CommandLine, placed: &Placed) -> Self {
        let mut next = NextDevices(Vec::new());
        // Nor does libvirt know of a PCI bus of microvm's.
        if matches!(
            machine::family(domain),
            Family::Other | Family::Microvm | Family::Bare
        ) {
            return next;
        }
        let kind = |bus: &usize| placed.topology.buses.get(*bus).map(|bus| bus.kind);
        let express = kind(&0) == Some(BusKind::PcieRoot);
        // The slots in which libvirt sees something, by its numbers.
        let devices = domain.devices.iter();
        let pci = devices.filter_map(|device| Some((device, device.pci?)));
        let taken = pci.clone().map(|(_, pci)| slot_number(pci.bus, pci.slot));
        let mut taken = ordered::set(taken);
        // Of the root bus, which functions libvirt sees, and where one is a root port.
        let mut functions = [0_u8; 32];
        let mut ports = [false; 32];
        for one in machine::built_in(domain, line) {
            taken.insert(slot_number(0, one.at.slot));
        }
        for (device, pci) in pci.filter(|(_, pci)| pci.bus == 0) {
            let slot = usize::from(pci.slot);
            if let (Some(seen), Some(port)) = (functions.get_mut(slot), ports.get_mut(slot)) {
                *seen |= 1 << (pci.function & 7);
                *port |=
                    build::controller_bus(device).is_some_and(|(_, kind)| kind == BusKind::Port);
            }
        }
        for (number, bus) in &placed.controllers {
            match kind(bus) {
                Some(BusKind::Port) => next.slots(&taken, Coming::Device, (*number, *bus), 0..1),
                Some(BusKind::Bridge) if express => {
                    next.slots(&taken, Coming::Conventional, (*number, *bus), 1..32);
                }
                Some(BusKind::PciRoot | BusKind::Bridge) => {
                    next.slots(&taken, Coming::Device, (*number, *bus), 1..32);
                }
                _ => {}
            }
        }
        // A device needs a port of its own when all are taken: eight go to an empty slot of the root
        // bus, others to what is left beside a port, whichever slot is lower.
        for slot in (1..32).filter(|_| express) {
            let at = usize::from(slot);
            let empty = !taken.contains(&slot_number(0, slot));
            for function in 0..8_u8 {
                let left = functions
                    .get(at)
                    .is_some_and(|seen| seen & 1 << function == 0);
                if empty || left && ports.get(at) == Some(&true) {
                    next.add(Coming::Port, 0, slot, (!empty).then_some(function));
                }
            }
        }
        next
    }

    /// The empty slots of a bus, whose number and place in the topology are given.
    fn slots(
        &mut self,
        taken: &BTreeSet<usize>,
        coming: Coming,
        (number, bus): (u32, usize),
        slots: std::ops::Range<u8>,
    ) {
        for slot in slots.filter(|slot| !taken.contains(&slot_number(number, *slot))) {
            self.add(coming, bus, slot, None);
        }
    }

    fn add(&mut self, coming: Coming, bus: usize, slot: u8, function: Option<u8>) {
        let conventional = |one: Coming| one == Coming::Conventional;
        let before = self.0.iter();
        let before = before.filter(|one| conventional(one.coming) == conventional(coming));
        let number = before.count() + 1;
        if number <= REACH {
            self.0.push(Next {
                coming,
                number,
                bus,
                slot,
                function,
            });
        }
    }

    /// What of libvirt's comes to this place, and the how-manieth device it is.
    pub fn at(&self, place: Placement) -> Option<(Coming, usize)> {
        let found = self.0.iter().find(|one| {
            one.bus == place.bus
                && one.slot == place.at.slot
                && one
                    .function
                    .is_none_or(|function| function == place.at.function)
        });
        found.map(|one| (one.coming, one.number))
    }
}

/// One number for a slot of a bus.
fn slot_number(bus: u32, slot: u8) -> usize {
    usize::try_from(bus).unwrap_or(usize::MAX / 64) * 32 + usize::from(slot)
}
