//! The user QEMU will run as, and whether file permissions let that user at a folder.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::domain::Domain;
use crate::host::Root;
use crate::host::conf::Conf;
use crate::host::folder::{self, Folder};

/// Where the user is set; only root may read it on most hosts.
pub const CONFIGURATION: &str = "/etc/libvirt/qemu.conf";

/// A user with all groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuUser {
    /// Name or number, for messages.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

/// Whether the user gets at a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is in the way.
    Fine,
    /// This folder (host path) stops it; whether it is the shared one itself.
    Stopped(PathBuf, bool),
}

/// Finds the user: the domain's own static dac label, else qemu.conf, else the user that the
/// distribution's libvirt is built for. `None` where the name is in no local file (LDAP), or
/// there is no such user.
pub fn find(root: &Root, domain: &Domain) -> Option<QemuUser> {
    let passwd = text(root, "/etc/passwd");
    let group_file = text(root, "/etc/group");
    let dac = domain
        .seclabels
        .iter()
        .find(|label| label.model.as_deref() == Some("dac") && label.kind == "static")
        .and_then(|label| label.label.clone());
    let (user, group) = match dac {
        Some(label) => {
            let (user, group) = label.split_once(':')?;
            (user.to_owned(), Some(group.to_owned()))
        }
        None => {
            let conf = configuration(root);
            let group = conf.text("group").map(str::to_owned);
            match conf.text("user").map(str::to_owned) {
                Some(user) => (user, group),
                // Debian and Ubuntu, then Fedora and its kin.
                None => (
                    ["libvirt-qemu", "qemu"]
                        .into_iter()
                        .find(|name| entry(&passwd, name).is_some())?
                        .to_owned(),
                    group,
                ),
            }
        }
    };
    let (name, uid, primary) = account(&passwd, &user)?;
    let mut groups: Vec<u32> = primary.into_iter().collect();
    if let Some(group) = group {
        groups.push(number(&group).or_else(|| id(&group_file, &group))?);
    } else {
        // Built with --with-qemu-group: one of these; taking both can only miss a problem.
        groups.extend(
            ["libvirt-qemu", "kvm"]
                .iter()
                .filter_map(|group| id(&group_file, group)),
        );
    }
    groups.extend(memberships(&group_file, &name));
    Some(QemuUser { name, uid, groups })
}

/// What qemu.conf sets; nothing where it may not be read.
pub fn configuration(root: &Root) -> Conf {
    Conf::read(&text(root, CONFIGURATION))
}

/// Follows the folders above the share: search permission on each, and read on the last too.
pub fn reach(root: &Root, user: &QemuUser, folder: &Folder) -> Reach {
    if user.uid == 0 {
        return Reach::Fine;
    }
    let chain = folder::chain(root, folder);
    let above = if root.is_moved() { 1 } else { 0 };
    let last = chain.len().saturating_sub(1);
    for (position, path) in chain.iter().enumerate().skip(above) {
        let wanted = if position == last { 0o5 } else { 0o1 };
        // What cannot be looked at cannot be judged.
        let Ok(meta) = std::fs::metadata(path) else {
            continue;
        };
        let allowed = match acl(path) {
            Some(entries) => acl_allows(&entries, user, meta.uid(), meta.gid()),
            None => mode_allows(meta.permissions().mode(), user, meta.uid(), meta.gid()),
        };
        if allowed & wanted != wanted {
            let host = match root.dir() {
                Some(dir) => Path::new("/").join(path.strip_prefix(dir).unwrap_or(path)),
                None => path.clone(),
            };
            return Reach::Stopped(host, position == last);
        }
    }
    Reach::Fine
}

/// The three bits that count for the user: the first class that matches decides.
fn mode_allows(mode: u32, user: &QemuUser, owner: u32, group: u32) -> u32 {
    if user.uid == owner {
        (mode >> 6) & 7
    } else if user.groups.contains(&group) {
        (mode >> 3) & 7
    } else {
        mode & 7
    }
}

/// An entry of a POSIX access list: tag, permissions, id (linux/posix_acl_xattr.h).
type AclEntry = (u16, u32, u32);

