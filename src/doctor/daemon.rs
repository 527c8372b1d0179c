//! The daemon: running, aware of the hook, and confined.

use crate::doctor::{CheckLine, Subject};
use crate::host::daemon::{Daemon, NAMES};
use crate::host::hooks_directory::HookEntry;
use crate::host::profiles;
use crate::host::systemd::{Logged, Unit};

/// What there is to judge.
pub struct DaemonFacts<'f> {
    /// The daemon that runs QEMU guests.
    pub running: Option<&'f Daemon>,
    /// What systemd knows of [`units`].
    pub units: Vec<Unit>,
    /// Everything in libvirt's places for hooks.
    pub entries: &'f [HookEntry],
    /// Whether AppArmor is on.
    pub apparmor: bool,
    /// The log of a unit between two times.
    pub log: &'f dyn Fn(&str, i64, i64) -> Vec<Logged>,
}

/// Longer than drivers take to start; until they have, the daemon ignores a reload.
const STARTING: i64 = 120;

const WHAT: &str = "for libvirtd or virtqemud";

/// The units to ask systemd for.
pub fn units() -> Vec<String> {
    NAMES
        .iter()
        .flat_map(|name| [format!("{name}.service"), format!("{name}.socket")])
        .collect()
}

/// Whether the daemon runs, has seen the hook, and is confined as guests need it.
pub fn lines(facts: &DaemonFacts) -> Vec<CheckLine> {
    let Some(daemon) = facts.running else {
        return vec![absent(facts)];
    };
    let mut lines = vec![
        CheckLine::pass(Subject::Daemon, WHAT)
            .saying(format!("{}, process {}", daemon.name, daemon.pid)),
    ];
    lines.extend(aware(facts, daemon));
    if facts.apparmor {
        lines.push(confined(daemon));
    }
    lines
}

/// No process of one: it may only be needed later.
fn absent(facts: &DaemonFacts) -> CheckLine {
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
        return CheckLine::warn(Subject::Daemon, WHAT, hint);
    }
    match active(".socket") {
        Some(unit) => CheckLine::pass(Subject::Daemon, WHAT).saying(format!(
            "not running; {} starts it, and it then sees every hook",
            unit.name
        )),
        None => CheckLine::warn(
            Subject::Daemon,
            WHAT,
            "not running: systemctl start libvirtd, or virtqemud.socket where the daemons are modular",
        ),
    }
}

/// Whether the daemon has looked for hooks since one was there. It looks when it starts and when
/// it is reloaded; from then on, one that it found is enough for all (virHookInitialize, facts L2.1).
///
/// That a hook is younger is not yet a failure: an upgrade replaces it, and SIGHUP by hand leaves
/// no trace.
fn aware(facts: &DaemonFacts, daemon: &Daemon) -> Option<CheckLine> {
    let name = daemon.name;
    let what = format!("that {name} has looked for hooks since there is one");
    let runnable = facts
        .entries
        .iter()
        .filter(|entry| entry.end.as_ref().is_some_and(|end| end.executable));
    let first = runnable.map(|entry| entry.since).min()?;
    let service = format!("{name}.service");
    let is_its = |unit: &&Unit| unit.active && unit.name == service;
    let unit = facts.units.iter().find(is_its);
    let changed = unit.and_then(|unit| unit.changed);
    let signals = unit.map_or(1, |unit| 1 + usize::from(unit.signalled));
    let warn = |hint: String| Some(CheckLine::warn(Subject::Daemon, what.clone(), hint));
    let Some(started) = daemon.started else {
        return match changed {
            Some(changed) if changed >= first => Some(CheckLine::pass(Subject::Daemon, what)),
            _ => warn(format!(
                "not known when it started: systemctl reload {name}"
            )),
        };
    };
    if started >= first {
        return Some(CheckLine::pass(Subject::Daemon, what));
    }
    let Some(changed) = changed.filter(|changed| *changed >= first) else {
        return warn(format!(
            "the hook came later than {name} last started or was reloaded, so it is perhaps never called, unless that was an upgrade: \
             systemctl reload {name}, which touches no guest"
        ));
    };
    if changed > started + STARTING {
        return Some(CheckLine::pass(Subject::Daemon, what));
    }
    // That time may be the end of its start, or a reload that it did not take.
    let log = (facts.log)(&service, started, changed + 2);
    match reload(&log, changed, signals) {
        Reload::Taken => Some(CheckLine::pass(Subject::Daemon, what)),
        Reload::Ignored => warn(format!(
            "{name} ignored the reload, because its drivers had not started, so the hook is perhaps never called: systemctl reload \
             {name}, which touches no guest"
        )),
        Reload::Unknown => warn(format!(
            "the hook came when {name} had only just started, and whether it was reloaded since then is not in its log: systemctl \
             reload {name}, which touches no guest"
        )),
    }
}

/// What became of the last reload.
enum Reload {
    Taken,
    Ignored,
    Unknown,
}

