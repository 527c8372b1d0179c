//! The lock: nobody else's, and free.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::apparmor::files::{LOCK, StoreError};
use crate::apparmor::lock;
use crate::doctor::{CheckLine, Subject};
use crate::host::{Root, daemon};

/// Looks at it. A lock that is not there yet is made at the first start of a guest with shares.
pub fn lines(root: &Root) -> Vec<CheckLine> {
    let meta = match std::fs::symlink_metadata(root.path(LOCK)) {
        Ok(meta) => Some(meta),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return vec![CheckLine::not_looked_at(Subject::Lock, FIT, &error)],
    };
    let fit = fit(root, meta.as_ref());
    if fit.verdict == crate::doctor::Grade::Fail {
        return vec![fit];
    }
    let holder = || {
        let held = root.text("/proc/locks").unwrap_or_default();
        let pid = meta
            .as_ref()
            .and_then(|meta| holder(&held, meta.dev(), meta.ino()))?;
        Some((pid, daemon::command(root, pid)))
    };
    vec![fit, free(lock::is_free(root), holder)]
}

const FIT: &str = "that nobody else can hold the lock";

/// An unprivileged user that can open it could hold up every start.
fn fit(root: &Root, meta: Option<&Metadata>) -> CheckLine {
    let Some(meta) = meta else {
        return CheckLine::pass(Subject::Lock, FIT);
    };
    let wrong = if !meta.is_file() {
        "is not a regular file".to_owned()
    } else if meta.uid() != root.owner() {
        format!("belongs to user {}", meta.uid())
    } else if meta.mode() & 0o077 != 0 {
        format!("has mode {:04o} and not 0600", meta.mode() & 0o7777)
    } else if meta.nlink() != 1 {
        format!("has {} hard links", meta.nlink())
    } else {
        return CheckLine::pass(Subject::Lock, FIT);
    };
    CheckLine::fail(
        Subject::Lock,
        FIT,
        format!("{LOCK} {wrong}: remove it, virt-9p makes a new one"),
    )
}

fn free(
    free: Result<(), StoreError>,
    holder: impl Fn() -> Option<(u32, Option<String>)>,
) -> CheckLine {
    let what = "that the lock is free";
    match free {
        Ok(()) => CheckLine::pass(Subject::Lock, what),
        Err(StoreError::Locked(_)) => {
            let who = match holder() {
                Some((pid, Some(command))) => {
                    format!("process {pid} ({})", crate::text::visible(&command))
                }
                Some((pid, None)) => format!("process {pid}"),
                None => "another process".to_owned(),
            };
            CheckLine::fail(
                Subject::Lock,
                what,
                format!(
                    "{who} has held {LOCK} for a second, and guests with shares do not start meanwhile: `fuser -v {LOCK}` shows it"
                ),
            )
        }
        // A user that is not root need not be able to open it; the kernel's list tells who holds it.
        Err(StoreError::Io(_, _, error)) => match holder() {
            Some((pid, _)) => CheckLine::warn(
                Subject::Lock,
                what,
                format!("process {pid} holds it at this moment"),
            ),
            None => CheckLine::not_looked_at(Subject::Lock, what, &error),
        },
        Err(error) => CheckLine::fail(Subject::Lock, what, format!("{error}: {}", error.help())),
    }
}

/// The process that holds a lock on a file: `1: FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF`,
/// with device numbers in hexadecimal (proc(5)). Waiting ones have `->` behind the number.
fn holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let file = format!(
        "{:02x}:{:02x}:{inode}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            [_, "FLOCK", _, _, pid, at, ..] if *at == file => pid.parse().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_holder() {
        let locks = "1: POSIX  ADVISORY  WRITE 10 00:19:1234 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 11 00:19:1234 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE 12 00:19:12345 0 EOF\n4: FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF\n";
        let device = rustix::fs::makedev(0, 0x19);
        assert_eq!(holder(locks, device, 1234), Some(4711));
        assert_eq!(holder(locks, device, 99), None);
    }

    #[test]
    fn the_kernel_lists_a_lock_as_we_read_it() {
        use fs2::FileExt;
        let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        file.as_file().try_lock_exclusive().unwrap();
        let meta = file.as_file().metadata().unwrap();
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        assert_eq!(
            holder(&locks, meta.dev(), meta.ino()),
            Some(std::process::id()),
            "{locks}"
        );
    }
}
