//! -fsdev and -virtfs: id, driver, keys and values, security model, path.

mod driver;
mod keys;
mod values;

use std::collections::BTreeMap;

use crate::domain::Place;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::fix::Replacement;
use crate::lint::modes::{self, WrittenIn};
use crate::lint::{Context, enough, throttling};
use crate::qemu::argv::Stray;
use crate::qemu::command_line::{Fsdev, RawDevice, Set};
use crate::qemu::fsdev_keys::fsdev_key;
use crate::qemu::option_string::{self, Opt};
use crate::text::quoted;

/// Finds what is wrong with each -fsdev and -virtfs, and with -set on libvirt's.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    let mut lost = None;
    for (index, fsdev) in context.line.fsdevs.iter().enumerate() {
        if enough(findings) {
            return;
        }
        id(context, index, fsdev, findings);
        let driver = driver::driver(context, fsdev, findings);
        keys::keys(context, fsdev, driver, findings);
        match driver {
            Some("local") => local(context, fsdev, findings),
            Some("proxy") => driver::proxy(context, fsdev, findings),
            _ => {}
        }
        unused(context, fsdev, &mut lost, findings);
    }
    for set in context.line.sets.iter().filter(|set| set.group == "fsdev") {
        if enough(findings) {
            return;
        }
        native(context, set, findings);
    }
    for set in context.line.sets.iter().filter(|set| set.group == "virtfs") {
        if enough(findings) {
            return;
        }
        virtfs(context, set, findings);
    }
    for fsdev in native_sets(context) {
        throttling::check(&fsdev, findings);
    }
}

/// What -set adds to each of libvirt's own fsdevs, which has no limits by itself.
fn native_sets(context: Context) -> Vec<Fsdev> {
    let mut all: BTreeMap<&str, Vec<Opt>> = BTreeMap::new();
    for set in context.line.sets.iter().filter(|set| set.group == "fsdev") {
        all.entry(&set.id).or_default().push(set.opt.clone());
    }
    let fsdev = |opts: Vec<Opt>| Fsdev {
        arg: opts.last().map_or(0, |opt| opt.arg),
        virtfs: false,
        opts,
    };
    all.into_values().map(fsdev).collect()
}

/// A -set on an fsdev of libvirt's own: it counts like a key at the end of it.
fn native(context: Context, set: &Set, findings: &mut Vec<Finding>) {
    let device = context
        .index
        .native(&set.id)
        .and_then(|index| context.domain.devices.get(index));
    let Some(fs) = device.and_then(|device| device.filesystem.as_ref()) else {
        return;
    };
    let last = |key: &str| context.index.set(&set.id, key);
    let belongs = keys::key_belongs(context, false, Some("local"), &set.opt.key);
    if belongs != Some(true) {
        let known = |key: &str| keys::key_belongs(context, false, Some("local"), key) == Some(true);
        findings.extend(keys::key_unknown(
            context, belongs, "-fsdev", &set.opt, known,
        ));
        return;
    }
    values::value(&set.opt, findings);
    if last(&set.opt.key).is_some_and(|last| std::ptr::eq(last, set)) {
        match set.opt.key.as_str() {
            "security_model" => findings.extend(values::wrong_model(&set.opt)),
            "multidevs" => findings.extend(values::multidevs(&set.opt)),
            "path" if set.opt.value.is_empty() && context.index.is_used_id(&set.id) => {
                findings.push(empty_path(&set.opt));
            }
            "fsdriver" if set.opt.value != "local" => findings.push(
                Finding::error(
                    Code::FsdriverUnknown,
                    at(&set.opt),
                    format!(
                        "libvirt gives this fsdev a path and a security model, which fsdriver {} does not take: \
                         QEMU refuses to start",
                        quoted(&set.opt.value)
                    ),
                )
                .help("leave it `local`"),
            ),
            _ => {}
        }
    }
    let model = match (last("security_model"), fs.access.as_str()) {
        (Some(set), _) => set.opt.value.as_str(),
        (None, "mapped") => "mapped",
        (None, "squash") => "none",
        (None, _) => "passthrough",
    };
    for key in modes::KEYS {
        if set.opt.key == key.name {
            modes::check(
                context,
                WrittenIn::Fsdev,
                key,
                &[&set.opt],
                Some(model),
                findings,
            );
        }
    }
}

