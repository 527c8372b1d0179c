//! The shares that raw arguments make: which directories QEMU will open, and how.

use std::collections::BTreeMap;

use crate::domain::Place;
use crate::ordered;
use crate::qemu::index::Index;
use crate::qemu::option_string::{self, Opt};

/// One directory that QEMU opens because of raw arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The path as QEMU gets it.
    pub path: String,
    /// Where the path stands.
    pub place: Place,
    /// Whether QEMU refuses every write.
    pub readonly: bool,
    /// What becomes of the guest's owners and modes; nothing where QEMU does not know the model.
    pub model: Option<SecurityModel>,
    /// Where the model stands, or the path where it does not stand in the arguments.
    pub model_place: Place,
}

/// What becomes of the owners and modes that the guest gives to files (`security_model`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityModel {
    /// Kept in extended attributes.
    Mapped,
    /// Kept in files beside.
    MappedFile,
    /// Given to the files on the host.
    Passthrough,
    /// As passthrough, where the host does not refuse it.
    None,
}

impl SecurityModel {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mapped" | "mapped-xattr" => SecurityModel::Mapped,
            "mapped-file" => SecurityModel::MappedFile,
            "passthrough" => SecurityModel::Passthrough,
            "none" => SecurityModel::None,
            _ => return None,
        })
    }

    /// That of an `accessmode` of libvirt's.
    pub fn of_accessmode(mode: &str) -> Self {
        match mode {
            "mapped" => SecurityModel::Mapped,
            "squash" => SecurityModel::None,
            _ => SecurityModel::Passthrough,
        }
    }

    /// Whether symbolic links that the guest makes are links on the host, too.
    pub fn makes_links(self) -> bool {
        matches!(self, SecurityModel::None | SecurityModel::Passthrough)
    }
}

/// The shares that a device uses, in order. QEMU never opens an fsdev that no device uses
/// (facts Q2), so nothing is granted for one.
pub fn shares(index: &Index) -> Vec<Share> {
    let mut shares = Vec::new();
    let (line, natives) = (index.line, &index.natives);
    let devices = line.devices.iter().filter(|device| device.looks_like_9p());
    let used = ordered::set(
        devices
            .filter_map(|device| device.text("fsdev"))
            .chain(natives.iter().filter_map(|native| native.fsdev.as_deref())),
    );
    for fsdev in &line.fsdevs {
        let used = fsdev
            .id()
            .is_some_and(|id| used.contains(id.value.as_str()));
        let local = fsdev.value("fsdriver") == Some("local");
        let path = fsdev.last("path").filter(|path| !path.value.is_empty());
        if let Some(path) = path.filter(|_| used && local) {
            shares.push(Share {
                path: path.value.clone(),
                place: at(path),
                readonly: fsdev.readonly(),
                model: fsdev.value("security_model").and_then(SecurityModel::named),
                model_place: at(fsdev.last("security_model").unwrap_or(path)),
            });
        }
    }
    shares.extend(changed(index, |id| used.contains(id)));
    shares
}

fn at(opt: &Opt) -> Place {
    Place::Arg(opt.arg, opt.value_range.clone())
}

/// What `-set` has changed of one of libvirt's own fsdevs.
#[derive(Default)]
struct Changes<'a> {
    path: Option<&'a Opt>,
    readonly: Option<&'a Opt>,
    model: Option<&'a Opt>,
}

/// libvirt's own `<filesystem>` with another path by `-set fsdev.fsdev-fs0.path=…`, or that may be
/// written by `readonly=off`: libvirt's rules name the old path, and are for reading only.
fn changed(index: &Index, is_used: impl Fn(&str) -> bool) -> Vec<Share> {
    let (domain, line) = (index.domain, index.line);
    let mut changed: BTreeMap<&str, Changes> = BTreeMap::new();
    // The last of each counts.
    for set in line.sets.iter().filter(|set| set.group == "fsdev") {
        let changes = changed.entry(&set.id).or_default();
        match set.opt.key.as_str() {
            "path" => changes.path = Some(&set.opt),
            "readonly" => changes.readonly = Some(&set.opt),
            "security_model" => changes.model = Some(&set.opt),
            _ => {}
        }
    }
    let mut shares = Vec::new();
    for (id, changes) in changed.into_iter().filter(|(id, _)| is_used(id)) {
        let native = index.native(id).and_then(|at| domain.devices.get(at));
        let Some(fs) = native.and_then(|native| native.filesystem.as_ref()) else {
            continue;
        };
        let readonly = match changes.readonly {
            Some(opt) => option_string::boolean(&opt.value) == Some(true),
            None => fs.readonly,
        };
        let (path, opt) = match (changes.path, changes.readonly, &fs.source) {
            (Some(opt), _, _) => (&opt.value, opt),
            (None, Some(opt), Some(source)) if fs.readonly && !readonly => (&source.value, opt),
            _ => continue,
        };
        if path.is_empty() {
            continue;
        }
        shares.push(Share {
            path: path.clone(),
            place: at(opt),
            readonly,
            model: match changes.model {
                Some(model) => SecurityModel::named(&model.value),
                None => Some(SecurityModel::of_accessmode(&fs.access)),
            },
            model_place: at(changes.model.unwrap_or(opt)),
        });
    }
    shares
}
