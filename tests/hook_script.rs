//! `hooks/qemu`, the script for libvirt before 6.6: it hands on what is the program's, and
//! whatever becomes of the program, no guest is stopped by it.
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
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "support/call.rs"]
mod call;
#[path = "support/host.rs"]
mod host;

use call::{feed, told};
use host::host;

const INSTALLED: &str = "/usr/sbin/virt-9p";

/// The operations of libvirt 4.0 to 12.8 (facts L1.6, L2.3).
const OPERATIONS: [(&str, &str); 9] = [
    ("prepare", "begin"),
    ("start", "begin"),
    ("started", "begin"),
    ("stopped", "end"),
    ("release", "end"),
    ("migrate", "begin"),
    ("restore", "begin"),
    ("reconnect", "begin"),
    ("attach", "begin"),
];

/// The script, with its program in a scratch directory.
struct Hook {
    directory: tempfile::TempDir,
}

impl Hook {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks/qemu");
        let mode = fs::metadata(&source).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "libvirt runs executable files only");
        let text = fs::read_to_string(source).unwrap();
        assert_eq!(text.matches(&format!("\n{INSTALLED} ")).count(), 1);
        let hook = Hook { directory };
        let program = hook.program().display().to_string();
        hook.write("qemu", &text.replace(INSTALLED, &program));
        hook
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("virt-9p")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Status, stdout and stderr.
    fn call(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        told(feed(
            Command::new(self.directory.path().join("qemu")).args(arguments),
            input.as_bytes(),
        ))
    }
}

#[test]
fn whatever_becomes_of_the_program_no_guest_is_stopped() {
    let hook = Hook::new();
    let states: [(&str, &dyn Fn()); 6] = [
        ("is not there", &|| ()),
        ("is no program", &|| hook.write("virt-9p", "\u{7f}ELF")),
        ("is killed", &|| {
            hook.write("virt-9p", "#!/bin/sh\nkill -9 $$\n")
        }),
        ("crashes", &|| {
            hook.write("virt-9p", "#!/bin/sh\nkill -SEGV $$\n")
        }),
        ("does not like the call", &|| {
            hook.write("virt-9p", "#!/bin/sh\nexit 2\n")
        }),
        ("may not be run", &|| {
            hook.write("virt-9p", "#!/bin/sh\nexit 1\n");
            fs::set_permissions(hook.program(), PermissionsExt::from_mode(0o644)).unwrap();
        }),
    ];
    for (state, make) in states {
        make();
        for (operation, suboperation) in OPERATIONS {
            let arguments = ["guest", operation, suboperation, "-"];
            let (status, out, _) = hook.call(&arguments, "<domain/>");
            assert_eq!((status, out.as_str()), (0, ""), "{state}: {operation}");
        }
        for arguments in [&[][..], &["guest"], &["guest", "prepare"]] {
            assert_eq!(hook.call(arguments, "").0, 0, "{state}: {arguments:?}");
        }
    }
}

#[test]
fn only_its_refusal_at_prepare_is_one() {
    let hook = Hook::new();
    hook.write("virt-9p", "#!/bin/sh\necho \"$@\" >&2\nexit 1\n");
    for (operation, suboperation) in OPERATIONS {
        let arguments = ["guest", operation, suboperation, "-"];
        let (status, out, err) = hook.call(&arguments, "<domain/>");
        // libvirt does not look at the status of `release`.
        let handed_on = matches!(operation, "prepare" | "release");
        assert_eq!(
            (status, out.as_str()),
            (i32::from(handed_on), ""),
            "{operation}"
        );
        assert_eq!(err.contains(&format!("hook guest {operation}")), handed_on);
    }
}

#[test]
fn the_real_program_grants_refuses_and_takes_back() {
    let hook = Hook::new();
    let host = host();
    let root = host.path();
    // What stands in for the program below a root hands its words on as they are.
    hook.write(
        "virt-9p",
        &format!(
            "#!/bin/sh\nexec '{}' --root '{}' \"$@\"\n",
            env!("CARGO_BIN_EXE_virt-9p"),
            root.display()
        ),
    );
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample/domain.xml");
    let good = fs::read_to_string(sample).unwrap();
    let bad = good.replace("fmode=0644", "fmode=644");
    let profile = root.join("etc/apparmor.d/libvirt/libvirt-5c1a6a1e-6d0e-4f0e-9a57-3f3f1d1c7b10");
    // A guest may be called like an option.
    for guest in ["web", "--help", "--root"] {
        let (status, out, err) = hook.call(&[guest, "prepare", "begin", "-"], &bad);
        assert_eq!((status, out.as_str()), (1, ""), "{guest}");
        assert!(err.contains("mode-not-octal"), "{err}");
        let (status, out, err) = hook.call(&[guest, "prepare", "begin", "-"], &good);
        assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""), "{guest}");
        assert!(
            fs::read_to_string(&profile)
                .unwrap()
                .contains("\"/srv/share/\" r,")
        );
        let (status, out, err) = hook.call(&[guest, "release", "end", "-"], &good);
        assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""), "{guest}");
        assert!(!fs::read_to_string(&profile).unwrap().contains("/srv/share"));
    }
}
