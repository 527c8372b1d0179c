//! `virt-9p check`: what is wrong, with places.

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::lint::finding::Level;
use crate::lint::paths;
use crate::output::{self, Data};
use crate::report::{json, terminal};
use crate::text::count;

use super::call::Call;
use super::command::{Command, Flag, Operands};
use super::error::Error;
use super::input::Input;
use super::page::line;

pub const COMMAND: Command = Command {
    name: "check",
    arguments: "[FILE|-]...",
    words: Operands::Files,
    summary: "find what is wrong with the 9p arguments of domains",
    about: "\
Each FILE is the XML of a domain, as virsh dumpxml prints it or as it lies in
/etc/libvirt/qemu; - or nothing is standard input. Findings are errors (the start
would be refused), warnings and notes; virt-9p explain tells more about each.
Ends with 0 without errors, 1 with some, 2 when an input cannot be read.
",
    options: &[
        Flag::one_of(
            "--format",
            &["text", "json"],
            "json prints one object a file, on one line",
        ),
        Flag::alone("--strict", "warnings count as errors"),
    ],
    looks: true,
    examples: "  virt-9p check /etc/libvirt/qemu/*.xml
  virsh dumpxml guest | virt-9p check
  virt-9p check --libvirt 9.0.0 --qemu 7.2.0 guest.xml   # before an upgrade
",
    run,
};

fn run(call: &Call) -> Result<ExitCode, Error> {
    let around = call.surroundings()?;
    let as_json = call.text("--format").as_deref() == Some("json");
    let strict = call.has("--strict");
    let files = call.files();
    let colour = output::colours_output();
    let (mut errors, mut warnings, mut unreadable) = (0, 0, 0);
    let mut codes = BTreeSet::new();
    let mut about_host = 0;
    for file in &files {
        let looked = Input::read(file).and_then(|input| input.inspect(&around));
        let (input, found) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                unreadable += 1;
                if as_json {
                    let object =
                        json::unreadable(&error.file, error.document.as_ref(), &error.fault);
                    output::data(Data::Json(&object))?;
                } else {
                    error.say();
                }
                continue;
            }
        };
        errors += found.counts.errors;
        warnings += found.counts.warnings;
        let serious = found.findings.iter().filter(|one| one.level > Level::Note);
        about_host += serious.filter(|one| paths::is_about_host(one.code)).count();
        let lines = input.document.lines();
        if as_json {
            let object = json::line(
                &input.name,
                &found.domain,
                &lines,
                &found.findings,
                found.counts,
            );
            output::data(Data::Json(&object))?;
            continue;
        }
        for finding in &found.findings {
            codes.insert(finding.code.word());
            output::print(&terminal::finding(
                &input.name,
                &found.domain,
                &lines,
                finding,
                colour,
            ))?;
        }
        let more = found.counts.all() - found.findings.len();
        if more > 0 {
            let more = count(more, "finding");
            line(&format!("{}: and {more} more", input.name))?;
        }
        if files.len() == 1 && found.findings.is_empty() {
            line(&format!("{}: nothing to say", input.name))?;
        }
    }
    if !as_json && (files.len() > 1 || errors + warnings > 0) {
        let more = if unreadable > 0 {
            format!(", {unreadable} unreadable")
        } else {
            String::new()
        };
        line(&format!(
            "{}: {}, {}{more}",
            count(files.len(), "file"),
            count(errors, "error"),
            count(warnings, "warning")
        ))?;
        if about_host > 0 && about_host == errors + warnings {
            line("all of it is about this host: --no-host looks at nothing but the XML")?;
        }
    }
    if let Some(more) = terminal::explained(&codes) {
        output::print(&more)?;
    }
    Ok(if unreadable > 0 {
        ExitCode::from(2)
    } else if errors > 0 || (strict && warnings > 0) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}
