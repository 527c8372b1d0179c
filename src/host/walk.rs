//! From a path to where it leads, step by step as the kernel goes: which symbolic links are
//! followed on the way, who can change them, and what is left where it ends too early.
//!
//! Whoever can change a link decides what the path after it means. The kernel follows them all in
//! one call and does not say which; so where there are any, they are followed here, each from the
//! open directory that it lies in.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags};
use rustix::io::Errno;

use crate::host::{Root, mounts};

/// The kernel's own limit (MAXSYMLINKS).
const MOST_LINKS: usize = 40;

/// Linux's number for procfs (statfs(2)), whose links lead where their text does not say.
const PROC: i64 = 0x9fa0;

const STEP: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Where a path leads.
#[derive(Debug)]
pub struct Walk {
    /// The directory at its end, or how far it goes.
    pub end: End,
    /// The symbolic links that were followed, in order.
    pub links: Vec<Link>,
}

/// The end of a path.
#[derive(Debug)]
pub enum End {
    /// At this directory, held open.
    Directory(OwnedFd),
    /// At something else, held open as a place only.
    Node(OwnedFd),
    /// This directory has nothing of the first name in the rest of the path.
    Missing(OwnedFd, Vec<u8>),
    /// On the first name in the rest of the path this user has mounted a file system of FUSE, which
    /// is not entered: it says of owners and links what its daemon likes, and Linux waits for a
    /// daemon that has taken up a request, past SIGKILL.
    Fuse(OwnedFd, Vec<u8>, u32),
}

/// A symbolic link that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name below the root, where the kernel has one for its directory.
    pub name: Option<Vec<u8>>,
    /// Who else than root can put another in its place.
    pub writer: Option<Writer>,
}

/// Somebody who can change what is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The user of this number.
    User(u32),
    /// Members of the group of this number, or of one on its access list.
    Group(u32),
    /// Whoever has an account: others may write the directory that it lies in.
    Everybody,
}

/// Follows `path` from the root to its end.
///
/// # Errors
/// As open(2) would fail, but where something on the way is missing.
pub fn walk(root: &Root, path: &Path) -> Result<Walk, Errno> {
    let top = match root.dir() {
        None => fs::open("/", STEP | OFlags::DIRECTORY, Mode::empty())?,
        Some(dir) => fs::open(dir, STEP | OFlags::DIRECTORY, Mode::empty())?,
    };
    // Most paths have no link and lead to no file system of FUSE, and since Linux 5.6 one call says so.
    let mut resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::IN_ROOT;
    if !mounts::are_all_local() {
        resolve |= ResolveFlags::NO_XDEV;
    }
    if let Ok(end) = fs::openat2(&top, path, STEP, Mode::empty(), resolve) {
        let kind = FileType::from_raw_mode(fs::fstat(&end)?.st_mode);
        return Ok(Walk {
            end: match kind {
                FileType::Directory => End::Directory(end),
                _ => End::Node(end),
            },
            links: Vec::new(),
        });
    }
    let flags = STEP | OFlags::DIRECTORY;
    let top_stat = fs::fstat(&top)?;
    let mut here = clone(top.as_fd())?;
    let mut left: Vec<Vec<u8>> = Vec::new();
    push(&mut left, path.as_os_str().as_bytes());
    let mut links = Vec::new();
    // Whoever can write to a directory on the way can put another below it.
    let mut writer = None;
    while let Some(name) = left.pop() {
        let stat = fs::fstat(&here)?;
        if name == b".." {
            if (stat.st_dev, stat.st_ino) != (top_stat.st_dev, top_stat.st_ino) {
                here = fs::openat(&here, "..", flags, Mode::empty())?;
            }
            continue;
        }
        match fs::openat(&here, &*name, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(next) => {
                let device = device(&next)?;
                let user = || mounts::fuse_user(device).filter(|user| *user != root.owner());
                let crosses = device != (fs::major(stat.st_dev), fs::minor(stat.st_dev));
                if let Some(user) = crosses.then(user).flatten() {
                    left.push(name);
                    let end = End::Fuse(here, rest(left), user);
                    return Ok(Walk { end, links });
                }
                writer = writer.or_else(|| writer_of(root, here.as_fd(), &stat, None));
                here = next;
                continue;
            }
            Err(Errno::NOENT) => {
                left.push(name);
                let end = End::Missing(here, rest(left));
                return Ok(Walk { end, links });
            }
            // Some kernels and file systems say of a link that it is one.
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error),
        }
        let node = fs::openat(&here, &*name, STEP | OFlags::NOFOLLOW, Mode::empty())?;
        let node_stat = fs::fstat(&node)?;
        if FileType::from_raw_mode(node_stat.st_mode) != FileType::Symlink {
            if !left.is_empty() || path.as_os_str().as_bytes().ends_with(b"/") {
                return Err(Errno::NOTDIR);
            }
            let end = End::Node(node);
            return Ok(Walk { end, links });
        }
        if links.len() >= MOST_LINKS {
            return Err(Errno::LOOP);
        }
        writer = writer.or_else(|| writer_of(root, here.as_fd(), &stat, Some(&node_stat)));
        links.push(Link {
            name: name_of(root, here.as_fd(), &name),
            writer,
        });
        if is_proc(fs::fstatfs(&node)?.f_type) {
            here = fs::openat(&here, &*name, flags, Mode::empty())?;
            if mounts::fuse_user(device(&here)?).is_some() {
                return Err(Errno::ACCESS);
            }
            continue;
        }
        let target = fs::readlinkat(&node, "", Vec::new())?;
        if target.as_bytes().starts_with(b"/") {
            here = clone(top.as_fd())?;
            writer = None;
        }
        push(&mut left, target.as_bytes());
    }
    Ok(Walk {
        end: End::Directory(here),
        links,
    })
}

