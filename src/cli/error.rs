//! Why a call ends without what was asked for, and how that is said.

use std::io;

use crate::domain::{Document, Fault};
use crate::output::{self, complain};
use crate::report::terminal;
use crate::text::visible;

/// Why a call ends.
#[derive(Debug)]
pub enum Error {
    /// The program was called wrong.
    Usage(Box<Usage>),
    /// An input cannot be used.
    Input(Box<Unreadable>),
    /// What was asked for cannot be done, for this reason.
    Refused(String),
    /// Nobody takes what is printed.
    Output(io::Error),
}

/// What is wrong with a call.
#[derive(Debug)]
pub struct Usage {
    /// A sentence without its full stop.
    message: String,
    /// What was most likely meant.
    meant: Option<String>,
    /// The command whose help tells more.
    command: Option<&'static str>,
}

/// An input that is no domain XML, or cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Its name; `-` is standard input.
    pub file: String,
    /// What was read of it.
    pub document: Option<Document>,
    /// What is wrong.
    pub fault: Box<Fault>,
}

impl Error {
    /// A wrong call.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::Usage(Box::new(Usage {
            message: message.into(),
            meant: None,
            command: None,
        }))
    }

    /// The same, with what was meant.
    #[must_use]
    pub fn meant(mut self, meant: Option<String>) -> Self {
        if let Error::Usage(usage) = &mut self {
            usage.meant = meant;
        }
        self
    }

    /// The same, of this command.
    #[must_use]
    pub fn of(mut self, name: &'static str) -> Self {
        if let Error::Usage(usage) = &mut self {
            usage.command = Some(name);
        }
        self
    }

    /// Says it; the exit status that goes with it.
    pub fn say(&self) -> u8 {
        match self {
            Error::Usage(usage) => {
                complain(&usage.message);
                if let Some(meant) = &usage.meant {
                    complain(&format!("note: {meant}"));
                }
                let command = usage
                    .command
                    .map_or(String::new(), |name| format!(" {name}"));
                complain(&format!(
                    "note: virt-9p{command} --help shows how to call it"
                ));
                2
            }
            Error::Input(unreadable) => {
                unreadable.say();
                2
            }
            Error::Refused(why) => {
                complain(why);
                1
            }
            Error::Output(error) => {
                complain(&format!("standard output takes nothing: {error}"));
                1
            }
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Output(error)
    }
}

impl From<Box<Unreadable>> for Error {
    fn from(unreadable: Box<Unreadable>) -> Self {
        Error::Input(unreadable)
    }
}

impl Unreadable {
    /// Says where it goes wrong, as a compiler does, or that there is nothing to be read.
    pub fn say(&self) {
        let Unreadable { file, fault, .. } = self;
        if let (Some(document), Some(span)) = (&self.document, fault.span) {
            let colour = output::colours_messages();
            let lines = document.lines();
            output::say(&terminal::fault(file, &lines, fault, span, colour));
            return;
        }
        let name = if file == "-" {
            "standard input".to_owned()
        } else {
            visible(file)
        };
        complain(&format!("{name}: {}", fault.message));
        if let Some(help) = &fault.help {
            complain(&format!("note: {help}"));
        }
    }
}
