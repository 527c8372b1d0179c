//! XML's own tokens: tags, text, references, one after the other, as quick-xml reads them.
//!
//! It is in the way of every start of a guest with raw arguments, so a tag's attributes are left
//! unread until somebody wants them. Tags have to close in order, quotes have to be closed; which
//! letters a name may have is libvirt's to say, which has read or will read the same text.

use std::borrow::Cow;

use quick_xml::escape::{EscapeError, resolve_predefined_entity, unescape};
use quick_xml::events::attributes::{AttrError, Attribute, Attributes};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::QName;
use quick_xml::{Reader, XmlVersion};

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

/// A piece of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XmlToken<'i> {
    /// A start tag. That of an empty element, too: its [`XmlToken::End`] comes next.
    Start(Tag<'i>),
    /// An end tag, the one that belongs to the last element open.
    End,
    /// Text as written, without references.
    Text(&'i str),
    /// What stands in a CDATA section.
    CData(&'i str),
    /// A reference, without `&` and `;`.
    Reference(&'i str),
    /// A comment or a processing instruction.
    Note,
    /// An XML declaration or a DOCTYPE.
    Head,
    /// The end of the document.
    Eof,
}

/// What stands in a start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'i> {
    /// The name as written, with prefix.
    pub name: &'i str,
    /// Everything behind it, without `>` or `/>`.
    pub rest: &'i str,
}

/// Which elements are wanted, by their name without prefix.
pub type Wanted<'w> = &'w dyn Fn(&str) -> bool;

/// The tokens of a text.
pub struct Tokens<'i> {
    text: &'i str,
    reader: Reader<&'i [u8]>,
    /// Whether the end of an empty element comes next: most elements are empty, and the library
    /// would remember their names to compare them.
    in_empty: bool,
}

impl<'i> Tokens<'i> {
    /// Of `text`, which must not begin with a byte order mark.
    pub fn new(text: &'i str) -> Self {
        Tokens {
            text,
            reader: Reader::from_str(text),
            in_empty: false,
        }
    }

    /// Byte offset of what comes next.
    pub fn position(&self) -> usize {
        offset(self.reader.buffer_position())
    }

    /// The next one; again and again [`XmlToken::Eof`] at the end.
    ///
    /// # Errors
    /// When the document is not well-formed. What comes after an error means nothing.
    // Not an iterator: there is no `None`.
    #[allow(clippy::should_implement_trait, reason = "an Eof, and errors")]
    pub fn next(&mut self) -> Result<XmlToken<'i>, XmlError> {
        self.read(false)
    }

    /// The next one behind any white space: that between tags means nothing, and is half of all.
    ///
    /// # Errors
    /// As [`Tokens::next`].
    pub fn next_behind_blanks(&mut self) -> Result<XmlToken<'i>, XmlError> {
        self.read(true)
    }

    /// Passes over everything to the end of so many elements that are open; false where the
    /// document ends before.
    ///
    /// # Errors
    /// As [`Tokens::next`].
    pub fn skip(&mut self, elements: usize) -> Result<bool, XmlError> {
        let mut open = elements;
        while open > 0 {
            match self.read(true)? {
                XmlToken::Start(_) => open += 1,
                XmlToken::End => open -= 1,
                XmlToken::Eof => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    }

    fn read(&mut self, behind_blanks: bool) -> Result<XmlToken<'i>, XmlError> {
        if std::mem::take(&mut self.in_empty) {
            return Ok(XmlToken::End);
        }
        self.reader.config_mut().trim_text_start = behind_blanks;
        let from = self.position();
        let event = self.reader.read_event().map_err(|error| XmlError {
            at: offset(self.reader.error_position()),
            message: format!("not well-formed XML: {error}"),
        })?;
        Ok(match event {
            Event::Start(start) => self.start(&start, from)?,
            Event::Empty(start) => {
                self.in_empty = true;
                self.start(&start, from)?
            }
            Event::End(_) => XmlToken::End,
            Event::Text(text) => XmlToken::Text(self.own(&text)),
            Event::CData(data) => XmlToken::CData(self.own(&data)),
            Event::GeneralRef(reference) => XmlToken::Reference(self.own(&reference)),
            Event::Comment(_) | Event::PI(_) => XmlToken::Note,
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(name)) if !self.is_read_as(&name) => {
                    return Err(XmlError {
                        at: self.begin(from),
                        message: format!(
                            "it declares the encoding {}, and libvirt would read other letters \
                             than stand here: declare UTF-8",
                            crate::text::quoted(&name)
                        ),
                    });
                }
                _ => XmlToken::Head,
            },
            // Defaults of attributes, their types and entities: libxml2 follows them, and gets
            // other values than stand in the tags. libvirt writes none.
            Event::DocType(doctype) if has_subset(&doctype) => {
                return Err(XmlError {
                    at: self.begin(from),
                    message: "a DOCTYPE with declarations in it, by which libvirt would read \
                              other values than stand in the elements: leave it out"
                        .to_owned(),
                });
            }
            Event::DocType(_) => XmlToken::Head,
            Event::Eof => XmlToken::Eof,
        })
    }

    /// What stands in a start tag, which was read from byte `from` on.
    fn start(&self, start: &BytesStart, from: usize) -> Result<XmlToken<'i>, XmlError> {
        let name = self.own(start.name().into_inner());
        // quick-xml does not mind; libxml2 does.
        if name.is_empty() {
            return Err(XmlError {
                at: self.begin(from),
                message: "not well-formed XML: a tag without a name".to_owned(),
            });
        }
        Ok(XmlToken::Start(Tag {
            name,
            rest: self.own(start.attributes_raw()),
        }))
    }

    /// Where the tag that was read from byte `from` on begins: white space may stand before it.
    fn begin(&self, from: usize) -> usize {
        let text = self.text.get(from..).unwrap_or("");
        self.text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len()
    }

    /// Whether an XML reader that goes by this encoding reads the text as we do, as UTF-8.
    fn is_read_as(&self, encoding: &str) -> bool {
        let encoding = encoding.to_ascii_lowercase();
        let extends_ascii = ["us-ascii", "ascii", "iso-8859-", "windows-125"];
        matches!(encoding.as_str(), "utf-8" | "utf8")
            || self.text.is_ascii() && extends_ascii.iter().any(|name| encoding.starts_with(name))
    }

    /// `part`, which the library cut out of our text, with the text's own lifetime.
    fn own(&self, part: &str) -> &'i str {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let part = self.text.get(start..start.saturating_add(part.len()));
        part.unwrap_or("")
    }
}

