//! `virt-9p rules`: the AppArmor rules a domain would get, and nothing written.

use std::process::ExitCode;

use crate::inspect::Confinement;
use crate::lint::finding::{Finding, Level};
use crate::lint::paths::GrantVerdict;
use crate::output::{self, Data, complain};
use crate::report::stderr;

use super::call::Call;
use super::command::{Command, Operands};
use super::error::Error;
use super::input::Input;

pub const COMMAND: Command = Command {
    name: "rules",
    arguments: "[FILE|-]",
    words: Operands::AtMost(1),
    summary: "show the AppArmor rules a domain would get",
    about: "\
Prints what the hook would put into the domain's profile. Nothing is written.
",
    options: &[],
    looks: true,
    examples: "  virsh dumpxml guest | virt-9p rules
",
    run,
};

fn run(call: &Call) -> Result<ExitCode, Error> {
    let around = call.surroundings()?;
    let file = call.file();
    let (_, found) = Input::read(file)?.inspect(&around)?;
    // What is not opened is not, also where AppArmor is off and nobody is refused.
    let refused = |finding: &Finding| {
        found.shares.iter().any(
            |judged| matches!(&judged.verdict, GrantVerdict::Refused(why) if **why == *finding),
        )
    };
    let refusals: Vec<_> = found
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Error || refused(finding))
        .collect();
    for finding in &refusals {
        complain(&stderr::one(finding));
        if let Some(help) = &finding.help {
            complain(&format!("  help: {help}"));
        }
    }
    if let Confinement::Free(why) = found.confinement {
        complain(&format!("note: the hook would write nothing: {why}"));
    }
    if let Ok(rules) = found.grants.render() {
        output::data(Data::Rules(&rules))?;
    }
    Ok(ExitCode::from(u8::from(!refusals.is_empty())))
}
