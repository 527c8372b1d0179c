//! Options that make PCI devices by themselves, beside `-device`: which, and when.
//!
//! The machine comes first and with it what `-vga`, `-nic`, `-net nic` and `-usb` stand for, then
//! `-soundhw` and `-audio`, then text devices, those of `-drive if=virtio` behind all others, then
//! JSON ones (facts Q4.6).

use crate::ordered;
use crate::qemu::argv::OptionWord;
use crate::qemu::device_models::{self, ModelBus};
use crate::qemu::option_string::{self, Opt};

/// A device that an option makes by itself, or may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Implied {
    /// Index of the option's word.
    pub option: usize,
    /// Index of its argument, where it has one.
    pub arg: Option<usize>,
    /// What it makes.
    pub makes: Makes,
    /// When QEMU makes it.
    pub when: When,
}

/// What an option makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Makes {
    /// A device of this model, without an address.
    Model(&'static str),
    /// A network card of this model, or of the machine's usual one.
    Card(Option<String>),
    /// The USB controllers of the machine, which have addresses of their own.
    Usb,
    /// A disk where the machine's disks are virtio ones, as those of `virt` are.
    UsualDisk,
    /// That is not known.
    Unknown,
}

/// When QEMU makes it; what is of one time in the order in which it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// With the machine: `-vga`.
    Graphics,
    /// With the machine: `-nic`.
    Nic,
    /// With the machine: `-net nic`.
    Net,
    /// Behind the machine: `-soundhw`, `-audio`, and what is not known.
    Sound,
    /// As a text device, before the `-device` of this number (among all in the order of words).
    Text(usize),
    /// Behind all other text devices.
    Drive,
    /// Behind all of them.
    End,
}

/// What raw words say of the machine, where they change which buses and devices it has: the last
/// of each counts, and they come behind libvirt's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineWords {
    /// `pcie=on`: a PCI bus for a machine that has none without.
    pub pcie: bool,
    /// `acpi=`, `-no-acpi`.
    pub acpi: Option<bool>,
    /// `smbus=off`
    pub no_smbus: bool,
    /// `ioapic2=`
    pub ioapic2: Option<bool>,
}

/// Collects them, one option after the other.
#[derive(Debug, Default)]
pub struct ImpliedReader {
    found: Vec<Implied>,
    /// The last `-vga` counts.
    graphics: Option<Implied>,
    /// What is said of the machine itself.
    pub machine: MachineWords,
    /// The last that switches USB on or off counts.
    usb: Option<Implied>,
}

