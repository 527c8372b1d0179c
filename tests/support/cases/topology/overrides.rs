//! `<qemu:override>` that moves devices of libvirt's: to free places and to taken ones, to other
//! buses and to none, and by values that are no address.

use super::super::{Dialect, chance, pick};
use super::Drawing;
use fastrand::Rng;
use serde_json::{Value, json};

/// Alias, name, and what it becomes.
type Override = (String, &'static str, Option<Value>);

impl Drawing {
    /// What is moved of what libvirt has.
    pub fn overrides(&mut self, rng: &mut Rng, dialect: Dialect) -> Vec<Override> {
        let mut all = Vec::new();
        // It is as new as libvirt 8.2.
        if dialect == Dialect::OldText || self.own.is_empty() || !chance(rng, 25) {
            return all;
        }
        for _ in 0..pick(rng, &[1, 1, 2]) {
            let own = &self.own[rng.usize(..self.own.len())];
            let id = own.device["id"].as_str().unwrap().to_owned();
            let home = own.device["bus"].clone();
            let controller = own.xml.starts_with("<controller type='pci'");
            let mut bus = self.buses.iter().position(|bus| home == bus.name.as_str());
            // Which of them goes where is QEMU's to say of bridges alone.
            if chance(rng, 30) && !controller {
                let other = rng.usize(..self.buses.len());
                let name = match chance(rng, 90) {
                    true => {
                        bus = Some(other);
                        self.buses[other].name.clone()
                    }
                    false => pick(rng, &["pci.99", "pcie.0", "pci.0", "mine0"]).to_owned(),
                };
                all.push((id.clone(), "bus", Some(json!(name))));
            }
            if chance(rng, 85) {
                let value = self.address(rng, bus.unwrap_or(0));
                all.push((id.clone(), "addr", Some(value)));
            }
            if chance(rng, 20) {
                let value = match rng.u32(..6) {
                    0 => Some(json!("on")),
                    1 => None,
                    2 => Some(json!(false)),
                    _ => Some(json!(true)),
                };
                all.push((id, "multifunction", value));
            }
        }
        all
    }

    fn address(&self, rng: &mut Rng, bus: usize) -> Value {
        let taken: Vec<(u8, u8)> = self.buses[bus].taken.keys().copied().collect();
        let (slot, function) = match rng.u32(..10) {
            0..=3 if !taken.is_empty() => pick(rng, &taken),
            4 if !taken.is_empty() => (pick(rng, &taken).0, rng.u8(..8)),
            5 => (rng.u8(..32), rng.u8(..8)),
            _ => (self.buses[bus].free_slot(rng).unwrap_or(0), 0),
        };
        match rng.u32(..20) {
            0 => json!(u32::from(slot) * 8 + u32::from(function)),
            1 => json!(pick(rng, &["0x20", "5.8", "", "x", "00:05.0"])),
            2 => json!(pick(rng, &[256, 300, -2])),
            3 => json!(true),
            _ if function == 0 => json!(format!("{slot:#x}")),
            _ => json!(format!("{slot:#x}.{function:#x}")),
        }
    }
}
