//! Where libvirt puts its next devices, whatever raw ones are there, which it does not know
//! (facts L8.7).

use std::collections::BTreeMap;

use crate::domain::Domain;
use crate::pci::build::{self, Placed};
use crate::pci::machine::{self, Family};
use crate::pci::topology::BusKind;
use crate::qemu::numbers::SlotFunction;

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
pub struct NextDevices {
    /// In libvirt's order: what comes, the number of the bus, the slot, and the function where it is
    /// not the whole slot.
    places: Vec<(Coming, u32, u8, Option<u8>)>,
    /// libvirt's numbers of the topology's buses.
    numbers: BTreeMap<usize, u32>,
}

impl NextDevices {
    /// Of a domain on a machine that we know; nothing of others.
    pub fn of(domain: &Domain, placed: &Placed) -> Self {
        let numbers = placed
            .controllers
            .iter()
            .map(|(number, bus)| (*bus, *number));
        let mut next = NextDevices {
            places: Vec::new(),
            numbers: BTreeMap::new(),
        };
        // Nor does libvirt know of a PCI bus of microvm's.
        if matches!(
            machine::family(domain),
            Family::Other | Family::Microvm | Family::Bare
        ) {
            return next;
        }
        next.numbers.extend(numbers);
        let slots = Slots::of(domain);
        // In the order of libvirt's numbers, as it looks for a bus.
        let buses = || {
            placed.controllers.iter().filter_map(|(number, bus)| {
                let bus = placed.topology.buses.get(*bus)?;
                Some((*number, bus.kind))
            })
        };
        let express = buses().any(|(_, kind)| kind == BusKind::PcieRoot);
        let of_kind = |kinds: [BusKind; 2]| {
            let found = buses().filter(move |(_, kind)| kinds.contains(kind));
            found.flat_map(|(number, kind)| {
                let slots = if kind == BusKind::Port { 0..1 } else { 1..32 };
                slots.map(move |slot| (number, slot))
            })
        };
        let free = |place: &(u32, u8)| !slots.0.contains_key(place);
        let mut add = |coming, kinds| {
            let free = of_kind(kinds).filter(free).take(REACH);
            let before = next.places.len();
            next.places
                .extend(free.map(|(bus, slot)| (coming, bus, slot, None)));
            next.places.len() - before
        };
        if express {
            let ports = add(Coming::Device, [BusKind::Port; 2]);
            // A device needs a port of its own when all are taken.
            let new = slots.for_ports().take(REACH.saturating_sub(ports));
            next.places
                .extend(new.map(|(slot, function)| (Coming::Port, 0, slot, function)));
            let free = of_kind([BusKind::Bridge; 2]).filter(free).take(REACH);
            next.places
                .extend(free.map(|(bus, slot)| (Coming::Conventional, bus, slot, None)));
        } else {
            add(Coming::Device, [BusKind::PciRoot, BusKind::Bridge]);
        }
        next
    }

    /// What of libvirt's comes to this place of the topology, and the how-manieth device it is.
    pub fn at(&self, bus: usize, at: SlotFunction) -> Option<(Coming, usize)> {
        let number = self.numbers.get(&bus)?;
        let found = self.places.iter().position(|(_, bus, slot, function)| {
            bus == number
                && *slot == at.slot
                && function.is_none_or(|function| function == at.function)
        })?;
        let (coming, ..) = self.places.get(found)?;
        // Conventional devices are counted for themselves, ports with the devices they are for.
        let before = self.places.get(..found)?.iter();
        let counted = |one: &&(Coming, u32, u8, Option<u8>)| {
            (one.0 == Coming::Conventional) == (*coming == Coming::Conventional)
        };
        Some((*coming, before.filter(counted).count() + 1))
    }
}

/// The slots in which libvirt sees something: a bit for each function, and whether one of them is a
/// root port.
struct Slots(BTreeMap<(u32, u8), (u8, bool)>);

impl Slots {
    fn of(domain: &Domain) -> Self {
        let built_in = machine::built_in(domain);
        let built_in = built_in.iter().map(|one| (0, one.at, false));
        let devices = domain.devices.iter().filter_map(|device| {
            let pci = device.pci?;
            let at = SlotFunction {
                slot: pci.slot,
                function: pci.function,
            };
            let port = build::controller_bus(device).is_some_and(|(_, kind)| kind == BusKind::Port);
            Some((pci.bus, at, port))
        });
        let mut slots = BTreeMap::new();
        for (bus, at, port) in built_in.chain(devices) {
            let slot: &mut (u8, bool) = slots.entry((bus, at.slot)).or_default();
            slot.0 |= 1 << (at.function & 7);
            slot.1 |= port;
        }
        Slots(slots)
    }

    /// Where the next root ports go: eight to an empty slot of the root bus, and to the functions
    /// that are left in a slot that has one, whichever slot is lower.
    fn for_ports(&self) -> impl Iterator<Item = (u8, Option<u8>)> {
        (1..32).flat_map(|slot| {
            let taken = self.0.get(&(0, slot)).copied();
            (0..8).filter_map(move |function| match taken {
                None => Some((slot, None)),
                Some((functions, true)) => {
                    (functions & 1 << function == 0).then_some((slot, Some(function)))
                }
                Some(_) => None,
            })
        })
    }
}
