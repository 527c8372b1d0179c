//! The files that virt-9p reads and writes as root, the lock and the profiles: where they are,
//! how they are opened, and what can be wrong with them.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::apparmor::block::{self, Damage};
use crate::host::Root;

/// One lock for all guests. Not the profile directory and not /run/lock: those any local user can
/// open, and so hold a lock on.
pub const LOCK: &str = "/run/virt-9p.lock";

/// Where libvirt keeps the profiles of guests.
pub const PROFILES: &str = "/etc/apparmor.d/libvirt";

/// What the profile of every guest includes (facts L5.1).
pub const ABSTRACTIONS: [&str; 2] = [
    "/etc/apparmor.d/abstractions/libvirt-qemu",
    "/etc/apparmor.d/local/abstractions/libvirt-qemu",
];

/// A directory of more of them (libvirt 9.6 and later).
pub const ABSTRACTIONS_D: &str = "/etc/apparmor.d/abstractions/libvirt-qemu.d";

/// The files that the profile of every guest includes. What packages and editors leave behind in a
/// directory the parser passes over (libapparmor, _aa_is_blacklisted).
///
/// # Errors
/// When the directory cannot be read.
pub fn of_every_guest(root: &Root) -> io::Result<Vec<String>> {
    const LEFT_BEHIND: &str = "~ .dpkg-new .dpkg-old .dpkg-dist .dpkg-bak .dpkg-remove .pacsave .pacnew \
                               .rpmnew .rpmsave .orig .rej README";
    let mut files: Vec<String> = ABSTRACTIONS.map(str::to_owned).to_vec();
    for name in root.names(ABSTRACTIONS_D)? {
        if !name.starts_with('.') && !LEFT_BEHIND.split(' ').any(|end| name.ends_with(end)) {
            files.push(format!("{ABSTRACTIONS_D}/{name}"));
        }
    }
    Ok(files)
}

/// What libvirt makes new profiles from.
pub const TEMPLATE: &str = "/etc/apparmor.d/libvirt/TEMPLATE.qemu";

/// How the names of temporary files begin, all of them.
pub const TEMPORARY: &str = ".virt-9p.";

/// Why a profile could not be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// The file, and what is wrong with it.
    Unfit(PathBuf, String),
    /// The file, and the damage in it.
    Damaged(PathBuf, Damage),
    /// What was done, to which file, and the error.
    Io(&'static str, PathBuf, io::Error),
    /// The lock is held by somebody else.
    Locked(PathBuf),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreError::Unfit(path, why) => write!(f, "{} {why}", path.display()),
            StoreError::Damaged(path, damage) => write!(f, "{}: {damage}", path.display()),
            StoreError::Io(what, path, error) => {
                write!(f, "cannot {what} {}: {error}", path.display())
            }
            StoreError::Locked(path) => {
                write!(f, "{} is locked by another process", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            StoreError::Unfit(path, _) if path.ends_with(LOCK.trim_start_matches('/')) => {
                format!("remove {}: virt-9p makes a new one", path.display())
            }
            StoreError::Unfit(path, _) if path.ends_with(TEMPLATE.trim_start_matches('/')) => {
                format!(
                    "make {} root's, and let nobody else write it",
                    path.display()
                )
            }
            StoreError::Unfit(path, _) => format!(
                "make {} a regular file of root's that nobody else can write, or move it away: libvirt makes a new one",
                path.display()
            ),
            StoreError::Damaged(path, Damage::Template) => {
                format!("restore {} from the libvirt package", path.display())
            }
            StoreError::Damaged(path, Damage::NoAnchor) => {
                format!(
                    "move {} away: libvirt makes a new one, and add your own rules to that",
                    path.display()
                )
            }
            StoreError::Damaged(path, _) => format!(
                "in {}, remove what is left between `{}` and `{}`, markers included; virt-9p writes the block anew",
                path.display(),
                block::BEGIN.trim(),
                block::END.trim()
            ),
            StoreError::Io(_, path, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                format!(
                    "a hook that lies in /etc/libvirt/hooks as a file of its own runs in libvirtd's AppArmor profile, which forbids \
                 writing {}: install the program as /usr/sbin/virt-9p and make the hook a symlink to it",
                    path.display()
                )
            }
            StoreError::Io(_, _, error) if error.kind() == io::ErrorKind::FileTooLarge => {
                "raise the limit of the daemon that runs the hook".to_owned()
            }
            StoreError::Io(_, path, _) => format!(
                "see that the file system of {} can be written to and has room",
                path.display()
            ),
            StoreError::Locked(path) => format!("`fuser -v {}` shows who holds it", path.display()),
        }
    }
}

/// Opens a host path without following a symlink or waiting on a FIFO, and looks at what was
/// opened.
///
/// # Errors
/// When it cannot be opened, or somebody but root could have prepared it.
pub fn open_checked(
    root: &Root,
    absolute: &str,
    flags: OFlags,
) -> Result<(File, Metadata), StoreError> {
    let path = &root.path(absolute);
    let unfit = |why: String| Err(StoreError::Unfit(path.to_owned(), why));
    let mode = match flags.contains(OFlags::CREATE) {
        true => Mode::RUSR | Mode::WUSR,
        false => Mode::empty(),
    };
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match root.open(absolute, flags, mode) {
        Ok(file) => File::from(file),
        // NOFOLLOW met a symlink.
        Err(Errno::LOOP) => return unfit("is a symbolic link".to_owned()),
        // A FIFO or a socket.
        Err(Errno::NXIO) => return unfit("is not a regular file".to_owned()),
        Err(error) => return Err(StoreError::Io("open", path.to_owned(), error.into())),
    };
    let meta = file
        .metadata()
        .map_err(|error| StoreError::Io("look at", path.to_owned(), error))?;
    if !meta.is_file() {
        return unfit("is not a regular file".to_owned());
    }
    if let Some(why) = foreign(root, &meta) {
        return unfit(why);
    }
    if meta.nlink() != 1 {
        return unfit(format!("has {} hard links", meta.nlink()));
    }
    Ok((file, meta))
}

/// Why somebody but root could have written a file.
pub fn foreign(root: &Root, meta: &Metadata) -> Option<String> {
    if meta.uid() != root.owner() {
        return Some(format!("belongs to user {} and not to root", meta.uid()));
    }
    (meta.mode() & 0o022 != 0).then(|| "can be written by others than its owner".to_owned())
}