/// A -set on a -virtfs: QEMU has made an fsdev and a device of it by then, so it looks at the key
/// and the value and nothing comes of them (vl.c).
fn virtfs(context: Context, set: &Set, findings: &mut Vec<Finding>) {
    let taken = |key: &str| {
        let key = fsdev_key(key)?;
        key.belongs(true, None, context.assume.qemu)
    };
    let belongs = taken(&set.opt.key).or(fsdev_key(&set.opt.key).is_none().then_some(false));
    if belongs != Some(true) {
        let known = |key: &str| taken(key) == Some(true);
        let unknown = keys::key_unknown(context, belongs, "-virtfs", &set.opt, known);
        findings.extend(unknown);
        return;
    }
    let before = findings.len();
    values::value(&set.opt, findings);
    for key in modes::KEYS
        .into_iter()
        .filter(|key| set.opt.key == key.name)
    {
        modes::check(context, WrittenIn::Virtfs, key, &[&set.opt], None, findings);
    }
    if findings.len() == before {
        findings.push(
            Finding::warning(
                Code::SetInvalid,
                Place::Arg(set.opt.arg, set.opt.key_range.start..set.opt.value_range.end),
                "this changes nothing: QEMU has made the share of the -virtfs before it reads a -set",
            )
            .help("write it into the -virtfs itself"),
        );
    }
}

fn at(opt: &Opt) -> Place {
    Place::Arg(opt.arg, opt.value_range.clone())
}

fn id(context: Context, index: usize, fsdev: &Fsdev, findings: &mut Vec<Finding>) {
    let Some(id) = fsdev.id() else {
        // A -virtfs without id and tag lacks the tag, said there.
        if !fsdev.virtfs {
            findings.push(
                Finding::error(
                    Code::IdMissing,
                    whole_argument(context, fsdev.arg),
                    "this -fsdev has no `id`: no device could name it, and QEMU refuses to start",
                )
                .help("add id=NAME here, and fsdev=NAME in the device")
                .about(Key::Lacks("id")),
            );
        }
        return;
    };
    if !option_string::id_is_well_formed(&id.value) {
        let finding = Finding::error(
            Code::IdInvalid,
            at(id),
            format!(
                "{} is no id: QEMU wants a letter, then letters, digits, `-`, `.` or `_`, and refuses to start",
                quoted(&id.value)
            ),
        );
        findings.push(renamed(
            finding,
            context.renames.fsdev(index, fsdev),
            "choose such a name, for example id=share1",
        ));
        return;
    }
    let native = context
        .index
        .native(&id.value)
        .and_then(|index| context.domain.devices.get(index))
        .filter(|device| device.is_9p());
    let first = context
        .index
        .fsdev(&id.value)
        .filter(|first| *first != index);
    let first = first.and_then(|first| context.line.fsdevs.get(first)?.id());
    let (owner, other) = match (first, native) {
        (Some(first), _) => ("another raw fsdev has", at(first)),
        (None, Some(native)) => (
            "libvirt gives to one of its <filesystem> elements",
            Place::Xml(native.tag),
        ),
        (None, None) => return,
    };
    let finding = Finding::error(
        Code::IdDuplicate,
        at(id),
        format!(
            "{} is the id that {owner}: QEMU refuses to start with \"Duplicate ID\"",
            quoted(&id.value)
        ),
    )
    .with(other, "this has it");
    findings.push(renamed(
        finding,
        context.renames.fsdev(index, fsdev),
        "choose another id, here and in the device's fsdev=",
    ));
}