/// A name without its prefix.
pub fn local(name: &str) -> &str {
    match name.bytes().position(|byte| byte == b':') {
        Some(colon) => name.get(colon + 1..).unwrap_or(""),
        None => name,
    }
}

/// Whether a DOCTYPE has declarations in it, and not just the name of a file that has, which libvirt
/// does not read.
fn has_subset(doctype: &str) -> bool {
    let mut quote = None;
    doctype.chars().any(|c| {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            _ => {}
        }
        quote.is_none() && c == '['
    })
}

/// Positions in a text that is in memory fit.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// The attributes of a start tag, from [`Tag::rest`]: name and value as written, or what is wrong.
pub fn attributes(rest: &str) -> impl Iterator<Item = Result<(&str, &str), AttrError>> {
    let mut attributes = Attributes::new(rest, 0);
    // The library compares each name with all before it, which a hostile tag makes quadratic;
    // whoever wants distinct names looks for himself.
    attributes.with_checks(false);
    std::iter::from_fn(move || match attributes.next()? {
        Ok(attribute) => match attribute.value {
            Cow::Borrowed(raw) => Some(Ok((attribute.key.into_inner(), raw))),
            // The library cuts values out of the text, and copies none.
            Cow::Owned(_) => None,
        },
        Err(error) => Some(Err(error)),
    })
}

/// Whether XML allows a character (1.0, 2.2). libxml2 refuses a document with another, written
/// however it may be, so libvirt has none.
pub fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The first character of `text` that XML does not allow, and its byte.
pub fn forbidden(text: &str) -> Option<(usize, char)> {
    // Of the others each begins with a byte of these.
    let suspect = |byte: &u8| *byte < b' ' || *byte == 0xef;
    let mut from = 0;
    while let Some(at) = text.as_bytes().get(from..)?.iter().position(suspect) {
        let at = from + at;
        let c = text.get(at..)?.chars().next()?;
        if !is_allowed(c) {
            return Some((at, c));
        }
        from = at + c.len_utf8();
    }
    None
}

/// What to say of such a character.
pub fn not_allowed(c: char) -> String {
    format!(
        "the character U+{:04X}, which XML does not allow, not as a reference either",
        u32::from(c)
    )
}

/// What a reference without `&` and `;` stands for; nothing when only a DTD could say it.
pub fn resolve(reference: &str) -> Option<char> {
    match BytesRef::new(reference).resolve_char_ref() {
        Ok(Some(c)) => Some(c),
        Ok(None) => resolve_predefined_entity(reference)?.chars().next(),
        Err(_) => None,
    }
}

/// The value of an attribute that is written as `raw`: references resolved, and, with `blanks`, a
/// blank for every line end and TAB (XML 1.0, 2.11 and 3.3.3).
///
/// # Errors
/// With what is wrong.
pub fn value(raw: &str, blanks: bool) -> Result<Cow<'_, str>, String> {
    if blanks {
        let attribute = Attribute {
            key: QName(""),
            value: Cow::Borrowed(raw),
        };
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        return value.map_err(|error| error.to_string());
    }
    unescape(raw).map_err(|error: EscapeError| error.to_string())
}

/// Text with every line end as one `\n` (XML 1.0, 2.11).
pub fn lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}
