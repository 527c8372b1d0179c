//! Whether this host, and the guests on it, are in order: one line for each thing looked at.
//!
//! Gather, judge, report: [`run`] asks [`crate::host`] for facts, the file of each subject judges
//! them, [`crate::report::doctor`] writes the lines. What only root may see is a warning for
//! everybody else, never a pass and never a failure.

mod apparmor;
mod blocks;
mod daemon;
mod denied;
mod enforced;
pub mod guests;
mod hook_script;
mod installed_hook;
mod libvirt;
mod lock;
mod shebang;
pub mod workaround;

use std::io;

use crate::apparmor::policy;
use crate::host::{Root, daemon as processes, hooks_directory, profiles, systemd, versions};

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The hook below /etc/libvirt/hooks.
    Hook,
    /// libvirtd or virtqemud.
    Daemon,
    /// The kernel's AppArmor, and policy on disk.
    AppArmor,
    /// The profiles of guests.
    Profiles,
    /// /run/virt-9p.lock, which every hook takes before it writes.
    Lock,
    /// libvirt and QEMU.
    Libvirt,
    /// A guest, by name; and by file, where the name is not enough.
    Guest(String, Option<String>),
}

/// How a thing stands, the better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nothing was looked at: advice.
    Note,
    /// Seen, and in order.
    Pass,
    /// Works, or could not be looked at.
    Warn,
    /// Shares will not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// What it is about.
    pub subject: Subject,
    /// What was looked at; goes on from "Checking". Or what there is advice on.
    pub looked_at: String,
    /// How it stands; of what there is advice on, [`Grade::Note`].
    pub verdict: Grade,
    /// What was seen, and what to do or type.
    pub hint: Option<String>,
    /// Whether it is about all guests, with raw shares or without.
    pub every_guest: bool,
}

impl CheckLine {
    fn new(subject: Subject, looked_at: impl Into<String>, verdict: Grade) -> Self {
        CheckLine {
            subject,
            looked_at: looked_at.into(),
            verdict,
            hint: None,
            every_guest: false,
        }
    }

    /// It stops guests that have no raw shares, too.
    fn for_every_guest(self) -> Self {
        CheckLine {
            every_guest: true,
            ..self
        }
    }

    fn pass(subject: Subject, looked_at: impl Into<String>) -> Self {
        CheckLine::new(subject, looked_at, Grade::Pass)
    }

    fn note(subject: Subject, about: impl Into<String>, hint: impl Into<String>) -> Self {
        CheckLine::new(subject, about, Grade::Note).saying(hint)
    }

    fn warn(subject: Subject, looked_at: impl Into<String>, hint: impl Into<String>) -> Self {
        CheckLine::new(subject, looked_at, Grade::Warn).saying(hint)
    }

    fn fail(subject: Subject, looked_at: impl Into<String>, hint: impl Into<String>) -> Self {
        CheckLine::new(subject, looked_at, Grade::Fail).saying(hint)
    }

    /// Something that could not be looked at.
    fn not_looked_at(subject: Subject, looked_at: impl Into<String>, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::PermissionDenied => NEEDS_ROOT.to_owned(),
            _ => format!("not looked at: {error}"),
        };
        CheckLine::warn(subject, looked_at, why)
    }

    fn saying(self, hint: impl Into<String>) -> Self {
        CheckLine {
            hint: Some(hint.into()),
            ..self
        }
    }
}

const NEEDS_ROOT: &str = "not looked at: needs root";

/// Looks at the host and at the guests in `given`, or else at all persistent ones.
pub fn run(root: &Root, given: Option<&[guests::Given]>) -> Vec<CheckLine> {
    let enabled = root.apparmor_enabled();
    let libvirt = versions::libvirt(root);
    let running = processes::running(root);
    let daemon = running.as_ref().map_or("libvirtd", |daemon| daemon.name);
    let entries = hooks_directory::entries(root);
    let (denied, log) = match enabled {
        true => {
            let (denied, line) = denied::read(root);
            (denied, Some(line))
        }
        false => (Vec::new(), None),
    };
    let found = match given {
        Some(given) => guests::given(root, given, &denied),
        None => guests::defined(root, &denied),
    };

    let policy = enabled.then(|| match profiles::of_daemon(root, daemon) {
        Some(text) => policy::rules(&text),
        None => policy::rules(installed_hook::USUAL_POLICY),
    });
    let mut lines = installed_hook::lines(&installed_hook::HookFacts {
        entries: entries.as_deref(),
        libvirt,
        daemon: running.as_ref().map(|daemon| daemon.name),
        policy: policy.as_deref(),
        program: &|path| hooks_directory::program(root, path),
    });
    lines.extend(daemon::lines(&daemon::DaemonFacts {
        running: running.as_ref(),
        units: systemd::units(root, &daemon::units()),
        entries: entries.as_deref().unwrap_or_default(),
        apparmor: enabled,
        log: &|unit, since, until| systemd::log(root, unit, since, until),
    }));
    lines.extend(apparmor::lines(root, enabled));
    if enabled {
        lines.push(enforced::driver(root));
    }
    lines.extend(workaround::lines(root, &found.opened));
    lines.extend(log);
    lines.extend(libvirt::lines(libvirt, versions::emulators(root)));
    lines.extend(blocks::lines(root));
    lines.extend(enforced::lines(root).filter(|_| enabled));
    lines.extend(lock::lines(root));
    lines.extend(found.lines);
    if !found.any {
        // Nothing that is wrong for shares is wrong where nobody has any.
        for line in lines.iter_mut().filter(|line| !line.every_guest) {
            line.verdict = line.verdict.min(Grade::Warn);
        }
    }
    lines
}
