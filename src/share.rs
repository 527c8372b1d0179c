//! The shares that raw arguments make: which folders QEMU will open, and how.

use std::collections::BTreeSet;

use crate::domain::Domain;
use crate::lint::finding::Place;
use crate::lint::index::Index;
use crate::ordered;
use crate::qemu::command_line::CommandLine;
use crate::qemu::opts;

/// One folder that QEMU opens because of raw arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The path as QEMU gets it.
    pub path: String,
    /// Where the path stands.
    pub place: Place,
    /// Whether QEMU refuses every write.
    pub readonly: bool,
    /// Whether it keeps owners and modes in extended attributes.
    pub wants_xattr: bool,
}

/// The shares that a device uses, in order. QEMU never opens an fsdev that no device uses
/// (facts Q2), so nothing is granted for one.
pub fn shares(domain: &Domain, line: &CommandLine) -> Vec<Share> {
    let mut shares = Vec::new();
    let devices = line.devices.iter().filter(|device| device.looks_like_9p());
    let used = ordered::set(devices.filter_map(|device| device.text("fsdev")));
    for fsdev in &line.fsdevs {
        let used = fsdev
            .id()
            .is_some_and(|id| used.contains(id.value.as_str()));
        let local = fsdev.value("fsdriver") == Some("local");
        if let Some(path) = fsdev.last("path").filter(|_| used && local) {
            shares.push(Share {
                path: path.value.clone(),
                place: Place::Arg(path.arg, path.value_range.clone()),
                readonly: fsdev.readonly(),
                wants_xattr: matches!(
                    fsdev.value("security_model"),
                    Some("mapped" | "mapped-xattr")
                ),
            });
        }
    }
    shares.extend(redirected(domain, line));
    shares
}

/// libvirt's own `<filesystem>` with another path by `-set fsdev.fsdev-fs0.path=…`: libvirt's
/// rules name the old one.
fn redirected(domain: &Domain, line: &CommandLine) -> Vec<Share> {
    let index = Index::new(domain, line);
    let mut shares = Vec::new();
    let mut seen = BTreeSet::new();
    // From the end: the last of each counts.
    for set in line.sets.iter().rev() {
        if set.group != "fsdev" || set.opt.key != "path" || !seen.insert(&set.id) {
            continue;
        }
        let Some(native) = index
            .native(&set.id)
            .and_then(|index| domain.devices.get(index))
        else {
            continue;
        };
        let Some(fs) = native.filesystem.as_ref() else {
            continue;
        };
        let readonly = match index.set(&set.id, "readonly") {
            Some(set) => opts::boolean(&set.opt.value) == Some(true),
            None => fs.readonly,
        };
        shares.push(Share {
            path: set.opt.value.clone(),
            place: Place::Arg(set.opt.arg, set.opt.value_range.clone()),
            readonly,
            wants_xattr: fs.access == "mapped",
        });
    }
    shares
}