/// The device of what is open, as it is known: of no daemon or server this asks anything.
fn device(directory: &OwnedFd) -> Result<(u32, u32), Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = fs::statx(directory, "", flags, StatxFlags::empty())?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor))
}

/// The parts of `path` before those that are left, the first of them on top.
fn push(left: &mut Vec<Vec<u8>>, path: &[u8]) {
    let parts = path.rsplit(|byte| *byte == b'/');
    let parts = parts.filter(|part| !part.is_empty() && *part != b".");
    left.extend(parts.map(<[u8]>::to_vec));
}

fn rest(mut left: Vec<Vec<u8>>) -> Vec<u8> {
    left.reverse();
    left.join(&b'/')
}

fn clone(directory: BorrowedFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(directory, 0)
}

/// A number of another size on each target.
fn is_proc(kind: impl TryInto<i64>) -> bool {
    kind.try_into().is_ok_and(|kind| kind == PROC)
}

/// The kernel's name for what is open, where it has one.
pub fn kernel_name(directory: impl AsFd) -> Result<Vec<u8>, Errno> {
    let link = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
    Ok(fs::readlinkat(CWD, link.as_str(), Vec::new())?.into_bytes())
}

fn name_of(root: &Root, directory: BorrowedFd, name: &[u8]) -> Option<Vec<u8>> {
    let directory = kernel_name(directory).ok()?;
    let directory = Path::new(OsStr::from_bytes(&directory));
    let mut link = root.below_it(directory)?;
    if !link.ends_with(b"/") {
        link.push(b'/');
    }
    link.extend_from_slice(name);
    Some(link)
}

