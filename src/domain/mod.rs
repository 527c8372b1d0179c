//! The domain XML as we need it, every part with its place in the text.
//!
//! Fields are named after libvirt's elements. What libvirt would refuse by itself (a bad UUID in
//! a defined domain, two devices at one address) is not checked here: libvirt says it first.

mod arg;
mod document;
mod lost;
mod namespaces;
mod place;
mod read;
mod read_only;
mod scan;
pub mod tokens;
mod uuid;
mod wellformed;
pub mod xml;

pub use arg::Arg;
pub use document::{Document, MOST_XML};
pub use lost::{Lost, LostReason};
pub use place::Place;
pub use read::{number, read};
pub use read_only::read_only_files;
pub use scan::Scan;
pub use uuid::{Uuid, find_uuid};
pub use wellformed::Fault;
pub use xml::Origin;

use std::rc::Rc;

use crate::text::Span;

/// A value with the place it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// As the application sees it, references resolved.
    pub value: T,
    /// Where it stands in the text, between the quotes.
    pub span: Span,
}

/// What we read of a domain.
#[derive(Debug, Clone, Default)]
pub struct Domain {
    /// Its start tag.
    pub tag: Span,
    /// `<name>`.
    pub name: String,
    /// `<uuid>`, when it is there and well formed.
    pub uuid: Option<Uuid>,
    /// `type` of the root element: `kvm`, `qemu`, …
    pub kind: String,
    /// `<os><type arch=…>`.
    pub arch: String,
    /// `<os><type machine=…>`.
    pub machine: Located<String>,
    /// Whether `<features><acpi/>` is there; without it libvirt passes `acpi=off`.
    pub acpi: bool,
    /// `<devices><emulator>`.
    pub emulator: Option<String>,
    /// `<seclabel>` elements.
    pub seclabels: Vec<Seclabel>,
    /// Our own element in `<metadata>`: errors only warn.
    pub errors_only_warn: bool,
    /// Whether it may have files that libvirt keeps QEMU from writing ([`read_only_files`]).
    pub may_have_read_only: bool,
    /// As `errors_only_warn`: of all host paths in raw arguments only those of shares are granted.
    pub only_shares: bool,
    /// Devices in document order.
    pub devices: Vec<Device>,
    /// Words of all `<qemu:commandline>` blocks, in order.
    pub args: Vec<Arg>,
    /// Places of `<qemu:arg>` without `value`, which libvirt refuses.
    pub empty_args: Vec<Span>,
    /// `<qemu:capabilities>`: names added (`true`) or deleted (`false`), in order.
    pub capabilities: Vec<(bool, String)>,
    /// `<qemu:override>` (libvirt >= 8.2), in order: the last word on properties of devices.
    pub overrides: Vec<Override>,
    /// `<qemu:env>`, in order: names, and values with their places.
    pub environment: Vec<(String, Located<String>)>,
    /// Elements with something for QEMU that libvirt drops; of a file only.
    pub lost: Vec<Lost>,
}

impl Default for Located<String> {
    fn default() -> Self {
        Located {
            value: String::new(),
            span: Span::default(),
        }
    }
}

/// A `<qemu:property>` of `<qemu:override>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The alias of the device.
    pub alias: String,
    /// The name of the property.
    pub name: String,
    /// What it becomes; nothing where `type='remove'`.
    pub value: Option<String>,
    /// The `type`: `string`, `unsigned`, `signed`, `bool` or `remove`.
    pub kind: String,
    /// Where the value stands, or the tag where there is none.
    pub span: Span,
}

/// A `<seclabel>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seclabel {
    /// `dynamic`, `static`, `none`, or nothing; libvirt's default is `dynamic`, unless qemu.conf
    /// sets another.
    pub kind: String,
    /// `apparmor`, `dac`, `selinux`, or nothing.
    pub model: Option<String>,
    /// `<label>`, for `dac`: `user:group`.
    pub label: Option<String>,
}

/// A word of a device. What many say (`interface`, `network`, `virtio`) is one and the same.
pub type Interned = Rc<str>;

/// One element of `<devices>`. Kept small: there can be as many as ten mebibytes of XML hold.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// Element name: `interface`, `controller`, …
    pub element: Interned,
    /// The whole element, from its `<` to its last `>`.
    pub span: Span,
    /// Its start tag.
    pub tag: Span,
    /// `type` attribute.
    pub kind: Option<Interned>,
    /// `model` attribute, or the `name`/`type` of a `<model>` child.
    pub model: Option<Interned>,
    /// `bus` attribute of the element or of `<target>`.
    pub bus: Option<Interned>,
    /// `<target dev=…>`.
    pub target_dev: Option<Interned>,
    /// `<alias name=…>`.
    pub alias: Option<Interned>,
    /// The address of the guest, when it is a PCI one with numbers in it.
    pub pci: Option<PciAddress>,
    /// Another address that says where it is.
    pub elsewhere: Option<OtherAddress>,
    /// `index` of a controller.
    pub index: Option<u32>,
    /// `chassis` of a root or downstream port's `<target>`.
    pub chassis: Option<u32>,
    /// More, for a `<filesystem>`. Boxed: most devices are none.
    pub filesystem: Option<Box<Filesystem>>,
}

/// `<address type='pci' …>` of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciAddress {
    /// Bus: the index of a PCI controller.
    pub bus: u32,
    /// Slot (QEMU's PCI device number).
    pub slot: u8,
    /// Function.
    pub function: u8,
    /// `multifunction='on'`.
    pub multifunction: bool,
}

/// An `<address>` of the guest that is not PCI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherAddress {
    /// `type='drive'` on the first controller of its kind: bus and unit.
    Drive(u8, u8),
    /// `type='virtio-mmio'`
    VirtioMmio,
}

/// What a `<filesystem>` says beyond its address.
#[derive(Debug, Clone, Default)]
pub struct Filesystem {
    /// `type`, default `mount`.
    pub kind: String,
    /// `accessmode`, default `passthrough`.
    pub access: String,
    /// `<driver type=…>`, default `path`.
    pub driver: Option<String>,
    /// `<source dir=…>`.
    pub source: Option<Located<String>>,
    /// `<target dir=…>`: the mount tag.
    pub target: Option<Located<String>>,
    /// `<readonly/>`.
    pub readonly: bool,
}

impl Domain {
    /// Whether `<qemu:override>` may move devices, or make others of them.
    pub fn moves_devices(&self) -> bool {
        let mut names = self.overrides.iter().map(|property| property.name.as_str());
        names.any(|name| matches!(name, "bus" | "addr" | "multifunction" | "driver" | "id"))
    }
}

impl Device {
    /// Whether it is a `<filesystem>` that libvirt makes a virtio-9p device of.
    pub fn is_9p(&self) -> bool {
        self.filesystem.as_ref().is_some_and(|fs| {
            fs.kind == "mount" && !matches!(fs.driver.as_deref(), Some("virtiofs" | "mtp"))
        })
    }

    /// The mount tag of one that libvirt makes a virtio-9p device of.
    pub fn mount_tag(&self) -> Option<&Located<String>> {
        let share = self.filesystem.as_ref().filter(|_| self.is_9p())?;
        share.target.as_ref()
    }

    /// Whether it is a `<controller>` of this type.
    pub fn is_controller(&self, kind: &str) -> bool {
        &*self.element == "controller" && self.kind.as_deref() == Some(kind)
    }
}
