//! `virt-9p explain`: what a finding means.

use std::process::ExitCode;

use crate::lint::catalogue::Code;
use crate::text::did_you_mean;
use crate::text::quoted;

use super::call::Call;
use super::command::{Command, Operands};
use super::error::Error;
use super::page::page;

pub const COMMAND: Command = Command {
    name: "explain",
    arguments: "[CODE]",
    words: Operands::AtMost(1),
    summary: "say what a finding means; without CODE, list them",
    about: "\
Shows what QEMU and libvirt do, how to fix it, an example, and the versions it
is about. CODE is the word in brackets of a finding: error[mode-not-octal].
",
    options: &[],
    looks: false,
    examples: "  virt-9p explain
  virt-9p explain mode-not-octal
",
    run,
};

fn run(call: &Call) -> Result<ExitCode, Error> {
    let Some(word) = call.words.first() else {
        return page(&list());
    };
    let word = word.to_string_lossy();
    // As it stands in a finding: error[mode-not-octal].
    let bare = match word.split_once('[') {
        Some((_, rest)) => rest.split(']').next().unwrap_or(rest),
        None => &word,
    };
    let Some(code) = Code::from_word(bare) else {
        let all: Vec<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        let meant = did_you_mean(bare, &all);
        let meant = meant.unwrap_or_else(|| "virt-9p explain lists them".to_owned());
        let message = format!("there is no finding {}", quoted(&word));
        return Err(Error::usage(message).meant(Some(meant)));
    };
    page(&explanation(code))
}

fn list() -> String {
    let words = Code::ALL.iter().map(|code| code.word().len());
    let widest = words.max().unwrap_or(0);
    Code::ALL
        .iter()
        .map(|code| format!("{:widest$}  {}\n", code.word(), code.entry().summary))
        .collect()
}

fn explanation(code: Code) -> String {
    let entry = code.entry();
    let mut out = format!(
        "{}: {}\n\n{}\n\n{}\n\nExample:\n{}",
        code.word(),
        entry.summary,
        wrapped(entry.meaning),
        wrapped(entry.fix),
        indented(entry.example.text)
    );
    if !entry.example.options.is_empty() {
        out.push_str(&format!(
            "\nFound by: virt-9p check {}\n",
            entry.example.options
        ));
    }
    if let Some(fixed) = entry.example.fixed_part() {
        out.push_str(&format!("\nInstead:\n{}", indented(fixed)));
    }
    if let Some(since) = entry.since {
        out.push_str(&format!("\n{}\n", wrapped(&format!("Versions: {since}."))));
    }
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// Lines of at most 80 columns.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 80 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}