/// With these edits as its fix and help, or this help where there are none.
pub fn renamed(finding: Finding, edits: Option<Vec<Replacement>>, help: &str) -> Finding {
    let Some(edits) = edits else {
        return finding.help(help);
    };
    let new = edits.first().map_or("", |edit| &edit.text);
    let new = quoted(new.trim_start_matches(",id="));
    let help = match edits.len() {
        1 => format!("call it {new}"),
        _ => format!("call it {new}, here and in the device's fsdev="),
    };
    finding.fix(edits).help(help)
}

fn local(context: Context, fsdev: &Fsdev, findings: &mut Vec<Finding>) {
    let model = values::security_model(context, fsdev, findings);
    if let Some(path) = fsdev.last("path") {
        if path.value.is_empty() && context.index.is_used(fsdev) {
            findings.push(empty_path(path));
        }
    } else {
        findings.push(
            Finding::error(
                Code::PathUnset,
                whole_argument(context, fsdev.arg),
                "no `path` is given: QEMU refuses to start",
            )
            .help("add path=/the/directory")
            .about(Key::Lacks("path")),
        );
    }
    findings.extend(fsdev.last("multidevs").and_then(values::multidevs));
    throttling::check(fsdev, findings);
    for key in modes::KEYS {
        let all = fsdev.opts.iter().filter(|opt| opt.key == key.name);
        let (lost, kept): (Vec<&Opt>, Vec<&Opt>) = all.partition(|opt| keys::in_virtfs(fsdev, opt));
        if lost.is_empty()
            && kept.is_empty()
            && model.is_some_and(|model| model.starts_with("mapped"))
        {
            let whole = whole_argument(context, fsdev.arg);
            findings.push(modes::absent(key, whole, fsdev.virtfs));
        }
        modes::check(context, WrittenIn::Virtfs, key, &lost, model, findings);
        let host = if fsdev.readonly() {
            WrittenIn::ReadOnly
        } else {
            WrittenIn::Fsdev
        };
        modes::check(context, host, key, &kept, model, findings);
    }
}

/// The path of an fsdev that a device uses.
fn empty_path(path: &Opt) -> Finding {
    let text = "`path` is empty: QEMU refuses to start with \"failed to open ''\"";
    Finding::error(Code::PathUnset, at(path), text).help("write path=/the/directory")
}

/// Whether a device is there that cannot be read, or names no fsdev that is: what is wrong with it
/// is said there, and it may be the one.
fn has_lost_device(context: Context) -> bool {
    let lost = |device: &RawDevice| {
        let named = device.text("fsdev");
        let there = |id: &str| context.index.fsdev(id).or(context.index.native(id));
        device.is_9p() && named.and_then(there).is_none()
    };
    let stray = |stray: &Stray| !matches!(stray, Stray::Image(_) | Stray::Removed(_));
    !context.line.broken_json.is_empty()
        || context.line.strays.iter().any(stray)
        || context.line.devices.iter().any(lost)
}

/// `lost` is whether there is a device that may be the one, once that has been asked.
fn unused(context: Context, fsdev: &Fsdev, lost: &mut Option<bool>, findings: &mut Vec<Finding>) {
    let Some(id) = fsdev.id() else { return };
    if context.index.is_used(fsdev) || fsdev.virtfs {
        return;
    }
    if *lost.get_or_insert_with(|| has_lost_device(context)) {
        return;
    }
    findings.push(
        Finding::warning(
            Code::FsdevUnused,
            at(id),
            format!(
                "no device uses fsdev {}: QEMU does not open the directory, the guest sees no share, and \
                 nothing is granted for it",
                quoted(&id.value)
            ),
        )
        .help(format!(
            "add <qemu:arg value='-device'/> and <qemu:arg value='virtio-9p-pci,fsdev={},mount_tag=TAG,bus=…,addr=…'/>; \
             for a device_add later, its rules have to be in the profile by then",
            id.value
        )),
    );
}
