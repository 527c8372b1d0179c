//! Other names of what a path leads to. Where a file system, or a part of it, is mounted a second
//! time (`mount --bind`, the /proc of a chroot), one name alone does not tell that it is the
//! system's own.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{self, AtFlags, CWD, StatxFlags};

use crate::host::Root;
use crate::host::mounts::MOST;

/// Directories that may be mounts of their own, and are, hold or lie in what no guest is let at.
const OWN: [&str; 16] = [
    "/",
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/run",
    "/run/libvirt",
    "/sys",
    "/usr",
    "/usr/local",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/lib/libvirt",
    "/var/lib/libvirt/qemu",
    "/var/log",
];

/// A device, and which of its mounts it is seen by; 0 where that is not known (before Linux 5.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    device: (u32, u32),
    mount: u64,
}

impl View {
    fn of(directory: impl AsFd, path: &Path) -> Option<View> {
        // Asks no server, and mounts nothing: systemd may have put an automount on /boot.
        let flags = AtFlags::EMPTY_PATH
            | AtFlags::STATX_DONT_SYNC
            | AtFlags::SYMLINK_NOFOLLOW
            | AtFlags::NO_AUTOMOUNT;
        let stat = fs::statx(directory, path, flags, StatxFlags::MNT_ID).ok()?;
        let is_known = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Some(View {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            mount: if is_known { stat.stx_mnt_id } else { 0 },
        })
    }

    /// Whether one may be the other by a second mount.
    fn is_beside(self, other: View) -> bool {
        self.device == other.device && (self.mount != other.mount || self.mount == 0)
    }
}

static OWN_VIEWS: OnceLock<Vec<View>> = OnceLock::new();
static MOUNTS: OnceLock<Vec<Mount>> = OnceLock::new();

/// The other names, below the root, of what is open as `handle` and is called `path` on this machine.
/// What lies on a file system of the kernel's own (proc, sysfs, debugfs …) is called by the
/// directory that it belongs to.
pub fn other_names(root: &Root, handle: &OwnedFd, path: &Path) -> Vec<Vec<u8>> {
    // That says all.
    if path.starts_with("/proc") || path.starts_with("/sys") {
        return Vec::new();
    }
    let kind = fs::fstatfs(handle).ok();
    if let Some(name) = kind.and_then(|fs| kernels_own(fs.f_type)) {
        return vec![name.as_bytes().to_vec()];
    }
    let own = OWN_VIEWS.get_or_init(|| {
        let view = |name: &&str| View::of(CWD, &root.path(name));
        OWN.iter().filter_map(view).collect()
    });
    let here = View::of(handle, Path::new(""));
    if !here.is_some_and(|here| own.iter().any(|own| here.is_beside(*own))) {
        return Vec::new();
    }
    let mounts = MOUNTS.get_or_init(|| {
        let table = Root::default().read("/proc/self/mountinfo", MOST);
        let table = table.unwrap_or_default();
        let lines = table.split(|byte| *byte == b'\n');
        lines.filter_map(Mount::read).collect()
    });
    let names = names(mounts, path.as_os_str().as_bytes()).into_iter();
    names
        .filter_map(|name| root.below_it(Path::new(OsStr::from_bytes(&name))))
        .collect()
}

/// Where the kernel's own file systems are mounted on every host, by their numbers (statfs(2)).
fn kernels_own(kind: impl TryInto<i64>) -> Option<&'static str> {
    Some(match kind.try_into().unwrap_or(0) & 0xffff_ffff {
        0x9fa0 => "/proc",
        // sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, selinuxfs, configfs, efivarfs, bpf,
        // pstore.
        0x6265_6572 | 0x0027_e0eb | 0x6367_7270 | 0x6462_6720 | 0x7472_6163 | 0x7363_6673
        | 0xf97c_ff8c | 0x6265_6570 | 0xde5e_81e4 | 0xcafe_4a11 | 0x6165_676c => "/sys",
        _ => return None,
    })
}

