//! What libvirt's XML parser would refuse, said so that it can be put right: where a quote was
//! opened that is not closed, which tag an end tag should have closed.
//!
//! [`tokens`](super::tokens) is quick, and reads much that is no XML. This reads every byte, and
//! is asked where speed does not matter: about files that people give, and once the quick reader
//! has failed. The judge is libxml2 (tests/broken_xml.rs).

use std::collections::BTreeMap;

use crate::domain::tokens::{is_allowed, not_allowed, resolve};
use crate::text::nearest;
use crate::text::{Span, brief, quoted};

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

impl Fault {
    /// A fault of the document as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Fault {
            span: None,
            message: message.into(),
            related: None,
            help: None,
        }
    }

    /// The same, at this place.
    #[must_use]
    pub fn at(self, start: usize, end: usize) -> Self {
        Fault {
            span: Some(Span::new(start, end)),
            ..self
        }
    }

    /// The same, with this help.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Fault {
            help: Some(help.into()),
            ..self
        }
    }

    /// The same, with another place.
    #[must_use]
    pub fn related(self, span: Span, message: impl Into<String>) -> Self {
        Fault {
            related: Some((span, message.into())),
            ..self
        }
    }
}

/// The first fault of `text`, which must not begin with a byte order mark. Behind a DOCTYPE with
/// declarations nothing is looked at: which entities there are is not known then.
pub fn fault(text: &str) -> Option<Fault> {
    let mut strict = Strict {
        text,
        at: 0,
        open: Vec::new(),
        external: false,
    };
    strict.document().err()
}

