//! The profile of one guest on disk: read with care, replaced whole, under a lock.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::apparmor::block;
use crate::apparmor::files::{PROFILES, StoreError, TEMPLATE, TEMPORARY, foreign, open_checked};
use crate::apparmor::lock::{Lock, Patience};
use crate::domain::Uuid;
use crate::host::temporary::{Temporary, sync_names};
use crate::host::{Root, attributes, read_at_most};

/// libvirt's own limit for a profile (MAX_FILE_LEN).
const MOST_BYTES: u64 = 10 << 20;

/// What became of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileChange {
    /// It says what it should; nothing was written.
    None,
    /// It was made.
    Created,
    /// It was changed.
    Replaced,
    /// There is neither a profile nor a template: no libvirt with AppArmor here.
    NoTemplate,
}

/// Makes the profile of `uuid` hold exactly these rules in its block; without rules, no block.
///
/// A profile that is right is not written, and then no lock is taken either. One that is missing
/// or empty is made from the template (virt-aa-helper throws an empty one away).
///
/// # Errors
/// When the profile is not fit to be edited or cannot be written; it is then as it was.
pub fn apply(
    root: &Root,
    uuid: &Uuid,
    rules: &str,
    patience: Patience,
) -> Result<ProfileChange, StoreError> {
    let leftovers = !rules.is_empty() && !leftovers(root, uuid).is_empty();
    if !leftovers && let Planned::Nothing(change) = plan(root, uuid, rules)? {
        return Ok(change);
    }
    let turn = match Lock::acquire(root, patience) {
        Ok(lock) => {
            sweep(&lock, root, uuid);
            Turn::Held(lock)
        }
        Err(_) if rules.is_empty() && patience == Patience::None => Turn::NotAwaited,
        Err(error) => return Err(error),
    };
    // Read again: what was read before the lock may be old by now.
    match plan(root, uuid, rules)? {
        Planned::Nothing(change) => Ok(change),
        Planned::Write { new, old } => {
            let change = old
                .as_ref()
                .map_or(ProfileChange::Created, |_| ProfileChange::Replaced);
            replace(&turn, root, uuid, &new, old.as_ref()).map(|()| change)
        }
    }
}

/// Takes our block out of the profile of `uuid`, and temporary files that a crash left. For these
/// the directory has to be listed, which a start that waits for nothing does not do: it looks at
/// the one profile, and what a crash left goes when the guest stops.
///
/// # Errors
/// As [`apply`].
pub fn strip(root: &Root, uuid: &Uuid, patience: Patience) -> Result<ProfileChange, StoreError> {
    if patience == Patience::Seconds && !leftovers(root, uuid).is_empty() {
        sweep(&Lock::acquire(root, patience)?, root, uuid);
    }
    apply(root, uuid, "", patience)
}

/// By what right a profile is written.
enum Turn {
    Held(#[expect(dead_code, reason = "held until it is dropped")] Lock),
    /// A guest that is none of our business waits for nobody, and gets rid of old rules all the
    /// same: for one guest libvirt calls one hook at a time, and whoever else could write this
    /// profile now (`prerm`, for a guest that is stopped) would take the same rules out.
    NotAwaited,
}

enum Planned {
    Nothing(ProfileChange),
    Write {
        new: Vec<u8>,
        /// What it replaces.
        old: Option<File>,
    },
}

fn plan(root: &Root, uuid: &Uuid, rules: &str) -> Result<Planned, StoreError> {
    let path = profile(root, uuid);
    let current = read_profile(root, uuid)?.filter(|(content, _)| !content.is_empty());
    let damaged = |damage| StoreError::Damaged(path.clone(), damage);
    match current {
        Some((current, old)) => {
            if rules.is_empty() && !block::has_block(&current) {
                return Ok(Planned::Nothing(ProfileChange::None));
            }
            let wanted = block::edit(&current, uuid, rules).map_err(damaged)?;
            Ok(if wanted == current {
                Planned::Nothing(ProfileChange::None)
            } else {
                Planned::Write {
                    new: wanted,
                    old: Some(old),
                }
            })
        }
        None if rules.is_empty() => Ok(Planned::Nothing(ProfileChange::None)),
        None => Ok(match from_template(root, uuid, rules)? {
            None => Planned::Nothing(ProfileChange::NoTemplate),
            Some(new) => Planned::Write { new, old: None },
        }),
    }
}

/// The profile that a guest without one would get; nothing where there is no template.
///
/// # Errors
/// When the template cannot be read or is none.
pub fn from_template(root: &Root, uuid: &Uuid, rules: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let path = root.path(TEMPLATE);
    let failed = |error| StoreError::Io("read", path.clone(), error);
    // A link is followed, as by libvirt: its place is root's, and what it leads to is looked at.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match root.open(TEMPLATE, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(failed(error.into())),
    };
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(failed(io::Error::other("not a regular file")));
    }
    if let Some(why) = foreign(root, &meta) {
        return Err(StoreError::Unfit(path, why));
    }
    let template = read_at_most(file, meta.len(), MOST_BYTES).map_err(failed)?;
    block::create(&template, uuid, rules)
        .map(Some)
        .map_err(|damage| StoreError::Damaged(root.path(TEMPLATE), damage))
}

