//! Files and standard input, as text.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;

use anyhow::Context;

use crate::domain::xml::XmlError;
use crate::hook::MOST_XML;
use crate::inspect::{self, Inspection};
use crate::text::{Lines, visible};

use super::options::Options;

/// A file that was read.
pub struct Input {
    /// Its name for messages; `-` is standard input.
    pub name: String,
    text: String,
}

impl Input {
    /// Reads `file`, or standard input for `-`.
    pub fn read(file: &OsString) -> anyhow::Result<Input> {
        let name = file.to_string_lossy().into_owned();
        let mut content = Vec::new();
        let limit = MOST_XML as u64 + 1;
        let read = if file == "-" {
            std::io::stdin()
                .lock()
                .take(limit)
                .read_to_end(&mut content)
        } else {
            File::open(file).and_then(|file| file.take(limit).read_to_end(&mut content))
        };
        read.with_context(|| format!("cannot read {}", visible(&name)))?;
        anyhow::ensure!(
            content.len() <= MOST_XML,
            "{}: more than {} MiB, which is no domain XML",
            visible(&name),
            MOST_XML >> 20
        );
        let text = String::from_utf8(content).map_err(|error| {
            anyhow::anyhow!(
                "{}: not UTF-8 at byte {}",
                visible(&name),
                error.utf8_error().valid_up_to()
            )
        })?;
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
        anyhow::anyhow!("{}:{line}:{column}: {error}", visible(&self.name))
    }
}
