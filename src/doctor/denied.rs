//! What AppArmor denied to guests, by the kernel's log: who asked for it, and what to write.
//!
//! The log says which wall it was, as no message of QEMU's does (facts P4.1). It also keeps what is
//! long over: a line counts for less when the profile opens the name by now, when the guest was
//! started again or changed since.

use std::os::unix::fs::MetadataExt;

use crate::apparmor::escape::escape;
use crate::apparmor::files::{self, PROFILES};
use crate::apparmor::guest_access::{self, GuestAccess};
use crate::apparmor::policy::{self, Rule};
use crate::doctor::{CheckLine, Grade, Subject};
use crate::domain::{Place, Uuid};
use crate::host::kernel_log::{self, Denied};
use crate::host::{Root, guests};
use crate::inspect::Inspection;
use crate::lint::finding::Level;
use crate::qemu::host_paths::{self, Access};
use crate::text::{count, visible};

/// Reads the log, with the line about that.
pub fn read(root: &Root) -> (Vec<Denied>, CheckLine) {
    let what = "what the kernel's log says AppArmor denied";
    match kernel_log::denied(root) {
        Ok(denied) => {
            let number = match denied.len() {
                0 => "nothing to guests".to_owned(),
                number => count(number, "denial") + " to guests",
            };
            let line = CheckLine::pass(Subject::AppArmor, what).saying(number);
            (denied, line)
        }
        Err(error) => {
            let line = CheckLine::not_looked_at(Subject::AppArmor, what, &error);
            (Vec::new(), line)
        }
    }
}

/// What was denied to the domain of this UUID.
pub fn of<'d>(denied: &'d [Denied], uuid: Option<&Uuid>) -> impl Iterator<Item = &'d Denied> {
    denied.iter().filter(move |one| Some(&one.guest) == uuid)
}

/// A line for each name that was denied to the guest. `changed` is when its XML was.
pub fn lines(
    root: &Root,
    inspected: &Inspection,
    changed: Option<i64>,
    subject: &Subject,
    denied: &[Denied],
) -> Vec<CheckLine> {
    let Some(uuid) = &inspected.domain.uuid else {
        return Vec::new();
    };
    let mut of = of(denied, Some(uuid)).peekable();
    if of.peek().is_none() {
        return Vec::new();
    }
    let profile = format!("{PROFILES}/libvirt-{uuid}");
    let written = modified(root, &profile);
    let mut now = Vec::new();
    let mut opens = |file: &str| now.extend(policy::rules(&root.text(file).unwrap_or_default()));
    opens(&profile);
    opens(&format!("{profile}.files"));
    let all = files::of_every_guest(root).unwrap_or_default();
    all.iter().for_each(|file| opens(file));
    let next = policy::rules(&inspected.grants.render().unwrap_or_default());
    let running = guests::running(root).unwrap_or_default();
    let running = running.iter().find(|(one, _)| one == uuid);
    let line = |one: &Denied| {
        let name = visible(&String::from_utf8_lossy(&one.name));
        let letters = letters(&one.mask);
        let letters = letters.as_deref();
        let allowed = |rules| letters.is_some_and(|all| policy::allow(rules, &one.name, all));
        let earlier = if allowed(&now) {
            "its profile opens it by now"
        } else if written.is_some_and(|written| written > one.time) && allowed(&next) {
            "virt-9p opens it, and its profile was written since"
        } else if running.is_some_and(|(_, pid)| *pid != one.pid) {
            "that was before it was started the last time"
        } else if changed.is_some_and(|changed| changed > one.time) {
            "that was before the domain was changed the last time"
        } else if one.mask.is_empty() {
            let about = format!("AppArmor denies it {name}");
            let hint = "DENIED in the kernel's log: it is no file, and no rule of virt-9p's is about it. An <interface>, <hostdev> \
                        or <disk> does without; QEMU asks for most of these only as root (`user` in qemu.conf)";
            return CheckLine::note(subject.clone(), about, hint);
        } else {
            let mut hint = format!("DENIED `{}` in the kernel's log; ", one.mask);
            let grade = judge(inspected, one, letters, &next, &profile, &mut hint);
            let looked_at = match grade {
                Grade::Note => format!("AppArmor denies it {name}"),
                _ => format!("that AppArmor lets it at {name}"),
            };
            return CheckLine::new(subject.clone(), looked_at, grade).saying(hint);
        };
        let about = format!("AppArmor once denied it {name}");
        CheckLine::note(subject.clone(), about, earlier)
    };
    of.map(line).collect()
}

/// When a file was last written, in seconds since 1970.
pub fn modified(root: &Root, file: &str) -> Option<i64> {
    Some(root.path(file).metadata().ok()?.mtime())
}

