//! The properties `-device virtio-9p-pci` takes, and what a value of each looks like.
//!
//! Read from `-device virtio-9p-pci,help` of Debian's 5.2.0, 7.2.22, 10.0.13 and 11.1.3, and
//! from trying values on the four, as text and (from 7.2) as JSON. `id`, `bus` and `driver`
//! are no properties: QEMU takes them off the argument before it looks for any.

use crate::version::Version;

const V5_2: Version = Version(5, 2, 0);
const V7_2: Version = Version(7, 2, 22);
const V10_0: Version = Version(10, 0, 13);
const V11_1: Version = Version(11, 1, 3);

/// The versions whose properties are known, oldest first.
const SEEN: [Version; 4] = [V5_2, V7_2, V10_0, V11_1];

/// What a value has to look like. All of this was the same on all versions seen, save where it
/// says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text: `on`, `yes`, `true`, `y` or `off`, `no`, `false`, `n`; lower case only, nothing
    /// around it. `ON`, `True`, `1`, `0` and the empty value are refused. The short forms `ats`
    /// and `noats` work; 7.2 and later warn that they are deprecated.
    /// JSON: `true` or `false`; no string, no number, no `null`.
    Bool,
    /// `on`, `off` or `auto`; lower case only, and none of the other spellings of a [`Kind::Bool`].
    /// The short forms `name` (on) and `noname` (off) work. In JSON it is a string, and
    /// `true` is refused.
    OnOffAuto,
    /// Text: as strtoull with base 0 has it, to the end of the word: `16`, `0x10`, `020`; a sign
    /// or blanks before it; `0b11` on 10.0 and 11.1 only, which have a newer glibc. No suffix
    /// (`1k`), no blank after it, not empty, no `08`.
    /// JSON: a number without fraction (`2.0` is refused); never a string.
    ///
    /// Then the value has to fit in 32 bits without sign: `-1` is refused, though
    /// `-18446744073709551615` wraps to 1. Beyond that:
    /// - `acpi-index`: at most 16383, and no other device's;
    /// - `romsize`: a power of two, or 4294967295 for what the file needs;
    /// - `rombar`: 32 bits with a sign from 10.0 on, where -1 is the default;
    /// - `vectors`: more than 2048 is taken with a warning and gives none; 4294967295 aborts.
    Integer,
    /// Text: decimal, where `010` is ten, with a suffix and a fraction if need be (`1k`, `1.5k`,
    /// `2M`; not `1kb`, not `0.5`); or hexadecimal without suffix. At most 4294967295.
    /// JSON: a number; no string, hence no suffix.
    Size,
    /// Any text. In JSON a string; `null` is refused too.
    Text,
    /// The place on the bus. Text and JSON string: slot and function, hexadecimal. JSON number,
    /// -1 to 255: slot times 8 plus function, so that `6` and `"6"` are two places.
    Address,
    /// QEMU knows the name, but there is no use in it for this device: it is not writable
    /// (`type`, `hotplugged`, `busnr`…), or every value is refused (`failover_pair_id`,
    /// `sriov-pf`). `realized=off` is taken and does nothing; `realized=on` crashes QEMU.
    Refused,
}

/// A property of virtio-9p-pci.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Its name; the case counts, and `-` and `_` are two things.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Of the versions seen, the first that has it; `None`: the oldest seen had it.
    pub since: Option<Version>,
    /// Of the versions seen, the last that has it; `None`: the newest seen has it.
    pub until: Option<Version>,
    /// Not there on `virtio-9p-pci-transitional` and `virtio-9p-pci-non-transitional`, whose
    /// names already say what it would.
    pub plain_only: bool,
}

impl Property {
    /// Whether that QEMU has the property; `None` for versions between one that is known to have
    /// it and one that is known not to, and for those older or newer than all that were seen.
    /// The micro number counts, for stable updates have added options before (`max_xattr` of
    /// `-fsdev` is in 10.0.13 and not in 10.2.2).
    pub fn is_in(&self, version: Version) -> Option<bool> {
        let has = |seen: Version| {
            self.since.is_none_or(|since| since <= seen)
                && self.until.is_none_or(|until| seen <= until)
        };
        let before = SEEN.iter().rfind(|seen| **seen <= version);
        let after = SEEN.iter().find(|seen| **seen >= version);
        match (before.map(|seen| has(*seen)), after.map(|seen| has(*seen))) {
            (Some(before), Some(after)) if before == after => Some(before),
            _ => None,
        }
    }
}

/// The property of that name of `virtio-9p-pci`, of whichever version.
///
/// `None`: none of the versions seen has it, and QEMU says `Property 'virtio-9p-pci.…' not found`
/// and does not start. That goes for unknown names with `x-` as well.
pub fn virtio_9p_property(name: &str) -> Option<&'static Property> {
    PROPERTIES
        .binary_search_by(|property| property.name.cmp(name))
        .ok()
        .and_then(|position| PROPERTIES.get(position))
}

const fn property(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        since: None,
        until: None,
        plain_only: false,
    }
}

impl Property {
    const fn since(self, version: Version) -> Self {
        Property {
            since: Some(version),
            ..self
        }
    }

    const fn until(self, version: Version) -> Self {
        Property {
            until: Some(version),
            ..self
        }
    }

    const fn plain(self) -> Self {
        Property {
            plain_only: true,
            ..self
        }
    }
}

