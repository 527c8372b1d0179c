//! Reading the words of a call, by the table of options that goes with them.

use std::ffi::OsString;

use lexopt::Error as Wrong;
use lexopt::prelude::*;

use crate::text::{did_you_mean, nearest, quoted};

use super::call::Call;
use super::command::{self, Command, Flag, Operands, Takes};
use super::error::Error;

/// What comes behind some options.
pub enum Next {
    /// `--help` was asked for, which ends the reading here and now.
    Help,
    /// `--version`, likewise.
    Version,
    /// A word.
    Word(OsString),
    /// Nothing.
    End,
}

/// Reads what stands before the command.
pub fn before(
    parser: &mut lexopt::Parser,
    call: &mut Call,
    commands: &[&Command],
) -> Result<Next, Error> {
    options(parser, call, &command::before(), &|option| {
        let command = commands.iter().find(|command| has(command, option))?;
        let name = command.name;
        Some(format!(
            "it goes behind the command, such as virt-9p {name} {option}"
        ))
    })
}

/// Reads what stands behind the command; `false` where its help is wanted.
pub fn behind(
    parser: &mut lexopt::Parser,
    call: &mut Call,
    command: &Command,
    commands: &[&Command],
) -> Result<bool, Error> {
    if command.words == Operands::Libvirts {
        // Exactly four words are libvirt's own, whatever they look like: a guest may be called
        // `--help`, and a hook script hands us its "$@". With options there are more, and they
        // stand before the guest's name.
        let words: Vec<OsString> = parser.clone().raw_args().map_err(other)?.collect();
        if words.len() == 4 {
            call.words = words;
            return Ok(true);
        }
    }
    let flags = command.flags();
    loop {
        let next = options(parser, call, &flags, &|option| {
            elsewhere(option, command, commands)
        })?;
        match next {
            Next::Help => return Ok(false),
            Next::Version | Next::End => return Ok(true),
            Next::Word(word) => {
                if let Operands::AtMost(most) = command.words
                    && call.words.len() == most
                {
                    let word = quoted(&word.to_string_lossy());
                    return Err(Error::usage(format!("{word} is one word too many")));
                }
                call.words.push(word);
                if command.words == Operands::Libvirts {
                    call.words.extend(parser.raw_args().map_err(other)?);
                    return Ok(true);
                }
            }
        }
    }
}

fn options(
    parser: &mut lexopt::Parser,
    call: &mut Call,
    flags: &[&'static Flag],
    elsewhere: &dyn Fn(&str) -> Option<String>,
) -> Result<Next, Error> {
    loop {
        let name = match parser.next().map_err(other)? {
            None => return Ok(Next::End),
            Some(Value(word)) => return Ok(Next::Word(word)),
            Some(Short('h')) => return Ok(Next::Help),
            Some(Short('V')) if flags.iter().any(|flag| flag.name == "--version") => {
                return Ok(Next::Version);
            }
            Some(Short(letter)) => format!("-{letter}"),
            Some(Long(name)) => format!("--{name}"),
        };
        let Some(flag) = flags.iter().find(|flag| flag.name == name) else {
            let names: Vec<&str> = flags.iter().map(|flag| flag.name).collect();
            let meant = elsewhere(&name)
                .or_else(|| did_you_mean(&name, &names))
                .or_else(|| value_meant(&name, flags));
            let message = format!("there is no option {} here", quoted(&name));
            return Err(Error::usage(message).meant(meant));
        };
        match flag.name {
            "--help" => return Ok(Next::Help),
            "--version" => return Ok(Next::Version),
            name => call.options.push((name, value(parser, flag)?)),
        }
    }
}

/// The option that has this for a value: `--json` is `--format json`.
fn value_meant(name: &str, flags: &[&Flag]) -> Option<String> {
    let bare = name.trim_start_matches('-');
    flags.iter().find_map(|flag| match flag.takes {
        Takes::OneOf(words) => {
            let word = nearest(bare, words.iter().copied())?;
            Some(format!("did you mean `{} {word}`?", flag.name))
        }
        _ => None,
    })
}

/// The value of an option, if it takes one.
fn value(parser: &mut lexopt::Parser, flag: &Flag) -> Result<OsString, Error> {
    let name = flag.name;
    let wanted = match flag.takes {
        Takes::Nothing => return Ok(OsString::new()),
        Takes::Value(what) => what.to_owned(),
        Takes::OneOf(words) => either(words),
    };
    let value = parser.value().map_err(|wrong| match wrong {
        Wrong::MissingValue { .. } => Error::usage(format!("{name} wants {wanted} behind it")),
        wrong => other(wrong),
    })?;
    if let Takes::OneOf(words) = flag.takes {
        let text = value.to_string_lossy();
        if !words.contains(&&*text) {
            let message = format!("{name} is {wanted}, not {}", quoted(&text));
            let meant = did_you_mean(&text, words);
            return Err(Error::usage(message).meant(meant));
        }
    }
    Ok(value)
}

/// What the library says is wrong with the words.
fn other(wrong: Wrong) -> Error {
    match wrong {
        Wrong::UnexpectedValue { option, value } => {
            let value = quoted(&value.to_string_lossy());
            Error::usage(format!("{option} takes no value, and is given {value}"))
        }
        wrong => Error::usage(wrong.to_string()),
    }
}

fn has(command: &Command, option: &str) -> bool {
    command.flags().iter().any(|flag| flag.name == option)
}

/// Which commands have an option that `command` does not have.
fn elsewhere(option: &str, command: &Command, commands: &[&Command]) -> Option<String> {
    let owners = commands.iter().filter(|other| has(other, option));
    let owners: Vec<&str> = owners.map(|other| other.name).collect();
    (!owners.is_empty()).then(|| {
        format!(
            "{} is an option of {}, not of {}",
            quoted(option),
            owners.join(" and "),
            command.name
        )
    })
}

/// `text or json`, `auto, always or never`.
fn either(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, before @ [_, ..])) => format!("{} or {last}", before.join(", ")),
        _ => words.concat(),
    }
}
