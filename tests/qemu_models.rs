//! The table of device models against a real QEMU: each name that it prints, on the kind of bus
//! that it prints, and no name that it does not print.
//!
//! `VIRT9P_QEMU` names another QEMU, one of those that the table was made from.

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/judge.rs"]
#[allow(dead_code)] // each test uses its part
mod judge;

use std::collections::BTreeMap;
use std::process::Command;
use virt_9p::qemu::device_models::{self, ModelBus};
use virt_9p::qemu::option_table;
use virt_9p::qemu::seen_versions::SEEN;
use virt_9p::version::Version;

/// Models and their buses, as `-device help` prints them: none for those that go on none.
fn printed() -> BTreeMap<String, String> {
    let mut models = BTreeMap::new();
    // Each has devices that the other has not.
    for machine in ["none", "pc"] {
        let output = Command::new(judge::program())
            .args(["-machine", machine, "-device", "help"])
            .output()
            .expect("these tests need qemu-system-x86_64");
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            // name "virtio-rng-pci", bus PCI, alias "virtio-rng", desc "…"
            let Some(rest) = line.strip_prefix("name \"") else {
                continue;
            };
            let (name, rest) = rest.split_once('"').unwrap();
            let after = |key: &str| rest.split_once(key).map(|(_, value)| value);
            let bus = after(", bus ").map_or("", |rest| rest.split(',').next().unwrap());
            models.insert(name.to_owned(), bus.to_owned());
            if let Some(alias) = after(", alias \"") {
                let alias = alias.split('"').next().unwrap();
                models.insert(alias.to_owned(), bus.to_owned());
            }
        }
    }
    models
}

#[test]
#[ignore = "needs real QEMU"]
fn the_table_says_what_qemu_prints() {
    let version: Version = judge::version().parse().unwrap();
    let printed = printed();
    assert!(printed.len() > 200, "{printed:?}");
    let mut wrong = Vec::new();
    for (name, bus) in &printed {
        let is = match bus.as_str() {
            "PCI" => ModelBus::Pci,
            "virtio-bus" => ModelBus::Virtio,
            "usb-bus" => ModelBus::Usb,
            "SCSI" => ModelBus::Scsi,
            "virtio-serial-bus" => ModelBus::Serial,
            "HDA" => ModelBus::Hda,
            "i2c-bus" => ModelBus::I2c,
            _ => ModelBus::Other,
        };
        match device_models::model(name) {
            None => wrong.push(format!("{name} is not in the table")),
            Some(model) if model.bus != is => wrong.push(format!("{name} is on {bus}")),
            Some(model) if model.is_in(version) == Some(false) => {
                wrong.push(format!("{name} is in {version}"));
            }
            Some(_) => {}
        }
    }
    for name in device_models::names() {
        let model = device_models::model(&name).unwrap();
        if model.is_in(version) == Some(true) && !printed.contains_key(&name) {
            wrong.push(format!("{name} is not in {version}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs real QEMU"]
fn options_are_gone_when_the_table_says_so() {
    let version: Version = judge::version().parse().unwrap();
    let mut wrong = Vec::new();
    for (name, by) in option_table::removed() {
        // It looks for unknown options first.
        let output = Command::new(judge::program())
            .args([&*format!("-{name}"), "x", "-version"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).contains("invalid option");
        if said != (version >= SEEN[usize::from(by) - 1]) {
            wrong.push(format!("{name} is gone by {by}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