/// The letters of a rule that opens all that is in a mask; nothing where no rule of ours would.
fn letters(mask: &str) -> Option<String> {
    let mut letters = String::new();
    for in_mask in ["r", "wcda", "l", "k"] {
        if mask.contains(|letter| in_mask.contains(letter)) {
            letters += in_mask.get(..1)?;
        }
    }
    let other = mask.contains(['x', 'm']) || letters.is_empty();
    (!other).then_some(letters)
}

/// How bad it is, and what becomes of it. `next` is what virt-9p opens to the guest.
fn judge(
    inspected: &Inspection,
    one: &Denied,
    letters: Option<&str>,
    next: &[Rule],
    profile: &str,
    hint: &mut String,
) -> Grade {
    let place = asks(inspected, &one.name);
    match &place {
        Some(Place::Arg(index, _)) => *hint += &format!("raw argument {}", index + 1),
        Some(_) => *hint += "<qemu:override>",
        None => *hint += "no raw argument",
    }
    *hint += " names it: ";
    let starts = |begin: &str| one.name.starts_with(begin.as_bytes());
    let findings = inspected.findings.iter();
    let findings = findings.filter(|finding| Some(&finding.place) == place.as_ref());
    let worst = findings.clone().map(|finding| finding.level).max();
    let add = |hint: &mut String| {
        for finding in findings.filter(|finding| Some(finding.level) == worst) {
            let parts = [Some(&finding.message), finding.help.as_ref()];
            for part in parts.into_iter().flatten() {
                *hint += part;
                *hint += "; ";
            }
        }
    };
    let (grade, text) = if letters.is_some_and(|all| policy::allow(next, &one.name, all)) {
        // Another wall behind this one.
        if worst > Some(Level::Note) {
            add(hint);
        }
        (
            Grade::Warn,
            "virt-9p opens it at the next start of the guest",
        )
    } else if next.iter().any(|rule| rule.pattern.matches(&one.name)) {
        (
            Grade::Warn,
            "virt-9p opens it, but not for that, which QEMU is not known to need",
        )
    } else if place.is_some() {
        add(hint);
        match worst {
            None if inspected.domain.only_shares => (
                Grade::Warn,
                "the policy in the domain's metadata keeps virt-9p to shares (paths='9p')",
            ),
            _ => (Grade::Fail, "virt-9p check tells more"),
        }
    } else if starts("/var/tmp/vl.") || starts("/tmp/vl.") {
        (
            Grade::Warn,
            "QEMU makes it for snapshot=on; write <transient/> in a <disk> instead",
        )
    } else {
        let name = &inspected.domain.name;
        match (
            guest_access::judge(&one.name, name, letters.unwrap_or("rwk"), false),
            letters,
        ) {
            (GuestAccess::Refused(why), _) => {
                *hint += "QEMU looks for it by itself; no rule should open it, because ";
                (Grade::Note, why)
            }
            (_, None) => (Grade::Warn, "no guest is let execute or map what it names"),
            (_, Some(letters)) => {
                *hint += &format!(
                    "it is of a native element (libvirt writes no rule for <rom file>, <rng>, <tpm>), or the backing \
                     file of an image. Where this guest alone should have it, add to {profile}, outside of virt-9p's \
                     block: \"{}\" {letters},",
                    escape(&one.name)
                );
                (Grade::Warn, "")
            }
        }
    };
    *hint += text;
    grade
}

/// Where the name stands in the raw arguments, or the directory of a share that it lies in.
fn asks(inspected: &Inspection, name: &[u8]) -> Option<Place> {
    let below = |directory: &[u8]| {
        let rest = name.strip_prefix(directory);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || directory == b"/")
    };
    for one in &inspected.shares {
        let directory = one.facts.directory.as_ref();
        if directory.is_ok_and(|directory| below(&directory.name)) {
            return Some(one.share.place.clone());
        }
    }
    for path in &inspected.paths {
        // A program, by its path or only its name.
        let program = path.path.path.as_bytes();
        let program = matches!(path.path.access, Access::Never(_)).then_some(program);
        let before = program.and_then(|program| name.strip_suffix(program));
        if before.is_some_and(|before| before.is_empty() || before.ends_with(b"/")) {
            return Some(path.path.place.clone());
        }
        let Some(files) = &path.files else { continue };
        for file in files.files.iter().flatten() {
            if name == file.name || (files.any_end && name.starts_with(&file.name)) {
                return Some(path.path.place.clone());
            }
        }
    }
    if !inspected.domain.only_shares {
        return None;
    }
    // Nobody looked at them.
    let paths = host_paths::read(&inspected.domain, &inspected.line);
    let path = paths
        .into_iter()
        .find(|path| path.path.as_bytes() == name)?;
    Some(path.place)
}
