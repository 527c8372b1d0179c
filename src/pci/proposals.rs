//! Free addresses for those who need another one.

use std::collections::BTreeMap;

use crate::ordered;
use crate::pci::topology::{PciBus, Topology};
use crate::qemu::numbers::SlotFunction;

/// Free addresses of the root bus, given out one by one, so that all can be taken together.
#[derive(Debug)]
pub struct Proposals<'t> {
    /// QEMU's name of the root bus.
    pub bus: &'t str,
    /// The domain, where its devices are created in one order or another.
    topologies: Vec<&'t Topology>,
    /// What is free in all of them, looked for when it is asked for: most domains need nothing.
    free: Option<std::vec::IntoIter<SlotFunction>>,
    given: BTreeMap<usize, SlotFunction>,
}

impl<'t> Proposals<'t> {
    /// What is free in all of these, which are the same domain's; `None` where there is no bus.
    pub fn new(topologies: &[&'t Topology]) -> Option<Self> {
        let root = topologies.first()?.buses.first()?;
        Some(Proposals {
            bus: &root.name,
            topologies: topologies.to_vec(),
            free: None,
            given: BTreeMap::new(),
        })
    }

    fn free(&self) -> std::vec::IntoIter<SlotFunction> {
        let mut roots = self.topologies.iter();
        let mut roots = roots.by_ref().filter_map(|one| one.buses.first());
        let mut free: Vec<SlotFunction> = roots.next().into_iter().flat_map(PciBus::free).collect();
        for other in roots {
            let too = ordered::set(other.free());
            free.retain(|at| too.contains(at));
        }
        free.into_iter()
    }

    /// An address for this device: always the same for one, never the same for two. `None` when
    /// all are given out.
    pub fn get(&mut self, device: usize) -> Option<SlotFunction> {
        if let Some(at) = self.given.get(&device) {
            return Some(*at);
        }
        let mut free = self.free.take().unwrap_or_else(|| self.free());
        let at = free.next();
        self.free = Some(free);
        let at = at?;
        self.given.insert(device, at);
        Some(at)
    }
}
