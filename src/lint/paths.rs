//! The shared directories on this host: there, reachable, fit for the security model, and not the
//! system's own. Judges facts; [`crate::host`] gathers them.

use std::sync::Arc;

use crate::apparmor::system_paths::{self, Relation};
use crate::domain::Place;
use crate::host::directory::{Directory, NoDirectory};
use crate::host::qemu_user::QemuUser;
use crate::host::reach::Reach;
use crate::host::walk::{Link, Writer};
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::lint::fix::unquoted;
use crate::lint::unknown::Unknown;
use crate::qemu::option_string;
use crate::qemu::shares::{SecurityModel, Share};
use crate::text::{quoted, shell_word, visible};

/// What is known of a share's directory.
#[derive(Debug, Clone)]
pub struct ShareFacts {
    /// Where the path leads.
    pub directory: Result<Directory, NoDirectory>,
    /// Whether the QEMU user gets there, where that user is known.
    pub reach: Option<(Arc<QemuUser>, Reach)>,
}

/// Whether the directory of a share may be opened to the guest: decided here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantVerdict {
    /// By this name.
    Granted(Vec<u8>),
    /// This is why not. A note where the guest is not confined, and nothing is refused.
    Refused(Box<Finding>),
    /// It has no name, or no certain one, that a rule could hold.
    NoName,
}

/// Judges one share. `confined` tells whether a rule is to be granted at all; `open` are names of
/// directories in which the domain's guest can make symbolic links.
pub fn check(
    share: &Share,
    facts: &ShareFacts,
    open: &[Vec<u8>],
    confined: bool,
) -> (GrantVerdict, Vec<Finding>) {
    let mut findings = Vec::new();
    let place = || share.place.clone();
    let path = quoted(&share.path);
    if !share.path.starts_with('/') && !share.path.is_empty() {
        let plain = unquoted(&share.path).filter(|plain| plain.starts_with('/'));
        let quotes = plain.map_or("", |_| ", because the quotes are a part of it");
        let finding = Finding::warning(
            Code::PathRelative,
            place(),
            format!(
                "path {path} is relative{quotes}: QEMU takes it from its working directory, which under libvirt is /"
            ),
        );
        findings.push(match plain {
            Some(plain) => finding.write(place(), option_string::escape(plain)),
            None if share.path.starts_with(['~', '$']) => {
                finding.help("write the whole path: no shell is there to do it")
            }
            None => finding.help("write the whole path"),
        });
    }
    let found = facts.directory.as_ref();
    if let Err(why) = found {
        findings.push(no_directory(share, &path, why, confined));
    }
    let (name, others, links, owner) = match found {
        Ok(directory) => (
            &directory.name,
            &directory.other_names,
            &directory.links,
            directory.owner,
        ),
        Err(NoDirectory::Missing(Some(to_be)) | NoDirectory::Fuse(Some(to_be), _)) => {
            (&to_be.name, &to_be.other_names, &to_be.links, None)
        }
        Err(_) => return (GrantVerdict::NoName, findings),
    };
    let led = led(&path, &String::from_utf8_lossy(name), &share.path);
    let mut refused = None;
    let mut say = |finding: Finding, granted: bool| {
        let finding = Finding {
            // Where nothing is confined, nothing is refused.
            level: match granted {
                true => Level::Warning,
                false if confined => Level::Error,
                // Nor does QEMU find it.
                false if finding.code == Code::PathInDev => Level::Warning,
                false => Level::Note,
            },
            ..finding
        };
        if !granted {
            refused.get_or_insert_with(|| finding.clone());
        }
        findings.push(finding);
    };
    // By its own name, and by those that it has by other mounts: the first that is refused counts.
    let judge = |name| system_paths::shared_path(name, share.readonly).map(|it| (it, name));
    let mut judged = judge(name);
    for other in others {
        if judged.is_none_or(|(judged, _)| judged.granted) {
            judged = judge(other).or(judged);
        }
    }
    if let Some((judged, by)) = &judged {
        let finding = match *by == name {
            true => system(share, &led, judged),
            false => {
                let by = quoted(&String::from_utf8_lossy(by));
                let led = format!("path {path} leads to a mount of {by}, which");
                system(share, &led, judged)
            }
        };
        say(finding, judged.granted);
    }
    if let Some((finding, granted)) = linked(&share.place, &path, name, links, owner, open) {
        say(finding, granted);
    }
    let verdict = match refused {
        Some(finding) => GrantVerdict::Refused(Box::new(finding)),
        None => GrantVerdict::Granted(name.clone()),
    };
    if let Ok(directory) = found {
        let mut more = there(share, directory, facts, &path);
        if judged.is_some() {
            // Nobody should be let at it for our asking.
            more.retain(|finding| finding.code != Code::PathUnwritable);
            let unreachable = |finding: &&mut Finding| finding.code == Code::PathUnreachable;
            for finding in more.iter_mut().filter(unreachable) {
                finding.help = Some(ELSEWHERE.to_owned());
            }
        }
        findings.extend(more);
    }
    (verdict, findings)
}

