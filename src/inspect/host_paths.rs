//! The paths in raw arguments that are no shares: looks each up, and has it judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::apparmor::files::{self, PROFILES};
use crate::apparmor::rules::{Grants, MOST_BYTES, MOST_FILES};
use crate::apparmor::{block, policy, system_paths};
use crate::assumptions::Assumptions;
use crate::domain::{Domain, Located, Origin, Place, read_only_files};
use crate::host::directory::NoDirectory;
use crate::host::named_file::{self, Lies, NamedFile};
use crate::host::timed_look::{self, Answer, Files, Question, Wait};
use crate::host::walls::{Before, Walls};
use crate::host::{Root, versions};
use crate::inspect::without_looking;
use crate::lint;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::host_paths::walls::{self, act};
use crate::lint::host_paths::{Around, Judged, judge, native};
use crate::qemu::argv::Stray;
use crate::qemu::command_line::CommandLine;
use crate::qemu::host_paths::table::{Kind, Why};
use crate::qemu::host_paths::{self, Access, HostPath, Opening};
use crate::text::{Span, count};

/// More of them nobody looks at.
const MOST_PATHS: usize = 1000;

/// A path, and the files that QEMU opens because of it; nothing where the host did not answer, or
/// was not asked.
#[derive(Debug)]
pub struct Looked {
    /// As it is written.
    pub path: HostPath,
    /// What lies there.
    pub files: Option<Files>,
}

/// The paths that a domain names. None where its metadata keeps us to shares.
pub fn named(domain: &Domain, line: &CommandLine) -> Vec<HostPath> {
    let mut paths = match domain.only_shares {
        true => Vec::new(),
        false => host_paths::read(domain, line),
    };
    paths.truncate(MOST_PATHS);
    paths
}

/// What lies there, and what stands before them. `walls` is asked once; it is told whether there may
/// be devices among them.
pub fn look(
    paths: Vec<HostPath>,
    root: Option<&Root>,
    wait: Wait,
    walls: impl FnOnce(bool) -> Walls,
) -> (Vec<Looked>, Arc<Walls>) {
    if paths.is_empty() {
        return Default::default();
    }
    let is_device = |path: &HostPath| system_paths::is_in_dev(path.path.as_bytes());
    let walls = Arc::new(walls(paths.iter().any(is_device)));
    let is_program =
        |path: &HostPath| matches!(path.access, Access::Never(Why::Exec | Why::Network));
    if let Some(root) = root.filter(|_| paths.iter().any(is_program)) {
        walls.settings(root);
    }
    let opened = paths.iter().filter_map(|path| match path.access {
        Access::Opens(opening) => Some((path.path.clone(), opening)),
        _ => None,
    });
    let mut files = match root {
        None => opened
            .map(|(path, opening)| Some(unseen(&path, opening)))
            .collect(),
        Some(root) => {
            let question = |(path, opening): (String, Opening)| -> Question {
                let walls = Arc::clone(&walls);
                Box::new(move |root| Answer::Files(files(root, &path, opening, &walls)))
            };
            let answers = timed_look::ask(root, opened.map(question).collect(), wait);
            let files = answers.into_iter().map(|answer| match answer {
                Some(Answer::Files(files)) => Some(files),
                _ => None,
            });
            files.collect::<Vec<_>>()
        }
    }
    .into_iter();
    let looked = |path: HostPath| {
        let opens = matches!(path.access, Access::Opens(_));
        let files = if opens { files.next().flatten() } else { None };
        Looked { path, files }
    };
    let all = paths.into_iter().map(looked).collect();
    (all, walls)
}

/// What libvirt has elements for.
pub fn natives(
    looked: &[Looked],
    domain: &Domain,
    line: &CommandLine,
    root: Option<&Root>,
    mut assume: Assumptions,
) -> Vec<Finding> {
    if looked.is_empty() || assume.session {
        return Vec::new();
    }
    if let Some(root) = root {
        versions::complete(root, domain, &mut assume);
    }
    native::notes(domain, line, looked.iter().map(|one| &one.path), &assume)
}

/// Whether a symbolic link was followed to one of them.
pub fn has_links(looked: &[Looked]) -> bool {
    let files = looked.iter().filter_map(|one| one.files.as_ref());
    let mut files = files.flat_map(|files| files.files.iter().flatten());
    files.any(|file| !file.links.is_empty())
}

