//! Options that several commands share.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::assumptions::Assumptions;
use crate::host::Root;
use crate::text::quoted;

/// `--help` was asked for: not a mistake, but what ends the reading of options.
#[derive(Debug)]
pub struct HelpWanted;

impl std::fmt::Display for HelpWanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("help is wanted")
    }
}

impl std::error::Error for HelpWanted {}

/// An option that the command does not have.
#[derive(Debug)]
pub struct NoSuchOption(pub String);

impl std::fmt::Display for NoSuchOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no option {} here", quoted(&self.0))
    }
}

impl std::error::Error for NoSuchOption {}

/// One word of the command line.
pub enum Word {
    /// An option, with its dashes.
    Option(String),
    /// Anything else.
    Value(OsString),
}

/// The next word. The library's own type borrows the parser, which its value is then asked of.
pub fn next(parser: &mut lexopt::Parser) -> anyhow::Result<Option<Word>> {
    Ok(match parser.next()? {
        None => None,
        Some(Long(name)) => Some(Word::Option(format!("--{name}"))),
        Some(Short(letter)) => Some(Word::Option(format!("-{letter}"))),
        Some(Value(value)) => Some(Word::Value(value)),
    })
}

/// A word that has no place here.
pub fn unexpected(word: &Word) -> anyhow::Error {
    match word {
        Word::Option(name) => anyhow::Error::new(NoSuchOption(name.clone())),
        Word::Value(value) => {
            anyhow::anyhow!("{} is one word too many", quoted(&value.to_string_lossy()))
        }
    }
}

/// What was given so far.
#[derive(Debug, Default)]
pub struct Options {
    /// `--root`
    pub root: Root,
    /// `--no-host`
    pub no_host: bool,
    /// `--libvirt`, `--qemu`
    pub assume: Assumptions,
}

impl Options {
    /// Takes an option that every command has; whether it was one.
    ///
    /// # Errors
    /// [`HelpWanted`] for `--help`, which ends the reading here and now.
    pub fn common(&mut self, option: &str, parser: &mut lexopt::Parser) -> anyhow::Result<bool> {
        if matches!(option, "--help" | "-h") {
            return Err(HelpWanted.into());
        }
        if option == "--root" {
            let dir = PathBuf::from(parser.value()?);
            anyhow::ensure!(
                dir.is_dir(),
                "--root {}: there is no such directory",
                dir.display()
            );
            self.root = Root::below(std::path::absolute(dir)?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes an option of the commands that look at a domain; whether it was one.
    pub fn looking(&mut self, option: &str, parser: &mut lexopt::Parser) -> anyhow::Result<bool> {
        match option {
            "--no-host" => self.no_host = true,
            "--libvirt" => self.assume.libvirt = Some(version(option, parser)?),
            "--qemu" => self.assume.qemu = Some(version(option, parser)?),
            _ => return self.common(option, parser),
        }
        Ok(true)
    }

    /// The host to ask, unless `--no-host` forbids it.
    pub fn host(&self) -> Option<&Root> {
        (!self.no_host).then_some(&self.root)
    }
}

/// The value of `--format`: whether it is JSON.
pub fn is_json(parser: &mut lexopt::Parser) -> anyhow::Result<bool> {
    match parser.value()?.to_str() {
        Some("json") => Ok(true),
        Some("text") => Ok(false),
        _ => anyhow::bail!("--format is text or json"),
    }
}

fn version(option: &str, parser: &mut lexopt::Parser) -> anyhow::Result<crate::version::Version> {
    let value = parser.value()?;
    value
        .to_string_lossy()
        .parse()
        .map_err(|error: String| anyhow::anyhow!("{option}: {error}"))
}
