//! The command line for people: which command, its options, its exit status.
//!
//! 0 is fine, 1 an error found or something that cannot be done, 2 a usage error or an input that
//! is no domain XML.

mod check;
mod command;
mod convert;
mod doctor;
mod explain;
mod hook;
mod input;
mod options;
mod replace;
mod rules;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::output::{self, complain};
use crate::text::{Shown, quoted};

use command::Command;
use input::InputError;
use options::{HelpWanted, NoSuchOption};

/// All commands, in the order of the help.
const COMMANDS: &[Command] = &[
    check::COMMAND,
    rules::COMMAND,
    convert::COMMAND,
    doctor::COMMAND,
    explain::COMMAND,
    hook::COMMAND,
];

/// Runs the command line `arguments` (without the program's name).
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let mut command = None;
    match dispatch(arguments, &mut command) {
        Ok(code) => code,
        Err(error) if error.is::<HelpWanted>() => {
            let help = command.map_or_else(help, Command::help);
            page(&help).unwrap_or(ExitCode::FAILURE)
        }
        Err(error) => {
            complain_about(&error, command);
            ExitCode::from(2)
        }
    }
}

/// Notes in `chosen` which command it is, for help and messages.
fn dispatch(
    arguments: Vec<OsString>,
    chosen: &mut Option<&'static Command>,
) -> anyhow::Result<ExitCode> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut options = options::Options::default();
    while let Some(word) = options::next(&mut parser)? {
        let word = match word {
            options::Word::Value(word) => word.to_string_lossy().into_owned(),
            options::Word::Option(option) => match option.as_str() {
                "--version" | "-V" => {
                    return page(concat!("virt-9p ", env!("CARGO_PKG_VERSION"), "\n"));
                }
                other if options.common(other, &mut parser)? => continue,
                _ => return Err(options::unexpected(&options::Word::Option(option))),
            },
        };
        if word == "help" {
            return match options::next(&mut parser)? {
                None => Err(HelpWanted.into()),
                Some(options::Word::Value(name)) => {
                    *chosen = Some(named(&name.to_string_lossy())?);
                    Err(HelpWanted.into())
                }
                Some(other) => Err(options::unexpected(&other)),
            };
        }
        let command = named(&word)?;
        *chosen = Some(command);
        return (command.run)(options, parser);
    }
    anyhow::bail!("no command is given; the commands are {}", command::names())
}

/// The command of this name.
fn named(word: &str) -> anyhow::Result<&'static Command> {
    let found = COMMANDS.iter().find(|command| command.name == word);
    found.ok_or_else(|| {
        let hint = command::meant_command(word)
            .unwrap_or_else(|| format!("the commands are {}", command::names()));
        anyhow::anyhow!("there is no command {}; {hint}", quoted(word))
    })
}

fn help() -> String {
    let mut list = String::new();
    for command in COMMANDS {
        let call = format!("{:7} {}", command.name, command.arguments);
        // A call that leaves no room has its line for itself.
        let gap = if call.len() > 28 {
            "\n".to_owned() + &" ".repeat(30)
        } else {
            String::new()
        };
        list.push_str(&format!("  {call:28}{gap}{}\n", command.summary));
    }
    format!(
        "virt-9p: raw 9p shares of QEMU guests, checked and let through AppArmor

usage: virt-9p [--root DIR] COMMAND …

{list}
{}  --version             show the version

virt-9p help COMMAND tells more about each.

exit status: 0 fine, 1 errors found or it cannot be done, 2 usage or unreadable input

examples:
  virt-9p check /etc/libvirt/qemu/*.xml
  virsh dumpxml guest | virt-9p check
  virsh dumpxml guest | virt-9p rules
  virt-9p doctor
  virt-9p explain mode-not-octal
",
        command::COMMON
    )
}

/// Prints a page of ours.
fn page(text: &str) -> anyhow::Result<ExitCode> {
    let mut shown = Shown::default();
    shown.lines(text);
    output::print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line.
fn line(text: &str) -> anyhow::Result<()> {
    let mut shown = Shown::default();
    shown.line(text);
    output::print(&shown)?;
    Ok(())
}

/// Prints an error and what may help: with an input, or with calling the program.
fn complain_about(error: &anyhow::Error, command: Option<&Command>) {
    complain(&format!("{error:#}"));
    if let Some(input) = error.downcast_ref::<InputError>() {
        if let Some(note) = &input.note {
            complain(&format!("note: {note}"));
        }
        return;
    }
    let option = error.downcast_ref::<NoSuchOption>();
    if let Some(meant) = option.and_then(|option| command::meant_option(&option.0, command)) {
        complain(&format!("note: {meant}"));
    }
    let call = command.map_or(String::new(), |command| format!(" {}", command.name));
    complain(&format!("note: virt-9p{call} --help shows how to call it"));
}
