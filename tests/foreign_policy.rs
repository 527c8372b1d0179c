//! Policy that others wrote, as `doctor` reads it: the files that libvirt's package installs, and
//! patterns of every kind. What a pattern matches, the real `apparmor_parser` judges.
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

use std::fs;

use policy::{Parser, Perms};
use virt_9p::apparmor::guest_access::OPEN;
use virt_9p::apparmor::pattern::Pattern;
use virt_9p::apparmor::policy::{Execution, allow, execution, rules};
use virt_9p::doctor::workaround::{self, Opened, What};

const ABSTRACTION: &str = "/etc/apparmor.d/abstractions/libvirt-qemu";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn opened(what: What, names: &[&str]) -> Vec<Opened> {
    let one = |name: &&str| Opened {
        guest: "web".to_owned(),
        name: name.as_bytes().to_vec(),
        what,
    };
    names.iter().map(one).collect()
}

/// What a share can reasonably be, near what the abstraction is about.
fn shares() -> Vec<Opened> {
    let names = [
        "/srv/share",
        "/home/me",
        "/home",
        "/tmp/share",
        "/var/lib",
        "/var/lib/libvirt",
        "/opt",
        "/",
        "/data/a b",
    ];
    opened(What::Share, &names)
}

/// What raw arguments can name beside shares, likewise.
fn files() -> Vec<Opened> {
    let names = [
        "/dev/shm/looking-glass",
        "/dev/shm/spice.1",
        "/dev/shm/qemu_back_mem.XXXXXX",
        "/dev/input/event4",
        "/dev/kvm",
        "/dev/kvmfr0",
        "/dev/vfio/vfio",
        "/dev/vfio/1",
        "/dev/hwrng",
        "/dev/sda",
        "/home/me/.pulse-cookie",
        "/home/me/x",
        "/run/docker.sock",
        "/run/user/1000/pulse/native",
        "/srv/a.qcow2",
        "/tmp/pulse-x/native",
        "/tmp/x",
        "/var/lib/libvirt/images/a.img",
        "/var/tmp/x",
    ];
    opened(What::File(true), &names)
}

#[test]
#[ignore = "needs libvirt's AppArmor policy"]
fn what_libvirt_ships_opens_no_share_and_no_path() {
    let text = read(ABSTRACTION);
    // 9.0 has some 150 of them; that they are read at all is half of the test.
    assert!(rules(&text).len() > 100, "{}", rules(&text).len());
    for opened in [shares(), files(), Vec::new()] {
        assert_eq!(workaround::lines_of_file(ABSTRACTION, &text, &opened), []);
    }
}

#[test]
#[ignore = "needs libvirt's AppArmor policy"]
fn a_rule_of_the_admins_is_found_among_them() {
    let text = read(ABSTRACTION);
    let line = text.lines().count() + 1;
    let edited = format!("{text}  \"/srv/share/{{,**}}\" rw,\n");
    let lines = workaround::lines_of_file(ABSTRACTION, &edited, &shares());
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let hint = lines[0].hint.clone().unwrap();
    assert!(
        hint.starts_with(&format!("{ABSTRACTION}:{line}: ")),
        "{hint}"
    );
}

#[test]
#[ignore = "needs libvirt's AppArmor policy"]
fn the_daemons_profile_says_where_a_hook_may_be() {
    let rules = rules(&read("/etc/apparmor.d/usr.sbin.libvirtd"));
    for (program, expected) in [
        ("/usr/sbin/virt-9p", Execution::Leaves),
        ("/usr/bin/virt-9p", Execution::Leaves),
        ("/etc/libvirt/hooks/qemu", Execution::Stays),
        ("/etc/libvirt/hooks/qemu.d/virt-9p", Execution::Stays),
        ("/usr/local/sbin/virt-9p", Execution::Refused),
        ("/opt/virt-9p", Execution::Refused),
        ("/usr/sbin/apparmor_parser", Execution::Refused),
    ] {
        assert_eq!(execution(&rules, program.as_bytes()), expected, "{program}");
    }
}

/// A text of up to `most` of these parts, behind a slash.
fn made_of(random: &mut fastrand::Rng, parts: &[&str], most: usize) -> String {
    let mut text = "/".to_owned();
    for _ in 0..random.usize(1..=most) {
        text.push_str(parts[random.usize(..parts.len())]);
    }
    // The kernel has no names with two slashes, and the parser makes them one.
    while text.contains("//") {
        text = text.replace("//", "/");
    }
    text
}

#[test]
#[ignore = "needs real apparmor_parser"]
fn patterns_match_what_the_parser_says() {
    let seed = std::env::var("VIRT9P_SEED")
        .map_or_else(|_| fastrand::u64(..1_000_000), |s| s.parse().unwrap());
    eprintln!("VIRT9P_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let pattern_parts = [
        "a",
        "b",
        "/",
        "/",
        "*",
        "**",
        "?",
        "[ab]",
        "[^a]",
        "[a-c]",
        "{a,b}",
        "{,*}",
        "{a/,b}",
        "{a,b{c,**}}",
        "{/,}",
        "\\141",
        "\\052",
    ];
    let name_parts = ["a", "b", "c", "/", "/", "ab", "*"];
    let parser = Parser::new();
    let (mut asked, mut matched) = (0, 0);
    for _ in 0..300 {
        let pattern = made_of(&mut random, &pattern_parts, 7);
        let profile = format!("profile x {{\n  \"{pattern}\" r,\n}}\n");
        let Ok(policy) = parser.compile(profile.as_bytes()) else {
            panic!("the parser refuses {pattern}");
        };
        let ours = Pattern::new(&pattern);
        for _ in 0..200 {
            let name = made_of(&mut random, &name_parts, 6);
            let granted = policy.perms(name.as_bytes()) != Perms::none();
            assert_eq!(
                ours.matches(name.as_bytes()),
                granted,
                "pattern {pattern} name {name}"
            );
            asked += 1;
            matched += usize::from(granted);
        }
    }
    eprintln!("{asked} names, {matched} match");
    assert!(
        matched > asked / 20,
        "too few match to say anything: {matched} of {asked}"
    );
}

/// What is taken to be open to every guest is, by the files of libvirt and AppArmor here. Another root
/// with them may be named by `VIRT9P_POLICY`.
#[test]
fn what_is_taken_to_be_open_is_open() {
    let root = std::env::var("VIRT9P_POLICY").unwrap_or_default();
    let mut all = rules(&read(&format!("{root}{ABSTRACTION}")));
    for base in ["base", "consoles"] {
        all.extend(rules(&read(&format!(
            "{root}/etc/apparmor.d/abstractions/{base}"
        ))));
    }
    let mut closed = Vec::new();
    for (letters, names) in OPEN {
        for name in names.split(' ') {
            // Below a directory, some name.
            let below = if name.ends_with('/') { "1" } else { "" };
            let name = format!("{name}{below}");
            if !allow(&all, name.as_bytes(), letters) {
                closed.push((name, letters));
            }
        }
    }
    assert!(closed.is_empty(), "{closed:?}");
}
