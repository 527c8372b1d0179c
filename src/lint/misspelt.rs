//! What lacks because its key is misspelt: said once, where it stands.

use crate::domain::Place;
use crate::lint::finding::{Finding, Key, Level};
use crate::ordered;

/// The keys that checks find lacking.
const KEYS: [&str; 8] = [
    "id",
    "path",
    "security_model",
    "fmode",
    "dmode",
    "fsdev",
    "mount_tag",
    "addr",
];

/// Takes away what is said of keys that lack, where something in the same argument was meant to be
/// them. Of those without which QEMU refuses to start that is an error, too, whatever its version.
pub fn say_once(findings: &mut Vec<Finding>) {
    let misspelt = ordered::set(findings.iter().filter_map(meant));
    if misspelt.is_empty() {
        return;
    }
    let mut needed = Vec::new();
    findings.retain(|finding| {
        let Some(Key::Lacks(key)) = finding.key else {
            return true;
        };
        let lacking = number(finding, key).filter(|number| misspelt.contains(number));
        needed.extend(lacking.filter(|_| finding.level == Level::Error));
        lacking.is_none()
    });
    let needed = ordered::set(needed);
    for finding in findings.iter_mut() {
        if meant(finding).is_some_and(|number| needed.contains(&number)) {
            finding.level = Level::Error;
            finding.depends = None;
        }
    }
}

/// The argument and the key that was meant, as one number.
fn meant(finding: &Finding) -> Option<usize> {
    match finding.key {
        Some(Key::Meant(key)) => number(finding, key),
        _ => None,
    }
}

/// A key of the argument in which a finding is, as one number: sets of numbers are there already,
/// and each kind of set is code of its own.
fn number(finding: &Finding, key: &str) -> Option<usize> {
    let Place::Arg(arg, _) = finding.place else {
        return None;
    };
    let at = KEYS.iter().position(|known| *known == key)?;
    Some(arg * KEYS.len() + at)
}
