//! The UUID of a domain: the only thing that ever becomes part of a file name.

use crate::domain::xml::{Origin, Xml, XmlError};

/// A UUID in libvirt's own spelling: lower case, with dashes. Holding one is the proof that it
/// can stand in a file name and in a profile name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uuid(String);

impl Uuid {
    /// Reads a UUID as libvirt does (virUUIDParse: 32 hex digits, dashes anywhere between
    /// bytes, white space around), or nothing.
    pub fn parse(text: &str) -> Option<Uuid> {
        let mut digits = String::with_capacity(36);
        let mut count = 0;
        for c in text.trim().chars() {
            if c == '-' {
                continue;
            }
            if !c.is_ascii_hexdigit() || count == 32 {
                return None;
            }
            if matches!(count, 8 | 12 | 16 | 20) {
                digits.push('-');
            }
            digits.push(c.to_ascii_lowercase());
            count += 1;
        }
        (count == 32).then_some(Uuid(digits))
    }

    /// That of a guest whose profile, or its file, is called `name`.
    pub fn of_profile(name: &str) -> Option<Uuid> {
        let text = name.strip_prefix("libvirt-")?;
        Uuid::parse(text).filter(|uuid| uuid.as_str() == text)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `<uuid>` of the domain in `text`, reading no further than to it: what a domain that is
/// none of our business costs us. `None` when there is none before the text goes wrong.
pub fn find_uuid(text: &str) -> Option<Uuid> {
    let mut found = None;
    // Hex digits and dashes are the same to both.
    let mut xml = Xml::new(
        text.strip_prefix('\u{feff}').unwrap_or(text),
        Origin::Libvirt,
    );
    let root = xml.root().ok()?;
    if !root.is("domain") {
        return None;
    }
    // The error is how reading stops early; what it says does not matter.
    let _ = xml.children(|xml, element| {
        if !element.is("uuid") {
            return Ok(());
        }
        found = Uuid::parse(&xml.text()?.0);
        Err(XmlError {
            at: 0,
            message: String::new(),
        })
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_uuids() {
        let canonical = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
        for text in [
            canonical,
            "C7A5FDBDEDAF9455926AD65C16DB1809",
            " c7a5fdbd-edaf-9455-926a-d65c16db1809\n",
        ] {
            assert_eq!(Uuid::parse(text).unwrap().as_str(), canonical);
        }
        for text in [
            "",
            "../../etc/passwd",
            "c7a5fdbd-edaf-9455-926a-d65c16db180",
            "c7a5fdbd-edaf-9455-926a-d65c16db18099",
            "c7a5fdbd/edaf-9455-926a-d65c16db1809",
        ] {
            assert_eq!(Uuid::parse(text), None, "{text}");
        }
    }

    #[test]
    fn finds_the_uuid_of_a_broken_domain() {
        let uuid = find_uuid(
            "<domain><name>a</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><dev",
        );
        assert_eq!(
            uuid.unwrap().as_str(),
            "c7a5fdbd-edaf-9455-926a-d65c16db1809"
        );
        assert_eq!(
            find_uuid(
                "<domain><metadata><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid></metadata>"
            ),
            None
        );
        assert_eq!(find_uuid("junk"), None);
    }
}
