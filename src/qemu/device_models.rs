//! The models that `-device` takes, and the kind of bus each of them goes on.
//!
//! `device_models.txt` is what QEMU 5.2.0, 7.2.22, 10.0.13 and 11.1.3 print of themselves, as
//! Debian builds them for x86: `tests/device_models` makes it, and `tests/qemu_models.rs` holds it
//! against the QEMU that is installed. No model was seen to change its bus from one version to
//! another.

use crate::qemu::seen_versions;
use crate::version::Version;

/// What a model goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelBus {
    /// PCI, of either kind.
    Pci,
    /// The bus of virtio-mmio, which has a machine such as microvm.
    Virtio,
    /// USB.
    Usb,
    /// SCSI.
    Scsi,
    /// virtio-serial's.
    Serial,
    /// Intel's for sound.
    Hda,
    /// I2C, which is SMBus here.
    I2c,
    /// A bus of another kind, or none.
    Other,
}

/// A model that a version of QEMU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// What it goes on.
    pub bus: ModelBus,
    /// A digit for each of the versions seen that have it; empty where all do.
    versions: &'static str,
}

impl Model {
    /// Whether all versions seen have it.
    pub fn is_in_all(&self) -> bool {
        self.versions.is_empty()
    }

    /// Whether that version has it, as Debian builds it; others are built with more or less.
    pub fn is_in(&self, version: Version) -> Option<bool> {
        let has = |seen: usize| {
            let mut digits = self.versions.bytes();
            self.versions.is_empty() || digits.any(|digit| usize::from(digit - b'0') == seen)
        };
        seen_versions::is_in(version, has)
    }
}

/// Sorted by name; `tests/device_models` says how to read it.
static MODELS: &str = include_str!("device_models.txt");

/// The model of this name, of whichever version; the case counts.
pub fn model(name: &str) -> Option<Model> {
    // What every share has, in every QEMU: the hook looks at nothing else, as a rule.
    if name == "virtio-9p-pci" {
        let (bus, versions) = (ModelBus::Pci, "");
        return Some(Model { bus, versions });
    }
    // Each processor is a model, too, and goes on no bus.
    if name.ends_with("-cpu") {
        let (bus, versions) = (ModelBus::Other, "");
        return Some(Model { bus, versions });
    }
    if let Some(kind) = find(name).filter(|kind| !kind.starts_with('*')) {
        return Some(read(kind));
    }
    let parts = [
        ("-pci-non-transitional", 'n', ModelBus::Pci),
        ("-pci-transitional", 't', ModelBus::Pci),
        ("-pci", 'p', ModelBus::Pci),
        ("-device", 'd', ModelBus::Virtio),
        ("", 'a', ModelBus::Pci),
        ("", 'v', ModelBus::Virtio),
    ];
    parts.into_iter().find_map(|(suffix, letter, bus)| {
        let rest = find(name.strip_suffix(suffix)?)?.strip_prefix('*')?;
        let versions = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        rest.contains(letter).then_some(Model { bus, versions })
    })
}

/// What stands behind a single name.
fn read(kind: &'static str) -> Model {
    let (letter, versions) = kind.split_at_checked(1).unwrap_or((kind, ""));
    let bus = match letter {
        "p" => ModelBus::Pci,
        "v" => ModelBus::Virtio,
        "u" => ModelBus::Usb,
        "s" => ModelBus::Scsi,
        "c" => ModelBus::Serial,
        "h" => ModelBus::Hda,
        "2" => ModelBus::I2c,
        _ => ModelBus::Other,
    };
    Model { bus, versions }
}

/// What stands behind a word of the table: halved until it is found.
fn find(word: &str) -> Option<&'static str> {
    let mut lines = MODELS;
    while !lines.is_empty() {
        // The line in the middle.
        let middle = lines.as_bytes().get(..lines.len() / 2)?;
        let start = middle
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let (before, rest) = lines.split_at_checked(start)?;
        // By bytes: this is done for every device, and the library's search is for long texts.
        let end = rest.bytes().position(|b| b == b'\n')?;
        let (line, after) = (rest.get(..end)?, rest.get(end + 1..)?);
        let blank = line.bytes().position(|b| b == b' ')?;
        let (name, kind) = (line.get(..blank)?, line.get(blank + 1..)?);
        match word.cmp(name) {
            std::cmp::Ordering::Equal => return Some(kind),
            std::cmp::Ordering::Less => lines = before,
            std::cmp::Ordering::Greater => lines = after,
        }
    }
    None
}

/// Every name, for those who test.
#[doc(hidden)]
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for line in MODELS.lines() {
        let Some((name, kind)) = line.split_once(' ') else {
            continue;
        };
        let Some(letters) = kind.strip_prefix('*') else {
            names.push(name.to_owned());
            continue;
        };
        for letter in letters.chars() {
            let suffix = match letter {
                'p' => "-pci",
                't' => "-pci-transitional",
                'n' => "-pci-non-transitional",
                'd' => "-device",
                'a' | 'v' => "",
                _ => continue,
            };
            names.push(format!("{name}{suffix}"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted_and_every_name_is_found() {
        let names = || MODELS.lines().map(|line| line.split_once(' ').unwrap().0);
        assert!(names().is_sorted_by(|a, b| a < b));
        assert!(MODELS.ends_with('\n'));
        for name in super::names() {
            assert!(model(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn knows_the_buses() {
        let bus = |name| model(name).map(|model| model.bus);
        for name in [
            "vmxnet3",
            "qxl",
            "virtio-vga",
            "pci-serial",
            "virtio-rng",
            "ahci",
        ] {
            assert_eq!(bus(name), Some(ModelBus::Pci), "{name}");
        }
        for (name, on) in [
            ("usb-kbd", ModelBus::Usb),
            ("scsi-hd", ModelBus::Scsi),
            ("virtserialport", ModelBus::Serial),
            ("hda-duplex", ModelBus::Hda),
            ("i2c-ddc", ModelBus::I2c),
        ] {
            assert_eq!(bus(name), Some(on), "{name}");
        }
        for name in ["isa-applesmc", "pc-dimm", "host-x86_64-cpu"] {
            assert_eq!(bus(name), Some(ModelBus::Other), "{name}");
        }
        for name in ["virtio-9p-device", "vhost-user-blk"] {
            assert_eq!(bus(name), Some(ModelBus::Virtio), "{name}");
        }
        for name in [
            "",
            "vmxnet",
            "vmxnet33",
            "VMXNET3",
            "virtio",
            "virtio-9p-",
            "-pci",
            "zzz",
            "-",
            "virtio-gpu-pci-transitional",
        ] {
            assert_eq!(bus(name), None, "{name}");
        }
    }

    #[test]
    fn knows_the_versions() {
        let is_in = |name, version| model(name).and_then(|model| model.is_in(version));
        assert_eq!(is_in("virtio-sound-pci", Version(7, 2, 0)), Some(false));
        assert_eq!(is_in("virtio-sound-pci", Version(8, 2, 0)), None);
        assert_eq!(is_in("virtio-sound-pci", Version(10, 2, 0)), Some(true));
        assert_eq!(is_in("igb", Version(7, 2, 22)), Some(false));
        assert_eq!(is_in("vmxnet3", Version(6, 0, 0)), Some(true));
        assert_eq!(is_in("vmxnet3", Version(12, 0, 0)), None);
        assert_eq!(is_in("pvrdma", Version(10, 0, 13)), Some(false));
    }
}
