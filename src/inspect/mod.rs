//! From the text of a domain to everything we have to say about it: the way all commands and
//! the hook go.

pub mod host_paths;

use std::sync::Arc;

use crate::apparmor::rules::{Grants, MOST_BYTES, MOST_SHARES};
use crate::assumptions::Assumptions;
use crate::domain::{Document, Domain, Fault, Origin, Place};
use crate::host::directory::{Directory, NoDirectory};
use crate::host::qemu_user::{self, QemuUser};
use crate::host::security_driver::{self, Setting};
use crate::host::timed_look::{self, Seen, Wait};
use crate::host::walls::Walls;
use crate::host::{Root, versions};
use crate::inspect::host_paths::Looked;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Counts, Finding};
use crate::lint::host_paths::Around;
use crate::lint::paths::{self, GrantVerdict, ShareFacts};
use crate::lint::unknown::Unknown;
use crate::lint::{self};
use crate::qemu::command_line::CommandLine;
use crate::qemu::host_paths::HostPath;
use crate::qemu::index::Index;
use crate::qemu::shares::{SecurityModel, Share, shares};
use crate::text::count;

/// A domain, looked at from all sides.
#[derive(Debug)]
pub struct Inspection {
    /// What the XML says.
    pub domain: Domain,
    /// Its raw arguments.
    pub line: CommandLine,
    /// What was found, in the order of the text; of very much the most important.
    pub findings: Vec<Finding>,
    /// How much was found.
    pub counts: Counts,
    /// The directories that QEMU would open, and what is known of them.
    pub shares: Vec<InspectedShare>,
    /// What was found about the other paths in its raw arguments, where a hook asks, which stops no
    /// start for them; of a file it is among the findings.
    pub of_paths: Vec<Finding>,
    /// The other paths in its raw arguments, and what is known of them.
    pub paths: Vec<Looked>,
    /// What AppArmor would have to grant.
    pub grants: Grants,
    /// Whether AppArmor rules matter to this domain on this host.
    pub confinement: Confinement,
}

