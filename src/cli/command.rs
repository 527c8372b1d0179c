//! What a command is: how it is called, which options it has, what its help says.

use std::process::ExitCode;

use super::call::Call;
use super::error::Error;

/// One command. Its help is put together from this, its words are read by it, and what may have
/// been meant is looked for in it.
pub struct Command {
    /// Its word.
    pub name: &'static str,
    /// What stands behind it.
    pub arguments: &'static str,
    /// Which words it takes.
    pub words: Operands,
    /// One line, without full stop.
    pub summary: &'static str,
    /// More about it: whole sentences, lines of at most 88 columns.
    pub about: &'static str,
    /// Its own options.
    pub options: &'static [Flag],
    /// Whether it looks at a domain, and has the options that go with that.
    pub looks: bool,
    /// One a line.
    pub examples: &'static str,
    /// Does it.
    pub run: fn(&Call) -> Result<ExitCode, Error>,
}

/// Which words beside its options a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operands {
    /// So many at most.
    AtMost(usize),
    /// Any number of files.
    Files,
    /// The four that libvirt gives its hooks, whatever they look like.
    Libvirts,
}

/// An option.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// With its dashes.
    pub name: &'static str,
    /// What stands behind it.
    pub takes: Takes,
    /// One line, without full stop.
    pub about: &'static str,
}

/// What stands behind an option.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value that help calls so.
    Value(&'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl Flag {
    /// An option without a value.
    pub const fn alone(name: &'static str, about: &'static str) -> Self {
        Flag {
            name,
            takes: Takes::Nothing,
            about,
        }
    }

    /// An option with a value.
    pub const fn with(name: &'static str, value: &'static str, about: &'static str) -> Self {
        Flag {
            name,
            takes: Takes::Value(value),
            about,
        }
    }

    /// An option with one of a few words.
    pub const fn one_of(
        name: &'static str,
        words: &'static [&'static str],
        about: &'static str,
    ) -> Self {
        Flag {
            name,
            takes: Takes::OneOf(words),
            about,
        }
    }

    /// Its lines in help.
    fn lines(&self) -> String {
        let value = match self.takes {
            Takes::Nothing => String::new(),
            Takes::Value(name) => format!(" {name}"),
            Takes::OneOf(words) => format!(" {}", words.join("|")),
        };
        let call = format!("{}{value}", self.name);
        if call.len() > 22 {
            format!("  {call}\n{:24}{}\n", "", self.about)
        } else {
            format!("  {call:22}{}\n", self.about)
        }
    }
}

/// The options of commands that look at a domain.
const LOOKING: &[Flag] = &[
    Flag::with(
        "--libvirt",
        "X.Y.Z",
        "assume this libvirt, not the one the host has",
    ),
    Flag::with("--qemu", "X.Y.Z", "assume this QEMU"),
    Flag::alone("--no-host", "look at nothing but the XML"),
];

/// What every command has.
const COMMON: &[Flag] = &[
    Flag::with(
        "--root",
        "DIR",
        "read and write below DIR, a copy of a host, as if it were /",
    ),
    Flag::one_of(
        "--color",
        &["auto", "always", "never"],
        "use colours or not; auto: as the terminal and NO_COLOR say",
    ),
    Flag::alone("--help", "show this"),
];

const VERSION: Flag = Flag::alone("--version", "show the version");

/// What stands before a command.
pub fn before() -> Vec<&'static Flag> {
    let mut flags: Vec<&Flag> = COMMON.iter().collect();
    flags.push(&VERSION);
    flags
}

impl Command {
    /// All its options.
    pub fn flags(&self) -> Vec<&'static Flag> {
        let mut flags: Vec<&Flag> = Vec::new();
        flags.extend(self.options);
        flags.extend(if self.looks { LOOKING } else { &[] });
        flags.extend(COMMON);
        flags
    }

    /// What `virt-9p NAME --help` prints.
    pub fn help(&self) -> String {
        format!(
            "virt-9p {}: {}\n\nusage: virt-9p {0} [OPTION]... {}\n\n{}\noptions:\n{}\nexamples:\n{}",
            self.name,
            self.summary,
            self.arguments,
            self.about,
            lines(&self.flags()),
            self.examples
        )
    }
}

/// The lines of help about these options.
pub fn lines(flags: &[&Flag]) -> String {
    let lines: Vec<String> = flags.iter().map(|flag| flag.lines()).collect();
    lines.concat()
}

/// `check, rules and hook`.
pub fn names(commands: &[&Command]) -> String {
    let mut names: Vec<&str> = commands.iter().map(|command| command.name).collect();
    let last = names.pop().unwrap_or("");
    format!("{} and {last}", names.join(", "))
}
