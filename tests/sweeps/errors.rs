//! Every system call in turn fails, once and from then on, with every error of the list; the
//! profile directory has room for a part of the profile only; streams are closed, full or slow.
//!
//! What must come of it: the hook ends with 0 or 1 within its bound, never by a signal and never
//! with an internal error; with 1 only where a raw share was to be granted, with a message, and
//! with the old profile untouched; nothing on stdout. The next call makes everything right.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::calls::{self, Call, Ended, Fault};
use crate::rawshare::{self, Host, run, said};
use crate::situation::{SITUATIONS, Situation, not_healed, profile, strays, sweep, wrong};

const ERRORS: [&str; 7] = [
    "EIO", "ENOSPC", "EACCES", "EROFS", "EINTR", "EMFILE", "ENOMEM",
];

/// The hook waits fifteen seconds for a lock, and then some for a busy machine.
const BOUND: Duration = Duration::from_secs(30);

/// Where no descriptor is ever closed the hook waits for a lock of its own: those waits overlap.
const AT_ONCE: usize = 6;

/// These last: a disk stays full, a policy stays as it is, descriptors stay used up. (EINTR for
/// ever would be an error of the test: no handler of ours could interrupt a call so often.)
const LASTING: [&str; 3] = ["ENOSPC", "EACCES", "EMFILE"];

fn faults() -> impl Iterator<Item = Fault> {
    let once = ERRORS.into_iter().map(Fault::Error);
    once.chain(LASTING.into_iter().map(Fault::ErrorFrom))
}

/// Before `main` neither we nor libvirt are asked: the C library and Rust's runtime end the
/// process themselves when the thread's own memory, its stack or its streams cannot be set up
/// (glibc's csu/libc-tls.c; std's sys::init and stack_overflow). These calls, and no others, may
/// be fatal; nothing was read or written by then.
const FATAL_AT_START: [&str; 6] = [
    "arch_prctl",
    "brk",
    "mmap",
    "mprotect",
    "poll",
    "rt_sigaction",
];

/// How a refusal begins.
const REFUSAL: &str = "virt-9p: guest `oracle` was not started: ";

/// POSIX gives these no errors, so nobody looks for one; prlimit64 is getrlimit of our own.
/// Whether a thread has to be waited for (futex) is another matter in each run. Linux answers a
/// brk that it refuses with the old end of the heap, never with an error (brk(2)): the C library
/// takes an injected one for an address.
const CANNOT_FAIL: [&str; 6] = [
    "brk",
    "exit_group",
    "futex",
    "geteuid",
    "getpid",
    "prlimit64",
];

/// Where a share was asked for, status 0 without its rules is right only when not even the XML
/// could be read: nothing says then that the domain has raw shares.
fn may_miss_the_share(call: &Call) -> bool {
    call.input
}

#[test]
#[ignore = "needs strace"]
fn any_system_call_may_fail_with_any_error() {
    let (mut swept, mut total) = (0, 0);
    let refused = Mutex::new(0);
    for situation in &SITUATIONS {
        let (old, new) = situation.profiles();
        let host = situation.host(old.as_deref());
        let calls = calls::record(&host, situation.operation, &situation.xml());
        let own = |call: &&Call| !call.startup && !CANNOT_FAIL.contains(&call.name.as_str());
        let cases: Vec<(&Call, Fault)> = calls
            .iter()
            .filter(own)
            .flat_map(|call| faults().map(move |fault| (call, fault)))
            .collect();
        sweep(&cases, AT_ONCE, |(call, fault)| {
            let host = situation.host(old.as_deref());
            let mut ended =
                calls::inject(&host, situation.operation, &situation.xml(), call, *fault);
            if ended.status == Some(1) {
                *refused.lock().unwrap() += 1;
                // Where every write fails, stderr takes none either.
                if call.name == "write" && matches!(fault, Fault::ErrorFrom(_)) {
                    ended.stderr.insert_str(0, REFUSAL);
                }
            }
            judge(situation, &host, call, &ended, (&old, &new))
                .or_else(|| not_healed(&host, situation, &new))
                .map(|what| {
                    format!(
                        "{}, {fault:?} at {call:?}: {what}\n  {ended:?}",
                        situation.name
                    )
                })
        });
        swept += calls.iter().filter(own).count();
        total += cases.len();
    }
    let refused = refused.into_inner().unwrap();
    eprintln!("error sweep: {swept} system calls, {total} cases, {refused} of them refused");
    assert!(swept > 400 && refused > 200, "not the whole program");
}

fn judge(
    situation: &Situation,
    host: &Host,
    call: &Call,
    ended: &Ended,
    (old, new): (&Option<Vec<u8>>, &Option<Vec<u8>>),
) -> Option<String> {
    if !ended.injected {
        return Some("strace injected nothing".to_owned());
    }
    bad_end(ended, situation.may_refuse())
        .or_else(|| wrong(host, old, new))
        .or_else(|| {
            let now = profile(host);
            match ended.status {
                Some(1) if now != *old => Some("refused, and the profile changed".to_owned()),
                Some(0) if situation.may_refuse() && now != *new && !may_miss_the_share(call) => {
                    Some("started without the rules for its share".to_owned())
                }
                _ => None,
            }
        })
}

