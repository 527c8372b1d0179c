//! What `check` says of the paths in raw arguments that are no shares. The hook never asks.

use std::path::Path;

use crate::apparmor::files::PROFILES;
use crate::domain::Place;
use crate::host::Root;
use crate::host::named_file::{self, Lies, NamedFile};
use crate::inspect::{Confinement, Inspection, without_looking};
use crate::lint;
use crate::lint::finding::Counts;
use crate::lint::host_paths::Looked;
use crate::qemu::argv::Stray;
use crate::qemu::host_paths::table::Kind;
use crate::qemu::host_paths::{self, Access, HostPath};

/// More of them nobody reads.
const MOST_PATHS: usize = 1000;

/// Adds what is to be said of the paths in raw arguments that are no shares: for `check` only.
pub fn add(found: &mut Inspection, text: &str, root: Option<&Root>) {
    if found.confinement != Confinement::Confined {
        return;
    }
    let paths = host_paths::read(&found.domain, &found.line);
    if paths.is_empty() {
        return;
    }
    let profile = found.domain.uuid.as_ref();
    let lines = profile.zip(root).and_then(|(uuid, root)| {
        let path = format!("{PROFILES}/libvirt-{uuid}");
        root.text(&path).ok()
    });
    let lines = lines.unwrap_or_default();
    let profile = profile.map_or("libvirt-UUID".to_owned(), |uuid| format!("libvirt-{uuid}"));
    let line = &found.line;
    // What is said already.
    let is_said = |index: usize| {
        let read = |(_, argument): &(usize, usize)| *argument == index;
        line.strays.contains(&Stray::Image(index)) || line.unmodelled.iter().any(read)
    };
    let mut findings = Vec::new();
    for path in paths.into_iter().take(MOST_PATHS) {
        let arg = match &path.place {
            Place::Arg(index, _) => Some(*index),
            _ => None,
        };
        if arg.is_some_and(is_said) {
            continue;
        }
        let mut looked = look_at(&path, root);
        looked.unclear = arg
            .and_then(|index| found.domain.args.get(index))
            .is_some_and(|arg| arg.blanked);
        findings.extend(lint::host_paths::check(&path, &looked, &profile, &lines));
    }
    let more = Counts::of(&findings);
    findings.append(&mut found.findings);
    lint::sort(&mut findings, &found.domain, text, lint::MOST_FINDINGS);
    found.findings = findings;
    found.counts.notes += more.notes;
}

/// The files that QEMU opens because of one path.
fn look_at(path: &HostPath, root: Option<&Root>) -> Looked {
    let Access::Opens(opening) = path.access else {
        return Looked {
            files: Vec::new(),
            any_end: false,
            unclear: false,
        };
    };
    let look = |name: &str| {
        // QEMU's working directory is / under libvirt.
        let absolute = Path::new("/").join(name);
        match root {
            Some(root) => named_file::look(root, &absolute),
            None => Some(NamedFile {
                name: without_looking(&absolute.to_string_lossy()).name,
                lies: Lies::Unknown,
            }),
        }
    };
    let lies = |name: &str| look(name).map_or(Lies::Unknown, |file| file.lies);
    let names = opening.names(
        &path.path,
        |name| lies(name) == Lies::Directory,
        |name| !matches!(lies(name), Lies::Nothing | Lies::Unknown),
    );
    let any_end = opening.kind == Kind::Memory
        && names.iter().any(|name| name.ends_with("/qemu_back_mem.*"))
        && lies(&path.path) == Lies::Directory;
    let files = names
        .iter()
        .map(|name| look(name.strip_suffix('*').filter(|_| any_end).unwrap_or(name)));
    Looked {
        files: files.collect(),
        any_end,
        unclear: false,
    }
}
