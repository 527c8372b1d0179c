//! What the raw arguments of a domain mean to QEMU: its `-fsdev`, `-virtfs`, `-device` and `-set`,
//! with `-set` already carried out. [`crate::qemu::read`] makes one.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::assumptions::DeviceForm;
use crate::domain::Domain;
use crate::qemu::argv::Stray;
use crate::qemu::device_json::{JsonError, JsonValue};
use crate::qemu::implied::{Implied, MachineWords};
use crate::qemu::libvirt_ids::LibvirtIds;
use crate::qemu::option_string::{self, Form, Opt};

/// Everything of it that has to do with 9p or PCI.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// `-fsdev` and `-virtfs`, in order.
    pub fsdevs: Vec<Fsdev>,
    /// `-device` and the devices that `-virtfs` makes, in order.
    pub devices: Vec<RawDevice>,
    /// `-set` on something of libvirt's: `fsdev-fs0`, or a device.
    pub sets: Vec<Set>,
    /// `-set` that QEMU cannot read, or whose target is not there.
    pub failed_sets: Vec<FailedSet>,
    /// JSON devices that are not JSON.
    pub broken_json: Vec<(usize, JsonError)>,
    /// Words QEMU would not know.
    pub strays: Vec<Stray>,
    /// Options we see but do not follow: index of the option and of the argument.
    pub unmodelled: Vec<(usize, usize)>,
    /// Whether an `-fsdev` or `-virtfs` is longer than [`LONGEST_ARG`].
    pub too_long: bool,
    /// Other options that make PCI devices by themselves, in the order in which QEMU makes them.
    pub implied: Vec<Implied>,
    /// Options that were removed: index, and by which version, see [`crate::qemu::option_table`].
    pub gone: Vec<(usize, u8)>,
    /// `-drive`, the shorter options for drives, and words that QEMU takes for images.
    pub drives: BTreeSet<usize>,
    /// What they say of the machine itself.
    pub machine: MachineWords,
    /// The ids of libvirt's devices, when they are asked for: most domains need not be numbered.
    libvirt_ids: OnceCell<LibvirtIds>,
}

/// One `-fsdev` or `-virtfs`.
#[derive(Debug, Clone)]
pub struct Fsdev {
    /// Index of its argument.
    pub arg: usize,
    /// Whether it is a `-virtfs`.
    pub virtfs: bool,
    /// Its keys in order, later `-set` ones at the end.
    pub opts: Vec<Opt>,
}

/// One raw device.
#[derive(Debug, Clone)]
pub struct RawDevice {
    /// Index of its argument.
    pub arg: usize,
    /// Text or JSON.
    pub form: DeviceForm,
    /// Whether it comes from a `-virtfs`: no id, no address, driver virtio-9p-pci.
    pub virtfs: bool,
    /// Its properties in order, `driver` among them.
    pub properties: Vec<RawProperty>,
}

/// A property of a raw device.
#[derive(Debug, Clone)]
pub struct RawProperty {
    /// As written; of a flag without its `no`.
    pub key: String,
    /// Its value; always a string in a text device.
    pub value: JsonValue,
    /// Written as a flag (text only).
    pub flag: bool,
    /// Which word it stands in.
    pub arg: usize,
    /// Bytes of the key.
    pub key_range: Range<usize>,
    /// Bytes of the value.
    pub value_range: Range<usize>,
}

/// `-set GROUP.ID.KEY=VALUE` on something that libvirt wrote.
#[derive(Debug, Clone)]
pub struct Set {
    /// `fsdev` or `device`.
    pub group: &'static str,
    /// The id in it.
    pub id: String,
    /// The key and value.
    pub opt: Opt,
}