type Sound<T = ()> = Result<T, Fault>;

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
        let rest = self.rest();
        let left = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.at += rest.len() - left.len();
        left.len() < rest.len()
    }

    /// Passes over a name; an empty one where none begins.
    fn name(&mut self) -> &'t str {
        let rest = self.rest();
        let end = if rest.starts_with(begins_name) {
            rest.find(|c| !continues_name(c)).unwrap_or(rest.len())
        } else {
            0
        };
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    fn document(&mut self) -> Sound {
        let begins = |rest: &str| {
            rest.strip_prefix("<?xml")
                .is_some_and(|rest| rest.starts_with([' ', '\t', '\n', '\r']))
        };
        if begins(self.text) {
            self.declaration()?;
        }
        loop {
            self.white();
            let start = self.at;
            if self.rest().is_empty() {
                return Err(Fault::new("there is no element in it"));
            } else if self.eat("<!--") {
                self.comment(start)?;
            } else if self.eat("<?") {
                self.instruction(start)?;
            } else if self.eat("<!DOCTYPE") {
                if !self.doctype(start)? {
                    return Ok(());
                }
            } else if self.eat("<") {
                break self.start_tag(start)?;
            } else {
                self.character()?;
                let fault = Fault::new("text before the first element");
                let fault = fault.at(start, self.end_of_line(start));
                return Err(if self.text.contains("<domain") {
                    fault.help("remove it")
                } else {
                    fault
                });
            }
        }
        while !self.open.is_empty() {
            self.content()?;
        }
        loop {
            self.white();
            let start = self.at;
            if self.rest().is_empty() {
                return Ok(());
            } else if self.eat("<!--") {
                self.comment(start)?;
            } else if self.eat("<?") {
                self.instruction(start)?;
            } else {
                self.character()?;
                let what = if self
                    .text
                    .get(start..)
                    .is_some_and(|rest| rest.starts_with("</"))
                {
                    "an end tag, and all elements are closed already"
                } else {
                    "something behind the end of the first element: a file has one domain"
                };
                return Err(Fault::new(what).at(start, self.end_of_line(start)));
            }
        }
    }

    /// `<?xml version='1.0' encoding='…' standalone='…'?>`
    fn declaration(&mut self) -> Sound {
        let start = self.at;
        self.at += "<?xml".len();
        let wrong = |strict: &Self| {
            Err(Fault::new("the XML declaration is not written as one")
                .at(start, strict.end_of_line(start))
                .help("write `<?xml version='1.0' encoding='UTF-8'?>`, or nothing"))
        };
        let mut names = ["version", "encoding", "standalone"].into_iter();
        loop {
            let white = self.white();
            let is_first = names.len() == 3;
            if !is_first && self.eat("?>") {
                return Ok(());
            }
            let name = self.name();
            // In this order, each at most once, the version always.
            let known = names.any(|known| known == name);
            if !white || !known || is_first != (name == "version") {
                return wrong(self);
            }
            self.white();
            if !self.eat("=") {
                return wrong(self);
            }
            self.white();
            let Some(quote @ ('\'' | '"')) = self.peek() else {
                return wrong(self);
            };
            let value = self.rest().get(1..).unwrap_or("");
            let Some((value, _)) = value.split_once(quote) else {
                return wrong(self);
            };
            let letters = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let good = match name {
                "version" => {
                    let minor = value.strip_prefix("1.");
                    minor.is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()))
                }
                "encoding" => {
                    value.starts_with(|c: char| c.is_ascii_alphabetic())
                        && value.chars().all(letters)
                }
                _ => matches!(value, "yes" | "no"),
            };
            if !good {
                return wrong(self);
            }
            self.at += value.len() + 2;
        }
    }

    /// A DOCTYPE; whether it has no declarations in it.
    fn doctype(&mut self, start: usize) -> Sound<bool> {
        self.external = true;
        let mut quote = None;
        for (at, c) in self.rest().char_indices() {
            match (quote, c) {
                (None, '[') => return Ok(false),
                (None, '>') => {
                    self.at += at + 1;
                    return Ok(true);
                }
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                _ => {}
            }
        }
        Err(self.unclosed(start, "this DOCTYPE", ">"))
    }

    /// What stands between tags, and the tag behind it.
    fn content(&mut self) -> Sound {
        let rest = self.rest();
        let length = rest.find(['<', '&', ']']).unwrap_or(rest.len());
        self.characters(length)?;
        let start = self.at;
        if self.eat("&") {
            self.reference(start)
        } else if self.eat("]") {
            if self.eat("]>") {
                return Err(
                    Fault::new("`]]>` ends a CDATA section, and none is open here")
                        .at(start, start + 3)
                        .help("write `]]&gt;`"),
                );
            }
            Ok(())
        } else if self.eat("</") {
            self.end_tag(start)
        } else if self.eat("<!--") {
            self.comment(start)
        } else if self.eat("<![CDATA[") {
            let Some(length) = self.rest().find("]]>") else {
                return Err(self.unclosed(start, "this CDATA section", "]]>"));
            };
            self.characters(length)?;
            self.at += 3;
            Ok(())
        } else if self.eat("<?") {
            self.instruction(start)
        } else if self.eat("<") {
            self.start_tag(start)
        } else {
            Err(self.ends_early())
        }
    }

    /// The text ends while elements are open.
    fn ends_early(&self) -> Fault {
        match self.open.last() {
            Some(open) => {
                let name = open.name;
                let shown = quoted(&format!("<{name}>"));
                Fault::new(format!("the XML ends before {shown} is closed"))
                    .at(open.tag.start, open.tag.end)
                    .help(format!(
                        "put `</{name}>` at its end; if the file was cut off, fetch it anew"
                    ))
            }
            None => Fault::new("the XML ends early"),
        }
    }

    /// Behind `</`.
    fn end_tag(&mut self, start: usize) -> Sound {
        let name = self.name();
        self.white();
        let whole = self.eat(">");
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let wanted = format!("</{}>", open.name);
        if whole && name == open.name {
            return Ok(());
        }
        let fault = Fault::new("").at(start, self.at);
        let opened = format!("{} is opened here", quoted(&format!("<{}>", open.name)));
        if name == open.name {
            let message = format!("the end tag of {} has no `>`", quoted(&format!("<{name}>")));
            return Err(Fault { message, ..fault }.help(format!("write `{wanted}`")));
        }
        let outer = self.open.iter().any(|outer| outer.name == name);
        let message = format!(
            "{} closes {}",
            quoted(&format!("</{name}>")),
            if outer {
                format!(
                    "an element around {}, which is not closed yet",
                    quoted(&format!("<{}>", open.name))
                )
            } else {
                format!(
                    "no element: {} is open here",
                    quoted(&format!("<{}>", open.name))
                )
            }
        );
        let help = if outer {
            format!(
                "put {} before it, or `/>` at the end of the opening tag",
                quoted(&wanted)
            )
        } else if nearest(name, [open.name]).is_some() {
            format!("write {}", quoted(&wanted))
        } else {
            format!("remove it, or write {}", quoted(&wanted))
        };
        Err(Fault { message, ..fault }
            .related(open.tag, opened)
            .help(help))
    }

    /// Behind `<`.
    fn start_tag(&mut self, start: usize) -> Sound {
        let name = self.name();
        if name.is_empty() {
            let fault = Fault::new("`<` begins no tag here").at(start, start + 1);
            return Err(fault.help("write `&lt;` for a `<` that is text"));
        }
        let tag = Span::new(start, self.at);
        let shown = quoted(&format!("<{name}>"));
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        loop {
            let white = self.white();
            let here = self.at;
            if self.eat(">") {
                self.open.push(Open {
                    name,
                    tag: Span::new(start, self.at),
                });
                return Ok(());
            }
            if self.eat("/>") {
                return Ok(());
            }
            let key = self.name();
            let span = Span::new(here, self.at);
            if key.is_empty() || !white {
                return Err(self.no_attribute(tag, here, key, &shown));
            }
            if let Some(first) = seen.insert(key, span) {
                return Err(Fault::new(format!(
                    "the attribute {} stands twice in {shown}",
                    quoted(key)
                ))
                .at(span.start, span.end)
                .related(first, "the first is here")
                .help("keep one of them"));
            }
            self.white();
            if !self.eat("=") {
                return Err(Fault::new(format!(
                    "the attribute {} in {shown} has no value",
                    quoted(key)
                ))
                .at(span.start, span.end)
                .help(format!("write `{key}='…'`")));
            }
            self.white();
            self.value(key)?;
        }
    }

    /// What stands in a tag where an attribute or its end should.
    fn no_attribute(&self, tag: Span, here: usize, key: &str, shown: &str) -> Fault {
        let next = self.text.get(here..).unwrap_or("").chars().next();
        let fault = match next {
            // The `>` is missing, and the line is what shows it.
            None | Some('<') => {
                let fault = Fault::new(format!("the tag {shown} is not closed"));
                let fault = fault
                    .at(tag.start, tag.end)
                    .help("put `>` or `/>` at its end");
                return match next {
                    Some(_) => {
                        let next = Span::new(here, here + 1);
                        fault.related(next, "the next one begins here")
                    }
                    None => fault,
                };
            }
            Some('/') => Fault::new(format!("`/` in {shown} that no `>` follows"))
                .help("write `/>`, or put quotes around a value that has it"),
            Some('\'' | '"') => Fault::new(format!("a quote in {shown} where none is open"))
                .help("remove it, or look for one too many before it"),
            Some(_) if !key.is_empty() && self.rest().trim_start().starts_with('=') => Fault::new(
                format!("no blank before the attribute {} in {shown}", quoted(key)),
            )
            .help("put a blank before it"),
            Some(_) if !key.is_empty() => Fault::new(format!(
                "{} stands behind the end of a value in {shown}",
                quoted(key)
            ))
            .help("a quote that is part of a value is written `&apos;` or `&quot;`"),
            Some(c) => Fault::new(format!(
                "{} in {shown}, where an attribute should be",
                quoted(c.encode_utf8(&mut [0; 4]))
            )),
        };
        let length = next.map_or(0, char::len_utf8);
        fault.at(here, self.at.max(here + length))
    }

    /// The value of attribute `key`, from its first quote.
    fn value(&mut self, key: &str) -> Sound {
        let start = self.at;
        let Some(quote @ ('\'' | '"')) = self.peek() else {
            let end = self.rest().find([' ', '\t', '\n', '\r', '<', '>']);
            let written = self.rest().get(..end.unwrap_or(0)).unwrap_or("");
            let written = written.trim_end_matches('/');
            let fault = Fault::new(format!(
                "the value of the attribute {} is not in quotes",
                quoted(key)
            ))
            .at(start, start + written.len().max(1));
            let bare = written.trim_matches([
                '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '"', '\'', '`', '\u{b4}',
            ]);
            let is_simple = !bare.is_empty() && !bare.contains(['&', '\'', '"']);
            return Err(if is_simple {
                fault.help(format!(
                    "write `{key}='{}'`, with a plain quote before and behind it",
                    brief(bare)
                ))
            } else {
                fault.help("put a plain `'` before and behind it")
            });
        };
        self.at += 1;
        loop {
            let rest = self.rest();
            let Some(length) = rest.find([quote, '<', '&']) else {
                self.characters(rest.len())?;
                return Err(open_quote(start, key));
            };
            self.characters(length)?;
            let here = self.at;
            if self.eat("&") {
                self.reference(here)?;
            } else if self.eat("<") {
                let less = Span::new(here, here + 1);
                return Err(if self.closes_on_this_line(quote) {
                    Fault::new(format!(
                        "a `<` in the value of the attribute {}",
                        quoted(key)
                    ))
                    .at(less.start, less.end)
                    .help("write `&lt;`")
                } else {
                    let why = "a value has no `<`, so it should have ended before this one";
                    open_quote(start, key).related(less, why)
                });
            } else {
                self.at += 1;
                return Ok(());
            }
        }
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
        let written = |strict: &Self| strict.text.get(start + 1..strict.at).unwrap_or("");
        let is_number = self.eat("#");
        if is_number {
            let digits = |c: char| c.is_ascii_alphanumeric();
            let rest = self.rest();
            self.at += rest.find(|c| !digits(c)).unwrap_or(rest.len());
        } else {
            self.name();
        }
        let reference = written(self);
        if reference.is_empty() {
            return Err(Fault::new("`&` begins a reference, and none follows")
                .at(start, start + 1)
                .help("write `&amp;`"));
        }
        let end = self.at;
        if !self.eat(";") {
            return Err(Fault::new(format!(
                "the reference {} has no `;`",
                quoted(&format!("&{reference}"))
            ))
            .at(start, end)
            .help("write `&amp;` for an `&` that is text"));
        }
        match resolve(reference) {
            Some(c) if is_allowed(c) => Ok(()),
            None if !is_number && self.external => Ok(()),
            _ => {
                let shown = quoted(&format!("&{reference};"));
                let fault = if is_number {
                    Fault::new(format!("{shown} stands for no character that XML has"))
                } else {
                    Fault::new(format!("XML has no entity {shown}"))
                };
                let fault = fault.at(start, self.at);
                Err(match reference {
                    _ if is_number => fault,
                    "nbsp" => fault.help("write `&#160;`"),
                    _ => fault.help("its own are `&amp;`, `&lt;`, `&gt;`, `&apos;` and `&quot;`"),
                })
            }
        }
    }

    /// Behind `<!--`.
    fn comment(&mut self, start: usize) -> Sound {
        let Some(length) = self.rest().find("--") else {
            return Err(self.unclosed(start, "this comment", "-->"));
        };
        self.characters(length)?;
        let dashes = self.at;
        self.at += 2;
        if self.eat(">") {
            return Ok(());
        }
        if !self.rest().contains("-->") {
            return Err(self.unclosed(start, "this comment", "-->"));
        }
        Err(Fault::new("`--` in a comment, which XML does not allow")
            .at(dashes, self.at)
            .related(Span::new(start, start + 4), "the comment begins here")
            .help("write one dash, or blanks between them"))
    }

    /// Behind `<?`.
    fn instruction(&mut self, start: usize) -> Sound {
        let name = self.name();
        if name.eq_ignore_ascii_case("xml") {
            let fault = Fault::new("an XML declaration that is not at the very beginning");
            let before = self.text.get(..start).unwrap_or("");
            let help = if before.trim().is_empty() {
                "remove the white space before it"
            } else {
                "remove it"
            };
            return Err(fault.at(start, self.at).help(help));
        }
        let apart = self.rest().starts_with([' ', '\t', '\n', '\r', '?']);
        let Some(length) = self.rest().find("?>").filter(|_| !name.is_empty() && apart) else {
            return Err(self.unclosed(start, "this processing instruction", "?>"));
        };
        self.characters(length)?;
        self.at += 2;
        Ok(())
    }

    fn unclosed(&self, start: usize, what: &str, end: &str) -> Fault {
        Fault::new(format!("{what} is not closed"))
            .at(start, self.at)
            .help(format!("put `{end}` at its end"))
    }

    /// Passes over `length` bytes, if XML allows each character of them.
    fn characters(&mut self, length: usize) -> Sound {
        let part = self.rest().get(..length).unwrap_or("");
        let Some((at, _)) = part.char_indices().find(|(_, c)| !is_allowed(*c)) else {
            self.at += length;
            return Ok(());
        };
        self.at += at;
        self.character()
    }

    /// Whether XML allows the next character.
    fn character(&self) -> Sound {
        match self.peek().filter(|c| !is_allowed(*c)) {
            Some(c) => Err(Fault::new(not_allowed(c))
                .at(self.at, self.at + c.len_utf8())
                .help("remove it")),
            None => Ok(()),
        }
    }

    /// Where the line ends that `start` is in.
    fn end_of_line(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or("");
        start + rest.split('\n').next().unwrap_or("").trim_end().len()
    }
}

fn open_quote(start: usize, key: &str) -> Fault {
    let fault = Fault::new(format!(
        "the quote of the attribute {} is not closed",
        quoted(key)
    ));
    fault
        .at(start, start + 1)
        .help("put the same quote at its end")
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
