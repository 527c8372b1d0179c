//! The accused: `virt-9p check`, run as a program, read as JSON.

use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// One finding, as `check --format json` prints it.
#[derive(Debug, Clone)]
pub struct Finding {
    pub code: String,
    pub level: String,
    pub message: String,
}

/// What the linter says about one domain.
#[derive(Debug, Clone)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// The line as printed, for messages.
    pub line: String,
}

impl Report {
    /// The findings that would keep a domain from starting.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.level == "error")
    }
}

/// The versions the linter is to assume.
#[derive(Debug, Clone)]
pub struct Versions {
    pub libvirt: String,
    pub qemu: String,
}

/// Runs the linter with these words on `xml`, below `root`.
pub fn call(words: &[&str], xml: &str, versions: &Versions, root: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_virt-9p"))
        .args(words)
        .args(["--libvirt", &versions.libvirt, "--qemu", &versions.qemu])
        .arg("--root")
        .arg(root)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run virt-9p");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A program that ends without reading breaks the pipe; its output then tells more than that.
    let _ = stdin.write_all(xml.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("wait for virt-9p")
}

/// Runs `virt-9p check` on this XML, with the host's files looked up below `root`.
///
/// # Panics
/// When the output is not what the contract says, or its error count and exit status do not fit
/// its findings.
pub fn check(xml: &str, versions: &Versions, root: &Path) -> Report {
    let output = call(&["check", "--format", "json"], xml, versions, root);

    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let Ok(json) = serde_json::from_str::<Value>(&line) else {
        panic!(
            "virt-9p: {}, no JSON: {line:?}\n{stderr}\n{xml}",
            output.status
        );
    };
    let findings: Vec<Finding> = json["findings"]
        .as_array()
        .unwrap_or_else(|| panic!("no findings in {line}"))
        .iter()
        .map(|finding| Finding {
            code: text(finding, "code"),
            level: text(finding, "level"),
            message: text(finding, "message"),
        })
        .collect();
    let report = Report { findings, line };
    for finding in report.findings.iter().filter(|one| one.level == "warning") {
        says_on_what_it_depends(finding);
    }

    let errors = report.errors().count();
    assert_eq!(
        json["errors"].as_u64(),
        u64::try_from(errors).ok(),
        "the count does not fit the findings: {}",
        report.line
    );
    assert_eq!(
        output.status.code(),
        Some(i32::from(errors > 0)),
        "the exit status does not fit the findings: {}\n{stderr}",
        report.line
    );
    report
}

/// A warning that QEMU refuses to start says when it does.
fn says_on_what_it_depends(finding: &Finding) {
    let refuses = ["refuses to start", "does not start", "refuse to start"];
    let depends = [" because ", "unless ", "Under AppArmor", "others refuse"];
    let says = |words: &[&str]| words.iter().any(|word| finding.message.contains(word));
    assert!(
        !says(&refuses) || says(&depends),
        "on what does it depend? {}",
        finding.message
    );
}

fn text(finding: &Value, key: &str) -> String {
    finding[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {finding}"))
        .to_owned()
}
