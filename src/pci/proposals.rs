//! Free addresses for those who need another one.

use std::collections::BTreeMap;

use crate::ordered;
use crate::pci::topology::Topology;
use crate::qemu::numbers::SlotFunction;

/// Free addresses of the root bus, given out one by one, so that all can be taken together.
#[derive(Debug)]
pub struct Proposals<'t> {
    /// QEMU's name of the root bus.
    pub bus: &'t str,
    free: std::vec::IntoIter<SlotFunction>,
    given: BTreeMap<usize, SlotFunction>,
}

impl<'t> Proposals<'t> {
    /// What is free in all of these, which are the same domain's; `None` where there is no bus.
    pub fn new(topologies: &[&'t Topology]) -> Option<Self> {
        let (first, others) = topologies.split_first()?;
        let root = first.buses.first()?;
        let mut free: Vec<SlotFunction> = root.free().collect();
        for other in others.iter().filter_map(|other| other.buses.first()) {
            let too = ordered::set(other.free());
            free.retain(|at| too.contains(at));
        }
        Some(Proposals {
            bus: &root.name,
            free: free.into_iter(),
            given: BTreeMap::new(),
        })
    }

    /// An address for this device: always the same for one, never the same for two. `None` when
    /// all are given out.
    pub fn get(&mut self, device: usize) -> Option<SlotFunction> {
        if let Some(at) = self.given.get(&device) {
            return Some(*at);
        }
        let at = self.free.next()?;
        self.given.insert(device, at);
        Some(at)
    }
}
