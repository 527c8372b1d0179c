//! libvirt's side: `hooks/qemu GUEST OPERATION SUBOPERATION EXTRA`, domain XML on stdin.
//!
//! The first law is to do no harm. libvirt kills a running guest when a hook fails at
//! `reconnect`, and refuses a start when it fails at `prepare`, so only `prepare begin` of a
//! domain with raw 9p arguments may ever fail; everything else ends with 0 (facts L1, L2).
//! Nothing goes to stdout: for `restore` and `migrate` libvirt would take it for a new domain.

use std::ffi::OsStr;

use crate::apparmor::files::StoreError;
use crate::apparmor::lock::Patience;
use crate::apparmor::rules::Grants;
use crate::apparmor::store::{self, ProfileChange};
use crate::assumptions::Assumptions;
use crate::domain::MOST_XML;
use crate::domain::xml::QEMU_NAMESPACE;
use crate::domain::{Document, Domain, Origin, Scan, Uuid, find_uuid};
use crate::host::stdin::Stdin;
use crate::host::{Root, confine};
use crate::inspect::{self, Confinement, Inspection};
use crate::lint::finding::{Finding, Level};
use crate::output;
use crate::qemu::command_line::{CommandLine, FailedSet};
use crate::report::stderr;
use crate::report::syslog::Log;
use crate::text::{Shown, brief, count, find, quoted};

/// What libvirt wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Before the profile is made or reloaded: grant.
    Prepare,
    /// After it is unloaded: take away.
    Release,
    /// Not ours.
    Other,
}

/// The operation of libvirt's second and third argument.
pub fn operation(op: Option<&OsStr>, subop: Option<&OsStr>) -> Operation {
    match (op.and_then(OsStr::to_str), subop.and_then(OsStr::to_str)) {
        (Some("prepare"), Some("begin")) => Operation::Prepare,
        (Some("release"), Some("end")) => Operation::Release,
        _ => Operation::Other,
    }
}

/// How a call ends: the exit status, and what to say on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// 0 or 1.
    pub status: u8,
    /// Shown by virsh when the status is 1.
    pub stderr: Shown,
}

impl Ending {
    fn fine() -> Self {
        Ending {
            status: 0,
            stderr: Shown::default(),
        }
    }

    fn refuse(stderr: Shown) -> Self {
        Ending { status: 1, stderr }
    }
}

/// Runs the hook for arguments `GUEST OPERATION SUBOPERATION EXTRA`; returns the exit status.
pub fn run(root: &Root, arguments: &[std::ffi::OsString], input: Stdin) -> u8 {
    let argument = |position: usize| arguments.get(position).map(|a| a.as_os_str());
    let ending = match operation(argument(1), argument(2)) {
        Operation::Other => return 0,
        Operation::Prepare => {
            stop_panics(0);
            confine::enter(root);
            let guest = argument(0).unwrap_or_default().to_string_lossy();
            prepare(root, &guest, input)
        }
        Operation::Release => {
            stop_panics(0);
            confine::enter(root);
            release(root, input);
            Ending::fine()
        }
    };
    output::say(&ending.stderr);
    ending.status
}

/// A mistake of ours must not look like a crash, and must stop no guest but one with raw shares.
fn stop_panics(status: i32) {
    std::panic::set_hook(Box::new(move |info| {
        output::complain(&format!("internal error, please report it: {info}"));
        std::process::exit(status);
    }));
}

/// What came in on stdin.
enum HookInput {
    /// All of it.
    Whole(Vec<u8>),
    /// More than [`MOST_XML`]; whether its raw arguments are ours.
    TooLarge(bool),
}

/// Reads it by `more`, which appends the next piece and returns its size, 0 at the end.
fn read_input(
    mut more: impl FnMut(&mut Vec<u8>) -> std::io::Result<usize>,
) -> std::io::Result<HookInput> {
    let mut content = Vec::new();
    while content.len() <= MOST_XML {
        if more(&mut content)? == 0 {
            return Ok(HookInput::Whole(content));
        }
    }
    // Whether the raw arguments in it are ours decides whether we may refuse; it is not kept.
    let mut scan = Scan::default();
    while !content.is_empty() {
        scan.push(&content);
        content.clear();
        more(&mut content)?;
    }
    Ok(HookInput::TooLarge(is_ours(scan)))
}

