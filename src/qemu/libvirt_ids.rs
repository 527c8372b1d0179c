//! The `id=` that libvirt gives its own devices: raw devices must not take the same.
//!
//! At `prepare` the XML has no automatic aliases yet, so they are worked out as
//! qemu_alias.c does: a prefix and a number. Only kinds that
//! always become a `-device` with that id are listed; a name missing here costs a late message
//! from QEMU, a wrong one would stop somebody's guest.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::{Device, Domain, Interned};

/// An alias that is the user's own: libvirt keeps `ua-` with letters, digits, `-` and `_` behind
/// it, and forgets any other (virDomainDeviceInfoParseXML).
pub fn user_alias(alias: &str) -> Option<String> {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (alias.starts_with("ua-") && alias.bytes().all(known)).then(|| alias.to_owned())
}

/// An `id=` on QEMU's command line. Put together only where somebody reads it: a large domain has
/// hundreds, and hardly one is ever asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibvirtId {
    /// What libvirt calls it: a prefix, and mostly a number.
    Automatic(&'static str, Option<u64>),
    /// What the user calls it.
    Users(Interned),
}

impl fmt::Display for LibvirtId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LibvirtId::Automatic(prefix, None) => f.write_str(prefix),
            LibvirtId::Automatic(prefix, Some(number)) => write!(f, "{prefix}{number}"),
            LibvirtId::Users(name) => f.write_str(name),
        }
    }
}

/// All ids known to be taken.
#[derive(Debug, Clone, Default)]
pub struct LibvirtIds {
    /// With the index into [`Domain::devices`], in document order.
    all: Vec<(LibvirtId, usize)>,
    /// The first device that has each.
    automatic: BTreeMap<(&'static str, Option<u64>), usize>,
    users: BTreeMap<Interned, usize>,
}

/// How libvirt comes to the number of an automatic alias (qemuAssignDeviceAliases).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbered {
    /// By the position among its kind: an alias of the user's uses a number up.
    ByPosition,
    /// One above the highest that one of its kind has: aliases of the user's do not count.
    AboveHighest,
    /// By what the element itself says.
    ByItself,
}

/// Where the numbers of one prefix stand. Aliases are text, and may hold any number.
#[derive(Debug, Default)]
struct Count {
    seen: u64,
    next: u64,
}

impl LibvirtIds {
    /// Works out the ids of all devices.
    pub fn of(domain: &Domain) -> Self {
        let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
        let mut ids = LibvirtIds::default();
        for (index, device) in domain.devices.iter().enumerate() {
            let id = id(device, &mut counts).filter(|_| is_a_device(domain, device));
            let Some(id) = id else {
                continue;
            };
            match &id {
                LibvirtId::Automatic(prefix, number) => {
                    ids.automatic.entry((prefix, *number)).or_insert(index);
                }
                LibvirtId::Users(name) => {
                    ids.users.entry(name.clone()).or_insert(index);
                }
            }
            ids.all.push((id, index));
        }
        ids
    }

    /// Each, and the index of its device, in document order.
    pub fn iter(&self) -> impl Iterator<Item = &(LibvirtId, usize)> {
        self.all.iter()
    }

    /// The index of the first device that has this id.
    pub fn device(&self, id: &str) -> Option<usize> {
        if let Some(device) = self.users.get(id) {
            return Some(*device);
        }
        let prefix = id.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = match id.strip_prefix(prefix)? {
            "" => None,
            "0" => Some(0),
            // libvirt writes none with zeros before it.
            digits if digits.starts_with('0') => return None,
            digits => Some(digits.parse().ok()?),
        };
        self.automatic.get(&(prefix, number)).copied()
    }
}

/// The id of this device, if it is made one, after those that were counted before it.
fn id(device: &Device, counts: &mut BTreeMap<&str, Count>) -> Option<LibvirtId> {
    let users = device
        .alias
        .as_ref()
        .filter(|alias| alias.starts_with("ua-"));
    let users_id = || users.cloned().map(LibvirtId::Users);
    let Some((prefix, numbered)) = numbering(device) else {
        // An alias of the user's is the id whatever the device is.
        return users_id();
    };
    let count = counts.entry(prefix).or_default();
    let position = count.seen;
    count.seen = count.seen.saturating_add(1);
    let automatic = match numbered {
        Numbered::ByItself => by_itself(device),
        Numbered::ByPosition | Numbered::AboveHighest => {
            // A live domain has them written down. Any other alias libvirt does not read.
            let written = device
                .alias
                .as_deref()
                .and_then(|alias| alias.strip_prefix(prefix)?.parse::<u64>().ok());
            let number = match (written, numbered) {
                (Some(number), _) => number,
                (None, Numbered::ByPosition) => position,
                (None, _) => count.next,
            };
            if users.is_none() {
                count.next = count.next.max(number.saturating_add(1));
            }
            Some(LibvirtId::Automatic(prefix, Some(number)))
        }
    };
    users_id().or(automatic)
}

