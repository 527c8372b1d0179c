//! Everything we ask the host, below a root folder that `--root` can move.
//!
//! Nothing here decides anything: it reads, and hands facts to the pure parts.

pub mod confine;
pub mod folder;
pub mod qemu_user;
pub mod temporary;
pub mod versions;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags};

/// Where host paths begin: `/`, or the folder of `--root`.
#[derive(Debug, Clone, Default)]
pub struct Root {
    dir: Option<PathBuf>,
}

impl Root {
    /// Below `dir`; `/` is the same as no root at all.
    pub fn below(dir: PathBuf) -> Self {
        Root {
            dir: (dir != Path::new("/")).then_some(dir),
        }
    }

    /// Whether it is not the real root.
    pub fn is_moved(&self) -> bool {
        self.dir.is_some()
    }

    /// The folder of `--root`.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Where the host path `absolute` really is.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        match &self.dir {
            None => absolute.to_owned(),
            Some(dir) => dir.join(absolute.strip_prefix("/").unwrap_or(absolute)),
        }
    }

    /// The user that files of ours must belong to: root, or the caller below a moved root.
    pub fn owner(&self) -> u32 {
        if self.is_moved() {
            rustix::process::geteuid().as_raw()
        } else {
            0
        }
    }

    /// Whether we may write: as root, or below a moved root.
    pub fn may_write(&self) -> bool {
        self.is_moved() || rustix::process::geteuid().is_root()
    }

    /// Reads a file of the host, at most `most` bytes of it. A FIFO in its place is empty: no
    /// start of a guest waits for somebody to write to it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, absolute: &str, most: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(self.path(absolute))?
            .take(most)
            .read_to_end(&mut content)?;
        Ok(content)
    }

    /// The names in a folder of the host; none when it cannot be read. Not the standard library's
    /// iterator: that one panics when closing the folder fails.
    pub fn names(&self, absolute: &str) -> Vec<OsString> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(self.path(absolute), flags, Mode::empty());
        let entries = folder.and_then(|folder| Dir::read_from(&folder));
        entries
            .into_iter()
            .flatten()
            .map_while(Result::ok)
            .map(|entry| OsString::from_vec(entry.file_name().to_bytes().to_vec()))
            .filter(|name| name != "." && name != "..")
            .collect()
    }

    /// Whether the kernel has AppArmor switched on. Where it has one, but does not say, it is
    /// taken for on: a profile too many does no harm, one too few keeps QEMU from its share.
    pub fn apparmor_enabled(&self) -> bool {
        match self.read("/sys/module/apparmor/parameters/enabled", 8) {
            Ok(text) => text.starts_with(b"Y"),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kernel_without_apparmor_has_it_off_without_saying_so() {
        let host = tempfile::tempdir().unwrap();
        let root = Root::below(host.path().to_owned());
        assert!(!root.apparmor_enabled());
        let file = root.path("/sys/module/apparmor/parameters/enabled");
        for (text, enabled) in [("Y\n", true), ("N\n", false)] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
            assert_eq!(root.apparmor_enabled(), enabled);
        }
        // An error that is not "no such file": here EISDIR.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(root.apparmor_enabled());
    }
}