/// A line of proc(5)'s mountinfo: `36 35 98:0 /root /mnt rw,noatime - ext4 /dev/sda rw`.
#[derive(Debug)]
struct Mount {
    device: Vec<u8>,
    root: Vec<u8>,
    point: Vec<u8>,
}

impl Mount {
    fn read(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        Some(Mount {
            device: fields.next()?.to_vec(),
            root: unescaped(fields.next()?),
            point: unescaped(fields.next()?),
        })
    }
}

/// The kernel writes blanks, tabs, line feeds and backslashes as three octal digits (mangle_path in
/// fs/seq_file.c).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *byte == b'\\');
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let number = number.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(number.unwrap_or(*byte));
        rest = match number {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    out
}

/// What is left of `name` below `directory`: nothing, or with a slash before it.
fn below<'a>(name: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let rest = name.strip_prefix(directory)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

fn joined(directory: &[u8], rest: &[u8]) -> Vec<u8> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let name = match rest {
        b"/" => directory.to_vec(),
        rest => [directory, rest].concat(),
    };
    if name.is_empty() {
        return b"/".to_vec();
    }
    name
}

/// The other names of `path` by these mounts.
fn names(mounts: &[Mount], path: &[u8]) -> Vec<Vec<u8>> {
    // Of those on one place the last is seen.
    let mut own: Option<&Mount> = None;
    for mount in mounts {
        let nearest = own.map_or(0, |own| own.point.len());
        if mount.point.len() >= nearest && below(path, &mount.point).is_some() {
            own = Some(mount);
        }
    }
    let Some(own) = own else {
        return Vec::new();
    };
    let inside = joined(&own.root, below(path, &own.point).unwrap_or_default());
    let there = |mount: &Mount| {
        let rest = below(&inside, &mount.root).filter(|_| mount.device == own.device)?;
        Some(joined(&mount.point, rest)).filter(|name| name != path)
    };
    mounts.iter().filter_map(there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_other_names() {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             23 22 0:21 / /run rw - tmpfs tmpfs rw\n\
             30 22 8:1 /etc /srv/e rw - ext4 /dev/sda1 rw\n\
             31 22 8:1 /etc/shadow /srv/a\\040b rw - ext4 /dev/sda1 rw\n\
             32 22 8:1 / /srv/ch/root rw - ext4 /dev/sda1 rw\n\
             33 22 0:21 /libvirt /srv/run rw - tmpfs tmpfs rw\n\
             34 22 0:30 /@ /b rw - btrfs /dev/sdb rw\n\
             35 34 0:30 /@home /b/home rw - btrfs /dev/sdb rw\n\
             36 22 0:40 / /srv/run/own rw - tmpfs tmpfs rw\n\
             37 22 0:30 / /srv/top rw - btrfs /dev/sdb rw\n\
             short\n";
        let mounts: Vec<Mount> = table
            .lines()
            .filter_map(|line| Mount::read(line.as_bytes()))
            .collect();
        for (path, expected) in [
            ("/srv/e", &["/etc", "/srv/ch/root/etc"][..]),
            ("/srv/e/ssl", &["/etc/ssl", "/srv/ch/root/etc/ssl"]),
            (
                "/srv/a b",
                &["/etc/shadow", "/srv/e/shadow", "/srv/ch/root/etc/shadow"],
            ),
            ("/srv/ch/root", &["/"]),
            ("/srv/run/sock", &["/run/libvirt/sock"]),
            ("/srv/run/own/x", &[]),
            ("/b/home/u", &["/srv/top/@home/u"]),
            ("/srv/top/@/etc", &["/b/etc"]),
            ("/home/u", &["/srv/ch/root/home/u"]),
        ] {
            let names = names(&mounts, path.as_bytes());
            let expected: Vec<&[u8]> = expected.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(names, expected, "{path}");
        }
    }

    #[test]
    fn knows_the_kernels_own_file_systems() {
        let kind = |path: &str| fs::statfs(path).map(|fs| kernels_own(fs.f_type));
        assert_eq!(kind("/proc").ok().flatten(), Some("/proc"));
        assert_eq!(kind("/sys").ok().flatten(), Some("/sys"));
        assert_eq!(kind("/").ok().flatten(), None);
    }
}