/// A share, and what is known and said of it.
#[derive(Debug)]
pub struct InspectedShare {
    /// What the arguments say.
    pub share: Share,
    /// What the host says.
    pub facts: ShareFacts,
    /// Whether it may be opened to the guest.
    pub verdict: GrantVerdict,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Whether the domain gets AppArmor rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// A profile of AppArmor's confines it, so it needs rules.
    Confined,
    /// No, for this reason.
    Free(&'static str),
}

impl Inspection {
    /// Whether anything was found that stops a start.
    pub fn has_errors(&self) -> bool {
        self.counts.errors > 0
    }
}

/// Looks at the domain in `document`, a file. `root` is the host to ask, or nothing (`--no-host`).
///
/// # Errors
/// When it is no domain XML.
pub fn inspect(
    document: &Document,
    root: Option<&Root>,
    assume: Assumptions,
) -> Result<Inspection, Box<Fault>> {
    read(document, root, assume, lint::MOST_FINDINGS)
}

/// [`inspect`] that keeps all findings, for whoever carries out what they say.
///
/// # Errors
/// When it is no domain XML.
pub fn find_all(
    document: &Document,
    root: Option<&Root>,
    assume: Assumptions,
) -> Result<Inspection, Box<Fault>> {
    read(document, root, assume, usize::MAX)
}

fn read(
    document: &Document,
    root: Option<&Root>,
    assume: Assumptions,
    most: usize,
) -> Result<Inspection, Box<Fault>> {
    let domain = document.domain(Origin::File)?;
    let line = CommandLine::read(&domain);
    let paths = host_paths::named(&domain, &line);
    let text = document.text();
    Ok(look(text, domain, line, paths, root, assume, Some(most)))
}

/// [`inspect`] for a domain that is read already, as the hook sees it: without shares only the other
/// paths are looked at. Nothing where its raw arguments name nothing of the host, of which nothing is
/// asked then.
pub fn inspect_domain(
    text: &str,
    domain: Domain,
    line: CommandLine,
    root: &Root,
    assume: Assumptions,
) -> Option<Inspection> {
    let paths = host_paths::named(&domain, &line);
    let is_ours = line.has_9p() || !paths.is_empty();
    is_ours.then(|| look(text, domain, line, paths, Some(root), assume, None))
}

/// `most` findings are kept for whoever reads them; for the hook, which says little of what stops no
/// start, it is nothing.
fn look(
    text: &str,
    domain: Domain,
    line: CommandLine,
    paths: Vec<HostPath>,
    root: Option<&Root>,
    mut assume: Assumptions,
    most: Option<usize>,
) -> Inspection {
    let index = Index::new(&domain, &line);
    let is_checked = most.is_some() || line.has_9p();
    let run = |assume: &Assumptions| match is_checked {
        true => lint::run(&index, assume),
        false => Vec::new(),
    };
    let mut findings = run(&assume);
    // The host is asked only where the answer matters: most domains need none.
    if let Some(root) = root.filter(|_| findings.iter().any(depends_on_host)) {
        versions::complete(root, &domain, &mut assume);
        let user = qemu_user::find(root, &domain).filter(|_| !assume.session);
        assume.qemu_is_root = user.map(|user| user.uid == 0);
        findings = run(&assume);
    }
    let confinement = confinement(root, &domain, &assume);
    let shares = shares(&index);
    let mut grants = Grants::default();
    let user = root
        .filter(|_| !shares.is_empty() && !assume.session)
        .and_then(|root| qemu_user::find(root, &domain));
    let user = user.map(Arc::new);
    let wait = Wait::begin();
    let facts = facts(root, &shares, user.as_ref(), wait);
    let walls = |with_devices: bool| {
        // A session daemon has none of them.
        let Some(root) = root.filter(|_| !assume.session) else {
            return Walls::unknown();
        };
        // The hook says nothing of permissions, which may be other ones a moment later.
        let user = most.and_then(|_| match &user {
            Some(user) => Some(QemuUser::clone(user)),
            None => qemu_user::find(root, &domain),
        });
        // What libvirt's elements name matters for devices, and for permissions.
        let natives = match with_devices || user.is_some() {
            true => natives(text, &domain),
            false => Vec::new(),
        };
        Walls::new(user, natives)
    };
    let (paths, walls) = host_paths::look(paths, root, wait, walls);
    if let Some(root) = root.filter(|_| most.is_some()) {
        walls.ask_for_reader(root);
    }
    let links = host_paths::has_links(&paths);
    let open = open_to_links(root, &domain, &shares, &facts, links, wait);
    let mut inspected = Vec::with_capacity(shares.len());
    for (share, facts) in shares.into_iter().zip(facts) {
        let confined = confinement == Confinement::Confined;
        let (mut verdict, found) = paths::check(&share, &facts, &open, confined);
        if is_unclear(&domain, &share) {
            verdict = GrantVerdict::NoName;
        }
        if let GrantVerdict::Granted(name) = &verdict {
            grants.add(name, share.readonly);
        }
        findings.extend(found.iter().cloned());
        inspected.push(InspectedShare {
            share,
            facts,
            verdict,
            findings: found,
        });
    }
    let around = Around {
        walls: &walls,
        name: &domain.name,
        confined: confinement == Confinement::Confined,
        open: &open,
        opened_elsewhere: &|name, letters| {
            // The hook only logs it, and its own profile keeps it from these files.
            root.filter(|_| most.is_some())
                .is_some_and(|root| host_paths::is_opened_elsewhere(root, &domain, name, letters))
        },
    };
    let mut of_paths = host_paths::judge_all(
        &paths,
        &domain,
        &line,
        &around,
        || match domain.may_have_read_only {
            true => host_paths::read_only(text, root, wait),
            false => Vec::new(),
        },
        &mut grants,
    );
    if most.is_some() {
        findings.append(&mut of_paths);
        findings.extend(host_paths::natives(&paths, &domain, &line, root, assume));
    }
    if let (Confinement::Confined, Err(much)) = (confinement, grants.render()) {
        findings.push(
            Finding::error(
                Code::TooManyShares,
                Place::Domain,
                format!(
                    "{} with {} bytes of paths: AppArmor would take too long to compile rules for them, or could not, \
                     so more than {MOST_SHARES} shares or {MOST_BYTES} bytes are not granted",
                    count(much.shares, "share"),
                    much.bytes
                ),
            )
            .help("share a common parent directory instead, by a shorter path"),
        );
    }
    let most = most.unwrap_or(lint::MOST_FINDINGS);
    let counts = lint::sort(&mut findings, &domain, text, most);
    Inspection {
        domain,
        line,
        findings,
        counts,
        shares: inspected,
        of_paths,
        paths,
        grants,
        confinement,
    }
}

/// What looks like a path in libvirt's own devices.
fn natives(text: &str, domain: &Domain) -> Vec<String> {
    let devices = domain.devices.iter();
    let values = devices.flat_map(|device| device.span.of(text).split(['\'', '"']));
    let paths = values.filter(|value| value.starts_with('/'));
    paths.map(str::to_owned).collect()
}

/// Whether a look at the host could change its level.
fn depends_on_host(finding: &Finding) -> bool {
    finding.depends.is_some_and(Unknown::is_known_to_host)
}

/// Whether its path may be another one (white-space-unclear).
fn is_unclear(domain: &Domain, share: &Share) -> bool {
    let Place::Arg(index, _) = &share.place else {
        return false;
    };
    domain.args.get(*index).is_some_and(|arg| arg.blanked)
}

fn facts(
    root: Option<&Root>,
    shares: &[Share],
    user: Option<&Arc<QemuUser>>,
    wait: Wait,
) -> Vec<ShareFacts> {
    let Some(root) = root else {
        let unseen = |share: &Share| ShareFacts {
            directory: Ok(without_looking(&share.path)),
            reach: None,
        };
        return shares.iter().map(unseen).collect();
    };
    let paths: Vec<String> = shares.iter().map(|share| share.path.clone()).collect();
    let facts = |seen: Seen| ShareFacts {
        directory: seen.directory,
        reach: user.cloned().zip(seen.reach),
    };
    timed_look::look_at_shares(root, &paths, user, wait)
        .into_iter()
        .map(facts)
        .collect()
}

/// Names of the directories in which the guest can make symbolic links that are links on the host,
/// too: its writable shares, raw and native, but for those that keep what a file is in attributes.
fn open_to_links(
    root: Option<&Root>,
    domain: &Domain,
    shares: &[Share],
    facts: &[ShareFacts],
    links: bool,
    wait: Wait,
) -> Vec<Vec<u8>> {
    let has_links = |facts: &ShareFacts| match &facts.directory {
        Ok(directory) => !directory.links.is_empty(),
        Err(NoDirectory::Missing(Some(to_be)) | NoDirectory::Fuse(Some(to_be), _)) => {
            !to_be.links.is_empty()
        }
        Err(_) => false,
    };
    // Where no link is followed, it does not matter.
    let Some(root) = root.filter(|_| links || facts.iter().any(has_links)) else {
        return Vec::new();
    };
    let raw = shares.iter().zip(facts).filter(|(share, _)| {
        !share.readonly && share.model.is_some_and(SecurityModel::makes_links)
    });
    let raw = raw.filter_map(|(_, facts)| Some(facts.directory.as_ref().ok()?.name.clone()));
    let native = domain.devices.iter().filter_map(|device| {
        let native = device.filesystem.as_ref()?;
        let source = native.source.as_ref()?;
        let model = SecurityModel::of_accessmode(&native.access);
        let makes_links = !native.readonly && model.makes_links();
        makes_links.then(|| source.value.clone())
    });
    let native: Vec<String> = native.collect();
    let native = timed_look::look_at_shares(root, &native, None, wait).into_iter();
    raw.chain(native.filter_map(|seen| Some(seen.directory.ok()?.name)))
        .collect()
}

/// The directory as its path names it, dots and double slashes resolved: the best that can be said
/// without looking.
pub fn without_looking(path: &str) -> Directory {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let name = format!("/{}", parts.join("/"));
    Directory {
        path: name.clone().into(),
        name: name.into_bytes(),
        other_names: Vec::new(),
        user_xattr: None,
        remote: true,
        owner: None,
        links: Vec::new(),
    }
}

/// Whether libvirt will load a profile for this domain (facts A6). Its own test, whether the
/// daemon is confined, is not repeated: a profile too many does no harm.
fn confinement(root: Option<&Root>, domain: &Domain, assume: &Assumptions) -> Confinement {
    if assume.session {
        return Confinement::Free("a session daemon starts it, which confines nothing");
    }
    if root.is_some_and(|root| !root.apparmor_enabled()) {
        return Confinement::Free("AppArmor is not enabled");
    }
    let setting = root.map_or(Setting::Confines, security_driver::setting);
    if setting == Setting::Off {
        return Confinement::Free("qemu.conf sets a security_driver that is not AppArmor");
    }
    let label = domain
        .seclabels
        .iter()
        .find(|label| matches!(label.model.as_deref(), None | Some("apparmor")));
    match label.map(|label| label.kind.as_str()) {
        Some("none") => Confinement::Free("the domain's seclabel is none"),
        Some("static") => {
            Confinement::Free("the domain's seclabel is static: its profile is the admin's")
        }
        None | Some("") if setting == Setting::OnRequest => Confinement::Free(
            "qemu.conf sets security_default_confined = 0, and the domain has no seclabel",
        ),
        _ => Confinement::Confined,
    }
}
