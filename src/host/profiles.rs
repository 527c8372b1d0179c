//! Profiles that the kernel has loaded, and the text of those on disk.

use std::io;

use crate::host::Root;

/// The kernel's list; only root may read it.
pub const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// The mode of a loaded profile (`enforce`, `complain`, …), or nothing when it is not loaded.
///
/// # Errors
/// When the list cannot be read.
pub fn loaded(root: &Root, name: &str) -> io::Result<Option<String>> {
    Ok(root.text(LOADED)?.lines().find_map(|line| {
        let (found, mode) = label(line)?;
        (found == name).then(|| mode.to_owned())
    }))
}

/// Takes `name (mode)` apart, the form of the list and of `/proc/PID/attr/current`.
pub fn label(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end_matches(['\0', '\n']);
    text.strip_suffix(')')?.rsplit_once(" (")
}

/// The text of the profile that a daemon is confined by, with its local additions; nothing when
/// it is not where libvirt installs it.
pub fn of_daemon(root: &Root, daemon: &str) -> Option<String> {
    let mut text = root
        .text(&format!("/etc/apparmor.d/usr.sbin.{daemon}"))
        .ok()?;
    if let Ok(local) = root.text(&format!("/etc/apparmor.d/local/usr.sbin.{daemon}")) {
        text.push('\n');
        text.push_str(&local);
    }
    Some(text)
}
