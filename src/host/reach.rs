//! Whether file permissions let the user QEMU runs as at a directory, or at a file.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::host::Root;
use crate::host::accounts::{self, knows_all_groups};
use crate::host::directory::{self, Directory};
use crate::host::qemu_user::QemuUser;
use crate::host::way::Way;

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
    let chain = directory::chain(root, directory);
    let above = if root.is_moved() { 1 } else { 0 };
    let last = chain.len().saturating_sub(1);
    let mut reach = Reach::Fine;
    let mut gates = Gates::new(root, user);
    for (position, path) in chain.iter().enumerate().skip(above) {
        let is_last = position == last;
        let Some(allowed) = gates.allowed(path) else {
            continue;
        };
        let host = || match root.dir() {
            Some(dir) => Path::new("/").join(path.strip_prefix(dir).unwrap_or(path)),
            None => path.clone(),
        };
        match gates.judge(&allowed, if is_last { 0o5 } else { 0o1 }) {
            Gate::Closed => return Reach::Stopped(host(), is_last),
            Gate::ByGroup if reach == Reach::Fine => reach = Reach::Unknown(host(), is_last),
            // To make something takes search permission, too.
            Gate::Open
                if is_last
                    && reach == Reach::Fine
                    && gates.judge(&allowed, 0o3) == Gate::Closed =>
            {
                reach = Reach::ReadOnly;
            }
            _ => {}
        }
    }
    reach
}

/// What QEMU does at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Opens what is there, by these bits of a mode.
    Opens(u32),
    /// The same, and makes what is not there.
    OpensOrMakes(u32),
    /// Opens to write, with O_CREAT whether it is there or not.
    Writes,
    /// Removes what is there, and makes a socket.
    Replaces,
}

/// What permissions have against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Where (host path).
    pub at: PathBuf,
    /// What.
    pub what: Hindrance,
    /// Whether that is so for certain.
    pub certain: Certain,
}

/// How a user is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The directory may not be searched.
    Search,
    /// In this directory nothing may be made.
    Make,
    /// The file may not be opened by these bits; what is known of it.
    File(u32, Owner),
    /// It is a link of this user's in a sticky directory (fs.protected_symlinks).
    ForeignLink(u32),
    /// It is a file of this user's in a sticky directory (fs.protected_regular, protected_fifos).
    ForeignFile(u32),
    /// The same, and it may not be removed.
    NotRemoved(u32),
}

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its group, where membership would do.
    pub group: Option<String>,
    /// Whether it is a device.
    pub device: bool,
}

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certain {
    /// It is.
    Yes,
    /// Unless groups that are not known here have the user as a member.
    Groups,
    /// Unless the server of the file system has other permissions.
    Server,
}

