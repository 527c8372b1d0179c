//! libvirt's side of a topology: controllers and devices as libvirt 9.0 would lay them out and
//! write them down, never in each other's way.

use super::super::{Own, chance, doubled, pick};
use super::{Bus, Drawing, Kind};
use crate::shares::Shares;
use fastrand::Rng;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl Drawing {
    pub fn controllers(&mut self, rng: &mut Rng) {
        if self.q35 {
            self.root_ports(rng);
            for _ in 0..rng.u32(..4) {
                self.another_pcie(rng);
            }
        } else {
            for _ in 0..rng.u32(..4) {
                let expander = chance(rng, 20);
                let place = if expander {
                    Some(0)
                } else {
                    self.find(rng, &[Kind::Root, Kind::Bridge, Kind::Wide])
                };
                let Some(parent) = place else { continue };
                if expander {
                    let bus_nr = 254 - 8 * self.next_index;
                    self.controller(
                        rng,
                        "pci-expander-bus",
                        "pxb",
                        parent,
                        None,
                        Kind::Wide,
                        &[("bus_nr", json!(bus_nr))],
                        &format!("<model name='pxb'/><target busNr='{bus_nr}'/>"),
                    );
                } else {
                    self.bridge(rng, parent);
                }
            }
        }
    }

    /// Root ports as libvirt lays them out: eight functions of slot 2, or a slot each.
    fn root_ports(&mut self, rng: &mut Rng) {
        let count = rng.u8(..6);
        let together = chance(rng, 60);
        let first = rng.u8(1..=4);
        for number in 0..count {
            let place = if together {
                (first, number)
            } else {
                (first + number, 0)
            };
            self.port(rng, 0, Some((place, together && number == 0 && count > 1)));
        }
    }

    fn port(&mut self, rng: &mut Rng, parent: usize, place: Option<((u8, u8), bool)>) {
        let chassis = self.next_index;
        let port = 0x10 + chassis;
        let driver = pick(rng, &["pcie-root-port", "pcie-root-port", "ioh3420"]);
        self.controller(
            rng,
            "pcie-root-port",
            driver,
            parent,
            place,
            Kind::Port,
            &[("port", json!(port)), ("chassis", json!(chassis))],
            &format!("<model name='{driver}'/><target chassis='{chassis}' port='{port:#x}'/>"),
        );
    }

    fn bridge(&mut self, rng: &mut Rng, parent: usize) {
        let number = self.next_index;
        self.controller(
            rng,
            "pci-bridge",
            "pci-bridge",
            parent,
            None,
            Kind::Bridge,
            &[("chassis_nr", json!(number))],
            &format!("<model name='pci-bridge'/><target chassisNr='{number}'/>"),
        );
    }

    fn another_pcie(&mut self, rng: &mut Rng) {
        match rng.u32(..6) {
            0 => {
                let Some(parent) = self.find(rng, &[Kind::Port]) else {
                    return;
                };
                self.controller(
                    rng,
                    "pcie-to-pci-bridge",
                    "pcie-pci-bridge",
                    parent,
                    None,
                    Kind::Bridge,
                    &[],
                    "<model name='pcie-pci-bridge'/>",
                );
            }
            1 => self.controller(
                rng,
                "dmi-to-pci-bridge",
                "i82801b11-bridge",
                0,
                None,
                Kind::Wide,
                &[],
                "<model name='i82801b11-bridge'/>",
            ),
            2 | 3 => {
                if let Some(parent) = self.find(rng, &[Kind::Bridge, Kind::Wide]) {
                    self.bridge(rng, parent);
                }
            }
            4 => self.switch(rng),
            _ => {
                let bus_nr = 254 - 16 * self.next_index;
                self.controller(
                    rng,
                    "pcie-expander-bus",
                    "pxb-pcie",
                    0,
                    None,
                    Kind::Expander,
                    &[("bus_nr", json!(bus_nr))],
                    &format!("<model name='pxb-pcie'/><target busNr='{bus_nr}'/>"),
                );
                if chance(rng, 70) {
                    self.port(rng, self.buses.len() - 1, None);
                }
            }
        }
    }

    fn switch(&mut self, rng: &mut Rng) {
        let Some(parent) = self.find(rng, &[Kind::Port]) else {
            return;
        };
        self.controller(
            rng,
            "pcie-switch-upstream-port",
            "x3130-upstream",
            parent,
            None,
            Kind::Upstream,
            &[],
            "<model name='x3130-upstream'/>",
        );
        let upstream = self.buses.len() - 1;
        for port in 0..rng.u32(..3) {
            let chassis = self.next_index;
            self.controller(
                rng,
                "pcie-switch-downstream-port",
                "xio3130-downstream",
                upstream,
                None,
                Kind::Port,
                &[("port", json!(port)), ("chassis", json!(chassis))],
                &format!(
                    "<model name='xio3130-downstream'/>\
                     <target chassis='{chassis}' port='{port:#x}'/>"
                ),
            );
        }
    }

    /// A bus of one of these kinds with a free slot.
    pub(super) fn find(&self, rng: &mut Rng, kinds: &[Kind]) -> Option<usize> {
        let fit: Vec<usize> = (0..self.buses.len())
            .filter(|at| {
                let bus = &self.buses[*at];
                kinds.contains(&bus.kind)
                    && bus.index.is_some()
                    && bus.kind.slots().any(|slot| bus.slot_is_free(slot))
            })
            .collect();
        (!fit.is_empty()).then(|| pick(rng, &fit))
    }

    #[allow(clippy::too_many_arguments)] // one controller has that many sides
    fn controller(
        &mut self,
        rng: &mut Rng,
        model: &str,
        driver: &str,
        parent: usize,
        place: Option<((u8, u8), bool)>,
        kind: Kind,
        properties: &[(&str, Value)],
        inside: &str,
    ) {
        let ((slot, function), multi) = match place {
            Some(place) => place,
            None => match self.buses[parent].free_slot(rng) {
                Some(slot) => ((slot, 0), chance(rng, 8)),
                None => return,
            },
        };
        let index = self.next_index;
        self.next_index += 1;
        let (id, alias) = alias(rng, &format!("pci.{index}"), &format!("ua-bus{index}"));
        let mut device = Map::new();
        device.insert("driver".to_owned(), json!(driver));
        for (key, value) in properties {
            device.insert((*key).to_owned(), value.clone());
        }
        let address = self.place(parent, slot, function, multi, &id, &mut device);
        self.own.push(Own {
            xml: format!(
                "<controller type='pci' index='{index}' model='{model}'>{inside}{alias}{address}\
                 </controller>"
            ),
            fsdev: None,
            device,
            late: false,
        });
        self.buses.push(Bus {
            name: id,
            index: Some(index),
            kind,
            taken: BTreeMap::new(),
        });
    }

    /// Takes the place, adds id, bus and address to the device, and gives the XML of the address.
    pub fn place(
        &mut self,
        bus: usize,
        slot: u8,
        function: u8,
        multi: bool,
        id: &str,
        device: &mut Map<String, Value>,
    ) -> String {
        let bus = &mut self.buses[bus];
        bus.taken.insert((slot, function), multi);
        self.ids.push(id.to_owned());
        device.insert("id".to_owned(), json!(id));
        device.insert("bus".to_owned(), json!(bus.name));
        if multi {
            device.insert("multifunction".to_owned(), json!(true));
        }
        // As qemu_command.c:qemuBuildDeviceAddressPCIGetBus writes it.
        let addr = if function == 0 {
            format!("{slot:#x}")
        } else {
            format!("{slot:#x}.{function:#x}")
        };
        device.insert("addr".to_owned(), json!(addr));
        let multi = if multi { " multifunction='on'" } else { "" };
        let index = bus.index.unwrap_or(0);
        format!(
            "<address type='pci' domain='0x0000' bus='{index:#04x}' slot='{slot:#04x}' \
             function='{function:#x}'{multi}/>"
        )
    }

    /// One on the machine's own IDE or SATA controller.
    pub fn optical_disc(&mut self, rng: &mut Rng) {
        let (kind, bus, unit) = match self.q35 {
            true => ("sata", 0, rng.u8(..3)),
            false => ("ide", rng.u8(..2), rng.u8(..2)),
        };
        let on = if self.q35 { (unit, 0) } else { (bus, unit) };
        let mut device = Map::new();
        device.insert("driver".to_owned(), json!("ide-cd"));
        device.insert("bus".to_owned(), json!(format!("ide.{}", on.0)));
        device.insert("unit".to_owned(), json!(on.1));
        device.insert("id".to_owned(), json!(format!("{kind}0-{bus}-{unit}")));
        self.own.push(Own {
            xml: format!(
                "<disk type='file' device='cdrom'><target dev='hdx' bus='{kind}'/><readonly/>\
                 <address type='drive' controller='0' bus='{bus}' target='0' unit='{unit}'/></disk>"
            ),
            fsdev: None,
            device,
            late: false,
        });
    }

    pub fn file_system(&mut self, rng: &mut Rng, shares: &Shares) {
        let kinds = [Kind::Root, Kind::Port, Kind::Bridge, Kind::Wide];
        let Some(bus) = self.find(rng, &kinds) else {
            return;
        };
        let Some(slot) = self.buses[bus].free_slot(rng) else {
            return;
        };
        let mut device = Map::new();
        for (key, value) in [
            ("driver", "virtio-9p-pci"),
            ("fsdev", "fsdev-fs0"),
            ("mount_tag", "native"),
        ] {
            device.insert(key.to_owned(), json!(value));
        }
        let address = self.place(bus, slot, 0, false, "fs0", &mut device);
        let path = shares.path("b");
        self.own.push(Own {
            xml: format!(
                "<filesystem type='mount' accessmode='mapped'><source dir='{path}'/>\
                 <target dir='native'/>{address}</filesystem>"
            ),
            fsdev: Some(format!(
                "local,security_model=mapped,id=fsdev-fs0,path={}",
                doubled(&path)
            )),
            device,
            late: false,
        });
    }
}

/// The id of a device, and the `<alias>` that may say so: libvirt's own is there in the XML of a
/// running domain, a user's always.
pub fn alias(rng: &mut Rng, plain: &str, user: &str) -> (String, String) {
    match rng.u32(..10) {
        0 | 1 => (user.to_owned(), format!("<alias name='{user}'/>")),
        2 | 3 => (plain.to_owned(), format!("<alias name='{plain}'/>")),
        _ => (plain.to_owned(), String::new()),
    }
}