/// The profile of `uuid` as it is, if it is there.
///
/// # Errors
/// When it is not fit to be edited or cannot be read.
pub fn read(root: &Root, uuid: &Uuid) -> Result<Option<Vec<u8>>, StoreError> {
    let found = read_profile(root, uuid)?;
    Ok(found.map(|(content, _)| content))
}

/// Where the profile of `uuid` is.
pub fn profile(root: &Root, uuid: &Uuid) -> PathBuf {
    root.path(host_path(uuid))
}

fn host_path(uuid: &Uuid) -> String {
    format!("{PROFILES}/libvirt-{uuid}")
}

/// Reads the profile if it is there; refuses one that somebody but root could have prepared.
fn read_profile(root: &Root, uuid: &Uuid) -> Result<Option<(Vec<u8>, File)>, StoreError> {
    let path = profile(root, uuid);
    let (file, meta) = match open_checked(root, &host_path(uuid), OFlags::RDONLY) {
        Ok(found) => found,
        Err(StoreError::Io(_, _, error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let content = read_at_most(&file, meta.len(), MOST_BYTES + 1)
        .map_err(|error| StoreError::Io("read", path.clone(), error))?;
    if content.len() as u64 > MOST_BYTES {
        return Err(StoreError::Unfit(
            path.clone(),
            "is larger than 10 MiB".to_owned(),
        ));
    }
    Ok(Some((content, file)))
}

/// Temporary files for this guest that a crash left behind.
fn leftovers(root: &Root, uuid: &Uuid) -> Vec<String> {
    let names = root.names_with(&temporary_prefix(uuid), PROFILES);
    names.unwrap_or_default()
}

/// The directory of profiles, held open.
fn directory(root: &Root) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    root.open(PROFILES, flags, Mode::empty())
}

/// A leading dot is the one kind of name that no AppArmor parser takes for a profile (facts A3).
fn temporary_prefix(uuid: &Uuid) -> String {
    format!("{TEMPORARY}{uuid}.")
}

/// Removes what a crash left for this guest. What cannot be removed does no harm.
fn sweep(_held: &Lock, root: &Root, uuid: &Uuid) {
    let names = leftovers(root, uuid);
    if names.is_empty() {
        return;
    }
    if let Ok(directory) = directory(root) {
        for name in names {
            let _ = rustix::fs::unlinkat(&directory, name, AtFlags::empty());
        }
    }
}

/// Replaces the profile whole: a reader sees the old or the new one, also after a crash, and
/// nobody reads the new one who could not read the old. Only whoever has a turn can call this.
fn replace(
    _turn: &Turn,
    root: &Root,
    uuid: &Uuid,
    content: &[u8],
    old: Option<&File>,
) -> Result<(), StoreError> {
    let target = profile(root, uuid);
    let failed = |what| {
        let target = target.clone();
        move |error: io::Error| StoreError::Io(what, target, error)
    };
    let directory = directory(root).map_err(|error| failed("write")(error.into()))?;
    let mut temporary =
        Temporary::create(directory.as_fd(), &temporary_prefix(uuid)).map_err(failed("write"))?;
    // By hand, so that the umask has no say.
    access(old, temporary.file()).map_err(failed("write"))?;
    temporary.write(content).map_err(failed("write"))?;
    let name = format!("libvirt-{uuid}");
    temporary
        .replace(name.as_ref())
        .map_err(failed("replace"))?;
    sync_names(directory.as_fd());
    Ok(())
}

/// Who may read the new profile: whoever could read the old one; libvirt's own are 0644. The owner
/// is root, and the group ours: to give it away takes a right that the hook has not (its AppArmor
/// profile), so another group loses what it had.
fn access(old: Option<&File>, new: &File) -> io::Result<()> {
    let Some(old) = old else {
        return new.set_permissions(Permissions::from_mode(0o644));
    };
    let meta = old.metadata()?;
    let group = meta.gid() == new.metadata()?.gid();
    let mode = meta.mode() & if group { 0o777 } else { 0o707 };
    Ok(attributes::permissions(old, mode, new)?)
}
