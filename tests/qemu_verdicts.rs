//! The linter against a real QEMU: whatever QEMU refuses to start with must be an error, and
//! whatever it starts with must not be one.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_CASES` says how many cases there are in all (4200), and
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
#[allow(dead_code, reason = "each test uses its part")]
mod judge;
#[path = "support/linter.rs"]
mod linter;
#[path = "support/shares.rs"]
mod shares;

use cases::{Case, Dialect};
use fastrand::Rng;
use linter::{Finding, Versions};
use shares::Shares;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

const CASES: u64 = 4200;

/// One way of making cases, and its part of all of them in a hundred.
struct Family {
    name: &'static str,
    percent: u64,
    case: fn(&mut Rng, &Shares) -> Case,
}

/// Where we say error and QEMU starts, on purpose. There is no list for the other way round: what
/// QEMU refuses is an error, always.
struct Stricter {
    why: &'static str,
    /// Whether other builds of QEMU refuse it: then it is an answer to a refusal, too.
    by_build: bool,
    applies: fn(&Case, &Finding) -> bool,
}

const STRICTER: &[Stricter] = &[
    Stricter {
        why: "a mode in binary is a number to a QEMU built with glibc 2.38",
        by_build: true,
        applies: |_, finding| {
            let message = finding.message.to_ascii_lowercase();
            finding.code == "mode-not-octal" && message.contains("mode=0b")
        },
    },
    Stricter {
        why: "a mode that is not written in octal is not the mode QEMU uses (644 is 0204)",
        by_build: false,
        applies: |case, finding| {
            finding.code == "mode-not-octal" && modes_of(case).any(|mode| octal(mode).is_none())
        },
    },
    Stricter {
        why: "QEMU drops set-user-id and its like, and anything above",
        by_build: false,
        applies: |case, finding| {
            let above = |mode: &str| octal(mode).is_some_and(|mode| mode > 0o777);
            finding.code == "mode-out-of-range" && modes_of(case).any(above)
        },
    },
    Stricter {
        why: "a mode without the owner's bits locks QEMU out, though not one run as root, as here",
        by_build: false,
        applies: |case, finding| {
            let narrow = |mode: &str| octal(mode).is_none_or(|mode| mode & 0o700 != 0o700);
            finding.code == "mode-owner" && modes_of(case).any(narrow)
        },
    },
    Stricter {
        why: "a bare 0x in an address is 0 to a QEMU built before glibc 2.38",
        by_build: true,
        applies: |_, finding| {
            let bare = ["0x`", "0x."]
                .iter()
                .any(|bare| finding.message.contains(bare));
            finding.code == "address-invalid" && bare
        },
    },
];

/// The texts of all modes among the raw words.
fn modes_of(case: &Case) -> impl Iterator<Item = &str> {
    let words = case.raw.iter().flat_map(|word| word.split(','));
    words.filter_map(|word| {
        let (key, value) = word.split_once('=')?;
        (key.ends_with("fmode") || key.ends_with("dmode")).then_some(value)
    })
}

/// A mode as it should be written: digits of octal with a 0 before them.
fn octal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('0')?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| u64::from_str_radix(text, 8).ok()).flatten()
}

#[test]
#[ignore = "needs real QEMU"]
fn modes() {
    run(&Family {
        name: "modes",
        percent: 15,
        case: cases::modes::case,
    });
}

#[test]
#[ignore = "needs real QEMU"]
fn options() {
    run(&Family {
        name: "options",
        percent: 20,
        case: cases::options::case,
    });
}

#[test]
#[ignore = "needs real QEMU"]
fn devices() {
    run(&Family {
        name: "devices",
        percent: 15,
        case: cases::devices::case,
    });
}

#[test]
#[ignore = "needs real QEMU"]
fn topologies() {
    run(&Family {
        name: "topologies",
        percent: 25,
        case: cases::topology::case,
    });
}

