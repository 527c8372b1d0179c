//! The managed block in a guest's profile: text in, text out.
//!
//! One file and no include of our own: AppArmor 2.12 has no `include if exists`, and a second
//! file could fall out of step. Whatever stands outside the two marker lines stays byte for byte.

use crate::domain::Uuid;
use crate::text::find;

/// First line of the block.
pub const BEGIN: &str = "  # virt-9p begin (managed by virt-9p; do not edit)";

/// Last line of the block.
pub const END: &str = "  # virt-9p end";

/// How a marker is recognised, white space around it left out.
const BEGIN_MARK: &[u8] = b"# virt-9p begin";
const END_MARK: &[u8] = b"# virt-9p end";

/// Why a profile cannot be edited; lines count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A begin marker without its end.
    NoEnd(usize),
    /// An end marker without its begin.
    NoBegin(usize),
    /// Something between the markers that is no rule of ours.
    Foreign(usize),
    /// No line in the guest's own profile that includes libvirt's rules for this guest.
    NoAnchor,
    /// The template has no `profile LIBVIRT_TEMPLATE` line or no closing brace.
    Template,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::NoEnd(line) => write!(f, "line {line} begins virt-9p's block, and its end marker is missing"),
            Damage::NoBegin(line) => write!(f, "line {line} ends virt-9p's block, and its begin marker is missing"),
            Damage::Foreign(line) => write!(f, "line {line} stands in virt-9p's block and is no rule of its own"),
            Damage::NoAnchor => f.write_str("its profile libvirt-UUID does not itself include libvirt's own rules for this guest (<libvirt/libvirt-UUID.files>)"),
            Damage::Template => f.write_str("TEMPLATE.qemu has no line `profile LIBVIRT_TEMPLATE` or no closing `}` at the start of a line"),
        }
    }
}

/// Whether there is a trace of ours in it: the cheap question before any work.
pub fn has_block(profile: &[u8]) -> bool {
    find(profile, b"# virt-9p ").is_some()
}

/// The profile with these rules in its block; without rules, without a block.
///
/// # Errors
/// When the markers are damaged or there is nowhere to put the block.
pub fn edit(profile: &[u8], uuid: &Uuid, rules: &str) -> Result<Vec<u8>, Damage> {
    let stripped = strip(profile)?;
    if rules.is_empty() {
        return Ok(stripped);
    }
    let end = anchor(&stripped, uuid).ok_or(Damage::NoAnchor)?;
    let (before, after) = stripped.split_at_checked(end).ok_or(Damage::NoAnchor)?;
    let mut out = Vec::with_capacity(stripped.len() + rules.len() + 128);
    out.extend_from_slice(before);
    if !before.ends_with(b"\n") {
        out.push(b'\n');
    }
    out.extend_from_slice(block(rules).as_bytes());
    out.extend_from_slice(after);
    Ok(out)
}

/// Where the line ends that includes libvirt's rules in the guest's own profile. In a child profile
/// (or a hat), or in another profile of the file, QEMU would not get them.
fn anchor(profile: &[u8], uuid: &Uuid) -> Option<usize> {
    let include = format!("<libvirt/libvirt-{uuid}.files>");
    let mut nesting = Nesting::default();
    let mut end = 0;
    for line in lines(profile) {
        end += line.len();
        if nesting.is_own() && is_include(line, include.as_bytes()) {
            return Some(end);
        }
        nesting.read(line, uuid);
    }
    None
}

/// In which profile the next line stands.
#[derive(Default)]
struct Nesting {
    depth: usize,
    /// Whether the outermost profile's head names the guest's.
    named: bool,
}

impl Nesting {
    fn is_own(&self) -> bool {
        self.depth == 1 && self.named
    }

    /// A brace that opens or closes a profile begins a word (or follows the flags); others are in
    /// patterns and variables. No string goes on after its line.
    fn read(&mut self, line: &[u8], uuid: &Uuid) {
        if self.depth == 0 && find(line, uuid.as_str().as_bytes()).is_some() {
            self.named = true;
        }
        if !line.iter().any(|byte| matches!(byte, b'{' | b'}')) {
            return;
        }
        let (mut quoted, mut before) = (false, b' ');
        let mut bytes = line.iter().copied();
        while let Some(byte) = bytes.next() {
            let starts = before.is_ascii_whitespace();
            match byte {
                b'"' => quoted = !quoted,
                b'\\' => drop(bytes.next()),
                _ if quoted => {}
                b'#' if starts => return,
                b'{' if starts || before == b')' => self.depth += 1,
                b'}' if starts => {
                    self.depth = self.depth.saturating_sub(1);
                    self.named &= self.depth > 0;
                }
                _ => {}
            }
            // A brace that was one is as good as a space before the next word.
            before = match byte {
                b'{' | b'}' if starts => b' ',
                byte => byte,
            };
        }
    }
}

