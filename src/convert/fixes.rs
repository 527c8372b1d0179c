//! What findings say to write, as edits of the document.

use crate::convert::edit::Edit;
use crate::domain::Domain;
use crate::lint::finding::Finding;
use crate::text::Span;

/// The edits of all findings that can be fixed at once, and of how many findings they are. What
/// would touch the edit of another waits until that is done.
pub fn edits(domain: &Domain, text: &str, findings: &[Finding]) -> (Vec<Edit>, usize) {
    // In order; findings are mostly, too, so most come at the end.
    let mut taken: Vec<Span> = Vec::new();
    let mut out = Vec::new();
    let mut fixed = 0;
    for finding in findings.iter().filter(|finding| !finding.fix.is_empty()) {
        let edits = finding
            .fix
            .iter()
            .map(|edit| edit.in_document(domain, text));
        let edits: Vec<Edit> = edits.map(|(range, text)| Edit { range, text }).collect();
        let mut own = Vec::new();
        let mut free = |edit: &Edit| !touches(&taken, edit.range) && take(&mut own, edit.range);
        if edits.iter().all(&mut free) {
            for range in own {
                take(&mut taken, range);
            }
            out.extend(edits);
            fixed += 1;
        }
    }
    (out, fixed)
}

/// Puts a range among others, which are in order, unless it touches one of them.
fn take(taken: &mut Vec<Span>, range: Span) -> bool {
    let free = !touches(taken, range);
    if free {
        let at = taken.partition_point(|one| *one < range);
        taken.insert(at, range);
    }
    free
}

/// Whether one of these ranges, which are in order and do not overlap, touches this one.
fn touches(taken: &[Span], range: Span) -> bool {
    let at = taken.partition_point(|one| *one <= range);
    let before = at.checked_sub(1).and_then(|before| taken.get(before));
    before.is_some_and(|one| one.end >= range.start)
        || taken.get(at).is_some_and(|one| one.start <= range.end)
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
