//! What `check` says of permissions against a real QEMU that runs as a user of its own, as under
//! libvirt: owners, groups, modes, access lists, closed parents, sticky directories and links, at
//! random, for each form of the table of what QEMU opens.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_CASES` says how many cases are tried, `VIRT9P_QEMU` names
//! another QEMU. What fs.protected_regular and its like are is taken as it is.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/emulated.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod emulated;
#[path = "support/judge.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod judge;
#[path = "support/linter.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod linter;
#[path = "support/ninep.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod ninep;
#[path = "support/path_words.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod path_words;
#[path = "support/qtest.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod qtest;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use path_words::{FORMS, Form};

/// The user that QEMU runs as: `nobody`, of `nogroup`.
const USER: u32 = 65534;
const OTHER: u32 = 12345;

/// So that `check` knows.
const LABEL: &str =
    "<seclabel type='static' model='dac' relabel='no'><label>nobody:nogroup</label></seclabel>";

/// What may be said of permissions.
const CODES: [&str; 2] = ["path-unreachable", "sticky-directory"];

/// Of each as often as it stands here.
const DIRECTORIES: [u32; 14] = [
    0o755, 0o755, 0o755, 0o755, 0o711, 0o777, 0o1777, 0o1777, 0o1775, 0o750, 0o700, 0o770, 0o705,
    0o2775,
];
const FILES: [u32; 12] = [
    0o644, 0o644, 0o666, 0o666, 0o666, 0o664, 0o660, 0o640, 0o600, 0o444, 0o606, 0o066,
];
const LISTS: [&str; 8] = [
    "u:nobody:rwx",
    "u:nobody:rw",
    "u:nobody:r",
    "u:nobody:-",
    "g:nogroup:rwx",
    "g:nogroup:-",
    "u:12345:rwx",
    "m::r",
];

/// What QEMU did.
struct Ran {
    accepted: bool,
    stderr: String,
}

fn run(words: &[String]) -> Ran {
    let mut child = Command::new("timeout")
        .args(["-s", "KILL", "60", "setpriv"])
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "sh",
            "-c",
        ])
        .args(["umask 002; exec \"$@\"", "sh"])
        .arg(judge::program())
        .args(judge::STILL)
        .args(judge::CONTROL)
        .args(words)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test needs setpriv and qemu-system-x86_64");
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended already.
    let _ = stdin.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some(), "{words:?}\n{stderr}");
    Ran {
        accepted: output.status.success(),
        stderr,
    }
}

