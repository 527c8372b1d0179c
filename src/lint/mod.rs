//! The checks: from the domain and its raw arguments to findings. Pure; what needs the host's
//! file system is in [`paths`], which judges facts that others have gathered.

mod addresses;
mod arguments;
pub mod catalogue;
mod devices;
pub mod finding;
mod fsdevs;
pub mod index;
pub mod modes;
pub mod paths;
pub mod throttling;

use crate::domain::Domain;
use crate::lint::finding::Finding;
use crate::lint::index::Index;
use crate::qemu::command_line::CommandLine;
use crate::version::Assumptions;

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
}

/// All findings about the XML itself, in the order in which they stand there.
pub fn run(domain: &Domain, line: &CommandLine, assume: &Assumptions) -> Vec<Finding> {
    let context = Context {
        domain,
        line,
        assume,
        index: &Index::new(domain, line),
    };
    let mut findings = Vec::new();
    arguments::check(context, &mut findings);
    fsdevs::check(context, &mut findings);
    devices::check(context, &mut findings);
    addresses::check(context, &mut findings);
    findings
}

/// Puts findings into the order of the text, the most important first where places are equal.
pub fn sort(findings: &mut [Finding], domain: &Domain, text: &str) {
    findings.sort_by_cached_key(|finding| {
        (
            finding.place.span(domain, text).start,
            std::cmp::Reverse(finding.level),
        )
    });
}
