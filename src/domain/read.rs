//! Domain XML → [`Domain`]: which elements are read, and from where exactly.
//!
//! Only direct children of `/domain/devices/*` carry guest addresses; an `<address>` below
//! `<source>` is the host's (facts L8.4).

use crate::domain::xml::{Attribute, Attributes, Element, Ns, Origin, Xml, XmlError};
use crate::domain::{
    Arg, Device, Domain, Filesystem, Interned, Located, OtherAddress, Override, PciAddress,
    Seclabel, Uuid, lost,
};
use crate::text::{Span, find_byte};

/// Reads the domain in `text`, which `origin` wrote.
///
/// # Errors
/// When what is read of it is not well-formed XML, or its root element is not `<domain>`.
pub fn read(text: &str, origin: Origin) -> Result<Domain, XmlError> {
    // The one character that would change what a path means: QEMU's would end there.
    if let Some(at) = find_byte(text.as_bytes(), 0) {
        return Err(XmlError {
            at,
            message: "a NUL byte, which XML does not allow".to_owned(),
        });
    }
    let mut xml = Xml::new(text, origin);
    let root = xml.root()?;
    if !root.is("domain") {
        return Err(XmlError {
            at: root.tag.start,
            message: format!("the root element is <{}>, not <domain>", root.name),
        });
    }
    let mut domain = Domain {
        tag: root.tag,
        kind: owned(xml.attributes(&root)?, "type").unwrap_or_default(),
        ..Domain::default()
    };
    let mut words = Interner::default();
    xml.children(|xml, element| top_level(xml, element, &mut domain, &mut words))?;
    xml.finish()?;
    if origin == Origin::File {
        domain.lost = lost::find(text);
    }
    Ok(domain)
}

fn top_level<'i>(
    xml: &mut Xml<'i>,
    element: &Element<'i>,
    domain: &mut Domain,
    words: &mut Interner,
) -> Result<(), XmlError> {
    match (element.ns, element.name) {
        // Of two the first counts, as for libvirt (string(./uuid[1])) and for find_uuid.
        (Ns::None, "name") if domain.name.is_empty() => domain.name = xml.text()?.0,
        (Ns::None, "uuid") if domain.uuid.is_none() => {
            domain.uuid = Uuid::parse(&xml.text()?.0);
        }
        (Ns::None, "sysinfo") => domain.may_have_read_only = true,
        (Ns::None, "os") => xml.children(|xml, child| {
            domain.may_have_read_only |=
                matches!(child.name, "kernel" | "initrd" | "dtb" | "loader" | "acpi");
            if child.is("type") {
                let attributes = xml.attributes(child)?;
                domain.arch = owned(attributes, "arch").unwrap_or_default();
                if let Some(machine) = attributes.get("machine") {
                    domain.machine = located(machine);
                }
            }
            Ok(())
        })?,
        (Ns::None, "features") => xml.children_called(&|name| name == "acpi", |_, child| {
            domain.acpi |= child.is("acpi");
            Ok(())
        })?,
        (Ns::None, "metadata") => xml.children_called(&|name| name == "policy", |xml, child| {
            if child.ns == Ns::Policy && child.name == "policy" {
                let attributes = xml.attributes(child)?;
                domain.errors_only_warn = attributes.value("errors") == Some("warn");
                domain.only_shares = attributes.value("paths") == Some("9p");
            }
            Ok(())
        })?,
        (Ns::None, "seclabel") => seclabel(xml, element, domain)?,
        (Ns::None, "devices") => xml.children(|xml, child| {
            if child.is("emulator") {
                domain.emulator = Some(xml.text()?.0.trim().to_owned());
                return Ok(());
            }
            let (device, is_read_only) = device(xml, child, words)?;
            domain.may_have_read_only |= is_read_only;
            domain.devices.push(device);
            Ok(())
        })?,
        (Ns::Qemu, "commandline") => xml.children(|xml, child| {
            if child.ns == Ns::Qemu && child.name == "arg" {
                match xml.attributes(child)?.get("value") {
                    Some(value) => domain.args.push(Arg::new(
                        value.value.clone().into_owned(),
                        value.span,
                        value.blanked,
                    )),
                    None => domain.empty_args.push(child.tag),
                }
            } else if child.ns == Ns::Qemu && child.name == "env" {
                let attributes = xml.attributes(child)?;
                let found = attributes.get("value").map(|value| Located {
                    value: value.value.clone().into_owned(),
                    span: value.span,
                });
                if let (Some(name), Some(value)) = (owned(attributes, "name"), found) {
                    domain.environment.push((name, value));
                }
            }
            Ok(())
        })?,
        (Ns::Qemu, "capabilities") => xml.children(|xml, child| {
            if let (Ns::Qemu, "add" | "del", Some(name)) = (
                child.ns,
                child.name,
                owned(xml.attributes(child)?, "capability"),
            ) {
                domain.capabilities.push((child.name == "add", name));
            }
            Ok(())
        })?,
        (Ns::Qemu, "override") => overrides(xml, domain)?,
        _ => {}
    }
    Ok(())
}

