//! The keys of -fsdev and -virtfs: whether they belong there, and how often.

use std::collections::BTreeMap;

use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::fix::{Replacement, meant};
use crate::lint::keys::{Occurrence, misspelt, repeated};
use crate::lint::{Context, enough};
use crate::ordered;
use crate::qemu::command_line::Fsdev;
use crate::qemu::device_properties::virtio_9p_property;
use crate::qemu::fsdev_keys::{KEYS, fsdev_key};
use crate::qemu::option_string::{Form, Opt};
use crate::text::quoted;
use crate::version::Version;

use super::values::value;

/// Whether a key stands in the word of a -virtfs; one that -set adds goes to the fsdev behind it.
pub fn in_virtfs(fsdev: &Fsdev, opt: &Opt) -> bool {
    fsdev.virtfs && opt.arg == fsdev.arg
}

/// Whether a key belongs to this driver: `Some(true)` always, `None` in some versions.
pub fn key_belongs(
    context: Context,
    virtfs: bool,
    driver: Option<&str>,
    key: &str,
) -> Option<bool> {
    match fsdev_key(key) {
        Some(key) => key.belongs(virtfs, driver, context.assume.qemu),
        // A driver that is not known is said already; its keys are worth no other word.
        None => Some(driver.is_none()),
    }
}

/// Finds keys that QEMU does not take, or takes once only.
pub fn keys(context: Context, fsdev: &Fsdev, driver: Option<&str>, findings: &mut Vec<Finding>) {
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
                findings.push(repeated(&opt.key, &occurrence(opt), &occurrence(earlier)));
            }
            continue;
        }
        let option = if fsdev.virtfs { "-virtfs" } else { "-fsdev" };
        // Not one that is there already; but -set is for what there is.
        let known = |key: &str| {
            (opt.arg != fsdev.arg || !all.contains(key))
                && key_belongs(context, virtfs, driver, key) == Some(true)
        };
        let finding = key_unknown(context, belongs, option, opt, known);
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

/// What is said of a key that does not belong; `known` tells which others would.
pub fn key_unknown(
    context: Context,
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
    // As in YAML.
    let pair = opt.key.split_once(':').filter(|_| opt.form == Form::Flag);
    let name = pair.map_or(&*opt.key, |(name, _)| name);
    let finding = match (closest(name, known), pair) {
        (Some(near), Some((_, value))) => finding
            .about(Key::Meant(near))
            .write(place, format!("{near}={}", value.trim_start())),
        (Some(near), None) => {
            let finding = misspelt(finding, near, (opt.form != Form::Flag).then_some(place));
            if name.trim() == near {
                finding.help(format!(
                    "remove the blank, which QEMU takes for a part of the key: `{near}`"
                ))
            } else {
                finding
            }
        }
        (None, _) if option == "-fsdev" && virtio_9p_property(name).is_some() => {
            finding.help("write it into the `-device`")
        }
        (None, _) if MOUNT_OPTIONS.contains(&name) => {
            finding.help("remove it: it is for `mount -o` in the guest")
        }
        (None, _) => finding.help(match later(context, name) {
            Some((key, since)) if key == name => {
                format!("remove it: QEMU has `{key}` since {since}")
            }
            Some((key, since)) => format!(
                "did you mean `{key}`? QEMU has it since {since}: remove it, or use that QEMU"
            ),
            None => "remove it, or check its spelling".to_owned(),
        }),
    };
    Some(finding)
}

/// The key that was meant, where this QEMU is too old to have it, and the first that has.
fn later(context: Context, name: &str) -> Option<(&'static str, Version)> {
    let first = |key: &str| {
        let key = fsdev_key(key)?.qemu;
        key.first()
            .filter(|_| key.has(context.assume.qemu) == Some(false))
    };
    let key = closest(name, |key| first(key).is_some())?;
    Some((key, first(key)?))
}

/// Options of Linux's mount that guides show beside the share (fs/9p/v9fs.c).
const MOUNT_OPTIONS: [&str; 5] = ["msize", "trans", "version", "cache", "access"];

/// The known key that was meant.
fn closest(key: &str, known: impl Fn(&str) -> bool) -> Option<&'static str> {
    let plain = key.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let renamed = match plain.as_str() {
        "fmask" | "filemode" => Some("fmode"),
        "dmask" | "dirmode" => Some("dmode"),
        "ro" => Some("readonly"),
        "source" | "dir" => Some("path"),
        "secmodel" | "security" | "model" | "accessmode" => Some("security_model"),
        _ => None,
    };
    let keys = KEYS.iter().map(|key| key.name);
    renamed.filter(|key| known(key)).or_else(|| {
        meant(
            key,
            keys.filter(|key| known(key))
                .collect::<Vec<_>>()
                .into_iter(),
        )
    })
}

fn occurrence(opt: &Opt) -> Occurrence<'_> {
    Occurrence {
        arg: opt.arg,
        key: &opt.key_range,
        value: &opt.value_range,
    }
}