#[test]
#[ignore = "needs real QEMU"]
fn models() {
    let known = cases::models::learn(|words| judge::verdict(words).accepted);
    for (machine, [pci, others]) in
        [("pc", [110, 40]), ("q35", [110, 40]), ("microvm", [0, 20])].into_iter()
    {
        let known = &known[["pc", "q35", "microvm"]
            .iter()
            .position(|one| *one == machine)
            .unwrap()];
        let of_pci = known.iter().filter(|one| one.is_pci).count();
        say(&format!(
            "models: {of_pci} of PCI and {} others start alone on {machine}",
            known.len() - of_pci
        ));
        assert!(of_pci >= pci && known.len() - of_pci >= others, "{known:?}");
    }
    run(&Family {
        name: "models",
        percent: 25,
        case: cases::models::case,
    });
}

/// Guards the generator: were libvirt's own side refused, a refusal would prove nothing.
#[test]
#[ignore = "needs real QEMU"]
fn libvirts_side_alone_is_accepted() {
    let shares = Shares::new();
    let seed = seed();
    for number in 0..total() / 42 {
        let mut case = cases::topology::case(&mut random(seed, number), &shares);
        case.raw.clear();
        case.overrides.clear();
        let verdict = judge::verdict(&case.argv());
        assert!(
            verdict.accepted,
            "seed {seed} case {number}: {:?}\n{}",
            case.argv(),
            verdict.stderr
        );
    }
}

/// Guards the judge: were everything accepted, or everything refused, it would prove nothing.
#[test]
#[ignore = "needs real QEMU"]
fn the_judge_knows_right_from_wrong() {
    let shares = Shares::new();
    let share = |rest: &str| format!("local,id=s,path={}{rest}", shares.path("a"));
    let device = "virtio-9p-pci,fsdev=s,mount_tag=t";
    for (fsdev, device, message) in [
        (share(",security_model=mapped"), device, None),
        (share(",security_model=mapped,fmode=644"), device, None),
        (
            share(",security_model=mapped,fmode=0999"),
            device,
            Some("Parameter 'fmode' expects a number"),
        ),
        (
            share(",security_model=none,dmode=0755"),
            device,
            Some("dmode is only valid for mapped security modes"),
        ),
        (
            share(",security_model=mapped"),
            "virtio-9p-pci,fsdev=s,mount_tag=t,bus=pcie.0,addr=0",
            Some("PCI: slot 0 function 0 not available for virtio-9p-pci"),
        ),
    ] {
        let words = ["-machine", "q35", "-fsdev", &fsdev, "-device", device];
        let verdict = judge::verdict(&cases::words(&words));
        assert_eq!(verdict.accepted, message.is_none(), "{}", verdict.stderr);
        assert!(
            verdict.stderr.contains(message.unwrap_or("")),
            "{}",
            verdict.stderr
        );
    }
}

/// What a family came to.
#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    /// How often each reason to be stricter was needed.
    excused: BTreeMap<&'static str, u64>,
    mismatches: Vec<(u64, String)>,
}

fn run(family: &Family) {
    let seed = seed();
    let installed = judge::version();
    let shares = Shares::new();
    let numbers = match number("VIRT9P_CASE") {
        Some(one) => one..one + 1,
        None => 0..total() * family.percent / 100,
    };
    say(&format!(
        "{}: VIRT9P_SEED={seed}, {} cases, QEMU {installed}",
        family.name,
        numbers.end - numbers.start
    ));

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
                    let case = (family.case)(&mut random(seed, number), &shares);
                    let outcome = compare(&case, &shares, &installed);
                    count(&mut tally.lock().unwrap(), number, outcome);
                }
            });
        }
    });

    let mut tally = tally.into_inner().unwrap();
    let all = tally.accepted + tally.refused;
    say(&format!(
        "{}: {} accepted and {} refused by QEMU, {} mismatches",
        family.name,
        tally.accepted,
        tally.refused,
        tally.mismatches.len()
    ));
    for (why, times) in &tally.excused {
        say(&format!("{}: stricter {times} times: {why}", family.name));
    }
    tally.mismatches.sort_unstable();
    let report: String = tally
        .mismatches
        .iter()
        .map(|(number, text)| {
            format!(
                "\n=== {}: VIRT9P_SEED={seed} VIRT9P_CASE={number}\n{text}",
                family.name
            )
        })
        .collect();
    assert!(report.is_empty(), "{report}");
    if number("VIRT9P_CASE").is_none() && all >= 100 {
        let least = all / 5;
        assert!(
            tally.accepted >= least && tally.refused >= least,
            "{}: too one-sided to prove anything",
            family.name
        );
    }
}

