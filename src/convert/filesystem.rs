//! `<filesystem>` and [`PortableShare`], both ways.

use crate::convert::named_buses::NamedBuses;
use crate::convert::portable::{Access, Address, Model, PortableShare};
use crate::convert::tree::XmlNode;
use crate::convert::{Refusal, Refusals};
use crate::domain::xml::attribute;
use crate::domain::{Device, number};
use crate::qemu::libvirt_ids::user_alias;
use crate::qemu::numbers::SlotFunction;
use crate::text::{Span, quoted};

/// What both forms can say, and so all that an element may have: element and attributes.
const KNOWN: [(&str, &[&str]); 7] = [
    (
        "filesystem",
        &["type", "accessmode", "model", "multidevs", "fmode", "dmode"],
    ),
    ("driver", &["type", "wrpolicy"]),
    ("source", &["dir"]),
    ("target", &["dir"]),
    ("readonly", &[]),
    ("alias", &["name"]),
    (
        "address",
        &["type", "domain", "bus", "slot", "function", "multifunction"],
    ),
];

/// Reads the share that an element makes.
///
/// # Errors
/// With everything in it that raw arguments cannot say, or that libvirt itself refuses.
pub fn read(
    buses: &NamedBuses,
    device: &Device,
    node: &XmlNode,
) -> Result<PortableShare, Vec<Refusal>> {
    let mut refused = Refusals::default();
    refused.extend(unknown(node));
    let share = PortableShare {
        tag: refused.part(dir(node, "target")),
        path: refused.part(dir(node, "source")),
        access: refused.part(access(node)),
        model: refused.part(model(node)),
        readonly: node.all("readonly").next().is_some(),
        multidevs: refused.part(multidevs(node)),
        immediate: refused.part(driver(node)),
        fmode: refused.part(mode(node, "fmode")),
        dmode: refused.part(mode(node, "dmode")),
        // An automatic one is only what libvirt calls its own device.
        alias: device.alias.as_deref().and_then(user_alias),
        address: refused.part(address(buses, device, node)),
    };
    for name in ["fmode", "dmode"] {
        if let (Some((_, span)), true) = (node.attribute(name), share.access != Access::Mapped) {
            refused.push(
                Refusal::at(
                    span,
                    format!("`{name}` goes with accessmode='mapped' only; libvirt and QEMU refuse it here"),
                )
                .help("remove it, or write accessmode='mapped'"),
            );
        }
    }
    refused.finish(share)
}

/// What is not among the [`KNOWN`] elements and attributes.
fn unknown(filesystem: &XmlNode) -> Vec<Refusal> {
    let nothing_like_it = |span: Span, what: String| {
        Refusal::at(
            span,
            format!("{what} has no equal among QEMU's 9p arguments and would be lost"),
        )
        .help("remove it, or keep this share as it is and name the others with --target")
    };
    let mut refused = Vec::new();
    let inside = filesystem.children.iter();
    for node in std::iter::once(filesystem).chain(inside) {
        let known = KNOWN.iter().find(|(name, _)| node.is(name));
        let Some((_, attributes)) = known else {
            let what = format!("<{}> in <filesystem>", node.name);
            refused.push(nothing_like_it(node.tag, what));
            continue;
        };
        // Those of another kind of address are refused with it.
        let strange = node.is("address") && node.value("type") != Some("pci");
        for (name, _, span) in node.attributes.iter().filter(|_| !strange) {
            if !attributes.contains(&name.as_str()) {
                let what = format!("attribute `{name}` of <{}>", node.name);
                refused.push(nothing_like_it(*span, what));
            }
        }
        if !std::ptr::eq(node, filesystem) {
            let deeper = node.children.iter();
            refused.extend(deeper.map(|deep| {
                let what = format!("<{}> in <{}>", deep.name, node.name);
                nothing_like_it(deep.tag, what)
            }));
        }
    }
    refused
}

fn dir(filesystem: &XmlNode, name: &str) -> Result<String, Refusal> {
    let dir = filesystem
        .all(name)
        .next()
        .and_then(|node| node.value("dir"));
    dir.map(str::to_owned).ok_or_else(|| {
        Refusal::at(
            filesystem.tag,
            format!("this <filesystem> has no <{name} dir='…'/>; libvirt refuses it, too"),
        )
    })
}

/// One of the words that an attribute may have, or its default where it is not there.
fn choice<T: Default>(
    node: &XmlNode,
    name: &str,
    of: impl Fn(&str) -> Option<T>,
) -> Result<T, Refusal> {
    let Some((value, span)) = node.attribute(name) else {
        return Ok(T::default());
    };
    of(value).ok_or_else(|| {
        let value = quoted(value);
        Refusal::at(
            span,
            format!("{name} {value} is none that a 9p share of QEMU's has"),
        )
    })
}

