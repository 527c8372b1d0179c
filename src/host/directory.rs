//! The directory that a share's path leads to: its one true name, and whether it will do.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use crate::host::Root;
use crate::host::other_mounts::other_names;
use crate::host::walk::{self, End, Link, kernel_name};

/// A directory, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The kernel's own name for it, without the root: what AppArmor matches (without the slash
    /// at the end; `/` is just that).
    pub name: Vec<u8>,
    /// Other names of it, by other mounts.
    pub other_names: Vec<Vec<u8>>,
    /// Where it is on this machine.
    pub path: PathBuf,
    /// Whether it takes attributes in the user namespace; `None` when it cannot be told.
    pub user_xattr: Option<bool>,
    /// Whether its file system decides about permissions elsewhere (NFS, FUSE and the like).
    pub remote: bool,
    /// The user id of its owner, where it can be told.
    pub owner: Option<u32>,
    /// The symbolic links that lead to it.
    pub links: Vec<Link>,
}

/// A directory that somebody is yet to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToBe {
    /// As [`Directory::name`].
    pub name: Vec<u8>,
    /// As [`Directory::other_names`].
    pub other_names: Vec<Vec<u8>>,
    /// As [`Directory::links`].
    pub links: Vec<Link>,
}

/// Why a path leads to no directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDirectory {
    /// Nothing there; the name it will have when it is made, where that is certain.
    Missing(Option<ToBe>),
    /// Something else is there.
    NotADirectory,
    /// A directory on the way may not be entered by us; whether we are root, whom only a file
    /// system that decides elsewhere keeps out (NFS with root_squash, FUSE).
    Denied(bool),
    /// It lies on a file system of FUSE that this user mounted, into which nobody looks; the name it
    /// has there, where that is certain.
    Fuse(Option<ToBe>, u32),
    /// Its file system does not answer.
    Silent,
    /// Another error, in the system's words.
    Failed(String),
    /// We have too few of what it takes to look, descriptors or memory; in the system's words.
    NotLookedAt(String),
    /// The name does not lead back to it; the name.
    Unstable(String),
}

/// Finds the directory that `path` leads to, symbolic links followed as QEMU follows them.
///
/// The name is taken from the kernel (`/proc/self/fd`), because that is what it will compare
/// with the rule, and is believed only if it leads back to the same inode: that sorts out
/// removed directories ("… (deleted)"), unreachable ones and other mount namespaces (facts A4).
///
/// # Errors
/// When there is no such directory, or it has no dependable name.
pub fn resolve(root: &Root, path: &str) -> Result<Directory, NoDirectory> {
    if path.is_empty() {
        return Err(NoDirectory::Missing(None));
    }
    // A relative path counts from QEMU's working directory, which is / under libvirt.
    let walk = walk::walk(root, &Path::new("/").join(path)).map_err(no_directory)?;
    let (handle, rest, user) = match walk.end {
        End::Directory(handle) => (handle, None, None),
        End::Node(_) => return Err(NoDirectory::NotADirectory),
        End::Missing(parent, rest) => (parent, Some(rest), None),
        End::Fuse(parent, rest, user) => (parent, Some(rest), Some(user)),
    };
    let found = named(root, &handle)?;
    if let Some(rest) = rest {
        let name = to_be(found.name, &rest);
        let links = walk.links;
        let others = other_names(root, &handle, &found.path).into_iter();
        let other_names = others.filter_map(|name| to_be(name, &rest)).collect();
        let to_be = name.map(|name| ToBe {
            name,
            other_names,
            links,
        });
        return Err(match user {
            Some(user) => NoDirectory::Fuse(to_be, user),
            None => NoDirectory::Missing(to_be),
        });
    }
    Ok(Directory {
        name: found.name,
        other_names: other_names(root, &handle, &found.path),
        user_xattr: user_xattr(&handle),
        remote: fs::fstatfs(&handle).is_ok_and(|fs| is_remote_kind(fs.f_type)),
        owner: fs::fstat(&handle).ok().map(|stat| stat.st_uid),
        path: found.path,
        links: walk.links,
    })
}