/// What to do about a directory of the system's.
const ELSEWHERE: &str = "share a directory below /srv, /home or /var instead";

/// A directory of the system's own, or one that contains such.
fn system(share: &Share, led: &str, judged: &system_paths::SystemPath) -> Finding {
    if judged.what == Relation::Below(system_paths::DEV) {
        let text = format!(
            "{led} lies in /dev: libvirt gives QEMU a /dev of its own, where it may not be, and it is not opened to a \
             guest under AppArmor, though libvirt opens it to its own <filesystem>"
        );
        return Finding::error(Code::PathInDev, share.place.clone(), text)
            .help("share a directory elsewhere");
    }
    let what = match judged.what {
        Relation::Below(prefix) => format!("lies in {prefix}"),
        Relation::Contains(prefix) => format!("contains {prefix}"),
    };
    let (then, help) = match (judged.granted, judged.natively) {
        (true, _) => (
            match share.readonly {
                true => "the guest can read it, as it could in libvirt's own <filesystem>",
                false => "the guest can write to it, as it could in libvirt's own <filesystem>",
            },
            "share only what the guest needs",
        ),
        (false, true) => (
            "it is not opened to a guest under AppArmor, though libvirt opens it to its own <filesystem>",
            ELSEWHERE,
        ),
        (false, false) => (
            "it is not opened to a guest under AppArmor, as libvirt does not open it to its own <filesystem>",
            ELSEWHERE,
        ),
    };
    let text = format!("{led} {what}, which belongs to the system: {then}");
    Finding::error(Code::PathSystem, share.place.clone(), text).help(help)
}

/// Links on the way to `path`, which leads to `name`, that somebody else decides about; whether it is
/// granted all the same. `open` are directories in which the guest can make links.
pub fn linked(
    place: &Place,
    path: &str,
    name: &[u8],
    links: &[Link],
    owner: Option<u32>,
    open: &[Vec<u8>],
) -> Option<(Finding, bool)> {
    let target = quoted(&String::from_utf8_lossy(name));
    let shown = |link: &Link| {
        let name = link.name.as_deref().unwrap_or_default();
        quoted(&String::from_utf8_lossy(name))
    };
    let made_by_guest = links.iter().find(|link| {
        let link = link.name.as_deref().unwrap_or_default();
        open.iter()
            .any(|share| lies_in(link, share) && !lies_in(name, share))
    });
    if let Some(link) = made_by_guest {
        let text = format!(
            "path {path} leads to {target} by the symbolic link {}, which lies in a share of this guest: the \
             guest could have made it, and is not let out of that share by it",
            shown(link)
        );
        let finding = Finding::error(Code::PathLink, place.clone(), text)
            .help(format!("write the path without the link: {target}"));
        return Some((finding, false));
    }
    let (link, writer) = links.iter().find_map(|link| {
        // To one's own directory one may lead whom one likes.
        let writer = link.writer?;
        let own = matches!((writer, owner), (Writer::User(user), Some(owner)) if user == owner);
        (!own).then_some((link, writer))
    })?;
    let who = match writer {
        Writer::User(user) => format!("user {user}"),
        Writer::Group(group) => format!("group {group}"),
        Writer::Everybody => "everybody".to_owned(),
    };
    let text = format!(
        "path {path} leads to {target} by the symbolic link {}, which {who} can change: so they decide what the guest \
         gets",
        shown(link)
    );
    let finding = Finding::warning(Code::PathLink, place.clone(), text)
        .help(format!("write the path without the link: {target}"));
    Some((finding, true))
}

