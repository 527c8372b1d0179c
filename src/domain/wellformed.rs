//! What libvirt's XML parser would refuse, said so that it can be put right: where a quote was
//! opened that is not closed, which tag an end tag should have closed.
//!
//! [`tokens`](super::tokens) is quick, and reads much that is no XML. This reads every byte, and
//! is asked where speed does not matter: about files that people give, and once the quick reader
//! has failed. The judge is libxml2 (tests/broken_xml.rs).

use std::collections::BTreeSet;

use crate::domain::tokens::{is_allowed, not_allowed, resolve};
use crate::text::{Span, brief, nearest, quoted};

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands; nowhere, if it is about all of it.
    pub span: Option<Span>,
    /// One sentence without its full stop.
    pub message: String,
    /// Another place that has to do with it, and how.
    pub related: Option<(Span, String)>,
    /// What to write instead.
    pub help: Option<String>,
}

// In a box, because most places that hand one on are a `?`, and there are many.
impl Fault {
    /// A fault of the document as a whole, and what helps, if anything does.
    pub fn new(message: &str, help: &str) -> Box<Self> {
        Box::new(Fault {
            span: None,
            message: message.to_owned(),
            related: None,
            help: (!help.is_empty()).then(|| help.to_owned()),
        })
    }

    /// The same, of the bytes from `start` to `end`.
    #[must_use]
    pub fn at(mut self: Box<Self>, start: usize, end: usize) -> Box<Self> {
        self.span = Some(Span::new(start, end));
        self
    }

    /// The same, with another place.
    #[must_use]
    fn with(mut self: Box<Self>, span: Span, message: &str) -> Box<Self> {
        self.related = Some((span, message.to_owned()));
        self
    }
}

/// The first fault of `text`, which must not begin with a byte order mark. Behind a DOCTYPE with
/// declarations nothing is looked at: which entities there are is not known then.
pub fn fault(text: &str) -> Option<Box<Fault>> {
    let mut strict = Strict {
        text,
        at: 0,
        open: Vec::new(),
        external: false,
    };
    let mut fault = strict.document().err()?;
    let related = fault.related.as_mut().map(|(span, _)| span);
    for span in fault.span.as_mut().into_iter().chain(related) {
        span.end = whole(text, span.end);
        span.start = whole(text, span.start).min(span.end);
    }
    Some(fault)
}

/// `at`, or where the character ends that it is within, or the text.
fn whole(text: &str, at: usize) -> usize {
    let mut ends = at..text.len();
    ends.find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

type Sound<T = ()> = Result<T, Box<Fault>>;

/// An element whose end tag is to come.
struct Open<'t> {
    name: &'t str,
    tag: Span,
}

struct Strict<'t> {
    text: &'t str,
    at: usize,
    open: Vec<Open<'t>>,
    /// Whether there is a DOCTYPE, which may declare entities elsewhere.
    external: bool,
}

