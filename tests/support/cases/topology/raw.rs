//! The raw side of a topology: shares, and ports and bridges to put them on, somewhere beside what
//! libvirt has.

use super::super::{Dialect, as_text, chance, doubled, either, pick};
use super::{Bus, Drawing, Kind};
use crate::shares::Shares;
use fastrand::Rng;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl Drawing {
    pub fn raw(&mut self, rng: &mut Rng, shares: &Shares, dialect: Dialect) -> Vec<String> {
        let mut raw = Vec::new();
        let libvirts = self.buses.len();
        for number in 0..pick(rng, &[0, 0, 0, 0, 1, 1, 1, 2]) {
            let word = self.raw_other(rng, dialect, number);
            raw.extend(["-device".to_owned(), word]);
        }
        for number in 0..pick(rng, &[1, 1, 1, 1, 2, 3]) {
            let fsdev = format!("share{number}");
            let path = doubled(&shares.path(pick(rng, &["a", "b"])));
            let model = pick(rng, &["mapped", "none"]);
            let share = [
                "-fsdev".to_owned(),
                format!("local,id={fsdev},path={path},security_model={model}"),
            ];
            let mut device = Map::new();
            device.insert(
                "driver".to_owned(),
                json!(either(
                    rng,
                    85,
                    &["virtio-9p-pci"],
                    &[
                        "virtio-9p-pci-transitional",
                        "virtio-9p-pci-non-transitional",
                        "virtio-9p"
                    ],
                )),
            );
            device.insert("fsdev".to_owned(), json!(fsdev));
            device.insert("mount_tag".to_owned(), json!(format!("tag{number}")));
            let word = self.raw_device(rng, dialect, libvirts, device, &format!("mine{number}"));
            if chance(rng, 90) {
                raw.extend(share);
                raw.extend(["-device".to_owned(), word]);
            } else {
                // In front of everything: a device on a raw bus is then too early.
                let mut front = vec!["-device".to_owned(), word];
                front.extend(share);
                front.append(&mut raw);
                raw = front;
            }
        }
        raw
    }

    pub fn is_q35(&self) -> bool {
        self.q35
    }

    /// A device of any model somewhere: without an address more often than a share.
    pub fn placed(
        &mut self,
        rng: &mut Rng,
        dialect: Dialect,
        device: Map<String, Value>,
        id: &str,
    ) -> String {
        let libvirts = self.buses.len();
        if chance(rng, 35) {
            return match dialect != Dialect::OldText && chance(rng, 40) {
                true => Value::Object(device).to_string(),
                false => as_text(&device),
            };
        }
        self.raw_device(rng, dialect, libvirts, device, id)
    }

    /// Gives a device its id, bus and address, and writes it down.
    fn raw_device(
        &mut self,
        rng: &mut Rng,
        dialect: Dialect,
        libvirts: usize,
        mut device: Map<String, Value>,
        id: &str,
    ) -> String {
        match rng.u32(..100) {
            0..=19 => {}
            20..=23 if !self.ids.is_empty() => {
                let taken = self.ids[rng.usize(..self.ids.len())].clone();
                device.insert("id".to_owned(), json!(taken));
            }
            _ => {
                device.insert("id".to_owned(), json!(id));
                self.ids.push(id.to_owned());
            }
        }
        let bus = if chance(rng, 30) {
            0
        } else {
            rng.usize(..self.buses.len())
        };
        if chance(rng, 92) || bus != 0 {
            let name = if chance(rng, 96) {
                self.buses[bus].name.clone()
            } else {
                let index = self.buses[bus].index.unwrap_or(1);
                pick(rng, &["pci.0", "pcie.0", "pci.99", &format!("pci.{index}")]).to_owned()
            };
            device.insert("bus".to_owned(), json!(name));
        }
        if chance(rng, 88) {
            let (slot, function) = self.somewhere(rng, bus);
            let addr = match (function, rng.u32(..3)) {
                (0, 0) => format!("{slot:x}"),
                (0, 1) => format!("{slot:#x}"),
                (_, 2) => format!("{slot:#x}.{function:#x}"),
                _ => format!("{slot:x}.{function}"),
            };
            let multi = if chance(rng, 22) {
                Some(chance(rng, 80))
            } else {
                None
            };
            if let Some(multi) = multi {
                device.insert("multifunction".to_owned(), json!(multi));
            }
            if chance(rng, 5) && dialect != Dialect::OldText {
                // A number: slot and function in one. Text has no such thing, JSON it must be.
                device.insert("addr".to_owned(), json!(slot * 8 + function));
                return Value::Object(device).to_string();
            }
            device.insert("addr".to_owned(), json!(addr));
            self.buses[bus]
                .taken
                .entry((slot, function))
                .or_insert(multi == Some(true));
        }
        // Where libvirt writes JSON, its buses do not exist yet when a text device is created.
        let own_bus = bus != 0 && bus < libvirts;
        spelled(rng, dialect, if own_bus { 88 } else { 50 }, device)
    }

    /// A slot and a function, more often good than not.
    fn somewhere(&self, rng: &mut Rng, bus: usize) -> (u8, u8) {
        let bus = &self.buses[bus];
        let taken: Vec<(u8, u8)> = bus.taken.keys().copied().collect();
        let free = bus.free_slot(rng);
        match rng.u32(..100) {
            0..=57 => (free.unwrap_or(0), 0),
            58..=63 => (free.unwrap_or(0), rng.u8(1..8)),
            64..=71 if !taken.is_empty() => pick(rng, &taken),
            // Beside one that is there: fine when function 0 has multifunction on.
            72..=87 if !taken.is_empty() => (pick(rng, &taken).0, rng.u8(..8)),
            88..=91 => (0, 0),
            92..=94 => (rng.u8(1..32), 0),
            _ => (free.unwrap_or(1), 0),
        }
    }

    /// Something else that is raw: a port or a bridge of one's own, or just a device in the way.
    fn raw_other(&mut self, rng: &mut Rng, dialect: Dialect, number: u32) -> String {
        let mut device = Map::new();
        let id = format!("my{number}");
        let mut kind = None;
        match rng.u32(..10) {
            0..=3 if self.q35 => {
                let driver = pick(rng, &["pcie-root-port", "pcie-root-port", "ioh3420"]);
                device.insert("driver".to_owned(), json!(driver));
                // libvirt numbers its own with the index of the controller.
                if chance(rng, 90) {
                    let chassis = either(rng, 80, &[40, 41, 42, 77], &[1, 2, 3]);
                    device.insert("chassis".to_owned(), json!(chassis));
                }
                if chance(rng, 20) {
                    device.insert("slot".to_owned(), json!(rng.u8(..3)));
                }
                kind = Some(Kind::Port);
            }
            0..=5 => {
                device.insert("driver".to_owned(), json!("pci-bridge"));
                if chance(rng, 90) {
                    device.insert("chassis_nr".to_owned(), json!(rng.u8(1..60)));
                }
                kind = Some(Kind::Bridge);
            }
            6 if self.q35 => {
                device.insert("driver".to_owned(), json!("pcie-pci-bridge"));
                kind = Some(Kind::Bridge);
            }
            7 if self.q35 => {
                device.insert("driver".to_owned(), json!("i82801b11-bridge"));
                kind = Some(Kind::Wide);
            }
            _ => {
                device.insert("driver".to_owned(), json!("virtio-rng-pci"));
            }
        }
        let libvirts = self.buses.len();
        if kind.is_none() {
            return self.raw_device(rng, dialect, libvirts, device, &id);
        }
        device.insert("id".to_owned(), json!(id));
        self.ids.push(id.clone());
        let bus = if chance(rng, 70) {
            0
        } else {
            rng.usize(..self.buses.len())
        };
        device.insert("bus".to_owned(), json!(self.buses[bus].name));
        if chance(rng, 90) {
            let place = self.somewhere(rng, bus);
            let addr = format!("{:#x}.{:#x}", place.0, place.1);
            device.insert("addr".to_owned(), json!(addr));
            self.buses[bus].taken.entry(place).or_insert(false);
        }
        if let Some(kind) = kind {
            self.buses.push(Bus {
                name: id,
                index: None,
                kind,
                taken: BTreeMap::new(),
            });
        }
        spelled(rng, dialect, if bus == 0 { 50 } else { 90 }, device)
    }
}

/// A device as JSON so often in a hundred, where libvirt writes JSON.
fn spelled(rng: &mut Rng, dialect: Dialect, json: u32, device: Map<String, Value>) -> String {
    let json = match dialect {
        Dialect::Json => chance(rng, json),
        Dialect::ForcedText => chance(rng, 30),
        // QEMU 5.2 has no JSON devices.
        Dialect::OldText => false,
    };
    if json {
        Value::Object(device).to_string()
    } else {
        as_text(&device)
    }
}
