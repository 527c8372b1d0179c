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

/// One list of edits that does what `first` and then `second` do; `between` is the text after the
/// first. `None` when the second cannot be carried out there.
pub fn both(first: &[Edit], between: &str, second: &[Edit]) -> Option<Vec<Edit>> {
    // How much longer the text is behind what was carried out so far.
    let mut shift: isize = 0;
    let mut out: Vec<Edit> = Vec::new();
    let mut old = in_order(first).into_iter().peekable();
    let mut new = in_order(second).into_iter().peekable();
    loop {
        // Where the next of each begins in the text between.
        let began = |at: usize, shift: isize| at.checked_add_signed(shift);
        let next = match old.peek() {
            Some(edit) => Some(began(edit.range.start, shift)?),
            None => None,
        };
        let start = match (next, new.peek()) {
            (None, None) => return Some(out),
            (Some(at), Some(edit)) => at.min(edit.range.start),
            (Some(at), None) => at,
            (None, Some(edit)) => edit.range.start,
        };
        let from = start.checked_add_signed(-shift)?;
        // All that touch one another, of both lists, become one.
        let mut end = start;
        let mut inside = Vec::new();
        loop {
            if let Some(edit) = new.next_if(|edit| edit.range.start <= end) {
                end = end.max(edit.range.end);
                inside.push(Edit {
                    range: Span::new(edit.range.start - start, edit.range.end - start),
                    text: edit.text.clone(),
                });
                continue;
            }
            let touches = |edit: &&Edit| began(edit.range.start, shift).is_some_and(|at| at <= end);
            let Some(edit) = old.next_if(touches) else {
                break;
            };
            let at = began(edit.range.start, shift)?;
            end = end.max(at + edit.text.len());
            let gone = edit.range.end - edit.range.start;
            shift += isize::try_from(edit.text.len()).ok()? - isize::try_from(gone).ok()?;
        }
        let to = end.checked_add_signed(-shift)?;
        out.push(Edit {
            range: Span::new(from, to),
            text: apply(between.get(start..end)?, &inside)?,
        });
    }
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

    #[test]
    fn two_lists_one_after_the_other_are_one() {
        let text = "abcdefghij";
        let first = [
            replace(2, 4, "CDX"),
            replace(6, 6, "-"),
            Edit::remove(Span::new(9, 10)),
        ];
        let between = apply(text, &first).unwrap();
        assert_eq!(between, "abCDXef-ghi");
        for second in [
            vec![],
            vec![replace(0, 1, "A")],
            vec![replace(1, 3, "?")],
            vec![replace(4, 8, "")],
            vec![
                replace(3, 3, "!"),
                replace(10, 11, "I"),
                Edit::insert(11, "end"),
            ],
            vec![replace(0, 11, "all")],
        ] {
            let after = apply(&between, &second).unwrap();
            let joined = both(&first, &between, &second).unwrap();
            assert_eq!(apply(text, &joined), Some(after), "{second:?} {joined:?}");
        }
        assert_eq!(both(&first, &between, &[replace(10, 20, "")]), None);
    }
}
