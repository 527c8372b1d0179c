//! The profile of the hook itself, judged by the real `apparmor_parser`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/policy.rs"]
#[allow(dead_code, reason = "the other tests ask it for more")]
mod policy;

use policy::{Parser, Perms, Policy};

fn compiled() -> Policy {
    let text = include_str!("../packaging/apparmor/usr.sbin.virt-9p");
    // What the package leaves empty for the admin.
    let text = text.replace("#include <local/usr.sbin.virt-9p>", "");
    Parser::new().compile(text.as_bytes()).unwrap()
}

#[test]
#[ignore = "needs apparmor_parser"]
fn the_log_is_reached_by_every_name_of_its_socket() {
    let policy = compiled();
    for socket in [
        "/dev/log",
        "/run/systemd/journal/dev-log",
        // Bound by a systemd in the initrd, before /run was moved into the root.
        "/systemd/journal/dev-log",
    ] {
        let perms = policy.perms(socket.as_bytes());
        assert!(Perms::letters("w").within(perms), "{socket}: {perms:?}");
    }
    for other in ["/systemd/journal/socket", "/systemd/journal/dev-log/x"] {
        assert_eq!(policy.perms(other.as_bytes()), Perms::none(), "{other}");
    }
}

#[test]
#[ignore = "needs apparmor_parser"]
fn no_program_can_be_run() {
    let policy = compiled();
    for program in ["/bin/sh", "/usr/bin/systemctl", "/usr/sbin/virt-9p"] {
        let perms = policy.perms(program.as_bytes());
        assert_eq!(perms, Perms::none(), "{program}");
    }
}
