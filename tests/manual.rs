//! The manual pages: that of the findings is what their catalogue gives, that of the program
//! knows every command and option, and both are rendered without a warning.
//!
//! `VIRT9P_BLESS=1` writes virt-9p.7 anew.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "support/help.rs"]
mod help;
#[path = "support/roff.rs"]
mod roff;

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging/man")
        .join(name)
}

#[test]
fn the_page_of_the_findings_is_what_the_catalogue_gives() {
    let file = page("virt-9p.7");
    let text = roff::findings();
    if std::env::var_os("VIRT9P_BLESS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let differs = committed
        .lines()
        .zip(text.lines())
        .find(|(committed, made)| committed != made);
    assert!(
        committed == text,
        "virt-9p.7 is not what the catalogue gives (VIRT9P_BLESS=1 writes it): {differs:?}"
    );
}

#[test]
fn the_page_of_the_program_knows_every_command_and_option() {
    let text = fs::read_to_string(page("virt-9p.8"))
        .unwrap()
        .replace("\\-", "-");
    let commands = help::commands();
    assert!(commands.len() >= 4);
    for (command, options) in commands {
        assert!(
            text.contains(&format!("virt-9p {command}")),
            "the synopsis lacks {command}"
        );
        for option in options {
            assert!(text.contains(&option), "{option} of {command} is missing");
        }
    }
}

/// What the formatters say about a page when they are asked to be strict: man's own check, which
/// lintian makes too, and groff's of all kinds.
#[test]
fn pages_are_rendered_without_a_warning() {
    for name in ["virt-9p.7", "virt-9p.8"] {
        let page = page(name);
        let text = fs::read_to_string(&page).unwrap();
        assert!(
            text.is_ascii(),
            "{name}: not every terminal has other letters"
        );
        let width = text.lines().map(str::len).max().unwrap_or(0);
        assert!(width > 0, "{name} is empty");
        for (program, arguments) in [
            (
                "man",
                &["--warnings=w", "-E", "UTF-8", "-Tutf8", "-Z", "-l"][..],
            ),
            ("groff", &["-man", "-ww", "-z", "-Tutf8"]),
            ("groff", &["-man", "-ww", "-z", "-Tascii"]),
        ] {
            let output = Command::new(program)
                .args(arguments)
                .arg(&page)
                .env("LC_ALL", "C.UTF-8")
                .env("MANROFFSEQ", "")
                .env("MANWIDTH", "80")
                .output()
                .unwrap_or_else(|error| panic!("{program}: {error}"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && said.is_empty(),
                "{program} {arguments:?} {name}: {said}"
            );
        }
    }
}
