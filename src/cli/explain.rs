//! `virt-9p explain`: what a finding means.

use std::process::ExitCode;

use crate::lint::catalogue::Code;
use crate::text::{nearest, quoted};

use super::command::Command;
use super::options::{Options, Word, next, unexpected};
use super::page;

pub const COMMAND: Command = Command {
    name: "explain",
    arguments: "[CODE]",
    summary: "say what a finding means; without CODE, list them",
    about: "\
Shows what QEMU and libvirt do, how to fix it, an example, and the versions it
is about. CODE is the word in brackets of a finding: error[mode-not-octal].
",
    options: "",
    looks: false,
    examples: "  virt-9p explain
  virt-9p explain mode-not-octal
",
    run,
};

fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let mut word = None;
    while let Some(given) = next(&mut parser)? {
        match given {
            Word::Option(option) if options.common(&option, &mut parser)? => {}
            Word::Value(value) if word.is_none() => {
                word = Some(value.to_string_lossy().into_owned())
            }
            other => return Err(unexpected(&other)),
        }
    }
    let Some(word) = word else {
        return page(&list());
    };
    // As it stands in a finding: error[mode-not-octal].
    let bare = match word.split_once('[') {
        Some((_, rest)) => rest.split(']').next().unwrap_or(rest),
        None => &word,
    };
    let Some(code) = Code::from_word(bare) else {
        let all = Code::ALL.iter().map(|code| code.word());
        let hint = match nearest(bare, all) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => "virt-9p explain lists them".to_owned(),
        };
        anyhow::bail!("there is no finding {}; {hint}", quoted(&word));
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
