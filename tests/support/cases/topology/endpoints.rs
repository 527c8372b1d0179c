//! The devices of libvirt's side: every kind of element that has an address of its own in the
//! guest, some that have a second address which is the host's, and one that is there twice.

use super::super::{Own, chance, pick};
use super::own::alias;
use super::{Drawing, Kind};
use fastrand::Rng;
use serde_json::{Map, json};

/// How libvirt names the devices of a kind (qemu_alias.c).
#[derive(Clone, Copy)]
enum Name {
    /// There is one at most.
    Once(&'static str),
    /// The highest number so far and one more; those a user has named do not count.
    Next(&'static str),
    /// The place in the list, whoever named the others.
    Place(&'static str),
}

/// An element. `NN` stands for two digits of its own, `LL` for a letter.
struct Element {
    open: &'static str,
    close: &'static str,
    name: Name,
}

const fn element(open: &'static str, close: &'static str, name: Name) -> Element {
    Element { open, close, name }
}

const ELEMENTS: &[Element] = &[
    element(
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend>",
        "</rng>",
        Name::Next("rng"),
    ),
    element(
        "<interface type='user'><mac address='52:54:00:00:00:NN'/><model type='virtio'/>",
        "</interface>",
        Name::Next("net"),
    ),
    element(
        "<memballoon model='virtio'>",
        "</memballoon>",
        Name::Once("balloon0"),
    ),
    element(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>\
         <source file='/var/lib/libvirt/images/LL.img'/><target dev='vdLL' bus='virtio'/>",
        "</disk>",
        Name::Place("virtio-disk"),
    ),
    element(
        "<controller type='usb' index='0' model='qemu-xhci'>",
        "</controller>",
        Name::Once("usb"),
    ),
    element(
        "<controller type='virtio-serial' index='0'>",
        "</controller>",
        Name::Once("virtio-serial0"),
    ),
    element(
        "<controller type='scsi' index='0' model='virtio-scsi'>",
        "</controller>",
        Name::Once("scsi0"),
    ),
    element(
        "<video><model type='virtio' heads='1' primary='yes'/>",
        "</video>",
        Name::Once("video0"),
    ),
    element("<sound model='ich6'>", "</sound>", Name::Place("sound")),
    element(
        "<input type='tablet' bus='virtio'>",
        "</input>",
        Name::Place("input"),
    ),
    element(
        "<watchdog model='i6300esb' action='reset'>",
        "</watchdog>",
        Name::Once("watchdog0"),
    ),
    // The address in <source> is the host's.
    element(
        "<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio'/>\
         <source><address domain='0x0000' bus='0x00' slot='0x03' function='0x0'/></source>",
        "</hostdev>",
        Name::Once("hostdev0"),
    ),
    element(
        "<interface type='hostdev' managed='yes'><mac address='52:54:00:00:01:NN'/>\
         <source><address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>\
         </source>",
        "</interface>",
        Name::Once("hostdev0"),
    ),
    // libvirt repeats the first <serial> as <console>, address and all.
    element(
        "<serial type='pty'><target type='pci-serial' port='0'><model name='pci-serial'/></target>",
        "</serial>",
        Name::Once("serial0"),
    ),
    element(
        "<shmem name='shmNN'><model type='ivshmem-plain'/><size unit='M'>4</size>",
        "</shmem>",
        Name::Place("shmem"),
    ),
    element(
        "<vsock model='virtio'><cid auto='no' address='3'/>",
        "</vsock>",
        Name::Once("vsock0"),
    ),
];

impl Drawing {
    /// A device of libvirt's, or two in one slot. For QEMU it is always a random number generator:
    /// that sits on a bus as any other device does, and needs nothing from the host.
    pub fn endpoint(&mut self, rng: &mut Rng) {
        let kinds = [Kind::Root, Kind::Port, Kind::Bridge, Kind::Wide];
        let Some(bus) = self.find(rng, &kinds) else {
            return;
        };
        let Some(slot) = self.buses[bus].free_slot(rng) else {
            return;
        };
        let functions: Vec<u8> = if chance(rng, 15) && self.buses[bus].kind != Kind::Port {
            vec![0, pick(rng, &[1, 2, 7])]
        } else {
            vec![0]
        };
        for function in &functions {
            let multi = *function == 0 && functions.len() > 1;
            self.one(rng, bus, (slot, *function), multi);
        }
    }

    fn one(&mut self, rng: &mut Rng, bus: usize, (slot, function): (u8, u8), multi: bool) {
        // The first one, of which there can be any number, more often.
        let mut at = if chance(rng, 30) {
            0
        } else {
            rng.usize(..ELEMENTS.len())
        };
        if let Name::Once(name) = ELEMENTS[at].name
            && self.count(name) > 0
        {
            at = 0;
        }
        let element = &ELEMENTS[at];
        let unique = self.own.len();
        let (plain, place) = match element.name {
            Name::Once(name) => (name.to_owned(), 0),
            Name::Next(kind) => (format!("{kind}{}", self.count(kind)), 0),
            Name::Place(kind) => (format!("{kind}{}", self.count(kind)), self.count(kind)),
        };
        let (id, alias) = alias(rng, &plain, &format!("ua-dev{unique}"));
        match element.name {
            Name::Once(kind) | Name::Place(kind) => self.add(kind),
            Name::Next(kind) if id == plain => self.add(kind),
            Name::Next(_) => {}
        }
        let mut device = Map::new();
        device.insert("driver".to_owned(), json!("virtio-rng-pci"));
        let address = self.place(bus, slot, function, multi, &id, &mut device);

        let letter = char::from(b'a' + place);
        let open = element.open.replace("LL", &letter.to_string());
        let open = open.replace("NN", &format!("{unique:02x}"));
        let mut xml = format!("{open}{alias}{address}{}", element.close);
        if xml.starts_with("<serial") {
            xml.push_str(&format!(
                "<console type='pty'><target type='serial' port='0'/>{alias}{address}</console>"
            ));
        }
        self.own.push(Own {
            // These come after the raw words (qemu_command.c:qemuBuildCommandLine).
            late: xml.starts_with("<shmem") || xml.starts_with("<vsock"),
            xml,
            fsdev: None,
            device,
        });
    }

    fn count(&self, kind: &'static str) -> u8 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    fn add(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }
}
