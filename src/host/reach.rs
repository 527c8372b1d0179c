//! Whether file permissions let the user QEMU runs as at a directory.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::host::Root;
use crate::host::accounts::knows_all_groups;
use crate::host::directory::{self, Directory};
use crate::host::qemu_user::QemuUser;

/// Whether the user gets at a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is in the way.
    Fine,
    /// Nothing is in the way of reading, but the shared directory is not the user's to write.
    ReadOnly,
    /// This directory (host path) stops it; whether it is the shared one itself.
    Stopped(PathBuf, bool),
    /// This one lets a group in, and more groups than local files know may have the user as a
    /// member; whether it is the shared one itself.
    Unknown(PathBuf, bool),
}

/// Follows the directories above the share: search permission on each, and read on the last too.
pub fn reach(root: &Root, user: &QemuUser, directory: &Directory) -> Reach {
    if user.uid == 0 {
        return Reach::Fine;
    }
    let chain = directory::chain(root, directory);
    let above = if root.is_moved() { 1 } else { 0 };
    let last = chain.len().saturating_sub(1);
    let mut reach = Reach::Fine;
    // Asked only where the answer matters.
    let mut all_groups = None;
    let knows = |known: &mut Option<bool>| {
        *known.get_or_insert_with(|| user.files_known && knows_all_groups(root, &user.name))
    };
    for (position, path) in chain.iter().enumerate().skip(above) {
        let wanted = if position == last { 0o5 } else { 0o1 };
        // What cannot be looked at cannot be judged.
        let (Ok(meta), Ok(list)) = (std::fs::metadata(path), acl(path)) else {
            continue;
        };
        let allowed = match list {
            Some(entries) => acl_allows(&entries, user, meta.uid(), meta.gid()),
            None => mode_allows(meta.permissions().mode(), user, meta.uid(), meta.gid()),
        };
        let may = |wanted: u32, bits: u32| bits & wanted == wanted;
        if may(wanted, allowed.certainly) {
            // To make something takes search permission, too.
            let writable =
                may(0o3, allowed.certainly) || allowed.by_a_group(0o3) && !knows(&mut all_groups);
            if position == last && !writable && reach == Reach::Fine {
                reach = Reach::ReadOnly;
            }
            continue;
        }
        let host = || match root.dir() {
            Some(dir) => Path::new("/").join(path.strip_prefix(dir).unwrap_or(path)),
            None => path.clone(),
        };
        if allowed.by_a_group(wanted) && !knows(&mut all_groups) {
            if reach == Reach::Fine {
                reach = Reach::Unknown(host(), position == last);
            }
            continue;
        }
        return Reach::Stopped(host(), position == last);
    }
    reach
}

/// What a directory allows the user: as what is known of it, and as a member of groups that it is
/// not known to be in.
#[derive(Debug, PartialEq, Eq)]
struct Allowed {
    certainly: u32,
    /// A set of three bits each: bit N where there is a group with N.
    by_groups: u32,
}

impl Allowed {
    /// Whether membership in some group would do.
    fn by_a_group(&self, wanted: u32) -> bool {
        (0..8).any(|bits| bits & wanted == wanted && self.by_groups >> bits & 1 == 1)
    }
}

/// The three bits that count for the user: the first class that matches decides.
fn mode_allows(mode: u32, user: &QemuUser, owner: u32, group: u32) -> Allowed {
    let (certainly, by_groups) = if user.uid == owner {
        ((mode >> 6) & 7, 0)
    } else if user.groups.contains(&group) {
        ((mode >> 3) & 7, 0)
    } else {
        (mode & 7, 1 << ((mode >> 3) & 7))
    };
    Allowed {
        certainly,
        by_groups,
    }
}

/// An entry of a POSIX access list: tag, permissions, id (linux/posix_acl_xattr.h).
type AclEntry = (u16, u32, u32);

