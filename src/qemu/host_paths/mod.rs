//! What QEMU opens on the host because of raw arguments: one table, and what reads by it. The
//! directories of 9p shares are not in it: they depend on a device that uses them
//! ([`crate::qemu::shares`]).

mod character;
pub mod flatten;
mod found;
mod images;
mod read;
pub mod table;

pub use read::read;

use crate::domain::Place;
use table::{Kind, Letters, Why};

/// A word of the arguments that names something of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    /// The path, byte for byte as QEMU opens it; where nothing can be granted, what is written.
    pub path: String,
    /// Where it stands.
    pub place: Place,
    /// What QEMU does with it.
    pub access: Access,
}

/// What QEMU does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It opens it.
    Opens(Opening),
    /// It names something of the host, and no rule for one guest would be safe, or of use: why.
    Never(Why),
    /// It may name something of the host; what it is that is not understood. Never a guess.
    Unclear(&'static str),
}

/// How QEMU opens a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// What it takes it for.
    pub kind: Kind,
    /// What AppArmor has to grant.
    pub letters: Letters,
    /// The first QEMU that does.
    pub since: (u8, u8),
    /// Whether it refuses to start without.
    pub needed: bool,
    /// Whether it may be an image that itself names others, which QEMU opens, too.
    pub layered: bool,
}

impl Opening {
    /// The names that QEMU opens, with a `*` for what it chooses itself; `exists` says what is there.
    pub fn names(
        &self,
        path: &str,
        is_directory: impl Fn(&str) -> bool,
        exists: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        match self.kind {
            // file_ram_open: a private file in it, removed at once.
            Kind::Memory if is_directory(path) => {
                vec![format!("{}/qemu_back_mem.*", path.trim_end_matches('/'))]
            }
            // char-pipe.c: both, or the bare name when either is missing.
            Kind::Pipe => {
                let two = vec![format!("{path}.in"), format!("{path}.out")];
                if two.iter().all(|name| exists(name)) || !exists(path) {
                    two
                } else {
                    vec![path.to_owned()]
                }
            }
            Kind::Tls(credentials) => credentials
                .files()
                .iter()
                .map(|file| format!("{path}/{file}"))
                .collect(),
            _ => vec![path.to_owned()],
        }
    }
}
