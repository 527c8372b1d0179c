//! One word of `<qemu:commandline>` and where its characters stand in the file.

use std::cell::OnceCell;
use std::ops::Range;

use crate::text::Span;

/// The value of one `<qemu:arg>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// What QEMU gets.
    pub value: String,
    /// Where the raw attribute value stands.
    pub span: Span,
    /// Whether it is written with TAB, LF or CR, of which a reader of the file makes blanks.
    pub blanked: bool,
    /// Where value and file are at the same time, found when first asked for: there may be a
    /// finding for every byte.
    steps: OnceCell<Vec<Step>>,
}

/// A place in the value, and the same in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// Byte of the value.
    value: usize,
    /// Byte of the raw attribute value.
    raw: usize,
}

impl Arg {
    /// The value of the attribute whose raw value stands at `span`.
    pub fn new(value: String, span: Span, blanked: bool) -> Self {
        Arg {
            value,
            span,
            blanked,
            steps: OnceCell::new(),
        }
    }

    /// Where bytes `range` of [`Arg::value`] stand in `text`, references counted as one character.
    pub fn locate(&self, text: &str, range: &Range<usize>) -> Span {
        let raw = self.span.of(text);
        let steps = self.steps.get_or_init(|| steps(raw, &self.value));
        let at = |offset| self.span.start + source(raw, &self.value, steps, offset);
        Span::new(at(range.start), at(range.end))
    }
}

/// Where reading may begin in a raw value, so that no place is far from one before it.
fn steps(raw: &str, value: &str) -> Vec<Step> {
    const APART: usize = 256;
    let mut steps = Vec::new();
    let mut last = Step { value: 0, raw: 0 };
    let mut at = last;
    while let Some(next) = next(raw, value, at, APART) {
        at = next;
        // What stands for itself is as long in both.
        while !raw.is_char_boundary(at.raw) {
            at = Step {
                value: at.value + 1,
                raw: at.raw + 1,
            };
        }
        if at.raw - last.raw >= APART {
            steps.push(at);
            last = at;
        }
    }
    steps
}

/// The byte of `raw` at which byte `offset` of the value begins.
fn source(raw: &str, value: &str, steps: &[Step], offset: usize) -> usize {
    let before = steps.partition_point(|step| step.value <= offset);
    let from = before.checked_sub(1).and_then(|last| steps.get(last));
    let mut at = from.copied().unwrap_or(Step { value: 0, raw: 0 });
    while at.value < offset {
        match next(raw, value, at, offset - at.value) {
            Some(next) => at = next,
            None => break,
        }
    }
    let mut at = at.raw;
    while !raw.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// One reference or line end further, or to it, but over no more than `most` characters that stand
/// for themselves; `None` at the end.
fn next(raw: &str, value: &str, at: Step, most: usize) -> Option<Step> {
    let rest = raw.get(at.raw..)?;
    let near = rest.as_bytes();
    let near = near.get(..most).unwrap_or(near);
    let special = |byte: &u8| matches!(byte, b'&' | b'\r');
    let plain = near.iter().position(special).unwrap_or(near.len());
    // A line end of two bytes is one space in a file's value (XML 1.0, 2.11 and 3.3.3).
    let blank = rest.starts_with("\r\n") && value.as_bytes().get(at.value) == Some(&b' ');
    let (from, to) = match plain {
        0 if blank => (2, 1),
        0 => step(rest)?,
        plain => (plain, plain),
    };
    Some(Step {
        value: at.value + to,
        raw: at.raw + from,
    })
}

/// Bytes that the next character takes in the file and in the value, or `None` at the end.
fn step(rest: &str) -> Option<(usize, usize)> {
    let first = rest.chars().next()?;
    if first == '&' {
        let end = rest.find(';')?;
        let name = rest.get(1..end).unwrap_or("");
        let number =
            name.strip_prefix('#')
                .and_then(|digits| match digits.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => digits.parse().ok(),
                });
        let length = number.and_then(char::from_u32).map_or(1, char::len_utf8);
        return Some((end + 1, length));
    }
    Some((first.len_utf8(), first.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_places_behind_references() {
        let text = "<a value='x&amp;y&#233;,fmode=644'/>";
        let span = Span::new(10, 33);
        assert_eq!(span.of(text), "x&amp;y&#233;,fmode=644");
        let arg = Arg::new("x&yé,fmode=644".to_owned(), span, false);
        let at = arg.value.find("644").unwrap();
        assert_eq!(arg.locate(text, &(at..at + 3)).of(text), "644");
        assert_eq!(arg.locate(text, &(0..3)).of(text), "x&amp;y");
        assert_eq!(arg.locate(text, &(90..99)).of(text), "");
        // Far into a long value, with and without references.
        for (raw, value) in [("&lt;", "<"), ("\r\n", " "), ("\r\n", "\r\n"), ("é", "é")] {
            let text = raw.repeat(1000);
            let arg = Arg::new(value.repeat(1000), Span::new(0, text.len()), false);
            for number in [0, 1, 63, 64, 65, 128, 500, 999] {
                let at = number * value.len();
                let span = arg.locate(&text, &(at..at + value.len()));
                assert_eq!((span.start, span.of(&text)), (number * raw.len(), raw));
            }
        }
    }
}
