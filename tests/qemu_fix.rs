//! `check --fix` with a real QEMU as its judge. Domains that were right until somebody slipped are
//! fixed: what `check` then calls free of errors starts; the words in which nothing was wrong stay,
//! and what had one right answer is again what was meant, but for ids and addresses.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_FIXES` says how many domains there are (300), and
//! `VIRT9P_CASE` picks one by its number. `VIRT9P_QEMU` names another QEMU.

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/cases/mod.rs"]
#[allow(dead_code)] // each test uses its part
mod cases;
#[path = "support/judge.rs"]
#[allow(dead_code)] // each test uses its part
mod judge;
#[path = "support/linter.rs"]
mod linter;
#[path = "support/shares.rs"]
mod shares;

use cases::broken::{self, Broken};
use cases::{Case, Dialect};
use fastrand::Rng;
use linter::Versions;
use serde_json::Value;
use shares::Shares;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const DOMAINS: u64 = 300;

#[test]
#[ignore = "needs real QEMU"]
fn what_is_fixed_starts_and_is_what_was_meant() {
    let seed = number("VIRT9P_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let numbers = match number("VIRT9P_CASE") {
        Some(one) => one..one + 1,
        None => 0..number("VIRT9P_FIXES").unwrap_or(DOMAINS),
    };
    let installed = judge::version();
    let shares = Shares::new();
    let next = AtomicU64::new(numbers.start);
    let tally = Mutex::new(Tally::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        break;
                    }
                    let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                    let broken = broken::case(&mut rng, &shares);
                    let outcome = judge(&broken, &shares, &installed);
                    tally.lock().unwrap().count(number, &broken, outcome);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    let Tally {
        clear,
        fixed,
        other,
        other_fixed,
        ..
    } = tally;
    let line = format!(
        "fixes: VIRT9P_SEED={seed}, QEMU {installed}: {fixed} of {clear} with one right answer are free of errors, \
         {other_fixed} of {other} others\n"
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
    let mut report = String::new();
    for (number, text) in &tally.wrong {
        let _ = writeln!(
            report,
            "\n=== VIRT9P_SEED={seed} VIRT9P_CASE={number}\n{text}"
        );
    }
    assert!(report.is_empty(), "{report}");
    if clear >= 50 {
        assert!(
            fixed * 10 >= clear * 8,
            "too few became so: {:?}",
            tally.left
        );
        // Of every kind of fault, too: one that is never fixed is a small part of all.
        let rare: Vec<_> = tally
            .alone
            .iter()
            .filter(|(_, (all, fixed))| *fixed < all * 8 / 10)
            .collect();
        assert!(rare.is_empty(), "{rare:?}: {:?}", tally.left);
        // A generator whose domains are never refused would prove nothing.
        assert!(
            tally.refused * 2 >= clear,
            "{} refused before",
            tally.refused
        );
        assert!(other > other_fixed, "what needs a decision is left");
    }
}

#[derive(Default)]
struct Tally {
    /// Domains in which all has one right answer, and those of them that became free of errors.
    clear: u64,
    fixed: u64,
    other: u64,
    other_fixed: u64,
    /// Of those with one fault alone, by what it is: how many there are, and became free of errors.
    alone: BTreeMap<&'static str, (u64, u64)>,
    /// Those that QEMU refused before.
    refused: u64,
    /// What was wrong with those that did not.
    left: BTreeMap<String, u64>,
    wrong: BTreeMap<u64, String>,
}

impl Tally {
    fn count(&mut self, number: u64, broken: &Broken, outcome: Outcome) {
        let (all, fixed) = match broken.is_clear {
            true => (&mut self.clear, &mut self.fixed),
            false => (&mut self.other, &mut self.other_fixed),
        };
        // One in which there was nothing to do says nothing about doing it.
        if !broken.faults.is_empty() {
            *all += 1;
            *fixed += u64::from(outcome.is_free);
        }
        if let ([fault], true) = (broken.faults.as_slice(), broken.is_clear) {
            let (all, fixed) = self.alone.entry(fault).or_default();
            *all += 1;
            *fixed += u64::from(outcome.is_free);
        }
        self.refused += u64::from(outcome.was_refused);
        if broken.is_clear && !outcome.is_free {
            let left = format!("{}: {}", broken.faults.join(", "), outcome.codes.join(", "));
            *self.left.entry(left).or_default() += 1;
        }
        if let Some(wrong) = outcome.wrong {
            self.wrong.insert(number, wrong);
        }
    }
}

struct Outcome {
    is_free: bool,
    was_refused: bool,
    /// Of the errors that are left.
    codes: Vec<String>,
    wrong: Option<String>,
}

fn judge(broken: &Broken, shares: &Shares, installed: &str) -> Outcome {
    let case = &broken.case;
    let versions = match case.dialect {
        Dialect::OldText => Versions {
            libvirt: "7.0.0".to_owned(),
            qemu: "5.2.0".to_owned(),
        },
        _ => Versions {
            libvirt: "9.0.0".to_owned(),
            qemu: installed.to_owned(),
        },
    };
    let xml = case.xml();
    let was_refused = !judge::verdict(&case.argv()).accepted;
    let (status, after) = fix(&xml, &versions, shares);
    let report = linter::check(&after, &versions, shares.root());
    let codes: Vec<String> = report.errors().map(|error| error.code.clone()).collect();
    let is_free = codes.is_empty();
    let raw = raw_words(&after);
    let fixed = Case {
        raw: raw.clone(),
        ..case.clone()
    };
    let mut wrong = Vec::new();
    if (status == 0) != is_free {
        wrong.push(format!("the exit status is {status}"));
    }
    if fix(&after, &versions, shares).1 != after {
        wrong.push("a second time changes it again".to_owned());
    }
    if other_lines(&xml) != other_lines(&after) {
        wrong.push("bytes elsewhere change".to_owned());
    }
    let verdict = judge::verdict(&fixed.argv());
    if is_free && !verdict.accepted {
        wrong.push("QEMU refuses it".to_owned());
    }
    let (meant, got) = (content(&broken.meant), content(&raw));
    if is_free && broken.is_clear && meant != got {
        wrong.push(format!("it is not what was meant:\n{meant:?}\n{got:?}"));
    }
    // Words in which nothing was wrong, but for those that name a thing that has another name now.
    let kept = content(&case.raw)
        .intersection(&meant)
        .cloned()
        .collect::<BTreeSet<_>>();
    if !kept.is_subset(&got) {
        wrong.push(format!("words without a fault change:\n{kept:?}\n{got:?}"));
    }
    let wrong = (!wrong.is_empty()).then(|| {
        let stderr = &verdict.stderr;
        format!(
            "{}\n{:?}\n{xml}\n{after}\n{stderr}\n{}",
            wrong.join("\n"),
            broken.faults,
            report.line
        )
    });
    Outcome {
        is_free,
        was_refused,
        codes,
        wrong,
    }
}

/// Runs `check --fix`: its exit status, and the document.
fn fix(xml: &str, versions: &Versions, shares: &Shares) -> (i32, String) {
    let output = linter::call(&["check", "--fix"], xml, versions, shares.root());
    let status = output.status.code().expect("an exit status");
    (status, String::from_utf8(output.stdout).unwrap())
}

const TAG: &str = "<qemu:arg value='";

/// The raw words, as the generator writes them.
fn raw_words(xml: &str) -> Vec<String> {
    let raw = xml
        .split(TAG)
        .skip(1)
        .map(|rest| rest.split('\'').next().unwrap());
    raw.map(|raw| {
        let plain = raw
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&apos;", "'")
            .replace("&quot;", "\"");
        plain.replace("&amp;", "&")
    })
    .collect()
}

fn other_lines(xml: &str) -> String {
    xml.lines()
        .filter(|line| !line.contains(TAG))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the words say, whatever the form: options, and keys with values. Ids and addresses are left
/// out, because another is as good.
fn content(words: &[String]) -> BTreeSet<Vec<(String, String)>> {
    // An option takes the next word, unless that is one itself.
    let starts = (0..words.len()).filter(|at| {
        let before = at
            .checked_sub(1)
            .map_or("", |before| words[before].as_str());
        words[*at].starts_with('-') || !before.starts_with('-')
    });
    starts
        .map(|at| {
            let next = words.get(at + 1).filter(|next| !next.starts_with('-'));
            let mut keys = vec![("option".to_owned(), words[at].clone())];
            let argument = next.map_or("", |word| word.as_str());
            if argument.starts_with('{') {
                let object: Value = serde_json::from_str(argument).unwrap_or_default();
                let members = object.as_object().into_iter().flatten();
                keys.extend(members.map(|(key, value)| (key.clone(), plain(value))));
            } else {
                let argument = argument.replace(",,", "\0");
                for (number, word) in argument.split(',').enumerate() {
                    let (key, value) = word.split_once('=').unwrap_or(match words[at].as_str() {
                        "-device" if number == 0 => ("driver", word),
                        _ => (word, ""),
                    });
                    keys.push((key.to_owned(), value.replace('\0', ",")));
                }
            }
            keys.retain(|(key, _)| !["id", "fsdev", "bus", "addr"].contains(&key.as_str()));
            keys.sort();
            keys
        })
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "on".to_owned(),
        other => other.to_string(),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}
