//! What `tests/vm/image` does on a mirror that is older than its own lists allow, and what it says
//! when an image cannot be made: the real mmdebstrap and apt, on a repository of the test's own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A repository without packages, whose list has been out of date for long.
const RELEASE: &str = "\
Suite: any
Date: Thu, 01 Jan 2026 00:00:00 UTC
Valid-Until: Thu, 08 Jan 2026 00:00:00 UTC
Architectures: amd64
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 Packages
";

/// Builds the image of a suite from that repository, and returns what reached the terminal.
fn build(suite: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for directory in ["tests/vm", "repository", "programs"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/image");
    fs::copy(script, at("tests/vm/image")).unwrap();
    fs::write(at("repository/Release"), RELEASE).unwrap();
    fs::write(at("repository/Packages"), "").unwrap();
    // The real one, told where the packages are.
    let mirror = format!("deb [trusted=yes] copy:{} ./", at("repository").display());
    let path = std::env::var("PATH").unwrap();
    fs::write(
        at("programs/mmdebstrap"),
        format!("#!/bin/sh\nPATH='{path}' exec mmdebstrap \"$@\" '{mirror}'\n"),
    )
    .unwrap();
    fs::set_permissions(at("programs/mmdebstrap"), PermissionsExt::from_mode(0o755)).unwrap();

    let output = Command::new(at("tests/vm/image"))
        .arg(suite)
        .env("PATH", format!("{}:{path}", at("programs").display()))
        .output()
        .unwrap();
    assert!(!output.status.success(), "there is nothing to make it of");
    assert_eq!(
        output.stdout, b"",
        "the place of an image that is not there"
    );
    String::from_utf8(output.stderr).unwrap()
}

#[test]
#[ignore = "needs root and mmdebstrap"]
fn a_stale_list_of_sid_is_taken() {
    let said = build("sid");
    assert!(said.contains("did not find any indices"), "{said}");
    assert!(!said.contains("is expired"), "{said}");
}

#[test]
#[ignore = "needs root and mmdebstrap"]
fn why_an_image_cannot_be_made_reaches_the_terminal() {
    let said = build("bookworm");
    assert!(said.contains("Release is expired"), "{said}");
}
