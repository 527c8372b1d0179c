//! A file that QEMU opens, or creates: the kernel's name for it, and what lies there.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Stat};
use rustix::io::Errno;

use crate::host::Root;
use crate::host::directory::{NoDirectory, named, no_directory, to_be};
use crate::host::other_mounts::other_names;
use crate::host::walk::{self, End, Link};

/// What lies at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    /// Nothing; but its directory is there.
    Nothing,
    /// Not even a directory that it could be made in.
    NoDirectory,
    /// A directory.
    Directory,
    /// A socket.
    Socket,
    /// A device, of characters or blocks.
    Device,
    /// Something else.
    Other,
    /// Nobody looked.
    Unknown,
}

impl Lies {
    /// Whether something is known to be there.
    pub fn exists(self) -> bool {
        !matches!(self, Lies::Nothing | Lies::NoDirectory | Lies::Unknown)
    }
}

/// A file by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The name, links resolved.
    pub name: Vec<u8>,
    /// Other names of it, by other mounts.
    pub other_names: Vec<Vec<u8>>,
    /// What is there.
    pub lies: Lies,
    /// The user id of its owner, where it is there.
    pub owner: Option<u32>,
    /// The symbolic links that lead to it.
    pub links: Vec<Link>,
}

/// Looks at `path`, symbolic links followed as QEMU follows them. Of a file that is not there it is
/// its directory that is resolved: there it would be created.
///
/// # Errors
/// When its name cannot be known.
pub fn look(root: &Root, path: &Path) -> Result<NamedFile, NoDirectory> {
    let walk = walk::walk(root, path).map_err(no_directory)?;
    let (name, other_names, lies, owner) = match &walk.end {
        End::Directory(handle) | End::Node(handle) => {
            let stat = fs::fstat(handle).map_err(no_directory)?;
            let found = named(root, handle)?;
            let others = other_names(root, handle, &found.path);
            (found.name, others, kind(&stat), Some(stat.st_uid))
        }
        End::Missing(parent, rest) | End::Fuse(parent, rest, _) => {
            let (name, others) = below(root, parent, rest)?;
            let lies = match walk.end {
                End::Missing(..) if rest.contains(&b'/') => Lies::NoDirectory,
                End::Missing(..) => Lies::Nothing,
                _ => Lies::Unknown,
            };
            (name, others, lies, None)
        }
    };
    Ok(NamedFile {
        name,
        other_names,
        lies,
        owner,
        links: walk.links,
    })
}

/// The same for what is made anew at `path`, in the place of what lies there: a link that it is itself
/// is not followed.
///
/// # Errors
/// When its name cannot be known.
pub fn look_at_itself(root: &Root, path: &Path) -> Result<NamedFile, NoDirectory> {
    let slash = path.as_os_str().as_bytes().ends_with(b"/");
    let (Some(above), Some(last), false) = (path.parent(), path.file_name(), slash) else {
        return Err(NoDirectory::NotADirectory);
    };
    let walk = walk::walk(root, above).map_err(no_directory)?;
    let End::Directory(directory) = &walk.end else {
        // Nothing can be made there.
        return look(root, path);
    };
    let (name, other_names) = below(root, directory, last.as_bytes())?;
    let stat = match fs::statat(directory, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Some(stat),
        Err(Errno::NOENT) => None,
        Err(error) => return Err(no_directory(error)),
    };
    Ok(NamedFile {
        name,
        other_names,
        lies: stat.as_ref().map_or(Lies::Nothing, kind),
        owner: stat.map(|stat| stat.st_uid),
        links: walk.links,
    })
}

/// The names of what lies, or will lie, at `rest` in this directory.
fn below(
    root: &Root,
    directory: &OwnedFd,
    rest: &[u8],
) -> Result<(Vec<u8>, Vec<Vec<u8>>), NoDirectory> {
    let found = named(root, directory)?;
    let others = other_names(root, directory, &found.path).into_iter();
    let others = others.filter_map(|name| to_be(name, rest)).collect();
    let name = to_be(found.name, rest).ok_or(NoDirectory::Missing(None))?;
    Ok((name, others))
}

fn kind(stat: &Stat) -> Lies {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Lies::Directory,
        FileType::Socket => Lies::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => Lies::Device,
        _ => Lies::Other,
    }
}
