//! The one place that writes to standard output and standard error.
//!
//! Nothing gets there by itself: what people read is a [`Shown`], which nobody can make without
//! making its text visible; what programs read is [`Data`], and says which kind it is. Clippy
//! refuses `print!` and its like, and the standard streams, everywhere else (clippy.toml).
#![allow(
    clippy::disallowed_methods,
    reason = "this is the place that the others are sent to"
)]

use std::ffi::OsStr;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::text::{Shown, visible_json};

/// What is not for people's eyes first. Rules and XML go out byte for byte; JSON says the same with
/// nothing in it that drives a terminal.
#[derive(Debug, Clone, Copy)]
pub enum Data<'a> {
    /// AppArmor rules, in which every awkward byte is escaped.
    Rules(&'a str),
    /// A domain, or the difference between two.
    Xml(&'a str),
    /// One object on one line, to be ended by a line end.
    Json(&'a str),
}

/// Prints data; a reader that went away is no error.
///
/// # Errors
/// When it cannot be written.
pub fn data(data: Data) -> io::Result<()> {
    let mut out = io::stdout().lock();
    gone_is_fine(match data {
        Data::Rules(text) | Data::Xml(text) => out.write_all(text.as_bytes()),
        Data::Json(text) => writeln!(out, "{}", visible_json(text)),
    })
}

/// Prints what people asked for.
///
/// # Errors
/// As [`data`].
pub fn print(text: &Shown) -> io::Result<()> {
    gone_is_fine(io::stdout().lock().write_all(text.as_str().as_bytes()))
}

/// Says something beside that. Nobody may be listening, and that is no reason to fail.
pub fn say(text: &Shown) {
    let _ = io::stderr().write_all(text.as_str().as_bytes());
}

/// Says one line, in the program's name.
pub fn complain(line: &str) {
    let mut shown = Shown::default();
    shown.line(&format!("virt-9p: {line}"));
    say(&shown);
}

/// Whether to colour what [`print()`] prints.
pub fn colours_output() -> bool {
    colours(&io::stdout())
}

/// Whether to colour what [`say`] says.
pub fn colours_messages() -> bool {
    colours(&io::stderr())
}

/// What `--color` says: 0 is auto.
static COLOURS: AtomicU8 = AtomicU8::new(0);
const ALWAYS: u8 = 1;
const NEVER: u8 = 2;

/// Takes the value of `--color` for all that is printed from here on.
pub fn choose_colours(choice: Option<&str>) {
    let choice = match choice {
        Some("always") => ALWAYS,
        Some("never") => NEVER,
        _ => return,
    };
    COLOURS.store(choice, Ordering::Relaxed);
}

fn colours(stream: &impl IsTerminal) -> bool {
    match COLOURS.load(Ordering::Relaxed) {
        ALWAYS => true,
        NEVER => false,
        _ => wanted(|name| std::env::var_os(name), stream.is_terminal()),
    }
}

/// What the environment wants (no-color.org, bixense.com/clicolors), and else the stream.
fn wanted<V: AsRef<OsStr>>(environment: impl Fn(&str) -> Option<V>, is_terminal: bool) -> bool {
    let is_set = |name, none: &str| {
        environment(name).is_some_and(|value| !value.as_ref().is_empty() && value.as_ref() != none)
    };
    let is_dumb = || environment("TERM").is_some_and(|value| value.as_ref() == "dumb");
    !is_set("NO_COLOR", "") && (is_set("CLICOLOR_FORCE", "0") || is_terminal && !is_dumb())
}

fn gone_is_fine(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_on_colours_before_the_terminal() {
        for (variables, on_a_terminal, elsewhere) in [
            (&[][..], true, false),
            (&[("TERM", "xterm")], true, false),
            (&[("TERM", "dumb")], false, false),
            (&[("NO_COLOR", "1")], false, false),
            (&[("NO_COLOR", "")], true, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR_FORCE", "0")], true, false),
            (&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true, true),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false, false),
        ] {
            let environment = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| *value)
            };
            assert_eq!(wanted(environment, true), on_a_terminal, "{variables:?}");
            assert_eq!(wanted(environment, false), elsewhere, "{variables:?}");
        }
    }
}
