//! Where the result of a change goes: to standard output, to a file, or to where it came from.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use crate::convert::diff;
use crate::convert::edit::Edit;
use crate::output::{self, Data, complain};
use crate::text::visible;

use super::call::{Call, Surroundings};
use super::command::Flag;
use super::error::Error;
use super::input::Input;
use super::replace::{self, NoOriginal, Original};

/// `--diff`
pub const DIFF: Flag = Flag::alone("--diff", "show what would change, as a unified diff");
/// `--output`
pub const OUTPUT: Flag = Flag::with(
    "--output",
    "FILE",
    "write the result to FILE (for its owner alone, when new)",
);
/// `--in-place`
pub const IN_PLACE: Flag = Flag::alone("--in-place", "change FILE itself; FILE~ keeps what it was");

/// The options that say where it goes.
pub const OPTIONS: [&str; 3] = [DIFF.name, OUTPUT.name, IN_PLACE.name];

/// Where the result goes.
#[derive(Debug)]
pub enum Destination {
    /// The document, to standard output.
    Stdout,
    /// A unified diff, to standard output.
    Diff,
    /// The document, to this file.
    File(PathBuf),
    /// The document, to where it came from.
    InPlace,
}

/// A document that was changed.
pub struct Changed<'a> {
    /// As it was read.
    pub input: &'a Input,
    /// Where it was read, if it is to be replaced.
    pub original: Option<&'a Original>,
    /// Its new text, without byte order mark.
    pub text: &'a str,
    /// The edits that made it.
    pub edits: &'a [Edit],
    /// What was done, such as `1 share converted`.
    pub done: String,
}

impl Destination {
    /// What a call says about `file`.
    ///
    /// # Errors
    /// When it says two things, or what cannot be done.
    pub fn of(call: &Call, file: &OsStr) -> Result<Self, Error> {
        let given = OPTIONS.map(|name| call.all(name).count());
        if given.into_iter().sum::<usize>() > 1 {
            let message = "only one of --diff, --output and --in-place can be done at once";
            return Err(Error::usage(message));
        }
        if call.has(DIFF.name) {
            return Ok(Destination::Diff);
        }
        if let Some(path) = call.value(OUTPUT.name) {
            return Ok(Destination::File(path.into()));
        }
        if !call.has(IN_PLACE.name) {
            return Ok(Destination::Stdout);
        }
        if file == "-" {
            return Err(Error::usage(
                "--in-place wants a file, and standard input is none",
            ));
        }
        Ok(Destination::InPlace)
    }

    /// Reads `file`. What is read is what is replaced, wherever the name leads by then.
    ///
    /// # Errors
    /// When it cannot be read, or not replaced.
    pub fn read(&self, file: &OsStr) -> Result<(Input, Option<Original>), Error> {
        if !matches!(self, Destination::InPlace) {
            return Ok((Input::read(file)?, None));
        }
        match Original::open(file.as_ref()) {
            Ok(original) => {
                let input = Input::read_from(file, Ok(original.file()))?;
                Ok((input, Some(original)))
            }
            Err(NoOriginal::Unread(error)) => {
                let input = Input::read_from(file, Err::<io::Empty, _>(error))?;
                Ok((input, None))
            }
            Err(NoOriginal::Refused(why)) => Err(Error::Refused(why)),
        }
    }

    /// Writes a changed document.
    ///
    /// # Errors
    /// With nothing written, unless it goes where no file is.
    pub fn write(&self, changed: &Changed, around: &Surroundings) -> Result<(), Error> {
        let document = &changed.input.document;
        let text = document.replaced(changed.text);
        let done = match self {
            Destination::Stdout => return Ok(output::data(Data::Xml(&text))?),
            Destination::Diff => {
                // Of the whole file, so that a byte order mark is in it and `patch` finds the line.
                let mark = document.whole().len() - document.text().len();
                let edits: Vec<Edit> = changed.edits.iter().map(|edit| edit.moved(mark)).collect();
                let name = visible(&changed.input.name);
                let diff = diff::unified(&name, document.whole(), &edits);
                return Ok(output::data(Data::Xml(&diff.unwrap_or_default()))?);
            }
            Destination::InPlace if changed.edits.is_empty() => return Ok(()),
            Destination::File(path) => replace::write(path, text.as_bytes()).map(|()| None),
            Destination::InPlace => changed.original.map_or(Ok(None), |original| {
                let old = document.whole().as_bytes();
                replace::in_place(original, old, text.as_bytes()).map(Some)
            }),
        };
        let Some(backup) = done.map_err(|error| Error::Refused(format!("{error:#}")))? else {
            return Ok(());
        };
        complain(&format!(
            "{}: {}; what it was is kept in {}",
            visible(&changed.input.name),
            changed.done,
            visible(&backup.to_string_lossy())
        ));
        if backup.starts_with(around.root.path("/etc/libvirt/qemu")) {
            complain(
                "warning: libvirt does not look at its own files while it runs, and may write over this one: \
                 give it to `virsh define`",
            );
        }
        Ok(())
    }
}
