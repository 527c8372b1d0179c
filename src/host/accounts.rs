//! Users and groups as the files in /etc have them, and whether anybody else has more.

use std::io;

use crate::host::{Root, lossy};
use crate::text::find_byte;

/// Accounts of large sites are kept elsewhere; of more than this nothing is believed.
const MOST_ACCOUNTS: u64 = 16 << 20;

/// A list of accounts; nothing when it is there and cannot be read as a whole.
pub fn file(root: &Root, path: &str) -> Option<String> {
    match root.read(path, MOST_ACCOUNTS + 1) {
        Ok(content) => (content.len() as u64 <= MOST_ACCOUNTS).then(|| lossy(content)),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then(String::new),
    }
}

/// The fields of the line of this name.
pub fn entry<'t>(file: &'t str, name: &str) -> Option<Vec<&'t str>> {
    // These files can have thousands of lines: only the one that it is gets taken apart.
    let is_it = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    lines(file)
        .find(is_it)
        .map(|line| line.split(':').collect())
}

/// The lines of a file, found as quickly as a byte is.
fn lines(file: &str) -> impl Iterator<Item = &str> {
    let mut rest = file;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = find_byte(rest.as_bytes(), b'\n').unwrap_or(rest.len());
        let line = rest.get(..end)?;
        rest = rest.get(end + 1..).unwrap_or("");
        Some(line.strip_suffix('\r').unwrap_or(line))
    })
}

/// The id of a group.
pub fn id(file: &str, name: &str) -> Option<u32> {
    entry(file, name)?.get(2)?.parse().ok()
}

/// The name of a group, where the file has one.
pub fn group_name(file: &str, id: u32) -> Option<&str> {
    let id = id.to_string();
    let mut names = lines(file).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then_some(name)
    });
    names.next()
}

/// libvirt takes `+0` and `0` for a number (virParseOwnershipIds).
pub fn number(text: &str) -> Option<u32> {
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// Name, id and primary group of a user given by name or number.
pub fn account(passwd: &str, user: &str) -> Option<(String, u32, Option<u32>)> {
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

/// The groups that have this user among their members.
pub fn memberships(group_file: &str, name: &str) -> Vec<u32> {
    // Most groups have no members.
    let lines = lines(group_file).filter(|line| !line.ends_with(':'));
    lines
        .filter_map(|line| {
            let (rest, members) = line.rsplit_once(':')?;
            if !members.split(',').any(|member| member == name) {
                return None;
            }
            rest.rsplit_once(':')?.1.parse().ok()
        })
        .collect()
}

/// Whether nobody but /etc/group says which groups the user is in. libvirt asks getgrouplist(3),
/// which asks every service in nsswitch.conf(5).
pub fn knows_all_groups(root: &Root, user: &str) -> bool {
    const MOST: u64 = 1 << 16;
    let switch = match root.read("/etc/nsswitch.conf", MOST) {
        Ok(switch) => String::from_utf8_lossy(&switch).into_owned(),
        // The C library's default is files.
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    };
    services(&switch).all(|service| match service {
        // That of mymachines was about containers' own users.
        "" | "files" | "mymachines" => true,
        action if action.starts_with('[') => true,
        "systemd" => !in_userdb(root, user),
        // Files with NIS behind them, where a line begins with + or -.
        "compat" => file(root, "/etc/group")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_accounts() {
        let passwd = "root:x:0:0::/:/x\nq:x:64055:103::/:/x\n";
        assert_eq!(
            account(passwd, "+64055"),
            Some(("q".into(), 64055, Some(103)))
        );
        assert_eq!(group_name("a:x:10:\nb:x:1:10\n", 1), Some("b"));
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
        let known = || knows_all_groups(&host, "q");
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
