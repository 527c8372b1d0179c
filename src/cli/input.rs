//! Files and standard input, as text.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read};

use crate::domain::MOST_XML;
use crate::domain::xml::XmlError;
use crate::inspect::{self, Inspection};
use crate::output::complain;
use crate::text::{Lines, visible};

use super::options::Options;

/// An input that cannot be used.
#[derive(Debug)]
pub struct InputError {
    /// What is wrong, and where.
    message: String,
    /// What may help.
    pub note: Option<String>,
}

impl std::fmt::Display for InputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InputError {}

impl InputError {
    fn because(message: impl Into<String>, note: impl Into<Option<String>>) -> anyhow::Error {
        anyhow::Error::new(InputError {
            message: message.into(),
            note: note.into(),
        })
    }
}

/// A file that was read.
pub struct Input {
    /// Its name for messages; `-` is standard input.
    pub name: String,
    text: String,
}

impl Input {
    /// Reads `file`, or standard input for `-`.
    pub fn read(file: &OsString) -> anyhow::Result<Input> {
        if file == "-" {
            let stdin = io::stdin().lock();
            if stdin.is_terminal() {
                complain("note: reading a domain XML from the terminal, up to Ctrl-D");
            }
            return Self::read_from(file, Ok(stdin));
        }
        Self::read_from(file, File::open(file))
    }

    /// Reads what `file` names, and is open already.
    pub fn read_from(file: &OsStr, opened: io::Result<impl Read>) -> anyhow::Result<Input> {
        let name = file.to_string_lossy().into_owned();
        let shown = visible(&name);
        let mut content = Vec::new();
        opened
            .and_then(|opened| opened.take(MOST_XML as u64 + 1).read_to_end(&mut content))
            .map_err(|error| unread(&name, &error))?;
        if content.len() > MOST_XML {
            let most = MOST_XML >> 20;
            return Err(InputError::because(
                format!("{shown}: more than {most} MiB, which is no domain XML"),
                None,
            ));
        }
        let text = String::from_utf8(content).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            InputError::because(format!("{shown}: not UTF-8 at byte {at}"), None)
        })?;
        if text.trim().is_empty() {
            return Err(empty(&name));
        }
        Ok(Input { name, text })
    }

    /// Its text, without a byte order mark.
    pub fn text(&self) -> &str {
        inspect::without_mark(&self.text)
    }

    /// Its text, with the byte order mark it may have.
    pub fn whole(&self) -> &str {
        &self.text
    }

    /// Another text in its place, with the same byte order mark or none.
    pub fn replaced(&self, text: &str) -> String {
        let mark = self.text.len() - self.text().len();
        format!("{}{text}", self.text.get(..mark).unwrap_or(""))
    }

    /// Looks at the domain in it.
    pub fn inspect(&self, options: &Options) -> anyhow::Result<Inspection> {
        inspect::inspect(self.text(), options.host(), options.assume)
            .map_err(|error| self.unreadable(&error))
    }

    /// Says where in it the XML goes wrong.
    pub fn unreadable(&self, error: &XmlError) -> anyhow::Error {
        let (line, column) = Lines::new(self.text()).position(error.at);
        // Whether it is XML of something else, or a domain that is damaged.
        let note = (!self.text.contains("<domain")).then(|| {
            "a guest's XML begins with <domain>; virsh dumpxml GUEST prints it".to_owned()
        });
        InputError::because(
            format!("{}:{line}:{column}: {error}", visible(&self.name)),
            note,
        )
    }
}

fn unread(name: &str, error: &io::Error) -> anyhow::Error {
    let shown = visible(name);
    match error.kind() {
        ErrorKind::NotFound => {
            // A guest's name, where a file's is wanted.
            let guest = !name.contains(['/', '.', '\'']);
            let note = guest.then(|| {
                format!("to look at a guest of that name: virsh dumpxml '{shown}' | virt-9p check")
            });
            InputError::because(format!("{shown}: there is no such file"), note)
        }
        ErrorKind::IsADirectory => InputError::because(
            format!("{shown} is a directory"),
            "name the files in it, such as /etc/libvirt/qemu/*.xml".to_owned(),
        ),
        ErrorKind::PermissionDenied => InputError::because(
            format!("{shown}: it may not be read by you"),
            "libvirt keeps its XML for root: try sudo, or virsh dumpxml".to_owned(),
        ),
        _ => InputError::because(format!("cannot read {shown}: {error}"), None),
    }
}

fn empty(name: &str) -> anyhow::Error {
    if name == "-" {
        InputError::because(
            "standard input is empty",
            "the command before the pipe printed nothing; its own error is above".to_owned(),
        )
    } else {
        InputError::because(format!("{}: the file is empty", visible(name)), None)
    }
}
