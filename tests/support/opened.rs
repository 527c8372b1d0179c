//! What a real QEMU opens: its system calls, by strace.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::judge;

/// What a run opened.
pub struct Ran {
    /// Names below the directory, and the letters that AppArmor would want.
    pub opened: Vec<(String, Vec<char>)>,
    /// What QEMU said.
    pub stderr: String,
}

/// Starts QEMU with these words and ends it; `dir` is where paths of ours lie.
pub fn run(words: &[String], dir: &Path) -> Ran {
    run_in(words, dir, &[])
}

/// The same with these variables.
pub fn run_in(words: &[String], dir: &Path, variables: &[(&str, &Path)]) -> Ran {
    let log = tempfile::Builder::new().prefix("strace").tempdir().unwrap();
    let calls = "trace=open,openat,openat2,creat,fcntl,bind,connect,unlink,unlinkat";
    let mut child = Command::new("timeout")
        .args([
            "-s",
            "KILL",
            "30",
            "strace",
            "-ff",
            "-y",
            "-xx",
            "-s",
            "4096",
            "--seccomp-bpf",
            "-e",
            calls,
            "-o",
        ])
        .arg(log.path().join("s"))
        .arg(judge::program())
        .args(judge::STILL)
        .args(judge::CONTROL)
        .args(words)
        .envs(variables.iter().copied())
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need strace and qemu-system-x86_64");
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended already.
    let _ = stdin.write_all(b"{\"execute\":\"qmp_capabilities\"}\n");
    if words.iter().any(|word| word.contains("stream")) {
        // It listens in a thread of its own, which nobody waits for.
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let _ = stdin.write_all(b"{\"execute\":\"quit\"}\n");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.code().is_some(), "QEMU hangs: {words:?}");
    let mut opened = Vec::new();
    for entry in fs::read_dir(log.path()).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        opened.extend(text.lines().filter_map(call));
    }
    let ours = format!("{}/", dir.display());
    // Of a QEMU in a root of its own strace names what is open by the host's names (-y).
    for (path, _) in &mut opened {
        if let Some(at) = path.find(&ours) {
            path.replace_range(..at, "");
        }
    }
    opened.retain(|(path, _)| path.starts_with(&ours));
    Ran {
        opened,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a run of networks did.
#[derive(Debug)]
pub struct Executes {
    /// What it executed, in that order.
    pub executed: Vec<String>,
    /// Nodes of networks that it opened, or tried to.
    pub nodes: Vec<String>,
}

/// Starts QEMU with these words in a network of its own, and ends it.
pub fn executes(words: &[String]) -> Executes {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new("unshare")
        .args([
            "-rn", "timeout", "-s", "KILL", "30", "strace", "-f", "-s", "4096",
        ])
        .args(["-e", "trace=execve,openat", "-o"])
        .arg(log.path())
        .arg(judge::program())
        .args(judge::STILL)
        .args(judge::CONTROL)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need unshare, strace and qemu-system-x86_64");
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended already.
    let _ = stdin.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n");
    drop(stdin);
    child.wait().unwrap();
    let text = fs::read_to_string(log.path()).unwrap();
    let named = |begin: &str| {
        let named = text.lines().filter_map(|line| {
            let (_, rest) = line.split_once(begin)?;
            Some(rest.split('"').next()?.to_owned())
        });
        named.collect::<Vec<_>>()
    };
    // Of a QEMU in a root of its own the first are its own start.
    let qemu = |one: &String| !one.contains("/qemu-system-") && !one.contains("/q-");
    let executed = named("execve(\"").into_iter().filter(qemu);
    let executed = executed.filter(|one| !one.ends_with("/chroot")).collect();
    let is_node = |one: &String| one == "/dev/net/tun" || one == "/dev/vhost-net";
    let nodes = named("openat(AT_FDCWD, \"").into_iter().filter(is_node);
    Executes {
        executed,
        nodes: nodes.collect(),
    }
}

/// Name and letters of one line of strace.
fn call(line: &str) -> Option<(String, Vec<char>)> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let failed = result.starts_with('-');
    match name {
        "open" | "openat" | "openat2" | "creat" if !failed => {
            let path = decode(arguments.split('"').nth(1)?);
            let flags = arguments.rsplit('"').next()?;
            let mut letters = Vec::new();
            if flags.contains("O_RDONLY") || flags.contains("O_RDWR") {
                letters.push('r');
            }
            let creates = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"];
            if creates.iter().any(|flag| flags.contains(flag)) {
                letters.push('w');
            }
            (!flags.contains("O_PATH")).then_some((path, letters))
        }
        // A lock; -y says of what.
        "fcntl" if arguments.contains("SETLK") && !arguments.contains("F_UNLCK") => {
            let path = arguments.split_once('<')?.1.split_once('>')?.0;
            Some((decode(path), vec!['k']))
        }
        // Whether or not somebody listens.
        "bind" | "connect" => {
            let path = arguments.split_once("sun_path=\"")?.1.split('"').next()?;
            Some((decode(path), vec!['r', 'w']))
        }
        "unlink" | "unlinkat" if !failed => Some((decode(arguments.split('"').nth(1)?), vec!['w'])),
        _ => None,
    }
}

/// `\x2f` and its like.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'\\' && after.first() == Some(&b'x') {
            let digits = std::str::from_utf8(&after[1..3]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[3..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}
