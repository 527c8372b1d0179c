//! Free addresses for those who need another one.

use std::collections::BTreeMap;

use crate::domain::Domain;
use crate::ordered;
use crate::pci::machine;
use crate::pci::topology::{Party, PciBus, PciRequest, Topology};
use crate::qemu::numbers::SlotFunction;

/// Free addresses of the root bus, given out one by one, so that all can be taken together.
///
/// First come functions that libvirt never hands out ([`machine::spare`]), then whole slots from
/// the end that libvirt does not begin at. A device without an address takes the lowest slot that is
/// free when it is created, which is lower than all that are free in the end.
#[derive(Debug)]
pub struct Proposals<'t> {
    /// QEMU's name of the root bus.
    pub bus: &'t str,
    domain: &'t Domain,
    /// The domain, where its devices are created in one order or another.
    topologies: Vec<&'t Topology>,
    /// What is free in all of them, looked for when it is asked for: most domains need nothing.
    free: Option<Free>,
    given: BTreeMap<usize, Proposal>,
}

/// A free address of the root bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    /// Slot and function.
    pub at: SlotFunction,
    /// Whether libvirt never hands it out.
    pub spare: bool,
}

/// What is left.
#[derive(Debug)]
struct Free {
    spare: std::vec::IntoIter<SlotFunction>,
    slots: std::vec::IntoIter<SlotFunction>,
}

impl<'t> Proposals<'t> {
    /// What is free in all of these, which are of this domain; `None` where there is no bus.
    pub fn new(domain: &'t Domain, topologies: &[&'t Topology]) -> Option<Self> {
        let root = topologies.first()?.buses.first()?;
        Some(Proposals {
            bus: &root.name,
            domain,
            topologies: topologies.to_vec(),
            free: None,
            given: BTreeMap::new(),
        })
    }

    fn free(&self) -> Free {
        let mut roots = self.topologies.iter();
        let mut roots = roots.by_ref().filter_map(|one| one.buses.first());
        let mut slots: Vec<SlotFunction> =
            roots.next().into_iter().flat_map(PciBus::free).collect();
        for other in roots {
            let too = ordered::set(other.free());
            slots.retain(|at| too.contains(at));
        }
        let mut spare: Vec<SlotFunction> = machine::spare(self.domain).collect();
        spare.retain(|at| {
            let request = PciRequest {
                party: Party::Raw(usize::MAX),
                at: Some(*at),
                multifunction: false,
                bridge: false,
            };
            let mut all = self.topologies.iter();
            all.all(|topology| topology.try_placing(Some(0), &request).is_ok())
        });
        Free {
            spare: spare.into_iter(),
            slots: slots.into_iter(),
        }
    }

    /// An address for this device: always the same for one, never the same for two. Only a share
    /// gets a function beside the machine's own: it interrupts by message, while others may share
    /// the wires of that slot, and a bridge belongs into a slot of its own. `None` when all are
    /// given out.
    pub fn get(&mut self, device: usize, share: bool) -> Option<Proposal> {
        if let Some(given) = self.given.get(&device) {
            return Some(*given);
        }
        let mut free = self.free.take().unwrap_or_else(|| self.free());
        let spare = if share { free.spare.next() } else { None };
        let at = spare.or_else(|| free.slots.next());
        self.free = Some(free);
        let given = Proposal {
            at: at?,
            spare: spare.is_some(),
        };
        self.given.insert(device, given);
        Some(given)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::assumptions::DeviceForm;
    use crate::domain::{Origin, read};
    use crate::pci::build;
    use crate::qemu::command_line::CommandLine;

    /// The addresses that so many shares would get in this domain, and then a bridge.
    fn proposed(machine: &str, devices: &str, args: &[&str], shares: usize) -> String {
        let args: String = args
            .iter()
            .map(|arg| format!("<q:arg value='-device'/><q:arg value='{arg}'/>"))
            .collect();
        let domain = read(
            &format!(
                "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\
                 <os><type machine='{machine}'>hvm</type></os><features><acpi/></features>\
                 <devices>{devices}</devices><q:commandline>{args}</q:commandline></domain>"
            ),
            Origin::File,
        )
        .unwrap();
        let line = CommandLine::read(&domain);
        let forms = [DeviceForm::Text, DeviceForm::Json];
        let placed =
            forms.map(|form| build::build(&domain, &line, &BTreeSet::new(), form, None).unwrap());
        let topologies: Vec<&Topology> = placed.iter().map(|one| &one.topology).collect();
        let mut proposals = Proposals::new(&domain, &topologies).unwrap();
        let mut all: Vec<String> = (0..shares)
            .map(|share| {
                let first = proposals.get(share, true).unwrap();
                assert_eq!(proposals.get(share, true), Some(first));
                first.at.to_string()
            })
            .collect();
        all.push(proposals.get(shares, false).unwrap().at.to_string());
        all.join(" ")
    }

    #[test]
    fn functions_beside_the_machines_own_come_first() {
        assert_eq!(
            proposed("pc", "", &[], 6),
            "0x1.0x4 0x1.0x5 0x1.0x6 0x1.0x7 0x1e 0x1d 0x1c"
        );
        assert_eq!(
            proposed("pc-q35-7.2", "", &[], 6),
            "0x1f.0x1 0x1f.0x4 0x1f.0x5 0x1f.0x6 0x1f.0x7 0x1c 0x19"
        );
        // Nothing is beside the host bridge of arm's, and of others we do not know.
        assert_eq!(proposed("virt-7.2", "", &[], 2), "0x1c 0x19 0x18");
        let root = "<controller type='pci' index='0' model='pci-root'/>";
        assert_eq!(proposed("pseries", root, &[], 2), "0x1e 0x1d 0x1c");
    }

    #[test]
    fn nothing_is_taken() {
        let at = |slot: &str, function: &str| {
            format!(
                "<rng><address type='pci' domain='0' bus='0' slot='{slot}' function='{function}'/></rng>"
            )
        };
        let devices = [at("0x1f", "4"), at("0x1c", "0"), at("0x18", "3")].concat();
        let raw = [
            "virtio-rng-pci,addr=1f.1",
            "virtio-rng-pci,bus=pcie.0,addr=0x1f.6",
            "virtio-rng-pci,addr=0x17",
            // Of 26 slots that were left they take the lowest.
            "virtio-rng-pci",
            "{\"driver\":\"virtio-rng-pci\"}",
        ];
        assert_eq!(
            proposed("q35", &devices, &raw, 3),
            "0x1f.0x5 0x1f.0x7 0x19 0x16"
        );
        // Until nothing else is left.
        let automatic = ["virtio-rng-pci"; 27];
        assert_eq!(
            proposed("pc", "", &automatic, 5),
            "0x1.0x4 0x1.0x5 0x1.0x6 0x1.0x7 0x1e 0x1d"
        );
    }
}
