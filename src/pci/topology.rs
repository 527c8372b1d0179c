//! PCI buses and QEMU's rules for putting a device on one
//! (hw/pci/pci.c, do_pci_register_device and pci_init_multifunction; facts Q4).

use std::collections::BTreeMap;

use crate::domain::Interned;
use crate::qemu::numbers::SlotFunction;

/// What kind of bus it is, as far as the rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusKind {
    /// `pci.0` of a conventional machine.
    PciRoot,
    /// `pcie.0`.
    PcieRoot,
    /// Behind pci-bridge or pcie-pci-bridge: slot 0 may be refused.
    Bridge,
    /// Behind dmi-to-pci-bridge or pxb: all slots are fine.
    Plain,
    /// Behind a root or downstream port: the guest looks at slot 0 only.
    Port,
    /// Behind a switch's upstream port: meant for downstream ports only.
    Upstream,
    /// pxb-pcie: takes nothing but bridges and ports.
    BridgesOnly,
}

/// Who has a function, or asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Built into the machine.
    Machine(&'static str),
    /// Index into `Domain::devices`.
    Libvirt(usize),
    /// Index into `CommandLine::devices`.
    Raw(usize),
    /// Index into `CommandLine::implied`.
    Implied(usize),
}

/// Who created a bus.
#[derive(Debug, Clone)]
pub struct PciBus {
    /// QEMU's name for it.
    pub name: Interned,
    /// Which decides what it takes.
    pub kind: BusKind,
    /// Whether it belongs to an expander, or lies behind one: ACPI does not handle hot-plug there.
    pub expander: bool,
    /// Who has which function.
    pub users: Users,
}

/// Taken functions and who has each, sorted. Most buses have one, and none has more than 256.
#[derive(Debug, Clone, Default)]
pub struct Users(Vec<(SlotFunction, User)>);

impl Users {
    /// Puts a user at a function, in the place of another.
    pub fn insert(&mut self, at: SlotFunction, user: User) {
        match self.find(at) {
            Ok(index) => {
                if let Some(taken) = self.0.get_mut(index) {
                    taken.1 = user;
                }
            }
            Err(index) => self.0.insert(index, (at, user)),
        }
    }

    /// Who has the function.
    pub fn get(&self, at: SlotFunction) -> Option<&User> {
        let index = self.find(at).ok()?;
        self.0.get(index).map(|(_, user)| user)
    }

    /// Who has functions of a slot, with these.
    pub fn in_slot(&self, slot: u8) -> impl Iterator<Item = &(SlotFunction, User)> {
        let from = self.0.partition_point(|(at, _)| at.slot < slot);
        let users = self.0.get(from..).unwrap_or_default().iter();
        users.take_while(move |(at, _)| at.slot == slot)
    }

    fn find(&self, at: SlotFunction) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(&at))
    }
}

/// A taken function.
#[derive(Debug, Clone, Copy)]
pub struct User {
    /// Who has it.
    pub party: Party,
    /// `multifunction=on`.
    pub multifunction: bool,
}

/// What is to be put somewhere.
#[derive(Debug, Clone, Copy)]
pub struct PciRequest {
    /// Who asks.
    pub party: Party,
    /// `addr=`; without it the lowest slot whose function 0 is free.
    pub at: Option<SlotFunction>,
    /// `multifunction=on`.
    pub multifunction: bool,
    /// Whether it is a bridge or a port itself.
    pub bridge: bool,
}

/// The virtual functions that a device brings along.
#[derive(Debug, Clone, Copy)]
pub struct VirtualFunctions {
    /// How far above its own function the first is, all of a bus counted through.
    pub offset: u16,
    /// How far each is from the next.
    pub stride: u16,
    /// How many there are.
    pub count: u16,
}

/// Where it went: index of the bus, and the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Index into [`Topology::buses`].
    pub bus: usize,
    /// Slot and function that it got.
    pub at: SlotFunction,
}

/// Why QEMU refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PciRefusal {
    /// `Bus 'x' not found`
    NoBus,
    /// `Only PCI/PCIe bridges can be plugged into pxb-pcie`
    BridgesOnly,
    /// `slot S function F not available for X, in use by Y`
    Taken(Placement, Party),
    /// `single function device can't be populated in function S.F`: who holds function 0.
    BesideSingle(Placement, Party),
    /// `S.0 indicates single function, but S.F is already populated`: who holds one of the others.
    SingleBeside(Placement, Party),
    /// `no slot/function available`
    Full(usize),
    /// `Unsupported PCI slot 0 for standard hotplug controller`
    SlotZero(Placement),
    /// `VF addr overflows`
    VirtualBeyond(Placement),
}

/// All buses so far.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// In order of creation; the root bus first.
    pub buses: Vec<PciBus>,
    /// The first bus of each name.
    names: BTreeMap<Interned, usize>,
    /// Whether slot 0 of a [`BusKind::Bridge`] is refused; `None` where that is not known.
    pub slot_zero_refused: Option<bool>,
    /// Where a device without `bus=` goes: the root bus, or that of the newest expander, which
    /// QEMU's search from the top finds first (qbus_find_recursive).
    default_bus: usize,
}

