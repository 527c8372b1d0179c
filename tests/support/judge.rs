//! The judge: a real QEMU, asked whether it would start.
//!
//! QEMU parses its words, builds the machine and creates every device before it looks at `-S`,
//! so a start that is stopped at once gives the same verdict as a start that boots a guest, and
//! takes about 30 ms.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far above the 100 ms of a cold start; who needs longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The words every case starts with. No network, no display, no host acceleration.
pub const STILL: [&str; 8] = [
    "-S",
    "-nodefaults",
    "-display",
    "none",
    "-accel",
    "tcg",
    "-m",
    "64",
];

/// A monitor on standard input, whose answers nobody reads.
pub const CONTROL: [&str; 4] = [
    "-chardev",
    "stdio,id=control",
    "-mon",
    "chardev=control,mode=control",
];

/// What QEMU said.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// QEMU created everything and answered on QMP.
    pub accepted: bool,
    /// Its standard error: why not, or its warnings.
    pub stderr: String,
}

/// The program under `VIRT9P_QEMU`, or the one in PATH.
pub fn program() -> String {
    std::env::var("VIRT9P_QEMU").unwrap_or_else(|_| "qemu-system-x86_64".to_owned())
}

/// `7.2.22`, from the first line of `--version`.
pub fn version() -> String {
    let output = Command::new(program())
        .arg("--version")
        .output()
        .expect("these tests need qemu-system-x86_64");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .skip_while(|word| *word != "version")
        .nth(1)
        .unwrap_or_else(|| panic!("no version in {text:?}"))
        .to_owned()
}

/// Would QEMU start with these words?
///
/// # Panics
/// When QEMU neither accepts nor refuses: killed, hung, or another exit status.
pub fn verdict(words: &[String]) -> Verdict {
    let mut child = Command::new(program())
        .args(STILL)
        .args(["-qmp", "stdio"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need qemu-system-x86_64");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // Written before QEMU reads. When it has already refused, the write fails, and that is fine.
    let _ = stdin.write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"quit\"}\n");

    let start = Instant::now();
    // Polled, because the standard library has no wait with a deadline. What QEMU writes meanwhile
    // (a greeting and a message or two) is far below what a pipe holds.
    let status = loop {
        if let Some(status) = child.try_wait().expect("wait for QEMU") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("QEMU did not answer within {PATIENCE:?}: {words:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    drop(stdin);

    let mut output = Output {
        status,
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    if let Some(out) = out.as_mut() {
        out.read_to_end(&mut output.stdout).expect("read QMP");
    }
    if let Some(err) = err.as_mut() {
        err.read_to_end(&mut output.stderr).expect("read stderr");
    }
    judge(&output, words)
}

fn judge(output: &Output, words: &[String]) -> Verdict {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let greeted = output.stdout.starts_with(b"{\"QMP\":");
    let accepted = match (output.status.code(), greeted) {
        (Some(0), true) => true,
        (Some(1), _) => false,
        _ => panic!("QEMU ended with {}: {words:?}\n{stderr}", output.status),
    };
    Verdict { accepted, stderr }
}
