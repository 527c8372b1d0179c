//! Writing a result to a file so that there is the old or the new one at any time, never a part.
//!
//! A symbolic link stays: what it leads to is replaced, and a backup lies beside that.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::host::temporary;
use crate::text::visible;

/// More backups than that lie there for another reason.
const MOST_BACKUPS: u32 = 1000;

/// Replaces `file`, in which `old` was read, by `new`. Its mode and owner stay. What it was is
/// kept beside it, under the name that is returned: `FILE~`, or where that is taken `FILE.~1~`
/// and so on, as other tools number their backups.
///
/// # Errors
/// With nothing changed.
pub fn in_place(file: &Path, old: &[u8], new: &[u8]) -> anyhow::Result<PathBuf> {
    let name = visible(&file.to_string_lossy());
    let failed = || format!("cannot change {name}");
    let target = fs::canonicalize(file).with_context(failed)?;
    let metadata = fs::metadata(&target).with_context(failed)?;
    anyhow::ensure!(
        metadata.is_file(),
        "{name} is no regular file; --output writes the result to another"
    );
    let backup = back_up(&target, &metadata)
        .with_context(|| format!("cannot keep what {name} was, so it was not changed"))?;
    let done = match fs::read(&backup) {
        // The backup is the very file that goes, so this is also what the name led to just now.
        Ok(found) if found == old => replace(&target, new, Some(&metadata)).with_context(failed),
        Ok(_) => Err(anyhow::anyhow!(
            "{name} was changed by somebody else meanwhile"
        )),
        Err(error) => Err(error).with_context(failed),
    };
    if done.is_err() {
        let _ = fs::remove_file(&backup);
    }
    done.map(|()| backup)
}

/// Writes `content` to `file`, which keeps its mode and owner when it is there; a new one is
/// readable for its owner alone, because a domain may hold passwords. Where something else than a
/// file is there, such as a pipe, it is written to.
///
/// # Errors
/// With nothing changed, unless it is no file.
pub fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", visible(&file.to_string_lossy()));
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => fs::canonicalize(file)
            .and_then(|target| replace(&target, content, Some(&metadata)))
            .with_context(failed),
        Ok(_) => OpenOptions::new()
            .write(true)
            .open(file)
            .and_then(|mut file| file.write_all(content))
            .with_context(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            replace(file, content, None).with_context(failed)
        }
        Err(error) => Err(error).with_context(failed),
    }
}

/// Puts a new file in the place of `target` in one step.
fn replace(target: &Path, content: &[u8], like: Option<&Metadata>) -> io::Result<()> {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = temporary::create(folder, ".virt-9p-")?;
    if let Some(like) = like {
        let made = temporary.as_file().metadata()?;
        if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
            fchown(temporary.as_file(), Some(like.uid()), Some(like.gid()))?;
        }
        // After the owner: a change of owner takes bits away.
        temporary.as_file().set_permissions(like.permissions())?;
    }
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(target).map_err(|error| error.error)?;
    // The new file is in place; that the folder's entry is on disk too is worth a try.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Gives the file a second name, which stays when the first gets another file. No name that is
/// there is taken over. Where the file system has no second names, it is copied.
fn back_up(target: &Path, metadata: &Metadata) -> io::Result<PathBuf> {
    for number in 0..MOST_BACKUPS {
        let mut name = target.as_os_str().to_owned();
        name.push(match number {
            0 => "~".to_owned(),
            number => format!(".~{number}~"),
        });
        let backup = PathBuf::from(name);
        let taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        let kept = fs::hard_link(target, &backup).or_else(|error| {
            if taken(&error) {
                return Err(error);
            }
            copy(target, &backup, metadata)
        });
        match kept {
            Ok(()) => return Ok(backup),
            Err(error) if taken(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn copy(target: &Path, backup: &Path, metadata: &Metadata) -> io::Result<()> {
    let mut from = File::open(target)?;
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(backup)?;
    io::copy(&mut from, &mut to)?;
    to.set_permissions(metadata.permissions())?;
    to.sync_all()
}
