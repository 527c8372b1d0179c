//! Family d: buses, bridges, ports and who sits where.
//!
//! libvirt's side is drawn first, always without a collision; then raw devices are put next to it,
//! on free and on taken places, on its buses and on buses of their own.

mod endpoints;
mod overrides;
mod own;
mod raw;
mod shares;

use super::{Case, Dialect, Own, chance, is_q35, pick};
use crate::shares::Shares;
use fastrand::Rng;
use std::collections::BTreeMap;

/// What kind of bus, hence which slots and which devices libvirt puts there
/// (domain_addr.c:virDomainPCIAddressBusSetModel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// pcie.0 and pci.0.
    Root,
    /// A root port or the downstream port of a switch: slot 0 only.
    Port,
    /// pci-bridge, pcie-pci-bridge.
    Bridge,
    /// i82801b11-bridge, pxb.
    Wide,
    /// x3130-upstream: downstream ports only.
    Upstream,
    /// pxb-pcie: root ports only.
    Expander,
}

impl Kind {
    fn slots(self) -> std::ops::RangeInclusive<u8> {
        match self {
            Self::Root | Self::Bridge => 1..=31,
            Self::Port => 0..=0,
            Self::Wide | Self::Upstream | Self::Expander => 0..=31,
        }
    }
}

#[derive(Debug, Clone)]
struct Bus {
    name: String,
    /// libvirt's number; raw buses have none.
    index: Option<u32>,
    kind: Kind,
    /// Slot and function, and whether it has multifunction on.
    taken: BTreeMap<(u8, u8), bool>,
}

impl Bus {
    fn slot_is_free(&self, slot: u8) -> bool {
        (0..8).all(|function| !self.taken.contains_key(&(slot, function)))
    }

    fn free_slot(&self, rng: &mut Rng) -> Option<u8> {
        let free: Vec<u8> = self
            .kind
            .slots()
            .filter(|s| self.slot_is_free(*s))
            .collect();
        // Low slots more often: that is where everybody is.
        let end = if chance(rng, 70) {
            free.len().min(6)
        } else {
            free.len()
        };
        (end > 0).then(|| pick(rng, &free[..end]))
    }
}

/// The domain while it is drawn.
pub struct Drawing {
    q35: bool,
    buses: Vec<Bus>,
    own: Vec<Own>,
    /// Every id of a device so far.
    ids: Vec<String>,
    next_index: u32,
    /// How many there are of each name that libvirt numbers.
    counts: BTreeMap<&'static str, u8>,
}

pub fn case(rng: &mut Rng, shares: &Shares) -> Case {
    with(rng, shares, Drawing::raw)
}

/// A case in which no device of libvirt's is moved.
pub fn unmoved(rng: &mut Rng, shares: &Shares) -> Case {
    draw(rng, shares, Drawing::raw, false)
}

/// A case whose raw words this makes.
pub fn with(rng: &mut Rng, shares: &Shares, raw: Raw) -> Case {
    draw(rng, shares, raw, true)
}

type Raw = fn(&mut Drawing, &mut Rng, &Shares, Dialect) -> Vec<String>;

