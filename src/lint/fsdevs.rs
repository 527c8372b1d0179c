//! -fsdev and -virtfs: id, driver, keys and values, security model, path.

use std::collections::BTreeMap;

use crate::domain::Place;
use crate::lint::arguments::{self, whole_argument};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::{Replacement, meant, switch, unquoted};
use crate::lint::modes::{self, Host};
use crate::lint::{Context, enough, throttling};
use crate::ordered;
use crate::qemu::command_line::{Fsdev, LOCAL_KEYS, Set};
use crate::qemu::numbers::{OptionNumber, option_number};
use crate::qemu::option_string::{self, Form, Opt};
use crate::text::quoted;
use crate::version::Version;

/// The first QEMU without the proxy.
const NO_PROXY: Version = Version(9, 2, 0);

/// Finds what is wrong with each -fsdev and -virtfs, and with -set on libvirt's.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    for (index, fsdev) in context.line.fsdevs.iter().enumerate() {
        if enough(findings) {
            return;
        }
        id(context, index, fsdev, findings);
        let driver = driver(context, fsdev, findings);
        keys(context, fsdev, driver, findings);
        match driver {
            Some("local") => local(context, fsdev, findings),
            // Where it is gone, that is said already.
            Some("proxy") if context.assume.qemu.is_none_or(|qemu| qemu < NO_PROXY) => {
                proxy(context, fsdev, findings);
            }
            _ => {}
        }
        unused(context, fsdev, findings);
    }
    for set in context.line.sets.iter().filter(|set| set.group == "fsdev") {
        if enough(findings) {
            return;
        }
        native(context, set, findings);
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
    let belongs = key_belongs(context, false, Some("local"), &set.opt.key);
    if belongs != Some(true) {
        let known = |key: &str| key_belongs(context, false, Some("local"), key) == Some(true);
        findings.extend(key_unknown(belongs, "-fsdev", &set.opt, known));
        return;
    }
    value(&set.opt, findings);
    if last(&set.opt.key).is_some_and(|last| std::ptr::eq(last, set)) {
        match set.opt.key.as_str() {
            "security_model" => findings.extend(wrong_model(&set.opt)),
            "multidevs" => findings.extend(multidevs(&set.opt)),
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
                Host::Fsdev,
                key,
                &[&set.opt],
                Some(model),
                findings,
            );
        }
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
                .help("add id=NAME here, and fsdev=NAME in the device"),
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

/// The fsdriver, when QEMU has it.
fn driver<'f>(context: Context, fsdev: &'f Fsdev, findings: &mut Vec<Finding>) -> Option<&'f str> {
    let Some(opt) = fsdev.last("fsdriver") else {
        findings.push(
            Finding::error(
                Code::FsdriverUnknown,
                whole_argument(context, fsdev.arg),
                "no fsdriver is given: QEMU refuses to start",
            )
            .help("begin the argument with `local,`"),
        );
        return None;
    };
    let removed = |gone: Version| context.assume.qemu.map(|qemu| qemu >= gone);
    let (certain, what) = match opt.value.as_str() {
        "local" | "synth" => return Some(&opt.value),
        "proxy" => (removed(NO_PROXY), "was removed from QEMU 9.2"),
        "handle" => (removed(Version(4, 0, 0)), "was removed from QEMU 4.0"),
        _ => (Some(true), "is none that QEMU has"),
    };
    let found = Finding::error_if(
        certain,
        Code::FsdriverUnknown,
        at(opt),
        format!(
            "fsdriver {} {what}: it refuses to start",
            quoted(&opt.value)
        ),
    );
    let whole = context
        .domain
        .args
        .get(opt.arg)
        .and_then(|arg| unquoted(&arg.value));
    findings.extend(found.map(|finding| {
        match (whole, meant(&opt.value, ["local", "synth"].into_iter())) {
            (Some(plain), _) if opt.form == Form::Implied => {
                finding.write(arguments::whole_argument(context, opt.arg), plain)
            }
            (_, Some(driver)) => finding.write(at(opt), driver),
            _ => finding.help("write `local` to share a directory of the host"),
        }
    }));
    Some(opt.value.as_str()).filter(|driver| *driver == "proxy")
}