/// Everything below a directory, the deepest last; and it.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut all = vec![directory.to_owned()];
    let mut at = 0;
    while let Some(path) = all.get(at).cloned() {
        at += 1;
        if path.is_dir() && !path.is_symlink() {
            all.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    all
}

/// Gives each of them to somebody.
fn shuffle(all: &[PathBuf], rng: &mut Rng, log: &mut String) {
    for path in all {
        let owner = [0, USER, OTHER, 0][rng.usize(..4)];
        let group = [0, USER, OTHER, 0][rng.usize(..4)];
        lchown(path, Some(owner), Some(group)).unwrap();
        let mut list = "";
        let mut mode = 0;
        if !path.is_symlink() {
            mode = match path.is_dir() {
                true => DIRECTORIES[rng.usize(..DIRECTORIES.len())],
                false => FILES[rng.usize(..FILES.len())],
            };
            fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
            if rng.usize(..6) == 0 {
                list = LISTS[rng.usize(..LISTS.len())];
                let mut set = Command::new("setfacl");
                let status = set.args(["-m", list, "--"]).arg(path).status();
                assert!(status.expect("this test needs setfacl").success());
            }
        }
        writeln!(log, "  {} {owner}:{group} {mode:o} {list}", path.display()).unwrap();
    }
}

/// One case: what is wrong, and whether QEMU was let in.
fn case(form: &Form, seed: u64, store: &path_words::Store) -> (Option<String>, bool) {
    let mut rng = Rng::with_seed(seed);
    let scratch = tempfile::Builder::new().prefix("r").tempdir().unwrap();
    fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let outer = scratch.path().join("o");
    let inner = outer.join("i");
    let target = outer.join("t");
    fs::create_dir_all(&inner).unwrap();
    fs::create_dir_all(&target).unwrap();
    let mut words = path_words::case(&[form], &mut rng, &inner, store);
    let made = below(&inner);
    // Some lie elsewhere, behind a link.
    for path in made
        .iter()
        .skip(1)
        .filter(|path| path.parent() == Some(&inner))
    {
        if rng.usize(..6) == 0 {
            let to = target.join(path.file_name().unwrap());
            fs::rename(path, &to).unwrap();
            symlink(&to, path).unwrap();
        }
    }
    let mut log = String::new();
    shuffle(&below(&outer), &mut rng, &mut log);
    // Half of the cases are about the file.
    if rng.bool() {
        for directory in [&outer, &inner, &target] {
            let mode = if rng.bool() { 0o755 } else { 0o1777 };
            fs::set_permissions(directory, PermissionsExt::from_mode(mode)).unwrap();
            writeln!(log, "  {} {mode:o}", directory.display()).unwrap();
        }
    }
    let escaped: Vec<String> = words.words.iter().map(|word| escape(word)).collect();
    let report = linter::check(
        &emulated::domain(&escaped, LABEL),
        &emulated::versions(),
        Path::new("/"),
    );
    let ran = run(&words.words);
    words.some_of.clear();
    let said = |level: &str| {
        let mut ours = report
            .findings
            .iter()
            .filter(|one| CODES.contains(&&*one.code));
        ours.any(|one| one.level == level)
    };
    let (error, warning) = (said("error"), said("warning"));
    let wrong = match (ran.accepted, error, warning) {
        (true, true, _) => "an error, and QEMU starts",
        (false, false, false) => "nothing said, and QEMU refuses",
        (false, false, true) if !is_lax(form) => "only a warning, and QEMU refuses",
        _ => return (None, ran.accepted),
    };
    let text = format!(
        "{wrong}: {:?}\n{log}{}\n{}\n",
        words.words, ran.stderr, report.line
    );
    (Some(text), ran.accepted)
}

/// Where whether QEMU refuses depends on more: a drive that nothing writes to is not written.
fn is_lax(form: &Form) -> bool {
    form.row.0 == "blockdev"
}

fn escape(word: &str) -> String {
    let word = word.replace('&', "&amp;").replace('<', "&lt;");
    word.replace('\'', "&apos;")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[ignore = "needs root, QEMU, setpriv, setfacl and openssl"]
fn who_is_kept_out_is_said() {
    let seed = number("VIRT9P_SEED").unwrap_or(97);
    let wanted = number("VIRT9P_CASES").unwrap_or(240);
    let mut rng = Rng::with_seed(seed);
    let keys = tempfile::tempdir().unwrap();
    let store = path_words::Store::new(keys.path());
    let forms: Vec<&Form> = FORMS.iter().filter(|form| !form.alone).collect();
    let mut cases: Vec<(&Form, u64)> = Vec::new();
    while (cases.len() as u64) < wanted {
        let mut some = forms.clone();
        rng.shuffle(&mut some);
        cases.extend(some.into_iter().map(|form| (form, rng.u64(..))));
    }
    let next = AtomicUsize::new(0);
    let [accepted, refused] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((form, seed)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (one, starts) = case(form, *seed, &store);
                    wrong.lock().unwrap().extend(one);
                    let count = if starts { &accepted } else { &refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("seed {seed}: {accepted:?} start, {refused:?} do not");
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let least = cases.len() / 4;
    let [accepted, refused] = [accepted.into_inner(), refused.into_inner()];
    assert!(accepted >= least && refused >= least);
}