/// Who else than root can change what is in a directory, or this link in it.
fn writer_of(
    root: &Root,
    directory: BorrowedFd,
    stat: &Stat,
    link: Option<&Stat>,
) -> Option<Writer> {
    const BY_GROUP: u32 = 0o020;
    const BY_OTHERS: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let is_ours = |owner: u32| owner == 0 || owner == root.owner();
    if !is_ours(stat.st_uid) {
        return Some(Writer::User(stat.st_uid));
    }
    // Where nobody removes what is another's, as in /tmp, it is the link's owner who counts.
    if stat.st_mode & STICKY != 0
        && let Some(link) = link
    {
        return (!is_ours(link.st_uid)).then_some(Writer::User(link.st_uid));
    }
    if stat.st_mode & BY_OTHERS != 0 && stat.st_mode & STICKY == 0 {
        return Some(Writer::Everybody);
    }
    let own_group =
        stat.st_gid == 0 || root.is_moved() && stat.st_gid == rustix::process::getegid().as_raw();
    // The bits of the group are the mask of an access list, where there is one.
    let listed = || {
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let mut entries = [0_u8; 1];
        let size = fs::getxattr(path.as_str(), "system.posix_acl_access", &mut entries);
        matches!(size, Ok(_) | Err(Errno::RANGE))
    };
    let by_group =
        stat.st_mode & BY_GROUP != 0 && stat.st_mode & STICKY == 0 && (!own_group || listed());
    by_group.then_some(Writer::Group(stat.st_gid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Names of the links, and the end or what is missing.
    fn walked(root: &Root, path: &str) -> Result<(Vec<String>, String), Errno> {
        let walk = walk(root, Path::new(path))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let links = walk
            .links
            .iter()
            .map(|link| text(link.name.as_ref().unwrap()));
        let end = |fd: &OwnedFd| {
            let name = kernel_name(fd).unwrap();
            text(&root.below_it(Path::new(&text(&name))).unwrap())
        };
        Ok((
            links.collect(),
            match &walk.end {
                End::Directory(fd) => end(fd),
                End::Node(fd) => format!("{} is no directory", end(fd)),
                End::Missing(fd, rest) | End::Fuse(fd, rest, _) => {
                    format!("{} - {}", end(fd), text(rest))
                }
            },
        ))
    }

    #[test]
    fn goes_where_the_kernel_goes() {
        let host = tempfile::tempdir().unwrap();
        let at = |path: &str| host.path().join(path);
        std::fs::create_dir_all(at("a/b/c")).unwrap();
        std::fs::write(at("a/file"), "").unwrap();
        for (target, link) in [
            ("b", "a/plain"),
            ("/a/b", "a/absolute"),
            ("../../../a/plain/..", "a/up"),
            ("loop", "a/loop"),
            ("/gone/../x", "a/dangling"),
            ("file", "a/to-file"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        let root = Root::below(std::fs::canonicalize(host.path()).unwrap());
        for (path, links, end) in [
            ("/a/b/c", &[][..], "/a/b/c"),
            ("/", &[], "/"),
            ("/../../a/./b//", &[], "/a/b"),
            ("/a/plain/c", &["/a/plain"], "/a/b/c"),
            ("/a/absolute/c/..", &["/a/absolute"], "/a/b"),
            ("/a/up/b/c", &["/a/up", "/a/plain"], "/a/b/c"),
            ("/a/plain/x/y", &["/a/plain"], "/a/b - x/y"),
            ("/a/dangling/z", &["/a/dangling"], "/ - gone/../x/z"),
            ("/a/file", &[], "/a/file is no directory"),
            ("/a/to-file", &["/a/to-file"], "/a/file is no directory"),
        ] {
            let links: Vec<String> = links.iter().map(|link| (*link).to_owned()).collect();
            assert_eq!(
                walked(&root, path).unwrap(),
                (links, end.to_owned()),
                "{path}"
            );
        }
        for (path, error) in [
            ("/a/loop", Errno::LOOP),
            ("/a/file/", Errno::NOTDIR),
            ("/a/to-file/", Errno::NOTDIR),
            ("/a/file/..", Errno::NOTDIR),
        ] {
            assert_eq!(walked(&root, path).unwrap_err(), error, "{path}");
        }
    }

    #[test]
    fn knows_who_can_change_a_link() {
        let host = tempfile::tempdir().unwrap();
        let at = |path: &str| host.path().join(path);
        let root = Root::below(std::fs::canonicalize(host.path()).unwrap());
        std::fs::create_dir_all(at("d/inner")).unwrap();
        symlink("/d", at("d/inner/link")).unwrap();
        let writer = |path: &str| walk(&root, Path::new(path)).unwrap().links[0].writer;
        for (above, directory, expected) in [
            (0o755, 0o755, None),
            (0o755, 0o757, Some(Writer::Everybody)),
            // Its own link: nobody else's to remove.
            (0o755, 0o1777, None),
            (0o757, 0o755, Some(Writer::Everybody)),
        ] {
            for (path, mode) in [("d", above), ("d/inner", directory)] {
                std::fs::set_permissions(at(path), PermissionsExt::from_mode(mode)).unwrap();
            }
            assert_eq!(writer("/d/inner/link"), expected, "{above:o} {directory:o}");
        }
    }
}
