//! From an example of the catalogue to the domain it is taken from.
//!
//! An example leaves out what is usual. Lines that begin with `<` and those after them are XML:
//! devices, or a whole `<commandline>`. Lines that begin with `-` are an option and, after the
//! first space, its argument; any other line is one word.

use std::fmt::Write as _;

const FSDEV: &str =
    "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755";
const DEVICE: &str = "-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10";

/// The domain around an example.
pub fn domain(text: &str) -> String {
    // A port or expander bus of PCI Express is on a machine of that kind.
    let express = text.contains("pcie");
    let (machine, root) = if express {
        ("pc-q35-7.2", "pcie-root")
    } else {
        ("pc-i440fx-7.2", "pci-root")
    };
    let (xml, mut lines) = split(&spelled_out(text));
    let (commandline, devices): (Vec<_>, Vec<_>) =
        xml.iter().partition(|block| block.contains("commandline"));
    let has = |option: &str| lines.iter().any(|line| line.starts_with(option));
    // The other half of a share of which one half is shown.
    if has("-device ") && !has("-fsdev ") {
        lines.push(FSDEV.to_owned());
    } else if has("-fsdev ") && !has("-device ") && text.contains("id=share0") {
        let bus = if express { "pcie.0" } else { "pci.0" };
        lines.push(DEVICE.replace("pci.0", bus));
    }
    let mut out = format!(
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n\
         <name>guest</name>\n\
         <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n\
         <os><type arch='x86_64' machine='{machine}'>hvm</type></os>\n\
         <devices>\n\
         <controller type='pci' index='0' model='{root}'/>\n\
         <controller type='usb' index='0' model='none'/>\n\
         <memballoon model='none'/>\n"
    );
    for device in devices {
        let _ = writeln!(out, "{device}");
    }
    out.push_str("</devices>\n");
    for element in commandline {
        let _ = writeln!(out, "{element}");
    }
    if !lines.is_empty() {
        out.push_str("<qemu:commandline>\n");
        for word in lines.iter().flat_map(|line| words(line)) {
            let value = word
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('\'', "&apos;");
            let _ = writeln!(out, "<qemu:arg value='{value}'/>");
        }
        out.push_str("</qemu:commandline>\n");
    }
    out.push_str("</domain>\n");
    out
}

fn words(line: &str) -> Vec<&str> {
    match line.split_once(' ') {
        Some((option, argument)) if line.starts_with('-') => vec![option, argument],
        _ => vec![line],
    }
}

/// XML blocks and argument lines.
fn split(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut xml, mut lines): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for line in text.lines() {
        match xml.last_mut() {
            Some(block) if line.starts_with("  ") || line.starts_with("</") => {
                block.push('\n');
                block.push_str(line);
            }
            _ if line.starts_with('<') => xml.push(line.to_owned()),
            _ => lines.push(line.to_owned()),
        }
    }
    (xml, lines)
}

/// `{2..31}`: the whole text once with each number. `[9 letters]`: a word of that length.
fn spelled_out(text: &str) -> String {
    if let Some((range, inside)) = between(text, "{", "}")
        && let Some((first, last)) = inside.split_once("..")
    {
        let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
        // Arguments stand once, below all the elements.
        let (head, tail) = match text.find("\n-") {
            Some(at) => text.split_at(at + 1),
            None => (text, ""),
        };
        let all: String = (first..=last)
            .map(|n| head.replace(range, &n.to_string()))
            .collect();
        return all + tail;
    }
    match between(text, "[", " letters]") {
        Some((range, number)) => text.replace(range, &"x".repeat(number.parse().unwrap())),
        None => text.to_owned(),
    }
}

/// The first part from `open` to `close`, and what is inside.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<(&'t str, &'t str)> {
    let start = text.find(open)?;
    let length = text[start..].find(close)?;
    let range = &text[start..start + length + close.len()];
    Some((range, &range[open.len()..length]))
}