/// Whether a name is that of a directory, or of something in it.
fn lies_in(name: &[u8], directory: &[u8]) -> bool {
    name.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || directory == b"/")
}

/// What else is to be said of a directory that is there.
fn there(share: &Share, directory: &Directory, facts: &ShareFacts, path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let place = || share.place.clone();
    if let Some((user, reach)) = &facts.reach {
        findings.extend(unreachable(share, directory, user, reach));
    }
    if let Some((user, _)) = &facts.reach {
        findings.extend(passthrough(share, user));
    }
    if share.model == Some(SecurityModel::Mapped) && directory.user_xattr == Some(false) {
        findings.push(
            Finding::warning(
                Code::PathNoXattr,
                place(),
                format!(
                    "the file system of {path} has no user attributes, in which security_model=mapped keeps owners and \
                     modes: QEMU starts, and creating anything fails"
                ),
            )
            .help("write `security_model=mapped-file`"),
        );
    }
    findings
}

/// A model by which new files are given to the guest's users, which only root may do
/// (9p-local.c, local_set_cred_passthrough): without, QEMU removes what it has just made.
fn passthrough(share: &Share, user: &QemuUser) -> Option<Finding> {
    let refused = share.model == Some(SecurityModel::Passthrough) && !share.readonly;
    if !refused || user.uid == 0 {
        return None;
    }
    let message = format!(
        "QEMU runs as {}, who may not give files to the guest's users, as security_model=passthrough wants: the \
         guest's root can read the share, and make nothing in it",
        quoted(&user.name)
    );
    Some(
        Finding::warning(Code::ModelNeedsRoot, share.model_place.clone(), message).help(
            "write `security_model=mapped,fmode=0644,dmode=0755`, which keeps the guest's owners in attributes, or \
             `security_model=none`",
        ),
    )
}

/// Whether a finding is about what is on the host, and not about the XML.
pub fn is_about_host(code: Code) -> bool {
    matches!(
        code,
        Code::PathMissing
            | Code::PathNotDirectory
            | Code::PathUnreachable
            | Code::PathUnstable
            | Code::PathNoXattr
    )
}

/// The path, and where it leads when that is somewhere else.
fn led(path: &str, name: &str, written: &str) -> String {
    if name == written {
        format!("path {path}")
    } else {
        format!("path {path} leads to {}, which", quoted(name))
    }
}

