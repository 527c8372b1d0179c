//! The guests of this host: those that libvirt knows, and those that run.

use std::io;

use crate::domain::Uuid;
use crate::host::Root;
use crate::host::versions::element;

/// Where libvirt keeps the XML of persistent guests.
pub const DEFINED: &str = "/etc/libvirt/qemu";

/// Where libvirt keeps the state of running guests.
const RUNNING: &str = "/run/libvirt/qemu";

/// The files of persistent guests, as host paths.
///
/// # Errors
/// When the directory cannot be read.
pub fn defined(root: &Root) -> io::Result<Vec<String>> {
    xml_files(root, DEFINED)
}

/// The guests that run: those with a status file whose process is there. A crash of the host
/// leaves nothing, a crash of libvirt leaves the file (and QEMU).
///
/// # Errors
/// When that cannot be told.
pub fn running(root: &Root) -> io::Result<Vec<Uuid>> {
    let mut running = Vec::new();
    for file in xml_files(root, RUNNING)? {
        let status = match root.text(&file) {
            Ok(status) => status,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // `<domstatus state='running' … pid='4711'>`, with the domain in it.
        let alive = status
            .split_once(" pid='")
            .and_then(|(_, rest)| rest.split_once('\''))
            .is_some_and(|(pid, _)| {
                pid.parse::<u32>().is_ok() && root.path(format!("/proc/{pid}")).is_dir()
            });
        if alive {
            running.extend(element(&status, "uuid").and_then(Uuid::parse));
        }
    }
    Ok(running)
}

fn xml_files(root: &Root, directory: &str) -> io::Result<Vec<String>> {
    let names = root.names(directory)?;
    let files = names.iter().filter(|name| name.ends_with(".xml"));
    Ok(files.map(|name| format!("{directory}/{name}")).collect())
}
