//! Generated domains: for each one the XML that the linter reads, and the words that libvirt would
//! give to QEMU for it.
//!
//! libvirt's own side of a case is always valid, so whatever QEMU refuses, the raw arguments did.

pub mod broken;
pub mod devices;
pub mod models;
pub mod modes;
pub mod options;
pub mod topology;
#[path = "../xml_text.rs"]
mod xml_text;

use fastrand::Rng;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use xml_text::escape;

/// How libvirt writes its own `-device`: JSON since libvirt 8.1 with QEMU 7.0, text before. It
/// decides whose devices QEMU creates first (softmmu/vl.c:qemu_create_cli_devices).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Json,
    /// libvirt 7.0 with QEMU 5.2, as in Debian 11: there is no JSON in `-device` at all.
    OldText,
    /// As new as `Json`, with `<qemu:del capability='device.json+hotplug'/>`.
    ForcedText,
}

/// A device (or controller, or file system) that libvirt itself puts on the command line.
#[derive(Debug, Clone)]
pub struct Own {
    /// Its element in the XML.
    pub xml: String,
    /// `-fsdev` of a native file system.
    pub fsdev: Option<String>,
    /// `-device`, driver first.
    pub device: Map<String, Value>,
    /// Whether it comes after the raw words.
    pub late: bool,
}

const DECOY: &str = "  <metadata><x:devices xmlns:x='urn:decoy'>\
    <controller type='pci' index='9' model='pcie-root-port'/>\
    <rng><address type='pci' domain='0x0000' bus='0x00' slot='0x06' function='0x0'/></rng>\
    <alias name='share0'/></x:devices></metadata>\n";

/// One generated domain.
#[derive(Debug, Clone)]
pub struct Case {
    pub machine: &'static str,
    pub acpi: bool,
    pub dialect: Dialect,
    /// Metadata that looks like devices.
    pub decoy: bool,
    pub own: Vec<Own>,
    pub raw: Vec<String>,
    /// Properties of libvirt's devices that `<qemu:override>` sets: alias, name and value, or
    /// nothing where it removes one.
    pub overrides: Vec<(String, &'static str, Option<Value>)>,
}

impl Case {
    /// A machine with nothing on it.
    pub fn bare(rng: &mut Rng, raw: Vec<String>) -> Self {
        Self {
            machine: pick(rng, &["pc-q35-7.2", "q35", "pc-i440fx-7.2", "pc"]),
            acpi: !chance(rng, 10),
            dialect: Dialect::Json,
            decoy: chance(rng, 10),
            own: Vec::new(),
            raw,
            overrides: Vec::new(),
        }
    }

    pub fn is_q35(&self) -> bool {
        is_q35(self.machine)
    }

    /// Whether it is a machine that libvirt gives a PCI bus.
    fn has_pci(&self) -> bool {
        self.machine.starts_with("pc") || self.is_q35()
    }

    /// The domain as a hook sees it: normalised, addresses filled in.
    pub fn xml(&self) -> String {
        let mut xml = String::from(
            "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n  \
             <name>generated</name>\n  \
             <uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>\n  \
             <memory unit='KiB'>65536</memory>\n  <vcpu>1</vcpu>\n",
        );
        let _ = writeln!(
            xml,
            "  <os><type arch='x86_64' machine='{}'>hvm</type></os>",
            self.machine
        );
        if self.acpi {
            xml.push_str("  <features><acpi/></features>\n");
        }
        if self.decoy {
            xml.push_str(DECOY);
        }
        xml.push_str("  <devices>\n    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n");
        for own in &self.own {
            let _ = writeln!(xml, "    {}", own.xml);
        }
        xml.push_str(if !self.has_pci() {
            ""
        } else if self.is_q35() {
            "    <controller type='pci' index='0' model='pcie-root'/>\n    \
             <controller type='sata' index='0'>\
             <address type='pci' domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/>\
             </controller>\n"
        } else {
            "    <controller type='pci' index='0' model='pci-root'/>\n    \
             <controller type='ide' index='0'>\
             <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x1'/>\
             </controller>\n"
        });
        if !xml.contains("<controller type='usb'") {
            xml.push_str("    <controller type='usb' index='0' model='none'/>\n");
        }
        if !xml.contains("<memballoon") {
            xml.push_str("    <memballoon model='none'/>\n");
        }
        xml.push_str("  </devices>\n  <qemu:commandline>\n");
        for word in &self.raw {
            let _ = writeln!(xml, "    <qemu:arg value='{}'/>", escape(word));
        }
        xml.push_str("  </qemu:commandline>\n");
        if self.dialect == Dialect::ForcedText {
            xml.push_str(
                "  <qemu:capabilities><qemu:del capability='device.json+hotplug'/>\
                 </qemu:capabilities>\n",
            );
        }
        for (alias, name, value) in &self.overrides {
            let value = match value {
                Some(Value::String(text)) => format!("type='string' value='{}'", escape(text)),
                Some(value @ Value::Bool(_)) => format!("type='bool' value='{value}'"),
                Some(value) => format!("type='signed' value='{value}'"),
                None => "type='remove'".to_owned(),
            };
            let _ = writeln!(
                xml,
                "  <qemu:override><qemu:device alias='{alias}'><qemu:frontend>\
                 <qemu:property name='{name}' {value}/></qemu:frontend></qemu:device></qemu:override>"
            );
        }
        xml.push_str("</domain>\n");
        xml
    }

