//! The daemon: running, aware of the hook, and confined.

use crate::doctor::{Line, Subject};
use crate::host::daemon::{Daemon, NAMES};
use crate::host::hooks::Entry;
use crate::host::profiles;
use crate::host::systemd::Unit;

/// What there is to judge.
pub struct Facts<'f> {
    /// The daemon that runs QEMU guests.
    pub running: Option<&'f Daemon>,
    /// What systemd knows of [`units`].
    pub units: Vec<Unit>,
    /// Everything in libvirt's places for hooks.
    pub entries: &'f [Entry],
    /// Whether AppArmor is on.
    pub apparmor: bool,
}

const WHAT: &str = "for libvirtd or virtqemud";

/// The units to ask systemd for.
pub fn units() -> Vec<String> {
    NAMES
        .iter()
        .flat_map(|name| [format!("{name}.service"), format!("{name}.socket")])
        .collect()
}

/// Judges all of it.
pub fn judge(facts: &Facts) -> Vec<Line> {
    let Some(daemon) = facts.running else {
        return vec![absent(facts)];
    };
    let mut lines = vec![
        Line::pass(Subject::Daemon, WHAT)
            .saying(format!("{}, process {}", daemon.name, daemon.pid)),
    ];
    lines.extend(aware(facts, daemon));
    if facts.apparmor {
        lines.push(confined(daemon));
    }
    lines
}

/// No process of one: it may only be needed later.
fn absent(facts: &Facts) -> Line {
    let active = |kind: &str| {
        let mut units = facts.units.iter();
        units.find(|unit| unit.active && unit.name.ends_with(kind))
    };
    // Where /proc hides the processes of others.
    if let Some(unit) = active(".service") {
        let hint = format!(
            "{} is active, but its process cannot be seen: needs root",
            unit.name
        );
        return Line::warn(Subject::Daemon, WHAT, hint);
    }
    match active(".socket") {
        Some(unit) => Line::pass(Subject::Daemon, WHAT).saying(format!(
            "not running; {} starts it, and it then sees every hook",
            unit.name
        )),
        None => Line::warn(
            Subject::Daemon,
            WHAT,
            "not running: systemctl start libvirtd, or virtqemud.socket where the daemons are modular",
        ),
    }
}

/// Whether the daemon has looked for hooks since one was there. It looks when it starts and when
/// it is reloaded; from then on, one that it found is enough for all (virHookInitialize, facts L2).
///
/// That a hook is younger is not yet a failure: an upgrade replaces it, and SIGHUP by hand leaves
/// no trace.
fn aware(facts: &Facts, daemon: &Daemon) -> Option<Line> {
    let what = format!(
        "that {} has looked for hooks since there is one",
        daemon.name
    );
    let runnable = facts
        .entries
        .iter()
        .filter(|entry| entry.end.as_ref().is_some_and(|end| end.executable));
    let first = runnable.map(|entry| entry.since).min()?;
    let service = format!("{}.service", daemon.name);
    let changed = facts
        .units
        .iter()
        .find(|unit| unit.active && unit.name == service)
        .and_then(|unit| unit.changed);
    let Some(looked) = daemon.started.max(changed) else {
        return Some(Line::warn(
            Subject::Daemon,
            what,
            format!(
                "not known when it started: systemctl reload {}",
                daemon.name
            ),
        ));
    };
    Some(if looked >= first {
        Line::pass(Subject::Daemon, what)
    } else {
        Line::warn(
            Subject::Daemon,
            what,
            format!(
                "the hook came later than {} last started or was reloaded, so it is perhaps never called, unless that was an upgrade: \
                 systemctl reload {}, which touches no guest",
                daemon.name, daemon.name
            ),
        )
    })
}

/// libvirt confines guests only where it is confined itself (use_apparmor, facts L3).
fn confined(daemon: &Daemon) -> Line {
    let what = format!("that AppArmor confines {}", daemon.name);
    let Some(label) = &daemon.label else {
        return Line::warn(Subject::Daemon, what, "its label cannot be read");
    };
    match profiles::label(label) {
        Some(_) => Line::pass(Subject::Daemon, what).saying(label.clone()),
        None => Line::warn(
            Subject::Daemon,
            what,
            format!(
                "it is {label}, and then libvirt confines no guest: apparmor_parser -r /etc/apparmor.d/usr.sbin.{} && systemctl restart {}",
                daemon.name, daemon.name
            ),
        ),
    }
}
