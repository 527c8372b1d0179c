//! The elements that libvirt has for host paths in raw arguments: in them libvirt itself opens the
//! private /dev, the device controller, the owner and AppArmor. Where it does not (facts P6.5), nothing
//! is said.

use std::collections::BTreeMap;

use crate::assumptions::Assumptions;
use crate::domain::xml::{attribute, escaped};
use crate::domain::{Domain, Place};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::native::{self, Element};
use crate::qemu::argv;
use crate::qemu::command_line::CommandLine;
use crate::qemu::host_paths::table::Kind;
use crate::qemu::host_paths::{Access, HostPath};
use crate::qemu::option_string;
use crate::text::quoted;
use crate::version::Version;

/// Options and models of devices (of character devices those that use them), from which libvirt on, and the element. KIND is
/// the kind of character device and SOURCE its path, PATH the path as an attribute, TEXT as text;
/// an element without one of them is only named. `*` ends what begins so.
const ELEMENTS: &str = "\
serial 0.1 <serial type='KIND'>SOURCE</serial>
isa-serial 0.1 <serial type='KIND'>SOURCE</serial>
pci-serial 0.1 <serial type='KIND'>SOURCE<target type='pci-serial'/></serial>
usb-serial 0.1 <serial type='KIND'>SOURCE<target type='usb-serial'/></serial>
parallel 0.1 <parallel type='KIND'>SOURCE</parallel>
isa-parallel 0.1 <parallel type='KIND'>SOURCE</parallel>
virtconsole 0.8 <console type='KIND'>SOURCE<target type='virtio'/></console>
virtserialport 0.8 <channel type='KIND'>SOURCE<target type='virtio' name='…'/></channel>
debugcon 8.1 <serial type='KIND'>SOURCE<target type='isa-debug'/></serial>
isa-debugcon 8.1 <serial type='KIND'>SOURCE<target type='isa-debug'/></serial>
ivshmem-doorbell 2.5 <shmem name='…'><model type='ivshmem-doorbell'/><server path=PATH/></shmem>
vhost-user 1.2 <interface type='vhostuser'>
log 1.3 <log file=PATH/>
kernel 0.1 <os><kernel>TEXT</kernel></os>
initrd 0.1 <os><initrd>TEXT</initrd></os>
dtb 1.0 <os><dtb>TEXT</dtb></os>
bios 0.1 <os><loader type='rom'>TEXT</loader></os>
pflash 1.2 <os><loader type='pflash'> and <nvram>
drive 0.1 <disk>
blockdev 0.1 <disk>
hda 0.1 <disk>
hdb 0.1 <disk>
hdc 0.1 <disk>
hdd 0.1 <disk>
cdrom 0.1 <disk device='cdrom'>
fda 0.1 <disk device='floppy'>
fdb 0.1 <disk device='floppy'>
vnc 2.0 <graphics type='vnc'><listen type='socket' socket=PATH/></graphics>
spice 2.0 <graphics type='spice'><listen type='socket' socket=PATH/></graphics>
vfio-pci* 0.8 <hostdev mode='subsystem' type='pci'>
usb-host 0.4 <hostdev mode='subsystem' type='usb'>
vhost-scsi* 2.5 <hostdev mode='subsystem' type='scsi_host'>
vhost-vsock* 4.4 <vsock>
virtio-input-host* 1.3 <input type='passthrough' bus='virtio'><source evdev=PATH/></input>
hugepages 1.0 <memoryBacking><hugepages/></memoryBacking>
";

