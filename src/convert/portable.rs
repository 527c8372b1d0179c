//! A 9p share as both forms can say it.

use std::rc::Rc;

use crate::qemu::numbers::SlotFunction;

/// What `<filesystem>` and a pair of `-fsdev` and `-device` can both say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortableShare {
    /// The mount tag.
    pub tag: String,
    /// The shared directory.
    pub path: String,
    /// Whose owners and modes the files have.
    pub access: Access,
    /// Which kind of virtio device it is.
    pub model: Model,
    /// Whether the guest may only read.
    pub readonly: bool,
    /// `remap`, `forbid` or `warn`, where it is said.
    pub multidevs: Option<String>,
    /// Whether what the guest writes goes to the disk at once.
    pub immediate: bool,
    /// The mode of files.
    pub fmode: Option<u16>,
    /// The mode of directories.
    pub dmode: Option<u16>,
    /// The user's own alias (`ua-…`), which libvirt gives to QEMU as the device's id.
    pub alias: Option<String>,
    /// Where it is on the PCI buses, when it says so.
    pub address: Option<Address>,
}

/// A place on a bus that libvirt knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The index of its controller.
    pub index: u32,
    /// QEMU's name of the bus.
    pub bus: Rc<str>,
    /// Slot and function on that bus.
    pub at: SlotFunction,
    /// Whether others may be beside it.
    pub multifunction: bool,
}

impl Address {
    /// The element, as libvirt itself writes it.
    pub fn xml(&self) -> String {
        let multifunction = if self.multifunction {
            " multifunction='on'"
        } else {
            ""
        };
        format!(
            "<address type='pci' domain='0x0000' bus='0x{:02x}' slot='0x{:02x}' function='0x{:x}'{multifunction}/>",
            self.index, self.at.slot, self.at.function
        )
    }
}

/// libvirt's `accessmode`, QEMU's `security_model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    #[default]
    /// The guest's owners and modes are kept beside the files.
    Mapped,
    /// The guest's are the host's.
    Passthrough,
    /// Likewise, but a change of owner that fails is no error.
    Squash,
}

impl Access {
    const ALL: [Access; 3] = [Access::Mapped, Access::Passthrough, Access::Squash];

    /// Of libvirt's `accessmode`.
    pub fn of_libvirt(word: &str) -> Option<Access> {
        Access::ALL
            .into_iter()
            .find(|access| access.libvirt() == word)
    }

    /// Of QEMU's `security_model`; `mapped-xattr` is another word for `mapped`.
    pub fn of_qemu(word: &str) -> Option<Access> {
        let word = if word == "mapped-xattr" {
            "mapped"
        } else {
            word
        };
        Access::ALL.into_iter().find(|access| access.qemu() == word)
    }

    /// libvirt's word.
    pub fn libvirt(self) -> &'static str {
        match self {
            Access::Mapped => "mapped",
            Access::Passthrough => "passthrough",
            Access::Squash => "squash",
        }
    }

    /// QEMU's word.
    pub fn qemu(self) -> &'static str {
        match self {
            Access::Squash => "none",
            other => other.libvirt(),
        }
    }
}

/// libvirt's `model`, QEMU's driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Model {
    #[default]
    /// What suits the bus.
    Virtio,
    /// With the old interface, too.
    Transitional,
    /// Without the old interface.
    NonTransitional,
}

impl Model {
    const ALL: [Model; 3] = [Model::Virtio, Model::Transitional, Model::NonTransitional];

    /// Of libvirt's `model`.
    pub fn of_libvirt(word: &str) -> Option<Model> {
        Model::ALL.into_iter().find(|model| model.libvirt() == word)
    }

    /// Of QEMU's driver; `virtio-9p` is an alias.
    pub fn of_qemu(driver: &str) -> Option<Model> {
        let driver = if driver == "virtio-9p" {
            "virtio-9p-pci"
        } else {
            driver
        };
        Model::ALL.into_iter().find(|model| model.qemu() == driver)
    }

    /// libvirt's word.
    pub fn libvirt(self) -> &'static str {
        match self {
            Model::Virtio => "virtio",
            Model::Transitional => "virtio-transitional",
            Model::NonTransitional => "virtio-non-transitional",
        }
    }

    /// QEMU's driver.
    pub fn qemu(self) -> &'static str {
        match self {
            Model::Virtio => "virtio-9p-pci",
            Model::Transitional => "virtio-9p-pci-transitional",
            Model::NonTransitional => "virtio-9p-pci-non-transitional",
        }
    }
}
