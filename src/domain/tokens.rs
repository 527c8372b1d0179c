//! XML's own tokens: tags, text, references, one after the other.
//!
//! It is in the way of every start of a guest with raw arguments, so it does no more than its
//! callers need. Tags have to close in order, quotes have to be closed; which letters a name may
//! have is libvirt's to say, which has read or will read the same text. A test and a fuzz target
//! hold it against quick-xml.

use std::borrow::Cow;

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
pub enum Token<'i> {
    /// A start tag. That of an empty element, too: its [`Token::End`] comes next.
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
    /// Whether a namespace could be declared there; most tags need not be looked at for it.
    pub may_declare: bool,
}

/// The tokens of a text.
pub struct Tokens<'i> {
    text: &'i str,
    at: usize,
    /// Where the names of the open elements stand: begin and length. Small, as there can be
    /// millions of them.
    open: Vec<(u32, u32)>,
    /// Whether the tag just read was that of an empty element.
    is_empty: bool,
}

impl<'i> Tokens<'i> {
    /// Of `text`, which must not begin with a byte order mark.
    pub fn new(text: &'i str) -> Self {
        Tokens {
            text,
            at: 0,
            open: Vec::new(),
            is_empty: false,
        }
    }

    /// Byte offset of what comes next.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next one; again and again [`Token::Eof`] at the end.
    ///
    /// # Errors
    /// When the document is not well-formed. What comes after an error means nothing.
    // Not an iterator: there is no `None`.
    #[allow(clippy::should_implement_trait, reason = "an Eof, and errors")]
    pub fn next(&mut self) -> Result<Token<'i>, XmlError> {
        if self.is_empty {
            self.is_empty = false;
            self.open.pop();
            return Ok(Token::End);
        }
        let rest = self.text.get(self.at..).unwrap_or("");
        match rest.as_bytes() {
            [] => Ok(Token::Eof),
            [b'<', b'/', ..] => self.end(rest),
            [b'<', b'!', ..] => self.declaration(rest),
            [b'<', b'?', ..] => self.instruction(rest),
            [b'<', ..] => self.start(rest),
            [b'&', ..] => self.reference(rest),
            bytes => {
                let end = bytes.iter().position(|b| matches!(b, b'<' | b'&'));
                Ok(Token::Text(self.take(rest, end.unwrap_or(rest.len()))))
            }
        }
    }

    /// The first bytes of what is left.
    fn take(&mut self, rest: &'i str, length: usize) -> &'i str {
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    fn fail<T>(&self, message: &str) -> Result<T, XmlError> {
        Err(XmlError {
            at: self.at,
            message: format!("not well-formed XML: {message}"),
        })
    }

    /// A tag, without `<` and `>`, taken; and whether a name in it begins with an `x`.
    fn tag(&mut self, rest: &'i str) -> Result<(&'i str, bool), XmlError> {
        match tag_end(rest.as_bytes()) {
            Ok((end, has_x)) => {
                let tag = self.take(rest, end + 1).get(1..end).unwrap_or("");
                Ok((tag, has_x))
            }
            Err(message) => self.fail(message),
        }
    }

    fn start(&mut self, rest: &'i str) -> Result<Token<'i>, XmlError> {
        let begin = self.at + 1;
        let (tag, has_x) = self.tag(rest)?;
        let inside = tag.strip_suffix('/');
        self.is_empty = inside.is_some();
        let inside = inside.unwrap_or(tag);
        let name = inside.bytes().position(is_white).unwrap_or(inside.len());
        match (u32::try_from(begin), u32::try_from(name)) {
            (Ok(begin), Ok(length)) => self.open.push((begin, length)),
            _ => return self.fail("more than 4 GiB of it"),
        }
        let (name, rest) = inside.split_at_checked(name).unwrap_or((inside, ""));
        if name.is_empty() {
            self.at = begin - 1;
            return self.fail("a tag without a name");
        }
        Ok(Token::Start(Tag {
            name,
            rest,
            may_declare: has_x,
        }))
    }

    fn end(&mut self, rest: &'i str) -> Result<Token<'i>, XmlError> {
        let begin = self.at;
        let (tag, _) = self.tag(rest)?;
        let tag = tag.trim_end_matches(|c: char| c.is_ascii() && is_white(c as u8));
        let name = tag.strip_prefix('/').unwrap_or(tag);
        let open = self.open.pop().map(|(begin, length)| {
            let begin = begin as usize;
            self.text.get(begin..begin + length as usize).unwrap_or("")
        });
        if open == Some(name) {
            return Ok(Token::End);
        }
        self.at = begin;
        match open {
            Some(open) => self.fail(&format!("expected `</{open}>`, but `</{name}>` was found")),
            None => self.fail(&format!("end tag `</{name}>` does not match any open tag")),
        }
    }

    fn reference(&mut self, rest: &'i str) -> Result<Token<'i>, XmlError> {
        let inside = rest.get(1..).unwrap_or("");
        let end = inside.find([';', '&', '<']);
        match end.and_then(|end| inside.split_at_checked(end)) {
            Some((name, behind)) if behind.starts_with(';') => {
                self.at += name.len() + 2;
                Ok(Token::Reference(name))
            }
            _ => self.fail("a reference without its `;`"),
        }
    }

    /// `<? … ?>`
    fn instruction(&mut self, rest: &'i str) -> Result<Token<'i>, XmlError> {
        match rest.find("?>") {
            // `<?>` is neither its begin nor its end.
            None | Some(0 | 1) => self.fail("`<?` without its `?>`"),
            Some(end) => {
                let inside = self.take(rest, end + 2).get(2..end).unwrap_or("");
                let rest = inside.strip_prefix("xml").map(str::as_bytes);
                Ok(match rest {
                    Some([]) => Token::Head,
                    Some([first, ..]) if is_white(*first) => Token::Head,
                    _ => Token::Note,
                })
            }
        }
    }

    /// `<! … >`
    fn declaration(&mut self, rest: &'i str) -> Result<Token<'i>, XmlError> {
        if let Some(inside) = rest.strip_prefix("<!--") {
            let Some(length) = inside.find("-->") else {
                return self.fail("a comment without its `-->`");
            };
            self.take(rest, length + 7);
            return Ok(Token::Note);
        }
        if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let Some(length) = inside.find("]]>") else {
                return self.fail("CDATA without its `]]>`");
            };
            self.take(rest, length + 12);
            return Ok(Token::CData(inside.get(..length).unwrap_or("")));
        }
        let keyword = rest.get(..9).unwrap_or("");
        let inside = rest.get(9..).unwrap_or("");
        match doctype_end(inside.as_bytes()) {
            _ if !keyword.eq_ignore_ascii_case("<!DOCTYPE") => self.fail("`<!` of no known kind"),
            Some(end) if inside.bytes().take(end).all(is_white) => {
                self.at += end + 9;
                self.fail("a DOCTYPE without a name")
            }
            Some(end) => {
                self.take(rest, end + 10);
                Ok(Token::Head)
            }
            None => self.fail("a DOCTYPE without its `>`"),
        }
    }
}

/// White space, as XML 1.0 has it.
fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the `>` of a tag is, which may stand in the value of an attribute before; and whether a
/// name in it begins with an `x`, as those that declare a namespace do.
fn tag_end(bytes: &[u8]) -> Result<(usize, bool), &'static str> {
    let mut left = bytes.iter();
    let mut has_x = false;
    while let Some(byte) = left.next() {
        // Letters, which are most of it, come behind all that matters.
        if *byte > b'>' {
            continue;
        }
        match byte {
            b'>' => return Ok((bytes.len() - left.len() - 1, has_x)),
            b'\'' if !left.any(|byte| *byte == b'\'') => {
                return Err("attribute value not closed: `'` not found before end of input");
            }
            b'"' if !left.any(|byte| *byte == b'"') => {
                return Err("attribute value not closed: `\"` not found before end of input");
            }
            _ => {}
        }
        has_x |= left.as_slice().first() == Some(&b'x');
    }
    Err("tag not closed: `>` not found before end of input")
}

/// Where the `>` of a DOCTYPE is, of which nothing else is read.
fn doctype_end(bytes: &[u8]) -> Option<usize> {
    let mut left = bytes;
    // Behind `needle`.
    let behind = |left: &mut &[u8], needle: &[u8]| -> Option<()> {
        let at = left.windows(needle.len()).position(|part| part == needle)?;
        *left = left.get(at + needle.len()..)?;
        Some(())
    };
    loop {
        let (first, rest) = left.split_first()?;
        left = rest;
        match first {
            b'\'' | b'"' => behind(&mut left, &[*first])?,
            b'>' => return Some(bytes.len() - left.len() - 1),
            b'[' => break,
            _ => {}
        }
    }
    // The internal subset.
    loop {
        let (first, rest) = left.split_first()?;
        left = rest;
        match first {
            b']' => break,
            b'<' if left.starts_with(b"?") => {
                left = left.get(1..)?;
                behind(&mut left, b"?>")?;
            }
            b'<' if left.starts_with(b"!--") => {
                left = left.get(3..)?;
                behind(&mut left, b"-->")?;
            }
            b'<' => {
                const QUOTED: [&[u8]; 3] = [b"!ENTITY", b"!ATTLIST", b"!NOTATION"];
                if QUOTED.iter().any(|keyword| left.starts_with(keyword)) {
                    left = left.get(tag_end(left).ok()?.0 + 1..)?;
                } else {
                    behind(&mut left, b">")?;
                }
            }
            _ => {}
        }
    }
    behind(&mut left, b">")?;
    Some(bytes.len() - left.len() - 1)
}

/// The attributes of a start tag, from [`Tag::rest`]: name and value as written, or what is wrong.
pub fn attributes(rest: &str) -> Attributes<'_> {
    Attributes { rest }
}

/// See [`attributes`].
pub struct Attributes<'i> {
    rest: &'i str,
}

impl<'i> Iterator for Attributes<'i> {
    type Item = Result<(&'i str, &'i str), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = trimmed(self.rest);
        self.rest = "";
        if text.is_empty() {
            return None;
        }
        // A name has one character at least.
        let mut bytes = text.bytes().enumerate().skip(1);
        let end = bytes.find(|(_, byte)| *byte == b'=' || is_white(*byte));
        let (name, rest) = text.split_at_checked(end.map_or(text.len(), |(at, _)| at))?;
        let Some(rest) = trimmed(rest).strip_prefix('=') else {
            return Some(Err("an attribute without its `=`"));
        };
        let rest = trimmed(rest);
        let quote = match rest.as_bytes().first() {
            Some(quote @ (b'\'' | b'"')) => *quote,
            _ => return Some(Err("an attribute whose value is not in quotes")),
        };
        let inside = rest.get(1..)?;
        let Some(end) = inside.bytes().position(|byte| byte == quote) else {
            return Some(Err("an attribute without its closing quote"));
        };
        self.rest = inside.get(end + 1..)?;
        Some(Ok((name, inside.get(..end)?)))
    }
}

fn trimmed(text: &str) -> &str {
    let begin = text.bytes().position(|byte| !is_white(byte));
    text.get(begin.unwrap_or(text.len())..).unwrap_or("")
}

/// What a reference without `&` and `;` stands for; nothing when only a DTD could say it.
pub fn resolve(reference: &str) -> Option<char> {
    let Some(number) = reference.strip_prefix('#') else {
        return Some(match reference {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            _ => return None,
        });
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // Rust would allow a sign.
    let digits = digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then_some(digits)?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    char::from_u32(code).filter(|c| *c != '\0')
}

/// The value of an attribute that is written as `raw`: references resolved, and, with `blanks`, a
/// blank for every line end and TAB (XML 1.0, 2.11 and 3.3.3).
///
/// # Errors
/// With what is wrong.
pub fn value(raw: &str, blanks: bool) -> Result<Cow<'_, str>, String> {
    let special = |byte: u8| byte == b'&' || (blanks && matches!(byte, b'\t' | b'\n' | b'\r'));
    let Some(first) = raw.bytes().position(special) else {
        return Ok(Cow::Borrowed(raw));
    };
    let mut out = String::with_capacity(raw.len());
    let mut left = raw;
    let mut next = Some(first);
    while let Some((plain, rest)) = next.and_then(|at| left.split_at_checked(at)) {
        out.push_str(plain);
        if let Some(reference) = rest.strip_prefix('&') {
            let Some((name, rest)) = reference.split_once(';') else {
                return Err("a reference without its `;`".to_owned());
            };
            match resolve(name) {
                Some(c) => out.push(c),
                None => return Err(format!("`&{name};` stands for nothing")),
            }
            left = rest;
        } else {
            out.push(' ');
            let line_end = rest.strip_prefix("\r\n");
            left = line_end.unwrap_or_else(|| rest.get(1..).unwrap_or(""));
        }
        next = left.bytes().position(special);
    }
    out.push_str(left);
    Ok(Cow::Owned(out))
}

/// Text with every line end as one `\n` (XML 1.0, 2.11).
pub fn lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}