/// Whether a key stands in the word of a -virtfs; one that -set adds goes to the fsdev behind it.
fn in_virtfs(fsdev: &Fsdev, opt: &Opt) -> bool {
    fsdev.virtfs && opt.arg == fsdev.arg
}

/// Whether a key belongs to this driver: `Some(true)` always, `None` in some versions.
fn key_belongs(context: Context, virtfs: bool, driver: Option<&str>, key: &str) -> Option<bool> {
    let qemu = context.assume.qemu;
    match key {
        "fsdriver" | "id" | "readonly" => return Some(true),
        "mount_tag" => return Some(virtfs),
        // -virtfs reads them and forgets them, whatever the driver (vl.c).
        "fmode" | "dmode" if virtfs => return Some(true),
        // In Debian's 10.0.13 and 11.1.3, but not in 10.2.2 (facts Q2).
        "max_xattr" if driver != Some("proxy") => {
            return match qemu {
                Some(v) if v < Version(10, 0, 0) => Some(false),
                Some(v) if v >= Version(11, 0, 0) => Some(true),
                Some(Version(10, 0, micro)) if micro >= 13 => Some(true),
                _ => None,
            };
        }
        // Canonical's QEMU has them.
        "uid_map" | "gid_map" if driver == Some("local") => return None,
        _ => {}
    }
    if throttling::is_key(key) {
        return Some(driver == Some("local") && !virtfs);
    }
    let mine = match driver {
        Some("local") => [
            "path",
            "security_model",
            "writeout",
            "fmode",
            "dmode",
            "multidevs",
        ]
        .contains(&key),
        Some("proxy") => ["writeout", "socket", "sock_fd"].contains(&key),
        Some(_) => false,
        // An unknown driver is said already; only keys that none has are worth another word.
        None => return Some(true),
    };
    if mine && key == "multidevs" && qemu.is_some_and(|v| v < Version(4, 2, 0)) {
        return Some(false);
    }
    Some(mine)
}

fn keys(context: Context, fsdev: &Fsdev, driver: Option<&str>, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &Opt> = BTreeMap::new();
    let all = ordered::set(fsdev.opts.iter().map(|opt| opt.key.as_str()));
    // Whether what stands before is the path, or what was cut off it.
    let mut in_path = false;
    for opt in &fsdev.opts {
        if enough(findings) {
            return;
        }
        let virtfs = in_virtfs(fsdev, opt);
        let belongs = key_belongs(context, virtfs, driver, &opt.key);
        if belongs == Some(true) {
            in_path = opt.key == "path" && opt.form == Form::Pair && opt.arg == fsdev.arg;
            value(opt, findings);
            let earlier = seen.insert(&opt.key, opt);
            if let Some(earlier) = earlier.filter(|_| opt.arg == fsdev.arg) {
                findings.push(repeated(opt, earlier));
            }
            continue;
        }
        let option = if fsdev.virtfs { "-virtfs" } else { "-fsdev" };
        // Not one that is there already.
        let known = |key: &str| {
            !all.contains(key) && key_belongs(context, virtfs, driver, key) == Some(true)
        };
        let finding = key_unknown(belongs, option, opt, known);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_path = opt.form == Form::Flag || !opt.key.chars().all(is_name);
        in_path &= is_path && opt.arg == fsdev.arg;
        findings.extend(finding.map(|finding| {
            if !in_path || !finding.fix.is_empty() {
                return finding;
            }
            let comma = opt.key_range.start.saturating_sub(1)..opt.key_range.start;
            let edit = Replacement::new(Place::Arg(opt.arg, comma), ",,");
            finding
                .fix([edit])
                .help("if it is a part of the path, write the comma before it twice: `,,`")
        }));
    }
}

fn key_unknown(
    belongs: Option<bool>,
    option: &str,
    opt: &Opt,
    known: impl Fn(&str) -> bool,
) -> Option<Finding> {
    let place = Place::Arg(opt.arg, opt.key_range.clone());
    let finding = Finding::error_if(
        belongs.map(|belongs| !belongs),
        Code::KeyUnknown,
        place.clone(),
        format!(
            "{} is no key that {option} takes here: QEMU refuses to start",
            quoted(&opt.key)
        ),
    )?;
    Some(match closest(&opt.key, known) {
        Some(near) if opt.form != Form::Flag => {
            let edit = Replacement::new(place, near);
            finding.fix([edit]).help(format!("did you mean `{near}`?"))
        }
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("remove it, or check its spelling"),
    })
}