/// Sorted by name. Those of the common 9p device behind it (`fsdev`, `mount_tag`, `packed`…) are
/// reached through the PCI device, and are among them.
static PROPERTIES: &[Property] = &[
    property("acpi-index", Kind::Integer).since(V7_2),
    property("addr", Kind::Address),
    property("aer", Kind::Bool).since(V7_2),
    property("any_layout", Kind::Bool),
    property("ats", Kind::Bool),
    property("busnr", Kind::Refused).since(V10_0),
    property("disable-legacy", Kind::OnOffAuto).plain(),
    property("disable-modern", Kind::Bool).plain(),
    property("event_idx", Kind::Bool),
    property("failover_pair_id", Kind::Refused),
    property("fsdev", Kind::Text),
    property("hotpluggable", Kind::Refused),
    property("hotplugged", Kind::Refused),
    property("in_order", Kind::Bool).since(V10_0),
    property("indirect_desc", Kind::Bool),
    property("ioeventfd", Kind::Bool),
    property("iommu_platform", Kind::Bool),
    property("legacy-addr", Kind::Refused).until(V10_0),
    property("migrate-extra", Kind::Bool).until(V10_0),
    property("modern-pio-notify", Kind::Bool),
    property("mount_tag", Kind::Text),
    property("multifunction", Kind::Bool),
    property("notify_on_empty", Kind::Bool),
    property("packed", Kind::Bool),
    property("page-per-vq", Kind::Bool),
    property("parent_bus", Kind::Refused),
    property("queue_reset", Kind::Bool).since(V7_2),
    property("realized", Kind::Refused),
    property("rombar", Kind::Integer),
    property("romfile", Kind::Text),
    property("romsize", Kind::Integer).since(V7_2),
    property("sriov-pf", Kind::Refused).since(V11_1),
    property("type", Kind::Refused),
    property("use-disabled-flag", Kind::Bool),
    property("use-started", Kind::Bool),
    property("vectors", Kind::Integer),
    property("virtio-backend", Kind::Refused),
    property("virtio-pci-bus-master-bug-migration", Kind::Bool),
    property("x-ats-page-aligned", Kind::Bool).since(V7_2),
    property("x-disable-legacy-check", Kind::Bool),
    property("x-disable-pcie", Kind::Bool).until(V10_0),
    property("x-ignore-backend-features", Kind::Bool).until(V10_0),
    property("x-max-bounce-buffer-size", Kind::Size).since(V10_0),
    property("x-pcie-ari-nextfn-1", Kind::Bool).since(V10_0),
    property("x-pcie-deverr-init", Kind::Bool).until(V10_0),
    property("x-pcie-err-unc-mask", Kind::Bool).since(V10_0),
    property("x-pcie-ext-tag", Kind::Bool).since(V10_0),
    property("x-pcie-extcap-init", Kind::Bool).until(V10_0),
    property("x-pcie-flr-init", Kind::Bool),
    property("x-pcie-lnkctl-init", Kind::Bool).until(V10_0),
    property("x-pcie-lnksta-dllla", Kind::Bool),
    property("x-pcie-pm-init", Kind::Bool).until(V10_0),
    property("x-pcie-pm-no-soft-reset", Kind::Bool).since(V10_0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted() {
        assert!(PROPERTIES.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn finds_every_property_and_nothing_else() {
        for property in PROPERTIES {
            assert_eq!(virtio_9p_property(property.name), Some(property));
        }
        for name in [
            "",
            "id",
            "bus",
            "driver",
            "path",
            "Ats",
            "mount-tag",
            "x-nosuch",
        ] {
            assert_eq!(virtio_9p_property(name), None, "{name}");
        }
    }

    #[test]
    fn knows_the_kinds() {
        let kind = |name| virtio_9p_property(name).map(|property| property.kind);
        assert_eq!(kind("mount_tag"), Some(Kind::Text));
        assert_eq!(kind("multifunction"), Some(Kind::Bool));
        assert_eq!(kind("disable-legacy"), Some(Kind::OnOffAuto));
        assert_eq!(kind("disable-modern"), Some(Kind::Bool));
        assert_eq!(kind("vectors"), Some(Kind::Integer));
        assert_eq!(kind("addr"), Some(Kind::Address));
        assert_eq!(kind("realized"), Some(Kind::Refused));
    }

    #[test]
    fn knows_the_versions() {
        let is_in = |name, version| virtio_9p_property(name).and_then(|p| p.is_in(version));
        assert_eq!(is_in("fsdev", Version(8, 1, 0)), Some(true));
        assert_eq!(is_in("fsdev", Version(4, 2, 0)), None);
        assert_eq!(is_in("aer", Version(5, 2, 0)), Some(false));
        assert_eq!(is_in("aer", Version(6, 0, 0)), None);
        assert_eq!(is_in("aer", Version(7, 2, 0)), None);
        assert_eq!(is_in("aer", Version(9, 0, 0)), Some(true));
        assert_eq!(is_in("migrate-extra", Version(10, 0, 0)), Some(true));
        assert_eq!(is_in("migrate-extra", Version(10, 1, 0)), None);
        assert_eq!(is_in("migrate-extra", Version(11, 1, 3)), Some(false));
        assert_eq!(is_in("sriov-pf", Version(10, 0, 13)), Some(false));
        assert_eq!(is_in("fsdev", Version(12, 0, 0)), None);
    }
}
