//! Whether a guest can write to its share, beside what `check` says: a real QEMU that runs as a
//! user of its own, as under libvirt, and a real 9p client that is root in its guest.
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
#[path = "support/qtest.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod qtest;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use emulated::Emulated;

/// The user that QEMU runs as: `nobody`, of `nogroup`.
const USER: u32 = 65534;
const RUN_AS: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

/// So that `check` knows.
const OTHER_USER: &str =
    "<seclabel type='static' model='dac' relabel='no'><label>nobody:nogroup</label></seclabel>";

const MODELS: [&str; 4] = [
    "mapped,fmode=0644,dmode=0755",
    "mapped-file,fmode=0644,dmode=0755",
    "none",
    "passthrough",
];

/// Owner, group, mode and access list of the directory.
const DIRECTORIES: [(u32, u32, u32, Option<&str>); 8] = [
    (USER, USER, 0o755, None),
    (USER, USER, 0o555, None),
    (0, 0, 0o755, None),
    (0, 0, 0o777, None),
    (0, USER, 0o775, None),
    (0, USER, 0o757, None),
    (0, 0, 0o755, Some("u:nobody:rwx")),
    (0, 0, 0o777, Some("u:nobody:r-x")),
];

/// Any of these says that the guest can read and not write.
const CODES: [&str; 3] = ["path-unwritable", "model-needs-root", "path-no-xattr"];

#[test]
#[ignore = "needs root and QEMU"]
fn what_cannot_be_written_is_said() {
    let mut wrong = Vec::new();
    let (mut can, mut cannot) = (0, 0);
    for directory in DIRECTORIES {
        for model in MODELS {
            let scratch = tempfile::tempdir().unwrap();
            fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o755)).unwrap();
            let sockets = scratch.path().join("sockets");
            make(&sockets, (USER, USER, 0o700, None));
            let share = scratch.path().join("share");
            make(&share, directory);
            let fsdev = format!(
                "local,id=share,path={},security_model={model}",
                share.display()
            );
            let words = emulated::with_fsdev(&fsdev);
            let mut qemu = Emulated::start_by(&RUN_AS, &words, &sockets);
            let made = qemu.guest.create("file", 0o644, "made by a guest");
            let report = linter::check(
                &emulated::domain(&words, OTHER_USER),
                &emulated::versions(),
                Path::new("/"),
            );
            let said = report
                .findings
                .iter()
                .any(|one| CODES.contains(&&*one.code));
            if made.is_ok() == said {
                wrong.push(format!("{directory:?} {model}: {made:?}\n{}", report.line));
            }
            *if made.is_ok() { &mut can } else { &mut cannot } += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{can} can be written to, {cannot} cannot");
    assert!(can >= 10 && cannot >= 10);
}

/// What `explain security-model` and README say: a mounted share keeps the guest where it is.
#[test]
#[ignore = "needs QEMU"]
fn a_mounted_share_cannot_be_saved() {
    let scratch = tempfile::tempdir().unwrap();
    let fsdev = format!(
        "local,id=share,path={},security_model=none",
        scratch.path().display()
    );
    let monitor = scratch.path().join("monitor");
    let mut words = emulated::with_fsdev(&fsdev);
    words.extend([
        "-qmp".to_owned(),
        format!("unix:{},server=on,wait=off", monitor.display()),
    ]);
    let qemu = Emulated::start(&words, scratch.path());
    let mut monitor = UnixStream::connect(monitor).unwrap();
    let mut answers = BufReader::new(monitor.try_clone().unwrap()).lines();
    let mut ask = |command: &str| {
        writeln!(monitor, "{{\"execute\":{command}}}").unwrap();
        let mut answers = answers.by_ref().map(Result::unwrap);
        answers
            .find(|line| line.contains("\"return\"") || line.contains("\"error\""))
            .unwrap()
    };
    ask("\"qmp_capabilities\"");
    let migrate = "\"migrate\",\"arguments\":{\"uri\":\"exec:cat >/dev/null\"}";
    let said = ask(migrate);
    assert!(said.contains("Migration is disabled"), "{said}");
    drop(qemu);
}

fn make(path: &Path, (owner, group, mode, list): (u32, u32, u32, Option<&str>)) {
    fs::create_dir(path).unwrap();
    chown(path, Some(owner), Some(group)).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    if let Some(list) = list {
        let status = Command::new("setfacl")
            .args(["-m", list])
            .arg(path)
            .status();
        assert!(status.expect("this test needs setfacl").success());
    }
}