/// A new profile as virt-aa-helper would make it from the template (create_profile), with the
/// block behind the include.
///
/// # Errors
/// When the template is none.
pub fn create(template: &[u8], uuid: &Uuid, rules: &str) -> Result<Vec<u8>, Damage> {
    const NAME: &[u8] = b"\nprofile LIBVIRT_TEMPLATE";
    let name = find(template, NAME).ok_or(Damage::Template)?;
    let end = template.windows(2).rposition(|pair| pair == b"\n}");
    let end = end.ok_or(Damage::Template)?;
    let after_name = name + NAME.len();
    let part = |range: std::ops::Range<usize>| template.get(range).ok_or(Damage::Template);
    let mut out = Vec::with_capacity(template.len() + rules.len() + 256);
    out.extend_from_slice(part(0..name)?);
    out.extend_from_slice(format!("\nprofile libvirt-{uuid}").as_bytes());
    out.extend_from_slice(part(after_name..end)?);
    out.extend_from_slice(format!("\n  #include <libvirt/libvirt-{uuid}.files>\n").as_bytes());
    // Here the next call looks for the block.
    if anchor(&out, uuid).is_none() {
        return Err(Damage::Template);
    }
    out.extend_from_slice(block(rules).as_bytes());
    out.extend_from_slice(part(end..template.len())?);
    // A comment without line end at the end of a file is a syntax error (facts A1).
    if !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    Ok(out)
}

fn block(rules: &str) -> String {
    format!("{BEGIN}\n{rules}{END}\n")
}

/// What is not ours of a profile; all of it where the block is damaged.
pub fn outside(profile: &str) -> String {
    let outside = strip(profile.as_bytes()).ok();
    let outside = outside.and_then(|outside| String::from_utf8(outside).ok());
    outside.unwrap_or_else(|| profile.to_owned())
}

/// The profile without our block.
fn strip(profile: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut out = Vec::with_capacity(profile.len());
    let mut begun = None;
    for (number, line) in (1..).zip(lines(profile)) {
        let content = line.trim_ascii();
        if content.starts_with(BEGIN_MARK) {
            if let Some(begun) = begun {
                return Err(Damage::NoEnd(begun));
            }
            begun = Some(number);
        } else if content.starts_with(END_MARK) {
            if begun.take().is_none() {
                return Err(Damage::NoBegin(number));
            }
        } else if begun.is_none() {
            out.extend_from_slice(line);
        } else if !is_ours(content) {
            return Err(Damage::Foreign(number));
        }
    }
    match begun {
        Some(begun) => Err(Damage::NoEnd(begun)),
        None => Ok(out),
    }
}

/// Whether a line between the markers can have been written by us, in this version or another.
fn is_ours(line: &[u8]) -> bool {
    line.is_empty() || (line.starts_with(b"\"/") && line.ends_with(b",") && !line.contains(&b'{'))
}

fn is_include(line: &[u8], file: &[u8]) -> bool {
    let content = line.trim_ascii_start();
    let content = content.strip_prefix(b"#").unwrap_or(content);
    content.starts_with(b"include") && find(content, file).is_some()
}

