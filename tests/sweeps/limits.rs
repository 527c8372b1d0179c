//! What is refused because there is too much of it, at the very edge: what fits works, one more is
//! a message. (Ten thousand arguments and shares, deep and wide XML: tests/invocations.rs; the
//! largest domains that are granted compile in time: tests/apparmor_policy.rs.)

mod proportion;

use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use crate::rawshare::{Host, Share, domain_xml, said};
use crate::situation::{host, profile};

use virt_9p::apparmor::rules::{MOST_BYTES, MOST_SHARES};
use virt_9p::domain::MOST_XML;

fn share(path: String) -> Share {
    Share {
        path,
        readonly: false,
    }
}

/// The hook must grant (`None`), or refuse and say this, with nothing written.
fn expect(host: &Host, xml: &str, refusal: Option<&str>, what: &str) {
    let output = host.hook("prepare", "begin", xml);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    match refusal {
        None => {
            assert!(output.status.success(), "{what}: {}", said(&output));
            assert!(profile(host).is_some(), "{what}");
        }
        Some(message) => {
            assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
            assert!(told.contains(message), "{what}: {told}");
            assert_eq!(profile(host), None, "{what}");
        }
    }
}

#[test]
fn ten_mebibytes_of_xml() {
    let xml = domain_xml("", &[share("/srv/share".to_owned())]);
    for (size, refusal) in [
        (MOST_XML, None),
        (MOST_XML + 1, Some("its XML has more than 10 MiB")),
    ] {
        let filler = " ".repeat(size - xml.len());
        let padded = xml.replace("</domain>", &format!("{filler}</domain>"));
        assert_eq!(padded.len(), size);
        expect(&host(), &padded, refusal, &format!("{size} bytes"));
    }
}

#[test]
fn sixty_four_shares() {
    for (number, refusal) in [
        (MOST_SHARES, None),
        (MOST_SHARES + 1, Some("more than 64 shares")),
    ] {
        let host = host();
        let shares: Vec<Share> = (0..number)
            .map(|n| share(format!("/srv/many/{n}")))
            .collect();
        for share in &shares {
            host.create_directory(share.path.as_bytes());
        }
        expect(
            &host,
            &domain_xml("", &shares),
            refusal,
            &format!("{number} shares"),
        );
    }
}

#[test]
fn thirty_two_kibibytes_of_names() {
    // Sixteen directories of 2048 bytes each, and the same with one byte more.
    const EACH: usize = MOST_BYTES / 16;
    for (more, refusal) in [(0, None), (1, Some("or 32768 bytes"))] {
        let host = host();
        let shares: Vec<Share> = (0..16)
            .map(|n| {
                let mut path = format!("/srv/{n:02}");
                let length = EACH + usize::from(n == 15) * more;
                while length - path.len() > 202 {
                    path.push_str(&format!("/{}", "d".repeat(199)));
                }
                path.push('/');
                path.push_str(&"e".repeat(length - path.len()));
                assert_eq!(path.len(), length);
                share(path)
            })
            .collect();
        for share in &shares {
            host.create_directory(share.path.as_bytes());
        }
        let what = format!("{} bytes of names", MOST_BYTES + more);
        expect(&host, &domain_xml("", &shares), refusal, &what);
    }
}

/// Linux takes 128 KiB for one argument, its NUL included (MAX_ARG_STRLEN); QEMU would not start.
#[test]
fn one_argument_of_128_kibibytes() {
    let xml = domain_xml("", &[share("/srv/share".to_owned())]);
    for (length, refusal) in [(128 * 1024 - 1, None), (128 * 1024, Some("QEMU"))] {
        let long = format!(
            "<qemu:commandline>\n    <qemu:arg value='-name'/>\n    <qemu:arg value='{}'/>",
            "n".repeat(length)
        );
        let xml = xml.replace("<qemu:commandline>", &long);
        expect(
            &host(),
            &xml,
            refusal,
            &format!("an argument of {length} bytes"),
        );
    }
}

/// The memory it may take: little at all for a common domain, and for ten mebibytes less than twice
/// as much as text, three times as devices.
#[test]
#[ignore = "needs strace; measures the shipped binary"]
fn memory_is_bounded() {
    let device = "<interface type='network'><source network='default'/><model type='virtio'/>\
                  <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></interface>\n";
    let shares = [share("/srv/share".to_owned())];
    let large = domain_xml(&device.repeat((MOST_XML - 4096) / device.len()), &shares);
    // A comment is the same size and makes nothing of it: what the text alone takes.
    let comment = domain_xml(&format!("<!--{}-->", "x".repeat(MOST_XML - 4096)), &[]);
    for (what, xml, most) in [
        ("a guest without raw arguments", domain_xml("", &[]), 2560),
        ("one share", domain_xml("", &shares), 2560),
        ("10 MiB of a comment", comment, 2 * 10 * 1024),
        ("10 MiB of devices", large, 3 * 10 * 1024),
    ] {
        let host = host();
        let kib = most_resident(&host, &xml);
        eprintln!("{what}: {kib} KiB resident");
        assert!(kib <= most, "{what}: {kib} KiB, at most {most}");
    }
}

/// The most that a run had in memory at once. (What wait4 tells counts the parent's pages too,
/// from before the exec.) strace holds the process up for a moment at its end, to be looked at.
fn most_resident(host: &Host, xml: &str) -> u64 {
    let input = host.path("input");
    fs::write(&input, xml).unwrap();
    let mut strace = Command::new("strace")
        .args(["-o", "/dev/null", "-e", "trace=exit_group"])
        .args(["-e", "inject=exit_group:delay_enter=500000"])
        .arg(crate::rawshare::program())
        .args(["hook", "--root"])
        .arg(host.root())
        .args(["oracle", "prepare", "begin", "-"])
        .stdin(File::open(&input).unwrap())
        .spawn()
        .unwrap();
    let id = strace.id();
    let mut most = 0;
    while strace.try_wait().unwrap().is_none() {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let hook = fs::read_link(format!("/proc/{child}/exe"))
                .is_ok_and(|program| program.ends_with("virt-9p"));
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
            let resident = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .and_then(|rest| rest.trim().strip_suffix(" kB"))
                .and_then(|number| number.parse().ok());
            if hook {
                most = most.max(resident.unwrap_or(0));
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(most > 0, "nothing was seen");
    most
}