impl ImpliedReader {
    /// Looks at one option with this argument, on a machine of this type; `devices` says how many
    /// `-device` stand before it.
    pub fn read(&mut self, word: OptionWord, text: &str, machine: &str, devices: usize) {
        let one = |makes: Makes, when: When| Implied {
            option: word.option,
            arg: word.argument,
            makes,
            when,
        };
        let sound = |name: &str| match name {
            "hda" => Some(Makes::Model("intel-hda")),
            "ac97" => Some(Makes::Model("AC97")),
            "es1370" => Some(Makes::Model("ES1370")),
            // On the ISA bus, or on none.
            "sb16" | "adlib" | "cs4231a" | "gus" | "pcspk" => None,
            "virtio" => Some(Makes::Model("virtio-sound-pci")),
            _ => Some(Makes::Unknown),
        };
        let opts = |implied: &str| option_string::parse(text, implied, 0);
        match word.name {
            "vga" => {
                // The library compares this with the beginning of the word (vl.c, select_vgahw).
                let model = match text.split(',').next().unwrap_or("") {
                    "std" => Some("VGA"),
                    "cirrus" => Some("cirrus-vga"),
                    "vmware" => Some("vmware-svga"),
                    "qxl" => Some("qxl-vga"),
                    "virtio" => Some("virtio-vga"),
                    _ => None,
                };
                self.graphics = model.map(|model| one(Makes::Model(model), When::Graphics));
            }
            "nic" | "net" => {
                let opts = opts("type");
                let kind = last(&opts, "type").unwrap_or("");
                let (makes, when) = match word.name {
                    "nic" => (kind != "none", When::Nic),
                    _ => (kind == "nic", When::Net),
                };
                if makes {
                    self.found.extend(card(&opts).map(|makes| one(makes, when)));
                }
            }
            "usb" | "usbdevice" => self.usb = Some(one(Makes::Usb, When::Graphics)),
            "machine" | "M" => {
                let opts = opts("type");
                match last(&opts, "usb").map(option_string::boolean) {
                    Some(Some(true)) => self.usb = Some(one(Makes::Usb, When::Graphics)),
                    Some(Some(false)) => self.usb = None,
                    _ => {}
                }
                let switch = |key| last(&opts, key).and_then(option_string::boolean);
                let said = &mut self.machine;
                said.pcie = switch("pcie").unwrap_or(said.pcie);
                said.acpi = switch("acpi").or(said.acpi);
                said.no_smbus = switch("smbus").map_or(said.no_smbus, |on| !on);
                said.ioapic2 = switch("ioapic2").or(said.ioapic2);
                // Another machine than the domain's.
                if last(&opts, "type").is_some_and(|kind| kind != machine) {
                    self.found.push(one(Makes::Unknown, When::Sound));
                }
            }
            "no-acpi" => self.machine.acpi = Some(false),
            "drive" => match last(&opts(""), "if") {
                Some("virtio") => self
                    .found
                    .push(one(Makes::Model("virtio-blk-pci"), When::Drive)),
                None => self.found.push(one(Makes::UsualDisk, When::Drive)),
                Some(_) => {}
            },
            "soundhw" => {
                let makes = text.split(',').filter_map(sound);
                self.found
                    .extend(makes.map(|makes| one(makes, When::Sound)));
            }
            "audio" => {
                let opts = opts("driver");
                let makes = last(&opts, "model").and_then(sound);
                self.found
                    .extend(makes.map(|makes| one(makes, When::Sound)));
            }
            "watchdog" => {
                let makes = match text {
                    "i6300esb" => Makes::Model("i6300esb"),
                    "ib700" | "diag288" => return,
                    _ => Makes::Unknown,
                };
                self.found.push(one(makes, When::Text(devices)));
            }
            _ => {}
        }
    }

    /// All of them, in the order in which QEMU makes them.
    pub fn end(self) -> Vec<Implied> {
        let mut all: Vec<Implied> = self.usb.into_iter().chain(self.graphics).collect();
        all.extend(self.found);
        let keyed = all.into_iter().enumerate();
        let sorted = ordered::map(keyed.map(|(number, one)| ((one.when, number), one)));
        sorted.into_values().collect()
    }
}

fn last<'o>(opts: &'o [Opt], key: &str) -> Option<&'o str> {
    option_string::last(opts, key).map(|opt| opt.value.as_str())
}

/// The network card of `-nic` or `-net nic`, where it is one of PCI.
fn card(opts: &[Opt]) -> Option<Makes> {
    // Heeded by old QEMUs, ignored by new ones (by 10.0).
    if last(opts, "addr").is_some() {
        return Some(Makes::Unknown);
    }
    let Some(model) = last(opts, "model") else {
        return Some(Makes::Card(None));
    };
    match device_models::model(model).map(|model| model.bus) {
        _ if model == "virtio" => Some(Makes::Card(Some("virtio-net-pci".to_owned()))),
        // These names -device knows, and -nic does not.
        _ if matches!(model, "virtio-net" | "e1000-82540em") => Some(Makes::Unknown),
        Some(ModelBus::Pci) => Some(Makes::Card(Some(model.to_owned()))),
        Some(_) => None,
        None => Some(Makes::Unknown),
    }
}
