//! What `doctor` saw: a line for each thing as virt-host-validate prints it, what to do about it
//! below, and a sum at the end; or as JSON.

use serde_json::json;

use crate::doctor::{CheckLine, Grade, Subject};
use crate::text::{Paint, Shown, count, visible};

/// Columns of a line, and those before a hint.
const WIDTH: usize = 100;
const INDENT: usize = 12;

/// The lines for people, each with its line end.
pub fn text(line: &CheckLine, colour: bool) -> Shown {
    let paint = match line.verdict {
        Grade::Note | Grade::Pass => Paint::Green,
        Grade::Warn => Paint::Yellow,
        Grade::Fail => Paint::Red,
    };
    let start = format!("{:>10}: ", shown(&line.subject));
    // Columns are as wide as what is seen.
    let looked_at = visible(&line.looked_at);
    let mut out = Shown::default();
    if line.verdict == Grade::Note {
        out.line(&format!("{start}{looked_at}"));
    } else {
        let start = start + "Checking ";
        let left = start.chars().count();
        // ` : FAIL`
        let room = WIDTH.saturating_sub(left + 7).clamp(20, 60);
        let pieces = wrapped(&looked_at, room);
        for (position, piece) in pieces.iter().enumerate() {
            let start = if position == 0 {
                start.clone()
            } else {
                " ".repeat(left)
            };
            if position + 1 == pieces.len() {
                out.text(&format!("{start}{piece:<room$} : "))
                    .paint(paint, colour)
                    .text(verdict(line.verdict))
                    .paint(Paint::Plain, colour)
                    .end();
            } else {
                out.line(&format!("{start}{piece}"));
            }
        }
    }
    let hint = line.hint.as_deref().map(visible).unwrap_or_default();
    for piece in wrapped(&hint, WIDTH - INDENT) {
        out.line(&format!("{:INDENT$}{piece}", ""));
    }
    out
}

/// How many things were looked at, and what became of them.
pub fn sum(lines: &[CheckLine]) -> Shown {
    let of = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let (passed, warnings, failures) = (of(Grade::Pass), of(Grade::Warn), of(Grade::Fail));
    let mut out = Shown::default();
    out.line(&format!(
        "{}: {passed} passed, {}, {}",
        count(passed + warnings + failures, "check"),
        count(warnings, "warning"),
        count(failures, "failure")
    ));
    out
}

/// `text` in lines of at most `width` columns, broken at spaces; a longer word, such as a path that
/// somebody will copy, stays whole.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut columns = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let more = word.chars().count();
        match lines.last_mut().filter(|_| columns + 1 + more <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
                columns += 1 + more;
            }
            None => {
                lines.push(word.to_owned());
                columns = more;
            }
        }
    }
    lines
}

/// The line for programs, without its line end; the form is a contract (schema 1).
pub fn json(line: &CheckLine) -> String {
    let (about, guest) = match &line.subject {
        Subject::Guest(name, file) => ("guest", Some((name, file))),
        other => (subject(other), None),
    };
    let mut value = json!({
        "schema": 1,
        "subject": about.to_ascii_lowercase(),
        "guest": guest.map(|(name, _)| name),
        "check": line.looked_at,
        "verdict": verdict(line.verdict),
        "hint": line.hint,
    });
    if let (Some((_, Some(file))), Some(value)) = (guest, value.as_object_mut()) {
        value.insert("file".to_owned(), file.as_str().into());
    }
    value.to_string()
}

fn shown(about: &Subject) -> String {
    match about {
        Subject::Guest(name, Some(file)) => format!("{} in {}", visible(name), visible(file)),
        other => visible(subject(other)),
    }
}

fn subject(subject: &Subject) -> &str {
    match subject {
        Subject::Hook => "Hook",
        Subject::Daemon => "Daemon",
        Subject::AppArmor => "AppArmor",
        Subject::Profiles => "Profiles",
        Subject::Lock => "Lock",
        Subject::Libvirt => "libvirt",
        Subject::Guest(name, _) => name,
    }
}

fn verdict(verdict: Grade) -> &'static str {
    match verdict {
        Grade::Note => "NOTE",
        Grade::Pass => "PASS",
        Grade::Warn => "WARN",
        Grade::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &CheckLine, colour: bool) -> String {
        super::text(line, colour).as_str().to_owned()
    }

    #[test]
    fn names_cannot_drive_the_terminal() {
        let line = CheckLine {
            subject: Subject::Guest("a\x1b[31m".into(), None),
            looked_at: "b\nc".into(),
            verdict: Grade::Fail,
            hint: Some("d\u{202e}".into()),
            every_guest: false,
        };
        let plain = text(&line, false);
        assert!(
            plain.starts_with("a\\u{1b}[31m: Checking b\\nc ")
                && plain.ends_with(" : FAIL\n            d\\u{202e}\n"),
            "{plain}"
        );
        assert!(text(&line, true).contains(" : \x1b[1;31mFAIL\x1b[0m\n"));
        let value: serde_json::Value = serde_json::from_str(&json(&line)).unwrap();
        assert_eq!(value["guest"], "a\x1b[31m");
        assert_eq!(value["subject"], "guest");
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns() {
        for (name, words, long) in [("w", 1, 1), ("w", 90, 9), ("a guest of many words", 80, 11)] {
            let words = vec!["x".repeat(long); words].join(" ");
            for verdict in [Grade::Pass, Grade::Fail] {
                let line = CheckLine {
                    subject: Subject::Guest(name.into(), Some("/a/file".into())),
                    looked_at: words.clone(),
                    verdict,
                    hint: Some(words.clone()),
                    every_guest: false,
                };
                let shown = text(&line, false);
                assert!(
                    shown.lines().all(|line| line.chars().count() <= WIDTH),
                    "{shown}"
                );
                let all = shown
                    .split_whitespace()
                    .filter(|word| word.starts_with('x'));
                assert_eq!(all.count(), 2 * words.split(' ').count(), "{shown}");
            }
        }
        assert_eq!(wrapped("", 10), Vec::<String>::new());
        assert_eq!(wrapped("/a/long/path b c", 5), ["/a/long/path", "b c"]);
    }
}
