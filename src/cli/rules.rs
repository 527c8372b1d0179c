//! `virt-9p rules`: the AppArmor rules a domain would get, and nothing written.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::inspect::Confinement;
use crate::lint::finding::{Finding, Level};
use crate::lint::paths::GrantVerdict;
use crate::output::{self, Data, complain};
use crate::report::stderr;

use super::command::Command;
use super::input::Input;
use super::options::{Options, Word, next, unexpected};

pub const COMMAND: Command = Command {
    name: "rules",
    arguments: "[FILE|-]",
    summary: "show the AppArmor rules a domain would get",
    about: "\
Prints what the hook would put into the domain's profile. Nothing is written.
",
    options: "",
    looks: true,
    examples: "  virsh dumpxml guest | virt-9p rules
",
    run,
};

fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let mut file: Option<OsString> = None;
    while let Some(word) = next(&mut parser)? {
        match word {
            Word::Option(option) if options.looking(&option, &mut parser)? => {}
            Word::Value(name) if file.is_none() => file = Some(name),
            other => return Err(unexpected(&other)),
        }
    }
    let input = Input::read(&file.unwrap_or_else(|| "-".into()))?;
    let found = input.inspect(&options)?;
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