fn acl(path: &Path) -> Option<Vec<AclEntry>> {
    let mut raw = [0_u8; 4096];
    let length = rustix::fs::getxattr(path, "system.posix_acl_access", &mut raw).ok()?;
    let entries = raw.get(4..length)?;
    Some(
        entries
            .chunks_exact(8)
            .filter_map(|entry| {
                let (tag, rest) = entry.split_first_chunk::<2>()?;
                let (permissions, rest) = rest.split_first_chunk::<2>()?;
                let (id, _) = rest.split_first_chunk::<4>()?;
                Some((
                    u16::from_le_bytes(*tag),
                    u32::from(u16::from_le_bytes(*permissions)),
                    u32::from_le_bytes(*id),
                ))
            })
            .collect(),
    )
}

/// acl(5), "Access Check Algorithm"; of several groups the union is taken, which can only allow
/// too much here, never too little.
fn acl_allows(entries: &[AclEntry], user: &QemuUser, owner: u32, group: u32) -> u32 {
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
    if user.uid == owner {
        return of(USER_OBJ).unwrap_or(0);
    }
    if let Some(entry) = entries
        .iter()
        .find(|entry| entry.0 == USER && entry.2 == user.uid)
    {
        return entry.1 & mask;
    }
    let mut matching = entries.iter().filter(|entry| match entry.0 {
        GROUP_OBJ => user.groups.contains(&group),
        GROUP => user.groups.contains(&entry.2),
        _ => false,
    });
    match matching.next() {
        Some(first) => matching.fold(first.1, |all, entry| all | entry.1) & mask,
        None => of(OTHER).unwrap_or(0),
    }
}

fn text(root: &Root, path: &str) -> String {
    root.text(path).unwrap_or_default()
}

fn entry<'t>(file: &'t str, name: &str) -> Option<Vec<&'t str>> {
    // These files can have thousands of lines: only the one that it is gets taken apart.
    file.lines()
        .find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })
        .map(|line| line.split(':').collect())
}

fn id(file: &str, name: &str) -> Option<u32> {
    entry(file, name)?.get(2)?.parse().ok()
}

/// libvirt takes `+0` and `0` for a number (virParseOwnershipIds).
fn number(text: &str) -> Option<u32> {
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// Name, id and primary group of a user given by name or number.
fn account(passwd: &str, user: &str) -> Option<(String, u32, Option<u32>)> {
    if let Some(fields) = entry(passwd, user) {
        let uid = fields.get(2)?.parse().ok()?;
        return Some((
            user.to_owned(),
            uid,
            fields.get(3).and_then(|gid| gid.parse().ok()),
        ));
    }
    let uid = number(user)?;
    let known = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&uid.to_string().as_str()));
    Some(match known {
        Some(fields) => (
            fields.first().unwrap_or(&user).to_string(),
            uid,
            fields.get(3).and_then(|gid| gid.parse().ok()),
        ),
        None => (user.to_owned(), uid, None),
    })
}

fn memberships(group_file: &str, name: &str) -> Vec<u32> {
    group_file
        .lines()
        .filter_map(|line| {
            let (rest, members) = line.rsplit_once(':')?;
            if members.is_empty() || !members.split(',').any(|member| member == name) {
                return None;
            }
            rest.rsplit_once(':')?.1.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32, groups: &[u32]) -> QemuUser {
        QemuUser {
            name: "q".into(),
            uid,
            groups: groups.to_vec(),
        }
    }

    #[test]
    fn the_first_matching_class_decides() {
        assert_eq!(mode_allows(0o705, &user(1, &[2]), 9, 2), 0);
        assert_eq!(mode_allows(0o705, &user(1, &[2]), 9, 3), 5);
        assert_eq!(mode_allows(0o075, &user(1, &[2]), 1, 2), 0);
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
        assert_eq!(acl_allows(&list, &user(64055, &[]), 0, 0), 5);
        assert_eq!(acl_allows(&list, &user(5, &[77]), 0, 0), 5);
        assert_eq!(acl_allows(&list, &user(5, &[0]), 0, 0), 0);
        assert_eq!(acl_allows(&list, &user(5, &[1]), 0, 0), 0);
    }

    #[test]
    fn reads_accounts() {
        let passwd = "root:x:0:0::/:/x\nq:x:64055:103::/:/x\n";
        assert_eq!(
            account(passwd, "+64055"),
            Some(("q".into(), 64055, Some(103)))
        );
        assert_eq!(memberships("kvm:x:103:a,q\nb:x:5:qq\n", "q"), [103]);
    }
}