/// The access list of a directory, where it has one.
fn acl(path: &Path) -> Result<Option<Vec<AclEntry>>, Errno> {
    const NAME: &str = "system.posix_acl_access";
    // XATTR_SIZE_MAX of Linux; most have a few entries.
    const MOST: usize = 1 << 16;
    let mut short = [0_u8; 512];
    let mut long = Vec::new();
    let raw = match rustix::fs::getxattr(path, NAME, &mut short) {
        Ok(length) => short.get(..length),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(Errno::RANGE) => {
            long.resize(MOST, 0);
            let length = rustix::fs::getxattr(path, NAME, &mut long)?;
            long.get(..length)
        }
        Err(error) => return Err(error),
    };
    let entries = raw.and_then(|raw| raw.get(4..)).ok_or(Errno::INVAL)?;
    let entries = entries.chunks_exact(8).filter_map(|entry| {
        let (tag, rest) = entry.split_first_chunk::<2>()?;
        let (permissions, rest) = rest.split_first_chunk::<2>()?;
        let (id, _) = rest.split_first_chunk::<4>()?;
        Some((
            u16::from_le_bytes(*tag),
            u32::from(u16::from_le_bytes(*permissions)),
            u32::from_le_bytes(*id),
        ))
    });
    Ok(Some(entries.collect()))
}

/// acl(5), "Access Check Algorithm"; of several groups the union is taken, which can only allow
/// too much here, never too little.
fn acl_allows(entries: &[AclEntry], user: &QemuUser, owner: u32, group: u32) -> Allowed {
    const USER_OBJ: u16 = 0x01;
    const USER: u16 = 0x02;
    const GROUP_OBJ: u16 = 0x04;
    const GROUP: u16 = 0x08;
    const MASK: u16 = 0x10;
    const OTHER: u16 = 0x20;
    let of = |tag: u16| {
        entries
            .iter()
            .find(|entry| entry.0 == tag)
            .map(|entry| entry.1)
    };
    let mask = of(MASK).unwrap_or(7);
    let as_owner_or_named = if user.uid == owner {
        Some(of(USER_OBJ).unwrap_or(0))
    } else {
        entries
            .iter()
            .find(|entry| entry.0 == USER && entry.2 == user.uid)
            .map(|entry| entry.1 & mask)
    };
    if let Some(certainly) = as_owner_or_named {
        return Allowed {
            certainly,
            by_groups: 0,
        };
    }
    let (mut known, mut by_groups) = (None, 0);
    for entry in entries {
        let member = match entry.0 {
            GROUP_OBJ => group,
            GROUP => entry.2,
            _ => continue,
        };
        let bits = entry.1 & mask & 7;
        if user.groups.contains(&member) {
            known = Some(known.unwrap_or(0) | bits);
        } else {
            by_groups |= 1 << bits;
        }
    }
    Allowed {
        certainly: known.unwrap_or_else(|| of(OTHER).unwrap_or(0)),
        by_groups,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32, groups: &[u32]) -> QemuUser {
        QemuUser {
            name: "q".into(),
            uid,
            groups: groups.to_vec(),
            files_known: true,
        }
    }

    #[test]
    fn the_first_matching_class_decides() {
        assert_eq!(mode_allows(0o705, &user(1, &[2]), 9, 2).certainly, 0);
        assert_eq!(mode_allows(0o705, &user(1, &[2]), 9, 3).certainly, 5);
        assert_eq!(mode_allows(0o075, &user(1, &[2]), 1, 2).certainly, 0);
    }

    #[test]
    fn access_lists_count_before_the_mode() {
        let list = [
            (0x01, 7, 0),
            (0x02, 7, 64055),
            (0x04, 0, 0),
            (0x08, 5, 77),
            (0x10, 5, 0),
            (0x20, 0, 0),
        ];
        assert_eq!(acl_allows(&list, &user(64055, &[]), 0, 0).certainly, 5);
        assert_eq!(acl_allows(&list, &user(5, &[77]), 0, 0).certainly, 5);
        assert_eq!(acl_allows(&list, &user(5, &[0]), 0, 0).certainly, 0);
        assert_eq!(acl_allows(&list, &user(5, &[1]), 0, 0).certainly, 0);
    }
}
