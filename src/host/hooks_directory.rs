//! What stands where libvirt looks for hooks, and what would run.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::domain::xml::POLICY_NAMESPACE;
use crate::host::Root;
use crate::host::directory;
use crate::text::find;

/// libvirt's directory for hooks.
pub const HOOKS: &str = "/etc/libvirt/hooks";

/// The place that every libvirt knows.
pub const SINGLE: &str = "/etc/libvirt/hooks/qemu";

/// The directory that libvirt knows since 6.6 (facts L2).
pub const MANY: &str = "/etc/libvirt/hooks/qemu.d";

/// No hook is larger; a debug build of ours is not.
const MOST_BYTES: u64 = 128 << 20;

/// One name in one of the places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookEntry {
    /// Its host path, below one of the two places.
    pub place: String,
    /// Where it points, when it is a symbolic link.
    pub link: Option<String>,
    /// When it came, in seconds since 1970. The time of the inode's change: dpkg gives a link the
    /// package's date as time of modification, and a file's may be anything.
    pub since: i64,
    /// What is at the end of the link; nothing when nothing is.
    pub end: Option<Program>,
}

/// A file that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The kernel's name for it: what AppArmor judges.
    pub name: String,
    /// Whether anybody may run it.
    pub executable: bool,
    /// Whether others than its owner may write it, or its owner is not root.
    pub loose: bool,
    /// What the kernel would run.
    pub content: Content,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This very program.
    Same,
    /// virt-9p, but another build.
    OtherBuild,
    /// A text, `#!` or not; bytes that are no UTF-8 are replaced.
    Script(String),
    /// A program, but no build of virt-9p.
    Other,
    /// It may not be read.
    Unreadable,
}

/// Everything in both places, in libvirt's order; directories are nothing to libvirt.
///
/// # Errors
/// When a place cannot be looked at.
pub fn entries(root: &Root) -> io::Result<Vec<HookEntry>> {
    let mut places = vec![SINGLE.to_owned()];
    places.extend(
        root.names(MANY)?
            .iter()
            .map(|name| format!("{MANY}/{name}")),
    );
    let mut entries = Vec::new();
    for place in places {
        let meta = match fs::symlink_metadata(root.path(&place)) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let end = program(root, &place);
        if meta.is_dir() || (end.is_none() && !meta.is_symlink()) {
            continue;
        }
        let link = fs::read_link(root.path(&place)).ok();
        entries.push(HookEntry {
            link: link.map(|target| target.to_string_lossy().into_owned()),
            since: meta.ctime(),
            end,
            place,
        });
    }
    Ok(entries)
}

/// The regular file that a host path leads to.
pub fn program(root: &Root, path: &str) -> Option<Program> {
    let found = directory::follow(root, Path::new(path), OFlags::empty()).ok()?;
    let meta = fs::metadata(&found.path).ok()?;
    meta.is_file().then(|| Program {
        name: String::from_utf8_lossy(&found.name).into_owned(),
        executable: meta.permissions().mode() & 0o111 != 0,
        loose: meta.permissions().mode() & 0o022 != 0 || meta.uid() != root.owner(),
        content: content(&found.path),
    })
}

/// Files are compared byte for byte: below a moved root, and after an upgrade under a running
/// `doctor`, the same program is another file.
fn content(path: &Path) -> Content {
    const SELF: &str = "/proc/self/exe";
    let read = |path: &Path| -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(path)?
            .take(MOST_BYTES)
            .read_to_end(&mut content)?;
        Ok(content)
    };
    let identity = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    if identity(path).is_some_and(|file| Some(file) == identity(Path::new(SELF))) {
        return Content::Same;
    }
    let Ok(file) = read(path) else {
        return Content::Unreadable;
    };
    if !file.starts_with(b"\x7fELF") {
        // Whatever bytes follow, what begins like a script is one to the kernel.
        return match String::from_utf8(file) {
            Ok(text) => Content::Script(text),
            Err(error) if error.as_bytes().starts_with(b"#!") => {
                Content::Script(String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
            Err(_) => Content::Other,
        };
    }
    if read(Path::new(SELF)).is_ok_and(|own| own == file) {
        Content::Same
    } else if find(&file, POLICY_NAMESPACE.as_bytes()).is_some() {
        // Every build of ours carries this name.
        Content::OtherBuild
    } else {
        Content::Other
    }
}