/// A note for each of these paths that libvirt has an element for.
pub fn notes<'p>(
    domain: &Domain,
    line: &CommandLine,
    paths: impl Iterator<Item = &'p HostPath>,
    assume: &Assumptions,
) -> Vec<Finding> {
    let words: Vec<&str> = domain.args.iter().map(|arg| arg.value.as_str()).collect();
    // For each word the option that it is the argument of, or the model; and what is read of it.
    let mut options = vec![""; words.len()];
    let mut natives = vec![None; words.len()];
    let mut users: BTreeMap<&str, usize> = BTreeMap::new();
    for pair in argv::pair(&words).0 {
        let Some((index, arg)) = pair.argument(domain) else {
            continue;
        };
        let mut name = pair.name;
        let value = arg.value.as_str();
        let chardev = match name {
            "netdev" if value.starts_with("vhost-user,") => {
                name = "vhost-user";
                value
                    .split(',')
                    .find_map(|one| one.strip_prefix("chardev="))
            }
            "serial" | "parallel" => value.strip_prefix("chardev:"),
            _ => None,
        };
        users.extend(chardev.map(|id| (id, index)));
        if let Some(option) = options.get_mut(index) {
            *option = name;
        }
    }
    for device in &line.devices {
        users.extend(device.text("chardev").map(|id| (id, device.arg)));
        if let Some(option) = options.get_mut(device.arg) {
            *option = device.driver();
        }
    }
    let read = native::read(domain, line);
    for one in &read {
        let arg = match one {
            Ok(native) => native.args.first().copied().unwrap_or(0),
            Err(unequal) => unequal.arg,
        };
        if let Some(at) = natives.get_mut(arg) {
            *at = Some(one);
        }
    }
    let option = |arg: usize| options.get(arg).copied().unwrap_or("");
    let mut notes = Vec::new();
    for path in paths {
        let (Place::Arg(arg, range), Some(kind)) = (&path.place, kind(path)) else {
            continue;
        };
        let word = words.get(*arg).copied().unwrap_or("");
        let (since, element, converts) = match natives.get(*arg).copied().flatten() {
            Some(Ok(native)) => {
                let xml = native.xml();
                let xml = match native.element {
                    Element::Acpi => format!("<os>{xml}</os>"),
                    _ => xml,
                };
                (native.since, xml, true)
            }
            // What is in the way is said where somebody wants to convert it.
            Some(Err(_)) => continue,
            None => {
                let name = match option(*arg) {
                    _ if word.get(..range.start).unwrap_or("").ends_with("logfile=") => "log",
                    "object" | "mem-path" if path.path.contains("hugepages") => "hugepages",
                    "spice" if kind != "unix" => continue,
                    "chardev" => {
                        let opts = option_string::parse(word, "backend", *arg);
                        let id = option_string::id(&opts).map_or("", |id| &id.value);
                        users.get(id).map_or("", |user| option(*user))
                    }
                    name => name,
                };
                let Some((since, element)) = row(name) else {
                    continue;
                };
                // Of what no rule opens only devices of the host have an element.
                if kind.is_empty() && !element.starts_with("<hostdev") && element != "<vsock>" {
                    continue;
                }
                (since, filled(element, path, kind), false)
            }
        };
        notes.push(note(path, since, &element, converts, assume));
    }
    notes
}

/// The row of an option or a model.
fn row(name: &str) -> Option<(Version, &'static str)> {
    let row = ELEMENTS.lines().find_map(|row| {
        let (names, rest) = row.split_once(' ')?;
        let found = match names.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => names == name,
        };
        found.then_some(rest)
    });
    let (since, element) = row?.split_once(' ')?;
    Some((since.parse().ok()?, element))
}

/// What kind of character device a path is; nothing where no element would be of use.
fn kind(path: &HostPath) -> Option<&'static str> {
    let opening = match path.access {
        Access::Opens(opening) => opening,
        Access::Never(_) => return Some(""),
        Access::Unclear(_) => return None,
    };
    if native::is_refused(&path.path, !opening.letters.write()) {
        return None;
    }
    Some(match opening.kind {
        Kind::Listens | Kind::Connects => "unix",
        Kind::Pipe => "pipe",
        Kind::Node => "dev",
        _ => "file",
    })
}

/// The element with the path in it.
fn filled(element: &str, path: &HostPath, kind: &str) -> String {
    let attribute = attribute(&path.path);
    let mode = match path.access {
        Access::Opens(opening) if opening.kind == Kind::Listens => "mode='bind' ",
        Access::Opens(opening) if opening.kind == Kind::Connects => "mode='connect' ",
        _ => "",
    };
    let mut out = String::new();
    let mut rest = element;
    // One after the other: a path may hold these words itself.
    while let Some((at, mark)) = ["KIND", "SOURCE", "PATH", "TEXT"]
        .iter()
        .find_map(|mark| Some((rest.find(mark)?, *mark)))
    {
        out.push_str(rest.get(..at).unwrap_or(""));
        rest = rest.get(at + mark.len()..).unwrap_or("");
        match mark {
            "KIND" => out.push_str(kind),
            "TEXT" => out.push_str(&escaped(&path.path, '"')),
            "PATH" => out.push_str(&attribute),
            _ => {
                for part in ["<source ", mode, "path=", &attribute, "/>"] {
                    out.push_str(part);
                }
            }
        }
    }
    out.push_str(rest);
    out
}

fn note(
    path: &HostPath,
    since: Version,
    element: &str,
    converts: bool,
    assume: &Assumptions,
) -> Finding {
    let mut text = format!(
        "libvirt has an element for {}, and opens what that names to the guest by itself",
        quoted(&path.path)
    );
    match assume.libvirt {
        Some(libvirt) if libvirt < since => {
            text.push_str(&format!(" from {since} on; this is {libvirt}"));
        }
        _ => {}
    }
    let mut help = format!("write {element} instead");
    if matches!(path.access, Access::Opens(opening) if opening.layered) {
        text.push_str(
            "; what the image itself names (a backing file, a data file) gets no rule here",
        );
        help.push_str(
            ", or say format=raw, or name that file by backing.file.filename=…, or flatten the image (`qemu-img convert`)",
        );
    }
    if converts {
        help.push_str("; `virt-9p convert --to native` does it");
    }
    let mut note = Finding::note(Code::NativeEquivalent, path.place.clone(), text);
    note.help = Some(help);
    note
}