/// `<override><device alias=…><frontend><property name=… type=… value=…>`, all of them QEMU's.
fn overrides(xml: &mut Xml, domain: &mut Domain) -> Result<(), XmlError> {
    let is = |element: &Element, name| element.ns == Ns::Qemu && element.name == name;
    xml.children(|xml, device| {
        if !is(device, "device") {
            return Ok(());
        }
        let Some(alias) = owned(xml.attributes(device)?, "alias") else {
            return Ok(());
        };
        xml.children(|xml, frontend| {
            if !is(frontend, "frontend") {
                return Ok(());
            }
            xml.children(|xml, property| {
                if !is(property, "property") {
                    return Ok(());
                }
                let attributes = xml.attributes(property)?;
                let Some(name) = owned(attributes, "name") else {
                    return Ok(());
                };
                let kind = owned(attributes, "type").unwrap_or_default();
                let value = attributes.get("value").filter(|_| kind != "remove");
                domain.overrides.push(Override {
                    alias: alias.clone(),
                    name,
                    value: value.map(|value| value.value.clone().into_owned()),
                    span: value.map_or(property.tag, |value| value.span),
                    kind,
                });
                Ok(())
            })
        })
    })
}

fn located(attribute: &Attribute) -> Located<String> {
    Located {
        value: attribute.value.clone().into_owned(),
        span: attribute.span,
    }
}

fn owned(attributes: &Attributes, name: &str) -> Option<String> {
    attributes.value(name).map(str::to_owned)
}

/// The words of devices, each kept once. No domain of libvirt's has more than a few dozen; of
/// those that a hostile one has, the first count, so that looking for one takes no longer.
#[derive(Default)]
struct Interner(Vec<Interned>);

impl Interner {
    fn word(&mut self, text: &str) -> Interned {
        const MOST: usize = 64;
        if let Some(known) = self.0.iter().find(|word| &***word == text) {
            return known.clone();
        }
        let word = Interned::from(text);
        if self.0.len() < MOST {
            self.0.push(word.clone());
        }
        word
    }

    fn of(&mut self, attributes: &Attributes, name: &str) -> Option<Interned> {
        attributes.value(name).map(|value| self.word(value))
    }
}

fn seclabel<'i>(
    xml: &mut Xml<'i>,
    element: &Element<'i>,
    domain: &mut Domain,
) -> Result<(), XmlError> {
    let attributes = xml.attributes(element)?;
    let mut label = Seclabel {
        kind: owned(attributes, "type").unwrap_or_default(),
        model: owned(attributes, "model"),
        label: None,
    };
    xml.children(|xml, child| {
        if child.is("label") {
            label.label = Some(xml.text()?.0.trim().to_owned());
        }
        Ok(())
    })?;
    domain.seclabels.push(label);
    Ok(())
}

fn device<'i>(
    xml: &mut Xml<'i>,
    element: &Element<'i>,
    words: &mut Interner,
) -> Result<(Device, bool), XmlError> {
    let attributes = xml.attributes(element)?;
    let is_disk = element.name == "disk";
    let mut is_read_only = is_disk && attributes.value("device") == Some("cdrom");
    let mut device = Device {
        element: words.word(element.name),
        tag: element.tag,
        kind: words.of(attributes, "type"),
        model: words.of(attributes, "model"),
        bus: words.of(attributes, "bus"),
        index: attributes.value("index").and_then(number),
        filesystem: (element.is("filesystem")).then(|| {
            Box::new(Filesystem {
                kind: owned(attributes, "type").unwrap_or_else(|| "mount".to_owned()),
                access: owned(attributes, "accessmode").unwrap_or_else(|| "passthrough".to_owned()),
                ..Filesystem::default()
            })
        }),
        ..Device::default()
    };
    let is_filesystem = device.filesystem.is_some();
    xml.children_called(
        &|name| is_read(name, is_filesystem, is_disk),
        |xml, child| {
            is_read_only |= is_disk && child.name == "readonly";
            if child.ns == Ns::None {
                device_child(child.name, xml.attributes(child)?, &mut device, words);
            }
            Ok(())
        },
    )?;
    device.span = Span::new(element.tag.start, xml.position());
    Ok((device, is_read_only))
}

