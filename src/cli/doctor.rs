//! `virt-9p doctor`: is this host, and this domain on it, in order?

use std::process::ExitCode;

use crate::doctor::guests::Given;
use crate::doctor::{self, Grade};
use crate::output::{self, Data};
use crate::report;

use super::call::{Call, Surroundings};
use super::command::{Command, Flag, Operands};
use super::error::Error;
use super::input::Input;

pub const COMMAND: Command = Command {
    name: "doctor",
    arguments: "[FILE|-]...",
    words: Operands::Files,
    summary: "see whether this host, and each guest on it, is in order",
    about: "\
A line for each thing looked at, PASS, WARN or FAIL, with what to do about it, and
their sum at the end. Looks at the hook, the daemon, AppArmor, libvirt and QEMU, and
at the guests of FILE, or else at all of /etc/libvirt/qemu whose raw arguments name
paths; and at what the kernel's log says AppArmor denied to guests.
Anybody may call it; what only root may see is a WARN. Ends with 0 without a FAIL, 1
with one, 2 when a FILE cannot be read.
",
    options: &[Flag::one_of(
        "--format",
        &["text", "json"],
        "json prints one object a thing looked at, on one line",
    )],
    looks: false,
    examples: "  virt-9p doctor
  virsh dumpxml guest | virt-9p doctor -
",
    run,
};

fn run(call: &Call) -> Result<ExitCode, Error> {
    let as_json = call.text("--format").as_deref() == Some("json");
    let around = Surroundings {
        root: call.root()?,
        ..Surroundings::default()
    };
    let files = &call.words;
    let mut given = Vec::new();
    for file in files {
        match Input::read(file).and_then(|input| input.inspect(&around)) {
            Ok((input, inspected)) => given.push(Given {
                file: input.name,
                inspected,
                changed: None,
            }),
            Err(error) => error.say(),
        }
    }
    let lines = doctor::run(
        &around.root,
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
