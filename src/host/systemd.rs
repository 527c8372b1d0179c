//! What systemd knows of libvirt's units: a reload leaves no trace in /proc, only here.
//!
//! For `doctor`, which people run: it asks systemd's own programs. Nothing in the start path of a
//! guest comes here.

use std::path::Path;
use std::time::Duration;

use crate::host::{Root, child};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A unit that systemd knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// `libvirtd.service`
    pub name: String,
    /// Whether it runs, or listens.
    pub active: bool,
    /// When its state last changed, in seconds since 1970. A reload counts: it goes from active
    /// through reloading to active (unit_notify).
    pub changed: Option<i64>,
    /// Whether systemd itself sends SIGHUP for a reload (systemd.service(5), Type=notify-reload).
    /// libvirt's units, from 12 on, have an ExecReload that sends it, too: the daemon gets two.
    pub signalled: bool,
}

/// Asks for these units; nothing where systemd does not run the host, or there is no answer.
pub fn units(root: &Root, names: &[String]) -> Vec<Unit> {
    let mut arguments = vec!["show", "--property=ActiveState,StateChangeTimestamp,Type"];
    arguments.extend(names.iter().map(String::as_str));
    let said = ask(root, "systemctl", &arguments).unwrap_or_default();
    read_units(&said, names)
}

/// One line of a unit's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// In seconds since 1970.
    pub at: i64,
    /// Who says what.
    pub text: String,
}

/// The log of a unit between two times, systemd's own lines on it among them. Nothing where it
/// cannot be read, as by most users.
pub fn log(root: &Root, unit: &str, since: i64, until: i64) -> Vec<Logged> {
    let said = ask(
        root,
        "journalctl",
        &[
            "--quiet",
            "--no-pager",
            "--output=short-unix",
            &format!("--unit={unit}"),
            &format!("--since=@{since}"),
            &format!("--until=@{until}"),
        ],
    );
    read_log(&said.unwrap_or_default())
}

/// Below a moved root there is no systemd to ask, and no program of another system is run.
fn ask(root: &Root, program: &str, arguments: &[&str]) -> Option<String> {
    // sd_booted(3)
    if root.is_moved() || !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    // Ubuntu 18.04 has them in /bin.
    ["/usr/bin", "/bin"].iter().find_map(|directory| {
        let program = Path::new(directory).join(program);
        child::ask(&program, arguments, PATIENCE).ok()
    })
}

/// A paragraph for each, in the order that they were asked for. systemd answers for every name,
/// whether there is such a unit or not: then it is inactive.
fn read_units(said: &str, names: &[String]) -> Vec<Unit> {
    let unit = |(name, text): (&String, &str)| {
        let property = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        };
        Unit {
            name: name.clone(),
            active: matches!(property("ActiveState"), Some("active" | "reloading")),
            changed: property("StateChangeTimestamp").and_then(seconds),
            signalled: property("Type") == Some("notify-reload"),
        }
    };
    names.iter().zip(said.split("\n\n")).map(unit).collect()
}

/// `Thu 2026-11-26 06:06:33 UTC`, the form of all versions; empty or `n/a` for never.
fn seconds(stamp: &str) -> Option<i64> {
    let words: Vec<&str> = stamp.split(' ').collect();
    let [_, date, time, "UTC"] = words.as_slice() else {
        return None;
    };
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let numbers: Option<Vec<i64>> = text.split(by).map(|part| part.parse().ok()).collect();
        numbers?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    // Years that begin in March end with the day that not all have.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    const UNTIL_1970: i64 = 719_469;
    Some(((days - UNTIL_1970) * 24 + hour) * 3600 + minute * 60 + second)
}

/// `1764137193.123456 HOST libvirtd[4711]: text`
fn read_log(said: &str) -> Vec<Logged> {
    let line = |line: &str| {
        let (at, text) = line.split_once(' ')?;
        let (at, _) = at.split_once('.')?;
        Some(Logged {
            at: at.parse().ok()?,
            text: text.to_owned(),
        })
    };
    said.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_systemctl_prints() {
        // systemd 252; 237 to 245 print a time that never was as nothing or n/a.
        let said = "ActiveState=active\nStateChangeTimestamp=Thu 2026-11-26 06:06:33 UTC\n\n\
            ActiveState=inactive\nStateChangeTimestamp=\n\n\
            StateChangeTimestamp=n/a\nActiveState=reloading\nType=notify-reload\n";
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        let units = read_units(said, &names);
        let told: Vec<_> = units
            .iter()
            .map(|unit| {
                (
                    unit.name.as_str(),
                    unit.active,
                    unit.changed,
                    unit.signalled,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("a", true, Some(1_795_673_193), false),
                ("b", false, None, false),
                ("c", true, None, true)
            ]
        );
        // No answer.
        let units = read_units("", &names);
        assert!(units.iter().all(|unit| !unit.active), "{units:?}");
    }

    #[test]
    fn times_are_those_of_date() {
        for at in [0, 951_782_400, 951_868_799, 1_709_251_199, 4_102_444_800] {
            let shown = child::ask(
                Path::new("/bin/date"),
                &[&format!("--date=@{at}"), "+%a %Y-%m-%d %H:%M:%S %Z"],
                PATIENCE,
            );
            assert_eq!(seconds(shown.unwrap().trim_end()), Some(at));
        }
        for wrong in [
            "",
            "n/a",
            "Thu 2026-11-26 06:06:33 CET",
            "Thu 2026-11 06:06 UTC",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn reads_what_journalctl_prints() {
        let said = "1795673193.000123 host systemd[1]: Reloading Virtualization daemon.\n\
            1795673194.5 host libvirtd[4711]: Drivers are not initialized, reload ignored\n\
            -- Boot 0123 --\n";
        let log = read_log(said);
        assert_eq!(log.len(), 2);
        assert_eq!(log[1].at, 1_795_673_194);
        assert!(log[1].text.ends_with("reload ignored"));
    }

    #[test]
    fn below_a_moved_root_no_program_is_run() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::below(directory.path().to_owned());
        for dir in ["run/systemd/system", "usr/bin"] {
            std::fs::create_dir_all(directory.path().join(dir)).unwrap();
        }
        let program = directory.path().join("usr/bin/systemctl");
        std::fs::write(&program, "#!/bin/sh\necho ActiveState=active\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        assert!(child::ask(&program, &[], PATIENCE).is_ok());
        assert!(ask(&root, "systemctl", &[]).is_none());
    }
}