/// Whether anything is read of a device's child: most of a disk is nothing to us.
fn is_read(child: &str, of_filesystem: bool, of_disk: bool) -> bool {
    match child {
        "address" | "alias" | "target" | "model" => true,
        "readonly" if of_disk => true,
        "driver" | "source" | "readonly" => of_filesystem,
        _ => false,
    }
}

fn device_child(name: &str, child: &Attributes, device: &mut Device, words: &mut Interner) {
    match name {
        "address" => {
            device.pci = device.pci.or_else(|| pci_address(child));
            device.elsewhere = other_address(child);
        }
        "alias" => device.alias = child.value("name").map(Interned::from),
        "model" if device.model.is_none() => {
            let named = words.of(child, "type");
            device.model = named.or_else(|| words.of(child, "name"));
        }
        "target" => {
            device.bus = device.bus.take().or_else(|| words.of(child, "bus"));
            device.target_dev = child.value("dev").map(Interned::from);
            device.chassis = child.value("chassis").and_then(number);
        }
        _ => {}
    }
    let Some(fs) = device.filesystem.as_mut() else {
        return;
    };
    match name {
        "driver" => fs.driver = owned(child, "type"),
        "source" => fs.source = child.get("dir").map(located),
        "target" => fs.target = child.get("dir").map(located),
        "readonly" => fs.readonly = true,
        _ => {}
    }
}

fn other_address(address: &Attributes) -> Option<OtherAddress> {
    let part = |name| address.value(name).map_or(Some(0), number);
    match address.value("type")? {
        "virtio-mmio" => Some(OtherAddress::VirtioMmio),
        "drive" if part("controller") == Some(0) => {
            let part = |name| u8::try_from(part(name)?).ok();
            Some(OtherAddress::Drive(part("bus")?, part("unit")?))
        }
        _ => None,
    }
}

/// An address without bus or slot is one libvirt has yet to assign; 0000:00:00.0 is what
/// libvirt takes for empty (virPCIDeviceAddressIsEmpty).
fn pci_address(address: &Attributes) -> Option<PciAddress> {
    if address.value("type") != Some("pci") {
        return None;
    }
    let part = |name| address.value(name).map_or(Some(0), number);
    let (domain, bus) = (part("domain")?, part("bus")?);
    let slot = u8::try_from(part("slot")?).ok().filter(|slot| *slot < 32)?;
    let function = u8::try_from(part("function")?).ok().filter(|f| *f < 8)?;
    if domain != 0 || (bus == 0 && slot == 0 && function == 0) {
        return None;
    }
    Some(PciAddress {
        bus,
        slot,
        function,
        multifunction: address.value("multifunction") == Some("on"),
    })
}

