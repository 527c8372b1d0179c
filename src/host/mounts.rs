//! Whether a look at a path could take for ever: file systems that ask a server or a daemon.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::host::Root;
use crate::text::find_byte;

/// No mount table is that large; of a longer one nothing is believed.
pub const MOST: u64 = 4 << 20;

/// Whether a file system answers by itself; named as in /proc/filesystems.
fn is_local(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"bcachefs"
            | b"binfmt_misc"
            | b"bpf"
            | b"btrfs"
            | b"cgroup"
            | b"cgroup2"
            | b"configfs"
            | b"debugfs"
            | b"devpts"
            | b"devtmpfs"
            | b"efivarfs"
            | b"erofs"
            | b"exfat"
            | b"ext2"
            | b"ext3"
            | b"ext4"
            | b"f2fs"
            | b"fusectl"
            | b"hugetlbfs"
            | b"iso9660"
            | b"jfs"
            | b"mqueue"
            | b"nfsd"
            | b"nsfs"
            | b"ntfs3"
            | b"overlay"
            | b"proc"
            | b"pstore"
            | b"ramfs"
            | b"rpc_pipefs"
            | b"securityfs"
            | b"selinuxfs"
            | b"squashfs"
            | b"sysfs"
            | b"tmpfs"
            | b"tracefs"
            | b"udf"
            | b"vfat"
            | b"xfs"
            | b"zfs"
    )
}

/// Whether there is any mount that could keep a look at it waiting; asked once.
pub fn may_hang() -> bool {
    *MAY_HANG.get_or_init(ask)
}

/// Whether it is known that there is none: then no file system of FUSE is on the way to anything.
pub fn are_all_local() -> bool {
    MAY_HANG.get() == Some(&false)
}

static MAY_HANG: OnceLock<bool> = OnceLock::new();

/// The list itself never keeps anybody waiting; the kernel writes it more quickly than `mountinfo`,
/// which says more.
fn ask() -> bool {
    match Root::default().read("/proc/self/mounts", MOST) {
        Ok(table) if (table.len() as u64) < MOST => {
            let mut rest = table.as_slice();
            while !rest.is_empty() {
                let end = find_byte(rest, b'\n').unwrap_or(rest.len());
                if asks_somebody(rest.get(..end).unwrap_or_default()) {
                    return true;
                }
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            false
        }
        _ => true,
    }
}

/// Devices that no user's FUSE file system is on. Many shares lie on one, and the table of mounts is
/// long. Nobody but root can unmount what is there, so that a user's could get its number.
static NO_USERS: Mutex<Vec<(u32, u32)>> = Mutex::new(Vec::new());

/// Who mounted the FUSE file system of this device, where that is somebody else than root: its
/// daemon answers what, and when, that user likes.
pub fn fuse_user(device: (u32, u32)) -> Option<u32> {
    if are_all_local() {
        return None;
    }
    let mut known = NO_USERS.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(&device) {
        return None;
    }
    let table = Root::default().read("/proc/self/mountinfo", MOST).ok()?;
    let table = String::from_utf8_lossy(&table);
    let user = table.lines().find_map(|line| users_fuse(line, device));
    if user.is_none() {
        known.push(device);
    }
    user
}

/// proc(5): `36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/sda rw`, the kernel's own options last.
fn users_fuse(line: &str, (major, minor): (u32, u32)) -> Option<u32> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    // Most are none, and nothing else of theirs is looked at.
    if !matches!(after.next()?.split('.').next()?, "fuse" | "fuseblk") {
        return None;
    }
    let here = before.split(' ').nth(2)? == format!("{major}:{minor}");
    let options = after.nth(1).filter(|_| here)?;
    let mut options = options.split(',');
    let user = options.find_map(|option| option.strip_prefix("user_id="))?;
    user.parse().ok().filter(|user| *user != 0)
}

/// fstab(5): `/dev/sda /mnt ext4 rw 0 0`; blanks in a name are written as octal digits.
fn asks_somebody(line: &[u8]) -> bool {
    let mut fields = line.split(|byte| *byte == b' ');
    let (Some(_), Some(place), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
        return true;
    };
    // systemd puts this one on every host.
    let is_binfmt = kind == b"autofs" && place == b"/proc/sys/fs/binfmt_misc";
    !(is_local(kind) || is_binfmt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_who_mounted() {
        let line =
            "36 35 0:77 / /home/u/m rw,nosuid - fuse.sshfs u@h:/a rw,user_id=1000,group_id=5";
        assert_eq!(users_fuse(line, (0, 77)), Some(1000));
        for (line, device) in [
            (line, (0, 7)),
            (
                "36 35 0:77 / /m rw - fuse x rw,user_id=0,group_id=0",
                (0, 77),
            ),
            ("36 35 0:77 / /m rw - fusectl x rw,user_id=1", (0, 77)),
            ("36 35 0:77 / /m rw - ext4 x rw,user_id=1", (0, 77)),
            ("36 35 0:77 / /m rw - fuse", (0, 77)),
            ("", (0, 77)),
        ] {
            assert_eq!(users_fuse(line, device), None, "{line}");
        }
    }

    #[test]
    fn tells_who_asks_somebody() {
        for (line, expected) in [
            ("/dev/sda /mnt ext4 rw,noatime 0 0", false),
            ("pool /mnt zfs rw 0 0", false),
            ("server:/ /mnt nfs4 rw 0 0", true),
            ("u@h: /mnt/a\\040b fuse.sshfs rw 0 0", true),
            ("ext4 /mnt fuse rw 0 0", true),
            ("systemd-1 /proc/sys/fs/binfmt_misc autofs rw 0 0", false),
            ("systemd-1 /home autofs rw 0 0", true),
            ("x /mnt unheard-of rw 0 0", true),
            ("/dev/sda /mnt", true),
            ("", true),
        ] {
            assert_eq!(asks_somebody(line.as_bytes()), expected, "{line}");
        }
    }
}
