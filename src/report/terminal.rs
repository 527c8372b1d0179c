//! Findings as compilers show them: place, level, code, the line, a caret, and what to write.

use crate::domain::Domain;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::text::{Lines, Paint, Shown, Span, visible};

/// How much of a very long line is shown, in characters.
const WIDTH: usize = 100;

/// One finding of `file`, whose text is in `lines`.
pub fn finding(
    file: &str,
    domain: &Domain,
    lines: &Lines,
    finding: &Finding,
    colour: bool,
) -> Shown {
    shown(
        file,
        lines,
        &About {
            level: finding.level,
            code: Some(finding.code),
            span: finding.place.span(domain, lines.text()),
            message: &finding.message,
            help: finding.help.as_deref(),
        },
        colour,
    )
}

/// What can be shown with a place.
pub struct About<'a> {
    /// How bad it is.
    pub level: Level,
    /// What `explain` knows about it, if it does.
    pub code: Option<Code>,
    /// Where it stands.
    pub span: Span,
    /// What is wrong.
    pub message: &'a str,
    /// What to write instead.
    pub help: Option<&'a str>,
}

/// Something about a place in `file`, whose text is in `lines`.
pub fn shown(file: &str, lines: &Lines, about: &About, colour: bool) -> Shown {
    let (number, column) = lines.position(about.span.start);
    let line = lines.line(number);
    let paint = match about.level {
        Level::Error => Paint::Red,
        Level::Warning => Paint::Yellow,
        Level::Note => Paint::Cyan,
    };
    let code = about
        .code
        .map_or(String::new(), |code| format!("[{}]", code.word()));
    let mut out = Shown::default();
    out.paint(Paint::Bold, colour)
        .text(&format!("{file}:{number}:{column}: "))
        .paint(paint, colour)
        .text(&format!("{}{code}", about.level.word()))
        .paint(Paint::Plain, colour)
        .line(&format!(": {}", about.message));
    let at = about.span.start - lines.start(number);
    let (excerpt, caret, length) = excerpt(line, at, about.span.of(lines.text()));
    out.line(&format!("{number:>5} | {excerpt}"))
        .text(&format!("      | {}", " ".repeat(caret)))
        .paint(paint, colour)
        .text(&"^".repeat(length))
        .paint(Paint::Plain, colour)
        .end();
    if let Some(help) = about.help {
        out.line(&format!("      = help: {help}"));
    }
    out
}

/// The part of the line around byte `at` of it, where the caret goes, and how long it is. Of a
/// very long line no more than that part is looked at.
fn excerpt(line: &str, at: usize, marked: &str) -> (String, usize, usize) {
    let before = line.get(..at).unwrap_or(line);
    let short = line.chars().nth(WIDTH).is_none();
    let shown = if short { WIDTH } else { WIDTH / 3 };
    // Where the last characters before the place begin.
    let from = match before.char_indices().rev().take(shown).last() {
        Some((from, _)) => from,
        None => before.len(),
    };
    let before = before.get(from..).unwrap_or("").chars().count();
    let part = line.get(from..).unwrap_or("");
    let ends = ['\r', '\n'];
    let marked = marked.chars().take(WIDTH).take_while(|c| !ends.contains(c));
    let length = marked.count().min(WIDTH.saturating_sub(before)).max(1);
    // One cell for one character, so that the caret stands where it should.
    let cells: String = part
        .chars()
        .take(WIDTH)
        .map(|c| match c {
            '\t' => ' ',
            c if visible(c.encode_utf8(&mut [0; 4])).chars().count() > 1 => '\u{fffd}',
            c => c,
        })
        .collect();
    let cut = if from > 0 { "…" } else { "" };
    let more = if part.chars().nth(WIDTH).is_some() {
        "…"
    } else {
        ""
    };
    let caret = before + cut.chars().count();
    (format!("{cut}{cells}{more}"), caret, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_value() {
        let line = format!("{}fmode=644{}", "é\t".repeat(100), "x".repeat(300));
        let at = line.find("644").unwrap();
        let (shown, caret, length) = excerpt(&line, at, "644");
        assert_eq!(
            shown.chars().skip(caret).take(length).collect::<String>(),
            "644"
        );
        assert_eq!(excerpt("ab", 0, ""), ("ab".into(), 0, 1));
    }
}