/// The prefix of this element's alias, and how it is numbered.
fn numbering(device: &Device) -> Option<(&'static str, Numbered)> {
    use Numbered::{AboveHighest, ByItself, ByPosition};
    let kind = device.kind.as_deref().unwrap_or("");
    Some(match &*device.element {
        "filesystem" => ("fs", AboveHighest),
        // libvirt numbers these two together, the interfaces first; which of them has which
        // number does not matter here.
        "interface" if kind == "hostdev" => ("hostdev", AboveHighest),
        "hostdev" => ("hostdev", AboveHighest),
        "interface" => ("net", AboveHighest),
        "rng" => ("rng", AboveHighest),
        "redirdev" => ("redir", ByPosition),
        "serial" => ("serial", ByPosition),
        "video" => ("video", ByPosition),
        "sound" => ("sound", ByPosition),
        "shmem" => ("shmem", ByPosition),
        "input" => ("input", ByPosition),
        "hub" => ("hub", ByPosition),
        "watchdog" => ("watchdog", ByPosition),
        "memballoon" => ("balloon", ByPosition),
        "vsock" => ("vsock", ByPosition),
        "disk" if device.bus.as_deref() == Some("virtio") => ("virtio-disk", ByItself),
        "controller" => ("controller", ByItself),
        _ => return None,
    })
}

/// Whether libvirt makes a `-device` of it, rather than a part of the machine or another option.
fn is_a_device(domain: &Domain, device: &Device) -> bool {
    let kind = device.kind.as_deref().unwrap_or("");
    let model = device.model.as_deref().unwrap_or("");
    match &*device.element {
        "controller" => match kind {
            "pci" => !matches!(model, "pci-root" | "pcie-root"),
            "ide" | "fdc" | "xenbus" => false,
            // The first of q35 is the chipset's own.
            "sata" => device.index != Some(0) || !domain.machine.value.contains("q35"),
            _ => model != "none",
        },
        "input" => matches!(device.bus.as_deref(), Some("usb" | "virtio")),
        "sound" => model != "pcspk",
        "watchdog" => matches!(model, "i6300esb" | "ib700"),
        // On other machines it may be the board's (system-serial: pl011, 16550a).
        "serial" => matches!(&*domain.arch, "x86_64" | "i686"),
        "emulator" | "graphics" | "audio" | "console" | "parallel" | "channel" | "tpm"
        | "panic" | "memory" | "iommu" | "nvram" => false,
        _ => model != "none",
    }
}

fn by_itself(device: &Device) -> Option<LibvirtId> {
    if &*device.element == "controller" {
        return controller(device);
    }
    let number = disk_index(device.target_dev.as_deref()?)?;
    Some(LibvirtId::Automatic("virtio-disk", Some(number.into())))
}

/// A controller is called by its type and index (qemuAssignDeviceControllerAlias).
fn controller(device: &Device) -> Option<LibvirtId> {
    let index = device.index?;
    let prefix = match (device.kind.as_deref()?, device.model.as_deref()) {
        ("pci", Some(_)) => "pci.",
        ("virtio-serial", _) => "virtio-serial",
        // Companions of a USB 2 controller have its index, and no id of their own.
        ("usb", _) if device.pci.is_some() => "usb",
        ("scsi", Some(model)) if model.starts_with("virtio") || model.starts_with("lsi") => "scsi",
        ("sata", _) => "sata",
        ("ccid", _) => "ccid",
        _ => return None,
    };
    let number = (prefix != "usb" || index != 0).then_some(index.into());
    Some(LibvirtId::Automatic(prefix, number))
}

/// `vda` → 0, `vdb` → 1, `vdaa` → 26 (virDiskNameToIndex).
fn disk_index(target: &str) -> Option<u32> {
    let letters = target.strip_prefix("vd")?;
    let mut index: u32 = 0;
    for c in letters.bytes() {
        if !c.is_ascii_lowercase() {
            return None;
        }
        index = index
            .checked_mul(26)?
            .checked_add(u32::from(c - b'a') + 1)?;
    }
    index.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_libvirt_names() {
        let xml = "<domain><devices>
          <disk><target dev='vdaa' bus='virtio'/></disk>
          <controller type='pci' index='0' model='pcie-root'/>
          <controller type='pci' index='3' model='pcie-root-port'/>
          <filesystem/><filesystem><alias name='ua-x'/></filesystem><filesystem/>
          <interface type='network'/><memballoon model='none'/>
          <interface type='hostdev'/><hostdev/><sound model='pcspk'/><sound model='ich9'/>
          <input type='mouse' bus='ps2'/><input type='tablet' bus='usb'/><watchdog model='itco'/>
          <disk><target dev='sda' bus='sata'/><alias name='ua-root'/></disk>
          <controller type='usb' index='0'><address type='pci' bus='0' slot='0x1d'/></controller>
        </devices></domain>";
        let domain = crate::domain::read(xml, crate::domain::Origin::File).unwrap();
        let ids = LibvirtIds::of(&domain);
        let all: Vec<_> = ids.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(
            all,
            [
                "virtio-disk26",
                "pci.3",
                "fs0",
                "ua-x",
                "fs1",
                "net0",
                "hostdev0",
                "hostdev1",
                "sound1",
                "input1",
                "ua-root",
                "usb"
            ]
        );
        for (id, device) in ids.iter() {
            assert_eq!(ids.device(&id.to_string()), Some(*device));
        }
        for id in [
            "", "0", "usb0", "fs00", "fs", "fs2", "pci.03", "ua-", "ua-x1",
        ] {
            assert_eq!(ids.device(id), None, "{id}");
        }
    }

    #[test]
    fn numbers_go_on_after_any_alias() {
        for alias in [
            "fs4294967295",
            "fs18446744073709551615",
            "fs99999999999999999999",
        ] {
            let xml = format!(
                "<domain><devices><filesystem><alias name='{alias}'/></filesystem>\
                 <filesystem/><filesystem/></devices></domain>"
            );
            let domain = crate::domain::read(&xml, crate::domain::Origin::File).unwrap();
            assert_eq!(LibvirtIds::of(&domain).iter().count(), 3, "{alias}");
        }
    }
}
