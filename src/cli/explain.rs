//! `virt-9p explain`: what a finding means.

use std::process::ExitCode;

use crate::lint::catalogue::Code;
use crate::text::quoted;

use super::options::{Options, Word, next, unexpected};
use super::say;

pub fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
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
        let widest = Code::ALL
            .iter()
            .map(|code| code.word().len())
            .max()
            .unwrap_or(0);
        let list: String = Code::ALL
            .iter()
            .map(|code| format!("{:widest$}  {}\n", code.word(), code.summary()))
            .collect();
        return say(&list);
    };
    let Some(code) = Code::from_word(&word) else {
        anyhow::bail!(
            "there is no finding {}; virt-9p explain lists them",
            quoted(&word)
        );
    };
    say(&format!(
        "{}: {}\n\n{}\n",
        code.word(),
        code.summary(),
        wrapped(code.explanation())
    ))
}

/// Paragraphs of at most 80 columns, an empty line between them.
fn wrapped(text: &str) -> String {
    let paragraph = |text: &str| {
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
    };
    text.lines().map(paragraph).collect::<Vec<_>>().join("\n\n")
}
