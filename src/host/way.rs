//! The way to a file, as somebody else than root goes it: the directories that are searched, and the
//! symbolic links that are followed. By name, and for advice only: nothing is granted by it.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::host::Root;

/// The kernel's own limit (MAXSYMLINKS).
const MOST_LINKS: usize = 40;

/// The kernel's own limit (PATH_MAX).
const LONGEST: usize = 4096;

/// Where a path leads, by names of the host.
#[derive(Debug, Default)]
pub struct Way {
    /// The directories in which a name is looked up, in order.
    pub searched: Vec<PathBuf>,
    /// The symbolic links that are followed, in order.
    pub links: Vec<PathBuf>,
    /// Links that are the last part of a path, in a sticky directory that everybody can write, where
    /// neither they nor it belong to the user who is named: may_follow_link of Linux.
    pub foreign: Vec<(PathBuf, u32)>,
    /// The name at the end.
    pub name: PathBuf,
    /// What has it; nothing where it is free.
    pub is: Option<Metadata>,
}

impl Way {
    /// The names that have to be there: links, and the end.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let all = self.links.iter().chain([&self.name]);
        all.map(|name| name.to_string_lossy().into_owned())
    }
}

/// Goes to `path`, and where `follows` is false not through a link at its end. Nothing where it
/// cannot be gone to its end.
pub fn way(root: &Root, path: &Path, follows: bool) -> Option<Way> {
    if path.as_os_str().len() > LONGEST {
        return None;
    }
    let mut way = Way::default();
    let mut left = Vec::new();
    push(&mut left, path);
    let mut here = PathBuf::from("/");
    while let Some(name) = left.pop() {
        if name == "/" {
            here = PathBuf::from("/");
            continue;
        }
        way.searched.push(here.clone());
        if name == ".." {
            here.pop();
            continue;
        }
        let at = here.join(name);
        let is_last = left.is_empty();
        let is = match fs::symlink_metadata(root.path(&at)) {
            Ok(is) => is,
            Err(error) if is_last && error.kind() == ErrorKind::NotFound => {
                way.name = at;
                return Some(way);
            }
            Err(_) => return None,
        };
        if is.is_symlink() && (follows || !is_last) {
            // Links of procfs lead where their text does not say.
            if way.links.len() >= MOST_LINKS || at.starts_with("/proc") {
                return None;
            }
            if is_last {
                let directory = fs::metadata(root.path(&here)).ok()?;
                if directory.mode() & 0o1002 == 0o1002 && directory.uid() != is.uid() {
                    way.foreign.push((at.clone(), is.uid()));
                }
            }
            push(&mut left, &fs::read_link(root.path(&at)).ok()?);
            way.links.push(at);
        } else if is_last {
            way.name = at;
            way.is = Some(is);
            return Some(way);
        } else if is.is_dir() {
            here = at;
        } else {
            return None;
        }
    }
    way.is = fs::metadata(root.path(&here)).ok();
    way.name = here;
    Some(way)
}

/// The parts of a path before those that are left, the first of them on top; `/` stands for the root.
fn push(left: &mut Vec<OsString>, path: &Path) {
    left.extend(path.iter().rev().map(OsString::from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn says_what_is_searched_and_followed() {
        let host = tempfile::tempdir().unwrap();
        let at = |path: &str| host.path().join(path);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/file"), "").unwrap();
        for (target, link) in [
            ("b/file", "a/link"),
            ("/a/b", "a/up"),
            ("loop", "a/loop"),
            ("gone", "a/dangling"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        let root = Root::below(host.path().to_owned());
        let shown = |path: &str, follows: bool| {
            let way = way(&root, Path::new(path), follows)?;
            let searched = way.searched.iter().map(|one| one.to_str().unwrap());
            let searched: Vec<_> = searched.collect();
            let names: Vec<_> = way.names().collect();
            Some(format!(
                "{} | {} | {}",
                searched.join(" "),
                names.join(" "),
                way.is.is_some()
            ))
        };
        for (path, follows, expected) in [
            ("/a/b/file", true, Some("/ /a /a/b | /a/b/file | true")),
            (
                "//a/./b/../b/new",
                true,
                Some("/ /a /a/b /a /a/b | /a/b/new | false"),
            ),
            (
                "/a/link",
                true,
                Some("/ /a /a /a/b | /a/link /a/b/file | true"),
            ),
            ("/a/link", false, Some("/ /a | /a/link | true")),
            (
                "/a/up/file",
                false,
                Some("/ /a / /a /a/b | /a/up /a/b/file | true"),
            ),
            (
                "/a/dangling",
                true,
                Some("/ /a /a | /a/dangling /a/gone | false"),
            ),
            ("/", true, Some(" | / | true")),
            ("/a/loop", true, None),
            ("/a/none/x", true, None),
            ("/a/b/file/x", true, None),
        ] {
            assert_eq!(shown(path, follows).as_deref(), expected, "{path}");
        }
    }
}