/// Judges them: what is opened goes into `grants`, what is to be said is returned. `read_only` are the
/// names of files that libvirt keeps the guest from writing.
pub fn judge_all(
    looked: &[Looked],
    domain: &Domain,
    line: &CommandLine,
    around: &Around,
    read_only: impl Fn() -> Vec<(Vec<u8>, Span)>,
    grants: &mut Grants,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut left = 0;
    let mut denied = None;
    for Looked { path, files } in looked {
        let arg = match &path.place {
            Place::Arg(index, _) => Some(*index),
            _ => None,
        };
        let argument = arg.and_then(|index| domain.args.get(index));
        let unclear = argument.is_some_and(|arg| arg.blanked);
        let Judged {
            rules,
            findings: of,
        } = judge(path, files.as_ref(), unclear, around);
        for rule in rules {
            if rule.letters.contains('w') {
                let denied = denied.get_or_insert_with(&read_only).iter();
                if let Some((_, span)) = denied.clone().find(|(name, _)| *name == rule.name) {
                    findings.push(lint::host_paths::denied(path, *span));
                    continue;
                }
            }
            if !grants.add_file(&rule.name, rule.any_end, rule.letters) {
                left += 1;
            }
        }
        // What is not understood is said already.
        let is_said = arg.is_some_and(|index| {
            let read = |(_, argument): &(usize, usize)| *argument == index;
            line.strays.contains(&Stray::Image(index)) || line.unmodelled.iter().any(read)
        });
        if is_said {
            continue;
        }
        let walls = walls::check(path, files.as_ref().filter(|_| !unclear), around);
        // Why there is no rule for a program.
        if walls.is_empty() || !matches!(path.access, Access::Never(_)) {
            findings.extend(of);
        }
        findings.extend(walls);
    }
    if left > 0 {
        let text = format!(
            "{} that QEMU opens here are not opened to the guest: AppArmor would take too long to compile rules for \
             more than {MOST_FILES} files, or {MOST_BYTES} bytes of names",
            count(left, "file")
        );
        let finding = Finding::error(Code::TooManyPaths, Place::Domain, text);
        findings.push(finding.help(
            "put the files into fewer directories with shorter names, or name fewer of them",
        ));
    }
    findings
}

/// What libvirt keeps a guest from writing, by the names that its paths lead to.
pub fn read_only(text: &str, root: Option<&Root>, wait: Wait) -> Vec<(Vec<u8>, Span)> {
    // Those of libvirt's own XML and of a file differ in white space alone, and none of it has any.
    let files = read_only_files(text, Origin::Libvirt);
    let Some(root) = root else {
        let named = |file: &Located<String>| (without_looking(&file.value).name, file.span);
        return files.iter().map(named).collect();
    };
    let question = |file: &Located<String>| -> Question {
        let path = absolute(&file.value);
        Box::new(move |root| {
            Answer::Files(Files {
                files: vec![named_file::look(root, &path)],
                ..Files::default()
            })
        })
    };
    let answers = timed_look::ask(root, files.iter().map(question).collect(), wait);
    let named = |(answer, file): (Option<Answer>, &Located<String>)| {
        let Some(Answer::Files(Files { files, .. })) = answer else {
            return None;
        };
        let found = files.into_iter().next()?.ok()?;
        Some((found.name, file.span))
    };
    answers.into_iter().zip(&files).filter_map(named).collect()
}

/// Whether a rule that is not ours opens `name` to the guest: one in its own profile or in what every
/// guest's profile includes.
pub fn is_opened_elsewhere(root: &Root, domain: &Domain, name: &[u8], letters: &str) -> bool {
    let text = |file: &str| root.text(file).unwrap_or_default();
    let own = domain.uuid.as_ref();
    let own = own.map(|uuid| text(&format!("{PROFILES}/libvirt-{uuid}")));
    let mut rules = policy::rules(&block::outside(&own.unwrap_or_default()));
    for file in files::of_every_guest(root).unwrap_or_default() {
        rules.extend(policy::rules(&text(&file)));
    }
    policy::allow(&rules, name, letters)
}

/// The files that QEMU opens because of one path.
fn files(root: &Root, path: &str, opening: Opening, walls: &Walls) -> Files {
    let look = |name: &str| match opening.kind {
        // What lies there is removed first (unix_listen_saddr), be it a link.
        Kind::Listens => named_file::look_at_itself(root, &absolute(name)),
        _ => named_file::look(root, &absolute(name)),
    };
    let lies = |name: &str| look(name).map_or(Lies::Unknown, |file| file.lies);
    let names = opening.names(
        path,
        |name| lies(name) == Lies::Directory,
        |name| lies(name).exists(),
    );
    // Of what QEMU ends as it likes the beginning is looked at.
    let any_end = opening.kind == Kind::Memory && names.iter().any(|name| name != path);
    let files = names.iter().map(|name| match any_end {
        true => look(name.strip_suffix('*').unwrap_or(name)),
        false => look(name),
    });
    let files: Vec<_> = files.collect();
    let before = |name: &str, file: &Result<NamedFile, NoDirectory>| match file {
        // Into the file system of a user nobody looks.
        Ok(file)
            if file.lies != Lies::Unknown
                && (walls.user.is_some() || system_paths::is_in_dev(&file.name)) =>
        {
            walls.before(root, &absolute(name), act(opening))
        }
        _ => Before::default(),
    };
    let mut all: Vec<_> = names
        .iter()
        .zip(&files)
        .map(|(name, file)| before(name, file))
        .collect();
    // Where either is closed, QEMU takes the bare name for both.
    let is_closed = |before: &Before| !before.obstacles.is_empty();
    if opening.kind == Kind::Pipe && all.iter().any(is_closed) && lies(path).exists() {
        all = vec![before(path, &look(path))];
    }
    Files {
        files,
        any_end,
        before: all,
    }
}

/// The same where no host is asked.
fn unseen(path: &str, opening: Opening) -> Files {
    let names = opening.names(path, |_| false, |_| false).into_iter();
    let file = |name: String| {
        Ok(NamedFile {
            name: without_looking(&absolute(&name).to_string_lossy()).name,
            other_names: Vec::new(),
            lies: Lies::Unknown,
            owner: None,
            links: Vec::new(),
        })
    };
    Files {
        files: names.map(file).collect(),
        any_end: false,
        before: Vec::new(),
    }
}

/// QEMU's working directory is / under libvirt.
fn absolute(name: &str) -> PathBuf {
    Path::new("/").join(name)
}