fn has_namespace(content: &[u8]) -> bool {
    find(content, QEMU_NAMESPACE.as_bytes()).is_some()
}

/// For XML that cannot be read: whether its raw arguments are ours. Nothing else in it matters.
fn is_ours(scan: Scan) -> bool {
    let line = CommandLine::read(&scan.domain());
    // Which devices the domain has is not known, so neither whether the fsdev is there.
    let sets_fsdev = |set: &FailedSet| matches!(set, FailedSet::NoTarget(_, "fsdev", _));
    line.has_9p() || line.failed_sets.iter().any(sets_fsdev)
}

/// [`is_ours`] of a text that is here as a whole.
fn text_is_ours(content: &[u8]) -> bool {
    let mut scan = Scan::default();
    scan.push(content);
    is_ours(scan)
}

/// `release end`: take the block away. Whatever happens, nothing is said and nothing fails.
fn release(root: &Root, mut input: Stdin) {
    let Ok(HookInput::Whole(content)) = read_input(|content| input.append(content)) else {
        return;
    };
    let Some(uuid) = uuid_of(&content) else {
        return;
    };
    strip(root, &uuid, Patience::Seconds);
}

/// The UUID of the domain: libvirt writes it at the top, and what follows need not be looked at.
fn uuid_of(content: &[u8]) -> Option<Uuid> {
    let top = content.get(..1024).unwrap_or(content);
    let whole = std::str::from_utf8(top).map_or_else(|error| error.valid_up_to(), str::len);
    let text = std::str::from_utf8(top.get(..whole)?).ok()?;
    find_uuid(text).or_else(|| find_uuid(std::str::from_utf8(content).ok()?))
}

/// Takes a block away that should not be there (any more), quietly.
fn strip(root: &Root, uuid: &Uuid, patience: Patience) {
    if !root.may_write() {
        return;
    }
    match store::strip(root, uuid, patience) {
        Ok(ProfileChange::Replaced) => {
            Log::open(root).info(&format!("{uuid}: took the rules out of its profile"))
        }
        Ok(_) => {}
        Err(error) => {
            Log::open(root).warning(&format!("{uuid}: the rules stay in its profile: {error}"))
        }
    }
}

/// `prepare begin`.
fn prepare(root: &Root, guest: &str, mut input: Stdin) -> Ending {
    let content = match read_input(|content| input.append(content)) {
        Ok(HookInput::Whole(content)) => content,
        Ok(HookInput::TooLarge(false)) => return Ending::fine(),
        // Whose domain it is cannot be known, and most are none of our business.
        Err(error) => {
            Log::open(root).warning(&format!(
                "guest {}: its XML cannot be read, so nothing was checked or granted: {error}",
                quoted(guest)
            ));
            return Ending::fine();
        }
        Ok(HookInput::TooLarge(true)) => {
            return unreadable(
                root,
                guest,
                &format!("its XML has more than {} MiB", MOST_XML >> 20),
            );
        }
    };
    if content.trim_ascii_start().is_empty() {
        // A script that stands between libvirt and us has read it.
        Log::open(root).warning(&format!(
            "guest {}: no XML came in on standard input, so nothing was checked or granted: a hook script that reads it has to hand it on",
            quoted(guest)
        ));
        return Ending::fine();
    }
    if !has_namespace(&content) {
        return not_ours(root, &content);
    }
    let document = Document::new(content);
    let content = document.whole().as_bytes();
    let domain = match document.domain(Origin::Libvirt) {
        Ok(domain) => domain,
        Err(_) if !text_is_ours(content) => return not_ours(root, content),
        Err(fault) => {
            let why = format!("its XML cannot be read: {}", document.tell(&fault));
            return unreadable(root, guest, &why);
        }
    };
    let line = CommandLine::read(&domain);
    let has_9p = line.has_9p();
    if has_9p {
        // From here on it is one that may be refused.
        stop_panics(1);
    }
    let assume = Assumptions {
        session: !root.may_write(),
        ..Assumptions::default()
    };
    let inspection = inspect::inspect_domain(document.text(), domain, line, root, assume);
    // Of what is named nothing may need a rule.
    let needs =
        |found: &Inspection| has_9p || !found.of_paths.is_empty() || found.grants.files() > 0;
    let Some(inspection) = inspection.filter(needs) else {
        return not_ours(root, content);
    };
    let ending = decide(root, &inspection, has_9p);
    // The process ends: nobody needs the memory back.
    std::mem::forget(inspection);
    ending
}