enum Outcome {
    Agree {
        accepted: bool,
        reasons: BTreeSet<&'static str>,
    },
    Differ {
        accepted: bool,
        text: String,
    },
}

fn compare(case: &Case, shares: &Shares, installed: &str) -> Outcome {
    let versions = match case.dialect {
        Dialect::Json | Dialect::ForcedText => Versions {
            libvirt: "9.0.0".to_owned(),
            qemu: installed.to_owned(),
        },
        Dialect::OldText => Versions {
            libvirt: "7.0.0".to_owned(),
            qemu: "5.2.0".to_owned(),
        },
    };
    let xml = case.xml();
    let argv = case.argv();
    let verdict = judge::verdict(&argv);
    let report = linter::check(&xml, &versions, shares.root());

    let accepted = verdict.accepted;
    // Errors that are ours alone excuse nothing and prove nothing: one that has its reason is not
    // to hide another that has none, nor to pass for what QEMU refused.
    let mut reasons = BTreeSet::new();
    let mut errors = Vec::new();
    // No other hook makes a missing directory here: what check warns of, QEMU refuses.
    let missing = |finding: &&Finding| finding.code == "path-missing" && finding.level == "warning";
    for finding in report
        .errors()
        .chain(report.findings.iter().filter(missing))
    {
        match STRICTER.iter().find(|rule| (rule.applies)(case, finding)) {
            Some(rule) if accepted || !rule.by_build => drop(reasons.insert(rule.why)),
            _ => errors.push(finding),
        }
    }
    if accepted == errors.is_empty() {
        return Outcome::Agree { accepted, reasons };
    }

    let mut text = String::new();
    let _ = writeln!(
        text,
        "QEMU {}, we found {} errors that are not ours alone",
        if accepted { "starts" } else { "refuses" },
        errors.len()
    );
    let _ = writeln!(text, "{xml}");
    let quoted: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    let _ = writeln!(text, "{} {}", judge::program(), quoted.join(" "));
    let _ = writeln!(text, "{}", verdict.stderr.trim_end());
    for finding in &report.findings {
        let Finding {
            code,
            level,
            message,
        } = finding;
        let _ = writeln!(text, "{level}[{code}]: {message}");
    }
    let _ = writeln!(text, "{}", report.line);
    Outcome::Differ { accepted, text }
}

fn count(tally: &mut Tally, number: u64, outcome: Outcome) {
    let accepted = match outcome {
        Outcome::Agree { accepted, reasons } => {
            for why in reasons {
                *tally.excused.entry(why).or_default() += 1;
            }
            accepted
        }
        Outcome::Differ { accepted, text } => {
            tally.mismatches.push((number, text));
            accepted
        }
    };
    if accepted {
        tally.accepted += 1;
    } else {
        tally.refused += 1;
    }
}

/// Each case has its own numbers, so that one can be repeated without those before it.
fn random(seed: u64, number: u64) -> Rng {
    Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// One for all tests of a run.
fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| number("VIRT9P_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000)))
}

fn total() -> u64 {
    number("VIRT9P_CASES").unwrap_or(CASES)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

/// To the terminal even when the test passes: a log without the seed cannot be repeated.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
