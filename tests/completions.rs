//! The completions, each loaded into its real shell, which is asked what it offers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use virt_9p::lint::catalogue::Code;

#[path = "support/help.rs"]
mod help;

/// Shell, its options, the script that asks it, the file that is installed.
const SHELLS: [(&str, &[&str], &str, &str); 3] = [
    (
        "bash",
        &["--norc", "--noprofile"],
        "bash.sh",
        "virt-9p.bash",
    ),
    ("zsh", &["-f"], "zsh.zsh", "_virt-9p"),
    ("fish", &["--no-config"], "fish.fish", "virt-9p.fish"),
];

/// A scratch directory: two domains of libvirt's, some files, and the completions, which look for
/// the domains there.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for dir in ["domains", "completions", "work/shares"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        for file in ["domains/db.xml", "domains/web.xml", "work/new guest.xml"] {
            fs::write(at(file), "").unwrap();
        }
        for (_, _, _, file) in SHELLS {
            let source = repository("packaging/completions").join(file);
            let text = fs::read_to_string(source).unwrap();
            let domains = at("domains").to_string_lossy().into_owned();
            assert!(text.contains("/etc/libvirt/qemu/"), "{file}");
            let text = text.replace("/etc/libvirt/qemu", &domains);
            fs::write(at("completions").join(file), text).unwrap();
        }
        Desk { directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a shell offers for the last of the words.
    fn offers(&self, shell: &str, words: &[&str]) -> BTreeSet<String> {
        let (_, options, script, file) = SHELLS
            .into_iter()
            .find(|(name, ..)| *name == shell)
            .unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_virt-9p"));
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let output = Command::new(shell)
            .args(options)
            .arg(repository("tests/completions").join(script))
            .arg(self.at("completions").join(file))
            .arg("virt-9p")
            .args(words)
            .current_dir(self.at("work"))
            .env("PATH", path)
            .env("HOME", self.directory.path())
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap_or_else(|error| panic!("{shell}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.is_empty(), "{shell} {words:?}: {said}");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter(|line| !line.is_empty())
            // zsh offers a word as it has to be typed.
            .map(|line| line.replace("\\ ", " "))
            .collect()
    }
}

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn set<'w>(words: impl IntoIterator<Item = &'w str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

fn words_are_offered(shell: &str) {
    let desk = Desk::new();
    let codes = || Code::ALL.iter().map(|code| code.word());
    for (words, expected) in [
        (&["ex"][..], set(["explain"])),
        (&["che"], set(["check"])),
        (&["hel"], set(["help"])),
        (&["--ver"], set(["--version"])),
        (&["--color", "never", "do"], set(["doctor"])),
        (&["check", "--color", "al"], set(["always"])),
        (&["--root", "/", "do"], set(["doctor"])),
        (&["check", "--form"], set(["--format"])),
        (&["check", "--format", ""], set(["json", "text"])),
        (&["check", "--format", "json", "--str"], set(["--strict"])),
        (&["rules", "--str"], set([])),
        (&["check", "--fi"], set(["--fix"])),
        (&["check", "--fix", "--in"], set(["--in-place"])),
        (&["rules", "--di"], set([])),
        (&["convert", "--to", "c"], set(["commandline"])),
        (&["help", "ex"], set(["explain"])),
        (&["explain", "mode-no"], set(["mode-not-octal"])),
        (&["explain", ""], set(codes())),
        (&["explain", "nothing-like-that"], set([])),
        (&["check", "ne"], set(["new guest.xml"])),
    ] {
        assert_eq!(desk.offers(shell, words), expected, "{shell}: {words:?}");
    }
    // Domains of libvirt, and files of here.
    let offered = desk.offers(shell, &["check", ""]);
    for name in ["db.xml", "web.xml"] {
        let path = desk.at("domains").join(name);
        assert!(
            offered.contains(&*path.to_string_lossy()),
            "{shell}: {offered:?}"
        );
    }
    assert!(offered.contains("new guest.xml"), "{shell}: {offered:?}");
}

/// What the program says it has is offered; what the program does not say is not asked here.
fn nothing_is_left_out(shell: &str) {
    let desk = Desk::new();
    let commands = help::commands();
    let offered = desk.offers(shell, &[""]);
    for (command, options) in &commands {
        assert!(offered.contains(command), "{shell}: {command}");
        let offered = desk.offers(shell, &[command, "--"]);
        assert!(!options.is_empty());
        for option in options {
            assert!(offered.contains(option), "{shell}: {option} of {command}");
        }
    }
}

#[test]
fn bash() {
    words_are_offered("bash");
    nothing_is_left_out("bash");
}

#[test]
fn zsh() {
    words_are_offered("zsh");
    nothing_is_left_out("zsh");
}

#[test]
fn fish() {
    words_are_offered("fish");
    nothing_is_left_out("fish");
}
