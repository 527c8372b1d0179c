//! Places in a text: byte ranges, and the line and column a person counts.

/// A byte range in the XML text, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
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

/// Where the lines of a text begin: finds the line of any place without reading the text again.
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Reads the text once.
    pub fn new(text: &'t str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
        Lines {
            text,
            starts: std::iter::once(0)
                .chain(newlines.map(|at| at + 1))
                .collect(),
        }
    }

    /// The text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Line and column of byte `offset`, both from 1; the column counts characters, as editors do.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let column = 1 + self.text.get(start..offset).unwrap_or("").chars().count();
        (line, column)
    }

    /// Line `number`, without its line end.
    pub fn line(&self, number: usize) -> &'t str {
        let Some(start) = self.starts.get(number.saturating_sub(1)).copied() else {
            return "";
        };
        let end = self
            .starts
            .get(number)
            .map_or(self.text.len(), |next| next - 1);
        let line = self.text.get(start..end).unwrap_or("");
        line.strip_suffix('\r').unwrap_or(line)
    }
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

/// `text` as one word of a shell: in single quotes where it is not plain.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
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
        let lines = Lines::new("a\nbé'x'\r\nc");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(6), (2, 4));
        assert_eq!(lines.position(999), (3, 2));
        assert_eq!(
            (lines.line(2), lines.line(3), lines.line(9)),
            ("bé'x'", "c", "")
        );
    }

    #[test]
    fn makes_control_characters_visible() {
        assert_eq!(visible("a\x1b[31m\nb\u{202e}"), "a\\u{1b}[31m\\nb\\u{202e}");
        assert!(quoted(&"x".repeat(500)).chars().count() < 170);
    }
}
