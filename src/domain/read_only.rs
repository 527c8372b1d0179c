//! The files that a domain names in libvirt's own elements and QEMU is only to read: libvirt writes a
//! `deny … w` for each (virt-aa-helper.c, vah_add_path), which no rule beside it opens again.

use crate::domain::Located;
use crate::domain::xml::{Element, Ns, Origin, Xml, XmlError};

/// Those of the domain in `text`, which was read before.
pub fn read_only_files(text: &str, origin: Origin) -> Vec<Located<String>> {
    let mut found = Vec::new();
    // Its faults were told when it was read.
    let _ = walk(&mut Xml::new(text, origin), &mut found);
    found
}

fn walk(xml: &mut Xml, found: &mut Vec<Located<String>>) -> Result<(), XmlError> {
    xml.root()?;
    // The names that the next element can be below.
    let mut path = String::from("domain");
    let mut ends = vec![path.len()];
    // The disk whose source has not been found to be for reading only.
    let mut disk: Vec<Located<String>> = Vec::new();
    let mut is_disk_read_only = false;
    while let Some((depth, element)) = xml.next_at_any_depth()? {
        ends.truncate(depth - 1);
        path.truncate(ends.last().copied().unwrap_or(0));
        if element.ns != Ns::None || matches!(element.name, "metadata" | "description" | "title") {
            xml.pass_over()?;
            continue;
        }
        path.push('/');
        path.push_str(element.name);
        match path.as_str() {
            "domain/devices/disk" => {
                disk.clear();
                is_disk_read_only = xml.attributes(&element)?.value("device") == Some("cdrom");
            }
            "domain/devices/disk/readonly" => {
                is_disk_read_only = true;
                found.append(&mut disk);
            }
            "domain/devices/disk/source" => {
                let files = if is_disk_read_only {
                    &mut *found
                } else {
                    &mut disk
                };
                attribute(xml, &element, &["file", "dev"], files)?;
            }
            "domain/sysinfo/entry" => attribute(xml, &element, &["file"], found)?,
            "domain/os/loader" if xml.attributes(&element)?.value("readonly") == Some("no") => {}
            "domain/os/kernel"
            | "domain/os/initrd"
            | "domain/os/dtb"
            | "domain/os/loader"
            | "domain/os/acpi/table" => {
                let (value, span) = xml.text()?;
                found.push(Located { value, span });
                // The text is read to the end of the element.
                continue;
            }
            _ => {}
        }
        ends.push(path.len());
    }
    Ok(())
}

fn attribute<'i>(
    xml: &mut Xml<'i>,
    element: &Element<'i>,
    names: &[&str],
    found: &mut Vec<Located<String>>,
) -> Result<(), XmlError> {
    let attributes = xml.attributes(element)?;
    if let Some(attribute) = names.iter().find_map(|name| attributes.get(name)) {
        found.push(Located {
            value: attribute.value.clone().into_owned(),
            span: attribute.span,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_libvirt_denies_to_write() {
        let xml = "<domain xmlns:q='urn:q'><metadata><os><kernel>/no</kernel></os></metadata>\
             <os><type>hvm</type><kernel>/k</kernel><initrd>/i</initrd><cmdline>/no</cmdline>\
             <loader readonly='yes' type='pflash'>/l</loader><nvram>/no</nvram>\
             <acpi><table type='slic'>/t</table></acpi></os>\
             <sysinfo type='fwcfg'><entry name='opt/a' file='/f'/><entry name='opt/b'>/no</entry></sysinfo>\
             <devices><disk device='cdrom'><source file='/c'><x/></source></disk>\
             <disk><source file='/no'/></disk><disk type='block'><source dev='/b'/><readonly/></disk>\
             <disk><readonly/><source file='/r'/></disk><filesystem><source dir='/no'/><readonly/></filesystem>\
             <q:disk><source file='/no'/><readonly/></q:disk></devices></domain>";
        let found = read_only_files(xml, Origin::Libvirt);
        let values: Vec<_> = found.iter().map(|file| file.value.as_str()).collect();
        assert_eq!(values, ["/k", "/i", "/l", "/t", "/f", "/c", "/b", "/r"]);
        assert!(found.iter().all(|file| {
            let span = file.span;
            xml.get(span.start..span.end) == Some(file.value.as_str())
        }));
    }
}
