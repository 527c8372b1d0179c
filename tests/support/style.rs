//! The same domain in other looks: what people's editors and scripts make of libvirt's XML.

use crate::cases::{chance, pick};
use fastrand::Rng;

const URI: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// Things that look like what `convert` looks for.
const COMMENTS: &[&str] = &[
    "<!-- </devices> -->",
    "<!-- <filesystem type='mount'> -->",
    "<!-- <qemu:commandline> </qemu:commandline> </domain> -->",
    "<?editor keep='this'?>",
];

/// `dump`, as libvirt writes it, in other looks. libvirt reads the same in it.
pub fn vary(rng: &mut Rng, dump: &str) -> String {
    let mut lines: Vec<String> = dump.lines().map(str::to_owned).collect();
    if chance(rng, 50) {
        let step = pick(rng, &["\t", " ", "    ", "   \t"]);
        lines = lines.iter().map(|line| indented(line, step)).collect();
    }
    for _ in 0..rng.u32(..4) {
        // Not in <metadata>, of which libvirt keeps all, and not behind the last line.
        let memory = lines.iter().position(|line| line.contains("<memory "));
        let at = rng.usize(memory.unwrap()..lines.len());
        let comment = pick(rng, COMMENTS);
        if chance(rng, 50) {
            lines.insert(at, format!("  {comment}"));
        } else {
            lines[at].push_str(comment);
        }
    }
    let newline = pick(rng, &["\n", "\n", "\n", "\r\n", ""]);
    let mut text: String = lines
        .iter()
        .map(|line| format!("{line}{newline}"))
        .collect();
    if newline.is_empty() && chance(rng, 70) {
        text = lines.iter().map(|line| line.trim_start()).collect();
    }
    if chance(rng, 30) {
        // libvirt escapes quotes wherever they are no quotes.
        text = text.replace('\'', "\"");
    }
    text = namespaces(rng, text);
    if chance(rng, 30) {
        text = format!("<!-- written by a person -->{newline}{text}");
    }
    if chance(rng, 30) {
        text = format!("<?xml version='1.0' encoding='utf-8'?>{newline}{text}");
    }
    if chance(rng, 15) {
        text.insert(0, '\u{feff}');
    }
    text
}

fn indented(line: &str, step: &str) -> String {
    let rest = line.trim_start_matches(' ');
    let levels = (line.len() - rest.len()) / 2;
    format!("{}{rest}", step.repeat(levels))
}

/// QEMU's namespace under another name, or another namespace under QEMU's name.
fn namespaces(rng: &mut Rng, text: String) -> String {
    if !text.contains(URI) {
        return match rng.u32(..4) {
            0 => text.replacen("<domain ", "<domain xmlns:qemu=\"urn:another\" ", 1),
            1 => text.replacen("<domain ", &format!("<domain\txmlns:q = '{URI}' "), 1),
            _ => text,
        };
    }
    match rng.u32(..4) {
        0 => text
            .replace("qemu:commandline", "q:commandline")
            .replace("qemu:arg", "q:arg")
            .replace("qemu:cap", "q:cap")
            .replace("qemu:del", "q:del")
            .replace("xmlns:qemu=", "xmlns:qemu='urn:another' xmlns:q="),
        1 => text
            .replace(
                "<qemu:commandline>",
                &format!("<commandline xmlns='{URI}' >"),
            )
            .replace("</qemu:commandline>", "</commandline >")
            .replace("qemu:arg", "arg"),
        _ => text,
    }
}

/// The text without its `<filesystem>` elements, and without their lines where they have lines of
/// their own. Comments do not count.
pub fn without_shares(text: &str) -> String {
    let mut rest = text.to_owned();
    while let Some(end) = rest.find("</filesystem>") {
        let start = rest[..end]
            .match_indices("<filesystem ")
            .map(|(at, _)| at)
            .filter(|at| !rest[..*at].ends_with("<!-- "))
            .last()
            .unwrap();
        let end = end + "</filesystem>".len();
        let line = rest[..start].rfind('\n').map_or(0, |at| at + 1);
        let next = rest[end..].find('\n').map(|at| end + at + 1);
        match next {
            Some(next)
                if rest[line..start].trim().is_empty() && rest[end..next].trim().is_empty() =>
            {
                rest.replace_range(line..next, "");
            }
            _ => rest.replace_range(start..end, ""),
        }
    }
    rest
}

/// Without the modes of shares.
pub fn without_modes(text: &str) -> String {
    let mut rest = text.to_owned();
    for name in [" fmode='", " dmode='"] {
        while let Some(start) = rest.find(name) {
            let value = start + name.len();
            let end = value + rest[value..].find('\'').unwrap() + 1;
            rest.replace_range(start..end, "");
        }
    }
    rest
}
