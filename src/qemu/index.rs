//! Who has which id, tag and fsdev: looked up once, so that ten thousand arguments take ten
//! thousand steps and not their square.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Domain;
use crate::ordered;
use crate::qemu::command_line::{CommandLine, Fsdev, RawDevice, Set};
use crate::qemu::device_json::JsonValue;
use crate::qemu::native_fsdevs::{NativeFsdev, native_fsdevs};

/// Names, and the first that has each.
#[derive(Debug)]
pub struct Index<'a> {
    /// The domain.
    pub domain: &'a Domain,
    /// Its raw arguments.
    pub line: &'a CommandLine,
    /// The fsdevs of libvirt's own 9p devices.
    pub natives: Vec<NativeFsdev>,
    /// Raw fsdevs by id: index into `CommandLine::fsdevs`.
    fsdevs: BTreeMap<&'a str, usize>,
    /// Raw devices by id: index into `CommandLine::devices`.
    devices: BTreeMap<&'a str, usize>,
    /// Raw text devices by the id in their argument, which -set does not change there.
    written: BTreeMap<&'a str, usize>,
    /// Raw 9p devices by mount tag.
    tags: BTreeMap<&'a str, usize>,
    /// Mount tags of libvirt's own 9p shares.
    /// The first `<filesystem>` of libvirt's own that has each mount tag.
    native_tags: BTreeMap<&'a str, usize>,
    /// fsdevs that some device names.
    used: BTreeSet<&'a str>,
    /// fsdevs that devices of libvirt's have, by themselves or because they are given them.
    given: BTreeSet<String>,
    /// What -set does to libvirt's own fsdevs, by id and key: the last of each.
    sets: BTreeMap<(&'a str, &'a str), &'a Set>,
    /// The first raw fsdevs that have no id, and are to be named by a device.
    pub nameless_fsdevs: Vec<&'a Fsdev>,
    /// The ids of the first raw fsdevs, for those who name one that is not there.
    pub first_fsdevs: Vec<&'a str>,
}

impl<'a> Index<'a> {
    /// Goes through the domain and its raw arguments once.
    pub fn new(domain: &'a Domain, line: &'a CommandLine) -> Self {
        let mut index = Index {
            domain,
            line,
            natives: native_fsdevs(domain, line),
            fsdevs: BTreeMap::new(),
            devices: BTreeMap::new(),
            written: BTreeMap::new(),
            tags: BTreeMap::new(),
            native_tags: BTreeMap::new(),
            used: BTreeSet::new(),
            given: BTreeSet::new(),
            sets: BTreeMap::new(),
            first_fsdevs: Vec::new(),
            nameless_fsdevs: Vec::new(),
        };
        let given = index.natives.iter();
        index.given = ordered::set(given.filter_map(|native| native.fsdev.clone()));
        for (position, fsdev) in line.fsdevs.iter().enumerate() {
            if let Some(id) = fsdev.id() {
                index.fsdevs.entry(&id.value).or_insert(position);
                if index.first_fsdevs.len() < 5 {
                    index.first_fsdevs.push(&id.value);
                }
            } else if !fsdev.virtfs && index.nameless_fsdevs.len() < 5 {
                index.nameless_fsdevs.push(fsdev);
            }
        }
        for (position, device) in line.devices.iter().enumerate() {
            index.raw(position, device);
        }
        for set in line.sets.iter().filter(|set| set.group == "fsdev") {
            index.sets.insert((&set.id, &set.opt.key), set);
        }
        for (position, device) in domain.devices.iter().enumerate() {
            if let Some(tag) = device.mount_tag() {
                index.native_tags.entry(&tag.value).or_insert(position);
            }
        }
        index
    }

    fn raw(&mut self, position: usize, device: &'a RawDevice) {
        if let Some(id) = device.id_text().filter(|_| !device.virtfs) {
            self.devices.entry(id).or_insert(position);
        }
        if let Some(JsonValue::String(id)) = device.written_id().map(|id| &id.value) {
            self.written.entry(id).or_insert(position);
        }
        self.used.extend(device.text("fsdev"));
        if let Some(tag) = device.text("mount_tag").filter(|_| device.is_9p()) {
            self.tags.entry(tag).or_insert(position);
        }
    }

    /// The device of libvirt's that has this id.
    pub fn libvirt(&self, id: &str) -> Option<usize> {
        self.line.libvirt_ids(self.domain).device(id)
    }

    /// The `<filesystem>` whose fsdev has this id: libvirt calls it `fsdev-` and the alias.
    pub fn native(&self, fsdev: &str) -> Option<usize> {
        self.libvirt(fsdev.strip_prefix("fsdev-")?)
    }

    /// The first raw fsdev of this id.
    pub fn fsdev(&self, id: &str) -> Option<usize> {
        self.fsdevs.get(id).copied()
    }

    /// The first raw device of this id.
    pub fn device(&self, id: &str) -> Option<usize> {
        self.devices.get(id).copied()
    }

    /// The first raw text device that has this id in its argument.
    pub fn written(&self, id: &str) -> Option<usize> {
        self.written.get(id).copied()
    }

    /// The first raw 9p device of this mount tag.
    pub fn tag(&self, tag: &str) -> Option<usize> {
        self.tags.get(tag).copied()
    }

    /// The first of libvirt's own 9p devices of this mount tag.
    pub fn native_tag(&self, tag: &str) -> Option<usize> {
        self.native_tags.get(tag).copied()
    }

    /// The -set that counts for this key of an fsdev of libvirt's.
    pub fn set(&self, fsdev: &str, key: &str) -> Option<&'a Set> {
        self.sets.get(&(fsdev, key)).copied()
    }

    /// Whether a device names this fsdev.
    pub fn is_used(&self, fsdev: &Fsdev) -> bool {
        fsdev.id().is_some_and(|id| self.is_used_id(&id.value))
    }

    /// Whether a device names the fsdev of this id.
    pub fn is_used_id(&self, id: &str) -> bool {
        self.used.contains(id) || self.given.contains(id)
    }
}
