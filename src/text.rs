//! Places in a text: byte ranges, where a word stands, and the line and column a person counts.

use std::cell::OnceCell;
use std::io::BufRead;

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

/// Where the first `byte` is. By the standard library, which takes two words at a time: crates
/// that take more ask the processor for its vector instructions, by dozens of CPUID, and each of
/// them is a trap in a virtual machine.
pub fn find_byte(text: &[u8], byte: u8) -> Option<usize> {
    let mut rest = text;
    let last = rest.skip_until(byte).ok()?.checked_sub(1)?;
    (text.get(last) == Some(&byte)).then_some(last)
}

/// Where the first `needle` is; it must not be empty.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    // There is less punctuation than letters.
    let rare = needle.iter().position(u8::is_ascii_punctuation);
    let (before, from) = needle.split_at_checked(rare.unwrap_or(0))?;
    let (byte, behind) = from.split_first()?;
    let mut at = 0;
    loop {
        at += find_byte(text.get(at..)?, *byte)?;
        let (left, right) = text.split_at_checked(at)?;
        at += 1;
        if left.ends_with(before) && right.get(1..)?.starts_with(behind) {
            return Some(left.len() - before.len());
        }
    }
}

/// Where the lines of a text begin: finds line and column of any place without reading the text
/// again, however long its lines are.
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// How many characters begin before every [`Lines::STEP`]th byte; counted when first asked for.
    characters: OnceCell<Vec<usize>>,
}

impl<'t> Lines<'t> {
    const STEP: usize = 512;

    /// Reads the text once.
    pub fn new(text: &'t str) -> Self {
        let mut starts = vec![0];
        let mut rest = text.as_bytes();
        while let Some(at) = find_byte(rest, b'\n') {
            rest = rest.get(at + 1..).unwrap_or_default();
            starts.push(text.len() - rest.len());
        }
        Lines {
            text,
            starts,
            characters: OnceCell::new(),
        }
    }

    /// The text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// Line and column of byte `offset`, both from 1; the column counts characters, as editors do.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.number(offset);
        let column = 1 + self.characters(offset) - self.characters(self.start(line));
        (line, column)
    }

    /// The number of the line that byte `offset` is in, from 1.
    pub fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// The byte with which line `number` begins.
    pub fn start(&self, number: usize) -> usize {
        let line = self.starts.get(number.saturating_sub(1));
        line.copied().unwrap_or(self.text.len())
    }

    /// How many characters begin before byte `offset`.
    fn characters(&self, offset: usize) -> usize {
        let begin = |bytes: &[u8]| bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        let bytes = self.text.as_bytes();
        let before = self.characters.get_or_init(|| {
            let counts = bytes.chunks(Self::STEP).scan(0, |sum, chunk| {
                *sum += begin(chunk);
                Some(*sum)
            });
            std::iter::once(0).chain(counts).collect()
        });
        let step = offset / Self::STEP;
        let rest = bytes.get(step * Self::STEP..offset).unwrap_or_default();
        before.get(step).copied().unwrap_or(0) + begin(rest)
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

/// `1 error`, `2 errors`, `2 directories`.
pub fn count(number: usize, word: &str) -> String {
    match word.strip_suffix('y') {
        _ if number == 1 => format!("{number} {word}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {word}s"),
    }
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
        let long = "é".repeat(5000);
        let lines = Lines::new(&long);
        for column in [0, 1, 255, 256, 257, 512, 4999, 5000] {
            assert_eq!(lines.position(2 * column), (1, 1 + column));
        }
        let lines = Lines::new("a\nbé'x'\r\nc");
        assert_eq!(
            (lines.line(2), lines.line(3), lines.line(9)),
            ("bé'x'", "c", "")
        );
    }

    #[test]
    fn finds_words_wherever_they_stand() {
        for (text, needle, at) in [
            ("ab", "ab", Some(0)),
            ("aaab", "aab", Some(1)),
            ("x://a http://a", "http://a", Some(6)),
            ("::a:b", "a:b", Some(2)),
            ("a:b", "a:bc", None),
            (":b", "a:b", None),
            ("", "a", None),
        ] {
            assert_eq!(find(text.as_bytes(), needle.as_bytes()), at, "{text}");
        }
        assert_eq!(find_byte(b"abc", b'c'), Some(2));
        assert_eq!(find_byte(b"ab", b'c'), None);
        assert_eq!(find_byte(b"", b'c'), None);
    }

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
