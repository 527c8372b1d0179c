//! What a command is: how it is called, what its help says, and what was most likely meant when
//! it is called wrong.

use std::process::ExitCode;

use crate::text::{nearest, quoted};

use super::COMMANDS;
use super::options::Options;

/// One command. Its help is put together from this; which options it has is read from there.
pub struct Command {
    /// Its word.
    pub name: &'static str,
    /// What stands behind it.
    pub arguments: &'static str,
    /// One line, without full stop.
    pub summary: &'static str,
    /// More about it: whole sentences, lines of at most 80 columns.
    pub about: &'static str,
    /// Its own options, a line each.
    pub options: &'static str,
    /// Whether it looks at a domain, and has the options that go with that.
    pub looks: bool,
    /// One a line.
    pub examples: &'static str,
    /// Does it.
    pub run: fn(Options, lexopt::Parser) -> anyhow::Result<ExitCode>,
}

const LOOKING: &str = "  --libvirt X.Y.Z       assume this libvirt, not the one the host has
  --qemu X.Y.Z          assume this QEMU
  --no-host             look at nothing but the XML
";

/// What every command has.
pub const COMMON: &str = "  --root DIR            take DIR, a copy of a host, for this host
  --help                show this
";

impl Command {
    /// What `virt-9p NAME --help` prints.
    pub fn help(&self) -> String {
        format!(
            "virt-9p {}: {}\n\nusage: virt-9p {0} [OPTION]... {}\n\n{}\noptions:\n{}\nexamples:\n{}",
            self.name,
            self.summary,
            self.arguments,
            self.about,
            self.option_lines(),
            self.examples
        )
    }

    fn option_lines(&self) -> String {
        let looking = if self.looks { LOOKING } else { "" };
        format!("{}{looking}{COMMON}", self.options)
    }

    fn has(&self, option: &str) -> bool {
        options(&self.option_lines()).any(|own| own == option)
    }
}

/// The options that lines of help begin with.
fn options(lines: &str) -> impl Iterator<Item = &str> {
    lines
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.starts_with("--"))
}

/// What was meant by an option that `command` (or, without one, the program) does not have.
pub fn meant_option(option: &str, command: Option<&Command>) -> Option<String> {
    let owners: Vec<&str> = COMMANDS
        .iter()
        .filter(|other| other.has(option))
        .map(|other| other.name)
        .collect();
    let Some(command) = command else {
        let first = owners.first()?;
        return Some(format!(
            "it goes behind the command, such as virt-9p {first} {option}"
        ));
    };
    if !owners.is_empty() {
        return Some(format!(
            "{} is an option of {}, not of {}",
            quoted(option),
            owners.join(" and "),
            command.name
        ));
    }
    let lines = command.option_lines();
    nearest(option, options(&lines)).map(|near| format!("did you mean {}?", quoted(near)))
}

/// What was meant by a first word that is no command.
pub fn meant_command(word: &str) -> Option<String> {
    if word == "version" {
        return Some("did you mean `--version`?".to_owned());
    }
    let names = COMMANDS.iter().map(|command| command.name);
    if let Some(near) = nearest(word, names) {
        return Some(format!("did you mean {}?", quoted(near)));
    }
    std::path::Path::new(word).is_file().then(|| {
        format!(
            "to look at a file: virt-9p check {}",
            crate::text::visible(word)
        )
    })
}

/// `check, rules and hook`.
pub fn names() -> String {
    let mut names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let last = names.pop().unwrap_or("");
    format!("{} and {last}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_described() {
        for command in COMMANDS {
            let lines = command.option_lines();
            let mut lines = lines.lines().peekable();
            while let Some(line) = lines.next() {
                assert!(line.chars().count() <= 88, "{line}");
                let described =
                    |line: &str| line.get(22..).is_some_and(|text| text.starts_with("  "));
                let below = lines
                    .peek()
                    .is_some_and(|next| next.starts_with(&" ".repeat(24)));
                assert!(described(line) || below, "{}: {line}", command.name);
            }
        }
    }
}