/// What the log says of a reload at `changed`. systemd sends the signal and calls the unit
/// reloaded; the daemon may have answered with "Drivers are not initialized, reload ignored"
/// (daemonReloadHandler). That it says, too, of a signal that comes while it reloads because of the
/// one before: only where it says so of each of these `signals` was none taken.
fn reload(log: &[Logged], changed: i64, signals: usize) -> Reload {
    let told = |word: &str| {
        let said = log.iter().filter(|line| line.text.contains(word));
        let said = said.filter(|line| (line.at - changed).abs() <= 1);
        said.count()
    };
    if told("reload ignored") >= signals {
        Reload::Ignored
    } else if told("]: Reloaded ") > 0 {
        Reload::Taken
    } else {
        Reload::Unknown
    }
}

/// libvirt confines guests only where it is confined itself (use_apparmor, facts L3.3).
fn confined(daemon: &Daemon) -> CheckLine {
    let what = format!("that AppArmor confines {}", daemon.name);
    let Some(label) = &daemon.label else {
        return CheckLine::warn(Subject::Daemon, what, "its label cannot be read");
    };
    match profiles::label(label) {
        Some(_) => CheckLine::pass(Subject::Daemon, what).saying(label.clone()),
        None => CheckLine::warn(
            Subject::Daemon,
            what,
            format!(
                "it is {label}, and then libvirt confines no guest: apparmor_parser -r /etc/apparmor.d/usr.sbin.{} && systemctl restart {}",
                daemon.name, daemon.name
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::hooks_directory::{Content, Program};

    const STARTED: i64 = 1_000_000_000;
    const RELOADED: &str = "host systemd[1]: Reloaded Virtualization daemon.";
    const IGNORED: &str = "host libvirtd[4711]: Drivers are not initialized, reload ignored";

    /// The verdict for a hook that came, and a unit that changed, so long after the daemon started.
    fn verdict(
        since: i64,
        changed: Option<i64>,
        log: &[(i64, &str)],
        signalled: bool,
    ) -> CheckLine {
        let daemon = Daemon {
            name: "libvirtd",
            pid: 4711,
            started: Some(STARTED),
            label: None,
        };
        let entry = HookEntry {
            place: "/etc/libvirt/hooks/qemu".into(),
            link: None,
            since: STARTED + since,
            end: Some(Program {
                name: "/usr/sbin/virt-9p".into(),
                executable: true,
                loose: false,
                content: Content::Same,
            }),
        };
        let facts = DaemonFacts {
            running: None,
            units: vec![Unit {
                name: "libvirtd.service".into(),
                active: true,
                changed: changed.map(|at| STARTED + at),
                signalled,
            }],
            entries: &[entry],
            apparmor: false,
            log: &|unit, since, until| {
                assert_eq!(unit, "libvirtd.service");
                let log = log.iter().map(|(at, text)| Logged {
                    at: STARTED + at,
                    text: (*text).to_owned(),
                });
                log.filter(|line| (since..=until).contains(&line.at))
                    .collect()
            },
        };
        aware(&facts, &daemon).unwrap()
    }

    #[test]
    fn a_reload_counts_when_it_was_one_and_the_daemon_took_it() {
        use crate::doctor::Grade::{Pass, Warn};
        /// Hook, unit, log; verdict, and what is said.
        type Case<'c> = (
            i64,
            Option<i64>,
            &'c [(i64, &'c str)],
            crate::doctor::Grade,
            &'c str,
        );
        let cases: [Case; 11] = [
            // The hook was there first, or came later than all.
            (-5, Some(3), &[], Pass, ""),
            (5, None, &[], Warn, "came later"),
            (50, Some(20), &[(20, RELOADED)], Warn, "came later"),
            // Long after the start: a reload, and a taken one.
            (500, Some(501), &[], Pass, ""),
            // The end of the start is no reload.
            (2, Some(3), &[], Warn, "not in its log"),
            (
                2,
                Some(3),
                &[(3, "host systemd[1]: Started Virtualization daemon.")],
                Warn,
                "not in its log",
            ),
            (2, Some(3), &[(3, RELOADED)], Pass, ""),
            // Ignored, as the daemon itself says, before or after systemd.
            (2, Some(3), &[(3, IGNORED), (3, RELOADED)], Warn, "ignored"),
            (2, Some(3), &[(3, RELOADED), (4, IGNORED)], Warn, "ignored"),
            // And again, taken.
            (
                2,
                Some(9),
                &[(3, RELOADED), (3, IGNORED), (9, RELOADED)],
                Pass,
                "",
            ),
            (2, Some(9), &[(3, RELOADED)], Warn, "not in its log"),
        ];
        for (since, changed, log, expected, hint) in cases {
            let line = verdict(since, changed, log, false);
            let told = line.hint.as_deref().unwrap_or("");
            assert_eq!(
                line.verdict, expected,
                "{since} {changed:?} {log:?}: {told}"
            );
            assert!(told.contains(hint), "{since} {changed:?} {log:?}: {told}");
        }
    }

    /// As with libvirt 12.8 and systemd 262.
    #[test]
    fn of_two_signals_one_is_taken() {
        use crate::doctor::Grade::{Pass, Warn};
        for (log, expected) in [
            (&[(3, IGNORED), (3, RELOADED)][..], Pass),
            (&[(3, RELOADED)], Pass),
            (&[(3, IGNORED), (3, IGNORED), (3, RELOADED)], Warn),
            (&[], Warn),
        ] {
            assert_eq!(verdict(2, Some(3), log, true).verdict, expected, "{log:?}");
        }
    }
}
