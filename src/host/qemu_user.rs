//! The user QEMU will run as, and whether file permissions let that user at a directory.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::domain::Domain;
use crate::host::Root;
use crate::host::conf::Conf;
use crate::host::directory::{self, Directory};

/// Where the user is set; only root may read it on most hosts.
pub const CONFIGURATION: &str = "/etc/libvirt/qemu.conf";

/// Accounts of large sites are kept elsewhere; of more than this nothing is believed.
const MOST_ACCOUNTS: u64 = 16 << 20;

/// A user, and the groups that local files say it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuUser {
    /// Name or number, for messages.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Its groups.
    pub groups: Vec<u32>,
    /// Whether the local files could be read as a whole.
    pub files_known: bool,
}

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

/// Finds the user: the domain's own static dac label, else qemu.conf, else the user that the
/// distribution's libvirt is built for. `None` where the name is in no local file (LDAP), or
/// there is no such user, or only root may know.
pub fn find(root: &Root, domain: &Domain) -> Option<QemuUser> {
    let passwd = accounts(root, "/etc/passwd");
    let group_file = accounts(root, "/etc/group");
    let files_known = passwd.is_some() && group_file.is_some();
    let (passwd, group_file) = (passwd.unwrap_or_default(), group_file.unwrap_or_default());
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
            let conf = match root.text(CONFIGURATION) {
                Ok(text) => Conf::read(&text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Conf::read(""),
                Err(_) => return None,
            };
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
    Some(QemuUser {
        name,
        uid,
        groups,
        files_known,
    })
}

/// What qemu.conf sets; nothing where it may not be read.
pub fn configuration(root: &Root) -> Conf {
    Conf::read(&root.text(CONFIGURATION).unwrap_or_default())
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
    let knows =
        |known: &mut Option<bool>| *known.get_or_insert_with(|| knows_all_groups(root, user));
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

/// Whether nobody but /etc/group says which groups the user is in. libvirt asks getgrouplist(3),
/// which asks every service in nsswitch.conf(5).
fn knows_all_groups(root: &Root, user: &QemuUser) -> bool {
    const MOST: u64 = 1 << 16;
    if !user.files_known {
        return false;
    }
    let switch = match root.read("/etc/nsswitch.conf", MOST) {
        Ok(switch) => String::from_utf8_lossy(&switch).into_owned(),
        // The C library's default is files.
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    };
    services(&switch).all(|service| match service {
        // That of mymachines was about containers' own users.
        "" | "files" | "mymachines" => true,
        action if action.starts_with('[') => true,
        "systemd" => !in_userdb(root, &user.name),
        // Files with NIS behind them, where a line begins with + or -.
        "compat" => accounts(root, "/etc/group")
            .is_some_and(|file| !file.lines().any(|line| line.starts_with(['+', '-']))),
        _ => false,
    })
}

/// The services that are asked for the groups of a user; [actions] are empty words.
fn services(switch: &str) -> impl Iterator<Item = &str> {
    let lines = switch.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or("").trim_start();
        let (database, services) = line.split_once(':')?;
        matches!(database.trim_end(), "group" | "initgroups").then_some(services)
    });
    lines.flat_map(|services| {
        let mut inside = false;
        services.split(move |c: char| {
            inside = (inside || c == '[') && c != ']';
            !inside && (c == ']' || c.is_whitespace())
        })
    })
}

/// Whether systemd's user database (nss-systemd) may have groups for a user of /etc/passwd:
/// drop-in files USER:GROUP.membership, or a service that is not systemd's own.
fn in_userdb(root: &Root, user: &str) -> bool {
    const DROP_INS: [&str; 5] = [
        "/etc/userdb",
        "/run/userdb",
        "/run/host/userdb",
        "/usr/local/lib/userdb",
        "/usr/lib/userdb",
    ];
    let start = format!("{user}:");
    let dropped_in = DROP_INS.iter().any(|directory| {
        let names = root.names_with(&start, directory);
        names.map_or(true, |names| !names.is_empty())
    });
    dropped_in
        || root.names("/run/systemd/userdb").map_or(true, |services| {
            services
                .iter()
                .any(|service| !service.starts_with("io.systemd."))
        })
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

/// A list of accounts; nothing when it is there and cannot be read as a whole.
fn accounts(root: &Root, path: &str) -> Option<String> {
    match root.read(path, MOST_ACCOUNTS + 1) {
        Ok(content) => (content.len() as u64 <= MOST_ACCOUNTS)
            .then(|| String::from_utf8_lossy(&content).into_owned()),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then(String::new),
    }
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

    #[test]
    fn reads_accounts() {
        let passwd = "root:x:0:0::/:/x\nq:x:64055:103::/:/x\n";
        assert_eq!(
            account(passwd, "+64055"),
            Some(("q".into(), 64055, Some(103)))
        );
        assert_eq!(memberships("kvm:x:103:a,q\nb:x:5:qq\n", "q"), [103]);
    }

    #[test]
    fn groups_are_known_where_only_files_say() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let host = Root::below(root.path().to_owned());
        let known = || knows_all_groups(&host, &user(1, &[]));
        assert!(known(), "without nsswitch.conf");
        for (text, expected) in [
            ("passwd: ldap\ngroup: files\n", true),
            ("group: files systemd", true),
            ("group:files [ NOTFOUND = return ] mymachines", true),
            ("group: files sss", false),
            ("group: files [SUCCESS=merge] sss # x", false),
            (
                "#group: ldap\ngroup: files\ninitgroups: winbind files",
                false,
            ),
            ("group: compat", true),
        ] {
            put("etc/nsswitch.conf", text);
            assert_eq!(known(), expected, "{text}");
        }
        put("etc/group", "a:x:1:\n+::::\n");
        assert!(!known(), "NIS");
        put("etc/nsswitch.conf", "group: files systemd");
        put("run/systemd/userdb/io.systemd.DynamicUser", "");
        put("etc/userdb/other:a.membership", "");
        assert!(known(), "nothing about this user");
        put("run/userdb/q:a.membership", "");
        assert!(!known(), "a membership of this user");
        std::fs::remove_file(root.path().join("run/userdb/q:a.membership")).unwrap();
        put("run/systemd/userdb/org.example", "");
        assert!(!known(), "a service");
    }
}
