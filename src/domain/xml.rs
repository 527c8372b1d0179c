//! A thin pull layer over quick-xml: elements with their namespace, attributes with their place.
//!
//! Everything is read in one pass and by recursive descent over the few elements we know, so
//! neither a deep nor a wide document can make us recurse or allocate beyond its own size.

use std::borrow::Cow;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use crate::text::Span;

/// The namespace libvirt looks for; matched by this text, whatever the prefix.
pub const QEMU_NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// The namespace of our own element in `<metadata>` (the way out for one domain).
pub const POLICY_NAMESPACE: &str = "urn:virt-9p:policy:1";

/// More attributes than this on one element are refused: looking for repeated names is
/// quadratic, and no element libvirt knows has more than about twenty.
const MOST_ATTRIBUTES: usize = 64;

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
    /// Value with references resolved and white space normalised.
    pub value: Cow<'i, str>,
    /// Where the raw value stands.
    pub span: Span,
}

/// A start tag.
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
    reader: NsReader<&'i [u8]>,
    depth: usize,
}

impl<'i> Xml<'i> {
    /// Reads `text`, which must not begin with a byte order mark.
    pub fn new(text: &'i str) -> Self {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Xml {
            text,
            reader,
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

    fn opened(&mut self, start: &BytesStart<'i>, at: usize) -> Result<Element<'i>, XmlError> {
        self.depth += 1;
        let (namespace, local) = self.reader.resolver().resolve_element(start.name());
        let ns = match namespace {
            ResolveResult::Unbound => Ns::None,
            ResolveResult::Bound(uri) if uri.as_ref() == QEMU_NAMESPACE => Ns::Qemu,
            ResolveResult::Bound(uri) if uri.as_ref() == POLICY_NAMESPACE => Ns::Policy,
            ResolveResult::Bound(_) | ResolveResult::Unknown(_) => Ns::Other,
        };
        let name = self.borrow(local.into_inner()).0;
        let mut attributes: Vec<Attribute<'i>> = Vec::new();
        // Our own check below is bounded; the library's would be quadratic in a hostile tag.
        for attribute in start.attributes().with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return self.fail(at, &format!("in <{name}>: {error}")),
            };
            let (key, _) = self.borrow(attribute.key.into_inner());
            let (raw, span) = self.borrow(&attribute.value);
            // References resolved, white space normalised: what libvirt sees (XML 1.0, 3.3.3).
            let value = match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(Cow::Borrowed(_)) => Cow::Borrowed(raw),
                Ok(Cow::Owned(value)) => Cow::Owned(value),
                Err(error) => {
                    return self.fail(span.start, &format!("in attribute `{key}`: {error}"));
                }
            };
            if attributes.iter().any(|other| other.name == key) {
                return self.fail(
                    span.start,
                    &format!("attribute `{key}` stands twice in <{name}>"),
                );
            }
            if attributes.len() == MOST_ATTRIBUTES {
                return self.fail(
                    at,
                    &format!("more than {MOST_ATTRIBUTES} attributes in <{name}>"),
                );
            }
            attributes.push(Attribute {
                name: key,
                value,
                span,
            });
        }
        Ok(Element {
            ns,
            name,
            attributes,
            tag: Span::new(at, self.position()),
        })
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