impl Topology {
    /// No buses yet.
    pub fn new(slot_zero_refused: Option<bool>) -> Self {
        Topology {
            slot_zero_refused,
            ..Topology::default()
        }
    }

    /// Adds an empty bus; `expander` tells whether it lies behind an expander. Returns the first
    /// of its name, which is the one that is found by it.
    pub fn add_bus(&mut self, name: Interned, kind: BusKind, expander: bool) -> usize {
        let next = self.buses.len();
        let first = *self.names.entry(name.clone()).or_insert(next);
        self.add_nameless(name, kind, expander);
        first
    }

    /// Adds one that nobody finds by this name.
    fn add_nameless(&mut self, name: Interned, kind: BusKind, expander: bool) {
        self.buses.push(PciBus {
            name,
            kind,
            expander,
            users: Users::default(),
        });
    }

    /// Adds what an expander brings along: pxb-pcie a root bus of its own, pxb a root bus without
    /// a name that anybody could use, and behind it a bridge with the name.
    pub fn add_expander(&mut self, name: Interned, kind: BusKind) -> usize {
        self.default_bus = self.buses.len();
        if kind != BusKind::BridgesOnly {
            let root = format!("behind {name}").into();
            self.add_nameless(root, BusKind::BridgesOnly, true);
        }
        self.add_bus(name, kind, true)
    }

    /// Finds a bus by name: the first of that name, as QEMU's search from the root does. A
    /// trailing slash is no part of the name (qdev-monitor.c, qbus_find).
    pub fn find(&self, name: &str) -> Option<usize> {
        let name = name.strip_suffix('/').unwrap_or(name);
        self.names.get(name).copied()
    }

    /// The bus that `bus=` names; without it the root bus, or that of the newest expander.
    pub fn wanted(&self, bus: Option<&str>) -> Option<usize> {
        match bus {
            Some(name) => self.find(name),
            None => Some(self.default_bus),
        }
    }

    /// Puts a device on a bus, or says why QEMU would not. A device refused for want of
    /// multifunction takes its place all the same, so that one mistake is reported once.
    ///
    /// # Errors
    /// With QEMU's reason.
    pub fn place(
        &mut self,
        bus: Option<usize>,
        request: &PciRequest,
    ) -> Result<Placement, PciRefusal> {
        let judged = self.try_placing(bus, request);
        let place = match judged {
            Ok(place)
            | Err(
                PciRefusal::SlotZero(place)
                | PciRefusal::BesideSingle(place, _)
                | PciRefusal::SingleBeside(place, _),
            ) => place,
            Err(_) => return judged,
        };
        if let Some(bus) = self.buses.get_mut(place.bus) {
            let user = User {
                party: request.party,
                multifunction: request.multifunction,
            };
            bus.users.insert(place.at, user);
        }
        judged
    }

    /// Puts the virtual functions of a device on its bus (pcie_sriov_pf_init). Whether they are
    /// multifunction devices nobody asks when they come.
    ///
    /// # Errors
    /// With QEMU's reason.
    pub fn place_virtual(
        &mut self,
        own: Placement,
        party: Party,
        functions: VirtualFunctions,
    ) -> Result<(), PciRefusal> {
        let first = u16::from(own.at.slot) * 8 + u16::from(own.at.function) + functions.offset;
        let Some(bus) = self.buses.get_mut(own.bus) else {
            return Ok(());
        };
        let stride = functions.stride;
        let at = |number: u16| u8::try_from(first + stride * number).map(SlotFunction::from_devfn);
        let count = functions.count;
        if count.checked_sub(1).is_some_and(|last| at(last).is_err()) {
            return Err(PciRefusal::VirtualBeyond(own));
        }
        let all = || (0..count).flat_map(at);
        if let Some((at, user)) = all().find_map(|at| Some((at, bus.users.get(at)?))) {
            return Err(PciRefusal::Taken(Placement { at, ..own }, user.party));
        }
        for at in all() {
            let user = User {
                party,
                multifunction: false,
            };
            bus.users.insert(at, user);
        }
        // Once it is there it is a multifunction device, whatever it was told.
        let user = User {
            party,
            multifunction: true,
        };
        bus.users.insert(own.at, user);
        Ok(())
    }

