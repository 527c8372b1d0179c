//! The system calls of one run of the hook, and a run in which one of them goes wrong (strace).

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::rawshare::{self, Host};

/// Far above the fifteen seconds the hook waits for a lock.
const PATIENCE: Duration = Duration::from_secs(45);

/// One system call of a run: the `nth` of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub nth: usize,
    /// Made by the C library or Rust's runtime before `main`, or for `--root`, which libvirt does
    /// not give.
    pub startup: bool,
    /// Reads the XML.
    pub input: bool,
}

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// SIGKILL instead of the call.
    Kill,
    /// This error instead of the call.
    Error(&'static str),
    /// The same, and again at every later call of the name: a disk stays full.
    ErrorFrom(&'static str),
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Whether strace did what it was asked.
    pub injected: bool,
    pub took: Duration,
}

/// The system calls of a run that nothing disturbs. `execve` is left out: it is the one that
/// starts the program.
pub fn record(host: &Host, operation: (&str, &str), xml: &str) -> Vec<Call> {
    let ended = strace(host, operation, xml, &[]);
    assert_eq!(ended.signal, None, "{ended:?}");
    let mut calls: Vec<Call> = Vec::new();
    let mut startup = true;
    for line in trace(host).lines() {
        let Some((name, arguments)) = line.split_once('(') else {
            continue;
        };
        if name == "execve" || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        // The first thing the hook does is to read standard input.
        let input = name == "read" && arguments.starts_with("0,");
        startup &= !input;
        let nth = 1 + calls.iter().filter(|call| call.name == name).count();
        calls.push(Call {
            name: name.to_owned(),
            nth,
            startup,
            input,
        });
    }
    assert!(
        calls.iter().any(|call| call.startup) && calls.iter().any(|call| !call.startup),
        "not a trace of ours: {calls:?}"
    );
    calls
}

/// A run in which this call goes wrong.
pub fn inject(host: &Host, operation: (&str, &str), xml: &str, call: &Call, fault: Fault) -> Ended {
    let (name, nth) = (&call.name, call.nth);
    let what = match fault {
        Fault::Kill => format!("inject={name}:signal=KILL:when={nth}"),
        Fault::Error(error) => format!("inject={name}:error={error}:when={nth}"),
        Fault::ErrorFrom(error) => format!("inject={name}:error={error}:when={nth}+"),
    };
    let trace = format!("trace={name}");
    let mut how = vec!["-e", &trace, "-e", &what];
    // Stopped at this call alone, where strace stops a process at every one: a tenth of the
    // switches from one to the other. (It takes -f, and kills nobody then.)
    if !matches!(fault, Fault::Kill) {
        how.extend(["-f", "--seccomp-bpf"]);
    }
    strace(host, operation, xml, &how)
}

/// The calls of a run that start processes or use sockets, of whatever process.
pub fn outside(host: &Host, operation: (&str, &str), xml: &str) -> String {
    let ended = strace(host, operation, xml, &["-f", "-e", "trace=process,network"]);
    assert_eq!(ended.signal, None, "{ended:?}");
    trace(host)
}

/// What strace wrote about the last run.
pub fn trace(host: &Host) -> String {
    String::from_utf8_lossy(&fs::read(host.path("trace")).unwrap()).into_owned()
}

/// The hook on this host, below strace.
fn strace(host: &Host, (op, subop): (&str, &str), xml: &str, how: &[&str]) -> Ended {
    // Files and not pipes: nothing to deadlock on, whatever the hook does.
    let (input, out, err) = (host.path("input"), host.path("out"), host.path("err"));
    fs::write(&input, xml).unwrap();
    let begun = Instant::now();
    let mut child = Command::new("strace")
        .arg("-o")
        .arg(host.path("trace"))
        .args(["-s", "4096"])
        .args(how)
        .arg(rawshare::program())
        .args(["hook", "--root"])
        .arg(host.root())
        .args([rawshare::NAME, op, subop, "-"])
        .stdin(File::open(&input).unwrap())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .expect("these tests need strace");
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the hook does not end: {how:?}\n{}", trace(host));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let took = begun.elapsed();
    let trace = trace(host);
    let told = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let ended = Ended {
        status: status.code(),
        signal: status.signal(),
        stdout: told(out),
        stderr: told(err),
        injected: trace.contains("(INJECTED)") || trace.contains("+++ killed by SIGKILL +++"),
        took,
    };
    assert!(
        !ended.stderr.contains("strace:"),
        "strace itself failed: {}",
        ended.stderr
    );
    ended
}
