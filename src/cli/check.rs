//! `virt-9p check`: what is wrong, with places.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;

use crate::domain::Document;
use crate::inspect::Inspection;
use crate::lint::finding::Level;
use crate::lint::paths;
use crate::output::{self, Data};
use crate::report::{json, terminal};
use crate::text::{Shown, count};

use super::call::{Call, Surroundings};
use super::command::{Command, Flag, Operands};
use super::destination::{self, Changed, Destination};
use super::error::{Error, Unreadable};
use super::fix::fix;
use super::input::Input;
use super::page::line;

const FIX: &str = "--fix";

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

With --fix the fixed XML goes to standard output, unless --diff, --output or
--in-place is given, and what is left to say to standard error. What needs a
decision is left as it is, and the status is that of what is left.
",
    options: &[
        Flag::one_of(
            "--format",
            &["text", "json"],
            "json prints one object a file, on one line",
        ),
        Flag::alone("--strict", "warnings count as errors"),
        Flag::alone(FIX, "write what has one right answer; say what is left"),
        destination::DIFF,
        destination::OUTPUT,
        destination::IN_PLACE,
    ],
    looks: true,
    examples: "  virt-9p check /etc/libvirt/qemu/*.xml
  virsh dumpxml guest | virt-9p check
  virt-9p check --fix --diff guest.xml
  virt-9p check --libvirt 9.0.0 --qemu 7.2.0 guest.xml   # before an upgrade
",
    run,
};

fn run(call: &Call) -> Result<ExitCode, Error> {
    let around = call.surroundings()?;
    let files = call.files();
    let mut report = Report::new(call);
    if call.has(FIX) {
        fix_all(call, &files, &around, &mut report)?;
    } else if let Some(option) = destination::OPTIONS.iter().find(|name| call.has(name)) {
        let message = format!("{option} goes with --fix: without it nothing is changed");
        return Err(Error::usage(message));
    } else {
        for file in &files {
            match Input::read(file).and_then(|input| input.inspect(&around)) {
                Ok((input, found)) => {
                    report.show(&input.name, &input.document, &found)?;
                    if files.len() == 1 && found.findings.is_empty() && !report.as_json {
                        line(&format!("{}: nothing to say", input.name))?;
                    }
                }
                Err(error) => report.unreadable(&error)?,
            }
        }
    }
    report.end(files.len())?;
    Ok(if report.unreadable > 0 {
        ExitCode::from(2)
    } else if report.errors > 0 || report.refused || (call.has("--strict") && report.warnings > 0) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// Fixes each file; what is left goes into the report.
fn fix_all(
    call: &Call,
    files: &[OsString],
    around: &Surroundings,
    report: &mut Report,
) -> Result<(), Error> {
    for file in files {
        let to = Destination::of(call, file)?;
        let one = matches!(to, Destination::Stdout | Destination::File(_));
        if one && files.len() > 1 {
            let message = "of several files, --fix wants --in-place or --diff";
            return Err(Error::usage(message));
        }
        // The document is all that goes to standard output.
        let taken = matches!(to, Destination::Stdout | Destination::Diff);
        if taken && report.as_json {
            let message = "--fix with --format json wants --in-place or --output: standard output is the document";
            return Err(Error::usage(message));
        }
    }
    report.to_stderr = !report.as_json;
    for file in files {
        let to = Destination::of(call, file)?;
        let read = to.read(file).and_then(|(input, original)| {
            let (input, found) = input.find_all(around)?;
            Ok((input, original, found))
        });
        let done = read.and_then(|(input, original, found)| {
            let fixed = fix(&input.document, found, around);
            let changed = Changed {
                input: &input,
                original: original.as_ref(),
                text: fixed.document.text(),
                edits: &fixed.edits,
                done: format!("{} fixed", count(fixed.count, "finding")),
            };
            to.write(&changed, around)?;
            report.fixed += fixed.count;
            let name = match report.as_json || fixed.count == 0 {
                true => input.name,
                false => format!("{}, fixed", input.name),
            };
            report.show(&name, &fixed.document, &fixed.left)
        });
        match done {
            Ok(()) => {}
            Err(Error::Input(error)) => report.unreadable(&error)?,
            Err(error @ Error::Refused(_)) => {
                error.say();
                report.refused = true;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What was found so far.
#[derive(Default)]
struct Report {
    as_json: bool,
    /// Whether standard output is for something else.
    to_stderr: bool,
    errors: usize,
    warnings: usize,
    fixed: usize,
    unreadable: usize,
    refused: bool,
    about_host: usize,
    codes: BTreeSet<&'static str>,
}

impl Report {
    fn new(call: &Call) -> Self {
        Report {
            as_json: call.text("--format").as_deref() == Some("json"),
            ..Report::default()
        }
    }

    fn print(&self, shown: &Shown) -> Result<(), Error> {
        if self.to_stderr {
            output::say(shown);
        } else {
            output::print(shown)?;
        }
        Ok(())
    }

    fn line(&self, text: &str) -> Result<(), Error> {
        let mut shown = Shown::default();
        shown.line(text);
        self.print(&shown)
    }

    fn unreadable(&mut self, error: &Unreadable) -> Result<(), Error> {
        self.unreadable += 1;
        if self.as_json {
            let object = json::unreadable(&error.file, error.document.as_ref(), &error.fault);
            output::data(Data::Json(&object))?;
        } else {
            error.say();
        }
        Ok(())
    }

    /// Shows what was found in a document.
    fn show(&mut self, name: &str, document: &Document, found: &Inspection) -> Result<(), Error> {
        self.errors += found.counts.errors;
        self.warnings += found.counts.warnings;
        let serious = found.findings.iter().filter(|one| one.level > Level::Note);
        self.about_host += serious.filter(|one| paths::is_about_host(one.code)).count();
        let lines = document.lines();
        if self.as_json {
            let object = json::line(name, &found.domain, &lines, &found.findings, found.counts);
            return Ok(output::data(Data::Json(&object))?);
        }
        let colour = match self.to_stderr {
            true => output::colours_messages(),
            false => output::colours_output(),
        };
        for finding in &found.findings {
            self.codes.insert(finding.code.word());
            self.print(&terminal::finding(
                name,
                &found.domain,
                &lines,
                finding,
                colour,
            ))?;
        }
        let more = found.counts.all() - found.findings.len();
        if more > 0 {
            let more = count(more, "finding");
            self.line(&format!("{name}: and {more} more"))?;
        }
        Ok(())
    }

    /// Sums it up.
    fn end(&self, files: usize) -> Result<(), Error> {
        let found = self.errors + self.warnings;
        if self.as_json {
            return Ok(());
        }
        if files > 1 || found > 0 || self.fixed > 0 {
            let fixed = match self.fixed {
                0 => String::new(),
                fixed => format!("{} fixed, ", count(fixed, "finding")),
            };
            let more = match self.unreadable {
                0 => String::new(),
                unreadable => format!(", {unreadable} unreadable"),
            };
            self.line(&format!(
                "{}: {fixed}{}, {}{more}",
                count(files, "file"),
                count(self.errors, "error"),
                count(self.warnings, "warning")
            ))?;
        }
        if self.about_host > 0 && self.about_host == found {
            self.line("all of it is about this host: --no-host looks at nothing but the XML")?;
        }
        match terminal::explained(&self.codes) {
            Some(more) => self.print(&more),
            None => Ok(()),
        }
    }
}
