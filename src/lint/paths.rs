//! The shared folders on this host: there, reachable, fit for the security model, and not the
//! system's own. Judges facts; [`crate::host`] gathers them.

use std::rc::Rc;

use crate::apparmor::system_paths;
use crate::host::folder::{Folder, NoFolder};
use crate::host::qemu_user::{QemuUser, Reach};
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::share::Share;
use crate::text::{quoted, shell_word, visible};

/// What is known of a share's folder.
#[derive(Debug, Clone)]
pub struct ShareFacts {
    /// Where the path leads.
    pub folder: Result<Folder, NoFolder>,
    /// Whether the QEMU user gets there, where that user is known.
    pub reach: Option<(Rc<QemuUser>, Reach)>,
}

/// Judges one share. `confined` tells whether a rule is to be granted at all.
pub fn check(share: &Share, facts: &ShareFacts, confined: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let place = || share.place.clone();
    let path = quoted(&share.path);
    if !share.path.starts_with('/') && !share.path.is_empty() {
        findings.push(
            Finding::warning(
                Code::PathRelative,
                place(),
                format!("path {path} is relative: QEMU takes it from its working directory, which under libvirt is /"),
            )
            .help("write the whole path"),
        );
    }
    let folder = match &facts.folder {
        Ok(folder) => folder,
        Err(why) => {
            findings.push(no_folder(share, &path, why, confined));
            return findings;
        }
    };
    let name = String::from_utf8_lossy(&folder.name);
    if let Some(refused) = system_paths::refused(&folder.name, share.readonly) {
        let what = match refused {
            system_paths::Refused::Below(prefix) => {
                format!("lies in {prefix}, which belongs to the system")
            }
            system_paths::Refused::Contains(prefix) => {
                format!("contains {prefix}, which belongs to the system")
            }
        };
        let text = format!(
            "{} {what}: no guest under AppArmor is let at it, as with libvirt's own <filesystem>",
            led(&path, &name, &share.path)
        );
        let finding = Finding::error(Code::PathSystem, place(), text);
        findings.push(Finding {
            // Where nothing is confined, nothing is refused.
            level: if confined { Level::Error } else { Level::Note },
            ..finding.help("share a folder below /srv, /home or /var instead")
        });
    }
    if folder.name.starts_with(b"/dev/") || folder.name == b"/dev" {
        findings.push(
            Finding::warning(
                Code::PathInDev,
                place(),
                format!("path {path} is below /dev: libvirt gives QEMU a /dev of its own, where it may not be"),
            )
            .help("share a folder elsewhere"),
        );
    }
    if let Some((user, Reach::Stopped(at, is_share))) = &facts.reach {
        findings.push(unreachable(
            share,
            folder,
            user,
            &visible(&at.to_string_lossy()),
            *is_share,
        ));
    }
    if share.wants_xattr && folder.user_xattr == Some(false) {
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

/// Whether a finding is about what is on the host, and not about the XML.
pub fn is_about_host(code: Code) -> bool {
    matches!(
        code,
        Code::PathMissing
            | Code::PathNotFolder
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

fn no_folder(share: &Share, path: &str, why: &NoFolder, confined: bool) -> Finding {
    let finding = |code, text: String| Finding::error(code, share.place.clone(), text);
    match why {
        NoFolder::Missing => finding(
            Code::PathMissing,
            format!("path {path} does not exist: QEMU refuses to start with \"No such file or directory\""),
        )
        .help("create the folder, or mount what should be there, first"),
        NoFolder::NotAFolder => finding(
            Code::PathNotFolder,
            format!("path {path} is not a folder: QEMU refuses to start with \"Not a directory\""),
        )
        .help("share the folder that holds it"),
        // QEMU is another user, and may be let in; but what has no name gets no rule.
        NoFolder::Denied(true) if confined => finding(
            Code::PathUnreachable,
            format!("path {path} is closed even to root, so its name is not known and no rule can hold it"),
        )
        .help("let root search the folders on the way (NFS: no_root_squash, FUSE: allow_root)"),
        NoFolder::Denied(as_root) => Finding::warning(
            Code::PathUnreachable,
            share.place.clone(),
            format!("path {path} is closed to the user who looks here: whether QEMU gets in is not known"),
        )
        .help(if *as_root {
            "see that the user QEMU runs as may enter every folder on the way"
        } else {
            "look again as root"
        }),
        NoFolder::Failed(error) => finding(
            Code::PathMissing,
            format!("path {path} cannot be opened ({error}): QEMU refuses to start"),
        )
        .help("see that every folder on the way is there and can be entered"),
        NoFolder::Unstable(name) => finding(
            Code::PathUnstable,
            format!(
                "path {path} leads to a folder that the kernel calls {}, and that name does not lead back: no rule can hold it",
                quoted(name)
            ),
        )
        .help("name the folder by a path that is visible to the whole host"),
    }
}

fn unreachable(
    share: &Share,
    folder: &Folder,
    user: &QemuUser,
    at: &str,
    is_share: bool,
) -> Finding {
    let at_word = shell_word(at);
    let (what, help) = if is_share {
        (
            "does not let it in",
            format!("`setfacl -m u:{}:rwx {at_word}`, or chmod", user.name),
        )
    } else {
        (
            "does not let it through",
            format!(
                "`setfacl -m u:{}:x {at_word}`, or `chmod o+x {at_word}`",
                user.name
            ),
        )
    };
    let message = format!(
        "QEMU runs as {}, and folder {} {what}: it refuses to start with \"Permission denied\"",
        quoted(&user.name),
        quoted(at)
    );
    let finding = Finding::error(Code::PathUnreachable, share.place.clone(), message).help(help);
    Finding {
        // Elsewhere somebody else decides.
        level: if folder.remote {
            Level::Warning
        } else {
            Level::Error
        },
        ..finding
    }
}
