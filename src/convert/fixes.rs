//! What findings say to write, as edits of the document.

use std::collections::BTreeSet;

use crate::convert::edit::Edit;
use crate::domain::Domain;
use crate::lint::finding::Finding;
use crate::text::Span;

/// The edits of all findings that can be fixed at once, and of how many findings they are. What
/// would touch the edit of another waits until that is done.
pub fn edits(domain: &Domain, text: &str, findings: &[Finding]) -> (Vec<Edit>, usize) {
    let mut taken: BTreeSet<Span> = BTreeSet::new();
    let mut out = Vec::new();
    let mut fixed = 0;
    for finding in findings.iter().filter(|finding| !finding.fix.is_empty()) {
        let edits: Vec<Edit> = finding
            .fix
            .iter()
            .map(|edit| edit.in_document(domain, text))
            .map(|(range, text)| Edit { range, text })
            .collect();
        let mut own = BTreeSet::new();
        let free = edits.iter().all(|edit| {
            !touches(&taken, edit.range) && !touches(&own, edit.range) && own.insert(edit.range)
        });
        if free {
            taken.append(&mut own);
            out.extend(edits);
            fixed += 1;
        }
    }
    (out, fixed)
}

/// Whether one of these ranges, which do not overlap, touches this one.
fn touches(taken: &BTreeSet<Span>, range: Span) -> bool {
    let before = taken.range(..=range).next_back();
    let after = taken.range(range..).next();
    before.is_some_and(|one| one.end >= range.start)
        || after.is_some_and(|one| one.start <= range.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Place;
    use crate::lint::catalogue::Code;

    #[test]
    fn what_touches_waits() {
        let finding = |ranges: &[(usize, usize)]| {
            let mut finding = Finding::error(Code::KeyUnknown, Place::Domain, "");
            finding.fix = ranges
                .iter()
                .map(|(start, end)| {
                    crate::lint::fix::Replacement::new(Place::Xml(Span::new(*start, *end)), "x")
                })
                .collect();
            finding
        };
        let domain = Domain::default();
        let findings = [
            finding(&[(2, 4), (8, 9)]),
            finding(&[]),
            finding(&[(4, 5)]),
            finding(&[(6, 7), (7, 8)]),
            finding(&[(0, 1)]),
            finding(&[(5, 5)]),
            finding(&[(5, 6)]),
        ];
        let (edits, fixed) = edits(&domain, "0123456789", &findings);
        let ranges: Vec<_> = edits
            .iter()
            .map(|edit| (edit.range.start, edit.range.end))
            .collect();
        assert_eq!(ranges, [(2, 4), (8, 9), (0, 1), (5, 5)]);
        assert_eq!(fixed, 3);
    }
}
