//! What systemd knows of libvirt's units: a reload leaves no trace in /proc, only here.
//!
//! This runs `systemctl show`, the one child process of the whole program. It is for `doctor`,
//! which people run; nothing in the start path of a guest comes here. The child is the host's own
//! `systemctl` (below `--root`, the one there), with an empty environment, and has three seconds.

use std::io::{self, Read};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::fs::OFlags;

use crate::host::Root;

/// How long the child may take: three seconds, counted in tries.
const PAUSE: Duration = Duration::from_millis(20);
const TRIES: u32 = 150;

/// No answer is longer.
const MOST_BYTES: usize = 64 << 10;

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
}

/// Asks for these units; nothing where systemd does not run the host, or does not answer.
pub fn units(root: &Root, names: &[String]) -> Vec<Unit> {
    // sd_booted(3)
    if !root.path("/run/systemd/system").is_dir() {
        return Vec::new();
    }
    // Ubuntu 18.04 may still have it in /bin.
    let Some(program) = ["/usr/bin/systemctl", "/bin/systemctl"]
        .iter()
        .map(|path| root.path(path))
        .find(|path| path.is_file())
    else {
        return Vec::new();
    };
    let mut command = Command::new(program);
    command
        .args(["show", "--property=Id,ActiveState,StateChangeTimestamp"])
        .args(names)
        .env_clear()
        // In UTC the time can be read by any version's format: --timestamp= is younger.
        .envs([("LC_ALL", "C"), ("TZ", "UTC")]);
    answer(command).as_deref().map(parse).unwrap_or_default()
}

/// What the command prints, if it ends its output in time.
fn answer(mut command: Command) -> Option<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let text = child.stdout.take().and_then(whole);
    // Whoever has answered has ended, or has no business running on.
    let _ = child.kill();
    let _ = child.wait();
    text
}

/// All of the output, read without ever waiting in the kernel: something else may hold the other
/// end of the pipe open for ever.
fn whole(mut output: ChildStdout) -> Option<String> {
    rustix::fs::fcntl_setfl(&output, OFlags::NONBLOCK).ok()?;
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    let mut tries = 0;
    while tries < TRIES && text.len() < MOST_BYTES {
        match output.read(&mut chunk) {
            Ok(0) => return String::from_utf8(text).ok(),
            Ok(read) => text.extend_from_slice(chunk.get(..read).unwrap_or(&[])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(PAUSE);
                tries += 1;
            }
            Err(_) => return None,
        }
    }
    None
}

/// Blocks of `Key=value`, an empty line between them.
fn parse(text: &str) -> Vec<Unit> {
    text.split("\n\n")
        .filter_map(|block| {
            let value = |key: &str| {
                block.lines().find_map(|line| {
                    let (found, value) = line.split_once('=')?;
                    (found == key).then_some(value)
                })
            };
            Some(Unit {
                name: value("Id")?.to_owned(),
                active: matches!(value("ActiveState"), Some("active" | "reloading")),
                changed: value("StateChangeTimestamp").and_then(seconds),
            })
        })
        .collect()
}

/// `Wed 2026-11-25 19:40:26 UTC` as seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let mut words = text.split(' ').skip(1);
    let mut date = words
        .next()?
        .split('-')
        .map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let clock = words
        .next()?
        .split(':')
        .try_fold(0, |sum, part| Some(sum * 60 + part.parse::<i64>().ok()?))?;
    (words.next() == Some("UTC")).then_some(())?;
    // Days of the Gregorian calendar, the year beginning with March so that the leap day is last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    Some(days * 86_400 + clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_of_systemd() {
        for (text, expected) in [
            ("Thu 1970-01-01 00:00:00 UTC", Some(0)),
            ("Tue 2000-02-29 23:59:59 UTC", Some(951_868_799)),
            ("Wed 2026-11-25 19:40:26 UTC", Some(1_795_635_626)),
            ("Wed 2026-11-25 20:40:26 CET", None),
            ("", None),
            ("n/a", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_units() {
        let text = "Id=a.service\nActiveState=active\nStateChangeTimestamp=Thu 1970-01-01 00:00:09 UTC\n\nId=b.socket\nActiveState=inactive\nStateChangeTimestamp=\n";
        let units = parse(text);
        assert_eq!((units[0].active, units[0].changed), (true, Some(9)));
        assert_eq!((units[1].active, units[1].changed), (false, None));
    }

    #[test]
    fn does_not_wait_for_ever() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & exec sleep 60"]);
        let begun = std::time::Instant::now();
        assert_eq!(answer(command), None);
        assert!(begun.elapsed() < PAUSE * TRIES * 3);
    }
}
