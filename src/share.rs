//! The shares that raw arguments make: which folders QEMU will open, and how.

use crate::domain::{Domain, TakenId, libvirt_ids};
use crate::lint::finding::Place;
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
    for fsdev in &line.fsdevs {
        let used = fsdev.id().is_some_and(|id| {
            line.devices
                .iter()
                .any(|device| device.looks_like_9p() && device.text("fsdev") == Some(&id.value))
        });
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
    let ids = libvirt_ids(domain);
    let mut shares = Vec::new();
    for (position, set) in line.sets.iter().enumerate() {
        let later = || line.sets.iter().skip(position + 1);
        let same = |key: &str| {
            line.sets
                .iter()
                .rev()
                .find(|other| other.group == "fsdev" && other.id == set.id && other.opt.key == key)
        };
        let overridden = later().any(|other| {
            other.group == set.group && other.id == set.id && other.opt.key == set.opt.key
        });
        let Some(native) = native(&ids, &set.id).and_then(|index| domain.devices.get(index)) else {
            continue;
        };
        let Some(fs) = native.filesystem.as_ref() else {
            continue;
        };
        if set.group != "fsdev" || set.opt.key != "path" || overridden {
            continue;
        }
        let readonly = match same("readonly") {
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

/// The `<filesystem>` whose fsdev has this id: libvirt calls it `fsdev-` and the alias.
pub fn native(ids: &[TakenId], fsdev: &str) -> Option<usize> {
    let alias = fsdev.strip_prefix("fsdev-")?;
    ids.iter()
        .find(|taken| taken.id == alias)
        .map(|taken| taken.device)
}
