//! Each guest: what `check` says of it, whether its shares can be used, how they are mounted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::apparmor::{policy, system_paths};
use crate::assumptions::Assumptions;
use crate::doctor::denied;
use crate::doctor::workaround::{Opened, What};
use crate::doctor::{CheckLine, NEEDS_ROOT, Subject};
use crate::domain::{Document, MOST_XML};
use crate::host::directory::NoDirectory;
use crate::host::kernel_log::Denied;
use crate::host::{CONFIGURATION, Root, guests};
use crate::inspect::{self, Inspection};
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::lint::paths::ShareFacts;
use crate::qemu::command_line::CommandLine;
use crate::qemu::shares::{SecurityModel, Share};
use crate::text::{count, quoted, visible};

/// The most that the guest's virtio transport takes with pages of 4 KiB: 128 buffers less 3
/// (net/9p/trans_virtio.c). Without it the guest takes 8 KiB up to Linux 5.15 and 128 KiB after
/// (facts Q6.1), and each file is read in pieces of that size.
const MSIZE: u32 = 125 * 4096;

/// A domain XML to look at.
pub struct Given {
    /// Its name for messages.
    pub file: String,
    /// What is in it, or that it is none.
    pub inspected: Inspection,
    /// When the file of a persistent guest was last written, in seconds since 1970.
    pub changed: Option<i64>,
}

/// What was found of guests.
#[derive(Default)]
pub struct Found {
    /// What was looked at.
    pub lines: Vec<CheckLine>,
    /// What their raw arguments open.
    pub opened: Vec<Opened>,
    /// Whether there may be one whose raw arguments name paths of the host.
    pub any: bool,
}

/// Looks at guests whose XML somebody names, running or not.
pub fn given(root: &Root, given: &[Given], denied: &[Denied]) -> Found {
    let mut found = Found::default();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for guest in given {
        *named.entry(&guest.inspected.domain.name).or_default() += 1;
    }
    for guest in given {
        let name = &guest.inspected.domain.name;
        let file = named.get(name.as_str()).is_some_and(|count| *count > 1);
        let file = file.then(|| guest.file.clone());
        let subject = Subject::Guest(name.clone(), file);
        found.lines.extend(guest_lines(root, guest, &subject));
        let lines = denied::lines(root, &guest.inspected, guest.changed, &subject, denied);
        found.lines.extend(lines);
        found.opened.extend(opened(&guest.inspected));
        found.any |= is_ours(&guest.inspected);
    }
    found
}

