//! The modes that the linter says files and directories will get, against the modes they get: a
//! real QEMU, a real 9p client, `stat` on the host.

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/emulated.rs"]
mod emulated;
#[path = "support/judge.rs"]
#[allow(dead_code)] // shared with the tests of verdicts
mod judge;
#[path = "support/linter.rs"]
mod linter;
#[path = "support/ninep.rs"]
#[allow(dead_code)] // shared with the guest of real hosts
mod ninep;
#[path = "support/qtest.rs"]
#[allow(dead_code)] // shared with the guest of real hosts
mod qtest;
#[path = "support/shares.rs"]
#[allow(dead_code)] // shared with the tests of verdicts
mod shares;

use emulated::Emulated;
use linter::{Finding, Report};
use ninep::Guest;
use shares::Shares;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// What libvirt starts QEMU with (qemu_process.c: virCommandSetUmask).
const UMASK: u32 = 0o002;

const EACCES: u32 = 13;

/// Texts for fmode and dmode, and what QEMU 7.2.22 makes of them below umask 002. The numbers are
/// from runs, not from our reading of them.
const TABLE: &[(&str, u32)] = &[
    ("0600", 0o600),
    ("0640", 0o640),
    ("0644", 0o644),
    ("0660", 0o660),
    ("0664", 0o664),
    ("0666", 0o664),
    ("0700", 0o700),
    ("0755", 0o755),
    ("0770", 0o770),
    ("0777", 0o775),
    ("0702", 0o700),
    ("00644", 0o644),
    ("644", 0o204),
    ("755", 0o361),
    ("600", 0o130),
    ("640", 0o200),
    ("664", 0o230),
    ("700", 0o274),
    ("775", 0o405),
    ("420", 0o644),
    ("493", 0o755),
    ("0x1A4", 0o644),
    ("0X1ff", 0o775),
    ("+0644", 0o644),
    (" 0644", 0o644),
    ("1777", 0o361),
    ("07777", 0o775),
    ("04755", 0o755),
    ("-1", 0o775),
    ("-0644", 0o134),
    ("18446744073709551615", 0o775),
    ("0400", 0o400),
    ("0044", 0o044),
    ("01000", 0o000),
    ("0", 0o000),
];