/// A domain of which no path is to be opened: a block it may still have goes away, if that can be
/// done at once.
fn not_ours(root: &Root, content: &[u8]) -> Ending {
    if let Some(uuid) = uuid_of(content) {
        strip(root, &uuid, Patience::None);
    }
    Ending::fine()
}

/// XML that cannot be read.
fn unreadable(root: &Root, guest: &str, why: &str) -> Ending {
    let message = format!(
        "guest {} was not started: it has raw 9p arguments, but {why}; nothing was checked or granted",
        quoted(guest)
    );
    Log::open(root).error(&message);
    Ending::refuse(stderr::unreadable(&message))
}

/// So many findings go to the log. Its socket holds about ten lines until the daemon reads on
/// (net.unix.max_dgram_qlen), and the last, which says what was done, must be among them.
const MOST_LOGGED: usize = 8;

/// Refuse, or grant. For paths that are no shares no start is stopped (decision D19).
fn decide(root: &Root, inspection: &Inspection, has_9p: bool) -> Ending {
    let domain = &inspection.domain;
    let mut log = Log::open(root);
    let who = who(domain);
    let is_told = |finding: &&Finding| finding.level > Level::Note;
    let told = inspection.findings.iter().filter(is_told);
    let told_paths = inspection.of_paths.iter().filter(is_told);
    let all = inspection.counts.errors + inspection.counts.warnings + told_paths.clone().count();
    for finding in told.chain(told_paths).take(MOST_LOGGED) {
        let text = format!("{who}: {}", stderr::one(finding));
        match finding.level {
            Level::Error => log.error(&text),
            Level::Warning | Level::Note => log.warning(&text),
        }
    }
    if let Some(more @ 1..) = all.checked_sub(MOST_LOGGED) {
        log.warning(&format!("{who}: and {} more", count(more, "finding")));
    }
    if inspection.has_errors() {
        if !domain.errors_only_warn {
            log.error(&format!("{who}: not started"));
            return Ending::refuse(stderr::refusal(
                domain,
                &inspection.findings,
                inspection.counts,
            ));
        }
        log.warning(&format!(
            "{who}: started all the same, as its metadata asks"
        ));
    }
    if !has_9p && inspection.grants.files() == 0 {
        if let Some(uuid) = &domain.uuid {
            strip(root, uuid, Patience::None);
        }
        return Ending::fine();
    }
    match grant(root, inspection) {
        Ok(done) => {
            log.info(&format!("{who}: {done}"));
            Ending::fine()
        }
        Err((message, help)) => {
            log.error(&format!("{who}: {message}"));
            if domain.errors_only_warn {
                log.warning(&format!(
                    "{who}: started all the same, as its metadata asks"
                ));
            }
            match has_9p && !domain.errors_only_warn {
                true => Ending::refuse(stderr::failure(domain, &message, &help)),
                false => Ending::fine(),
            }
        }
    }
}

fn who(domain: &Domain) -> String {
    let uuid = domain.uuid.as_ref().map_or("no UUID", |uuid| uuid.as_str());
    format!("guest '{}' ({uuid})", brief(&domain.name))
}

