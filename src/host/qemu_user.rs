//! The user QEMU will run as.

use crate::domain::Domain;
use crate::host::Root;
use crate::host::accounts::{account, entry, file, id, memberships, number};

/// A user, and the groups that local files say it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuUser {
    /// Name or number, for messages.
    pub name: String,
    /// The number QEMU's process gets; 0 is stopped by no mode.
    pub uid: u32,
    /// Its primary group, libvirt's, and those of /etc/group.
    pub groups: Vec<u32>,
    /// Whether the local files could be read as a whole.
    pub files_known: bool,
}

/// Finds the user: the domain's own static dac label, else qemu.conf, else the user that the
/// distribution's libvirt is built for. `None` where the name is in no local file (LDAP), or
/// there is no such user, or only root may know.
pub fn find(root: &Root, domain: &Domain) -> Option<QemuUser> {
    let passwd = file(root, "/etc/passwd");
    let group_file = file(root, "/etc/group");
    let files_known = passwd.is_some() && group_file.is_some();
    let (passwd, group_file) = (passwd.unwrap_or_default(), group_file.unwrap_or_default());
    let dac = domain
        .seclabels
        .iter()
        .find(|label| label.model.as_deref() == Some("dac") && label.kind == "static")
        .and_then(|label| label.label.clone());
    let (user, group) = match dac {
        Some(label) => {
            let (user, group) = label.split_once(':')?;
            (user.to_owned(), Some(group.to_owned()))
        }
        None => {
            let conf = root.configuration()?;
            let group = conf.text("group").map(str::to_owned);
            match conf.text("user").map(str::to_owned) {
                Some(user) => (user, group),
                // Debian and Ubuntu, then Fedora and its kin.
                None => (
                    ["libvirt-qemu", "qemu"]
                        .into_iter()
                        .find(|name| entry(&passwd, name).is_some())?
                        .to_owned(),
                    group,
                ),
            }
        }
    };
    let (name, uid, primary) = account(&passwd, &user)?;
    let mut groups: Vec<u32> = primary.into_iter().collect();
    if let Some(group) = group {
        groups.push(number(&group).or_else(|| id(&group_file, &group))?);
    } else {
        // Built with --with-qemu-group: one of these; taking both can only miss a problem.
        groups.extend(
            ["libvirt-qemu", "kvm"]
                .iter()
                .filter_map(|group| id(&group_file, group)),
        );
    }
    groups.extend(memberships(&group_file, &name));
    Some(QemuUser {
        name,
        uid,
        groups,
        files_known,
    })
}
