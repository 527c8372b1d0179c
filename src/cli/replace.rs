//! Writing a result to a file so that there is the old or the new one at any time, never a part.
//!
//! Where the file is, is found out once ([`FilePlace`]), and whose it is and who may read it is asked
//! of the open file: a name may lead elsewhere each time it is used. In a directory that others
//! can write, no link is followed and no owner is taken over.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::host::attributes;
use crate::host::file_place::{FilePlace, NoPlace};
use crate::host::temporary::{Temporary, sync_names};
use crate::text::visible;

/// More backups than that lie there for another reason.
const MOST_BACKUPS: u32 = 1000;

const PREFIX: &str = ".virt-9p-";

/// An open file, which can be replaced by another with the same attributes.
pub struct Original {
    place: FilePlace,
    file: File,
    stat: Stat,
    shown: String,
}

/// Why there is no file that can be replaced.
#[derive(Debug)]
pub enum NoOriginal {
    /// It cannot be read.
    Unread(std::io::Error),
    /// It is none that is replaced, for this reason.
    Refused(String),
}

impl std::fmt::Display for NoOriginal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoOriginal::Unread(error) => error.fmt(f),
            NoOriginal::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for NoOriginal {}

impl From<Errno> for NoOriginal {
    fn from(error: Errno) -> Self {
        NoOriginal::Unread(error.into())
    }
}

impl From<NoPlace> for NoOriginal {
    fn from(error: NoPlace) -> Self {
        match error {
            NoPlace::Failed(error) => error.into(),
            NoPlace::Link(_) => NoOriginal::Refused(error.to_string()),
        }
    }
}

impl Original {
    /// Opens the regular file that `path` leads to.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(path: &Path) -> Result<Self, NoOriginal> {
        let place = FilePlace::find(path)?;
        let shown = visible(&path.to_string_lossy());
        match place.kind() {
            None => Err(Errno::NOENT.into()),
            Some(FileType::RegularFile) => Self::at(place, shown),
            Some(_) => Err(irregular(&shown)),
        }
    }

    fn at(place: FilePlace, shown: String) -> Result<Self, NoOriginal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(place.directory(), place.name(), flags, Mode::empty())?;
        let stat = fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(irregular(&shown));
        }
        Ok(Original {
            place,
            file: File::from(file),
            stat,
            shown,
        })
    }

    /// The open file, to be read.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether a new file can take its place: it has no other name, which would keep the old
    /// content, and needs no owner that somebody else may have chosen.
    fn is_fit(&self) -> anyhow::Result<()> {
        let names = self.stat.st_nlink;
        anyhow::ensure!(
            names <= 1,
            "it has {names} hard links, and the others would keep the old content"
        );
        let owner = self.stat.st_uid;
        anyhow::ensure!(
            self.place.is_closed() || owner == rustix::process::geteuid().as_raw(),
            "it belongs to user {owner}, in a directory that others can write: call virt-9p as that \
             user, or write the result to another file with --output"
        );
        Ok(())
    }

    /// Whether the name in its directory leads to this very file.
    fn is_at(&self, name: &OsStr) -> bool {
        fs::statat(self.place.directory(), name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| (found.st_dev, found.st_ino) == (self.stat.st_dev, self.stat.st_ino))
    }

    /// Whether it still says what was read in it.
    fn says(&self, old: &[u8]) -> std::io::Result<bool> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        let mut now = Vec::with_capacity(old.len() + 1);
        file.take(old.len() as u64 + 1).read_to_end(&mut now)?;
        Ok(now == old)
    }
}

fn irregular(shown: &str) -> NoOriginal {
    let why = format!("{shown} is no regular file; --output writes the result to another");
    NoOriginal::Refused(why)
}

/// Replaces the file, in which `old` was read, by one that says `new`. Its mode, owner and other
/// attributes stay. What it was is kept beside it, under the name that is returned: `FILE~`, or
/// where that is taken `FILE.~1~` and so on, as other tools number their backups.
///
/// # Errors
/// With nothing changed.
pub fn in_place(original: &Original, old: &[u8], new: &[u8]) -> anyhow::Result<PathBuf> {
    let failed = || format!("cannot change {}", original.shown);
    original.is_fit().with_context(failed)?;
    let mut temporary = like(original, new).with_context(failed)?;
    let backup = exchange(original, &mut temporary, old).with_context(failed)?;
    sync_names(original.place.directory());
    Ok(original.place.beside(&backup))
}

