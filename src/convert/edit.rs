//! Byte-range edits: everything outside them stays as it is, to the byte.

use crate::ordered;
use crate::text::Span;

/// `text` in the place of a range; an empty range inserts, an empty text removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes away.
    pub range: Span,
    /// What comes instead.
    pub text: String,
}

impl Edit {
    /// Puts `text` before byte `at`.
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Edit {
            range: Span::new(at, at),
            text: text.into(),
        }
    }

    /// The same in a text that has `bytes` more before it.
    #[must_use]
    pub fn moved(&self, bytes: usize) -> Self {
        Edit {
            range: Span::new(self.range.start + bytes, self.range.end + bytes),
            text: self.text.clone(),
        }
    }

    /// Takes `range` away.
    pub fn remove(range: Span) -> Self {
        Edit {
            range,
            text: String::new(),
        }
    }
}

/// The edits in the order of the text; those at one place as they were given.
pub fn in_order(edits: &[Edit]) -> Vec<&Edit> {
    let numbered = edits.iter().enumerate();
    let sorted = ordered::map(numbered.map(|(number, edit)| ((edit.range, number), edit)));
    sorted.into_values().collect()
}

/// `text` after all edits, given in any order. `None` when two of them overlap or one lies
/// outside, which would be a mistake of ours: then nothing may be written.
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in in_order(edits) {
        out.push_str(text.get(at..edit.range.start)?);
        out.push_str(&edit.text);
        text.get(edit.range.start..edit.range.end)?;
        at = edit.range.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(start: usize, end: usize, text: &str) -> Edit {
        Edit {
            range: Span::new(start, end),
            text: text.to_owned(),
        }
    }

    #[test]
    fn edits_count_from_the_old_text_whatever_their_order() {
        let edits = [
            Edit::insert(6, "!"),
            replace(3, 5, "…"),
            Edit::remove(Span::new(0, 1)),
            Edit::insert(5, "x"),
        ];
        assert_eq!(apply("abcdéf", &edits), None, "byte 5 is inside é");
        let edits = [
            Edit::insert(7, "!"),
            replace(3, 4, "…"),
            Edit::remove(Span::new(0, 1)),
            Edit::insert(4, "x"),
        ];
        assert_eq!(apply("abcdéf", &edits).as_deref(), Some("bc…xéf!"));
        assert_eq!(apply("same", &[]).as_deref(), Some("same"));
    }

    #[test]
    fn what_cannot_be_right_is_not_done() {
        let overlapping = [replace(0, 3, "x"), replace(2, 4, "y")];
        assert_eq!(apply("abcdef", &overlapping), None);
        assert_eq!(apply("abc", &[Edit::insert(4, "x")]), None);
        assert_eq!(apply("abc", &[replace(2, 9, "x")]), None);
    }
}