/// What is wrong with how the process ended, whatever is on the disk.
fn bad_end(ended: &Ended, may_refuse: bool) -> Option<String> {
    let complaint = if ended.signal.is_some() {
        "died by a signal"
    } else if ended.took > BOUND {
        "took too long"
    } else if !ended.stdout.is_empty() {
        "wrote to stdout"
    } else if ended.stderr.contains("internal error") || ended.stderr.contains("panicked") {
        "panicked"
    } else {
        match ended.status {
            Some(0) if ended.stderr.is_empty() => return None,
            Some(0) => "says something and ends with 0",
            Some(1) if !may_refuse => "refused a start that is none of its business",
            Some(1) if ended.stderr.starts_with(REFUSAL) => return None,
            Some(1) => "refused without a message",
            _ => "another status",
        }
    };
    Some(complaint.to_owned())
}

/// The calls of the runtime, with the weaker demand: what ends the process there is on the list,
/// and nothing was written by then.
#[test]
#[ignore = "needs strace"]
fn only_known_calls_before_main_are_fatal() {
    let situation = &SITUATIONS[0];
    let (old, new) = situation.profiles();
    let host = situation.host(old.as_deref());
    let calls = calls::record(&host, situation.operation, &situation.xml());
    let cases: Vec<(&Call, Fault)> = calls
        .iter()
        .filter(|call| call.startup)
        .flat_map(|call| faults().map(move |fault| (call, fault)))
        .collect();
    let fatal = Mutex::new(BTreeMap::<String, usize>::new());
    sweep(&cases, AT_ONCE, |(call, fault)| {
        let host = situation.host(old.as_deref());
        let ended = calls::inject(&host, situation.operation, &situation.xml(), call, *fault);
        let died = ended.signal.is_some() || !matches!(ended.status, Some(0..=2));
        if died {
            *fatal.lock().unwrap().entry(call.name.clone()).or_default() += 1;
            if !FATAL_AT_START.contains(&call.name.as_str()) {
                return Some(format!("{fault:?} at {call:?} is fatal: {ended:?}"));
            }
        }
        let wrong = wrong(&host, &old, &new).or_else(|| not_healed(&host, situation, &new));
        wrong.map(|what| format!("{fault:?} at {call:?}: {what}\n  {ended:?}"))
    });
    eprintln!(
        "before main: {} cases, fatal: {:?}",
        cases.len(),
        fatal.into_inner().unwrap()
    );
}

/// A tmpfs of a few pages is what a full disk really is: a write comes back short, the next one
/// fails; without inodes not even the temporary file can be made.
#[test]
#[ignore = "needs root, to mount"]
fn a_full_disk_leaves_the_old_profile() {
    let situation = SITUATIONS
        .iter()
        .find(|situation| situation.name == "changed share")
        .unwrap();
    let (old, _) = situation.profiles();
    let old = old.unwrap();
    // An admin's comment makes the profile larger than a page or two.
    let long = |pages: usize| {
        let mut long = "# a line of the admin's own that is as long as such lines are\n"
            .repeat(pages * 64)
            .into_bytes();
        long.extend_from_slice(&old);
        long
    };
    let mut outcomes = BTreeMap::<Option<i32>, usize>::new();
    for pages in 0..4 {
        let profile_before = long(pages);
        for room in 1..=12 {
            let output = on_a_small_disk(
                situation,
                &profile_before,
                &format!("size={}k,nr_inodes=16", 4 * room),
            );
            *outcomes.entry(output).or_default() += 1;
        }
        for inodes in 2..=5 {
            let output = on_a_small_disk(
                situation,
                &profile_before,
                &format!("size=1m,nr_inodes={inodes}"),
            );
            *outcomes.entry(output).or_default() += 1;
        }
    }
    eprintln!("full disk: {outcomes:?}");
    assert!(
        outcomes.get(&Some(0)).is_some_and(|fine| *fine > 5)
            && outcomes.get(&Some(1)).is_some_and(|refused| *refused > 5),
        "{outcomes:?}"
    );
}

