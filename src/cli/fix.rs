//! `check --fix`: carries out what findings say to write, round by round.

use crate::convert::edit::{self, Edit};
use crate::convert::fixes;
use crate::domain::Document;
use crate::inspect::{self, Inspection};
use crate::lint;

use super::call::Surroundings;

/// A fix may show what it hid, such as the keys behind an option that was misspelt. No more rounds
/// than this are ever needed for what people write.
const MOST_ROUNDS: usize = 16;

/// A document in which all is fixed that has one right answer.
pub struct Fixed {
    /// The document, without byte order mark.
    pub document: Document,
    /// The edits that made it.
    pub edits: Vec<Edit>,
    /// How many findings they fixed.
    pub count: usize,
    /// What is left; of very much the most important.
    pub left: Inspection,
}

/// Fixes `document`, in which all of `found` was found. Every round is looked at as `check` would: one that
/// would leave no XML, or an error where there was none, is not done.
pub fn fix(document: &Document, found: Inspection, around: &Surroundings) -> Fixed {
    let mut fixed = Fixed {
        document: Document::from(document.text().to_owned()),
        edits: Vec::new(),
        count: 0,
        left: found,
    };
    for _ in 0..MOST_ROUNDS {
        let text = fixed.document.text();
        let (edits, count) = fixes::edits(&fixed.left.domain, text, &fixed.left.findings);
        if edits.is_empty() {
            break;
        }
        let (Some(next), Some(edits)) = (
            edit::apply(text, &edits),
            edit::both(&fixed.edits, text, &edits),
        ) else {
            break;
        };
        let document = Document::from(next);
        match inspect::find_all(&document, around.host(), around.assume) {
            Ok(left) if !left.has_errors() || fixed.left.has_errors() => {
                fixed = Fixed {
                    document,
                    edits,
                    count: fixed.count + count,
                    left,
                };
            }
            Ok(_) | Err(_) => break,
        }
    }
    lint::keep(&mut fixed.left.findings, lint::MOST_FINDINGS);
    fixed
}
