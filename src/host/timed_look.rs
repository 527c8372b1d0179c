//! Looks at the paths of a domain, and waits for none of them for ever: a server that is gone
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
use crate::host::named_file::NamedFile;
use crate::host::qemu_user::QemuUser;
use crate::host::reach::{Reach, reach};
use crate::host::walls::Before;
use crate::host::{Root, mounts};

/// How long one path is waited for.
const EACH: Duration = Duration::from_secs(5);

/// How long all of one domain are.
const IN_ALL: Duration = Duration::from_secs(15);

/// When the first look at the paths of a domain began: all of them are waited for together.
#[derive(Debug, Clone, Copy)]
pub struct Wait(Instant);

impl Wait {
    /// It begins now.
    pub fn begin() -> Self {
        Wait(Instant::now())
    }

    fn is_over(self) -> bool {
        self.0.elapsed() >= IN_ALL
    }
}

/// What the thread needs: a few calls deep, with a path of 4 KiB here and there.
const STACK: usize = 512 << 10;

/// What was seen of a share's directory.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Where the path leads.
    pub directory: Result<Directory, NoDirectory>,
    /// Whether the user gets there, where one was given.
    pub reach: Option<Reach>,
}

/// What was seen of the files that QEMU opens because of one path.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Each of them.
    pub files: Vec<Result<NamedFile, NoDirectory>>,
    /// Whether QEMU ends their names as it likes.
    pub any_end: bool,
    /// What stands before each beside AppArmor; none where nobody asked.
    pub before: Vec<Before>,
}

/// What a question was answered with.
pub enum Answer {
    /// Of a share.
    Share(Seen),
    /// Of another path.
    Files(Files),
}

/// Looks at something of the host.
pub type Question = Box<dyn Fn(&Root) -> Answer + Send + Sync>;

/// Looks at the directory of each of the paths, as this user.
pub fn look_at_shares(
    root: &Root,
    paths: &[String],
    user: Option<&Arc<QemuUser>>,
    wait: Wait,
) -> Vec<Seen> {
    let question = |path: &String| -> Question {
        let (path, user) = (path.clone(), user.cloned());
        Box::new(move |root| Answer::Share(look_at_share(root, &path, user.as_deref())))
    };
    let seen = |answer| match answer {
        Some(Answer::Share(seen)) => seen,
        _ => Seen {
            directory: Err(NoDirectory::Silent),
            reach: None,
        },
    };
    let questions = paths.iter().map(question).collect();
    ask(root, questions, wait).into_iter().map(seen).collect()
}

/// The answer to each question; nothing where there was none in time.
pub fn ask(root: &Root, questions: Vec<Question>, wait: Wait) -> Vec<Option<Answer>> {
    if questions.is_empty() || !mounts::may_hang() {
        // Whoever makes chains of links can make each path cost a tenth of a second.
        let one = |ask: &Question| (!wait.is_over()).then(|| ask(root));
        return questions.iter().map(one).collect();
    }
    let questions = Arc::new(questions);
    let mut seen = Vec::with_capacity(questions.len());
    while seen.len() < questions.len() {
        let first = seen.len();
        if wait.is_over() {
            seen.resize_with(questions.len(), || None);
            break;
        }
        let answers = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (there, them) = (root.clone(), Arc::clone(&questions));
        let answer = Arc::clone(&answers);
        let looker = thread::Builder::new().stack_size(STACK).spawn(move || {
            let (list, told) = &*answer;
            for ask in them.iter().skip(first) {
                let one = Some(ask(&there));
                list.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(one);
                told.notify_one();
            }
        });
        if looker.is_err() {
            seen.extend(questions.iter().skip(first).map(|ask| Some(ask(root))));
            break;
        }
        let (list, told) = &*answers;
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        let left = questions.len() - first;
        let mut known = list.len();
        while known < left {
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
        let all = known == left;
        seen.append(&mut list);
        if !all {
            seen.push(None);
        }
    }
    seen
}

fn look_at_share(root: &Root, path: &str, user: Option<&QemuUser>) -> Seen {
    let directory = directory::resolve(root, path);
    let reach = match (&directory, user) {
        (Ok(directory), Some(user)) => Some(reach(root, user, directory)),
        _ => None,
    };
    Seen { directory, reach }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_once_the_time_is_over() {
        let host = tempfile::tempdir().unwrap();
        let root = Root::below(host.path().to_owned());
        let question = || -> Vec<Question> { vec![Box::new(|_| Answer::Files(Files::default()))] };
        let begun = Instant::now().checked_sub(IN_ALL).unwrap();
        assert!(ask(&root, question(), Wait(begun))[0].is_none());
        assert!(ask(&root, question(), Wait::begin())[0].is_some());
    }
}
