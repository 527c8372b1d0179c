//! `virt-9p doctor`: is this host, and this domain on it, in order?

use std::ffi::OsString;
use std::process::ExitCode;

use crate::doctor::guests::Given;
use crate::doctor::{self, Grade};
use crate::output::{self, Data};
use crate::report;

use super::command::Command;
use super::complain_about;
use super::input::Input;
use super::options::{Options, Word, is_json, next, unexpected};

pub const COMMAND: Command = Command {
    name: "doctor",
    arguments: "[FILE|-]...",
    summary: "see whether this host, and each guest on it, is in order",
    about: "\
A line for each thing looked at, PASS, WARN or FAIL, with what to do about it, and their
sum at the end. Looks at the hook, the daemon, AppArmor, libvirt and QEMU, and at the guests of FILE, or else
at all of /etc/libvirt/qemu that have raw 9p shares. Anybody may call it; what only root
may see is a WARN. Ends with 0 without a FAIL, 1 with one, 2 when a FILE cannot be read.
",
    options: "  --format text|json    json prints one object a thing looked at, on one line
",
    looks: false,
    examples: "  virt-9p doctor
  virsh dumpxml guest | virt-9p doctor -
",
    run,
};

fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let mut files: Vec<OsString> = Vec::new();
    let mut as_json = false;
    while let Some(word) = next(&mut parser)? {
        match word {
            Word::Option(option) if options.common(&option, &mut parser)? => {}
            Word::Option(option) if option == "--format" => as_json = is_json(&mut parser)?,
            Word::Value(file) => files.push(file),
            other => return Err(unexpected(&other)),
        }
    }
    let mut given = Vec::new();
    for file in &files {
        let read = Input::read(file).and_then(|input| {
            let inspected = input.inspect(&options)?;
            Ok(Given {
                file: input.name,
                inspected,
            })
        });
        match read {
            Ok(guest) => given.push(guest),
            Err(error) => complain_about(&error, None),
        }
    }
    let lines = doctor::run(
        &options.root,
        (!files.is_empty()).then_some(given.as_slice()),
    );
    let colour = output::colours_output();
    for line in &lines {
        if as_json {
            output::data(Data::Json(&report::doctor::json(line)))?;
        } else {
            output::print(&report::doctor::text(line, colour))?;
        }
    }
    if !as_json {
        output::print(&report::doctor::sum(&lines))?;
    }
    if given.len() < files.len() {
        return Ok(ExitCode::from(2));
    }
    let failed = lines.iter().any(|line| line.verdict == Grade::Fail);
    Ok(ExitCode::from(u8::from(failed)))
}
