//! Every example of the catalogue, run through `virt-9p check`: it shows its finding and no other,
//! and the fixed text shows none.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use virt_9p::lint::catalogue::Code;

#[path = "support/example.rs"]
mod example;
#[path = "support/host.rs"]
mod host;

use host::host;

/// What the host is like where it matters; for all others it is [`host_of_examples`].
enum Host {
    /// The example's path stands for this one, below this root.
    Elsewhere(&'static str, &'static str),
    /// The example's process number stands for that of a process in a directory that is gone.
    Gone,
}

/// The examples that need another host.
const HOSTS: &[(Code, Host)] = &[
    // procfs takes no user attributes, on any kernel and without a mount.
    (Code::PathNoXattr, Host::Elsewhere("/media/stick", "/fs")),
    (Code::PathUnstable, Host::Gone),
];

/// Findings that cannot but come along.
const COMPANIONS: &[(Code, Code, &str)] = &[(
    Code::ModeIgnored,
    Code::AddressAutomatic,
    "-virtfs takes no address",
)];

/// A host with the directories of the examples, where QEMU runs as a user of its own.
fn host_of_examples() -> tempfile::TempDir {
    let root = host();
    let at = |path: &str| root.path().join(path);
    for dir in [
        "srv/other",
        "srv/images",
        "srv/one two",
        "srv/one   two",
        "srv/one\ntwo",
        "srv/locked",
        "home/alice/share",
        "home/bob",
        "dev/share",
    ] {
        fs::create_dir_all(at(dir)).unwrap();
    }
    std::os::unix::fs::symlink("/srv/other", at("home/bob/link")).unwrap();
    fs::create_dir_all(at("tmp")).unwrap();
    fs::set_permissions(at("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    drop(std::os::unix::net::UnixListener::bind(at("tmp/there.sock")).unwrap());
    for written in [
        "srv/share",
        "srv/other",
        "srv/images",
        "srv/one two",
        "srv/one   two",
        "srv/one\ntwo",
        "dev/share",
        "home/alice/share",
        "etc",
    ] {
        fs::set_permissions(at(written), PermissionsExt::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(at("home/bob"), PermissionsExt::from_mode(0o777)).unwrap();
    for open in ["", "srv", "home", "dev"] {
        fs::set_permissions(at(open), PermissionsExt::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(at("home/alice"), PermissionsExt::from_mode(0o700)).unwrap();
    for (path, text) in [
        ("srv/images/disk.raw", ""),
        ("dev/kvmfr0", ""),
        ("etc/passwd", "libvirt-qemu:x:64055:108::/:/bin/false\n"),
        ("etc/group", "libvirt-qemu:x:108:\n"),
    ] {
        fs::write(at(path), text).unwrap();
    }
    fs::set_permissions(at("dev/kvmfr0"), PermissionsExt::from_mode(0o666)).unwrap();
    root
}

/// A process whose working directory is gone: no name leads to where `/proc/PID/cwd` does.
struct InAGoneDirectory(Child);

impl InAGoneDirectory {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sleeper = Command::new("sleep")
            .arg("600")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        directory.close().unwrap();
        InAGoneDirectory(sleeper)
    }
}

impl Drop for InAGoneDirectory {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Code words, in the order found, each once.
fn found(code: Code, text: &str, root: &Path) -> Vec<String> {
    let mut sleeper = None;
    let special = HOSTS.iter().find(|(other, _)| *other == code);
    let (xml, root) = match special.map(|(_, host)| host) {
        Some(Host::Elsewhere(from, to)) => {
            assert!(text.contains(from), "{}", code.word());
            (example::domain(&text.replace(from, to)), Path::new("/proc"))
        }
        Some(Host::Gone) => {
            let gone = InAGoneDirectory::new();
            let cwd = format!("/proc/{}/cwd", gone.0.id());
            sleeper = Some(gone);
            assert!(text.contains("/proc/4711/root/srv/share"));
            let text = text.replace("/proc/4711/root/srv/share", &cwd);
            (example::domain(&text), Path::new("/"))
        }
        None => (example::domain(text), root),
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("example.xml");
    fs::write(&file, &xml).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_virt-9p"))
        .args(["check", "--format", "json", "--root"])
        .arg(root)
        .args(code.entry().example.options.split_whitespace())
        .arg(&file)
        .output()
        .unwrap();
    drop(sleeper);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.is_empty(), "{}: {said}\n{xml}", code.word());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut words = Vec::new();
    for finding in report["findings"].as_array().unwrap() {
        let word = finding["code"].as_str().unwrap().to_owned();
        // What is wrong with a path is one thing, which element libvirt has for it another.
        let element = Code::NativeEquivalent;
        let companion = word == element.word() && code != element
            || COMPANIONS
                .iter()
                .any(|(of, other, _)| *of == code && other.word() == word);
        if !companion && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

#[test]
fn every_example_shows_its_finding_and_no_other() {
    let root = host_of_examples();
    let wrong: Vec<String> = Code::ALL
        .iter()
        .filter_map(|code| {
            let words = found(*code, code.entry().example.text, root.path());
            (words != [code.word()]).then(|| format!("{}: found {words:?}", code.word()))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_fixed_example_is_in_order() {
    let root = host_of_examples();
    let mut fixes = 0;
    for code in Code::ALL {
        if let Some(fixed) = code.entry().example.fixed {
            let words = found(*code, fixed, root.path());
            assert!(words.is_empty(), "{}: found {words:?}", code.word());
            fixes += 1;
        }
    }
    // Where there is one way to fix it, it is shown; this is how many there are today.
    assert!(fixes >= 40, "{fixes}");
}
