//! Which fsdev each of libvirt's own 9p devices uses: `fsdev-` and its id, unless
//! `<qemu:override>` (libvirt >= 8.2) or `-set device.ID.fsdev=` gives it another. One that
//! `<qemu:override>` makes a 9p device of is one of them, and has only what that gives it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::domain::{Device, Domain, Override};
use crate::qemu::command_line::{CommandLine, DRIVERS_9P};
use crate::text::Span;

/// The fsdev of one of libvirt's 9p devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeFsdev {
    /// Index into [`Domain::devices`].
    pub device: usize,
    /// The fsdev's id; nothing where an override removes it.
    pub fsdev: Option<String>,
    /// Who says so.
    pub by: By,
}

/// Where another fsdev comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Nobody: it is the device's own.
    Libvirt,
    /// A property of `<qemu:override>`.
    Override(Span),
    /// `-set`: index of the argument, and the value in it.
    Set(usize, Range<usize>),
}

/// All of them, in document order.
pub fn native_fsdevs(domain: &Domain, line: &CommandLine) -> Vec<NativeFsdev> {
    // Most domains have none, and numbering all devices of a large one takes a while.
    let made = |property: &&Override| {
        let driver = property
            .value
            .as_deref()
            .filter(|_| property.name == "driver");
        driver.is_some_and(|driver| DRIVERS_9P.contains(&driver))
    };
    if !domain.devices.iter().any(Device::is_9p) && !domain.overrides.iter().any(|p| made(&p)) {
        return Vec::new();
    }
    let (mut overrides, mut drivers) = (BTreeMap::new(), BTreeMap::new());
    for property in &domain.overrides {
        match property.name.as_str() {
            "fsdev" => drop(overrides.insert(property.alias.as_str(), property)),
            "driver" => drop(drivers.insert(property.alias.as_str(), property)),
            _ => {}
        }
    }
    let mut sets = BTreeMap::new();
    for set in &line.sets {
        if set.group == "device" && set.opt.key == "fsdev" {
            sets.insert(set.id.as_str(), &set.opt);
        }
    }
    let is_9p = |device: usize| domain.devices.get(device).is_some_and(|d| d.is_9p());
    let ids = line.libvirt_ids(domain).iter();
    ids.filter_map(|(id, device)| {
        let own = is_9p(*device);
        if !own && drivers.is_empty() {
            return None;
        }
        let id = id.to_string();
        let driver = drivers.get(&*id).filter(|_| !own);
        if !own && !driver.is_some_and(made) {
            return None;
        }
        // QEMU carries -set out on what libvirt wrote, with the override in it.
        let (fsdev, by) = match (sets.get(&*id), overrides.get(&*id)) {
            (Some(opt), _) => (
                Some(opt.value.clone()),
                By::Set(opt.arg, opt.value_range.clone()),
            ),
            (None, Some(property)) => (property.value.clone(), By::Override(property.span)),
            (None, None) => match driver {
                Some(driver) => (None, By::Override(driver.span)),
                None => (Some(format!("fsdev-{id}")), By::Libvirt),
            },
        };
        Some(NativeFsdev {
            device: *device,
            fsdev,
            by,
        })
    })
    .collect()
}