/// What will be called so when it is made: the names below a directory that is there. Whatever
/// comes to stand there in the meantime, a rule opens what really has this name, and no more.
pub fn to_be(directory: Vec<u8>, rest: &[u8]) -> Option<Vec<u8>> {
    if rest.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return None;
    }
    let mut name = directory;
    if !name.ends_with(b"/") {
        name.push(b'/');
    }
    name.extend_from_slice(rest);
    Some(name)
}

/// What a path leads to, of whatever kind.
#[derive(Debug)]
pub struct Followed {
    /// The kernel's own name for it, without the root.
    pub name: Vec<u8>,
    /// Where it is on this machine.
    pub path: PathBuf,
}

/// Follows the host path `absolute` as the kernel does below the root. `kind` narrows what may
/// be there, as open(2) does.
///
/// # Errors
/// When there is nothing of the kind, or it has no dependable name.
pub fn follow(root: &Root, absolute: &Path, kind: OFlags) -> Result<Followed, NoDirectory> {
    let flags = OFlags::PATH | OFlags::CLOEXEC | kind;
    let handle = root
        .open(absolute, flags, Mode::empty())
        .map_err(no_directory)?;
    named(root, &handle)
}

/// The dependable name of what is open.
///
/// # Errors
/// When it has none.
pub fn named(root: &Root, handle: &OwnedFd) -> Result<Followed, NoDirectory> {
    let path = PathBuf::from(OsStr::from_bytes(
        &kernel_name(handle).map_err(no_directory)?,
    ));
    let unstable = || NoDirectory::Unstable(path.to_string_lossy().into_owned());
    let opened = fs::fstat(handle).map_err(no_directory)?;
    let named = fs::lstat(&path).map_err(|_| unstable())?;
    if (opened.st_dev, opened.st_ino) != (named.st_dev, named.st_ino) {
        return Err(unstable());
    }
    let name = root.below_it(&path).ok_or_else(unstable)?;
    if !name.starts_with(b"/") {
        return Err(unstable());
    }
    Ok(Followed { name, path })
}

/// What an error of the system's means for a path.
pub fn no_directory(error: Errno) -> NoDirectory {
    match error {
        Errno::NOENT => NoDirectory::Missing(None),
        Errno::NOTDIR => NoDirectory::NotADirectory,
        Errno::ACCESS => NoDirectory::Denied(rustix::process::geteuid().is_root()),
        other => {
            let text = std::io::Error::from(other).to_string();
            let end = text.find(" (os error").unwrap_or(text.len());
            let text = text.get(..end).unwrap_or("").to_owned();
            match other {
                Errno::MFILE | Errno::NFILE | Errno::NOMEM => NoDirectory::NotLookedAt(text),
                _ => NoDirectory::Failed(text),
            }
        }
    }
}

/// Asks for an attribute that QEMU would use: "not supported" is the answer we are after.
fn user_xattr(handle: &OwnedFd) -> Option<bool> {
    let mut value = [0_u8; 1];
    // Not fgetxattr, which a descriptor that is opened as a place only does not take.
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    match fs::getxattr(path.as_str(), "user.virtfs.uid", &mut value) {
        Ok(_) | Err(Errno::NODATA | Errno::RANGE) => Some(true),
        Err(Errno::OPNOTSUPP) => Some(false),
        Err(_) => None,
    }
}

/// Whether the file system of this place on the machine decides about permissions elsewhere.
pub fn is_remote(path: &Path) -> bool {
    fs::statfs(path).is_ok_and(|fs| is_remote_kind(fs.f_type))
}

/// File systems whose permission bits do not tell all (statfs(2)): 9p, NFS, CIFS, SMB2, FUSE,
/// Ceph, AFS, GFS2.
fn is_remote_kind(kind: impl TryInto<i64>) -> bool {
    matches!(
        kind.try_into().unwrap_or(0) & 0xffff_ffff,
        0x0102_1997
            | 0x6969
            | 0xff53_4d42
            | 0xfe53_4d42
            | 0x6573_5546
            | 0x00c3_6400
            | 0x5346_414f
            | 0x0116_1970
    )
}

/// The directories above `path`, from the root of the host down to `path` itself, as places on this
/// machine.
pub fn chain(root: &Root, directory: &Directory) -> Vec<PathBuf> {
    let name = Path::new(OsStr::from_bytes(&directory.name));
    let mut chain: Vec<PathBuf> = name.ancestors().map(|host| root.path(host)).collect();
    chain.reverse();
    chain
}
