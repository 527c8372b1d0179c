//! Edits as a unified diff, as `diff -u` prints it and `patch` takes it.
//!
//! What changes is known, so no lines need to be compared: it is exact, and takes one pass.

use std::fmt::Write as _;

use crate::convert::edit::{Edit, apply, in_order};
use crate::text::{Lines, Span};

/// Unchanged lines before and after each change.
const AROUND: usize = 3;

/// Some lines of the old text and what comes in their place.
struct ChangedLines<'t> {
    /// Number of the first line, from 0.
    line: usize,
    old: Vec<&'t str>,
    new: Vec<String>,
}

/// The diff of `text` before and after the edits, in a file called `name`; empty when there are
/// none. `None` when the edits cannot be carried out.
pub fn unified(name: &str, text: &str, edits: &[Edit]) -> Option<String> {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let changes = changes(text, &all, edits)?;
    let mut out = String::new();
    let mut shift: isize = 0;
    for (number, hunk) in hunks(&changes).enumerate() {
        if number == 0 {
            let _ = writeln!(out, "--- {name}\n+++ {name}");
        }
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
            continue;
        };
        let from = first.line.saturating_sub(AROUND);
        let to = (last.line + last.old.len() + AROUND).min(all.len());
        let grown: isize = hunk.iter().map(ChangedLines::grown).sum();
        let length = to - from;
        let _ = writeln!(
            out,
            "@@ -{} +{} @@",
            range(from, length),
            range(
                from.saturating_add_signed(shift),
                length.saturating_add_signed(grown)
            )
        );
        shift += grown;
        let mut at = from;
        let mut same = |out: &mut String, until: usize| {
            lines(out, ' ', all.get(at..until).unwrap_or_default());
            at = until;
        };
        for change in hunk {
            same(&mut out, change.line);
            lines(&mut out, '-', &change.old);
            let new: Vec<&str> = change.new.iter().map(String::as_str).collect();
            lines(&mut out, '+', &new);
            same(&mut String::new(), change.line + change.old.len());
        }
        same(&mut out, to);
    }
    Some(out)
}

impl ChangedLines<'_> {
    fn grown(&self) -> isize {
        let count = |length: usize| isize::try_from(length).unwrap_or(isize::MAX);
        count(self.new.len()) - count(self.old.len())
    }
}

/// The lines that each edit touches; edits that touch the same line together.
fn changes<'t>(text: &str, all: &[&'t str], edits: &[Edit]) -> Option<Vec<ChangedLines<'t>>> {
    let places = Lines::new(text);
    let line_of = |at: usize| places.number(at) - 1;
    // First and last line, and the edits in them.
    let mut runs: Vec<(usize, usize, Vec<Edit>)> = Vec::new();
    for edit in in_order(edits) {
        let (from, to) = (line_of(edit.range.start), line_of(edit.range.end));
        match runs.last_mut() {
            Some((_, last, inside)) if from <= *last => {
                *last = to.max(*last);
                inside.push(edit.clone());
            }
            _ => runs.push((from, to, vec![edit.clone()])),
        }
    }
    let mut changes = Vec::new();
    let mut start = 0;
    let mut line = 0;
    for (from, to, inside) in runs {
        start += length(all.get(line..from)?);
        line = from;
        // The last line may be the empty one behind the last line end.
        let old = all.get(from..(to + 1).min(all.len()))?;
        let size = length(old);
        let moved: Vec<Edit> = inside
            .into_iter()
            .map(|edit| Edit {
                range: Span::new(edit.range.start - start, edit.range.end - start),
                ..edit
            })
            .collect();
        let new = apply(text.get(start..start + size)?, &moved)?;
        changes.extend(trimmed(from, old, &new));
    }
    Some(changes)
}

/// A change without the lines at both ends that stay as they are; nothing when all do.
fn trimmed<'t>(line: usize, old: &[&'t str], new: &str) -> Option<ChangedLines<'t>> {
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let pairs = old.iter().zip(&new);
    let before = pairs.take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(before..)?, new.get(before..)?);
    let pairs = old.iter().rev().zip(new.iter().rev());
    let after = pairs.take_while(|(old, new)| old == new).count();
    let old = old.get(..old.len() - after)?;
    let new = new.get(..new.len() - after)?;
    (!old.is_empty() || !new.is_empty()).then(|| ChangedLines {
        line: line + before,
        old: old.to_vec(),
        new: new.iter().map(|line| (*line).to_owned()).collect(),
    })
}

/// Changes whose surroundings touch, together.
fn hunks<'a, 't>(changes: &'a [ChangedLines<'t>]) -> impl Iterator<Item = &'a [ChangedLines<'t>]> {
    changes.chunk_by(|one, next| next.line <= one.line + one.old.len() + 2 * AROUND)
}

fn length(lines: &[&str]) -> usize {
    lines.iter().map(|line| line.len()).sum()
}

/// `first,count` as diff counts: from 1, a count of 1 left out, and before the first line 0.
fn range(from: usize, count: usize) -> String {
    match count {
        0 => format!("{from},0"),
        1 => format!("{}", from + 1),
        count => format!("{},{count}", from + 1),
    }
}

fn lines(out: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(text: &str, old: &str, new: &str) -> Edit {
        let start = text.find(old).unwrap();
        Edit {
            range: Span::new(start, start + old.len()),
            text: new.to_owned(),
        }
    }

    #[test]
    fn shows_what_changes_and_three_lines_around() {
        let text: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let edits = [
            replace(&text, "line 2\n", ""),
            Edit::insert(text.len(), "end"),
            replace(&text, "5", "five\nand more"),
        ];
        assert_eq!(
            unified("f", &text, &edits).unwrap(),
            "--- f\n+++ f\n@@ -1,8 +1,8 @@\n line 1\n-line 2\n line 3\n line 4\n-line 5\n+line five\n\
             +and more\n line 6\n line 7\n line 8\n@@ -18,3 +18,4 @@\n line 18\n line 19\n line 20\n+end\n\
             \\ No newline at end of file\n"
        );
        assert_eq!(unified("f", &text, &[]).unwrap(), "");
    }

    #[test]
    fn whole_files_come_and_go() {
        let diff = |text: &str, edit: Edit| unified("f", text, &[edit]).unwrap();
        let head = "--- f\n+++ f\n";
        assert_eq!(
            diff("", Edit::insert(0, "a\n")),
            format!("{head}@@ -0,0 +1 @@\n+a\n")
        );
        assert_eq!(
            diff("a\n", Edit::remove(Span::new(0, 2))),
            format!("{head}@@ -1 +0,0 @@\n-a\n")
        );
        assert_eq!(
            diff("a", Edit::insert(0, "b")),
            format!(
                "{head}@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+ba\n\\ No newline at end of file\n"
            )
        );
    }
}