    /// QEMU's words in libvirt's order (qemu_command.c:qemuBuildCommandLine): the machine, most of
    /// libvirt's devices, the raw words, the rest.
    pub fn argv(&self) -> Vec<String> {
        let acpi = if self.acpi { "" } else { ",acpi=off" };
        let mut argv = vec![
            "-machine".to_owned(),
            format!("{},usb=off{acpi}", self.machine),
        ];
        argv.extend(self.own_words(false));
        argv.extend(self.raw.iter().cloned());
        argv.extend(self.own_words(true));
        argv
    }

    /// As qemuBuildDeviceCommandlineHandleOverrides does it: the property goes, and comes back last.
    fn overridden(&self, device: &Map<String, Value>) -> Map<String, Value> {
        let mut device = device.clone();
        for (alias, name, value) in &self.overrides {
            if device.get("id").and_then(Value::as_str) == Some(&**alias) {
                device.remove(*name);
                if let Some(value) = value {
                    device.insert((*name).to_owned(), value.clone());
                }
            }
        }
        device
    }

    fn own_words(&self, late: bool) -> Vec<String> {
        let mut words = Vec::new();
        for own in self.own.iter().filter(|own| own.late == late) {
            if let Some(fsdev) = &own.fsdev {
                words.extend(["-fsdev".to_owned(), fsdev.clone()]);
            }
            words.push("-device".to_owned());
            let device = self.overridden(&own.device);
            words.push(match self.dialect {
                Dialect::Json => Value::Object(device).to_string(),
                Dialect::OldText | Dialect::ForcedText => as_text(&device),
            });
        }
        words
    }
}

pub fn is_q35(machine: &str) -> bool {
    machine.contains("q35")
}

/// A device in QEMU's text form.
pub fn as_text(device: &Map<String, Value>) -> String {
    let words: Vec<String> = device
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) if key == "driver" => text.clone(),
            Value::String(text) => format!("{key}={}", doubled(text)),
            Value::Bool(true) => format!("{key}=on"),
            Value::Bool(false) => format!("{key}=off"),
            other => format!("{key}={other}"),
        })
        .collect();
    words.join(",")
}

/// A comma in a value is written twice (util/qemu-option.c:get_opt_value).
pub fn doubled(value: &str) -> String {
    value.replace(',', ",,")
}

pub fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// One of two lists, the first with this chance in a hundred.
pub fn either<T: Copy>(rng: &mut Rng, percent: u32, first: &[T], second: &[T]) -> T {
    if chance(rng, percent) {
        pick(rng, first)
    } else {
        pick(rng, second)
    }
}

pub fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(..100) < percent
}

/// Up to `longest` characters out of these.
pub fn noise(rng: &mut Rng, from: &str, longest: usize) -> String {
    let from: Vec<char> = from.chars().collect();
    (0..=rng.usize(..longest))
        .map(|_| pick(rng, &from))
        .collect()
}

/// Shorthand for owned words.
pub fn words(from: &[&str]) -> Vec<String> {
    from.iter().map(|word| (*word).to_owned()).collect()
}