/// A `-set` that does not work.
#[derive(Debug, Clone)]
pub enum FailedSet {
    /// Not `GROUP.ID.KEY=VALUE`.
    Syntax(usize),
    /// There is nothing of that id before it: index, group and id.
    NoTarget(usize, &'static str, String),
    /// There is no such group: index and group.
    NoGroup(usize, String),
    /// The id of an fsdev: among the keys that -set looks through there is none of that name.
    Id(usize),
}

/// The most bytes of one argument: MAX_ARG_STRLEN (32 pages) without the final NUL. What is longer
/// never reaches QEMU, and is not read.
pub const LONGEST_ARG: usize = 131_071;

/// The device drivers that are 9p. `virtio-9p` is an alias.
pub const DRIVERS_9P: [&str; 4] = [
    "virtio-9p-pci",
    "virtio-9p",
    "virtio-9p-pci-transitional",
    "virtio-9p-pci-non-transitional",
];

impl Fsdev {
    /// Its id: of a `-virtfs` without one, the mount tag.
    pub fn id(&self) -> Option<&Opt> {
        option_string::id(&self.opts)
            .or_else(|| self.virtfs.then(|| self.last("mount_tag")).flatten())
    }

    /// The occurrence of `key` that counts.
    pub fn last(&self, key: &str) -> Option<&Opt> {
        option_string::last(&self.opts, key)
    }

    /// The value of `key` that counts.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.last(key).map(|opt| opt.value.as_str())
    }

    /// Whether QEMU opens it read-only.
    pub fn readonly(&self) -> bool {
        self.value("readonly").and_then(option_string::boolean) == Some(true)
    }
}

impl RawProperty {
    /// What a text device makes of an option.
    pub fn of_text(opt: Opt) -> Self {
        RawProperty {
            key: opt.key,
            value: JsonValue::String(opt.value),
            flag: opt.form == Form::Flag,
            arg: opt.arg,
            key_range: opt.key_range,
            value_range: opt.value_range,
        }
    }
}

impl RawDevice {
    /// The occurrence of `key` that counts: the last.
    pub fn last(&self, key: &str) -> Option<&RawProperty> {
        self.properties.iter().rev().find(|p| p.key == key)
    }

    /// The string value of `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.last(key).map(|p| &p.value) {
            Some(JsonValue::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Its `id`: in text the first counts, in JSON there is one. What `-set` adds to a text device is
    /// no id to QEMU's options, but is that of the device (7.2: `-set device.d.id=x` makes it x).
    pub fn id(&self) -> Option<&RawProperty> {
        let mut ids = self
            .properties
            .iter()
            .filter(|p| p.key == "id" && matches!(p.value, JsonValue::String(_)));
        let first = ids.next()?;
        Some(ids.rfind(|p| p.arg != self.arg).unwrap_or(first))
    }

    /// The text of its id.
    pub fn id_text(&self) -> Option<&str> {
        match self.id().map(|p| &p.value) {
            Some(JsonValue::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The id that stands in the argument, by which QEMU tells the options of text devices apart
    /// whatever -set adds (qemu_opts_create). JSON ones are not among them.
    pub fn written_id(&self) -> Option<&RawProperty> {
        let ids = self.properties.iter();
        let mut ids = ids.filter(|p| p.key == "id" && p.arg == self.arg);
        ids.next().filter(|_| self.form == DeviceForm::Text)
    }

    /// Its driver, or nothing.
    pub fn driver(&self) -> &str {
        self.text("driver").unwrap_or("")
    }

    /// Whether it is one of [`DRIVERS_9P`].
    pub fn is_9p(&self) -> bool {
        DRIVERS_9P.contains(&self.driver())
    }

    /// Whether it is, or was meant to be, a 9p device of any kind: no other has these properties.
    pub fn looks_like_9p(&self) -> bool {
        self.driver().starts_with("virtio-9p")
            || self.last("fsdev").is_some()
            || self.last("mount_tag").is_some()
    }
}

impl CommandLine {
    /// The ids of the devices that libvirt makes of `domain`, the one that these arguments are of.
    pub fn libvirt_ids(&self, domain: &Domain) -> &LibvirtIds {
        self.libvirt_ids.get_or_init(|| LibvirtIds::of(domain))
    }

    /// Whether there is anything of 9p in it: only then is the domain our business.
    pub fn has_9p(&self) -> bool {
        !self.fsdevs.is_empty()
            || self.too_long
            || self.devices.iter().any(RawDevice::looks_like_9p)
            || self.sets.iter().any(|set| set.group == "fsdev")
            || self
                .strays
                .iter()
                .any(|stray| matches!(stray, Stray::Misspelt(_, "fsdev" | "virtfs")))
    }
}
