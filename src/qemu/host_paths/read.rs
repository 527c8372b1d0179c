//! From the raw arguments of a domain to the paths in them, by the table.

use std::collections::BTreeMap;

use super::found::{Found, Keys, is_on, text};
use super::table::{
    Credentials, Grammar, Kind, Letters, Meaning, Row, Why, among, grammar, is_single, rows,
    variable,
};
use super::{Access, HostPath, Opening, character, flatten, images};
use crate::domain::{Arg, Domain, Place};
use crate::qemu::argv::{self, Stray};
use crate::qemu::command_line::{CommandLine, LONGEST_ARG, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::qemu::option_string;
use crate::qemu::set;

const UNKNOWN_KEY: &str = "virt-9p does not know the key";

/// The options of one word, with what `-set` has added.
struct Group {
    option: &'static str,
    properties: Vec<RawProperty>,
}

/// What QEMU opens because of the raw arguments of `domain`, which `line` are, and of its
/// `<qemu:override>`. Linear in their length.
pub fn read(domain: &Domain, line: &CommandLine) -> Vec<HostPath> {
    let words: Vec<&str> = domain.args.iter().map(|arg| arg.value.as_str()).collect();
    let (pairs, strays) = argv::pair(&words);
    let mut found = Found::default();
    let snapshot = pairs.iter().find(|word| word.name == "snapshot");
    let snapshot = snapshot.map(|word| word.option);
    let all_snapshots = snapshot;
    let snapshot = snapshot.is_some();
    let mut groups: Vec<Group> = Vec::new();
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for word in pairs {
        let Some((index, arg)) = word.argument(domain) else {
            continue;
        };
        if arg.value.len() > LONGEST_ARG {
            continue;
        }
        match word.name {
            "set" => set(index, &arg.value, &mut groups, &ids, &mut found),
            "global" if arg.value.contains("romfile") || arg.value.contains("=/") => {
                let why = "which devices a -global reaches is not followed";
                found.unclear(&whole(index, arg), &arg.value, why);
            }
            // Devices are read already, and -set carried out on them; shares are not in the table.
            "device" | "fsdev" | "virtfs" => {}
            name => {
                let Some((option, key, grammar)) = grammar(name) else {
                    continue;
                };
                let Some(properties) = properties(grammar, key, index, arg, snapshot, &mut found)
                else {
                    continue;
                };
                let option = match (option, grammar) {
                    ("M", _) | (_, Grammar::Sugar) => "machine",
                    ("audio", _) => "audiodev",
                    _ => option,
                };
                if let Some(before) = last.insert(option, groups.len())
                    && let Some(group) = groups.get_mut(before)
                {
                    if is_single(option) {
                        last.insert(option, before);
                        group.properties.extend(properties);
                        continue;
                    }
                    // Events are of all, the file is that of the last alone (trace_opt_parse).
                    if option == "trace" {
                        group.properties.retain(|one| one.key != "file");
                    }
                }
                if let Some(id) = properties.iter().find(|one| one.key == "id") {
                    let id = format!("{option}.{}", text(id).unwrap_or(""));
                    ids.entry(id).or_insert(groups.len());
                }
                groups.push(Group { option, properties });
            }
        }
    }
    for group in &groups {
        options(group.option, &group.properties, snapshot, &mut found);
    }
    for device in line.devices.iter().filter(|device| !device.looks_like_9p()) {
        options("device", &device.properties, snapshot, &mut found);
    }
    for stray in strays {
        if let Stray::Image(index) = stray
            && let Some(arg) = domain.args.get(index)
        {
            found.snapshot |= snapshot;
            images::string(&arg.value, &whole(index, arg), snapshot, true, &mut found);
        }
    }
    if let Some(index) = all_snapshots.filter(|_| found.snapshot)
        && let Some(arg) = domain.args.get(index)
    {
        let why = Access::Never(Why::Temporary);
        found.push(&whole(index, arg), &arg.value, why);
    }
    of_libvirts_devices(domain, line, &mut found);
    for (name, value) in &domain.environment {
        if let Some(why) = variable(name).filter(|_| value.value.contains('/')) {
            found.paths.push(HostPath {
                path: value.value.clone(),
                place: Place::Xml(value.span),
                access: Access::Never(why),
            });
        }
    }
    found.paths
}

/// What `-set` and `<qemu:override>` make of devices that libvirt writes.
fn of_libvirts_devices(domain: &Domain, line: &CommandLine, found: &mut Found) {
    for set in line.sets.iter().filter(|set| set.group == "device") {
        let property = RawProperty::of_text(set.opt.clone());
        one("device", "", &property, &Keys::default(), found);
    }
    for property in &domain.overrides {
        let Some(value) = &property.value else {
            continue;
        };
        for row in rows("device", "", &property.name) {
            if let Meaning::Opens(kind, letters) = row.meaning
                && row.words().1.is_empty()
                && !value.is_empty()
            {
                found.paths.push(HostPath {
                    path: value.clone(),
                    place: Place::Xml(property.span),
                    access: Access::Opens(row.opening(kind, letters)),
                });
            }
        }
    }
}

/// The properties of a word, by its grammar; images at once.
fn properties(
    grammar: Grammar,
    key: &str,
    index: usize,
    arg: &Arg,
    snapshot: bool,
    found: &mut Found,
) -> Option<Vec<RawProperty>> {
    match grammar {
        Grammar::OptionsOrJson if arg.value.starts_with('{') => {
            let all = flatten::flatten(&arg.value, index);
            if all.is_none() {
                let why = "it is no JSON that virt-9p can read";
                found.unclear(&whole(index, arg), &arg.value, why);
            }
            all
        }
        Grammar::Options | Grammar::OptionsOrJson | Grammar::List | Grammar::Drive => {
            let opts = option_string::parse(&arg.value, key, index).into_iter();
            Some(opts.map(RawProperty::of_text).collect())
        }
        Grammar::Word => Some(vec![whole(index, arg)]),
        Grammar::Sugar => Some(vec![RawProperty {
            key: key.to_owned(),
            ..whole(index, arg)
        }]),
        Grammar::Character(monitor) => Some(character::options(&arg.value, index, monitor)),
        Grammar::ImageWord(readonly) => {
            let readonly = readonly || snapshot;
            found.snapshot |= snapshot;
            images::string(&arg.value, &whole(index, arg), readonly, true, found);
            None
        }
    }
}

/// A property that is the whole word.
fn whole(index: usize, arg: &Arg) -> RawProperty {
    RawProperty {
        key: String::new(),
        value: JsonValue::String(arg.value.clone()),
        flag: false,
        arg: index,
        key_range: 0..0,
        value_range: 0..arg.value.len(),
    }
}

/// `-set` on a drive or character device of the raw arguments. On devices it was carried out.
fn set(
    index: usize,
    text: &str,
    groups: &mut [Group],
    ids: &BTreeMap<String, usize>,
    found: &mut Found,
) {
    let Some((group, id, opt)) = set::split_set(index, text) else {
        return;
    };
    // Nothing comes of one on a -virtfs.
    if matches!(group, "device" | "fsdev" | "virtfs") {
        return;
    }
    let property = RawProperty::of_text(opt);
    let target = ids.get(&format!("{group}.{id}"));
    match target.and_then(|target| groups.get_mut(*target)) {
        // Only these are read after all words are (vl.c); of an object it is an error since 6.0.
        Some(target) if matches!(group, "drive" | "chardev") => target.properties.push(property),
        _ => {
            if let JsonValue::String(value) = &property.value
                && value.starts_with('/')
            {
                let why = "it changes something that virt-9p does not follow";
                found.unclear(&property, value, why);
            }
        }
    }
}

/// What one option opens.
fn options(option: &'static str, properties: &[RawProperty], snapshot: bool, found: &mut Found) {
    match option {
        "blockdev" => return images::nodes(properties, false, false, found),
        "drive" => return drive(properties, snapshot, found),
        _ => {}
    }
    let keys = Keys::new(properties);
    let implied = ["qom-type", "driver", "backend", "type"];
    let kind = implied.iter().find_map(|key| keys.get(key));
    let of = kind.and_then(text).unwrap_or("");
    // The last of each counts, but for lists: of addresses, of texts (save_opt_list).
    let list = match option {
        "vnc" => "vnc",
        "smbios" => "path",
        "netdev" | "nic" | "net" => "guestfwd",
        _ => "",
    };
    for property in properties
        .iter()
        .filter(|one| one.key == list && !list.is_empty())
    {
        one(option, of, property, &keys, found);
    }
    if matches!(option, "netdev" | "nic" | "net")
        && let Some(kind) = keys.get("type")
    {
        network(kind, of, &keys, found);
    }
    if let Some(kind) = kind.or(keys.get("gl")) {
        unnamed(option, kind, of, &keys, found);
    }
    for property in keys.all().filter(|one| one.key != list || list.is_empty()) {
        one(option, of, property, &keys, found);
    }
}

/// What a network of this kind opens and executes where nothing says so (net_init_tap,
/// net_init_bridge, net_init_passt).
fn network(kind: &RawProperty, of: &str, keys: &Keys, found: &mut Found) {
    let has = |names: &[&str]| names.iter().any(|key| keys.get(key).is_some());
    let mut runs = |path, why| found.push(kind, path, Access::Never(why));
    match of {
        "bridge" if !has(&["helper"]) => runs("qemu-bridge-helper", Why::Network),
        "passt" => runs("passt", Why::Network),
        "tap" if !has(&["fd", "fds", "helper"]) => {
            match keys.get("script").and_then(text) {
                None => runs("/etc/qemu-ifup", Why::Network),
                Some("no" | "") if !has(&["downscript"]) => runs("/etc/qemu-ifdown", Why::Down),
                _ => {}
            }
            let node = Opening {
                kind: Kind::Node,
                letters: Letters::Rw,
                since: (5, 2),
                needed: true,
                layered: false,
            };
            found.opens(kind, "/dev/net/tun", node);
            // Without it 5.2 warns, 7.2 aborts, and 10.0 refuses to start.
            let on = |key| keys.get(key).and_then(is_on) == Some(true);
            if (on("vhost") || on("vhostforce")) && !has(&["vhostfd", "vhostfds"]) {
                found.opens(kind, "/dev/vhost-net", node);
            }
        }
        _ => {}
    }
}

/// What an option opens besides where no key says what.
fn unnamed(option: &str, kind: &RawProperty, of: &str, keys: &Keys, found: &mut Found) {
    let has = |key| keys.get(key).is_some();
    let is_gl = |gl: &RawProperty| text(gl) != Some("off") && !has("rendernode");
    let (path, why) = match option {
        "tpmdev" if of == "passthrough" && !has("path") => ("/dev/tpm0", Why::Vhost),
        "display" if of == "egl-headless" && !has("rendernode") => ("/dev/dri", Why::Vhost),
        "display" if of == "dbus" && !has("addr") && !has("p2p") => (of, Why::Bus),
        // Of spice there is no kind.
        "display" | "spice" if among(of, "dbus ") && keys.get("gl").is_some_and(is_gl) => {
            ("/dev/dri", Why::Vhost)
        }
        // In its working directory, which is / under libvirt.
        "audiodev" if of == "wav" && !has("path") => {
            let opening = Opening {
                kind: Kind::Log,
                letters: Letters::W,
                since: (5, 2),
                needed: false,
                layered: false,
            };
            return found.opens(kind, "/qemu.wav", opening);
        }
        "audiodev" if among(of, "alsa oss jack pipewire sdl sndio pa") && !has("server") => {
            (of, Why::Environment)
        }
        _ if of == "braille" => (of, Why::Environment),
        _ => return,
    };
    found.push(kind, path, Access::Never(why));
}

/// What one key opens.
fn one(option: &str, of: &str, property: &RawProperty, beside: &Keys, found: &mut Found) {
    let option = if matches!(option, "nic" | "net") {
        "netdev"
    } else if among(
        option,
        "serial parallel monitor qmp qmp-pretty qtest debugcon gdb",
    ) {
        "chardev"
    } else {
        option
    };
    let Some(value) = text(property) else {
        if property.key == "guestfwd" {
            found.unclear(property, &property.key, "virt-9p does not read lists");
        }
        return;
    };
    let mut any = false;
    for row in rows(option, of, &property.key) {
        any = true;
        match row.meaning {
            // What is written as a flag has the value `on`.
            Meaning::Opens(..) if property.flag => {}
            Meaning::Opens(kind, letters) => {
                opens(row, kind, letters, value, property, beside, found);
            }
            Meaning::Never(_) if option == "incoming" && value.starts_with("exec:") => {
                found.push(property, value, Access::Never(Why::Exec));
            }
            // A program, or a character device in the words of -serial (slirp_guestfwd).
            Meaning::Never(_) if property.key == "guestfwd" && !value.contains("-cmd:") => {
                let (_, device) = value.split_once('-').unwrap_or_default();
                let mut all = character::options(device, property.arg, true);
                for one in &mut all {
                    one.value_range = property.value_range.clone();
                }
                options("chardev", &all, false, found);
            }
            // Of scripts only `no` is none, and of helpers not even that.
            Meaning::Never(_)
                if (value == "no" && property.key != "helper")
                    || (value == "off" && option != "netdev")
                    || (option == "incoming" && !value.contains('/')) => {}
            Meaning::Never(why) => found.push(property, value, Access::Never(why)),
        }
    }
    if !any && value.starts_with('/') && is_strict(option) {
        found.unclear(property, value, UNKNOWN_KEY);
    }
}

/// Options whose keys the table knows as far as they are paths: another that looks like one is
/// not understood.
fn is_strict(option: &str) -> bool {
    among(
        option,
        "object device chardev netdev tpmdev audiodev spice display",
    )
}

/// What depends on other keys.
fn opens(
    row: &Row,
    kind: Kind,
    letters: Letters,
    value: &str,
    property: &RawProperty,
    beside: &Keys,
    found: &mut Found,
) {
    let on = |key: &str| beside.get(key).and_then(is_on) == Some(true);
    let is = |key: &str, text: &str| beside.get(key).and_then(self::text) == Some(text);
    let mut opening = row.opening(kind, letters);
    let mut path = value;
    let words = row.words();
    match words {
        ("object", "memory-backend-file", _) if on("readonly") => opening.letters = Letters::R,
        ("object", "tls-creds-x509" | "tls-creds-anon", _) if !is("endpoint", "server") => {
            if words.1 == "tls-creds-anon" {
                return;
            }
            opening.kind = Kind::Tls(Credentials::Client);
        }
        ("object", "tls-creds-psk", _) if is("endpoint", "server") => {
            opening.kind = Kind::Tls(Credentials::PskServer);
        }
        // Those that another key names QEMU does not look for in it.
        ("spice", _, "x509-dir")
            if ["x509-key-file", "x509-cert-file", "x509-cacert-file"]
                .iter()
                .any(|key| beside.get(key).is_some()) =>
        {
            opening.kind = Kind::Tls(Credentials::SomeSpice);
        }
        ("chardev", "socket", _) | ("netdev", "stream", _) => {
            if on("abstract")
                || is("addr.type", "inet")
                || is("addr.type", "fd")
                || on("addr.abstract")
            {
                return;
            }
            if !on("server") {
                opening.kind = Kind::Connects;
                // It tries again.
                let again = ["reconnect", "reconnect-ms"];
                opening.needed &= !again.iter().any(|key| beside.get(key).is_some());
            }
        }
        ("acpitable", ..) => {
            for path in value.split(':') {
                found.opens(property, path, opening);
            }
            return;
        }
        // Multiboot kernels take a list of modules with arguments.
        ("machine", _, "initrd") if value.contains([',', ' ']) => {
            let why =
                "with a multiboot kernel commas and blanks end a name, with another they do not";
            return found.unclear(property, value, why);
        }
        ("smbios", _, "path") if !is("type", "11") => return,
        ("audiodev", "pa", _) => match value.strip_prefix("unix:") {
            Some(socket) => path = socket,
            None if value.starts_with('/') => {}
            None => return,
        },
        ("vnc" | "display", ..) => match value.strip_prefix("unix:") {
            Some(socket) => path = socket,
            None => return,
        },
        ("spice", _, "addr") if !on("unix") => return,
        ("spice", _, key) if key.starts_with("x509") && beside.get("tls-port").is_none() => return,
        ("D", ..) if value.contains('%') => {
            return found.unclear(property, value, "QEMU puts its process number into it");
        }
        _ => {}
    }
    found.opens(property, path, opening);
}

/// `-drive`.
fn drive(properties: &[RawProperty], snapshot: bool, found: &mut Found) {
    let keys = Keys::new(properties);
    let last = |key: &str| keys.get(key);
    let on = |key: &str| last(key).and_then(is_on) == Some(true);
    let is_cdrom = last("media").and_then(text) == Some("cdrom");
    let own = last("snapshot").and_then(|one| Some((one, is_on(one)?)));
    // Where a drive says nothing of it, what all are told holds (drive_enable_snapshot).
    let is_snapshot = match own {
        Some((one, true)) => {
            found.push(one, "snapshot=on", Access::Never(Why::Temporary));
            true
        }
        Some(_) => false,
        None => {
            found.snapshot |= snapshot;
            snapshot
        }
    };
    let readonly = on("readonly") || on("read-only") || is_snapshot || is_cdrom;
    let is_backed = |one: &RawProperty| one.key == "backing" || one.key.starts_with("backing.file");
    let layered = images::is_layered(last("format").or(last("driver")).and_then(text))
        && !properties.iter().any(is_backed);
    if let Some(file) = last("file").filter(|file| !file.flag) {
        images::string(text(file).unwrap_or(""), file, readonly, layered, found);
    }
    let rest = properties.iter().filter(|one| one.key != "file");
    let rest: Vec<RawProperty> = rest.cloned().collect();
    images::nodes(&rest, readonly, true, found);
}