/// The persistent guests of the host whose raw arguments name paths of it, or that were denied one.
pub fn defined(root: &Root, denied: &[Denied]) -> Found {
    let what = format!(
        "for guests with paths in raw arguments in {}",
        guests::DEFINED
    );
    let files = match guests::defined(root) {
        Ok(files) => files,
        Err(error) => {
            return Found {
                lines: vec![CheckLine::not_looked_at(Subject::Libvirt, what, &error)],
                any: true,
                ..Found::default()
            };
        }
    };
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    for file in &files {
        match read(root, file) {
            Ok(inspected) => found.push(Given {
                file: file.clone(),
                inspected,
                changed: denied::modified(root, file),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => bad.push(CheckLine::not_looked_at(
                Subject::Libvirt,
                format!("the guest in {}", visible(file)),
                &error,
            )),
        }
    }
    let ours = found.iter().filter(|guest| is_ours(&guest.inspected));
    let ours = ours.count();
    found.retain(|guest| {
        let uuid = guest.inspected.domain.uuid.as_ref();
        is_ours(&guest.inspected) || denied::of(denied, uuid).next().is_some()
    });
    let numbers = format!("{ours} of {}", files.len());
    let seen = if ours == 0 && bad.is_empty() {
        format!("{numbers}, so what only they need is no failure here")
    } else {
        numbers
    };
    let mut lines = vec![CheckLine::pass(Subject::Libvirt, what).saying(seen)];
    let unseen = !bad.is_empty();
    lines.append(&mut bad);
    let mut found = given(root, &found, denied);
    found.lines.splice(0..0, lines);
    found.any |= unseen;
    found
}

fn read(root: &Root, file: &str) -> io::Result<Inspection> {
    let document = Document::new(root.read(file, MOST_XML as u64 + 1)?);
    inspect::inspect(&document, Some(root), Assumptions::default())
        .map_err(|fault| io::Error::other(document.tell(&fault)))
}

fn is_ours(inspected: &Inspection) -> bool {
    inspected.line.has_9p() || !inspected.findings.is_empty() || !inspected.paths.is_empty()
}

/// What it opens, by the kernel's names.
fn opened(inspected: &Inspection) -> Vec<Opened> {
    let one = |name: &[u8], what| Opened {
        guest: inspected.domain.name.clone(),
        name: name.to_vec(),
        what,
    };
    let shares = inspected.shares.iter().filter_map(|judged| {
        let directory = judged.facts.directory.as_ref().ok()?;
        Some(one(&directory.name, What::Share))
    });
    let mut opened: Vec<Opened> = shares.collect();
    let next = policy::rules(&inspected.grants.render().unwrap_or_default());
    for files in inspected
        .paths
        .iter()
        .filter_map(|path| path.files.as_ref())
    {
        for file in files.files.iter().flatten() {
            let mut name = file.name.clone();
            if files.any_end {
                // One of those that QEMU may choose.
                name.extend(b"XXXXXX");
            }
            let granted = next.iter().any(|rule| match files.any_end {
                true => rule.pattern.matches(&name),
                false => rule.pattern.is_exactly(&name),
            });
            // Of the system libvirt itself opens parts to every guest.
            if granted || system_paths::system_path(&name, false).is_none() {
                opened.push(one(&name, What::File(granted)));
            }
        }
    }
    opened
}

fn guest_lines(root: &Root, guest: &Given, subject: &Subject) -> Vec<CheckLine> {
    let inspected = &guest.inspected;
    let subject = || subject.clone();
    if !is_ours(inspected) {
        return vec![CheckLine::pass(subject(), "its raw arguments").saying("they name no path")];
    }
    // What a user that is not root cannot see of directories says nothing about QEMU.
    let blind = !rustix::process::geteuid().is_root();
    let configuration = root.text(CONFIGURATION);
    let closed = configuration.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    let mut lines = Vec::new();
    let mut told = BTreeSet::new();
    for judged in &inspected.shares {
        let (share, facts, found) = (&judged.share, &judged.facts, &judged.findings);
        lines.push(usable(closed, subject(), share, facts, found, blind));
        lines.extend(attributes(subject(), share, facts, blind));
        told.extend(found.iter().map(key));
    }
    // What is about directories stands in their own lines.
    let rest: Vec<&Finding> = inspected
        .findings
        .iter()
        .filter(|finding| !told.contains(&key(finding)))
        .collect();
    lines.insert(0, arguments(subject(), &guest.file, &rest));
    lines.extend(mounts(&subject(), &inspected.line));
    lines
}

/// Tells findings apart.
fn key(finding: &Finding) -> (Code, (usize, usize, usize)) {
    (finding.code, finding.place.key())
}

fn arguments(subject: Subject, file: &str, findings: &[&Finding]) -> CheckLine {
    let what = "its raw arguments";
    let of = |level: Level| {
        findings
            .iter()
            .filter(move |finding| finding.level == level)
    };
    let (errors, warnings) = (of(Level::Error).count(), of(Level::Warning).count());
    let hint = |first: Option<&&Finding>, number: usize, word: &str| {
        let first = first.map_or(String::new(), |finding| {
            format!(", the first: {}", finding.message)
        });
        format!(
            "{}{first}; virt-9p check {}",
            count(number, word),
            visible(file)
        )
    };
    if errors > 0 {
        CheckLine::fail(
            subject,
            what,
            hint(of(Level::Error).next(), errors, "error"),
        )
    } else if warnings > 0 {
        CheckLine::warn(
            subject,
            what,
            hint(of(Level::Warning).next(), warnings, "warning"),
        )
    } else {
        CheckLine::pass(subject, what)
    }
}

/// Whether QEMU gets at the directory.
fn usable(
    closed: bool,
    subject: Subject,
    share: &Share,
    facts: &ShareFacts,
    found: &[Finding],
    blind: bool,
) -> CheckLine {
    let what = format!("that QEMU can use {}", visible(&share.path));
    if blind && matches!(facts.directory, Err(NoDirectory::Failed(_))) {
        return CheckLine::warn(subject, what, NEEDS_ROOT);
    }
    let worst = found
        .iter()
        .filter(|finding| finding.code != Code::PathNoXattr && finding.level > Level::Note)
        .max_by_key(|finding| finding.level);
    if let Some(finding) = worst {
        let help = finding
            .help
            .as_deref()
            .map_or(String::new(), |help| format!(": {help}"));
        let hint = format!("{}{help}", finding.message);
        return if finding.level == Level::Error {
            CheckLine::fail(subject, what, hint)
        } else {
            CheckLine::warn(subject, what, hint)
        };
    }
    match &facts.reach {
        _ if closed => CheckLine::warn(subject, what, NEEDS_ROOT),
        Some((user, _)) => {
            CheckLine::pass(subject, what).saying(format!("as user {}", visible(&user.name)))
        }
        None => CheckLine::warn(
            subject,
            what,
            "the user that QEMU runs as is in no local file, so whether it may pass the directories on the way is not known",
        ),
    }
}

/// Whether the directory takes the attributes that security_model=mapped keeps owners and modes in.
fn attributes(
    subject: Subject,
    share: &Share,
    facts: &ShareFacts,
    blind: bool,
) -> Option<CheckLine> {
    let what = format!("that {} takes user attributes", visible(&share.path));
    let directory = facts
        .directory
        .as_ref()
        .ok()
        .filter(|_| share.model == Some(SecurityModel::Mapped))?;
    Some(match directory.user_xattr {
        Some(true) => CheckLine::pass(subject, what),
        Some(false) => CheckLine::fail(
            subject,
            what,
            "its file system has none, and creating anything in the share fails: write `security_model=mapped-file`",
        ),
        None if blind => CheckLine::warn(subject, what, NEEDS_ROOT),
        None => CheckLine::warn(subject, what, "its file system does not tell"),
    })
}

/// What to type in the guest, for each share that has a device.
fn mounts(subject: &Subject, line: &CommandLine) -> Vec<CheckLine> {
    let tags = line
        .devices
        .iter()
        .filter(|device| device.looks_like_9p())
        .filter_map(|device| device.text("mount_tag"));
    tags.map(|tag| {
        let options = format!("trans=virtio,version=9p2000.L,msize={MSIZE}");
        let plain = tag
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let shown = if plain {
            tag.to_owned()
        } else {
            format!("'{}'", visible(tag).replace('\'', "'\\''"))
        };
        CheckLine::note(
            subject.clone(),
            format!("To mount {} in the guest", quoted(tag)),
            format!(
                "mount -t 9p -o {options} {shown} /mnt; in fstab: {} /mnt 9p {options} 0 0",
                visible(tag).replace(' ', "\\040")
            ),
        )
    })
    .collect()
}
