//! Disk images: the strings of `file=`, and the trees of block nodes that `-drive` and
//! `-blockdev` describe.

use std::collections::BTreeMap;

use super::flatten::flatten;
use super::found::{Found, Keys, is_on, text};
use super::table::{Kind, Letters, Meaning, ROWS, Why, among, is_pathless, rows};
use super::{Access, Opening};
use crate::qemu::command_line::RawProperty;
use crate::qemu::device_json::JsonValue;

const UNKNOWN: &str = "it is no driver, protocol or key that virt-9p knows";

/// More steps in a key than any option of QEMU's has.
const DEEPEST: usize = 32;

/// What drivers call the nodes below their own (BlockdevOptions in qapi/block-core.json of 5.2 to
/// 10.0).
const CHILDREN: [&str; 10] = [
    "file",
    "backing",
    "data-file",
    "header",
    "image",
    "raw",
    "test",
    "log",
    "target",
    "children",
];

/// What the image string of a drive opens; `readonly`: whether all of it is only read; `layered`:
/// whether it may name others.
pub fn string(
    text: &str,
    property: &RawProperty,
    readonly: bool,
    layered: bool,
    found: &mut Found,
) {
    if let Some(json) = text.strip_prefix("json:") {
        match flatten(json, property.arg) {
            Some(mut all) => {
                // Where a string in a string stands is not known so exactly.
                for one in &mut all {
                    one.value_range = property.value_range.clone();
                }
                // What the drive says of its own node comes before what the string says.
                all.retain(|one| one.key != "read-only");
                nodes(&all, readonly, true, found);
            }
            None => found.unclear(property, text, "it is no JSON that virt-9p can read"),
        }
        return;
    }
    let Some(protocol) = protocol(text) else {
        return image(text, property, readonly, true, layered, found);
    };
    let rest = text.get(protocol.len() + 1..).unwrap_or("");
    match protocol {
        "file" | "host_device" => image(rest, property, readonly, true, layered, found),
        "host_cdrom" => image(rest, property, true, true, false, found),
        "nbd" => {
            if let Some(path) = rest.strip_prefix("unix:") {
                let path = path.split(":exportname=").next().unwrap_or(path);
                socket(path, property, found);
            }
        }
        "nbd+unix" => match rest.split_once("socket=") {
            // nbd_parse_uri decodes it.
            Some((_, path)) if !path.contains(['%', '&', '+', '#']) => {
                socket(path, property, found);
            }
            _ => found.unclear(property, text, "it is a URI that virt-9p does not decode"),
        },
        "fat" => found.push(property, text, Access::Never(Why::Tree)),
        "http" | "https" | "ftp" | "ftps" | "ssh" | "nfs" | "iscsi" | "iser" | "rbd"
        | "gluster" | "gluster+tcp" | "gluster+rdma" | "nbd+tcp" | "nbds" | "sheepdog" | "nvme"
        | "null-co" | "null-aio" | "vxhs" => {}
        _ => found.unclear(property, text, UNKNOWN),
    }
}

/// What stands before a `:` that comes before the first `/` (path_has_protocol).
fn protocol(text: &str) -> Option<&str> {
    let at = text.find([':', '/'])?;
    let begin = text.get(..at)?;
    text.get(at..)?.starts_with(':').then_some(begin)
}

fn socket(path: &str, property: &RawProperty, found: &mut Found) {
    let opening = Opening {
        kind: Kind::Connects,
        letters: Letters::Rw,
        since: (5, 2),
        needed: true,
        layered: false,
    };
    found.opens(property, path, opening);
}

fn image(
    path: &str,
    property: &RawProperty,
    readonly: bool,
    locks: bool,
    layered: bool,
    found: &mut Found,
) {
    let letters = match (readonly, locks) {
        (false, true) => Letters::Rwk,
        (true, true) => Letters::Rk,
        (false, false) => Letters::Rw,
        (true, false) => Letters::R,
    };
    let opening = Opening {
        kind: Kind::Image,
        letters,
        since: (5, 2),
        needed: true,
        layered,
    };
    found.opens(property, path, opening);
}

