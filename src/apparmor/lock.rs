//! One writer of profiles at a time.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use fs2::FileExt;
use rustix::fs::{Mode, OFlags};

use crate::apparmor::files::{LOCK, PROFILES, StoreError, open_checked};
use crate::host::Root;

/// How long to wait for a holder of the lock: it needs milliseconds, and where the disk has much
/// else to write, a single fsync takes seconds. Counted in tries, not by a clock that may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// One try: for a domain that is none of our business.
    None,
    /// About fifteen seconds, and again as long whenever a profile changed meanwhile: where hundreds
    /// of guests start at once, or the disk is slow, everybody gets a turn.
    Seconds,
}

const PAUSE: Duration = Duration::from_millis(20);
const TRIES: u32 = 750;

/// However much goes on, after about a minute it is enough.
const MOST_TRIES: u32 = 3000;

/// The lock, held.
pub struct Lock {
    /// Closing it gives the lock back.
    _file: File,
}

impl Lock {
    /// Waits for it as long as `patience` says; makes its file where there is none.
    ///
    /// # Errors
    /// When somebody holds it for ever, or its file is not fit to be a lock.
    pub fn acquire(root: &Root, patience: Patience) -> Result<Self, StoreError> {
        let path = root.path(LOCK);
        let (file, meta) = open_checked(root, LOCK, OFlags::RDWR | OFlags::CREATE)?;
        // Whoever can open it can hold it, and every start of a guest with it.
        if meta.mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))
                .map_err(|error| StoreError::Io("close to others", path.clone(), error))?;
        }
        let mut seen = last_change(root);
        let mut left = match patience {
            Patience::None => 1,
            Patience::Seconds => TRIES,
        };
        for _ in 0..MOST_TRIES {
            if try_hold(&file, &path)? {
                return Ok(Lock { _file: file });
            }
            let now = last_change(root);
            if now != seen && patience == Patience::Seconds {
                (seen, left) = (now, TRIES);
            }
            left -= 1;
            if left == 0 {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Err(StoreError::Locked(path))
    }
}

/// Whether the lock can be had within a second. It is not made where there is none; holding it
/// for this moment keeps nobody waiting that is not patient anyway.
///
/// # Errors
/// When it is held, or not fit to be one.
pub fn is_free(root: &Root) -> Result<(), StoreError> {
    const A_SECOND: u32 = 50;
    let path = root.path(LOCK);
    match open_checked(root, LOCK, OFlags::RDONLY) {
        Ok((file, _)) => {
            for _ in 0..A_SECOND {
                if try_hold(&file, &path)? {
                    return Ok(());
                }
                std::thread::sleep(PAUSE);
            }
            Err(StoreError::Locked(path))
        }
        Err(StoreError::Io(_, _, error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Locks an open file if nobody else has it locked; whether that was so.
fn try_hold(file: &File, path: &Path) -> Result<bool, StoreError> {
    match file.try_lock_exclusive() {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(StoreError::Io("lock", path.to_owned(), error)),
    }
}

/// When the directory of profiles changed last: each holder of the lock changes it, so that the
/// others see that things go on. (Nothing is written to the lock itself: with nothing to write
/// there is nothing that could be led to another file.)
fn last_change(root: &Root) -> Option<(i64, i64)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = root.open(PROFILES, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(directory).ok()?;
    Some((
        stat.st_mtime,
        i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
    ))
}
