//! Transcripts in a document: blocks of the language `console` that are marked `checked`.

use std::path::Path;
use std::process::Command;

const FENCE: &str = "```";

/// The most columns of a line in a document.
const WIDTH: usize = 100;

/// The blocks of the language `console`, with and without the mark.
fn blocks(document: &str, marked: bool) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix(FENCE) else {
            continue;
        };
        let inside: String = lines
            .by_ref()
            .take_while(|line| *line != FENCE)
            .flat_map(|line| [line, "\n"])
            .collect();
        let words: Vec<&str> = language.split_whitespace().collect();
        if words.first() == Some(&"console") && words.contains(&"checked") == marked {
            blocks.push(inside);
        }
    }
    blocks
}

/// Transcripts that are compared.
pub fn checked(document: &str) -> Vec<String> {
    blocks(document, true)
}

/// The lines of all other blocks.
pub fn unchecked(document: &str) -> Vec<String> {
    blocks(document, false)
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The same transcript, made anew: each command with all that it prints, run from the top of the
/// repository with this build's `virt-9p`.
pub fn run(block: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_virt-9p"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let mut out = String::new();
    for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PATH", &path)
            .output()
            .unwrap();
        out.push_str(&format!("$ {command}\n"));
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            out.push_str(&wrapped(line));
        }
    }
    out
}

/// A long line goes on in the next one, indented, as a reader's window would show it.
fn wrapped(line: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in line.split_inclusive(' ') {
        let length = word.chars().count();
        if width + word.trim_end().chars().count() > WIDTH && width > 0 {
            out.truncate(out.trim_end().len());
            out.push_str("\n    ");
            width = 4;
        }
        out.push_str(word);
        width += length;
    }
    out + "\n"
}