/// What the block nodes of these flat properties open: each has its keys below a prefix of its own,
/// `file.` for the child that is called so. `readonly` is what holds where nothing else is said.
/// `drive`: they are those of a `-drive`, which takes locks where it is told not to, too (5.2, when it
/// opens an image again to write it).
pub fn nodes(properties: &[RawProperty], readonly: bool, drive: bool, found: &mut Found) {
    let mut nodes = Nodes::default();
    for property in properties {
        // A list of nodes (quorum) has its keys by number.
        if property.key.matches('.').count() > DEEPEST || property.value == JsonValue::Other {
            return found.unclear(property, &property.key, UNKNOWN);
        }
        let (prefix, leaf) = split(&property.key);
        let (outer, step) = split(prefix);
        let backed = match split(outer) {
            (above, "backing") if step == "file" => Some(above),
            _ => (leaf == "backing").then_some(prefix),
        };
        if let Some(node) = backed.and_then(|prefix| nodes.at(prefix)) {
            node.backed = true;
        }
        let is_root = prefix.is_empty();
        let known = ["driver", "format", "read-only", "readonly", "locking"];
        if !known.contains(&leaf) {
            continue;
        }
        let Some(node) = nodes.at(prefix) else {
            continue;
        };
        match leaf {
            "driver" => node.driver = text(property),
            "format" if is_root => node.driver = text(property),
            "read-only" | "readonly" => node.readonly = is_on(property),
            "locking" => node.unlocked = text(property) == Some("off"),
            _ => {}
        }
    }
    for property in Keys::new(properties).all() {
        // What is written as a flag has the value `on` or `off`, if QEMU takes it at all.
        let Some(value) = text(property).filter(|_| !property.flag) else {
            continue;
        };
        let (prefix, leaf) = split(&property.key);
        let (outer, step) = split(prefix);
        let driver = |prefix: &str| nodes.get(prefix).and_then(|node| node.driver);
        let layered = |prefix: &str| {
            let backed = nodes.get(prefix).is_some_and(|node| node.backed);
            !backed && is_layered(driver(prefix))
        };
        let is_unknown = |own: &str| {
            let has_row = ROWS.iter().any(|row| row.is_of("blockdev", own));
            !has_row && !is_pathless(own)
        };
        if leaf == "driver" {
            if is_unknown(value) {
                found.unclear(property, value, UNKNOWN);
            }
            continue;
        }
        // A child that is given by its file name alone is a file (bdrv_find_protocol).
        let own = driver(prefix).or((leaf == "filename" && !prefix.is_empty()).then_some("file"));
        let own = own.filter(|_| is_node(prefix));
        // That is said already.
        if own.is_some_and(is_unknown) {
            continue;
        }
        let joined = format!("{step}.{leaf}");
        let rows = own
            .into_iter()
            .flat_map(|own| rows("blockdev", own, leaf))
            .chain(
                driver(outer)
                    .filter(|_| is_node(outer))
                    .into_iter()
                    .flat_map(|outer| rows("blockdev", outer, &joined)),
            );
        let mut any = false;
        for row in rows {
            any = true;
            match row.meaning {
                Meaning::Opens(Kind::Image, letters) => {
                    let readonly = !letters.write() || is_readonly(&nodes, prefix, readonly);
                    let locks = drive || !nodes.get(prefix).is_some_and(|node| node.unlocked);
                    let layered = step == "file" && layered(outer);
                    image(value, property, readonly, locks, layered, found);
                }
                Meaning::Opens(kind, letters) => {
                    found.opens(property, value, row.opening(kind, letters));
                }
                Meaning::Never(why) => {
                    found.push(property, value, Access::Never(why));
                }
            }
        }
        // A node that another word describes.
        if leaf == "file" && layered(prefix) {
            found.push(property, value, Access::Never(Why::Layers));
        }
        let remote = is_node(prefix) && own.or(driver(outer)).is_some_and(is_pathless);
        if !any && value.starts_with('/') && !remote {
            found.unclear(property, value, UNKNOWN);
        }
    }
}

/// Whether each step is what a driver calls a child of its own; quorum's have numbers. QEMU refuses
/// all others.
fn is_node(prefix: &str) -> bool {
    prefix.is_empty()
        || prefix.split('.').all(|step| {
            CHILDREN.contains(&step)
                || !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// What is said of block nodes, by the prefix of their keys.
#[derive(Default)]
struct Nodes<'a> {
    all: Vec<Node<'a>>,
    index: BTreeMap<&'a str, usize>,
}

impl<'a> Nodes<'a> {
    #[inline(never)]
    fn get(&self, prefix: &str) -> Option<&Node<'a>> {
        self.all.get(*self.index.get(prefix)?)
    }

    /// Of this prefix, made where there is none yet.
    #[inline(never)]
    fn at(&mut self, prefix: &'a str) -> Option<&mut Node<'a>> {
        let new = self.all.len();
        let index = *self.index.get(prefix).unwrap_or(&new);
        if index == new {
            self.index.insert(prefix, new);
            self.all.push(Node::default());
        }
        self.all.get_mut(index)
    }
}

/// What is said of one block node.
#[derive(Default)]
struct Node<'a> {
    driver: Option<&'a str>,
    readonly: Option<bool>,
    unlocked: bool,
    /// Its backing node is named, or it has none.
    backed: bool,
}

/// Whether QEMU opens what the header of an image of this format names (bdrv_open_backing_file,
/// qcow2_do_open, vmdk_parse_extents); it looks for the format where none is given.
pub fn is_layered(driver: Option<&str>) -> bool {
    driver.is_none_or(|driver| among(driver, "qcow2 qcow qed vmdk"))
}

/// Whether a node is only read: what it says itself, or the nearest above it that says something;
/// a backing file is, where nothing is said below (bdrv_inherited_options).
fn is_readonly(nodes: &Nodes, prefix: &str, otherwise: bool) -> bool {
    let mut at = prefix;
    loop {
        if let Some(readonly) = nodes.get(at).and_then(|node| node.readonly) {
            return readonly;
        }
        if at.is_empty() {
            return otherwise;
        }
        let (outer, step) = split(at);
        if step == "backing" {
            return true;
        }
        at = outer;
    }
}

/// The keys above the last, and the last.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}
