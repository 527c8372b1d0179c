//! A thin pull layer over quick-xml: elements with their namespace, attributes with their place.
//!
//! Everything is read in one pass and by recursive descent over the few elements we know, so
//! neither a deep nor a wide document can make us recurse or allocate beyond its own size.

use std::borrow::Cow;
use std::collections::BTreeSet;

use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event, attributes};
use quick_xml::name::QName;
use quick_xml::{Reader, XmlVersion};

use crate::domain::namespaces::Namespaces;

use crate::text::Span;

/// The namespace libvirt looks for; matched by this text, whatever the prefix.
pub const QEMU_NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// The namespace of our own element in `<metadata>` (the way out for one domain).
pub const POLICY_NAMESPACE: &str = "urn:virt-9p:policy:1";

/// Who wrote the text: that decides what a line end in an attribute value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// libvirt, for its hooks. It escapes `<`, `>`, `&` and both quotes and copies every other
    /// byte (virBufferEscapeString, 4.0 to 12.8), so TAB, LF and CR stand for themselves, and QEMU
    /// gets the same bytes.
    Libvirt,
    /// Anybody, in a file that libvirt has yet to read: its XML parser makes a blank of each TAB,
    /// LF and CR in an attribute value that is not written as a reference (XML 1.0, 3.3.3).
    File,
}

/// Which of the namespaces we care about an element is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ns {
    /// No namespace: libvirt's own elements.
    None,
    /// [`QEMU_NAMESPACE`].
    Qemu,
    /// [`POLICY_NAMESPACE`].
    Policy,
    /// Any other, and prefixes that nothing declares.
    Other,
}

/// What is wrong with the XML, and where (byte offset).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlError {
    /// Byte offset into the text.
    pub at: usize,
    /// One sentence without its full stop.
    pub message: String,
}

impl std::fmt::Display for XmlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for XmlError {}

/// One attribute: its name with prefix, its value as the application sees it, and where the
/// value stands in the text (between the quotes).
#[derive(Debug, Clone)]
pub struct Attribute<'i> {
    /// Name as written.
    pub name: &'i str,
    /// Value with references resolved, and white space as its [`Origin`] has it.
    pub value: Cow<'i, str>,
    /// Where the raw value stands.
    pub span: Span,
    /// Whether it is written with TAB, LF or CR that became blanks.
    pub blanked: bool,
}

/// A start tag. Of an element in a namespace that is nobody's here the attributes are not read.
#[derive(Debug, Clone)]
pub struct Element<'i> {
    /// Its namespace.
    pub ns: Ns,
    /// Its name without prefix.
    pub name: &'i str,
    /// Its attributes, in order.
    pub attributes: Vec<Attribute<'i>>,
    /// The start tag, from `<` to `>`.
    pub tag: Span,
}

impl<'i> Element<'i> {
    /// The attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&Attribute<'i>> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// The value of the attribute called `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|a| a.value.as_ref())
    }

    /// Whether it is libvirt's own element `name`.
    pub fn is(&self, name: &str) -> bool {
        self.ns == Ns::None && self.name == name
    }
}

/// Whether `text` has white space that is no blank in it.
pub fn has_white_space(text: &str) -> bool {
    memchr::memchr3(b'\t', b'\n', b'\r', text.as_bytes()).is_some()
}

/// `value` as it stands in a start tag, quotes included. White space but the blank is written as
/// references, because a reader would make blanks of it (XML 1.0, 3.3.3).
pub fn attribute(value: &str) -> String {
    let quote = if value.contains('\'') { '"' } else { '\'' };
    let mut out = String::with_capacity(value.len() + 2);
    out.push(quote);
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' if quote == '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// The reader; see [`Xml::root`] and [`Xml::children`].
pub struct Xml<'i> {
    text: &'i str,
    origin: Origin,
    reader: Reader<&'i [u8]>,
    namespaces: Namespaces<'i>,
    depth: usize,
}