/// A number as libvirt's virStrToLong with base 0 reads it: `0x` is hex, a leading 0 octal.
pub fn number(text: &str) -> Option<u32> {
    let text = match text.as_bytes().first() {
        // As nearly all begin.
        Some(b'0'..=b'9') => text,
        _ => text.trim(),
    };
    let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    u32::from_str_radix(digits.trim_ascii_end(), base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"<?xml version="1.0"?>
<!-- written by libvirt -->
<domain type='kvm' id='3' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>a &amp; b</name>
  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
  <metadata><p:policy xmlns:p='urn:virt-9p:policy:1' errors='warn'/><x><commandline/></x></metadata>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='pci' index='6' model='pcie-root-port'><alias name='ua-r'/><target chassis='6' port='0x15'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x5' multifunction='on'/></controller>
    <hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x09' slot='0x00' function='0x0'/></source>
      <address type='pci' domain='0' bus='06' slot='010' function='0'/></hostdev>
    <filesystem type='mount' accessmode='mapped'><source dir='/srv/a'/><target dir='tag'/><readonly/></filesystem>
  </devices>
  <q:commandline><q:arg value='-fsdev'/><q:arg value='local,path=/a&amp;b'/><q:arg/></q:commandline>
  <commandline xmlns=""/>
</domain>
"#;

    #[test]
    fn reads_what_it_should() {
        let domain = read(FULL, Origin::File).unwrap();
        assert_eq!(domain.name, "a & b");
        assert!(domain.acpi && domain.errors_only_warn);
        assert_eq!(domain.machine.value, "pc-q35-7.2");
        assert_eq!(domain.machine.span.of(FULL), "pc-q35-7.2");
        assert!(domain.tag.of(FULL).starts_with("<domain "));
        let values: Vec<_> = domain.args.iter().map(|a| a.value.as_str()).collect();
        assert_eq!(values, ["-fsdev", "local,path=/a&b"]);
        assert_eq!(domain.empty_args.len(), 1);
        assert_eq!(domain.lost.len(), 1);
        let [port, hostdev, share] = domain.devices.as_slice() else {
            panic!("three devices")
        };
        assert_eq!((port.index, port.chassis), (Some(6), Some(6)));
        assert!(port.pci.unwrap().multifunction);
        let address = hostdev.pci.unwrap();
        assert_eq!((address.bus, address.slot), (6, 8));
        assert!(share.is_9p() && share.filesystem.as_ref().unwrap().readonly);
        assert!(
            share.span.of(FULL).starts_with("<filesystem")
                && share.span.of(FULL).ends_with("</filesystem>")
        );
    }

    #[test]
    fn of_two_the_first_counts() {
        let other = "<name>b</name><uuid>11111111-1111-1111-1111-111111111111</uuid><metadata/>";
        let text = FULL.replace("<metadata>", &format!("{other}<metadata>"));
        let domain = read(&text, Origin::File).unwrap();
        assert_eq!(domain.name, "a & b");
        assert_eq!(domain.uuid, crate::domain::find_uuid(&text));
    }

    #[test]
    fn refuses_what_is_no_domain() {
        for (text, at) in [
            ("", 0),
            ("junk", 0),
            ("<network/>", 0),
            ("<domain><name>x</name>", 22),
            ("<domain a='1' a='2'/>", 17),
            ("<domain>&undefined;</domain><domain/>", 28),
            ("<domain><name>a\0b</name></domain>", 15),
        ] {
            let error = read(text, Origin::File).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
        }
    }

    #[test]
    fn survives_depth_and_width() {
        let deep = format!(
            "<domain>{}{}</domain>",
            "<a>".repeat(60_000),
            "</a>".repeat(60_000)
        );
        assert!(read(&deep, Origin::File).is_ok());
        // Squares of these would take minutes.
        let wide = |name: &str| {
            (0..20_000)
                .map(|n| format!("{name}{n}='' "))
                .collect::<String>()
        };
        let attributes = format!("<domain {}/>", wide("a"));
        assert!(read(&attributes, Origin::File).is_ok());
        let twice = attributes.replace("/>", "a7=''/>");
        assert!(read(&twice, Origin::File).is_err());
        let prefixes = format!(
            "<domain {}>{}</domain>",
            wide("xmlns:a"),
            "<a/>".repeat(20_000)
        );
        assert!(read(&prefixes, Origin::File).is_ok());
    }

    #[test]
    fn libvirts_white_space_is_itself_and_a_files_becomes_blanks() {
        let text = "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>\
            <name>a\rb\r\nc</name>\
            <q:commandline><q:arg value='a\tb\nc\rd\r\ne&#9;&#10;&#13;&amp;\u{85}\u{2028}'/>\
            </q:commandline></domain>";
        for (origin, name, value, blanked) in [
            (
                Origin::Libvirt,
                "a\rb\r\nc",
                "a\tb\nc\rd\r\ne\t\n\r&\u{85}\u{2028}",
                false,
            ),
            (
                Origin::File,
                "a\nb\nc",
                "a b c d e\t\n\r&\u{85}\u{2028}",
                true,
            ),
        ] {
            let domain = read(text, origin).unwrap();
            assert_eq!(domain.name, name);
            assert_eq!(domain.args[0].value, value);
            assert_eq!(domain.args[0].blanked, blanked);
            // Places hold behind a line end of two bytes, too.
            let at = value.find('e').unwrap();
            assert_eq!(domain.args[0].locate(text, &(at..at + 1)).of(text), "e");
        }
    }

    #[test]
    fn what_is_nobodys_is_not_read() {
        let wide = |name: &str| {
            (0..200)
                .map(|n| format!("{name}{n}='u' "))
                .collect::<String>()
        };
        let text = format!(
            "<domain><description>&x; virtfs</description><metadata>\
             <a:b xmlns:a='urn:a' {} {} c='&x;'>&x;<a:c {}/></a:b>\
             <p:policy xmlns:p='urn:virt-9p:policy:1' errors='warn'/></metadata><name>n</name></domain>",
            wide("a"),
            wide("xmlns:n"),
            wide("xmlns:m")
        );
        for origin in [Origin::Libvirt, Origin::File] {
            let domain = read(&text, origin).unwrap();
            assert!(domain.errors_only_warn && domain.name == "n");
        }
    }
}
