//! Whether a look at a path could take for ever: file systems that ask a server or a daemon.

use crate::host::Root;

/// No mount table is that large; of a longer one nothing is believed.
const MOST: u64 = 4 << 20;

/// File systems that answer by themselves, as /proc/filesystems calls them.
const LOCAL: &str = "bcachefs binfmt_misc bpf btrfs cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs \
    erofs exfat ext2 ext3 ext4 f2fs fusectl hugetlbfs iso9660 jfs mqueue nfsd nsfs ntfs3 \
    overlay proc pstore ramfs rpc_pipefs securityfs selinuxfs squashfs sysfs tmpfs tracefs udf \
    vfat xfs zfs";

/// Whether there is any mount that could keep a look at it waiting. `/proc/self/mountinfo` itself
/// never does.
pub fn may_hang() -> bool {
    match Root::default().read("/proc/self/mountinfo", MOST) {
        Ok(table) if (table.len() as u64) < MOST => {
            String::from_utf8_lossy(&table).lines().any(asks_somebody)
        }
        _ => true,
    }
}

/// proc(5): `36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/sda rw`.
fn asks_somebody(line: &str) -> bool {
    let Some((before, after)) = line.split_once(" - ") else {
        return true;
    };
    let kind = after.split(' ').next().unwrap_or("");
    // systemd puts this one on every host.
    let binfmt = kind == "autofs" && before.split(' ').nth(4) == Some("/proc/sys/fs/binfmt_misc");
    !binfmt && !LOCAL.split(' ').any(|local| local == kind)
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
            assert_eq!(asks_somebody(line), expected, "{line}");
        }
    }
}
