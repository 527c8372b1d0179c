//! The checks: from the domain and its raw arguments to findings. Pure; what needs the host's
//! file system is in [`paths`], which judges facts that others have gathered.

mod addresses;
mod arguments;
pub mod catalogue;
mod devices;
pub mod finding;
pub mod fix;
mod fsdevs;
pub mod host_paths;
mod keys;
mod misspelt;
pub mod modes;
pub mod paths;
mod rename;
pub mod share_ids;
pub mod throttling;
pub mod unknown;
mod white_space;

use std::cmp::Reverse;

use crate::assumptions::Assumptions;
use crate::domain::Domain;
use crate::lint::finding::{Counts, Finding, Level};
use crate::lint::rename::Renames;
use crate::ordered;
use crate::qemu::command_line::CommandLine;
use crate::qemu::index::Index;

/// What every check gets to see.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The domain.
    pub domain: &'a Domain,
    /// Its raw arguments.
    pub line: &'a CommandLine,
    /// What is known of the host.
    pub assume: &'a Assumptions,
    /// Who has which name.
    pub index: &'a Index<'a>,
    /// New ids.
    renames: &'a Renames<'a>,
}

/// All findings about the XML itself, in the order in which they stand there.
pub fn run(index: &Index, assume: &Assumptions) -> Vec<Finding> {
    let context = Context {
        domain: index.domain,
        line: index.line,
        assume,
        index,
        renames: &Renames::new(index.domain, index.line),
    };
    let mut findings = Vec::new();
    arguments::check(context, &mut findings);
    white_space::check(context, &mut findings);
    fsdevs::check(context, &mut findings);
    devices::check(context, &mut findings);
    addresses::check(context, &mut findings);
    misspelt::say_once(&mut findings);
    findings
}

/// More findings than this nobody reads.
pub const MOST_FINDINGS: usize = 1000;

/// So many findings that looking for more would only cost memory.
const ENOUGH: usize = 20 * MOST_FINDINGS;

/// Whether there are as many.
fn enough(findings: &[Finding]) -> bool {
    findings.len() >= ENOUGH
}

/// Puts findings into the order of the text, the most important first where places are equal. Of
/// very many only the most important are kept, see [`keep`]; tells how many of each level there
/// were.
pub fn sort(findings: &mut Vec<Finding>, domain: &Domain, text: &str, most: usize) -> Counts {
    let counts = Counts::of(findings);
    keep(findings, most);
    let all = std::mem::take(findings);
    let numbered = all.into_iter().enumerate();
    let sorted = ordered::map(numbered.map(|(number, finding)| {
        let start = finding.place.span(domain, text).start;
        ((start, Reverse(finding.level), number), finding)
    }));
    findings.extend(sorted.into_values());
    counts
}

/// Of more than `most` findings keeps the most important, in their order.
pub fn keep(findings: &mut Vec<Finding>, most: usize) {
    if findings.len() <= most {
        return;
    }
    // The last are the least.
    let mut room = most;
    let mut least = Level::Error;
    let mut of_least = 0;
    for level in [Level::Error, Level::Warning, Level::Note] {
        let of_level = findings.iter().filter(|finding| finding.level == level);
        (least, of_least) = (level, of_level.count().min(room));
        room -= of_least;
        if room == 0 {
            break;
        }
    }
    findings.retain(|finding| {
        let of_least_level = finding.level == least;
        let kept = finding.level > least || of_least_level && of_least > 0;
        of_least -= usize::from(kept && of_least_level);
        kept
    });
}
