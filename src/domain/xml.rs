//! A thin layer over the tokens: elements with their namespace, attributes with their place.
//!
//! Everything is read in one pass and by recursive descent over the few elements we know, so
//! neither a deep nor a wide document can make us recurse or allocate beyond its own size.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::domain::namespaces::Namespaces;
use crate::domain::tokens::{self, Tag, Tokens, Wanted, XmlToken, local};
use crate::text::{Span, find_byte};

pub use crate::domain::namespaces::{Ns, POLICY_NAMESPACE, QEMU_NAMESPACE};
pub use crate::domain::tokens::XmlError;

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

/// One attribute: its name with prefix, its value as the application sees it, and where the
/// value stands in the text (between the quotes).
#[derive(Debug, Clone)]
pub struct Attribute<'i> {
    /// Name as written.
    pub name: &'i str,
    /// What libvirt asks for it by: the name without its prefix, whatever that stands for
    /// (xmlGetProp); a declaration of a prefix is no attribute.
    pub local: Option<&'i str>,
    /// Value with references resolved, and white space as its [`Origin`] has it.
    pub value: Cow<'i, str>,
    /// Where the raw value stands.
    pub span: Span,
    /// Whether it is written with TAB, LF or CR that became blanks.
    pub blanked: bool,
}

/// A start tag. Its attributes are read by [`Xml::attributes`], where somebody wants them.
#[derive(Debug, Clone, Copy)]
pub struct Element<'i> {
    /// What its prefix stands for where it is written.
    pub ns: Ns,
    /// Its name without prefix.
    pub name: &'i str,
    /// The start tag, from `<` to `>`.
    pub tag: Span,
    written: Tag<'i>,
}

impl Element<'_> {
    /// Whether it is libvirt's own element `name`.
    pub fn is(&self, name: &str) -> bool {
        self.ns == Ns::None && self.name == name
    }
}

/// The attributes of an element, in order.
#[derive(Debug, Clone)]
pub struct Attributes<'i>(Vec<Attribute<'i>>);

impl<'i> Attributes<'i> {
    /// The attribute called `name`: the first, as libvirt takes it, of those with other prefixes.
    pub fn get(&self, name: &str) -> Option<&Attribute<'i>> {
        self.0
            .iter()
            .find(|attribute| attribute.local == Some(name))
    }

    /// The value of the attribute called `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|attribute| attribute.value.as_ref())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute<'i>> {
        self.0.iter()
    }
}