impl<'i> Xml<'i> {
    /// Reads `text`, which must not begin with a byte order mark.
    pub fn new(text: &'i str, origin: Origin) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Xml {
            text,
            origin,
            reader,
            namespaces: Namespaces::default(),
            depth: 0,
        }
    }

    /// Byte offset of what comes next.
    pub fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The root element.
    pub fn root(&mut self) -> Result<Element<'i>, XmlError> {
        loop {
            let at = self.position();
            match self.event()? {
                Event::Start(start) => return self.opened(&start, at),
                Event::Eof => return self.fail(at, "no element in it: not a domain XML"),
                Event::Text(text) if !text.trim().is_empty() => {
                    return self.fail(at, "text before the first element: not an XML document");
                }
                Event::GeneralRef(_) | Event::CData(_) => {
                    return self.fail(at, "text before the first element: not an XML document");
                }
                _ => {}
            }
        }
    }

    /// Reads what follows the root element: white space and comments, nothing else.
    pub fn finish(&mut self) -> Result<(), XmlError> {
        loop {
            let at = self.position();
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Comment(_) | Event::PI(_) => {}
                _ => return self.fail(at, "more than one document in it"),
            }
        }
    }

    /// Calls `each` for every child element of the element just opened, then closes it.
    /// Whatever `each` does not read of a child is passed over.
    pub fn children<F>(&mut self, mut each: F) -> Result<(), XmlError>
    where
        F: FnMut(&mut Self, &Element<'i>) -> Result<(), XmlError>,
    {
        let level = self.depth;
        while let Some(child) = self.next_child(level)? {
            each(self, &child)?;
            self.close(level)?;
        }
        Ok(())
    }

    /// Reads on to the end of every element deeper than `level`.
    fn close(&mut self, level: usize) -> Result<(), XmlError> {
        while self.depth > level {
            let at = self.position();
            match self.event()? {
                Event::Start(_) => self.depth += 1,
                Event::End(_) => self.depth -= 1,
                Event::Eof => return self.truncated(at),
                _ => {}
            }
        }
        Ok(())
    }

    fn next_child(&mut self, level: usize) -> Result<Option<Element<'i>>, XmlError> {
        if self.depth < level {
            return Ok(None);
        }
        loop {
            let at = self.position();
            match self.event()? {
                Event::Start(start) => return self.opened(&start, at).map(Some),
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(None);
                }
                Event::Eof => return self.truncated(at),
                _ => {}
            }
        }
    }

    /// The text of the element just opened, child elements left out, and where it stands.
    pub fn text(&mut self) -> Result<(String, Span), XmlError> {
        let level = self.depth;
        let start = self.position();
        let mut out = String::new();
        loop {
            let at = self.position();
            match self.event()? {
                Event::Text(text) if self.origin == Origin::Libvirt => out.push_str(&text),
                Event::Text(text) => out.push_str(&text.xml10_content()),
                Event::CData(data) => out.push_str(&data.xml10_content()),
                Event::GeneralRef(reference) => {
                    if let Ok(Some(c)) = reference.resolve_char_ref() {
                        out.push(c);
                    } else if let Some(known) = resolve_predefined_entity(&reference) {
                        out.push_str(known);
                    } else {
                        return self.unknown_entity(at, &reference);
                    }
                }
                Event::Start(_) => {
                    self.depth += 1;
                    self.close(level)?;
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok((out, Span::new(start, at)));
                }
                Event::Eof => return self.truncated(at),
                _ => {}
            }
        }
    }

    fn event(&mut self) -> Result<Event<'i>, XmlError> {
        self.reader.read_event().map_err(|error| {
            let at = usize::try_from(self.reader.error_position()).unwrap_or(0);
            XmlError {
                at,
                message: format!("not well-formed XML: {error}"),
            }
        })
    }

    /// Reads a start tag. Only here are attributes and namespaces looked at: what is passed over
    /// (most of `<metadata>`) may have any number of them, and entities of its own.
    fn opened(&mut self, start: &BytesStart<'i>, at: usize) -> Result<Element<'i>, XmlError> {
        self.depth += 1;
        let (full, _) = self.borrow(start.name().into_inner());
        let (prefix, name) = full.split_once(':').unwrap_or(("", full));
        self.namespaces.close(self.depth);
        let mut raw: Vec<(&'i str, &'i str, Span)> = Vec::new();
        // Our own check below takes no square of a hostile tag.
        for attribute in start.attributes().with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return self.fail(at, &format!("in <{name}>: {error}")),
            };
            let (key, _) = self.borrow(attribute.key.into_inner());
            let (value, span) = self.borrow(&attribute.value);
            let declared = match key.strip_prefix("xmlns") {
                Some("") => Some(""),
                Some(prefix) => prefix.strip_prefix(':'),
                None => None,
            };
            if let Some(prefix) = declared {
                let uri = unescape(value).unwrap_or(Cow::Borrowed(value));
                self.namespaces.declare(self.depth, prefix, &uri);
            }
            raw.push((key, value, span));
        }
        let ns = self.namespaces.resolve(prefix);
        let mut attributes = Vec::new();
        if ns != Ns::Other {
            self.distinct(name, &raw)?;
            attributes.reserve_exact(raw.len());
            for (name, raw, span) in raw {
                let value = match self.value(raw) {
                    Ok(value) => value,
                    Err(error) => {
                        return self.fail(span.start, &format!("in attribute `{name}`: {error}"));
                    }
                };
                let blanked = self.origin == Origin::File && has_white_space(raw);
                attributes.push(Attribute {
                    name,
                    value,
                    span,
                    blanked,
                });
            }
        }
        Ok(Element {
            ns,
            name,
            attributes,
            tag: Span::new(at, self.position()),
        })
    }

    /// Whether no attribute stands twice in a start tag.
    fn distinct(
        &self,
        element: &str,
        attributes: &[(&'i str, &'i str, Span)],
    ) -> Result<(), XmlError> {
        // Most tags have so few that looking at each is the quickest way.
        const FEW: usize = 16;
        let mut seen = BTreeSet::new();
        for (position, (key, _, span)) in attributes.iter().enumerate() {
            let repeated = if attributes.len() > FEW {
                !seen.insert(*key)
            } else {
                let before = attributes.iter().take(position);
                before.into_iter().any(|(other, _, _)| other == key)
            };
            if repeated {
                let message = format!("attribute `{key}` stands twice in <{element}>");
                return self.fail(span.start, &message);
            }
        }
        Ok(())
    }

    /// What libvirt took, or will take, for the value that is written as `raw`.
    fn value(&self, raw: &'i str) -> quick_xml::Result<Cow<'i, str>> {
        match self.origin {
            Origin::Libvirt => Ok(unescape(raw)?),
            Origin::File => attributes::Attribute {
                key: QName(""),
                value: Cow::Borrowed(raw),
            }
            .normalized_value(XmlVersion::Implicit1_0)
            .map(|value| match value {
                Cow::Borrowed(_) => Cow::Borrowed(raw),
                Cow::Owned(value) => Cow::Owned(value),
            }),
        }
    }

    /// `part`, which the library cut out of our text, with the text's own lifetime and place.
    fn borrow(&self, part: &str) -> (&'i str, Span) {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let span = Span::new(offset, offset.saturating_add(part.len()));
        (span.of(self.text), span)
    }

    fn truncated<T>(&self, at: usize) -> Result<T, XmlError> {
        self.fail(at, "the XML ends in the middle of an element")
    }

    fn unknown_entity<T>(&self, at: usize, name: &str) -> Result<T, XmlError> {
        self.fail(
            at,
            &format!(
                "entity {} is not one of XML's own; libvirt's XML has no others",
                crate::text::quoted(name)
            ),
        )
    }

    fn fail<T>(&self, at: usize, message: &str) -> Result<T, XmlError> {
        Err(XmlError {
            at,
            message: message.to_owned(),
        })
    }
}
