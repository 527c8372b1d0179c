//! Places in a text: byte ranges, and the line and column a person counts.

/// A byte range in the XML text, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range from `start` to `end`; an end before the start counts as empty.
    pub fn new(start: usize, end: usize) -> Self {
        Span {
            start,
            end: end.max(start),
        }
    }

    /// The part of `text` it covers, empty when it lies outside.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or("")
    }
}

/// Line and column of byte `offset`, both from 1; the column counts characters, as editors do.
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    let start = line_start(before);
    let column = 1 + text.get(start..before.len()).unwrap_or("").chars().count();
    (line, column)
}

/// The whole line that holds byte `offset`, without its line end.
pub fn line_at(text: &str, offset: usize) -> &str {
    let start = line_start(text.as_bytes().get(..offset).unwrap_or(text.as_bytes()));
    let rest = text.get(start..).unwrap_or("");
    let line = rest.split('\n').next().unwrap_or("");
    line.strip_suffix('\r').unwrap_or(line)
}

/// Where the last line of `before` begins.
fn line_start(before: &[u8]) -> usize {
    memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1)
}

/// `text` with control characters and invisible direction marks written as `\u{…}` or `\n`,
/// so that names out of an XML file cannot drive a terminal or fake lines in a log.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if hidden {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// `1 error`, `2 errors`.
pub fn count(number: usize, word: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {word}{ending}")
}

/// `text` made visible and put between backquotes, shortened where it is very long.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 160;
    let shown = visible(text);
    match shown.char_indices().nth(MOST) {
        Some((cut, _)) => format!("`{}…`", shown.get(..cut).unwrap_or("")),
        None => format!("`{shown}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let text = "a\nbé'x'\r\nc";
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, 6), (2, 4));
        assert_eq!(line_column(text, 999), (3, 2));
        assert_eq!(line_at(text, 4), "bé'x'");
    }

    #[test]
    fn makes_control_characters_visible() {
        assert_eq!(visible("a\x1b[31m\nb\u{202e}"), "a\\u{1b}[31m\\nb\\u{202e}");
        assert!(quoted(&"x".repeat(500)).chars().count() < 170);
    }
}