impl<'t> Strict<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// How many bytes there are before the first of these; all, if there is none.
    fn until(&self, stops: &[u8]) -> usize {
        let rest = self.rest().as_bytes();
        let found = rest.iter().position(|byte| stops.contains(byte));
        found.unwrap_or(rest.len())
    }

    fn find(&self, needle: &str) -> Option<usize> {
        crate::text::find(self.rest().as_bytes(), needle.as_bytes())
    }

    /// What stands between `start` and here.
    fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or("")
    }

    /// Passes over `word`, if it is next.
    fn eat(&mut self, word: &str) -> bool {
        let is_next = self.rest().starts_with(word);
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    /// Passes over white space; whether there was any.
    fn white(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
        self.at > start
    }

    /// Passes over a name; an empty one where none begins.
    fn name(&mut self) -> &'t str {
        let start = self.at;
        while let Some(c) = self.peek()
            && (begins_name(c) || self.at > start && continues_name(c))
        {
            self.at += c.len_utf8();
        }
        self.since(start)
    }

    /// `=` and white space around it.
    fn equals(&mut self) -> bool {
        self.white();
        let there = self.eat("=");
        self.white();
        there
    }

    fn document(&mut self) -> Sound {
        if self.eat("<?xml") {
            // `<?xml-stylesheet` is an instruction as any.
            if self.white() {
                self.declaration()?;
            } else {
                self.at = 0;
            }
        }
        while self.open.is_empty() {
            let start = self.white_before()?;
            if self.rest().is_empty() {
                return Err(Fault::new("there is no element in it", ""));
            } else if self.eat("<!DOCTYPE") {
                if !self.doctype(start)? {
                    return Ok(());
                }
            } else if self.eat("<") {
                self.start_tag(start)?;
                break;
            } else {
                let is_before = self.text.contains("<domain");
                let help = if is_before { "remove it" } else { "" };
                let fault = Fault::new("text before the first element", help);
                return Err(fault.at(start, self.end_of_line()));
            }
        }
        while !self.open.is_empty() {
            self.content()?;
        }
        let start = self.white_before()?;
        if self.rest().is_empty() {
            return Ok(());
        }
        let message = if self.eat("</") {
            "an end tag, and all elements are closed already"
        } else {
            "something behind the end of the first element: a file has one domain"
        };
        Err(Fault::new(message, "").at(start, self.end_of_line()))
    }

    /// Passes over what may stand beside the root element; where something else begins.
    fn white_before(&mut self) -> Sound<usize> {
        loop {
            self.white();
            let start = self.at;
            if self.eat("<!--") {
                self.comment(start)?;
            } else if self.eat("<?") {
                self.instruction(start)?;
            } else {
                self.character()?;
                return Ok(start);
            }
        }
    }

    /// Behind `<?xml `.
    fn declaration(&mut self) -> Sound {
        if self.declared() {
            return Ok(());
        }
        let help = "write `<?xml version='1.0' encoding='UTF-8'?>`, or nothing";
        let fault = Fault::new("the XML declaration is not written as one", help);
        Err(fault.at(0, self.end_of_line()))
    }

    /// `version='1.0' encoding='…' standalone='…'?>`, in this order, the version always.
    fn declared(&mut self) -> bool {
        let (mut white, mut first) = (true, true);
        for known in ["version", "encoding", "standalone"] {
            if !first && self.eat("?>") {
                return true;
            }
            if !white || !self.eat(known) {
                if first {
                    return false;
                }
                continue;
            }
            if !self.equals() {
                return false;
            }
            let Some(quote @ ('\'' | '"')) = self.peek() else {
                return false;
            };
            self.at += 1;
            let start = self.at;
            self.at += self.until(&[quote as u8]);
            let value = self.since(start);
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let good = match known {
                "version" => {
                    let minor = value.strip_prefix("1.");
                    minor.is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()))
                }
                "encoding" => {
                    value.bytes().all(letters) && begins_name(value.chars().next().unwrap_or(' '))
                }
                _ => matches!(value, "yes" | "no"),
            };
            if !good || self.rest().is_empty() {
                return false;
            }
            self.at += 1;
            white = self.white();
            first = false;
        }
        self.eat("?>")
    }

    /// A DOCTYPE; whether it has no declarations in it.
    fn doctype(&mut self, start: usize) -> Sound<bool> {
        self.external = true;
        loop {
            self.at += self.until(b"['\">");
            let Some(c) = self.peek() else {
                return Err(self.unclosed(start, "this DOCTYPE", ">"));
            };
            self.at += 1;
            match c {
                '[' => return Ok(false),
                '>' => return Ok(true),
                quote => {
                    self.at += self.until(&[quote as u8]);
                    self.eat(if quote == '"' { "\"" } else { "'" });
                }
            }
        }
    }

    /// What stands between tags, and the tag behind it.
    fn content(&mut self) -> Sound {
        self.characters(self.until(b"<&]"))?;
        let start = self.at;
        if self.eat("&") {
            self.reference(start)
        } else if self.eat("]]>") {
            let message = "`]]>` ends a CDATA section, and none is open here";
            Err(Fault::new(message, "write `]]&gt;`").at(start, self.at))
        } else if self.eat("]") {
            Ok(())
        } else if self.eat("</") {
            self.end_tag(start)
        } else if self.eat("<!--") {
            self.comment(start)
        } else if self.eat("<![CDATA[") {
            self.to(start, "this CDATA section", "]]>")
        } else if self.eat("<?") {
            self.instruction(start)
        } else if self.eat("<") {
            self.start_tag(start)
        } else {
            Err(self.ends_early())
        }
    }

    /// The text ends while elements are open.
    fn ends_early(&self) -> Box<Fault> {
        let (name, tag) = match self.open.last() {
            Some(open) => (open.name, open.tag),
            None => ("", Span::default()),
        };
        let message = format!("the XML ends before {} is closed", element(name));
        let help = format!("put `</{name}>` at its end; if the file was cut off, fetch it anew");
        Fault::new(&message, &help).at(tag.start, tag.end)
    }

    /// Behind `</`.
    fn end_tag(&mut self, start: usize) -> Sound {
        let name = self.name();
        self.white();
        let whole = self.eat(">");
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        if whole && name == open.name {
            return Ok(());
        }
        let opened = element(open.name);
        let wanted = format!("`</{}>`", brief(open.name));
        let mut help = format!("write {wanted}");
        if name == open.name {
            let message = format!("the end tag of {opened} has no `>`");
            return Err(Fault::new(&message, &help).at(start, self.at));
        }
        let this = quoted(&format!("</{name}>"));
        let message = if self.open.iter().any(|outer| outer.name == name) {
            help = format!("put {wanted} before it, or `/>` at the end of the opening tag");
            format!("{this} closes an element around {opened}, which is not closed yet")
        } else {
            if nearest(name, [open.name]).is_none() {
                help = format!("remove it, or write {wanted}");
            }
            format!("{this} closes no element: {opened} is open here")
        };
        let fault = Fault::new(&message, &help).at(start, self.at);
        Err(fault.with(open.tag, &format!("{opened} is opened here")))
    }

    /// Behind `<`.
    fn start_tag(&mut self, start: usize) -> Sound {
        let name = self.name();
        if name.is_empty() {
            let help = "write `&lt;` for a `<` that is text";
            return Err(Fault::new("`<` begins no tag here", help).at(start, start + 1));
        }
        let tag = Span::new(start, self.at);
        let mut seen = BTreeSet::new();
        loop {
            let white = self.white();
            let here = self.at;
            if self.eat(">") {
                let tag = Span::new(start, self.at);
                self.open.push(Open { name, tag });
                return Ok(());
            }
            if self.eat("/>") {
                return Ok(());
            }
            let key = self.name();
            if key.is_empty() || !white {
                return Err(self.no_attribute(tag, here, key, &element(name)));
            }
            let end = self.at;
            let wrong = |what: &str, help: &str| {
                let message = format!("the attribute {} {what} {}", quoted(key), element(name));
                Fault::new(&message, help).at(here, end)
            };
            if !seen.insert(key) {
                return Err(wrong("stands twice in", "keep one of them"));
            }
            if !self.equals() {
                return Err(wrong(
                    "has no value in",
                    &format!("write `{}='…'`", brief(key)),
                ));
            }
            self.value(key)?;
        }
    }

    /// What stands in a tag where an attribute or its end should.
    fn no_attribute(&self, tag: Span, here: usize, key: &str, shown: &str) -> Box<Fault> {
        let next = self.text.get(here..).and_then(|rest| rest.chars().next());
        let (message, help) = match next {
            // The `>` is missing, and the line of the tag is what shows it.
            None | Some('<') => {
                let message = format!("the tag {shown} is not closed");
                let fault = Fault::new(&message, "put `>` or `/>` at its end");
                let fault = fault.at(tag.start, tag.end);
                return match next {
                    Some(_) => fault.with(Span::new(here, here + 1), "the next one begins here"),
                    None => fault,
                };
            }
            Some('/') => (
                format!("`/` in {shown} that no `>` follows"),
                "write `/>`, or put quotes around a value that has it",
            ),
            Some('\'' | '"') => (
                format!("a quote in {shown} where none is open"),
                "remove it, or look for one too many before it",
            ),
            Some(_) if !key.is_empty() && self.rest().trim_start().starts_with('=') => (
                format!("no blank before the attribute {} in {shown}", quoted(key)),
                "put a blank before it",
            ),
            Some(_) if !key.is_empty() => (
                format!(
                    "{} stands behind the end of a value in {shown}",
                    quoted(key)
                ),
                "a quote that is part of a value is written `&apos;` or `&quot;`",
            ),
            Some(c) => {
                let shown = format!(
                    "`{}` in {shown}",
                    crate::text::visible(c.encode_utf8(&mut [0; 4]))
                );
                (format!("{shown}, where an attribute should be"), "")
            }
        };
        let length = next.map_or(0, char::len_utf8);
        Fault::new(&message, help).at(here, self.at.max(here + length))
    }

    /// The value of attribute `key`, from its first quote.
    fn value(&mut self, key: &str) -> Sound {
        let start = self.at;
        let Some(quote @ ('\'' | '"')) = self.peek() else {
            return Err(self.no_quote(key));
        };
        self.at += 1;
        loop {
            self.characters(self.until(&[quote as u8, b'<', b'&']))?;
            let here = self.at;
            if self.eat("&") {
                self.reference(here)?;
                continue;
            }
            let is_less = self.eat("<");
            if !is_less && !self.rest().is_empty() {
                self.at += 1;
                return Ok(());
            }
            let key = quoted(key);
            if is_less && self.closes_on_this_line(quote) {
                let message = format!("a `<` in the value of the attribute {key}");
                return Err(Fault::new(&message, "write `&lt;`").at(here, self.at));
            }
            let message = format!("the quote of the attribute {key} is not closed");
            let fault = Fault::new(&message, "put the same quote at its end").at(start, start + 1);
            let why = "a value has no `<`, so it should have ended before this one";
            return Err(if is_less {
                fault.with(Span::new(here, self.at), why)
            } else {
                fault
            });
        }
    }

    /// A value that begins with no quote.
    fn no_quote(&self, key: &str) -> Box<Fault> {
        let written = self.rest().get(..self.until(b" \t\n\r<>")).unwrap_or("");
        let written = written.trim_end_matches('/');
        // Those of a word processor, too.
        let is_quote = |c: char| "\u{2018}\u{2019}\u{201c}\u{201d}\u{b4}`'\"".contains(c);
        let bare = written.trim_matches(is_quote);
        let help = if bare.is_empty() || bare.contains(|c| is_quote(c) || c == '&') {
            "put a plain `'` before and behind it".to_owned()
        } else {
            let (key, bare) = (brief(key), brief(bare));
            format!("write `{key}='{bare}'`, with a plain quote before and behind it")
        };
        let message = format!(
            "the value of the attribute {} is not in quotes",
            quoted(key)
        );
        Fault::new(&message, &help).at(self.at, self.at + written.len().max(1))
    }

    /// Whether the value that is being read ends on this line; what looks like the beginning of
    /// another value is no end.
    fn closes_on_this_line(&self, quote: char) -> bool {
        let line = self.rest().split('\n').next().unwrap_or("");
        let before = line.split_once(quote).map(|(before, _)| before.trim_end());
        before.is_some_and(|before| !before.ends_with('='))
    }

    /// Behind `&`.
    fn reference(&mut self, start: usize) -> Sound {
        let is_number = self.eat("#");
        if is_number {
            while self.peek().is_some_and(|c| c.is_ascii_alphanumeric()) {
                self.at += 1;
            }
        } else {
            self.name();
        }
        let reference = self.since(start + 1);
        let whole = !reference.is_empty() && self.eat(";");
        let shown = quoted(self.since(start));
        let (message, help) = if reference.is_empty() {
            (
                "`&` begins a reference, and none follows".to_owned(),
                "write `&amp;`",
            )
        } else if !whole {
            let help = "write `&amp;` for an `&` that is text";
            (format!("the reference {shown} has no `;`"), help)
        } else {
            match resolve(reference) {
                Some(c) if is_allowed(c) => return Ok(()),
                None if !is_number && self.external => return Ok(()),
                _ if is_number => (format!("{shown} stands for no character that XML has"), ""),
                _ if reference == "nbsp" => {
                    (format!("XML has no entity {shown}"), "write `&#160;`")
                }
                _ => (
                    format!("XML has no entity {shown}"),
                    "its own are `&amp;`, `&lt;`, `&gt;`, `&apos;` and `&quot;`",
                ),
            }
        };
        let end = self.at.max(start + 1);
        Err(Fault::new(&message, help).at(start, end))
    }

    /// Behind `<!--`.
    fn comment(&mut self, start: usize) -> Sound {
        let what = "this comment";
        let Some(length) = self.find("--") else {
            return Err(self.unclosed(start, what, "-->"));
        };
        self.characters(length)?;
        let dashes = self.at;
        self.at += 2;
        if self.eat(">") {
            return Ok(());
        }
        if self.find("-->").is_none() {
            return Err(self.unclosed(start, what, "-->"));
        }
        let help = "write one dash, or blanks between them";
        let fault = Fault::new("`--` in a comment, which XML does not allow", help);
        let fault = fault.at(dashes, self.at);
        Err(fault.with(Span::new(start, start + 4), "the comment begins here"))
    }

    /// Behind `<?`.
    fn instruction(&mut self, start: usize) -> Sound {
        let name = self.name();
        if name.eq_ignore_ascii_case("xml") {
            let before = self.text.get(..start).unwrap_or("").trim();
            let help = if before.is_empty() {
                "remove the white space before it"
            } else {
                "remove it"
            };
            let message = "an XML declaration that is not at the very beginning";
            return Err(Fault::new(message, help).at(start, self.at));
        }
        let what = "this processing instruction";
        if name.is_empty() || self.until(b" \t\n\r?") > 0 {
            return Err(self.unclosed(start, what, "?>"));
        }
        self.to(start, what, "?>")
    }

    /// Passes over what ends with `end`.
    fn to(&mut self, start: usize, what: &str, end: &str) -> Sound {
        let Some(length) = self.find(end) else {
            return Err(self.unclosed(start, what, end));
        };
        self.characters(length)?;
        self.at += end.len();
        Ok(())
    }

    fn unclosed(&self, start: usize, what: &str, end: &str) -> Box<Fault> {
        let help = format!("put `{end}` at its end");
        Fault::new(&format!("{what} is not closed"), &help).at(start, self.at)
    }

    /// Passes over `length` bytes, if XML allows each character of them.
    fn characters(&mut self, length: usize) -> Sound {
        let end = self.at + length;
        while self.at < end {
            self.character()?;
            self.at += self.peek().map_or(1, char::len_utf8);
        }
        Ok(())
    }

    /// Whether XML allows the next character.
    fn character(&self) -> Sound {
        match self.peek().filter(|c| !is_allowed(*c)) {
            Some(c) => {
                let fault = Fault::new(&not_allowed(c), "remove it");
                Err(fault.at(self.at, self.at + c.len_utf8()))
            }
            None => Ok(()),
        }
    }

    /// Where this line ends.
    fn end_of_line(&self) -> usize {
        let line = self.rest().get(..self.until(b"\n")).unwrap_or("");
        self.at + line.trim_end().len()
    }
}

/// An element in a message.
fn element(name: &str) -> String {
    quoted(&format!("<{name}>"))
}

/// XML 1.0, `NameStartChar`.
fn begins_name(c: char) -> bool {
    matches!(c, ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// XML 1.0, `NameChar`.
fn continues_name(c: char) -> bool {
    begins_name(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