/// Runs the hook with a profile directory on such a tmpfs; the exit status, `None` when not even
/// the old profile found room. The mount is in a namespace of its own and goes away with it.
fn on_a_small_disk(situation: &Situation, before: &[u8], options: &str) -> Option<i32> {
    const SCRIPT: &str = "mount -t tmpfs -o \"$2\" none \"$1/etc/apparmor.d/libvirt\" || exit 77
        cp -p \"$1/TEMPLATE\" \"$1/etc/apparmor.d/libvirt/TEMPLATE.qemu\" || exit 78
        cp -p \"$1/before\" \"$3\" || exit 78
        \"$4\" hook --root \"$1\" oracle prepare begin - <\"$1/input\"
        status=$?
        cp \"$3\" \"$1/after\"
        ls -A \"$1/etc/apparmor.d/libvirt\" >\"$1/names\"
        exit $status";
    let host = situation.host(None);
    let at = |name: &str| host.path(name);
    fs::rename(at("etc/apparmor.d/libvirt/TEMPLATE.qemu"), at("TEMPLATE")).unwrap();
    fs::write(at("before"), before).unwrap();
    fs::write(at("input"), situation.xml()).unwrap();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", SCRIPT, "sh"])
        .arg(host.root())
        .arg(options)
        .arg(host.profile_path())
        .arg(rawshare::program())
        .output()
        .unwrap();
    let after = fs::read(at("after")).unwrap_or_default();
    match output.status.code() {
        Some(78) => return None,
        Some(0) => assert!(
            after != before && after.len() > before.len() / 2,
            "{options}"
        ),
        Some(1) => {
            assert!(after == before, "{options}: the old profile changed");
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(
                told.contains("No space left on device") && told.contains("has room"),
                "{options}: {told}"
            );
        }
        _ => panic!("{options}: {}", said(&output)),
    }
    let names = fs::read_to_string(at("names")).unwrap();
    assert_eq!(names.lines().count(), 2, "{options}: {names}");
    output.status.code()
}

/// A write beyond the limit is a signal (SIGXFSZ) before it is an error, and that ends a process.
#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    for situation in &SITUATIONS {
        let (old, new) = situation.profiles();
        for blocks in 0..3 {
            let host = situation.host(old.as_deref());
            let (op, subop) = situation.operation;
            let mut shell = Command::new("sh");
            let script = format!("ulimit -f {blocks}; exec \"$@\"");
            shell.args(["-c", &script, "sh"]).arg(rawshare::program());
            shell.args(["hook", "--root"]).arg(host.root());
            shell.args([rawshare::NAME, op, subop, "-"]);
            let output = run(shell, &situation.xml());
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let now = profile(&host);
            let what = format!("{}, {blocks} blocks: {}", situation.name, said(&output));
            match output.status.code() {
                Some(0) => assert!(told.is_empty() && (now == new || now == old), "{what}"),
                Some(1) if situation.may_refuse() => {
                    assert!(told.contains("LimitFSIZE") && now == old, "{what}");
                }
                _ => panic!("{what}"),
            }
            // What was there before may be there still.
            assert!(not_healed(&host, situation, &new).is_none(), "{what}");
            assert!(blocks > 0 || old == new || now == old, "no limit: {what}");
        }
    }
}

/// Streams of all kinds: the XML in single bytes, stderr closed or full, stdin a directory or
/// closed.
#[test]
fn streams_may_be_slow_closed_or_full() {
    let situation = &SITUATIONS[0];
    let (_, new) = situation.profiles();
    let xml = situation.xml();

    // One byte at a time.
    let host = situation.host(None);
    let mut child = hook(&host).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for byte in xml.as_bytes() {
        stdin.write_all(std::slice::from_ref(byte)).unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(profile(&host), new);

    // A refusal that nobody can read is still a refusal, and a grant without stdout one.
    let wrong = xml.replace("fmode=0644", "fmode=644");
    for (how, xml, expected) in [
        ("2>&-", &wrong, 1),
        ("2>/dev/full", &wrong, 1),
        (">&- 2>&-", &xml, 0),
        (">/dev/full", &xml, 0),
    ] {
        let host = situation.host(None);
        let output = run(redirected(&host, how), xml);
        assert_eq!(output.status.code(), Some(expected), "{how}");
        assert_eq!(profile(&host).is_some(), expected == 0, "{how}");
        assert!(strays(&host).is_empty());
    }

    // No XML at all: nobody's business.
    for how in ["<&-", "</", "</dev/null"] {
        let host = situation.host(None);
        assert_eq!(
            redirected(&host, how).output().unwrap().status.code(),
            Some(0),
            "{how}"
        );
        assert_eq!(profile(&host), None, "{how}");
    }
}

/// The hook, started by a shell that redirects its streams.
fn redirected(host: &Host, how: &str) -> Command {
    let script = format!("exec \"$@\" {how}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(rawshare::program());
    shell.args(["hook", "--root"]).arg(host.root());
    shell.args(["oracle", "prepare", "begin", "-"]);
    shell
}

fn hook(host: &Host) -> Command {
    let mut command = Command::new(rawshare::program());
    command.args(["hook", "--root"]).arg(host.root());
    command.args(["oracle", "prepare", "begin", "-"]);
    command
}

/// The shipped binary has no unwind tables, and must not look for them.
#[test]
fn an_error_is_an_error_with_rust_backtrace_too() {
    let mut command = Command::new(rawshare::program());
    command.args(["check", "/nonexistent.xml"]);
    command.env("RUST_BACKTRACE", "1");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

/// A file system of somebody's own may answer with an error that the C library has no words for:
/// the shipped binary has not even the code that would write its number there.
#[test]
#[ignore = "needs strace"]
fn an_error_without_a_name_is_told_by_its_number() {
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "inject=openat:error=300",
    ]);
    command.arg(rawshare::program());
    command.args(["check", "/etc/hostname"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("(os error 300)"), "{told}");
}
