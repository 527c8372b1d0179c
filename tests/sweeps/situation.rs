//! The situations that are swept: what is on the host, what libvirt asks, what must come of it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::policy::Parser;
use crate::rawshare::{Host, Share, UUID, domain_xml, said};

const SHARE: &str = "/srv/share";
const OTHER: &str = "/srv/other";

pub const PREPARE: (&str, &str) = ("prepare", "begin");
const RELEASE: (&str, &str) = ("release", "end");

/// One state of a host and one call.
pub struct Situation {
    pub name: &'static str,
    /// Shares in the profile before; `None`: there is no profile.
    before: Option<&'static [&'static str]>,
    /// A temporary file that an earlier crash left.
    leftover: bool,
    pub operation: (&'static str, &'static str),
    /// Shares in the XML.
    shares: &'static [&'static str],
    /// Whether its raw arguments name a file as well.
    file: bool,
}

/// First start, change, no change, release; and domains that have no raw shares, or none any more.
pub const SITUATIONS: [Situation; 9] = [
    Situation {
        name: "first start",
        before: None,
        leftover: false,
        operation: PREPARE,
        shares: &[SHARE],
        file: false,
    },
    Situation {
        name: "changed share",
        before: Some(&[SHARE]),
        leftover: false,
        operation: PREPARE,
        shares: &[OTHER],
        file: false,
    },
    Situation {
        name: "unchanged share",
        before: Some(&[SHARE]),
        leftover: false,
        operation: PREPARE,
        shares: &[SHARE],
        file: false,
    },
    Situation {
        name: "start after a crash",
        before: Some(&[SHARE]),
        leftover: true,
        operation: PREPARE,
        shares: &[SHARE, OTHER],
        file: false,
    },
    Situation {
        name: "release",
        before: Some(&[SHARE]),
        leftover: false,
        operation: RELEASE,
        shares: &[SHARE],
        file: false,
    },
    Situation {
        name: "release after a crash",
        before: Some(&[SHARE]),
        leftover: true,
        operation: RELEASE,
        shares: &[SHARE],
        file: false,
    },
    Situation {
        name: "stale block of a domain without shares",
        before: Some(&[SHARE]),
        leftover: false,
        operation: PREPARE,
        shares: &[],
        file: false,
    },
    Situation {
        name: "a file of a domain without shares",
        before: None,
        leftover: false,
        operation: PREPARE,
        shares: &[],
        file: true,
    },
    Situation {
        name: "domain without shares",
        before: None,
        leftover: false,
        operation: PREPARE,
        shares: &[],
        file: false,
    },
];

impl Situation {
    /// Whether a failure may end with 1: only where a raw share was to be granted.
    pub fn may_refuse(&self) -> bool {
        self.operation == PREPARE && !self.shares.is_empty()
    }

    /// Whether there is something to tell: rules come or go.
    pub fn logs(&self) -> bool {
        self.before.is_some() || !self.shares.is_empty() || self.file
    }

    /// The XML that libvirt passes.
    pub fn xml(&self) -> String {
        let xml = domain_xml("", &raw(self.shares));
        if !self.file {
            return xml;
        }
        with_words(&xml, &["-fw_cfg", "name=opt/a,file=/srv/file"])
    }

    /// The profile before, and after a call that nothing disturbs.
    pub fn profiles(&self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let host = host();
        let before = self
            .before
            .map(|shares| host.prepare(&domain_xml("", &raw(shares))));
        let (op, subop) = self.operation;
        let output = host.hook(op, subop, &self.xml());
        assert!(output.status.success(), "{}: {}", self.name, said(&output));
        (before, profile(&host))
    }

    /// A host in the state before; `before` is the profile of [`Situation::profiles`].
    pub fn host(&self, before: Option<&[u8]>) -> Host {
        let host = host();
        if let Some(before) = before {
            fs::write(host.profile_path(), before).unwrap();
        }
        if self.leftover {
            let name = format!("etc/apparmor.d/libvirt/.virt-9p.{UUID}.AbCdEf01");
            fs::write(host.path(name), "half a prof").unwrap();
        }
        host
    }
}

/// A domain with these raw words more.
pub fn with_words(xml: &str, words: &[&str]) -> String {
    let words = words.iter();
    let words: String = words
        .map(|word| format!("<qemu:arg value='{word}'/>"))
        .collect();
    let own = format!("<qemu:commandline>{words}</qemu:commandline></domain>");
    xml.replace("</domain>", &own)
}

fn raw(shares: &[&str]) -> Vec<Share> {
    let share = |path: &&str| Share {
        path: (*path).to_owned(),
        readonly: false,
    };
    shares.iter().map(share).collect()
}