/// Writes the rules; says what was done, or what went wrong and what to do about it.
fn grant(root: &Root, inspection: &Inspection) -> Result<String, (String, String)> {
    if let Confinement::Free(why) = inspection.confinement {
        return Ok(format!("no rules needed: {why}"));
    }
    if !root.may_write() {
        return Ok("no rules written: not root, as in a session daemon".to_owned());
    }
    let Some(uuid) = &inspection.domain.uuid else {
        return Err((
            "its XML has no UUID, by which its profile is named".to_owned(),
            "define the domain in libvirt, which gives it one".to_owned(),
        ));
    };
    // Too many rules are an error by themselves; here only where errors do not count.
    let rules = inspection.grants.render().unwrap_or_default();
    let failed = |error: StoreError| {
        (
            format!("its AppArmor profile cannot be written: {error}"),
            error.help(),
        )
    };
    let change = store::apply(root, uuid, &rules, Patience::Seconds).map_err(failed)?;
    let granted = granted(&inspection.grants);
    Ok(match change {
        ProfileChange::NoTemplate => {
            "no rules written: there is no AppArmor profile and no template".to_owned()
        }
        ProfileChange::None => format!("rules for {granted} are in place"),
        ProfileChange::Created => format!("made its profile, with rules for {granted}"),
        ProfileChange::Replaced => format!("put rules for {granted} into its profile"),
    })
}

/// In words, what is granted.
fn granted(grants: &Grants) -> String {
    let directories = count(grants.shares(), "shared directory");
    match (grants.shares(), grants.files()) {
        (_, 0) => directories,
        (0, files) => count(files, "file"),
        (_, files) => format!("{directories} and {}", count(files, "file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_operations_are_ours() {
        let operation =
            |op: &str, subop: &str| operation(Some(OsStr::new(op)), Some(OsStr::new(subop)));
        assert_eq!(operation("prepare", "begin"), Operation::Prepare);
        assert_eq!(operation("release", "end"), Operation::Release);
        for (op, subop) in [
            ("prepare", "end"),
            ("reconnect", "begin"),
            ("start", "begin"),
            ("", ""),
            ("PREPARE", "begin"),
        ] {
            assert_eq!(operation(op, subop), Operation::Other);
        }
    }

    #[test]
    fn the_uuid_is_found_at_the_top_and_below() {
        let uuid = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
        for before in [0, 900, 970, 986, 990, 1000, 1010, 5000] {
            // Filler of two-byte letters, so that the cut falls into the middle of one.
            let filler = "é".repeat(before / 2);
            let xml = format!("<domain><title>{filler}</title><uuid>{uuid}</uuid></domain>");
            let found = uuid_of(xml.as_bytes()).unwrap();
            assert_eq!(found.as_str(), uuid, "{before}");
        }
        assert_eq!(uuid_of(b"<domain><name>x</name></domain>"), None);
    }

    /// As a pipe gives it out.
    fn pieces(mut text: &[u8]) -> impl FnMut(&mut Vec<u8>) -> std::io::Result<usize> {
        move |content| {
            let (piece, rest) = text.split_at(text.len().min(50_000));
            content.extend_from_slice(piece);
            text = rest;
            Ok(piece.len())
        }
    }

    #[test]
    fn too_large_is_ours_only_by_its_arguments() {
        let about = "<description>-fsdev, virtfs</description><qemu:arg value='-name'/>";
        let mut xml = format!("<domain xmlns:qemu='{QEMU_NAMESPACE}'>{about}").into_bytes();
        xml.resize(MOST_XML + 100_000, b' ');
        assert!(matches!(
            read_input(pieces(&xml)),
            Ok(HookInput::TooLarge(false))
        ));
        xml.extend_from_slice(
            b"<qemu:arg value='x'/><qemu:arg value='-fsdev'/><qemu:arg value='local'/>",
        );
        assert!(matches!(
            read_input(pieces(&xml)),
            Ok(HookInput::TooLarge(true))
        ));
    }
}
