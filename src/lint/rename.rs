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
    users: OnceCell<Vec<Option<Option<usize>>>>,
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
        let users = self.users.get_or_init(|| users(self.line));
        let user = (*users.get(index)?)?;
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
/// that stands behind each. Nothing where that cannot be told.
fn users(line: &CommandLine) -> Vec<Option<Option<usize>>> {
    // Of each id its fsdevs and the devices that name it.
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<[Vec<usize>; 2]> = Vec::new();
    let fsdevs = line.fsdevs.iter().enumerate();
    let fsdevs = fsdevs.filter(|(_, fsdev)| !fsdev.virtfs);
    let fsdevs = fsdevs.filter_map(|(index, fsdev)| Some((fsdev.id()?.value.as_str(), 0, index)));
    let devices = line.devices.iter().enumerate();
    let devices = devices.filter(|(_, device)| !device.virtfs);
    let devices = devices.filter_map(|(index, device)| Some((device.text("fsdev")?, 1, index)));
    for (id, side, index) in fsdevs.chain(devices) {
        let number = *numbers.entry(id).or_insert(groups.len());
        if number == groups.len() {
            groups.push([Vec::new(), Vec::new()]);
        }
        let group = groups.get_mut(number).and_then(|group| group.get_mut(side));
        if let Some(group) = group {
            group.push(index);
        }
    }
    // That of a -virtfs goes with it.
    let mut users: Vec<Option<Option<usize>>> = line
        .fsdevs
        .iter()
        .map(|fsdev| fsdev.virtfs.then_some(None))
        .collect();
    for [fsdevs, devices] in &groups {
        let clear = devices.is_empty() || is_in_turn(line, fsdevs, devices);
        for (position, index) in fsdevs.iter().enumerate().filter(|_| clear) {
            if let Some(user) = users.get_mut(*index) {
                *user = Some(devices.get(position).copied());
            }
        }
    }
    users
}
