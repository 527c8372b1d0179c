//! Everything we ask the host, below a root directory that `--root` can move.
//!
//! Nothing here decides anything: it reads, and hands facts to the pure parts.

pub mod accounts;
pub mod attributes;
pub mod child;
pub mod conf;
pub mod confine;
pub mod daemon;
pub mod directory;
pub mod file_place;
pub mod guests;
pub mod hooks_directory;
pub mod kernel_log;
pub mod mounts;
pub mod named_file;
pub mod other_mounts;
pub mod profiles;
pub mod qemu_user;
pub mod reach;
pub mod security_driver;
pub mod stdin;
pub mod systemd;
pub mod temporary;
pub mod timed_look;
pub mod versions;
pub mod walk;
pub mod walls;
pub mod way;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::host::conf::Conf;
use crate::ordered;

/// Where host paths begin: `/`, or the directory of `--root`.
#[derive(Debug, Clone, Default)]
pub struct Root {
    dir: Option<PathBuf>,
    /// Whether AppArmor is switched on, once somebody has asked.
    apparmor: OnceLock<bool>,
    /// What qemu.conf sets, likewise.
    configuration: OnceLock<Option<Arc<Conf>>>,
}

/// The configuration of libvirt's QEMU driver; only root may read it on most hosts.
pub const CONFIGURATION: &str = "/etc/libvirt/qemu.conf";

impl Root {
    /// Below `dir`; `/` is the same as no root at all.
    pub fn below(dir: PathBuf) -> Self {
        Root {
            dir: (dir != Path::new("/")).then_some(dir),
            ..Root::default()
        }
    }

    /// Whether it is not the real root.
    pub fn is_moved(&self) -> bool {
        self.dir.is_some()
    }

    /// The directory of `--root`.
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

    /// The host path of `path`, which is one of this machine; nothing when it lies outside.
    pub fn below_it(&self, path: &Path) -> Option<Vec<u8>> {
        let Some(dir) = &self.dir else {
            return Some(path.as_os_str().as_encoded_bytes().to_vec());
        };
        let dir = std::fs::canonicalize(dir).ok()?;
        let inside = path.strip_prefix(dir).ok()?;
        let host = Path::new("/").join(inside);
        Some(host.into_os_string().into_encoded_bytes())
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

    /// Opens a path of the host. Below a moved root links lead to no other place, as if it were
    /// `/`: it may be a directory of somebody else's.
    ///
    /// # Errors
    /// With the system's own error.
    pub fn open(
        &self,
        absolute: impl AsRef<Path>,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        let absolute = absolute.as_ref();
        let Some(dir) = &self.dir else {
            return rustix::fs::open(absolute, flags, mode);
        };
        let whole = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(dir, whole, Mode::empty())?;
        rustix::fs::openat2(&dir, absolute, flags, mode, ResolveFlags::IN_ROOT)
    }

    /// Reads a file of the host, at most `most` bytes of it. A FIFO in its place is empty: no
    /// start of a guest waits for somebody to write to it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, absolute: &str, most: u64) -> io::Result<Vec<u8>> {
        // A FIFO in its place must not hold us up: libvirt's cache belongs to the QEMU user.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(self.open(absolute, flags, Mode::empty())?);
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        read_at_most(file, meta.len(), most)
    }

    /// [`Root::read`] as text; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&self, absolute: &str) -> io::Result<String> {
        const MOST: u64 = 1 << 20;
        Ok(lossy(self.read(absolute, MOST)?))
    }

    /// The names in a directory of the host, sorted; none where there is no such directory.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn names(&self, absolute: &str) -> io::Result<Vec<String>> {
        self.names_with("", absolute)
    }

    /// The names that begin with `prefix`. Not by the standard library's iterator: that one panics
    /// when closing the directory fails.
    ///
    /// # Errors
    /// As [`Root::names`].
    pub fn names_with(&self, prefix: &str, absolute: &str) -> io::Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = match self.open(absolute, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(error) if error == Errno::NOENT => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let names = Dir::new(directory)?
            .map_while(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name().to_str().ok()?;
                let wanted = name.starts_with(prefix) && name != "." && name != "..";
                wanted.then(|| name.to_owned())
            });
        Ok(ordered::set(names).into_iter().collect())
    }

    /// What qemu.conf sets; `None` where it may not be read.
    pub fn configuration(&self) -> Option<&Conf> {
        let read = || match self.text(CONFIGURATION) {
            Ok(text) => Some(Conf::read(&text)),
            Err(error) => (error.kind() == io::ErrorKind::NotFound).then(Conf::default),
        };
        self.configuration
            .get_or_init(|| read().map(Arc::new))
            .as_deref()
    }

    /// Whether the kernel has AppArmor switched on. Where it has one, but does not say, it is
    /// taken for on: a profile too many does no harm, one too few keeps QEMU from its share.
    pub fn apparmor_enabled(&self) -> bool {
        let ask = || match self.read("/sys/module/apparmor/parameters/enabled", 8) {
            Ok(text) => text.starts_with(b"Y"),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        *self.apparmor.get_or_init(ask)
    }
}

/// A text; bytes that are no UTF-8 are replaced.
pub fn lossy(content: Vec<u8>) -> String {
    // The library would copy what is well-formed, too.
    String::from_utf8(content)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The first `most` bytes of a file that is said to have `size`: usually one read for all of it,
/// and one for its end. Without the hint the standard library begins with 32 bytes.
///
/// # Errors
/// When it cannot be read.
pub fn read_at_most(file: impl Read, size: u64, most: u64) -> io::Result<Vec<u8>> {
    // Room for one byte more than there is, and never so little that it is not used at once.
    const LEAST: u64 = 64;
    // Files of the kernel's do not say.
    const UNKNOWN: u64 = 8 << 10;
    let size = if size == 0 { UNKNOWN } else { size };
    let room = size.min(most).saturating_add(1).max(LEAST);
    let mut content = Vec::new();
    content.try_reserve_exact(usize::try_from(room).unwrap_or(0))?;
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kernel_without_apparmor_has_it_off_without_saying_so() {
        let host = tempfile::tempdir().unwrap();
        let root = || Root::below(host.path().to_owned());
        assert!(!root().apparmor_enabled());
        let file = root().path("/sys/module/apparmor/parameters/enabled");
        for (text, enabled) in [("Y\n", true), ("N\n", false)] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
            assert_eq!(root().apparmor_enabled(), enabled);
        }
        // An error that is not "no such file": here EISDIR.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(root().apparmor_enabled());
    }
}
