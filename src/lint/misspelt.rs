//! What lacks because its key is misspelt: said once, where it stands.

use std::collections::BTreeSet;

use crate::domain::Place;
use crate::lint::finding::{Finding, Key, Level};
use crate::ordered;

/// Takes away what is said of keys that lack, where something in the same argument was meant to be
/// them. Of those without which QEMU refuses to start that is an error, too, whatever its version.
pub fn say_once(findings: &mut Vec<Finding>) {
    let misspelt = ordered::set(findings.iter().filter_map(meant));
    if misspelt.is_empty() {
        return;
    }
    let mut needed = BTreeSet::new();
    findings.retain(|finding| {
        let (Some(Key::Lacks(key)), Place::Arg(arg, _)) = (finding.key, &finding.place) else {
            return true;
        };
        let said = misspelt.contains(&(*arg, key));
        if said && finding.level == Level::Error {
            needed.insert((*arg, key));
        }
        !said
    });
    for finding in findings.iter_mut() {
        if meant(finding).is_some_and(|key| needed.contains(&key)) {
            finding.level = Level::Error;
            finding.depends = None;
        }
    }
}

/// The argument and the key that was meant.
fn meant(finding: &Finding) -> Option<(usize, &'static str)> {
    match (finding.key, &finding.place) {
        (Some(Key::Meant(key)), Place::Arg(arg, _)) => Some((*arg, key)),
        _ => None,
    }
}
