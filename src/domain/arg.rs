//! One word of `<qemu:commandline>` and where its characters stand in the file.

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
}

impl Arg {
    /// Where bytes `range` of [`Arg::value`] stand in `text`, references counted as one character.
    pub fn locate(&self, text: &str, range: &Range<usize>) -> Span {
        let raw = self.span.of(text);
        if raw == self.value {
            let at = |offset: usize| self.span.start + offset.min(raw.len());
            return Span::new(at(range.start), at(range.end));
        }
        let at = |offset| self.span.start + source(raw, &self.value, offset);
        Span::new(at(range.start), at(range.end))
    }
}

/// The byte of `raw` at which byte `offset` of `value` begins.
fn source(raw: &str, value: &str, offset: usize) -> usize {
    let (mut at, mut decoded) = (0, 0);
    while decoded < offset {
        let rest = raw.get(at..).unwrap_or("");
        // Most characters stand for themselves.
        let special = memchr::memchr2(b'&', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        let plain = special.min(offset - decoded);
        // A line end of two bytes is one space in a file's value (XML 1.0, 2.11 and 3.3.3).
        let blank = rest.starts_with("\r\n") && value.as_bytes().get(decoded) == Some(&b' ');
        let (from, to) = match step(rest) {
            _ if plain > 0 => (plain, plain),
            _ if blank => (2, 1),
            Some(step) => step,
            None => break,
        };
        at += from;
        decoded += to;
    }
    while !raw.is_char_boundary(at) {
        at += 1;
    }
    at
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
        let arg = Arg {
            value: "x&yé,fmode=644".to_owned(),
            span,
            blanked: false,
        };
        let at = arg.value.find("644").unwrap();
        assert_eq!(arg.locate(text, &(at..at + 3)).of(text), "644");
        assert_eq!(arg.locate(text, &(0..3)).of(text), "x&amp;y");
        assert_eq!(arg.locate(text, &(90..99)).of(text), "");
    }
}