    /// Where a device would go, or why QEMU would refuse it.
    ///
    /// # Errors
    /// With QEMU's reason.
    pub fn try_placing(
        &self,
        bus: Option<usize>,
        request: &PciRequest,
    ) -> Result<Placement, PciRefusal> {
        let index = bus.ok_or(PciRefusal::NoBus)?;
        let bus = self.buses.get(index).ok_or(PciRefusal::NoBus)?;
        if bus.kind == BusKind::BridgesOnly && !request.bridge {
            return Err(PciRefusal::BridgesOnly);
        }
        let at = match request.at {
            Some(at) => at,
            None => bus.lowest_free().ok_or(PciRefusal::Full(index))?,
        };
        let place = Placement { bus: index, at };
        if let Some(user) = bus.users.get(at) {
            return Err(PciRefusal::Taken(place, user.party));
        }
        match bus.beside(at, request.multifunction) {
            Some(party) if at.function == 0 => Err(PciRefusal::SingleBeside(place, party)),
            Some(party) => Err(PciRefusal::BesideSingle(place, party)),
            None if bus.kind == BusKind::Bridge
                && at.slot == 0
                && (self.slot_zero_refused == Some(true) || bus.expander) =>
            {
                Err(PciRefusal::SlotZero(place))
            }
            None => Ok(place),
        }
    }
}

impl PciBus {
    fn lowest_free(&self) -> Option<SlotFunction> {
        (0..32)
            .map(|slot| SlotFunction { slot, function: 0 })
            .find(|at| self.users.get(*at).is_none())
    }

    /// Who in the slot does not go together with a device at `at`: function 0 without
    /// multifunction excludes all others of its slot, whichever came first.
    fn beside(&self, at: SlotFunction, multifunction: bool) -> Option<Party> {
        if at.function == 0 {
            return (!multifunction)
                .then(|| {
                    self.users
                        .in_slot(at.slot)
                        .find(|(other, _)| other.function != 0)
                })
                .flatten()
                .map(|(_, user)| user.party);
        }
        let zero = self.users.get(SlotFunction {
            slot: at.slot,
            function: 0,
        })?;
        (!zero.multifunction).then_some(zero.party)
    }

    /// Whether nothing is in `slot`.
    pub fn slot_is_empty(&self, slot: u8) -> bool {
        self.users.in_slot(slot).next().is_none()
    }

    /// The whole free slots of a root bus, those first that libvirt is unlikely to hand out:
    /// libvirt counts up from slot 1, so we count down; on PCI Express we leave alone what libvirt
    /// likes to use for USB, sound and the DMI bridge (facts L8.2).
    pub fn free(&self) -> impl Iterator<Item = SlotFunction> {
        let order: &[u8] = match self.kind {
            BusKind::PcieRoot => &[
                0x1c, 0x19, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x10, 0x0f, 0x0e, 0x0d,
                0x0c, 0x0b, 0x0a, 0x09, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x1e, 0x1d, 0x1b,
                0x1a, 0x01,
            ],
            _ => &[
                0x1e, 0x1d, 0x1c, 0x1b, 0x1a, 0x19, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
                0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03,
                0x1f, 0x02, 0x01,
            ],
        };
        order
            .iter()
            .filter(|slot| self.slot_is_empty(**slot))
            .map(|slot| SlotFunction {
                slot: *slot,
                function: 0,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(slot: u8, function: u8) -> SlotFunction {
        SlotFunction { slot, function }
    }

    fn ask(party: usize, at: Option<SlotFunction>, multifunction: bool) -> PciRequest {
        PciRequest {
            party: Party::Raw(party),
            at,
            multifunction,
            bridge: false,
        }
    }

    #[test]
    fn multifunction_is_a_matter_of_function_0() {
        let mut root = Topology::default();
        root.add_bus("pcie.0".into(), BusKind::PcieRoot, false);
        assert!(root.place(Some(0), &ask(0, Some(at(5, 1)), true)).is_ok());
        assert!(root.place(Some(0), &ask(1, Some(at(5, 2)), false)).is_ok());
        assert!(matches!(
            root.place(Some(0), &ask(2, Some(at(5, 0)), false)),
            Err(PciRefusal::SingleBeside(_, Party::Raw(0)))
        ));
        assert!(root.place(Some(0), &ask(3, Some(at(6, 0)), true)).is_ok());
        assert!(root.place(Some(0), &ask(4, Some(at(6, 7)), false)).is_ok());
        assert!(root.place(Some(0), &ask(5, Some(at(7, 0)), false)).is_ok());
        assert!(matches!(
            root.place(Some(0), &ask(6, Some(at(7, 1)), true)),
            Err(PciRefusal::BesideSingle(_, Party::Raw(5)))
        ));
        assert!(matches!(
            root.place(Some(0), &ask(7, Some(at(6, 7)), true)),
            Err(PciRefusal::Taken(_, Party::Raw(4)))
        ));
    }

    #[test]
    fn automatic_addresses_look_at_function_0_only() {
        let mut root = Topology::default();
        root.add_bus("pcie.0".into(), BusKind::PcieRoot, false);
        assert_eq!(
            root.place(Some(0), &ask(0, None, false)).unwrap().at,
            at(0, 0)
        );
        root.place(Some(0), &ask(1, Some(at(1, 3)), false)).unwrap();
        assert!(matches!(
            root.place(Some(0), &ask(2, None, false)),
            Err(PciRefusal::SingleBeside(..))
        ));
        assert_eq!(root.buses[0].free().next(), Some(at(0x1c, 0)));
    }
}
