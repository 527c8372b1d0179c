//! Which addresses libvirt gives its next devices: what `check` says of a raw device is what the
//! real libvirt does, and what is proposed it never gives out.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_ADDRESSES` says how many domains there are (40).

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/cases/mod.rs"]
#[allow(dead_code)] // each test uses its part
mod cases;
#[path = "support/libvirtd.rs"]
#[allow(dead_code)] // each test uses its part
mod libvirtd;
#[path = "support/linter.rs"]
#[allow(dead_code)] // each test uses its part
mod linter;
#[path = "support/shares.rs"]
#[allow(dead_code)] // each test uses its part
mod shares;

use cases::{chance, pick};
use fastrand::Rng;
use libvirtd::Libvirtd;
use linter::Versions;
use shares::Shares;
use std::collections::BTreeSet;
use std::io::Write as _;

/// A function of a bus, by libvirt's number.
type At = (u32, u8, u8);

#[test]
#[ignore = "needs real libvirt"]
fn libvirts_next_devices() {
    let libvirtd = Libvirtd::start();
    let shares = Shares::new();
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    let seed = number("VIRT9P_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let cases = number("VIRT9P_ADDRESSES").unwrap_or(40);
    let _ = writeln!(std::io::stderr(), "addresses: VIRT9P_SEED={seed}");
    let (mut warned, mut quiet) = (0, 0);
    for case in 0..cases {
        let mut rng = Rng::with_seed(seed ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let label = format!("VIRT9P_SEED={seed}, case {case}");
        let (drawn, _) = cases::topology::shared(&mut rng, &shares);
        let xml = drawn
            .xml()
            .replace("  <qemu:commandline>\n  </qemu:commandline>\n", "");
        let before = libvirtd
            .formatted("generated", &xml)
            .unwrap_or_else(|error| panic!("{label}: {error}\n{xml}"));
        let conventional = drawn.is_q35() && chance(&mut rng, 30);
        let next = next_devices(&libvirtd, &before, conventional);
        // To the very first device libvirt gives a spare port as well, and to the first conventional
        // one a bridge with its port.
        let port = before.contains("model='pcie-root-port'");
        let first = next.first().map_or(0, BTreeSet::len);
        if drawn.is_q35() && (!port || conventional && first > 1) {
            continue;
        }
        for at in raw_places(&mut rng, &before, drawn.is_q35()) {
            let raw = with_share(&before, drawn.is_q35(), at);
            let versions = Versions {
                libvirt: "9.0.0".to_owned(),
                qemu: "7.2.0".to_owned(),
            };
            let report = linter::check(&raw, &versions, shares.root());
            let said = report
                .findings
                .iter()
                .find(|one| one.code == "address-next");
            // Also of the other kind, which is not asked here.
            let said = said.filter(|one| one.message.contains("conventional") == conventional);
            let comes = next.iter().position(|functions| functions.contains(&at));
            let words = comes.map(|number| match number + 1 {
                1 => "the next".to_owned(),
                2 => "the 2nd".to_owned(),
                3 => "the 3rd".to_owned(),
                number => format!("the {number}th"),
            });
            if report.errors().count() > 0 {
                continue;
            }
            match (said, words) {
                (None, None) => quiet += 1,
                (Some(finding), Some(words)) if finding.message.contains(&words) => warned += 1,
                (said, words) => panic!(
                    "{label}: at {at:?} {:?}, but libvirt: {words:?} {next:?}\n{raw}",
                    said.map(|one| &one.message)
                ),
            }
        }
    }
    let cases = usize::try_from(cases).unwrap();
    assert!(
        warned > cases / 4 && quiet > cases / 2,
        "too few: {warned} {quiet}"
    );
}

/// What libvirt gives to each of eight more devices: the functions that it then has and had not.
fn next_devices(libvirtd: &Libvirtd, before: &str, conventional: bool) -> Vec<BTreeSet<At>> {
    let more = match conventional {
        true => "<interface type='user'><model type='rtl8139'/></interface>",
        false => "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    };
    let mut known = taken(before);
    (1..=8)
        .map_while(|number| {
            let xml = before.replace(
                "  </devices>",
                &format!("{}</devices>", more.repeat(number)),
            );
            // Its bus may be full.
            let after = taken(&libvirtd.formatted("generated", &xml).ok()?);
            let new: BTreeSet<At> = after.difference(&known).copied().collect();
            known = after;
            Some(new)
        })
        .collect()
}

/// Every function that a device of libvirt's has.
fn taken(dump: &str) -> BTreeSet<At> {
    let domain = virt_9p::domain::read(dump, virt_9p::domain::Origin::File).unwrap();
    let devices = domain.devices.iter();
    let devices = devices.filter_map(|device| device.pci);
    devices
        .map(|pci| (pci.bus, pci.slot, pci.function))
        .collect()
}

/// Places for a raw share: low ones, free ports, what libvirt never gives out.
fn raw_places(rng: &mut Rng, dump: &str, q35: bool) -> Vec<At> {
    let buses: Vec<u32> = dump
        .split("<controller type='pci' index='")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next()?.parse().ok())
        .collect();
    let mut places: Vec<At> = (0..6)
        .map(|_| {
            (
                pick(rng, &buses),
                pick(rng, &[0, 0, 1, 2, 3, 4, 5, 6, 9]),
                0,
            )
        })
        .collect();
    // Beside what is there already.
    let beside = taken(dump).into_iter().filter(|(bus, _, _)| *bus == 0);
    places.extend(beside.map(|(bus, slot, _)| (bus, slot, rng.u8(1..8))));
    places.extend(if q35 {
        [(0, 0x1f, 4), (0, 0x1f, 1)]
    } else {
        [(0, 1, 4), (0, 1, 7)]
    });
    places
}

fn with_share(dump: &str, q35: bool, at: At) -> String {
    let bus = match at.0 {
        0 if q35 => "pcie.0".to_owned(),
        number => format!("pci.{number}"),
    };
    let uri = "http://libvirt.org/schemas/domain/qemu/1.0";
    let words = [
        "-fsdev".to_owned(),
        "local,id=s,path=/srv,security_model=none".to_owned(),
        "-device".to_owned(),
        format!(
            r#"{{"driver":"virtio-9p-pci","fsdev":"s","mount_tag":"s","bus":"{bus}","addr":"{:x}.{}"}}"#,
            at.1, at.2
        ),
    ];
    let args: String = words
        .iter()
        .map(|word| format!("<q:arg value='{word}'/>"))
        .collect();
    dump.replace(
        "</domain>",
        &format!("<q:commandline xmlns:q='{uri}'>{args}</q:commandline></domain>"),
    )
}