fn draw(rng: &mut Rng, shares: &Shares, raw: Raw, moves: bool) -> Case {
    let dialect = pick(
        rng,
        &[
            Dialect::Json,
            Dialect::Json,
            Dialect::Json,
            Dialect::OldText,
            Dialect::ForcedText,
        ],
    );
    let machine = if dialect == Dialect::OldText {
        // QEMU 5.2 is assumed there, which has nothing newer.
        pick(
            rng,
            &[
                "pc-q35-5.2",
                "pc-q35-5.2",
                "pc-i440fx-5.2",
                "pc-i440fx-4.2",
                "pc-q35-4.2",
            ],
        )
    } else {
        pick(
            rng,
            &[
                "pc-q35-7.2",
                "pc-q35-7.2",
                "q35",
                "pc-q35-6.1",
                "pc-q35-6.0",
                "pc-i440fx-7.2",
                "pc-i440fx-7.2",
                "pc",
                "pc-i440fx-5.2",
            ],
        )
    };
    let acpi = !chance(rng, 12);
    let mut drawing = Drawing::new(is_q35(machine), acpi);
    drawing.controllers(rng);
    for _ in 0..rng.u32(..5) {
        drawing.endpoint(rng);
    }
    if chance(rng, 10) {
        drawing.file_system(rng, shares);
    }
    drawing.own.sort_by_key(order);
    let overrides = match moves {
        true => drawing.overrides(rng, dialect),
        false => Vec::new(),
    };
    let mut raw = raw(&mut drawing, rng, shares, dialect);
    // Beside one that is moved, where it is or where it would have been.
    if !overrides.is_empty() && chance(rng, 50) {
        let own = pick(rng, &overrides.iter().collect::<Vec<_>>());
        let moved = drawing.own.iter().find(|one| one.device["id"] == own.0);
        let place = |name: &str| {
            let new = overrides.iter().find(|one| one.0 == own.0 && one.1 == name);
            let new = new.and_then(|one| one.2.as_ref());
            let old = moved.and_then(|one| one.device.get(name));
            new.or(old)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        let old = moved
            .and_then(|one| one.device["addr"].as_str())
            .map(str::to_owned);
        let addr = if chance(rng, 60) { place("addr") } else { old };
        if let (Some(bus), Some(addr)) = (place("bus"), addr) {
            let mut device = serde_json::Map::new();
            for (key, value) in [
                ("driver", "virtio-rng-pci"),
                ("bus", &*bus),
                ("addr", &*addr),
            ] {
                device.insert(key.to_owned(), value.into());
            }
            raw.push("-device".to_owned());
            raw.push(match chance(rng, 50) && dialect != Dialect::OldText {
                true => serde_json::Value::Object(device).to_string(),
                false => super::as_text(&device),
            });
        }
    }
    Case {
        machine,
        acpi,
        dialect,
        decoy: chance(rng, 10),
        own: drawing.own,
        raw,
        overrides,
    }
}

/// A domain without raw arguments, and the shares of libvirt's own that it has besides.
pub fn shared(rng: &mut Rng, shares: &Shares) -> (Case, Vec<String>) {
    let acpi = !chance(rng, 12);
    let machine = pick(
        rng,
        &["pc-q35-7.2", "pc-q35-6.0", "pc-i440fx-7.2", "pc-i440fx-5.2"],
    );
    let mut drawing = Drawing::new(is_q35(machine), acpi);
    drawing.controllers(rng);
    for _ in 0..rng.u32(..5) {
        drawing.endpoint(rng);
    }
    let elements = (0..rng.usize(1..5))
        .filter_map(|number| drawing.share(rng, shares, number))
        .collect();
    drawing.own.sort_by_key(order);
    let case = Case {
        machine,
        acpi,
        dialect: pick(rng, &[Dialect::Json, Dialect::OldText, Dialect::ForcedText]),
        decoy: chance(rng, 30),
        own: drawing.own,
        raw: Vec::new(),
        overrides: Vec::new(),
    };
    (case, elements)
}

/// libvirt's order on the command line (qemu_command.c:qemuBuildCommandLine).
fn order(own: &Own) -> usize {
    let kinds = [
        "<controller",
        "<disk",
        "<filesystem",
        "<interface",
        "<serial",
        "<input",
        "<sound",
        "<video",
        "<hostdev",
        "<watchdog",
        "<memballoon",
        "<rng",
        "<shmem",
        "<vsock",
    ];
    let place = kinds.iter().position(|kind| own.xml.starts_with(kind));
    place.expect("a kind that is known")
}

impl Drawing {
    fn new(q35: bool, acpi: bool) -> Self {
        // The functions the machine itself has (info qtree; the same from QEMU 5.2 to 11.1).
        let taken = if q35 {
            [
                ((0, 0), false),
                ((0x1f, 0), true),
                ((0x1f, 2), false),
                ((0x1f, 3), false),
            ]
            .into()
        } else {
            let mut taken: BTreeMap<_, _> =
                [((0, 0), false), ((1, 0), true), ((1, 1), false)].into();
            if acpi {
                taken.insert((1, 3), false);
            }
            taken
        };
        let root = Bus {
            name: if q35 { "pcie.0" } else { "pci.0" }.to_owned(),
            index: Some(0),
            kind: Kind::Root,
            taken,
        };
        Self {
            q35,
            buses: vec![root],
            own: Vec::new(),
            ids: Vec::new(),
            next_index: 1,
            counts: BTreeMap::new(),
        }
    }
}
