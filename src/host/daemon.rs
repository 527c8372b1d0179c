//! The libvirt daemon that starts QEMU guests: running, since when, and confined by what.

use std::os::unix::fs::MetadataExt;

use crate::host::Root;

/// Daemons that run QEMU: the modular one, then the one for everything.
pub const NAMES: [&str; 2] = ["virtqemud", "libvirtd"];

/// A running daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// One of [`NAMES`].
    pub name: &'static str,
    /// Its number in /proc.
    pub pid: u32,
    /// When it started, in seconds since 1970.
    pub started: Option<i64>,
    /// Its AppArmor label: `name (mode)` or `unconfined`.
    pub label: Option<String>,
}

/// The system's daemon, from /proc. Session daemons of other users are not meant, and do not
/// load profiles.
pub fn running(root: &Root) -> Option<Daemon> {
    let processes: Vec<u32> = root
        .names("/proc")
        .unwrap_or_default()
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    NAMES.into_iter().find_map(|name| {
        let pid = processes.iter().copied().find(|pid| {
            let owner = std::fs::metadata(root.path(format!("/proc/{pid}"))).map(|meta| meta.uid());
            owner.is_ok_and(|uid| uid == root.owner())
                && command(root, *pid).as_deref() == Some(name)
        })?;
        Some(Daemon {
            name,
            pid,
            started: started(root, pid),
            label: label(root, pid),
        })
    })
}

/// The name of a process.
pub fn command(root: &Root, pid: u32) -> Option<String> {
    let text = root.text(&format!("/proc/{pid}/comm")).ok()?;
    Some(text.trim_end().to_owned())
}

/// Field 22 of stat(5) counts ticks since boot, a hundred a second everywhere (USER_HZ).
fn started(root: &Root, pid: u32) -> Option<i64> {
    const TICKS: i64 = 100;
    let stat = root.text(&format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces and parentheses; after it comes field 3.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: i64 = fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()?;
    let boot = root.text("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<i64>().ok()? + ticks / TICKS)
}

/// Where AppArmor is not the only module (or on kernels from 5.8) it has a directory of its own.
fn label(root: &Root, pid: u32) -> Option<String> {
    ["attr/apparmor/current", "attr/current"]
        .iter()
        .find_map(|file| root.text(&format!("/proc/{pid}/{file}")).ok())
        .map(|text| text.trim_end_matches(['\0', '\n']).to_owned())
}