/// Lines with their line ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "#\n# c\n#\n\n#include <tunables/global>\n\nprofile LIBVIRT_TEMPLATE flags=(attach_disconnected) {\n  #include <abstractions/libvirt-qemu>\n}\n";
    const RULES: &str = "  \"/srv/a/\" r,\n  \"/srv/a/**\" rwl,\n";

    fn uuid() -> Uuid {
        Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809").unwrap()
    }

    #[test]
    fn a_new_profile_without_its_block_is_libvirts() {
        let made = create(TEMPLATE.as_bytes(), &uuid(), RULES).unwrap();
        let bare = edit(&made, &uuid(), "").unwrap();
        let libvirts = "#\n# c\n#\n\n#include <tunables/global>\n\nprofile libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809 flags=(attach_disconnected) {\n  #include <abstractions/libvirt-qemu>\n  #include <libvirt/libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809.files>\n\n}\n";
        assert_eq!(String::from_utf8(bare.clone()).unwrap(), libvirts);
        assert_eq!(edit(&bare, &uuid(), RULES).unwrap(), made);
        assert_eq!(edit(&made, &uuid(), RULES).unwrap(), made);
    }

    #[test]
    fn keeps_everything_else() {
        let profile = "profile libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809 {\r\n\tinclude if exists <libvirt/libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809.files>\r\n  /mine rw, # \u{e4}\n}";
        let edited = edit(profile.as_bytes(), &uuid(), RULES).unwrap();
        assert_eq!(edit(&edited, &uuid(), "").unwrap(), profile.as_bytes());
        assert!(has_block(&edited) && !has_block(profile.as_bytes()));
    }

    #[test]
    fn the_anchor_is_in_the_guests_own_profile() {
        let own = "profile libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809";
        let include = "  #include <libvirt/libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809.files>\n";
        // What stands before the include that counts, and after it.
        for (before, after) in [
            ("OWN flags=(attach_disconnected) {\n", "}\n"),
            ("OWN flags=(attach_disconnected){\n", "}\n"),
            ("OWN\n  flags=(complain)\n{\n", "}\n"),
            ("\"libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809\" {\n", "}"),
            ("OWN {\n  ^hat {\nINCLUDE  }\n", "}\n"),
            (
                "OWN {\n  profile child {\nINCLUDE    hat x {\nINCLUDE    }\n  }\n",
                "}\n",
            ),
            ("OWN {\n  if $x {\nINCLUDE  } else {\nINCLUDE  }\n", "}\n"),
            ("profile other {\nINCLUDE}\nOWN {\n", "}\n"),
            (
                "# { libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809\nOWN { # {\n",
                "}\n",
            ),
            (
                "OWN {\n  /a{,/b} r,\n  \"/c { d\" r,\n  /e\\ { r,\n  @{X}/{f,g}{,/} rw,\n",
                "}\n",
            ),
            ("@{A} = /x /{y,z}\nOWN {\n  ^h { /a r, }\n", "}\n"),
        ] {
            let [before, after] =
                [before, after].map(|text| text.replace("OWN", own).replace("INCLUDE", include));
            let profile = format!("{before}{include}{after}");
            let edited = edit(profile.as_bytes(), &uuid(), RULES).unwrap();
            let expected = format!("{before}{include}{BEGIN}\n{RULES}{END}\n{after}");
            assert_eq!(String::from_utf8(edited).unwrap(), expected);
        }
        for profile in [
            "OWN {\n  ^hat {\nINCLUDE  }\n}\n",
            "OWN {\n}\nINCLUDE",
            "profile other {\nINCLUDE}\nOWN {\n}\n",
            "INCLUDEOWN {\n}\n",
        ] {
            let profile = profile.replace("OWN", own).replace("INCLUDE", include);
            assert_eq!(
                edit(profile.as_bytes(), &uuid(), RULES),
                Err(Damage::NoAnchor),
                "{profile}"
            );
        }
        let template = TEMPLATE.replace("libvirt-qemu>\n", "libvirt-qemu>\n  ^open {\n");
        assert_eq!(
            create(template.as_bytes(), &uuid(), RULES),
            Err(Damage::Template)
        );
    }

    #[test]
    fn refuses_damage() {
        let anchor = "profile libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809 {\n#include <libvirt/libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809.files>\n";
        for (profile, damage) in [
            (format!("{anchor}{BEGIN}\n{RULES}"), Damage::NoEnd(3)),
            (
                format!("{anchor}{BEGIN}\n{BEGIN}\n{END}\n"),
                Damage::NoEnd(3),
            ),
            (format!("{anchor}{END}\n"), Damage::NoBegin(3)),
            (
                format!("{anchor}{BEGIN}\n  capability sys_admin,\n{END}\n"),
                Damage::Foreign(4),
            ),
            (
                "# include <libvirt/libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809.files>\n"
                    .to_owned(),
                Damage::NoAnchor,
            ),
            (String::new(), Damage::NoAnchor),
        ] {
            assert_eq!(
                edit(profile.as_bytes(), &uuid(), RULES),
                Err(damage),
                "{profile}"
            );
        }
        assert_eq!(
            create(b"profile LIBVIRT_TEMPLATE {}", &uuid(), RULES),
            Err(Damage::Template)
        );
    }
}
