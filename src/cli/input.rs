//! Files and standard input, as documents.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read};

use crate::domain::xml::XmlError;
use crate::domain::{Document, Fault, MOST_XML};
use crate::inspect::{self, Inspection};
use crate::output::complain;
use crate::text::visible;

use super::call::Surroundings;
use super::error::Unreadable;

/// A file that was read.
pub struct Input {
    /// Its name for messages; `-` is standard input.
    pub name: String,
    /// What is in it.
    pub document: Document,
}

impl Input {
    /// Reads `file`, or standard input for `-`.
    pub fn read(file: &OsStr) -> Result<Input, Box<Unreadable>> {
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
    pub fn read_from(
        file: &OsStr,
        opened: io::Result<impl Read>,
    ) -> Result<Input, Box<Unreadable>> {
        let name = file.to_string_lossy().into_owned();
        let mut content = Vec::new();
        let read =
            opened.and_then(|opened| opened.take(MOST_XML as u64 + 1).read_to_end(&mut content));
        if let Err(error) = read {
            return Err(unread(name, &error));
        }
        if content.trim_ascii().is_empty() {
            return Err(empty(name));
        }
        let document = Document::new(content);
        Ok(Input { name, document })
    }

    /// Looks at the domain in it.
    pub fn inspect(self, around: &Surroundings) -> Result<(Input, Inspection), Box<Unreadable>> {
        let found = inspect::inspect(&self.document, around.host(), around.assume);
        self.with(found)
    }

    /// [`Input::inspect`] that keeps all findings.
    pub fn find_all(self, around: &Surroundings) -> Result<(Input, Inspection), Box<Unreadable>> {
        let found = inspect::find_all(&self.document, around.host(), around.assume);
        self.with(found)
    }

    fn with(
        self,
        found: Result<Inspection, Box<Fault>>,
    ) -> Result<(Input, Inspection), Box<Unreadable>> {
        match found {
            Ok(found) => Ok((self, found)),
            Err(fault) => Err(self.unreadable(fault)),
        }
    }

    /// Says where in it the XML goes wrong.
    pub fn broken(self, error: &XmlError) -> Box<Unreadable> {
        let fault = self.document.fault(error);
        self.unreadable(fault)
    }

    fn unreadable(self, mut fault: Box<Fault>) -> Box<Unreadable> {
        // Whether it is XML of something else, or a domain that is damaged.
        if fault.help.is_none() && !self.document.text().contains("<domain") {
            let help = "a guest's XML begins with <domain>; virsh dumpxml GUEST prints it";
            fault.help = Some(help.to_owned());
        }
        Box::new(Unreadable {
            file: self.name,
            document: Some(self.document),
            fault,
        })
    }
}

fn unread(file: String, error: &io::Error) -> Box<Unreadable> {
    let fault = match error.kind() {
        ErrorKind::NotFound => {
            // A guest's name, where a file's is wanted.
            let help = if file.contains(['/', '.', '\'']) {
                String::new()
            } else {
                let shown = visible(&file);
                format!("to look at a guest of that name: virsh dumpxml '{shown}' | virt-9p check")
            };
            Fault::new("there is no such file", &help)
        }
        ErrorKind::IsADirectory => Fault::new(
            "it is a directory",
            "name the files in it, such as /etc/libvirt/qemu/*.xml",
        ),
        ErrorKind::PermissionDenied => Fault::new(
            "it may not be read by you",
            "libvirt keeps its XML for root: try sudo, or virsh dumpxml",
        ),
        _ => Fault::new(&format!("it cannot be read: {error}"), ""),
    };
    Box::new(Unreadable {
        file,
        document: None,
        fault,
    })
}

fn empty(file: String) -> Box<Unreadable> {
    let help = if file == "-" {
        "the command before the pipe printed nothing; its own error is above"
    } else {
        ""
    };
    Box::new(Unreadable {
        file,
        document: None,
        fault: Fault::new("it is empty", help),
    })
}
