//! What was given on the command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::assumptions::Assumptions;
use crate::host::Root;
use crate::version::Version;

use super::error::Error;

/// The options and words of a call.
#[derive(Debug, Default)]
pub struct Call {
    /// Options by name, with their value or an empty one, in order.
    pub options: Vec<(&'static str, OsString)>,
    /// All other words, in order.
    pub words: Vec<OsString>,
}

impl Call {
    /// Whether this option was given.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The values of an option, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        let same = self.options.iter().filter(move |(given, _)| *given == name);
        same.map(|(_, value)| value.as_os_str())
    }

    /// The value of an option; the last of several counts.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.all(name).last()
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        Some(value.to_string_lossy().into_owned())
    }

    /// The files among the words; standard input where there are none.
    pub fn files(&self) -> Vec<OsString> {
        if self.words.is_empty() {
            vec!["-".into()]
        } else {
            self.words.clone()
        }
    }

    /// The first of them.
    pub fn file(&self) -> &OsStr {
        self.words.first().map_or("-".as_ref(), OsString::as_os_str)
    }

    /// The host, or the copy of one that `--root` names.
    pub fn root(&self) -> Result<Root, Error> {
        let Some(dir) = self.value("--root").map(PathBuf::from) else {
            return Ok(Root::default());
        };
        if !dir.is_dir() {
            let dir = dir.display();
            return Err(Error::usage(format!(
                "--root {dir}: there is no such directory"
            )));
        }
        let dir = std::path::absolute(&dir);
        dir.map(Root::below)
            .map_err(|error| Error::usage(format!("--root: {error}")))
    }

    /// What the commands that look at a domain look at beside it.
    pub fn surroundings(&self) -> Result<Surroundings, Error> {
        let assume = Assumptions {
            libvirt: self.version("--libvirt")?,
            qemu: self.version("--qemu")?,
            ..Assumptions::default()
        };
        Ok(Surroundings {
            root: self.root()?,
            no_host: self.has("--no-host"),
            assume,
        })
    }

    fn version(&self, name: &str) -> Result<Option<Version>, Error> {
        let version = self.text(name).map(|text| text.parse());
        let wrong = |error: String| Error::usage(format!("{name}: {error}"));
        version.transpose().map_err(wrong)
    }
}

/// What a domain is looked at with.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// `--root`
    pub root: Root,
    /// `--no-host`
    pub no_host: bool,
    /// `--libvirt`, `--qemu`
    pub assume: Assumptions,
}

impl Surroundings {
    /// The host to ask, unless `--no-host` forbids it.
    pub fn host(&self) -> Option<&Root> {
        (!self.no_host).then_some(&self.root)
    }
}
