//! Another id for what has one that QEMU refuses, together with what refers to it.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use crate::domain::{Domain, Place};
use crate::lint::fix::{Replacement, unquoted};
use crate::lint::share_ids::ShareIds;
use crate::qemu::command_line::{CommandLine, Fsdev, RawDevice};
use crate::qemu::option_string;

/// Gives new ids. What it needs to know is looked up when the first is wanted, and once.
pub struct Renames<'a> {
    domain: &'a Domain,
    line: &'a CommandLine,
    names: Cell<Option<ShareIds>>,
    /// Of each raw fsdev the raw device that means it.
    users: OnceCell<BTreeMap<usize, Option<usize>>>,
}

impl<'a> Renames<'a> {
    /// For this domain; nothing is looked up yet.
    pub fn new(domain: &'a Domain, line: &'a CommandLine) -> Self {
        Renames {
            domain,
            line,
            names: Cell::new(None),
            users: OnceCell::new(),
        }
    }

    /// The edits that give raw fsdev `index` another id, and to the device that means it; none
    /// where that cannot be told.
    pub fn fsdev(&self, index: usize, fsdev: &Fsdev) -> Option<Vec<Replacement>> {
        // What -set does to it, it does by its id.
        if fsdev.opts.iter().any(|opt| opt.arg != fsdev.arg) {
            return None;
        }
        let id = fsdev.id()?;
        let user = *self.users.get_or_init(|| users(self.line)).get(&index)?;
        let new = self.instead_of(&id.value);
        let mut edits = vec![if option_string::id(&fsdev.opts).is_some() {
            Replacement::new(Place::Arg(id.arg, id.value_range.clone()), &new)
        } else {
            // The mount tag is the id of a -virtfs that has none.
            let end = id.value_range.end;
            Replacement::new(Place::Arg(id.arg, end..end), format!(",id={new}"))
        }];
        let user = user.and_then(|user| self.line.devices.get(user)?.last("fsdev"));
        edits.extend(user.map(|property| {
            Replacement::new(Place::Arg(property.arg, property.value_range.clone()), new)
        }));
        Some(edits)
    }

    /// The same for a raw 9p device, which nothing refers to.
    pub fn device(&self, device: &RawDevice) -> Option<Vec<Replacement>> {
        let id = device.id()?;
        let own = device.properties.iter().all(|one| one.arg == device.arg);
        if !device.is_9p() || !own {
            return None;
        }
        let place = Place::Arg(id.arg, id.value_range.clone());
        let new = self.instead_of(device.id_text()?);
        Some(vec![Replacement::new(place, new)])
    }

    fn instead_of(&self, id: &str) -> String {
        let names = self.names.take();
        let mut names = names.unwrap_or_else(|| ShareIds::of(self.domain, self.line));
        let new = match unquoted(id) {
            Some(plain) => names.share(plain),
            None => names.instead_of(id),
        };
        self.names.set(Some(names));
        new
    }
}

/// Whether behind each of these fsdevs stands one of the devices, and no more, before the next.
fn is_in_turn(line: &CommandLine, fsdevs: &[usize], devices: &[usize]) -> bool {
    let fsdevs = fsdevs.iter().filter_map(|index| line.fsdevs.get(*index));
    let devices = devices.iter().filter_map(|index| line.devices.get(*index));
    let (fsdevs, devices): (Vec<usize>, Vec<usize>) = (
        fsdevs.map(|one| one.arg).collect(),
        devices.map(|one| one.arg).collect(),
    );
    let next = fsdevs.iter().skip(1).copied().chain([usize::MAX]);
    let single = fsdevs.len() == 1;
    fsdevs.len() == devices.len()
        && fsdevs
            .iter()
            .zip(next)
            .zip(&devices)
            .all(|((fsdev, next), device)| single || (fsdev < device && *device < next))
}

/// Of each raw fsdev the device that means it: by its id, and where several have one id, the one
/// that stands behind each.
fn users(line: &CommandLine) -> BTreeMap<usize, Option<usize>> {
    let mut named: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let devices = line.devices.iter().enumerate();
    for (index, device) in devices.filter(|(_, device)| !device.virtfs) {
        if let Some(id) = device.text("fsdev") {
            named.entry(id).or_default().push(index);
        }
    }
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut users = BTreeMap::new();
    for (index, fsdev) in line.fsdevs.iter().enumerate() {
        // That of a -virtfs goes with it.
        if fsdev.virtfs {
            users.insert(index, None);
        } else if let Some(id) = fsdev.id() {
            groups.entry(&id.value).or_default().push(index);
        }
    }
    for (id, group) in groups {
        match named.get(id) {
            None => users.extend(group.into_iter().map(|index| (index, None))),
            Some(devices) if is_in_turn(line, &group, devices) => {
                let pairs = group.into_iter().zip(devices);
                users.extend(pairs.map(|(index, user)| (index, Some(*user))));
            }
            Some(_) => {}
        }
    }
    users
}
