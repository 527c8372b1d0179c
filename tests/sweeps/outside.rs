//! What the hook asks of others: no process, and of sockets the log's alone.

use std::process::Command;

use crate::situation::{PREPARE, SITUATIONS, profile};
use crate::{calls, rawshare};

#[test]
#[ignore = "needs strace"]
fn no_program_is_run_and_no_network_used() {
    for situation in &SITUATIONS {
        let (old, _) = situation.profiles();
        let host = situation.host(old.as_deref());
        let trace = calls::outside(&host, situation.operation, &situation.xml());
        // `PID  CALL(…`
        let without_pid = trace
            .lines()
            .map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' '));
        let calls: Vec<&str> = without_pid.filter(|line| line.contains('(')).collect();
        let [start, calls @ ..] = calls.as_slice() else {
            panic!("{}: no trace", situation.name);
        };
        assert!(start.starts_with("execve("), "{start}");
        let strangers: Vec<_> = calls
            .iter()
            .filter(|call| !is_the_log(call) && !is_a_thread(call))
            .collect();
        assert!(strangers.is_empty(), "{}: {strangers:#?}", situation.name);
        // The filter must not have hidden all: whoever writes rules, logs it.
        let logs = calls.iter().any(|call| call.starts_with("connect("));
        assert_eq!(logs, situation.logs(), "{}: {calls:#?}", situation.name);
    }
}

/// The end, and a thread, which looks at a share where a file system may be silent: no process.
fn is_a_thread(call: &str) -> bool {
    let thread = call.starts_with("clone") && call.contains("CLONE_THREAD");
    thread || call.starts_with("exit(") || call.starts_with("exit_group(")
}

/// A datagram to /dev/log, below --root by its descriptor, and nothing that could leave the host.
fn is_the_log(call: &str) -> bool {
    call.starts_with("socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0)")
        || (call.starts_with("connect(")
            && (call.contains("/dev/log\"") || call.contains("\"/proc/self/fd/")))
        || call.starts_with("setsockopt(")
        || call.starts_with("sendto(")
}

#[test]
#[ignore = "belongs to the sweeps"]
fn the_environment_changes_nothing() {
    let wrong = "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:commandline>\
        <qemu:arg value='-fsdev'/></qemu:commandline></domain>";
    for situation in &SITUATIONS {
        let (old, _) = situation.profiles();
        let run = |(op, subop): (&str, &str), xml: &str, environment: &[(&str, &str)]| {
            let host = situation.host(old.as_deref());
            let mut command = Command::new(rawshare::program());
            command.args(["hook", "--root"]).arg(host.root());
            command.args([rawshare::NAME, op, subop, "-"]).env_clear();
            let output = rawshare::run(
                {
                    command.envs(environment.iter().copied());
                    command
                },
                xml,
            );
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), output.stdout, log, profile(&host))
        };
        let hostile = [
            ("TMPDIR", "/nonexistent"),
            ("HOME", "/nonexistent"),
            ("RUST_BACKTRACE", "full"),
            ("RUST_MIN_STACK", "1"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("TZ", "../../etc/passwd"),
            ("COLUMNS", "1"),
            ("CLICOLOR_FORCE", "1"),
            ("LD_LIBRARY_PATH", "/nonexistent"),
            ("MALLOC_ARENA_MAX", "x"),
            // More than there is: the C library asks for so much at once (build.rs).
            ("MALLOC_TOP_PAD_", "999999999999999"),
            ("GLIBC_TUNABLES", "glibc.malloc.top_pad=999999999999999"),
        ];
        for (operation, xml) in [
            (situation.operation, situation.xml().as_str()),
            (PREPARE, wrong),
        ] {
            let plain = run(operation, xml, &[]);
            assert_eq!(run(operation, xml, &hostile), plain, "{}", situation.name);
        }
    }
}
