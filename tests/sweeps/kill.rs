//! SIGKILL at every system call in turn. It comes as the call is entered, so the call is not made:
//! together with the next one, that is before and after each.

use crate::calls::{self, Call, Fault};
use crate::situation::{
    Compiled, SITUATIONS, Situation, not_healed, not_released, profile, sweep, wrong,
};

const SIGKILL: i32 = 9;

#[test]
#[ignore = "needs strace and apparmor_parser"]
fn a_kill_at_any_system_call_leaves_the_old_or_the_new_profile() {
    let mut compiled = Compiled::new();
    let mut total = 0;
    for situation in &SITUATIONS {
        let (old, new) = situation.profiles();
        for profile in [&old, &new].into_iter().flatten() {
            compiled.check(profile);
        }
        let host = situation.host(old.as_deref());
        let calls = calls::record(&host, situation.operation, &situation.xml());
        assert_eq!(profile(&host), new, "{}", situation.name);
        // The next call is the same again, or a release: the guest was not started after all.
        let cases: Vec<(&Call, bool)> = calls
            .iter()
            .flat_map(|call| [(call, false), (call, true)])
            .collect();
        sweep(&cases, 2, |(call, release)| {
            killed(situation, &old, &new, call, *release)
                .map(|what| format!("{}, killed at {call:?}: {what}", situation.name))
        });
        eprintln!("{}: {} system calls", situation.name, calls.len());
        total += cases.len();
    }
    eprintln!(
        "kill sweep: {total} cases, {} profiles compiled",
        compiled.count()
    );
    assert!(total > 500, "only {total} cases: not the whole program");
}

fn killed(
    situation: &Situation,
    old: &Option<Vec<u8>>,
    new: &Option<Vec<u8>>,
    call: &Call,
    release: bool,
) -> Option<String> {
    let host = situation.host(old.as_deref());
    let ended = calls::inject(
        &host,
        situation.operation,
        &situation.xml(),
        call,
        Fault::Kill,
    );
    if ended.signal != Some(SIGKILL) {
        return Some(format!("it was not killed: {ended:?}"));
    }
    wrong(&host, old, new).or_else(|| {
        if release {
            not_released(&host, situation)
        } else {
            not_healed(&host, situation, new)
        }
    })
}

/// What a crash of the whole machine needs, which no test can make: the content is on the disk
/// before the name points to it, and the directory's entry after.
#[test]
#[ignore = "needs strace"]
fn content_is_synced_before_the_name_and_the_directory_after() {
    for situation in &SITUATIONS {
        let (old, new) = situation.profiles();
        if old == new {
            continue;
        }
        let host = situation.host(old.as_deref());
        let calls = calls::record(&host, situation.operation, &situation.xml());
        let order: Vec<&str> = calls
            .iter()
            .map(|call| call.name.as_str())
            .filter(|name| ["write", "fsync"].contains(name) || name.starts_with("rename"))
            .collect();
        let rename = order.iter().position(|name| name.starts_with("rename"));
        let rename = rename.unwrap_or_else(|| panic!("{}: {order:?}", situation.name));
        assert_eq!(
            (&order[rename - 2..rename], order.get(rename + 1)),
            (&["write", "fsync"][..], Some(&"fsync")),
            "{}: {order:?}",
            situation.name
        );
    }
}
