//! Shares of libvirt's own, of every kind that it can say, for the tests of `convert`.

use super::super::{chance, pick};
use super::{Bus, Drawing, Kind};
use crate::shares::{GOOD, Shares};
use fastrand::Rng;
use serde_json::Map;

/// Mount tags; each gets a number, and 31 bytes are the most.
const TAGS: &[&str] = &[
    "share",
    "b c",
    "a,b,,",
    "it's",
    "\"q\"",
    "<&>",
    "é→",
    "x=y",
    "fs",
    "share-1",
    "",
    "-/.",
    "&amp;",
    "a tag of twenty-nine bytes it",
];

impl Drawing {
    /// An element, with an address that nothing else has.
    pub fn share(&mut self, rng: &mut Rng, shares: &Shares, number: usize) -> Option<String> {
        let kinds = [Kind::Root, Kind::Port, Kind::Bridge, Kind::Wide];
        let bus = self.find(rng, &kinds)?;
        let slot = self.buses[bus].free_slot(rng)?;
        let multi = chance(rng, 10);
        let id = format!("fs{number}");
        let address = self.place(bus, slot, 0, multi, &id, &mut Map::new());
        let mut head = "<filesystem type='mount'".to_owned();
        let mapped = chance(rng, 70);
        match (mapped, chance(rng, 50)) {
            (true, _) => head.push_str(" accessmode='mapped'"),
            (false, true) => head.push_str(" accessmode='squash'"),
            // The default.
            (false, false) => {}
        }
        if let Some(model) = model(rng, &self.buses[bus]) {
            head.push_str(&format!(" model='{model}'"));
        }
        let attribute = |name: &str, values: &[&str], rng: &mut Rng| match chance(rng, 40) {
            true => format!(" {name}='{}'", pick(rng, values)),
            false => String::new(),
        };
        head.push_str(&attribute(
            "multidevs",
            &["remap", "forbid", "warn", "default"],
            rng,
        ));
        if mapped {
            head.push_str(&attribute("fmode", &["0644", "640", "0600", "0"], rng));
            head.push_str(&attribute("dmode", &["0755", "750", "00700", "0"], rng));
        }
        let driver = pick(
            rng,
            &[
                "",
                "",
                "<driver type='path'/>",
                "<driver type='path' wrpolicy='immediate'/>",
                "<driver wrpolicy='immediate'/>",
            ],
        );
        let path = shares.path(pick(rng, GOOD));
        let tag = format!("{}{number}", pick(rng, TAGS));
        let readonly = if chance(rng, 30) { "<readonly/>" } else { "" };
        let alias = match rng.u32(..6) {
            0 => format!("<alias name='ua-share.{number}'/>"),
            1 => format!("<alias name='{id}'/>"),
            _ => String::new(),
        };
        Some(format!(
            "{head}>{driver}<source dir='{}'/><target dir='{}'/>{readonly}{alias}{address}</filesystem>",
            super::super::escape(&path),
            super::super::escape(&tag)
        ))
    }
}

/// libvirt wants a transitional device on a conventional bus, and takes the others anywhere.
fn model(rng: &mut Rng, bus: &Bus) -> Option<&'static str> {
    let conventional = matches!(bus.kind, Kind::Bridge | Kind::Wide) || bus.name == "pci.0";
    match rng.u32(..6) {
        0 => Some("virtio"),
        1 if conventional => Some("virtio-transitional"),
        2 => Some("virtio-non-transitional"),
        _ => None,
    }
}