fn access(filesystem: &XmlNode) -> Result<Access, Refusal> {
    // libvirt's default.
    match filesystem.attribute("accessmode") {
        None => Ok(Access::Passthrough),
        Some(_) => choice(filesystem, "accessmode", Access::of_libvirt),
    }
}

fn model(filesystem: &XmlNode) -> Result<Model, Refusal> {
    choice(filesystem, "model", Model::of_libvirt)
}

fn multidevs(filesystem: &XmlNode) -> Result<Option<String>, Refusal> {
    choice(filesystem, "multidevs", |word| match word {
        "default" => Some(None),
        "remap" | "forbid" | "warn" => Some(Some(word.to_owned())),
        _ => None,
    })
}

/// `<driver>`: whether what is written goes to the disk at once.
fn driver(filesystem: &XmlNode) -> Result<bool, Refusal> {
    let Some(driver) = filesystem.all("driver").next() else {
        return Ok(false);
    };
    choice(driver, "type", |word| {
        matches!(word, "path" | "default").then_some(())
    })?;
    choice(driver, "wrpolicy", |word| match word {
        "default" => Some(false),
        "immediate" => Some(true),
        _ => None,
    })
}

/// A mode as libvirt reads it: octal with or without a leading 0, and 0 is none.
fn mode(filesystem: &XmlNode, name: &str) -> Result<Option<u16>, Refusal> {
    let Some((value, span)) = filesystem.attribute(name) else {
        return Ok(None);
    };
    match u16::from_str_radix(value.trim(), 8) {
        Ok(0) => Ok(None),
        Ok(mode @ 1..=0o777) => Ok(Some(mode)),
        _ => Err(Refusal::at(
            span,
            format!(
                "{name} {} is no octal mode up to 0777; libvirt refuses it, too",
                quoted(value)
            ),
        )),
    }
}

/// Where the share is; none where libvirt has yet to decide.
fn address(
    buses: &NamedBuses,
    device: &Device,
    filesystem: &XmlNode,
) -> Result<Option<Address>, Refusal> {
    let Some(node) = filesystem.all("address").next() else {
        return Ok(None);
    };
    let kind = node.value("type").unwrap_or("");
    if kind != "pci" {
        return Err(Refusal::at(
            node.tag,
            format!(
                "a share at an address of type {} is not converted: virt-9p knows PCI only",
                quoted(kind)
            ),
        ));
    }
    let Some(pci) = device.pci else {
        let numbers = ["domain", "bus", "slot", "function"];
        let mut numbers = numbers.iter().filter_map(|name| node.value(name));
        // To libvirt an address of zeros is an empty one.
        if !numbers.all(|value| number(value) == Some(0)) {
            return Err(Refusal::at(
                node.tag,
                "this PCI address is none that a guest of QEMU's has",
            ));
        }
        if node.value("multifunction") == Some("on") {
            return Err(Refusal::at(
                node.tag,
                "this share wants multifunction, but has no address yet",
            )
            .help("define the domain, and convert what `virsh dumpxml --inactive` prints"));
        }
        return Ok(None);
    };
    let bus = buses.index(pci.bus).ok_or_else(|| {
        Refusal::at(
            node.tag,
            format!("there is no PCI controller with index {} here whose bus QEMU would know by name", pci.bus),
        )
        .help("convert what `virsh dumpxml --inactive` prints, in which libvirt has filled in all controllers")
    })?;
    Ok(Some(Address {
        index: bus.index,
        bus: bus.name.clone(),
        at: SlotFunction {
            slot: pci.slot,
            function: pci.function,
        },
        multifunction: pci.multifunction,
    }))
}

/// The element that makes this share, in lines indented by `step`, as libvirt itself writes it.
pub fn write(share: &PortableShare, step: &str) -> Vec<String> {
    let mut head = format!(
        "<filesystem type='mount' accessmode='{}'",
        share.access.libvirt()
    );
    if share.model != Model::default() {
        head.push_str(&format!(" model='{}'", share.model.libvirt()));
    }
    if let Some(multidevs) = &share.multidevs {
        head.push_str(&format!(" multidevs={}", attribute(multidevs)));
    }
    for (name, mode) in [("fmode", share.fmode), ("dmode", share.dmode)] {
        if let Some(mode) = mode {
            head.push_str(&format!(" {name}='{mode:04o}'"));
        }
    }
    let mut lines = vec![format!("{head}>")];
    let mut child = |text: String| lines.push(format!("{step}{text}"));
    if share.immediate {
        child("<driver type='path' wrpolicy='immediate'/>".to_owned());
    }
    child(format!("<source dir={}/>", attribute(&share.path)));
    child(format!("<target dir={}/>", attribute(&share.tag)));
    if share.readonly {
        child("<readonly/>".to_owned());
    }
    if let Some(alias) = &share.alias {
        child(format!("<alias name={}/>", attribute(alias)));
    }
    if let Some(address) = &share.address {
        child(address.xml());
    }
    lines.push("</filesystem>".to_owned());
    lines
}
