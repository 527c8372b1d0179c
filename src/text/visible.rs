//! Text of others as people may see it: nothing in it drives a terminal or fakes a line.

/// Whether a character drives a terminal, or is one that nobody sees: controls, marks of direction
/// and of joining, tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` with control characters and others that nobody sees written as `\u{…}` or `\n`, so that
/// names out of an XML file cannot drive a terminal or fake lines in a log.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// JSON in which the same characters are written as JSON's own `\uXXXX`. They can only stand in its
/// strings, and are the same to whoever reads it.
pub fn visible_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Text for people's eyes: lines whose every part was made visible on its way in, and colours of
/// our own. There is no other way to make one, so nothing from outside can drive a terminal, or
/// end a line, through whoever takes only this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown(String);

/// A colour of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Something is wrong.
    Red,
    /// Something may be wrong.
    Yellow,
    /// Worth knowing.
    Cyan,
    /// In order.
    Green,
    /// Where it is.
    Bold,
    /// As it was.
    Plain,
}

impl Shown {
    /// Goes on with `text`, on the same line whatever is in it.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&visible(text));
        self
    }

    /// Ends the line.
    pub fn end(&mut self) -> &mut Self {
        self.0.push('\n');
        self
    }

    /// `text` as a line.
    pub fn line(&mut self, text: &str) -> &mut Self {
        self.text(text).end()
    }

    /// Lines of ours, such as a page of help: each is made visible, line ends stay.
    pub fn lines(&mut self, text: &str) -> &mut Self {
        for line in text.lines() {
            self.line(line);
        }
        self
    }

    /// Goes on in another colour, where there are any.
    pub fn paint(&mut self, paint: Paint, colour: bool) -> &mut Self {
        if colour {
            self.0.push_str(match paint {
                Paint::Red => "\x1b[1;31m",
                Paint::Yellow => "\x1b[1;33m",
                Paint::Cyan => "\x1b[1;36m",
                Paint::Green => "\x1b[32m",
                Paint::Bold => "\x1b[1m",
                Paint::Plain => "\x1b[0m",
            });
        }
        self
    }

    /// What is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text` made visible and put between backquotes, shortened where it is very long.
pub fn quoted(text: &str) -> String {
    format!("`{}`", brief(text))
}

/// `text` made visible, shortened where it is very long. However long it is, no more than its
/// beginning is looked at: a thousand findings may name the same.
pub fn brief(text: &str) -> String {
    shortened(text, 160)
}

/// `text` made visible, no more than `most` characters of it.
pub fn shortened(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most + 1);
    let shown = visible(end.map_or(text, |(end, _)| text.get(..end).unwrap_or("")));
    match shown.char_indices().nth(most) {
        Some((cut, _)) => format!("{}…", shown.get(..cut).unwrap_or("")),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_control_characters_visible() {
        assert_eq!(visible("a\x1b[31m\nb\u{202e}"), "a\\u{1b}[31m\\nb\\u{202e}");
        assert_eq!(
            quoted(&"\n".repeat(500)),
            format!("`{}…`", "\\n".repeat(80))
        );
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("abcd", 3), "abc…");
    }
}
