//! The properties `-device virtio-9p-pci` takes, and what a value of each looks like.
//!
//! Read from `-device virtio-9p-pci,help` of Debian's 5.2.0, 7.2.22, 10.0.13 and 11.1.3, and
//! from trying values on the four, as text and (from 7.2) as JSON. `id`, `bus` and `driver`
//! are no properties: QEMU takes them off the argument before it looks for any.

use crate::qemu::seen_versions::{self, SEEN, V7_2, V10_0, V11_1};
use crate::version::Version;

/// What a value has to look like. All of this was the same on all versions seen, save where it
/// says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Text: `on`, `yes`, `true`, `y` or `off`, `no`, `false`, `n`; lower case only, nothing
    /// around it. `ON`, `True`, `1`, `0` and the empty value are refused. The short forms `ats`
    /// and `noats` work; 7.2 and later warn that they are deprecated.
    /// JSON: `true` or `false`; no string, no number, no `null`.
    Bool,
    /// `on`, `off` or `auto`; lower case only, and none of the other spellings of a
    /// [`ValueKind::Bool`]. The short forms `name` (on) and `noname` (off) work. In JSON it is a
    /// string, and `true` is refused.
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
pub struct KnownProperty {
    /// Its name; the case counts, and `-` and `_` are two things.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: ValueKind,
    /// Of the versions seen, the first that has it; `None`: the oldest seen had it.
    pub since: Option<Version>,
    /// Of the versions seen, the last that has it; `None`: the newest seen has it.
    pub until: Option<Version>,
    /// Not there on `virtio-9p-pci-transitional` and `virtio-9p-pci-non-transitional`, whose
    /// names already say what it would.
    pub plain_only: bool,
}

impl KnownProperty {
    /// Whether that QEMU has the property, where that is known.
    pub fn is_in(&self, version: Version) -> Option<bool> {
        let has = |seen: usize| {
            SEEN.get(seen).is_some_and(|seen| {
                self.since.is_none_or(|since| since <= *seen)
                    && self.until.is_none_or(|until| *seen <= until)
            })
        };
        seen_versions::is_in(version, has)
    }
}

/// The property of that name of `virtio-9p-pci`, of whichever version.
///
/// `None`: none of the versions seen has it, and QEMU says `Property 'virtio-9p-pci.…' not
/// found` and does not start. That goes for unknown names with `x-` as well.
pub fn virtio_9p_property(name: &str) -> Option<&'static KnownProperty> {
    PROPERTIES
        .binary_search_by(|property| property.name.cmp(name))
        .ok()
        .and_then(|position| PROPERTIES.get(position))
}

/// The names of all that there is a use for.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    let useful = PROPERTIES
        .iter()
        .filter(|one| one.kind != ValueKind::Refused);
    useful.map(|property| property.name)
}

const fn property(name: &'static str, kind: ValueKind) -> KnownProperty {
    KnownProperty {
        name,
        kind,
        since: None,
        until: None,
        plain_only: false,
    }
}

impl KnownProperty {
    const fn since(self, version: Version) -> Self {
        KnownProperty {
            since: Some(version),
            ..self
        }
    }

    const fn until(self, version: Version) -> Self {
        KnownProperty {
            until: Some(version),
            ..self
        }
    }

    const fn plain(self) -> Self {
        KnownProperty {
            plain_only: true,
            ..self
        }
    }
}

/// Sorted by name. Those of the common 9p device behind it (`fsdev`, `mount_tag`, `packed`…) are
/// reached through the PCI device, and are among them.
static PROPERTIES: &[KnownProperty] = &[
    property("acpi-index", ValueKind::Integer).since(V7_2),
    property("addr", ValueKind::Address),
    property("aer", ValueKind::Bool).since(V7_2),
    property("any_layout", ValueKind::Bool),
    property("ats", ValueKind::Bool),
    property("busnr", ValueKind::Refused).since(V10_0),
    property("disable-legacy", ValueKind::OnOffAuto).plain(),
    property("disable-modern", ValueKind::Bool).plain(),
    property("event_idx", ValueKind::Bool),
    property("failover_pair_id", ValueKind::Refused),
    property("fsdev", ValueKind::Text),
    property("hotpluggable", ValueKind::Refused),
    property("hotplugged", ValueKind::Refused),
    property("in_order", ValueKind::Bool).since(V10_0),
    property("indirect_desc", ValueKind::Bool),
    property("ioeventfd", ValueKind::Bool),
    property("iommu_platform", ValueKind::Bool),
    property("legacy-addr", ValueKind::Refused).until(V10_0),
    property("migrate-extra", ValueKind::Bool).until(V10_0),
    property("modern-pio-notify", ValueKind::Bool),
    property("mount_tag", ValueKind::Text),
    property("multifunction", ValueKind::Bool),
    property("notify_on_empty", ValueKind::Bool),
    property("packed", ValueKind::Bool),
    property("page-per-vq", ValueKind::Bool),
    property("parent_bus", ValueKind::Refused),
    property("queue_reset", ValueKind::Bool).since(V7_2),
    property("realized", ValueKind::Refused),
    property("rombar", ValueKind::Integer),
    property("romfile", ValueKind::Text),
    property("romsize", ValueKind::Integer).since(V7_2),
    property("sriov-pf", ValueKind::Refused).since(V11_1),
    property("type", ValueKind::Refused),
    property("use-disabled-flag", ValueKind::Bool),
    property("use-started", ValueKind::Bool),
    property("vectors", ValueKind::Integer),
    property("virtio-backend", ValueKind::Refused),
    property("virtio-pci-bus-master-bug-migration", ValueKind::Bool),
    property("x-ats-page-aligned", ValueKind::Bool).since(V7_2),
    property("x-disable-legacy-check", ValueKind::Bool),
    property("x-disable-pcie", ValueKind::Bool).until(V10_0),
    property("x-ignore-backend-features", ValueKind::Bool).until(V10_0),
    property("x-max-bounce-buffer-size", ValueKind::Size).since(V10_0),
    property("x-pcie-ari-nextfn-1", ValueKind::Bool).since(V10_0),
    property("x-pcie-deverr-init", ValueKind::Bool).until(V10_0),
    property("x-pcie-err-unc-mask", ValueKind::Bool).since(V10_0),
    property("x-pcie-ext-tag", ValueKind::Bool).since(V10_0),
    property("x-pcie-extcap-init", ValueKind::Bool).until(V10_0),
    property("x-pcie-flr-init", ValueKind::Bool),
    property("x-pcie-lnkctl-init", ValueKind::Bool).until(V10_0),
    property("x-pcie-lnksta-dllla", ValueKind::Bool),
    property("x-pcie-pm-init", ValueKind::Bool).until(V10_0),
    property("x-pcie-pm-no-soft-reset", ValueKind::Bool).since(V10_0),
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
        assert_eq!(kind("mount_tag"), Some(ValueKind::Text));
        assert_eq!(kind("multifunction"), Some(ValueKind::Bool));
        assert_eq!(kind("disable-legacy"), Some(ValueKind::OnOffAuto));
        assert_eq!(kind("disable-modern"), Some(ValueKind::Bool));
        assert_eq!(kind("vectors"), Some(ValueKind::Integer));
        assert_eq!(kind("addr"), Some(ValueKind::Address));
        assert_eq!(kind("realized"), Some(ValueKind::Refused));
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
