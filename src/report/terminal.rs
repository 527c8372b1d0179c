//! Findings as compilers show them: place, level, code, the line, a caret, other places, and what
//! to write.

use std::collections::BTreeSet;

use crate::domain::{Domain, Fault};
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::text::{Lines, Paint, Shown, Span, visible};

/// How much of a very long line is shown, in characters.
const WIDTH: usize = 100;

/// More other places, or corrected lines, than this nobody reads.
const MOST: usize = 8;

/// One finding of `file`, whose text is in `lines`.
pub fn finding(
    file: &str,
    domain: &Domain,
    lines: &Lines,
    finding: &Finding,
    colour: bool,
) -> Shown {
    let mut out = Shown::default();
    let about = About {
        level: finding.level,
        code: Some(finding.code),
        span: finding.place.span(domain, lines.text()),
        message: &finding.message,
    };
    head(&mut out, file, lines, &about, colour);
    for other in finding.related.iter().take(MOST) {
        let span = other.place.span(domain, lines.text());
        out.line("      |");
        marked(&mut out, lines, span, Paint::Cyan, &other.message, colour);
    }
    if let Some(more @ 1..) = finding.related.len().checked_sub(MOST) {
        out.line(&format!("      = and {more} more"));
    }
    if let Some(reason) = finding.reason() {
        out.line(&format!("      = {reason}"));
    }
    help(&mut out, finding.help.as_deref());
    let mut edits: Vec<(Span, String)> = Vec::new();
    for edit in finding.fix.iter().take(MOST) {
        let edit = edit.in_document(domain, lines.text());
        let at = edits.partition_point(|(other, _)| *other < edit.0);
        edits.insert(at, edit);
    }
    corrected(&mut out, lines, edits, colour);
    out
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
}

/// Something about a place in `file`, whose text is in `lines`, and what to write instead.
pub fn shown(
    file: &str,
    lines: &Lines,
    about: &About,
    instead: Option<&str>,
    colour: bool,
) -> Shown {
    let mut out = Shown::default();
    head(&mut out, file, lines, about, colour);
    help(&mut out, instead);
    out
}

/// Where more can be read about these, at the end of what is shown of them.
pub fn explained(codes: &BTreeSet<&str>) -> Option<Shown> {
    let first = codes.first()?;
    let mut out = Shown::default();
    if codes.len() == 1 {
        out.line(&format!("virt-9p explain {first} tells more"));
    } else {
        let words: Vec<&str> = codes.iter().take(MOST).copied().collect();
        let more = if codes.len() > MOST { ", …" } else { "" };
        let words = words.join(", ");
        out.line(&format!(
            "virt-9p explain CODE tells more about each: {words}{more}"
        ));
    }
    Some(out)
}

/// What is wrong at `span` of `file`, which is no domain XML.
pub fn fault(file: &str, lines: &Lines, fault: &Fault, span: Span, colour: bool) -> Shown {
    let mut out = Shown::default();
    let about = About {
        level: Level::Error,
        code: None,
        span,
        message: &fault.message,
    };
    head(&mut out, file, lines, &about, colour);
    if let Some((span, message)) = &fault.related {
        out.line("      |");
        marked(&mut out, lines, *span, Paint::Cyan, message, colour);
    }
    help(&mut out, fault.help.as_deref());
    out
}

fn head(out: &mut Shown, file: &str, lines: &Lines, about: &About, colour: bool) {
    let (number, column) = lines.position(about.span.start);
    let paint = match about.level {
        Level::Error => Paint::Red,
        Level::Warning => Paint::Yellow,
        Level::Note => Paint::Cyan,
    };
    let code = about
        .code
        .map_or(String::new(), |code| format!("[{}]", code.word()));
    out.paint(Paint::Bold, colour)
        .text(&format!("{file}:{number}:{column}: "))
        .paint(paint, colour)
        .text(&format!("{}{code}", about.level.word()))
        .paint(Paint::Plain, colour)
        .line(&format!(": {}", about.message));
    marked(out, lines, about.span, paint, "", colour);
}

/// The line of a place, the place marked in it, and a word about it.
fn marked(out: &mut Shown, lines: &Lines, span: Span, paint: Paint, word: &str, colour: bool) {
    let number = lines.number(span.start);
    let at = span.start - lines.start(number);
    let (excerpt, caret, length) = excerpt(lines.line(number), at, span.of(lines.text()));
    let space = if word.is_empty() { "" } else { " " };
    out.line(&format!("{number:>5} | {excerpt}"))
        .text(&format!("      | {}", " ".repeat(caret)))
        .paint(paint, colour)
        .text(&format!("{}{space}{word}", "^".repeat(length)))
        .paint(Paint::Plain, colour)
        .end();
}

fn help(out: &mut Shown, help: Option<&str>) {
    if let Some(help) = help {
        out.line(&format!("      = help: {help}"));
    }
}

/// The lines that edits change, as they are then.
fn corrected(out: &mut Shown, lines: &Lines, edits: Vec<(Span, String)>, colour: bool) {
    let text = lines.text();
    let mut edits = edits.into_iter().peekable();
    while let Some((span, new)) = edits.next() {
        let number = lines.number(span.start);
        let begin = lines.start(number);
        let at = span.start - begin;
        let mut after = Span::new(begin, span.start).of(text).to_owned() + &new;
        let mut end = span.end;
        while let Some((span, new)) = edits.next_if(|(next, _)| lines.number(next.start) == number)
        {
            after.push_str(Span::new(end, span.start).of(text));
            after.push_str(&new);
            end = span.end;
        }
        let last = lines.number(end);
        let line = lines.line(last);
        after.push_str(line.get(end - lines.start(last)..).unwrap_or(""));
        for (shift, line) in after.lines().take(MOST).enumerate() {
            let at = if shift == 0 { at } else { 0 };
            let (excerpt, ..) = excerpt(line, at, &new);
            out.text(&format!("{:>5} ", number + shift))
                .paint(Paint::Green, colour)
                .text("~")
                .paint(Paint::Plain, colour)
                .line(&format!(" {excerpt}"));
        }
    }
}

/// The part of the line around byte `at` of it, where the caret goes, and how long it is. Of a
/// very long line no more than that part is looked at.
fn excerpt(line: &str, at: usize, marked: &str) -> (String, usize, usize) {
    let (before, behind) = line.split_at_checked(at).unwrap_or((line, ""));
    // A third of the room is for what stands before, and what is not needed behind.
    let behind = behind.chars().take(WIDTH).count();
    let shown = (WIDTH - behind).max(WIDTH / 3);
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
        // What stands before is shown also at the end of a long line, and at its middle what stands
        // behind.
        let line = format!("{}644", "x".repeat(300));
        let (shown, caret, _) = excerpt(&line, 300, "644");
        assert_eq!((shown.chars().count(), caret), (1 + WIDTH, 98));
        let line = format!("{}644{}", "x".repeat(300), "y".repeat(300));
        let (shown, caret, _) = excerpt(&line, 300, "644");
        assert_eq!((shown.chars().count(), caret), (2 + WIDTH, 1 + WIDTH / 3));
    }
}
