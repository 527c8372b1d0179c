//! The command line for people: which command, its options, its exit status.
//!
//! 0 is fine, 1 an error found or something that cannot be done, 2 a usage error or an input that
//! is no domain XML.

mod call;
mod check;
mod command;
mod convert;
mod destination;
mod doctor;
mod error;
mod explain;
mod fix;
mod hook;
mod input;
mod page;
mod read;
mod replace;
mod rules;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::output;
use crate::text::did_you_mean;
use crate::text::{quoted, visible};

use call::Call;
use command::{Command, names};
use error::Error;
use page::page;
use read::Next;

/// All commands, in the order of the help.
const COMMANDS: &[&Command] = &[
    &check::COMMAND,
    &rules::COMMAND,
    &convert::COMMAND,
    &doctor::COMMAND,
    &explain::COMMAND,
    &hook::COMMAND,
];

/// Runs the command line `arguments` (without the program's name).
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    call(arguments).unwrap_or_else(|error| ExitCode::from(error.say()))
}

fn call(arguments: Vec<OsString>) -> Result<ExitCode, Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut call = Call::default();
    let word = match read::before(&mut parser, &mut call, COMMANDS)? {
        Next::Help => return page(&help()),
        Next::Version => return page(concat!("virt-9p ", env!("CARGO_PKG_VERSION"), "\n")),
        Next::End => {
            let names = names(COMMANDS);
            return Err(Error::usage(format!(
                "no command is given; the commands are {names}"
            )));
        }
        Next::Word(word) => word.to_string_lossy().into_owned(),
    };
    if word == "help" {
        return match read::before(&mut parser, &mut call, COMMANDS)? {
            Next::Word(name) => page(&named(&name.to_string_lossy())?.help()),
            _ => page(&help()),
        };
    }
    let command = named(&word)?;
    let mut run = || {
        if !read::behind(&mut parser, &mut call, command, COMMANDS)? {
            return page(&command.help());
        }
        output::choose_colours(call.text("--color").as_deref());
        (command.run)(&call)
    };
    run().map_err(|error| error.of(command.name))
}

/// The command of this name.
fn named(word: &str) -> Result<&'static Command, Error> {
    let found = COMMANDS.iter().find(|command| command.name == word);
    found.copied().ok_or_else(|| {
        let mut known: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        known.push("help");
        let meant = if word == "version" {
            Some("did you mean `--version`?".to_owned())
        } else if let Some(meant) = did_you_mean(word, &known) {
            Some(meant)
        } else if std::path::Path::new(word).is_file() {
            Some(format!(
                "to look at a file: virt-9p check {}",
                visible(word)
            ))
        } else {
            Some(format!("the commands are {}", names(COMMANDS)))
        };
        Error::usage(format!("there is no command {}", quoted(word))).meant(meant)
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
{}
virt-9p help COMMAND tells more about each.

exit status: 0 fine, 1 errors found or it cannot be done, 2 usage or unreadable input

examples:
  virt-9p check /etc/libvirt/qemu/*.xml
  virsh dumpxml guest | virt-9p check
  virsh dumpxml guest | virt-9p rules
  virt-9p doctor
  virt-9p explain mode-not-octal
",
        command::lines(&command::before())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_and_describes_every_option() {
        for command in COMMANDS {
            let help = command.help();
            for line in help.lines() {
                assert!(line.chars().count() <= 88, "{line}");
            }
            for flag in command.flags() {
                assert!(!flag.about.is_empty(), "{} {}", command.name, flag.name);
            }
        }
        assert!(help().lines().all(|line| line.chars().count() <= 100));
    }
}
