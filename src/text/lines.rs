//! Places in a text: byte ranges, and the line and column a person counts.

use std::cell::OnceCell;

use crate::text::find_byte;

/// A byte range in the XML text, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte, counted from 0.
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

    /// What was given to [`Lines::new`].
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
}
