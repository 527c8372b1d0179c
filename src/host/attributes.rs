//! What is said about a file beside its content: its owner, its mode, who may do what, and more.

use std::fs::File;
use std::io;

use rustix::fs::{self, Gid, IFlags, Mode, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use crate::text::visible;

/// The kernel's limits for the names of a file's attributes and for one value (XATTR_LIST_MAX,
/// XATTR_SIZE_MAX).
const MOST_BYTES: usize = 64 << 10;

/// Where the file system keeps a list of who may do what (acl(5)).
const ACL: &[u8] = b"system.posix_acl_access";

/// Gives `new` owner, attributes and mode of the file that is open as `from` and was looked at.
///
/// # Errors
/// Says what it cannot have.
pub fn take_over(from: &File, wanted: &Stat, new: &File) -> anyhow::Result<()> {
    let cannot = |what: &str, error: Errno| {
        let error = io::Error::from(error);
        anyhow::anyhow!("its {what} cannot be kept: {error}")
    };
    let made = fs::fstat(new).map_err(|error| cannot("owner", error))?;
    if (made.st_uid, made.st_gid) != (wanted.st_uid, wanted.st_gid) {
        let uid = (made.st_uid != wanted.st_uid).then(|| Uid::from_raw(wanted.st_uid));
        fs::fchown(new, uid, Some(Gid::from_raw(wanted.st_gid)))
            .map_err(|error| cannot("owner and group", error))?;
    }
    let names = names(from).map_err(|error| cannot("attributes", error))?;
    for name in names.iter().filter(|name| *name != ACL) {
        let shown = visible(&String::from_utf8_lossy(name));
        keep(from, new, name).map_err(|error| cannot(&format!("attribute {shown}"), error))?;
    }
    // After the owner, whose change takes bits away.
    permissions(from, wanted.st_mode & 0o7777, new).map_err(|error| cannot("mode", error))?;
    if let (Ok(wanted), Ok(made)) = (fs::ioctl_getflags(from), fs::ioctl_getflags(new))
        && wanted != made
    {
        // With one of these it could not be removed again.
        if wanted.intersects(IFlags::IMMUTABLE | IFlags::APPEND) {
            return Err(cannot("flags (lsattr)", Errno::PERM));
        }
        fs::ioctl_setflags(new, wanted).map_err(|error| cannot("flags (lsattr)", error))?;
    }
    Ok(())
}

/// Gives `new` this mode, and the access control list of `from` or none: with another list the
/// mode means something else, and the directory may give new files one.
///
/// # Errors
/// With the system's own error.
pub fn permissions(from: &File, mode: u32, new: &File) -> Result<(), Errno> {
    match keep(from, new, ACL) {
        Err(Errno::NODATA) => match fs::fremovexattr(new, ACL) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        },
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    // After the list, whose mask is in these bits.
    fs::fchmod(new, Mode::from_raw_mode(mode))
}

/// The names of a file's extended attributes.
fn names(file: &File) -> Result<Vec<Vec<u8>>, Errno> {
    let mut list = vec![0; MOST_BYTES];
    let length = match fs::flistxattr(file, list.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error),
    };
    let names = list.get(..length).unwrap_or_default();
    let names = names.split(|byte| *byte == 0);
    Ok(names
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}

fn keep(from: &File, to: &File, name: &[u8]) -> Result<(), Errno> {
    let wanted = value(from, name)?;
    // Such as a label that the system gave both.
    if value(to, name).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    fs::fsetxattr(to, name, &wanted, XattrFlags::empty())
}

fn value(file: &File, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; MOST_BYTES];
    let length = fs::fgetxattr(file, name, value.as_mut_slice())?;
    value.truncate(length);
    Ok(value)
}
