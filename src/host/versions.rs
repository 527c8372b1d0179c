//! Which libvirt and which QEMU the host has, without running either.

use std::path::PathBuf;

use crate::assumptions::Assumptions;
use crate::domain::xml::{Xml, XmlError};
use crate::domain::{Domain, Origin};
use crate::host::Root;
use crate::version::Version;

/// libvirt's cache of what each QEMU binary can do; libvirt refreshes it before it starts a guest.
const CAPABILITIES: &str = "/var/cache/libvirt/qemu/capabilities";

/// No cache file is that large (about 150 kB).
const MOST_BYTES: u64 = 4 << 20;

/// No host has that many QEMU binaries.
const MOST_FILES: usize = 64;

/// Fills in what is not known yet.
pub fn complete(root: &Root, domain: &Domain, assume: &mut Assumptions) {
    let cache = capabilities(root, domain);
    let told = assume.qemu.is_some();
    if assume.libvirt.is_none() {
        assume.libvirt = libvirt(root).or(cache.as_ref().and_then(|cache| cache.libvirt));
    }
    if let Some(cache) = cache.filter(|_| !told) {
        assume.qemu = cache.qemu;
        assume.json_capability = Some(cache.json);
    }
}

/// The installed libvirt, from the name its library links to: libvirt.so.0 -> libvirt.so.0.9000.0
/// is 9.0.0.
pub fn libvirt(root: &Root) -> Option<Version> {
    let lib = root.path("/usr/lib");
    let multiarch = root.names("/usr/lib").unwrap_or_default().into_iter();
    let mut directories = vec![root.path("/usr/lib64"), lib.clone()];
    directories.extend(
        multiarch
            .filter(|name| name.ends_with("-linux-gnu"))
            .map(|name| lib.join(name)),
    );
    directories
        .into_iter()
        .filter_map(|directory: PathBuf| std::fs::read_link(directory.join("libvirt.so.0")).ok())
        .find_map(|target| {
            let name = target.file_name()?.to_str()?;
            let (number, micro) = name.strip_prefix("libvirt.so.0.")?.split_once('.')?;
            let number: u32 = number.parse().ok()?;
            Some(Version(number / 1000, number % 1000, micro.parse().ok()?))
        })
}

/// What a cache file says.
#[derive(Default)]
struct Capabilities {
    emulator: Option<String>,
    libvirt: Option<Version>,
    qemu: Option<Version>,
    json: bool,
}

/// The cache file of the domain's emulator. Files of libvirt before 6 do not name theirs, but
/// there libvirt's own version decides everything.
fn capabilities(root: &Root, domain: &Domain) -> Option<Capabilities> {
    let mut found = None;
    for capabilities in cache(root).ok()? {
        if domain.emulator.is_some() && capabilities.emulator != domain.emulator {
            continue;
        }
        // Two files for one emulator, or no emulator to choose by: only what both say is sure.
        if found.is_some() {
            return None;
        }
        found = Some(capabilities);
    }
    found
}

/// Every QEMU that libvirt has looked at: path, where the cache tells it, and version.
///
/// # Errors
/// When the cache is there and may not be read.
pub fn emulators(root: &Root) -> std::io::Result<Vec<(Option<String>, Version)>> {
    Ok(cache(root)?
        .into_iter()
        .filter_map(|capabilities| Some((capabilities.emulator, capabilities.qemu?)))
        .collect())
}

/// All cache files.
fn cache(root: &Root) -> std::io::Result<Vec<Capabilities>> {
    let names = root.names(CAPABILITIES)?;
    let mut all = Vec::new();
    let files = names.iter().filter(|name| name.ends_with(".xml"));
    for name in files.take(MOST_FILES) {
        let content = match root.read(&format!("{CAPABILITIES}/{name}"), MOST_BYTES) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(error);
            }
            // libvirt is just replacing it.
            Err(_) => continue,
        };
        // Nor is one that is cut off or damaged: nothing is known of that QEMU.
        all.extend(read(&String::from_utf8_lossy(&content)).ok());
    }
    Ok(all)
}

/// Reads a cache file as far as it matters: libvirt writes its own version first, then the flags,
/// then QEMU's version (virQEMUCapsFormatCache; seen of 9.0). The models of processors behind them
/// are nine tenths of the file.
fn read(text: &str) -> Result<Capabilities, XmlError> {
    let mut found = Capabilities::default();
    let mut xml = Xml::new(text, Origin::Libvirt);
    xml.root()?;
    xml.children_while(|xml, child| {
        match child.name {
            "emulator" => found.emulator = Some(xml.text()?.0),
            "selfvers" => found.libvirt = version(&xml.text()?.0),
            "flag" => {
                found.json |= xml.attributes(child)?.value("name") == Some("device.json+hotplug");
            }
            "version" => found.qemu = version(&xml.text()?.0),
            _ => {}
        }
        Ok(child.name != "version")
    })?;
    Ok(found)
}

fn version(packed: &str) -> Option<Version> {
    packed.parse().ok().map(Version::from_packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_cache_file_to_the_version_of_qemu() {
        let head = "<qemuCaps>\n  <emulator>/usr/bin/q&amp;a</emulator>\n  <selfvers>9000000</selfvers>\n  \
            <!-- <version>1</version> -->\n  <flag name=\"device.json+hotplug\"/>\n  \
            <version>7002022</version>\n";
        // Whatever comes behind it is not read.
        let found = read(&format!("{head}  <cpu <<<")).unwrap();
        assert_eq!(found.emulator.as_deref(), Some("/usr/bin/q&a"));
        assert_eq!(found.libvirt, Some(Version(9, 0, 0)));
        assert_eq!(found.qemu, Some(Version(7, 2, 22)));
        assert!(found.json);
        let without = head.replace("hotplug", "other");
        assert!(!read(&format!("{without}</qemuCaps>")).unwrap().json);
        for damaged in ["", "<qemuCaps><emulator>/usr", "no XML"] {
            assert!(read(damaged).is_err(), "{damaged}");
        }
    }
}
