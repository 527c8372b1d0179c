//! Where a file is or is to be: its directory, held open, and its name in that.
//!
//! A path is followed once, here, one name at a time. After that nothing has to be found again, so
//! it makes no difference what somebody who can write one of the directories puts in whose place.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::text::visible;

/// As many as the kernel follows.
const MOST_LINKS: u32 = 40;

/// A name in a directory.
#[derive(Debug)]
pub struct FilePlace {
    directory: HeldDirectory,
    name: OsString,
    /// What has the name; nothing may.
    kind: Option<FileType>,
}

/// Why there is no place.
#[derive(Debug)]
pub enum NoPlace {
    /// The system's own error.
    Failed(Errno),
    /// A symbolic link that others could have made.
    Link(PathBuf),
}

impl std::fmt::Display for NoPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoPlace::Failed(error) => std::io::Error::from(*error).fmt(f),
            NoPlace::Link(path) => write!(
                f,
                "{} is a symbolic link in a directory that others can write, and could lead anywhere by now; \
                 name the file that it leads to",
                visible(&path.to_string_lossy())
            ),
        }
    }
}

impl std::error::Error for NoPlace {}

impl From<Errno> for NoPlace {
    fn from(error: Errno) -> Self {
        NoPlace::Failed(error)
    }
}

impl FilePlace {
    /// Follows `path`: symbolic links only out of directories that nobody but root and the caller
    /// can write.
    ///
    /// # Errors
    /// When there is no such directory, or a link is not followed. The file itself may be missing.
    pub fn find(path: &Path) -> Result<Self, NoPlace> {
        let mut here = HeldDirectory::open(Path::new("."))?;
        let mut left = Vec::new();
        push(&mut left, path);
        let mut links = 0;
        while let Some(step) = left.pop() {
            if step == "/" {
                here = HeldDirectory::open(Path::new("/"))?;
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let entry = match fs::openat(&here.fd, &step, flags, Mode::empty()) {
                Ok(entry) => entry,
                Err(Errno::NOENT) if left.is_empty() => return Ok(here.place(step, None)),
                Err(error) => return Err(error.into()),
            };
            let stat = fs::fstat(&entry)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    if !here.closed {
                        return Err(NoPlace::Link(here.path.join(step)));
                    }
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    // Such as /dev/stdout: its text is no path.
                    if left.is_empty() && here.is_proc() {
                        return Ok(here.place(step, Some(FileType::Symlink)));
                    }
                    let target = fs::readlinkat(&entry, "", Vec::new())?;
                    push(
                        &mut left,
                        Path::new(&OsString::from_vec(target.into_bytes())),
                    );
                }
                FileType::Directory => here = here.enter(entry, &stat, &step),
                kind if left.is_empty() => return Ok(here.place(step, Some(kind))),
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        Err(Errno::ISDIR.into())
    }

    /// The directory, held open: use it, and not a path.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.fd.as_fd()
    }

    /// The name in it.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// What had the name when it was looked for. A link is one of /proc to an open file; no other
    /// is left.
    pub fn kind(&self) -> Option<FileType> {
        self.kind
    }

    /// Whether nobody but root and the caller can put something else here.
    pub fn is_closed(&self) -> bool {
        self.directory.closed
    }

    /// The path of another name in the directory, for messages.
    pub fn beside(&self, name: &OsStr) -> PathBuf {
        self.directory.path.join(name)
    }
}

/// A directory, and who can change what is in it.
#[derive(Debug)]
struct HeldDirectory {
    fd: OwnedFd,
    path: PathBuf,
    /// Nobody but root and the caller can replace what belongs to them in it: others cannot write
    /// it, or it is sticky as /tmp. The same holds for each directory on the way.
    firm: bool,
    /// Others cannot write it at all.
    closed: bool,
}

impl HeldDirectory {
    /// `/` or `.`, which nobody can put elsewhere.
    fn open(path: &Path) -> Result<Self, NoPlace> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())?;
        let stat = fs::fstat(&fd)?;
        let path = match path.is_absolute() {
            true => path.to_owned(),
            false => std::env::current_dir().unwrap_or_default(),
        };
        Ok(Self::from_stat(fd, path, &stat, true))
    }

    /// `reached`: nobody else can have put another directory there.
    fn from_stat(fd: OwnedFd, path: PathBuf, stat: &Stat, reached: bool) -> Self {
        // A FUSE file system can be anybody's, and says of its owners and modes what it likes; or
        // fails, so that what it is cannot be asked.
        let honest = kind_of(&fd).is_some_and(|kind| kind != FUSE);
        // The group's bits are also the mask of an access control list.
        let others = stat.st_mode & 0o022 != 0;
        let sticky = stat.st_mode & 0o1000 != 0;
        let ours = reached && honest && is_ours(stat);
        HeldDirectory {
            fd,
            path,
            firm: ours && (!others || sticky),
            closed: ours && !others,
        }
    }

    fn enter(self, fd: OwnedFd, stat: &Stat, name: &OsStr) -> Self {
        let mut path = self.path;
        if name == ".." {
            // No name in it is a link, so the one before is the one above.
            path.pop();
        } else {
            path.push(name);
        }
        let reached = self.closed || (self.firm && (is_ours(stat) || name == ".."));
        Self::from_stat(fd, path, stat, reached)
    }

    fn is_proc(&self) -> bool {
        kind_of(&self.fd) == Some(fs::PROC_SUPER_MAGIC)
    }

    fn place(self, name: OsString, kind: Option<FileType>) -> FilePlace {
        FilePlace {
            directory: self,
            name,
            kind,
        }
    }
}

/// FUSE_SUPER_MAGIC (linux/magic.h).
const FUSE: fs::FsWord = 0x6573_5546;

/// The kind of file system that it lies on.
fn kind_of(fd: &OwnedFd) -> Option<fs::FsWord> {
    fs::fstatfs(fd).ok().map(|about| about.f_type)
}

/// Whether it belongs to root or the caller.
fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

/// Puts the names of `path` on the stack, the first on top.
fn push(left: &mut Vec<OsString>, path: &Path) {
    let steps = path.components().rev();
    left.extend(steps.filter_map(|step| match step {
        Component::CurDir | Component::Prefix(_) => None,
        step => Some(step.as_os_str().to_owned()),
    }));
}
