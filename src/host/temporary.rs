//! A new file beside the one that it is to replace.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// A file in a directory that is held open. It goes away with the value, unless it got its lasting
/// name.
pub struct Temporary<'a> {
    directory: BorrowedFd<'a>,
    name: String,
    file: File,
    lasts: bool,
}

impl<'a> Temporary<'a> {
    /// Makes a file in `directory` whose name begins with `prefix`, for its owner alone.
    ///
    /// # Errors
    /// With the system's own error.
    pub fn create(directory: BorrowedFd<'a>, prefix: &str) -> io::Result<Self> {
        /// The chance that one name is taken is next to none, unless somebody takes them.
        const TRIES: u32 = 16;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            let name = random_name(prefix)?;
            match fs::openat(directory, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    return Ok(Temporary {
                        directory,
                        name,
                        file: File::from(file),
                        lasts: false,
                    });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Its name, for now.
    pub fn name(&self) -> &str {
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
        self.file.write_all(content)?;
        self.file.sync_all()
    }

    /// Gives it the name `target`, in one step, whatever has that name now.
    ///
    /// # Errors
    /// With the system's own error, and then it is gone.
    pub fn replace(mut self, target: &std::ffi::OsStr) -> io::Result<()> {
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

fn random_name(prefix: &str) -> io::Result<String> {
    let mut random = [0_u8; 5];
    // Never waits on a host that runs guests; where it would, names may as well be known.
    getrandom(&mut random[..], GetRandomFlags::NONBLOCK).or_else(|error| match error {
        Errno::AGAIN => Ok(0),
        error => Err(error),
    })?;
    let mut name = prefix.to_owned();
    for byte in random {
        name.push_str(&format!("{byte:02x}"));
    }
    Ok(name)
}
