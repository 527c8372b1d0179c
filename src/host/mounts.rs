//! Whether a look at a path could take for ever: file systems that ask a server or a daemon.

use crate::host::Root;
use crate::text::{find, find_byte};

/// No mount table is that large; of a longer one nothing is believed.
const MOST: u64 = 4 << 20;

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

/// Whether there is any mount that could keep a look at it waiting. `/proc/self/mountinfo` itself
/// never does.
pub fn may_hang() -> bool {
    match Root::default().read("/proc/self/mountinfo", MOST) {
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

/// proc(5): `36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/sda rw`.
fn asks_somebody(line: &[u8]) -> bool {
    const SEPARATOR: &[u8] = b" - ";
    let Some(before) = find(line, SEPARATOR) else {
        return true;
    };
    let after = line.get(before + SEPARATOR.len()..).unwrap_or_default();
    let kind = after.split(|byte| *byte == b' ').next().unwrap_or_default();
    // systemd puts this one on every host.
    let is_binfmt = || {
        let mut fields = line.split(|byte| *byte == b' ');
        fields.nth(4) == Some(b"/proc/sys/fs/binfmt_misc".as_slice())
    };
    !(is_local(kind) || kind == b"autofs" && is_binfmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_who_asks_somebody() {
        for (line, expected) in [
            (
                "36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/sda rw",
                false,
            ),
            ("36 35 98:0 / / rw - zfs pool rw", false),
            (
                "36 35 0:1 / /mnt rw shared:2 master:1 - nfs4 server:/ rw",
                true,
            ),
            ("36 35 0:1 / /mnt rw - fuse.sshfs u@h: rw", true),
            (
                "36 35 0:1 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw",
                false,
            ),
            ("36 35 0:1 / /home rw - autofs systemd-1 rw", true),
            ("36 35 0:1 / /mnt rw - unheard-of x rw", true),
            ("", true),
        ] {
            assert_eq!(asks_somebody(line.as_bytes()), expected, "{line}");
        }
    }
}
