//! The guests of this host: those that libvirt knows, and those that run.

use std::io;

use crate::domain::xml::{Xml, XmlError};
use crate::domain::{Origin, Uuid};
use crate::host::Root;

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
/// leaves nothing, a crash of libvirt leaves the file (and QEMU). With the process.
///
/// # Errors
/// When that cannot be told.
pub fn running(root: &Root) -> io::Result<Vec<(Uuid, u32)>> {
    let mut running = Vec::new();
    for file in xml_files(root, RUNNING)? {
        let status = match root.text(&file) {
            Ok(status) => status,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // One that is cut off names no process and no guest.
        if let Ok((Some(pid), Some(uuid))) = read_status(&status)
            && root.path(format!("/proc/{pid}")).is_dir()
        {
            running.push((uuid, pid));
        }
    }
    Ok(running)
}

/// The process and the UUID in `<domstatus state='running' … pid='4711'>…<domain><uuid>`; nothing
/// behind that is read.
fn read_status(text: &str) -> Result<(Option<u32>, Option<Uuid>), XmlError> {
    let mut xml = Xml::new(text, Origin::Libvirt);
    let root = xml.root()?;
    let attributes = xml.attributes(&root)?;
    let pid = attributes.value("pid").and_then(|pid| pid.parse().ok());
    let mut uuid = None;
    xml.children_while(|xml, child| {
        if child.is("domain") {
            xml.children_while(|xml, child| {
                if child.is("uuid") {
                    uuid = Uuid::parse(&xml.text()?.0);
                }
                Ok(!child.is("uuid"))
            })?;
        }
        Ok(!child.is("domain"))
    })?;
    Ok((pid, uuid))
}

fn xml_files(root: &Root, directory: &str) -> io::Result<Vec<String>> {
    let names = root.names(directory)?;
    let files = names.iter().filter(|name| name.ends_with(".xml"));
    Ok(files.map(|name| format!("{directory}/{name}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_process_and_uuid_of_the_domain() {
        let status = "<domstatus state='running' reason='pid=&apos;1&apos;' pid='4711'>\n  \
            <taint flag='x'/><vcpus><uuid>no</uuid></vcpus>\n  <domain type='kvm'>\n    \
            <metadata><uuid>no</uuid></metadata>\n    \
            <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n    <os <<<";
        let uuid = Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809");
        assert_eq!(read_status(status).unwrap(), (Some(4711), uuid));
        let old = status.replace("pid='4711'", "pid='-1'");
        assert_eq!(read_status(&old).unwrap().0, None);
        assert!(read_status("<domstatus pid='1'><domain>").is_err());
    }
}