/// Which share the text is for.
#[derive(Debug, Clone, Copy)]
enum Written {
    Fsdev(&'static str),
    /// `-virtfs` reads the modes and forgets them (facts Q1.5).
    Virtfs(&'static str),
    /// Twice: the last one counts.
    Twice,
    /// By `-set`, over another one.
    Set,
    /// By `-set` on what `-virtfs` made: that is not forgotten.
    VirtfsSet,
}

#[test]
#[ignore = "needs real QEMU"]
fn modes_are_what_the_linter_says() {
    let shares = Shares::new();
    let mut failures = Vec::new();
    for (number, (text, table)) in TABLE.iter().enumerate() {
        // Each model in turn; all of them treat modes alike (9p-local.c:local_open2, local_mkdir).
        let model = ["mapped", "mapped-xattr", "mapped-file"][number % 3];
        try_out(&shares, Written::Fsdev(model), text, *table, &mut failures);
    }
    for text in ["0644", "644", "0777"] {
        let table = TABLE.iter().find(|(known, _)| *known == text).unwrap().1;
        for written in [
            Written::Fsdev("mapped"),
            Written::Fsdev("mapped-xattr"),
            Written::Fsdev("mapped-file"),
            Written::Twice,
            Written::Set,
            Written::VirtfsSet,
        ] {
            try_out(&shares, written, text, table, &mut failures);
        }
    }
    for model in ["mapped", "mapped-file"] {
        // No text at all: QEMU's defaults.
        both(
            &shares,
            Written::Fsdev(model),
            None,
            0o600,
            0o700,
            &mut failures,
        );
        let forgotten = Some("0664");
        both(
            &shares,
            Written::Virtfs(model),
            forgotten,
            0o600,
            0o700,
            &mut failures,
        );
        both(
            &shares,
            Written::Virtfs(model),
            None,
            0o600,
            0o700,
            &mut failures,
        );
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn try_out(shares: &Shares, written: Written, text: &str, table: u32, failures: &mut Vec<String>) {
    both(shares, written, Some(text), table, table, failures);
}

/// One QEMU: makes a file and a directory, and compares table, host and linter.
fn both(
    shares: &Shares,
    written: Written,
    text: Option<&str>,
    file: u32,
    directory: u32,
    failures: &mut Vec<String>,
) {
    let share = shares.path("a");
    empty(&share);
    let words = words(written, text, &share);
    let mut qemu = Emulated::start(&words, std::path::Path::new(&shares.path("b")));
    let made = [make_file(&mut qemu.guest), make_directory(&mut qemu.guest)];
    drop(qemu);

    let report = linter::check(
        &emulated::domain(&words, ""),
        &emulated::versions(),
        shares.root(),
    );
    let things = [
        ("fmode", "file", file, 0o600),
        ("dmode", "directory", directory, 0o700),
    ];
    for ((key, name, expected, owner), made) in things.into_iter().zip(made) {
        let forgotten = matches!(written, Written::Virtfs(_));
        let said = claim(&report, key, if forgotten { None } else { text });
        let host = fs::metadata(format!("{share}/{name}"));
        let host = host.map(|data| data.mode() & 0o777).ok();
        let locked_out = expected & owner != owner;
        let fine = match made {
            Ok(()) => host == Some(expected) && (root() || !locked_out),
            // A mode that keeps QEMU from what it has just made. Root is not kept from anything.
            Err(EACCES) => locked_out && !root() && host.is_none_or(|mode| mode == expected),
            Err(_) => false,
        };
        let warned = !locked_out || report.errors().any(|f| f.message.contains(key));
        if !fine || said != Some(expected) || !warned {
            failures.push(format!(
                "{written:?} {key}={text:?}: table {expected:04o}, host {} {made:?}, \
                 linter {}\n{}",
                octal(host),
                octal(said),
                listed(&report)
            ));
        }
    }
    empty(&share);
}

fn octal(mode: Option<u32>) -> String {
    mode.map_or("none".to_owned(), |mode| format!("{mode:04o}"))
}

fn root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn listed(report: &Report) -> String {
    let lines = report.findings.iter().map(|finding| {
        let Finding {
            code,
            level,
            message,
        } = finding;
        format!("  {level}[{code}]: {message}\n")
    });
    lines.collect()
}

/// Makes a file; it is opened anew to be read, for QEMU keeps what it made open. The mode the guest
/// asks for shows in the extended attribute only.
fn make_file(guest: &mut Guest) -> Result<(), u32> {
    guest.create("file", 0o604, "made by a guest")?;
    assert_eq!(guest.read("file")?, "made by a guest");
    Ok(())
}

/// Makes a directory, and another one in it.
fn make_directory(guest: &mut Guest) -> Result<(), u32> {
    guest.mkdir("directory", 0o705)?;
    guest.mkdir("directory/inner", 0o705)
}

/// The words of a share.
fn words(written: Written, text: Option<&str>, share: &str) -> Vec<String> {
    let modes = |text: &str| format!(",fmode={text},dmode={text}");
    let given = text.map_or(String::new(), modes);
    let fsdev = |model: &str, modes: &str| {
        format!("local,id=share,path={share},security_model={model}{modes}")
    };
    let virtfs = |model: &str, modes: &str| {
        vec![
            "-virtfs".to_owned(),
            format!("local,path={share},mount_tag=share,security_model={model}{modes}"),
        ]
    };
    match written {
        Written::Fsdev(model) => emulated::with_fsdev(&fsdev(model, &given)),
        Written::Twice => {
            let other = modes("0604");
            emulated::with_fsdev(&fsdev("mapped", &format!("{other}{given}")))
        }
        Written::Set => {
            let mut words = emulated::with_fsdev(&fsdev("mapped", &modes("0604")));
            words.extend(set(text.unwrap()));
            words
        }
        Written::VirtfsSet => {
            let mut words = virtfs("mapped", "");
            words.extend(set(text.unwrap()));
            words
        }
        Written::Virtfs(model) => virtfs(model, &given),
    }
}

fn set(text: &str) -> Vec<String> {
    let set = |key| ["-set".to_owned(), format!("fsdev.share.{key}={text}")];
    ["fmode", "dmode"].into_iter().flat_map(set).collect()
}

/// The mode that the linter says things will have: in a finding about this key, else, as nobody
/// objected, the text read as octal.
fn claim(report: &Report, key: &str, text: Option<&str>) -> Option<u32> {
    let about_key = report.findings.iter().filter(|f| f.message.contains(key));
    if let Some(mode) = about_key.filter_map(|f| mode_in(&f.message)).next() {
        return Some(mode);
    }
    text.and_then(|text| u32::from_str_radix(text, 8).ok())
        .map(|mode| mode & !UMASK)
}

/// `0204` in a sentence that has `mode 0204`.
fn mode_in(message: &str) -> Option<u32> {
    message.match_indices("mode ").find_map(|(at, word)| {
        let digits = message.get(at + word.len()..at + word.len() + 4)?;
        let octal = digits.bytes().all(|digit| digit.is_ascii_digit());
        octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten()
    })
}

fn empty(share: &str) {
    for entry in fs::read_dir(share).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // It may have any mode now, one that keeps its owner out as well.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
    }
}