/// Whether `text` has white space that is no blank in it.
pub fn has_white_space(text: &str) -> bool {
    text.bytes()
        .any(|byte| matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// `value` as it stands in a start tag, quotes included.
pub fn attribute(value: &str) -> String {
    let quote = if value.contains('\'') { '"' } else { '\'' };
    format!("{quote}{}{quote}", escaped(value, quote))
}

/// `value` as it stands between these quotes. White space but the blank is written as references,
/// because a reader would make blanks of it (XML 1.0, 3.3.3).
pub fn escaped(value: &str, quote: char) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' if quote == '"' => out.push_str("&quot;"),
            '\'' if quote == '\'' => out.push_str("&apos;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    out
}

/// The reader; see [`Xml::root`] and [`Xml::children`].
pub struct Xml<'i> {
    text: &'i str,
    origin: Origin,
    tokens: Tokens<'i>,
    namespaces: Namespaces<'i>,
    depth: usize,
    /// The attributes of the element opened last, name and value as written.
    written: Vec<(&'i str, &'i str)>,
    /// Where its start tag begins.
    written_at: usize,
    /// Those that were asked for last.
    attributes: Attributes<'i>,
}

impl<'i> Xml<'i> {
    /// Reads `text`, which must not begin with a byte order mark.
    pub fn new(text: &'i str, origin: Origin) -> Self {
        Xml {
            text,
            origin,
            tokens: Tokens::new(text),
            namespaces: Namespaces::default(),
            depth: 0,
            written: Vec::new(),
            written_at: usize::MAX,
            attributes: Attributes(Vec::new()),
        }
    }

    /// Byte offset of what comes next.
    pub fn position(&self) -> usize {
        self.tokens.position()
    }

    /// The root element.
    pub fn root(&mut self) -> Result<Element<'i>, XmlError> {
        loop {
            let at = self.position();
            match self.tokens.next()? {
                XmlToken::Start(tag) => return self.opened(tag),
                XmlToken::Eof => return self.fail(at, "no element in it: not a domain XML"),
                XmlToken::Text(text) if !text.trim().is_empty() => {
                    return self.fail(at, "text before the first element: not an XML document");
                }
                XmlToken::Reference(_) | XmlToken::CData(_) => {
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
            match self.tokens.next()? {
                XmlToken::Eof => return Ok(()),
                XmlToken::Text(text) if text.trim().is_empty() => {}
                XmlToken::Note => {}
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
        self.each_child(None, |xml, child| each(xml, child).map(|()| true))
    }

    /// [`Xml::children`] of those only whose name, without prefix, is `wanted`.
    pub fn children_called<F>(&mut self, wanted: Wanted, mut each: F) -> Result<(), XmlError>
    where
        F: FnMut(&mut Self, &Element<'i>) -> Result<(), XmlError>,
    {
        self.each_child(Some(wanted), |xml, child| each(xml, child).map(|()| true))
    }

    /// [`Xml::children`] as long as `each` says so; what follows is then left unread.
    pub fn children_while<F>(&mut self, each: F) -> Result<(), XmlError>
    where
        F: FnMut(&mut Self, &Element<'i>) -> Result<bool, XmlError>,
    {
        self.each_child(None, each)
    }

    fn each_child<F>(&mut self, wanted: Option<Wanted>, mut each: F) -> Result<(), XmlError>
    where
        F: FnMut(&mut Self, &Element<'i>) -> Result<bool, XmlError>,
    {
        let level = self.depth;
        while let Some(child) = self.next_child(level, wanted)? {
            if !each(self, &child)? {
                break;
            }
            self.close(level)?;
        }
        Ok(())
    }

    /// The next start tag, as deep in the document as it may be (the root's children are at 2);
    /// nothing behind the end of the root.
    pub fn next_at_any_depth(&mut self) -> Result<Option<(usize, Element<'i>)>, XmlError> {
        while self.depth > 0 {
            match self.tokens.next_behind_blanks()? {
                XmlToken::Start(tag) => {
                    let element = self.opened(tag)?;
                    return Ok(Some((self.depth, element)));
                }
                XmlToken::End => self.depth -= 1,
                XmlToken::Eof => return self.truncated(self.position()),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Reads on to the end of the element just opened.
    pub fn pass_over(&mut self) -> Result<(), XmlError> {
        self.close(self.depth.saturating_sub(1))
    }

    /// Reads on to the end of every element deeper than `level`.
    fn close(&mut self, level: usize) -> Result<(), XmlError> {
        let deeper = self.depth.saturating_sub(level);
        if !self.tokens.skip(deeper)? {
            return self.truncated(self.position());
        }
        self.depth -= deeper;
        Ok(())
    }

    fn next_child(
        &mut self,
        level: usize,
        wanted: Option<Wanted>,
    ) -> Result<Option<Element<'i>>, XmlError> {
        if self.depth < level {
            return Ok(None);
        }
        loop {
            match self.tokens.next_behind_blanks()? {
                XmlToken::Start(tag) if wanted.is_none_or(|wanted| wanted(local(tag.name))) => {
                    return self.opened(tag).map(Some);
                }
                XmlToken::Start(_) => {
                    self.depth += 1;
                    self.close(level)?;
                }
                XmlToken::End => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(None);
                }
                XmlToken::Eof => return self.truncated(self.position()),
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
            match self.tokens.next()? {
                XmlToken::Text(text) if self.origin == Origin::Libvirt => out.push_str(text),
                XmlToken::Text(text) => out.push_str(&tokens::lines(text)),
                XmlToken::CData(data) => out.push_str(&tokens::lines(data)),
                XmlToken::Reference(reference) => match tokens::resolve(reference) {
                    Some(c) if !tokens::is_allowed(c) => {
                        return self.fail(at, &tokens::not_allowed(c));
                    }
                    Some(c) => out.push(c),
                    None => return self.unknown_entity(at, reference),
                },
                XmlToken::Start(_) => {
                    self.depth += 1;
                    self.close(level)?;
                }
                XmlToken::End => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok((out, Span::new(start, at)));
                }
                XmlToken::Eof => return self.truncated(at),
                _ => {}
            }
        }
    }

    /// Takes a start tag. Only here are namespaces looked at: what is passed over (most of
    /// `<metadata>`) may declare any number of them.
    fn opened(&mut self, tag: Tag<'i>) -> Result<Element<'i>, XmlError> {
        self.depth += 1;
        let name = local(tag.name);
        let prefix = tag.name.len() - name.len();
        let prefix = tag.name.get(..prefix.saturating_sub(1)).unwrap_or("");
        // Behind the `<`.
        let at = self.span(tag.name).start.saturating_sub(1);
        self.namespaces.close(self.depth);
        self.write_down(tag.rest, name, at)?;
        for (key, raw) in &self.written {
            let Some(declared) = key.strip_prefix("xmlns") else {
                continue;
            };
            let prefix = match declared {
                "" => Some(""),
                prefix => prefix.strip_prefix(':'),
            };
            if let Some(prefix) = prefix {
                let uri = tokens::value(raw, false).unwrap_or(Cow::Borrowed(raw));
                self.namespaces.declare(self.depth, prefix, &uri);
            }
        }
        Ok(Element {
            ns: self.namespaces.resolve(prefix),
            name,
            tag: Span::new(at, self.position()),
            written: tag,
        })
    }

    /// Takes the attributes of a start tag apart.
    fn write_down(&mut self, rest: &'i str, element: &str, at: usize) -> Result<(), XmlError> {
        self.written.clear();
        self.written_at = at;
        for attribute in tokens::attributes(rest) {
            match attribute {
                Ok(attribute) => self.written.push(attribute),
                Err(error) => return self.fail(at, &format!("in <{element}>: {error}")),
            }
        }
        Ok(())
    }

    /// The attributes of an element; none of one in a namespace that is nobody's here.
    ///
    /// # Errors
    /// When they are not well-formed.
    pub fn attributes(&mut self, element: &Element<'i>) -> Result<&Attributes<'i>, XmlError> {
        self.attributes.0.clear();
        if matches!(element.ns, Ns::Other | Ns::Driver) || element.written.rest.is_empty() {
            return Ok(&self.attributes);
        }
        if self.written_at != element.tag.start {
            self.write_down(element.written.rest, element.name, element.tag.start)?;
        }
        // Hardly a tag has any.
        let references = find_byte(element.written.rest.as_bytes(), b'&').is_some();
        for (name, raw) in &self.written {
            let span = self.span(raw);
            let blanked = self.origin == Origin::File && has_white_space(raw);
            let value = if references || blanked {
                match tokens::value(raw, blanked) {
                    Ok(value) => value,
                    Err(error) => {
                        return self.fail(span.start, &format!("in attribute `{name}`: {error}"));
                    }
                }
            } else {
                Cow::Borrowed(*raw)
            };
            // Of a file all is looked at before; there are references left, and what QEMU gets.
            if (references && raw.contains('&') || element.ns == Ns::Qemu)
                && let Some((_, c)) = tokens::forbidden(&value)
            {
                let what = tokens::not_allowed(c);
                return self.fail(span.start, &format!("in attribute `{name}`: {what}"));
            }
            self.attributes.0.push(Attribute {
                name,
                local: self.namespaces.local_attribute(name),
                value,
                span,
                blanked,
            });
        }
        self.distinct(element.name, &self.attributes.0)?;
        Ok(&self.attributes)
    }

    /// Whether no attribute stands twice in a start tag.
    fn distinct(&self, element: &str, attributes: &[Attribute<'i>]) -> Result<(), XmlError> {
        // Most tags have so few that looking at each is the quickest way.
        const FEW: usize = 16;
        let mut names = attributes.iter().enumerate();
        let repeated = if attributes.len() > FEW {
            let mut seen = BTreeSet::new();
            names.find(|(_, attribute)| !seen.insert(attribute.name))
        } else {
            names.find(|(position, attribute)| {
                let mut before = attributes.iter().take(*position);
                before.any(|other| other.name == attribute.name)
            })
        };
        let Some((_, Attribute { name, span, .. })) = repeated else {
            return Ok(());
        };
        self.fail(
            span.start,
            &format!("attribute `{name}` stands twice in <{element}>"),
        )
    }

    /// Where `part` of the text stands in it.
    fn span(&self, part: &str) -> Span {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        Span::new(offset, offset.saturating_add(part.len()))
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
