//! What `convert` makes of a domain, and whether libvirt's schema takes it.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Converts a domain by these options, looking at nothing else; what it makes, and what it says.
pub fn convert(xml: &str, options: &[&str], label: &str) -> (String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_virt-9p"))
        .args(["convert", "--no-host"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(xml.as_bytes());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{label}: {stderr}\n{xml}");
    (String::from_utf8(output.stdout).unwrap(), stderr)
}

/// By libvirt's own schema, as `virsh edit` asks for.
pub fn is_valid(xml: &str, label: &str) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(xml.as_bytes()).unwrap();
    let output = Command::new("virt-xml-validate")
        .arg(file.path())
        .arg("domain")
        .output()
        .expect("these tests need virt-xml-validate");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{label}: {stderr}\n{xml}");
}