/// The known key that was meant.
fn closest(key: &str, known: impl Fn(&str) -> bool) -> Option<&'static str> {
    let plain = key.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let renamed = match plain.as_str() {
        "fmask" | "filemode" => Some("fmode"),
        "dmask" | "dirmode" => Some("dmode"),
        "ro" => Some("readonly"),
        "source" | "dir" => Some("path"),
        _ => None,
    };
    let keys = LOCAL_KEYS.into_iter().chain(["mount_tag"]);
    renamed.filter(|key| known(key)).or_else(|| {
        meant(
            key,
            keys.filter(|key| known(key))
                .collect::<Vec<_>>()
                .into_iter(),
        )
    })
}

fn repeated(opt: &Opt, earlier: &Opt) -> Finding {
    let (counts, other) = if opt.key == "id" {
        ("first", "this one counts")
    } else {
        ("last", "this one does not count")
    };
    let whole = |opt: &Opt| Place::Arg(opt.arg, opt.key_range.start..opt.value_range.end);
    Finding::warning(
        Code::KeyRepeated,
        whole(opt),
        format!(
            "`{}` stands here more than once; QEMU takes the {counts}",
            opt.key
        ),
    )
    .help("keep the one you mean")
    .with(whole(earlier), other)
}

/// Values that QEMU checks in every occurrence, modes left out.
fn value(opt: &Opt, findings: &mut Vec<Finding>) {
    let number = matches!(option_number(&opt.value), OptionNumber::Number(_));
    let wanted = match opt.key.as_str() {
        "readonly" if option_string::boolean(&opt.value).is_none() => "on or off",
        "max_xattr"
            if !matches!(
                option_number(&opt.value),
                OptionNumber::Number(0..=0xffff_ffff)
            ) =>
        {
            "a number below 4294967296"
        }
        "sock_fd" if !number => "a number",
        key if throttling::is_key(key) && !number => "a plain number, without a unit",
        _ => return,
    };
    let finding = Finding::error(
        Code::ValueInvalid,
        at(opt),
        format!(
            "`{}` wants {wanted}, not {}: QEMU refuses to start",
            opt.key,
            quoted(&opt.value)
        ),
    );
    findings.push(match (opt.key.as_str(), switch(&opt.value)) {
        ("readonly", Some(on)) => finding.write(at(opt), if on { "on" } else { "off" }),
        ("readonly", None) => finding.help("write `readonly=on` or `readonly=off`"),
        (key, _) => finding.help(format!("write `{key}=` and {wanted}")),
    });
}

fn local(context: Context, fsdev: &Fsdev, findings: &mut Vec<Finding>) {
    let model = security_model(context, fsdev, findings);
    if fsdev.last("path").is_none() {
        findings.push(
            Finding::error(
                Code::PathUnset,
                whole_argument(context, fsdev.arg),
                "no `path` is given: QEMU refuses to start",
            )
            .help("add path=/the/directory"),
        );
    }
    findings.extend(fsdev.last("multidevs").and_then(multidevs));
    throttling::check(fsdev, findings);
    for key in modes::KEYS {
        let all = fsdev.opts.iter().filter(|opt| opt.key == key.name);
        let (lost, kept): (Vec<&Opt>, Vec<&Opt>) = all.partition(|opt| in_virtfs(fsdev, opt));
        if lost.is_empty()
            && kept.is_empty()
            && model.is_some_and(|model| model.starts_with("mapped"))
        {
            findings.push(modes::absent(key, whole_argument(context, fsdev.arg)));
        }
        modes::check(context, Host::Virtfs, key, &lost, model, findings);
        let host = if fsdev.readonly() {
            Host::ReadOnly
        } else {
            Host::Fsdev
        };
        modes::check(context, host, key, &kept, model, findings);
    }
}

