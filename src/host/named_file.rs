//! A file that QEMU opens, or creates: the kernel's name for it, and what lies there.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::host::Root;
use crate::host::directory::{self, NoDirectory};

/// What lies at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    /// Nothing.
    Nothing,
    /// A directory.
    Directory,
    /// A socket.
    Socket,
    /// Something else.
    Other,
    /// Nobody looked.
    Unknown,
}

/// A file by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The name, links resolved.
    pub name: Vec<u8>,
    /// What is there.
    pub lies: Lies,
}

/// Looks at `path`; nothing where its name cannot be known. Of a file that is not there the
/// directory is resolved: that is where it would be created.
pub fn look(root: &Root, path: &Path) -> Option<NamedFile> {
    match directory::follow(root, path, OFlags::empty()) {
        Ok(found) => {
            let kind = fs::symlink_metadata(&found.path).ok()?.file_type();
            let lies = if kind.is_dir() {
                Lies::Directory
            } else if kind.is_socket() {
                Lies::Socket
            } else {
                Lies::Other
            };
            let name = found.name;
            Some(NamedFile { name, lies })
        }
        Err(NoDirectory::Missing(_)) => {
            let (above, last) = (path.parent()?, path.file_name()?);
            let mut name = match directory::resolve(root, above.to_str()?) {
                // A link that leads nowhere: QEMU would create what it names.
                Ok(above) if fs::symlink_metadata(above.path.join(last)).is_ok() => return None,
                Ok(above) => above.name,
                Err(NoDirectory::Missing(Some(to_be))) => to_be.name,
                Err(_) => return None,
            };
            if !name.ends_with(b"/") {
                name.push(b'/');
            }
            name.extend_from_slice(last.as_encoded_bytes());
            let lies = Lies::Nothing;
            Some(NamedFile { name, lies })
        }
        Err(_) => None,
    }
}
