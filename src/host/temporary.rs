//! A new file beside the one that it is to replace.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::process::{Resource, getrlimit};

/// A file in a directory that is held open. It goes away with the value, unless it got its lasting
/// name.
pub struct Temporary<'a> {
    directory: BorrowedFd<'a>,
    name: OsString,
    file: File,
    lasts: bool,
}

impl<'a> Temporary<'a> {
    /// Makes a file in `directory` whose name begins with `prefix`, for its owner alone.
    ///
    /// # Errors
    /// With the system's own error.
    pub fn create(directory: BorrowedFd<'a>, prefix: &str) -> io::Result<Self> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // tempfile knows directories by their path only. It chooses the name, again where one is
        // taken; the file is made in the directory that is held, and ours to remove.
        let made = tempfile::Builder::new()
            .prefix(prefix)
            .disable_cleanup(true)
            .make_in("/", |path| {
                let name = path.file_name().unwrap_or_default().to_owned();
                let file = fs::openat(directory, &name, flags, Mode::RUSR | Mode::WUSR)?;
                Ok((name, File::from(file)))
            })?;
        let ((name, file), path) = made.into_parts();
        drop(path);
        Ok(Temporary {
            directory,
            name,
            file,
            lasts: false,
        })
    }

    /// Its name, for now.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes all of `content`, and waits until it is on disk.
    ///
    /// # Errors
    /// With the system's own error; the disk may be full.
    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        // Beyond it the system sends a signal before it gives an error, and the signal ends us:
        // with this file left, and a guest stopped that may have no shares.
        let limit = getrlimit(Resource::Fsize).current;
        if limit.is_some_and(|most| (content.len() as u64) > most) {
            let why = "it would be larger than the process may make files (ulimit -f, LimitFSIZE)";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        self.file.write_all(content)?;
        self.file.sync_all()
    }

    /// Gives it the name `target`, in one step, whatever has that name now.
    ///
    /// # Errors
    /// With the system's own error, and then it is gone.
    pub fn replace(mut self, target: &OsStr) -> io::Result<()> {
        fs::renameat(self.directory, &self.name, self.directory, target)?;
        self.keep();
        Ok(())
    }

    /// Leaves what has its name now where it is.
    pub fn keep(&mut self) {
        self.lasts = true;
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.lasts {
            let _ = fs::unlinkat(self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Waits until the names in the directory are on disk, too. The file is in place by then: this is
/// worth a try and no more.
pub fn sync_names(directory: BorrowedFd) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(open) = fs::openat(directory, ".", flags, Mode::empty()) {
        let open: OwnedFd = open;
        let _ = fs::fsync(&open);
    }
}