/// Everything that permissions have against `act` at the end of `way`: all of it, where QEMU says only
/// the first.
pub fn obstacles(root: &Root, user: &QemuUser, way: &Way, act: Act) -> Vec<Obstacle> {
    let mut found: Vec<Obstacle> = Vec::new();
    // Nothing is known of what libvirt leaves root of its capabilities.
    if user.uid == 0 {
        return found;
    }
    let mut gates = Gates::new(root, user);
    let mut add = |at: &Path, what, wanted| {
        let path = root.path(at);
        let gate = match wanted {
            0 => Gate::Closed,
            _ => gates
                .allowed(&path)
                .map_or(Gate::Open, |allowed| gates.judge(&allowed, wanted)),
        };
        let certain = match gate {
            Gate::Open => return false,
            Gate::ByGroup => Certain::Groups,
            Gate::Closed if directory::is_remote(&path) => Certain::Server,
            Gate::Closed => Certain::Yes,
        };
        let at = at.to_owned();
        let obstacle = Obstacle { at, what, certain };
        // More of them nobody reads.
        if found.len() < 8 && !found.contains(&obstacle) {
            found.push(obstacle);
        }
        true
    };
    let parent = way.name.parent().unwrap_or(&way.name);
    let there = way.is.as_ref();
    let makes = match act {
        Act::Opens(_) => false,
        Act::Replaces => true,
        Act::OpensOrMakes(_) | Act::Writes => there.is_none(),
    };
    for directory in &way.searched {
        if root.is_moved() && directory.parent().is_none() {
            continue;
        }
        if makes && directory == parent {
            add(directory, Hindrance::Make, 0o3);
        } else {
            add(directory, Hindrance::Search, 0o1);
        }
    }
    // Not asked of the host where it makes no difference.
    let is_on = |name: &str, least: u32| {
        let text = root.text(&format!("/proc/sys/fs/protected_{name}"));
        text.is_ok_and(|text| text.trim().parse().is_ok_and(|level: u32| level >= least))
    };
    for (link, owner) in &way.foreign {
        if *owner != user.uid && is_on("symlinks", 1) {
            add(link, Hindrance::ForeignLink(*owner), 0);
        }
    }
    let Some(is) = there.filter(|is| !is.is_dir()) else {
        return found;
    };
    // do_open of Linux asks for what is in the directory before it looks at the file.
    let sticky = std::fs::metadata(root.path(parent)).ok();
    let sticky = sticky.filter(|it| it.mode() & 0o1000 != 0 && is.uid() != user.uid);
    let kind = is.file_type();
    match (sticky, act) {
        (Some(directory), Act::Replaces) if directory.uid() != user.uid => {
            add(&way.name, Hindrance::NotRemoved(is.uid()), 0);
        }
        // may_create_in_sticky: by everybody, or with 2 by a group; the directory's owner may.
        (Some(directory), Act::Writes)
            if directory.uid() != is.uid() && (kind.is_file() || kind.is_fifo()) =>
        {
            let name = if kind.is_file() { "regular" } else { "fifos" };
            let least = if directory.mode() & 0o002 != 0 { 1 } else { 2 };
            if directory.mode() & 0o022 != 0 && is_on(name, least) {
                add(&way.name, Hindrance::ForeignFile(is.uid()), 0);
            }
        }
        _ => {}
    }
    let wanted = match act {
        Act::Opens(bits) | Act::OpensOrMakes(bits) => bits,
        Act::Writes => 0o2,
        Act::Replaces => return found,
    };
    // Reading first: some of what is opened to be written is content without.
    for bits in [wanted & 0o4, wanted & 0o2, wanted] {
        let what = Hindrance::File(bits, owner(root, is, wanted));
        if bits != 0 && add(&way.name, what, bits) {
            break;
        }
    }
    found
}

fn owner(root: &Root, is: &Metadata, wanted: u32) -> Owner {
    let kind = is.file_type();
    let device = kind.is_char_device() || kind.is_block_device();
    let may = device && (is.mode() >> 3) & wanted == wanted;
    let file = accounts::file(root, "/etc/group").filter(|_| may);
    let group = file.and_then(|file| accounts::group_name(&file, is.gid()).map(str::to_owned));
    Owner { group, device }
}

/// Whether a directory or file lets the user do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// As a member of a group that the user is not known to be in, if so.
    ByGroup,
    Closed,
}

/// Asks modes and access lists for one user.
struct Gates<'r> {
    root: &'r Root,
    user: &'r QemuUser,
    /// Whether all groups of the user are known: asked only where the answer matters.
    all_groups: Option<bool>,
}

impl<'r> Gates<'r> {
    fn new(root: &'r Root, user: &'r QemuUser) -> Self {
        let all_groups = None;
        Gates {
            root,
            user,
            all_groups,
        }
    }

    /// What this place on the machine allows; nothing where it cannot be looked at, or nothing stops
    /// the user.
    fn allowed(&self, path: &Path) -> Option<Allowed> {
        if self.user.uid == 0 {
            return None;
        }
        let (meta, list) = (std::fs::metadata(path).ok()?, acl(path).ok()?);
        let (mode, owner, group) = (meta.mode(), meta.uid(), meta.gid());
        Some(match list {
            // Linux looks at the list only where the bits of the group, its mask, are not empty
            // (acl_permission_check).
            Some(entries) if mode & 0o070 != 0 => acl_allows(&entries, self.user, owner, group),
            _ => mode_allows(mode, self.user, owner, group),
        })
    }

    fn judge(&mut self, allowed: &Allowed, wanted: u32) -> Gate {
        if allowed.certainly & wanted == wanted {
            return Gate::Open;
        }
        let (root, user) = (self.root, self.user);
        let knows = || user.files_known && knows_all_groups(root, &user.name);
        if allowed.by_a_group(wanted) && !*self.all_groups.get_or_insert_with(knows) {
            Gate::ByGroup
        } else {
            Gate::Closed
        }
    }
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