fn no_directory(share: &Share, path: &str, why: &NoDirectory, confined: bool) -> Finding {
    let finding = |code, text: String| Finding::error(code, share.place.clone(), text);
    match why {
        NoDirectory::Missing(_) => Finding::warning(
            Code::PathMissing,
            share.place.clone(),
            format!(
                "path {path} does not exist: unless another hook makes it in time, QEMU refuses to start with \"No such \
                 file or directory\""
            ),
        )
        .help("create the directory, or mount what should be there, first"),
        NoDirectory::Fuse(to_be, user) => Finding::warning(
            Code::PathUnreachable,
            share.place.clone(),
            format!(
                "path {path} leads to a file system that user {user} mounted (FUSE), whose program could keep whoever \
                 looks into it waiting for ever: {}, and whether QEMU gets in is not known",
                match to_be {
                    Some(_) => "its name is opened",
                    None => "no rule opens it",
                }
            ),
        )
        .help("have root mount it, or look yourself: QEMU gets in only with the option allow_other"),
        NoDirectory::Silent => Finding::warning(
            Code::PathUnreachable,
            share.place.clone(),
            format!(
                "path {path} leads to a file system that does not answer (NFS, FUSE): where it ends is not known, so no \
                 rule opens it"
            ),
        )
        .help("see that its server or daemon runs, or unmount it"),
        NoDirectory::NotADirectory => finding(
            Code::PathNotDirectory,
            format!("path {path} is not a directory: QEMU refuses to start with \"Not a directory\""),
        )
        .help("share the directory that holds it"),
        // QEMU is another user, and may be let in; but what has no name gets no rule.
        NoDirectory::Denied(true) if confined => finding(
            Code::PathUnreachable,
            format!("path {path} is closed even to root, so its name is not known and no rule can hold it"),
        )
        .help("let root search the directories on the way (NFS: no_root_squash, FUSE: allow_root)"),
        NoDirectory::Denied(as_root) => Finding::warning(
            Code::PathUnreachable,
            share.place.clone(),
            format!("path {path} is closed to the user who looks here: whether QEMU gets in is not known"),
        )
        .help(if *as_root {
            "see that the user QEMU runs as may enter every directory on the way"
        } else {
            "look again as root"
        }),
        NoDirectory::NotLookedAt(error) => finding(
            Code::PathUnreachable,
            format!("path {path} cannot be looked at here ({error}), so no rule can be written that opens it to QEMU"),
        )
        .help("see which limit of this process is reached: `ulimit -n`, or LimitNOFILE of libvirt's daemon"),
        NoDirectory::Failed(error) => finding(
            Code::PathMissing,
            format!("path {path} cannot be opened ({error}): QEMU refuses to start"),
        )
        .help("see that every directory on the way is there and can be entered"),
        NoDirectory::Unstable(name) => finding(
            Code::PathUnstable,
            format!(
                "path {path} leads to a directory that the kernel calls {}, and that name does not lead back: no rule can hold it",
                quoted(name)
            ),
        )
        .help("name the directory by a path that is visible to the whole host"),
    }
}

fn unreachable(
    share: &Share,
    directory: &Directory,
    user: &QemuUser,
    reach: &Reach,
) -> Option<Finding> {
    let (at, is_share, certain) = match reach {
        Reach::Fine => return None,
        Reach::ReadOnly => return unwritable(share, directory, user),
        Reach::Stopped(at, is_share) => (at, *is_share, true),
        Reach::Unknown(at, is_share) => (at, *is_share, false),
    };
    let at = visible(&at.to_string_lossy());
    let at_word = shell_word(&at);
    let (what, help) = if is_share {
        (
            "in",
            format!("`setfacl -m u:{}:rwx {at_word}`, or chmod", user.name),
        )
    } else {
        (
            "through",
            format!(
                "`setfacl -m u:{}:x {at_word}`, or `chmod o+x {at_word}`",
                user.name
            ),
        )
    };
    let who = format!(
        "QEMU runs as {}, and directory {}",
        quoted(&user.name),
        quoted(&at)
    );
    let message = if certain {
        format!("{who} does not let it {what}: it refuses to start with \"Permission denied\"")
    } else {
        format!(
            "{who} lets it {what} only as a member of a group: /etc/group does not name it there, and whether another \
             source of groups in /etc/nsswitch.conf does is not known here"
        )
    };
    let finding = Finding::error(Code::PathUnreachable, share.place.clone(), message);
    Some(if !certain {
        let help = format!(
            "look whether `id {}` has the group; if not, {help}",
            user.name
        );
        finding.help(help).doubtful(Unknown::Groups)
    } else if directory.remote {
        finding.help(help).doubtful(Unknown::Server)
    } else {
        finding.help(help)
    })
}

/// What can be read only, though it is shared for more.
fn unwritable(share: &Share, directory: &Directory, user: &QemuUser) -> Option<Finding> {
    if share.readonly || directory.remote {
        return None;
    }
    let at = visible(&String::from_utf8_lossy(&directory.name));
    let message = format!(
        "QEMU runs as {}, who may not write to directory {}: the guest can read it, and make nothing in it",
        quoted(&user.name),
        quoted(&at)
    );
    let help = format!(
        "`setfacl -m u:{}:rwx {}`, or write `readonly=on`",
        user.name,
        shell_word(&at)
    );
    Some(Finding::warning(Code::PathUnwritable, share.place.clone(), message).help(help))
}
