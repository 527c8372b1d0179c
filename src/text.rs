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

/// `text` made visible and put between backquotes, shortened where it is very long.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 160;
    let shown = visible(text);
    match shown.char_indices().nth(MOST) {
        Some((cut, _)) => format!("`{}…`", shown.get(..cut).unwrap_or("")),
        None => format!("`{shown}`"),
    }
}

/// The candidate that `word` is most likely a slip of the finger for, if it is near any.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // One slip in a short word, two in a longer one.
    let most = 1 + usize::from(word.len() > 5);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, left out, changed or swapped with their neighbour
/// (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) =
        (from.chars().take(64).collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let at =
                |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&above, column) + usize::from(letter != other))
                .min(at(&above, column + 1) + 1)
                .min(at(&line, column) + 1);
            let swapped = row > 0
                && column > 0
                && from.get(row - 1) == Some(other)
                && to.get(column - 1) == Some(letter);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(0)
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

    #[test]
    fn finds_the_word_that_was_meant() {
        let commands = ["check", "rules", "convert", "doctor", "explain", "hook"];
        for (typed, meant) in [
            ("chekc", Some("check")),
            ("ckeck", Some("check")),
            ("explian", Some("explain")),
            ("docter", Some("doctor")),
            ("rule", Some("rules")),
            ("start", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, commands), meant, "{typed}");
        }
    }
}