/// A host with two directories to share, the account QEMU runs as, and a log that listens.
pub fn host() -> Host {
    let host = Host::new();
    for directory in ["/srv/share", "/srv/other", "/dev", "/etc/libvirt"] {
        host.create_directory(directory.as_bytes());
    }
    fs::write(
        host.path("/etc/passwd"),
        "libvirt-qemu:x:64055:64055::/:/bin/false\n",
    )
    .unwrap();
    fs::write(host.path("/etc/group"), "kvm:x:106:\n").unwrap();
    fs::write(host.path("/srv/file"), "{}\n").unwrap();
    fs::write(host.path("/etc/libvirt/qemu.conf"), "# nothing\n").unwrap();
    // Never read: a few lines fit, and nobody waits for it. Open as long as the process.
    std::mem::forget(UnixDatagram::bind(host.path("/dev/log")).unwrap());
    host
}

/// The profile of the domain, if there is one.
pub fn profile(host: &Host) -> Option<Vec<u8>> {
    fs::read(host.profile_path()).ok()
}

/// Names in the profile directory that should not be there: neither the template nor the profile.
pub fn strays(host: &Host) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(host.path("etc/apparmor.d/libvirt"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "TEMPLATE.qemu" && *name != format!("libvirt-{UUID}"))
        .collect();
    names.sort();
    names
}

/// What is wrong after a run that was disturbed, if anything: the profile must be the old or the
/// new one, byte for byte, and the directory must hold nothing else but temporary files of ours.
pub fn wrong(host: &Host, old: &Option<Vec<u8>>, new: &Option<Vec<u8>>) -> Option<String> {
    let now = profile(host);
    if now != *old && now != *new {
        let text = String::from_utf8_lossy(now.as_deref().unwrap_or_default()).into_owned();
        return Some(format!("the profile is neither old nor new:\n{text}"));
    }
    let ours = format!(".virt-9p.{UUID}.");
    strays(host)
        .into_iter()
        .find(|name| !name.starts_with(&ours))
        .map(|name| format!("there is a file {name}"))
}

/// What is wrong after the next call, if anything: it must succeed, finish the work and leave
/// no temporary file. Where there is nothing left to do, it is not made.
pub fn not_healed(host: &Host, situation: &Situation, new: &Option<Vec<u8>>) -> Option<String> {
    if profile(host) == *new && strays(host).is_empty() {
        return None;
    }
    let (op, subop) = situation.operation;
    let output = host.hook(op, subop, &situation.xml());
    if !output.status.success() || !output.stderr.is_empty() {
        return Some(format!("the next call fails: {}", said(&output)));
    }
    if profile(host) != *new {
        return Some("the next call does not finish the work".to_owned());
    }
    leftover(host)
}

/// The same when the guest is released instead of started again.
pub fn not_released(host: &Host, situation: &Situation) -> Option<String> {
    let output = host.hook("release", "end", &situation.xml());
    if !output.status.success() || !output.stderr.is_empty() {
        return Some(format!("release fails: {}", said(&output)));
    }
    if profile(host).is_some_and(|text| String::from_utf8_lossy(&text).contains("virt-9p")) {
        return Some("release leaves the block".to_owned());
    }
    leftover(host)
}

fn leftover(host: &Host) -> Option<String> {
    let strays = strays(host);
    (!strays.is_empty()).then(|| format!("temporary files outlive the next call: {strays:?}"))
}

/// Compiles each profile that is new to it with the real apparmor_parser.
pub struct Compiled {
    parser: Parser,
    seen: HashSet<Vec<u8>>,
}

impl Compiled {
    pub fn new() -> Self {
        Compiled {
            parser: Parser::new(),
            seen: HashSet::new(),
        }
    }

    /// Panics when the profile does not compile.
    pub fn check(&mut self, profile: &[u8]) {
        if self.seen.insert(profile.to_vec()) {
            let text = String::from_utf8_lossy(profile);
            self.parser
                .compile(profile)
                .unwrap_or_else(|error| panic!("does not compile: {error:#}\n{text}"));
        }
    }

    pub fn count(&self) -> usize {
        self.seen.len()
    }
}

/// Runs `each` for all cases, so many at a time, and panics with what it complains of.
pub fn sweep<T: Sync>(cases: &[T], at_once: usize, each: impl Fn(&T) -> Option<String> + Sync) {
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(complaint) = each(case) {
                        complaints.lock().unwrap().push(complaint);
                    }
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    let shown = complaints.len().min(12);
    assert!(
        complaints.is_empty(),
        "{} of {} cases:\n{}",
        complaints.len(),
        cases.len(),
        complaints[..shown].join("\n")
    );
}
