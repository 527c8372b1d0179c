//! What `doctor` saw, a line each: for a terminal as virt-host-validate prints it, or as JSON.

use serde_json::json;

use crate::doctor::{Line, Subject, Verdict};
use crate::text::visible;

/// The line for people, with its line end.
pub fn text(line: &Line, colour: bool) -> String {
    let (paint, plain) = match (colour, line.verdict) {
        (false, _) => ("", ""),
        (true, Verdict::Pass) => ("\x1b[32m", "\x1b[0m"),
        (true, Verdict::Warn) => ("\x1b[1;33m", "\x1b[0m"),
        (true, Verdict::Fail) => ("\x1b[1;31m", "\x1b[0m"),
    };
    let hint = line
        .hint
        .as_ref()
        .map_or(String::new(), |hint| format!(" ({})", visible(hint)));
    format!(
        "{:>10}: Checking {:<60} : {paint}{}{plain}{hint}\n",
        visible(subject(&line.subject)),
        visible(&line.looked_at),
        verdict(line.verdict)
    )
}

/// The line for programs, without its line end; the form is a contract (schema 1).
pub fn json(line: &Line) -> String {
    let (about, guest) = match &line.subject {
        Subject::Guest(name) => ("guest", Some(name)),
        other => (subject(other), None),
    };
    json!({
        "schema": 1,
        "subject": about.to_ascii_lowercase(),
        "guest": guest,
        "check": line.looked_at,
        "verdict": verdict(line.verdict),
        "hint": line.hint,
    })
    .to_string()
}

fn subject(subject: &Subject) -> &str {
    match subject {
        Subject::Hook => "Hook",
        Subject::Daemon => "Daemon",
        Subject::AppArmor => "AppArmor",
        Subject::Profiles => "Profiles",
        Subject::Lock => "Lock",
        Subject::Libvirt => "libvirt",
        Subject::Guest(name) => name,
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Warn => "WARN",
        Verdict::Fail => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_drive_the_terminal() {
        let line = Line {
            subject: Subject::Guest("a\x1b[31m".into()),
            looked_at: "b\nc".into(),
            verdict: Verdict::Fail,
            hint: Some("d\u{202e}".into()),
            every_guest: false,
        };
        let plain = text(&line, false);
        assert!(
            plain.starts_with("a\\u{1b}[31m: Checking b\\nc ")
                && plain.ends_with(": FAIL (d\\u{202e})\n"),
            "{plain}"
        );
        assert!(text(&line, true).ends_with(": \x1b[1;31mFAIL\x1b[0m (d\\u{202e})\n"));
        let value: serde_json::Value = serde_json::from_str(&json(&line)).unwrap();
        assert_eq!(value["guest"], "a\x1b[31m");
        assert_eq!(value["subject"], "guest");
    }
}
