//! Looks at the directories of shares, and waits for none of them for ever: a server that is gone
//! or a daemon that hangs (NFS, FUSE) must not keep a guest from being started, nor libvirt, which
//! waits for the hook.
//!
//! No system call on a path can be given a limit of time, so where there is such a file system at
//! all, another thread looks and is left behind when it takes too long. It does not keep the
//! process from ending: NFS, SMB and FUSE let a thread go that waits for an answer when it is
//! killed. (All but one: what a FUSE daemon has taken up and does not answer, Linux waits for. That
//! of a user is never asked: [`crate::host::walk`] does not enter it.)

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::host::directory::{self, Directory, NoDirectory};
use crate::host::qemu_user::QemuUser;
use crate::host::reach::{Reach, reach};
use crate::host::{Root, mounts};

/// How long one path is waited for.
const EACH: Duration = Duration::from_secs(5);

/// How long all of them are.
const IN_ALL: Duration = Duration::from_secs(15);

/// What the thread needs: a few calls deep, with a path of 4 KiB here and there.
const STACK: usize = 512 << 10;

/// What was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Where the path leads.
    pub directory: Result<Directory, NoDirectory>,
    /// Whether the user gets there, where one was given.
    pub reach: Option<Reach>,
}

/// Looks at each of the paths, as this user.
pub fn look_at_shares(root: &Root, paths: &[String], user: Option<&Arc<QemuUser>>) -> Vec<Seen> {
    if paths.is_empty() || !mounts::may_hang() {
        return directly(root, paths, user);
    }
    let start = Instant::now();
    let mut seen = Vec::with_capacity(paths.len());
    while let Some(left) = paths.get(seen.len()..).filter(|left| !left.is_empty()) {
        if start.elapsed() >= IN_ALL {
            seen.extend(left.iter().map(|_| silent()));
            break;
        }
        let answers = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (there, them, who) = (root.clone(), left.to_vec(), user.cloned());
        let answer = Arc::clone(&answers);
        let looker = thread::Builder::new().stack_size(STACK).spawn(move || {
            let (list, told) = &*answer;
            for path in &them {
                let one = look_at_share(&there, path, who.as_deref());
                list.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(one);
                told.notify_one();
            }
        });
        if looker.is_err() {
            seen.extend(directly(root, left, user));
            break;
        }
        let (list, told) = &*answers;
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = list.len();
        while known < left.len() {
            let (now, late) = told
                .wait_timeout(list, EACH)
                .unwrap_or_else(PoisonError::into_inner);
            list = now;
            // Woken for nothing now and then, which only waits a little longer.
            if late.timed_out() && list.len() == known {
                break;
            }
            known = list.len();
        }
        let all = known == left.len();
        seen.append(&mut list);
        if !all {
            seen.push(silent());
        }
    }
    seen
}

fn directly(root: &Root, paths: &[String], user: Option<&Arc<QemuUser>>) -> Vec<Seen> {
    let user = user.map(|user| &**user);
    paths
        .iter()
        .map(|path| look_at_share(root, path, user))
        .collect()
}

fn look_at_share(root: &Root, path: &str, user: Option<&QemuUser>) -> Seen {
    let directory = directory::resolve(root, path);
    let reach = match (&directory, user) {
        (Ok(directory), Some(user)) => Some(reach(root, user, directory)),
        _ => None,
    };
    Seen { directory, reach }
}

fn silent() -> Seen {
    Seen {
        directory: Err(NoDirectory::Silent),
        reach: None,
    }
}