/// Writes `content` to `path`. In a directory that nobody else can write, a file that is there
/// keeps its mode, owner and other attributes; otherwise it is the caller's, and readable for its
/// owner alone, because a domain may hold passwords. Where something else than a file is there,
/// such as a pipe, it is written to.
///
/// # Errors
/// With nothing changed, unless it is no file.
pub fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let shown = visible(&path.to_string_lossy());
    let failed = || format!("cannot write {shown}");
    let place = FilePlace::find(path).with_context(failed)?;
    match place.kind() {
        None => {
            let mut temporary =
                Temporary::create(place.directory(), PREFIX).with_context(failed)?;
            temporary.write(content).with_context(failed)?;
            temporary.replace(place.name()).with_context(failed)?;
            sync_names(place.directory());
        }
        Some(FileType::RegularFile) => {
            let original = Original::at(place, shown.clone()).with_context(failed)?;
            original.is_fit().with_context(failed)?;
            let place = &original.place;
            let temporary = if place.is_closed() {
                like(&original, content)
            } else {
                Temporary::create(place.directory(), PREFIX)
                    .and_then(|mut temporary| temporary.write(content).map(|()| temporary))
                    .map_err(Into::into)
            }
            .with_context(failed)?;
            temporary.replace(place.name()).with_context(failed)?;
            sync_names(place.directory());
        }
        Some(kind) => stream(&place, kind)
            .with_context(failed)?
            .write_all(content)
            .with_context(failed)?,
    }
    Ok(())
}

/// Opens what is no file to write to it.
fn stream(place: &FilePlace, kind: FileType) -> anyhow::Result<File> {
    let mut flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if kind == FileType::Symlink {
        // One of /proc to an open file, which goes on where it ends.
        flags |= OFlags::APPEND;
    } else {
        anyhow::ensure!(
            place.is_closed(),
            "it is no regular file, in a directory that others can write"
        );
        flags |= OFlags::NOFOLLOW;
    }
    let file = fs::openat(place.directory(), place.name(), flags, Mode::empty())
        .map_err(std::io::Error::from)?;
    Ok(File::from(file))
}

/// A new file beside the original that says `content` and is like it otherwise.
fn like<'a>(original: &'a Original, content: &[u8]) -> anyhow::Result<Temporary<'a>> {
    let mut temporary = Temporary::create(original.place.directory(), PREFIX)?;
    // Before its attributes: writing takes some of them away, and until then it is for us alone.
    temporary.write(content)?;
    attributes::take_over(&original.file, &original.stat, temporary.file())?;
    temporary.file().sync_all()?;
    Ok(temporary)
}

/// Puts the new file in the original's place, and the original in that of its backup, whose name
/// is returned. Both exchange their names in one step: what comes out is looked at then, and goes
/// back where it is not what was read.
fn exchange(
    original: &Original,
    temporary: &mut Temporary,
    old: &[u8],
) -> anyhow::Result<OsString> {
    let changed = || anyhow::anyhow!("it was changed by somebody else meanwhile");
    let directory = original.place.directory();
    let target = original.place.name();
    let name = temporary.name().to_owned();
    let swap = || fs::renameat_with(directory, &name, directory, target, RenameFlags::EXCHANGE);
    anyhow::ensure!(original.says(old)? && original.is_at(target), changed());
    match swap() {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            return link(original, temporary);
        }
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    let done = if original.is_at(&name) && original.says(old).unwrap_or(false) {
        free_name(target, |backup| {
            let flags = RenameFlags::NOREPLACE;
            fs::renameat_with(directory, &name, directory, backup, flags)
        })
        .context("what it was cannot be kept")
    } else {
        Err(changed())
    };
    match done {
        Ok(backup) => {
            temporary.keep();
            Ok(backup)
        }
        Err(error) => match swap() {
            Ok(()) => Err(error),
            Err(_) => {
                temporary.keep();
                let kept = visible(&original.place.beside(&name).to_string_lossy());
                Err(error.context(format!("what it was is in {kept}")))
            }
        },
    }
}

/// The same where the file system cannot exchange names, such as NFS: the original gets a second
/// name, and loses the first.
fn link(original: &Original, temporary: &mut Temporary) -> anyhow::Result<OsString> {
    let directory = original.place.directory();
    let target = original.place.name();
    let backup = free_name(target, |backup| {
        fs::linkat(directory, target, directory, backup, AtFlags::empty())
    })
    .context("what it was cannot be kept; --output writes the result to another file")?;
    let done = if original.is_at(&backup) {
        fs::renameat(directory, temporary.name(), directory, target)
            .map_err(|error| std::io::Error::from(error).into())
    } else {
        Err(anyhow::anyhow!("it was changed by somebody else meanwhile"))
    };
    match done {
        Ok(()) => temporary.keep(),
        Err(_) => drop(fs::unlinkat(directory, &backup, AtFlags::empty())),
    }
    done.map(|()| backup)
}

/// The first name for a backup of `target` that `give` can give, because it is not taken.
fn free_name(
    target: &OsStr,
    give: impl Fn(&OsStr) -> Result<(), Errno>,
) -> std::io::Result<OsString> {
    for number in 0..MOST_BACKUPS {
        let mut backup = target.to_owned();
        backup.push(match number {
            0 => "~".to_owned(),
            number => format!(".~{number}~"),
        });
        match give(&backup) {
            Ok(()) => return Ok(backup),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}
