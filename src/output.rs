//! The one place that writes to standard output and standard error.
//!
//! Nothing gets there by itself: what people read is a [`Shown`], which nobody can make without
//! making its text visible; what programs read is [`Data`], and says which kind it is. Clippy
//! refuses `print!` and its like, and the standard streams, everywhere else (clippy.toml).
#![allow(
    clippy::disallowed_methods,
    reason = "this is the place that the others are sent to"
)]

use std::io::{self, ErrorKind, IsTerminal, Write};

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

fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn gone_is_fine(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