/// A proxy is reached through a socket, or a file that is open already.
fn proxy(context: Context, fsdev: &Fsdev, findings: &mut Vec<Finding>) {
    let error = |place, message: &str| Finding::error(Code::ProxySocket, place, message);
    match (fsdev.last("socket"), fsdev.last("sock_fd")) {
        (None, None) => findings.push(
            error(
                whole_argument(context, fsdev.arg),
                "neither `socket` nor `sock_fd` is given: QEMU refuses to start",
            )
            .help("share the directory itself, with fsdriver `local`"),
        ),
        (Some(_), Some(both)) => findings.push(
            error(
                at(both),
                "`socket` and `sock_fd` are both given: QEMU refuses to start",
            )
            .help("leave one of them out"),
        ),
        (None, Some(number)) if context.index.is_used(fsdev) => findings.push(
            error(
                at(number),
                "libvirt hands no socket of yours to QEMU, so there is none of this number: QEMU refuses to start",
            )
            .help("share the directory itself, with fsdriver `local`"),
        ),
        (Some(socket), None) if context.index.is_used(fsdev) => findings.push(
            Finding::warning(
                Code::ProxySocket,
                at(socket),
                format!(
                    "virt-9p opens no sockets: the server behind {} runs as root and opens what it likes, so which \
                     directory the guest gets cannot be told. Under AppArmor QEMU refuses to start with \"Permission \
                     denied\", unless a rule of yours opens it",
                    quoted(&socket.value)
                ),
            )
            .help("share the directory itself, with fsdriver `local`"),
        ),
        (None, Some(_)) | (Some(_), None) => {}
    }
}

fn multidevs(opt: &Opt) -> Option<Finding> {
    if matches!(opt.value.as_str(), "remap" | "forbid" | "warn") {
        return None;
    }
    let text = format!(
        "`multidevs` wants remap, forbid or warn, not {}: QEMU refuses to start",
        quoted(&opt.value)
    );
    let finding = Finding::error(Code::ValueInvalid, at(opt), text);
    Some(
        match meant(&opt.value, ["remap", "forbid", "warn"].into_iter()) {
            Some(near) => finding.write(at(opt), near),
            None => finding.help("write `multidevs=remap`, or leave it out"),
        },
    )
}

const MODEL_HELP: &str = "write security_model=mapped (or mapped-file, passthrough, none)";

fn security_model<'f>(
    context: Context,
    fsdev: &'f Fsdev,
    findings: &mut Vec<Finding>,
) -> Option<&'f str> {
    let Some(opt) = fsdev.last("security_model") else {
        findings.push(
            Finding::error(
                Code::SecurityModel,
                whole_argument(context, fsdev.arg),
                "no `security_model` is given: QEMU refuses to start",
            )
            .help(MODEL_HELP),
        );
        return None;
    };
    let wrong = wrong_model(opt);
    let good = wrong.is_none();
    findings.extend(wrong);
    good.then_some(opt.value.as_str())
}

fn wrong_model(opt: &Opt) -> Option<Finding> {
    const MODELS: [&str; 5] = [
        "passthrough",
        "mapped",
        "mapped-xattr",
        "mapped-file",
        "none",
    ];
    if MODELS.contains(&opt.value.as_str()) {
        return None;
    }
    let written = if opt.form == Form::Flag {
        &opt.key
    } else {
        &opt.value
    };
    let text = format!(
        "{} is no security model: QEMU refuses to start",
        quoted(written)
    );
    let finding = Finding::error(Code::SecurityModel, at(opt), text);
    Some(match meant(&opt.value, MODELS.into_iter()) {
        Some(near) if opt.form != Form::Flag => finding.write(at(opt), near),
        _ => finding.help(MODEL_HELP),
    })
}

fn unused(context: Context, fsdev: &Fsdev, findings: &mut Vec<Finding>) {
    let Some(id) = fsdev.id() else { return };
    let used = context.index.is_used(fsdev);
    // A device that cannot be read may be the one.
    if used || fsdev.virtfs || !context.line.broken_json.is_empty() {
        return;
    }
    findings.push(
        Finding::warning(
            Code::FsdevUnused,
            at(id),
            format!(
                "no device uses fsdev {}: QEMU never opens the directory, and the guest sees no share",
                quoted(&id.value)
            ),
        )
        .help(format!(
            "add <qemu:arg value='-device'/> and <qemu:arg value='virtio-9p-pci,fsdev={},mount_tag=TAG,bus=…,addr=…'/>",
            id.value
        )),
    );
}
