//! Domains whose raw shares were right until somebody slipped: what was meant is known.

use super::topology;
use super::{Case, Dialect, chance, doubled, pick};
use crate::shares::{self, Shares};
use fastrand::Rng;
use std::collections::BTreeSet;

/// A domain with faults.
#[derive(Debug, Clone)]
pub struct Broken {
    /// As it is.
    pub case: Case,
    /// The raw words that were meant.
    pub meant: Vec<String>,
    /// What was done to them.
    pub faults: Vec<&'static str>,
    /// Whether each of these has one right answer.
    pub is_clear: bool,
}

/// A share while it is drawn: its four words.
#[derive(Debug, Clone)]
struct Pair {
    fsdev: [String; 2],
    device: [String; 2],
}

impl Pair {
    fn words(&self) -> Vec<String> {
        self.fsdev.iter().chain(&self.device).cloned().collect()
    }

    fn is_json(&self) -> bool {
        self.device[1].starts_with('{')
    }

    /// Replaces a part of the -fsdev; whether it was there.
    fn in_fsdev(&mut self, from: &str, to: &str) -> bool {
        replace(&mut self.fsdev[1], from, to)
    }

    fn in_device(&mut self, from: &str, to: &str) -> bool {
        replace(&mut self.device[1], from, to)
    }
}

fn replace(word: &mut String, from: &str, to: &str) -> bool {
    let there = word.contains(from);
    *word = word.replacen(from, to, 1);
    there
}

/// A fault with one right answer; `false` where it does not fit this share.
type Fault = (&'static str, fn(&mut Rng, &Ground, &mut Pair) -> bool);

/// What is around the shares.
struct Ground {
    bus: &'static str,
    other_bus: &'static str,
    /// Slots of the root bus that somebody has.
    taken: BTreeSet<u8>,
    /// A bus that libvirt creates, with a slot where nobody is.
    behind: Option<(String, &'static str)>,
    dialect: Dialect,
}

const CLEAR: &[Fault] = &[
    ("a mode without its 0", |_, _, pair| {
        pair.in_fsdev("fmode=0", "fmode=")
    }),
    ("a mode as other languages write it", |rng, _, pair| {
        let prefix = pick(rng, &["0o", "01", " 0", "+0"]);
        pair.in_fsdev("dmode=0", &format!("dmode={prefix}"))
    }),
    ("a mode in another base", |rng, _, pair| {
        let (mode, text) = pick(
            rng,
            &[("0644", "420"), ("0644", "0x1a4"), ("0660", "0x1B0")],
        );
        pair.in_fsdev(&format!("fmode={mode}"), &format!("fmode={text}"))
    }),
    ("a mode without its owner", |_, _, pair| {
        pair.in_fsdev("fmode=06", "fmode=00")
    }),
    ("a mode in quotes", |_, _, pair| {
        pair.in_fsdev("fmode=0644", "fmode=\"0644\"")
    }),
    ("a key with a slip", |rng, _, pair| {
        let (from, to) = pick(
            rng,
            &[
                (",fmode=", ",fmoed="),
                (",fmode=", ",Fmode="),
                (",dmode=", ",dmodee="),
                (",security_model=", ",security-model="),
                (",security_model=", ",securty_model="),
                (",path=", ",pth="),
                (",readonly=", ",read-only="),
                (",readonly=", ",raedonly="),
            ],
        );
        pair.in_fsdev(from, to)
    }),
    ("a value with a slip", |rng, _, pair| {
        let (from, to) = pick(
            rng,
            &[
                ("=mapped,", "=maped,"),
                ("=mapped,", "=Mapped,"),
                ("=mapped,", "='mapped',"),
                ("=mapped-file,", "=mapped_file,"),
                ("=passthrough,", "=pass-through,"),
                ("local,", "Local,"),
                ("local,", "lcoal,"),
                ("readonly=on", "readonly=1"),
                ("readonly=on", "readonly=ON"),
            ],
        );
        pair.in_fsdev(from, to)
    }),
    ("a comma in the path", |_, _, pair| pair.in_fsdev(",,", ",")),
    ("a path in quotes", |rng, _, pair| {
        let quote = pick(rng, &["'", "\""]);
        let Some((before, path, after)) = path_of(&pair.fsdev[1]) else {
            return false;
        };
        pair.fsdev[1] = format!("{before}{quote}{path}{quote}{after}");
        true
    }),
    ("an argument in quotes", |rng, _, pair| {
        let word = match rng.bool() {
            true => &mut pair.fsdev[1],
            false => &mut pair.device[1],
        };
        *word = format!("'{word}'");
        true
    }),
    ("an option with a slip", |rng, _, pair| {
        pair.fsdev[0] =
            pick(rng, &["---fsdev", "-Fsdev", "-fsde", "-fsdve", "'-fsdev'"]).to_owned();
        true
    }),
    ("a -device with a slip", |rng, _, pair| {
        pair.device[0] = pick(rng, &["-devcie", "-Device", "---device", "-devices"]).to_owned();
        true
    }),
    ("an option and its argument in one word", |rng, _, pair| {
        let words = match rng.bool() {
            true => &mut pair.fsdev,
            false => &mut pair.device,
        };
        let by = pick(rng, &[" ", "="]);
        words[1] = format!("{}{by}{}", words[0], words[1]);
        words[0].clear();
        true
    }),
    ("an argument without its option", |_, _, pair| {
        pair.fsdev[0].clear();
        true
    }),
    ("an id that is none", |_, _, pair| {
        let id = value_of(&pair.fsdev[1], "id=");
        let bad = format!("9{id}");
        pair.in_fsdev(&format!("id={id}"), &format!("id={bad}"))
            && (pair.in_device(&format!("fsdev={id}"), &format!("fsdev={bad}"))
                || pair.in_device(
                    &format!("\"fsdev\":\"{id}\""),
                    &format!("\"fsdev\":\"{bad}\""),
                ))
    }),
    ("an fsdev that is called otherwise", |_, _, pair| {
        let id = value_of(&pair.fsdev[1], "id=");
        let slip = format!("{id}x");
        pair.in_device(&format!("fsdev={id}"), &format!("fsdev={slip}"))
    }),
    ("an address that somebody has", |rng, ground, pair| {
        let taken: Vec<u8> = ground.taken.iter().copied().collect();
        move_to(pair, &format!("0x{:x}", pick(rng, &taken)))
    }),
    ("a function of somebody's slot", |rng, ground, pair| {
        let taken: Vec<u8> = ground
            .taken
            .iter()
            .copied()
            .filter(|slot| *slot != 0x1f)
            .collect();
        move_to(pair, &format!("0x{:x}.0x5", pick(rng, &taken)))
    }),
    (
        "an address in decimal, or as lspci has it",
        |rng, _, pair| move_to(pair, pick(rng, &["25", "00:17.0", "'0x16'"])),
    ),
    ("a bus of another machine", |rng, ground, pair| {
        let bus = pick(rng, &[ground.other_bus, "pci.77", "pcie.7"]);
        let (from, to) = (ground.bus, bus);
        pair.in_device(&format!("bus={from},"), &format!("bus={to},"))
            || pair.in_device(&format!("\"bus\":\"{from}\""), &format!("\"bus\":\"{to}\""))
    }),
    ("text on a bus that comes later", |_, ground, pair| {
        let Some((bus, slot)) = &ground.behind else {
            return false;
        };
        let begin = format!("bus={},", ground.bus);
        ground.dialect == Dialect::Json
            && move_to(pair, slot)
            && pair.in_device(&begin, &format!("bus={bus},"))
    }),
    ("a driver with a slip", |rng, _, pair| {
        let slip = pick(
            rng,
            &[
                "virtio-9p-pic",
                "virtio-9p-device",
                "virtio_9p_pci",
                "virtio-9p-pcii",
            ],
        );
        pair.in_device("virtio-9p-pci", slip)
    }),
    ("a property with a slip", |rng, _, pair| {
        let slip = pick(rng, &["mount-tag", "mounttag", "moutn_tag", "MOUNT_TAG"]);
        pair.in_device("mount_tag", slip)
    }),
    ("a switch of another program", |rng, _, pair| {
        let slip = pick(rng, &["multifunction=1", "multifunction=ON"]);
        pair.in_device("multifunction=on", slip)
            || pair.in_device("\"multifunction\":true", "\"multifunction\":\"on\"")
    }),
];

/// Faults that somebody has to decide about.
const UNCLEAR: &[Fault] = &[
    ("no security model", |_, _, pair| {
        pair.in_fsdev("security_model=mapped,", "")
    }),
    ("no path", |_, _, pair| {
        let Some((before, _, after)) = path_of(&pair.fsdev[1]) else {
            return false;
        };
        let before = before.trim_end_matches("path=").to_owned();
        pair.fsdev[1] = format!("{before}{}", after.trim_start_matches(','));
        true
    }),
    ("no mount tag", |_, _, pair| {
        let tag = value_of(&pair.device[1], "mount_tag=");
        pair.in_device(&format!(",mount_tag={tag}"), "")
    }),
    ("a mount tag that is too long", |_, _, pair| {
        pair.in_device("tag-", "a-tag-of-more-than-thirty-one-bytes-")
    }),
    ("a mode without mapping", |_, _, pair| {
        pair.in_fsdev("security_model=mapped,", "security_model=none,")
    }),
    ("a key of something else", |_, _, pair| {
        pair.fsdev[1].push_str(",cache=none");
        true
    }),
    ("an option without its argument", |_, _, pair| {
        pair.fsdev[1].clear();
        true
    }),
];

fn move_to(pair: &mut Pair, at: &str) -> bool {
    let word = &mut pair.device[1];
    let (key, end) = match word.starts_with('{') {
        true => ("\"addr\":\"", '"'),
        false => ("addr=", ','),
    };
    let Some(start) = word.find(key).map(|at| at + key.len()) else {
        return false;
    };
    let length = word[start..].find(end).unwrap_or(word.len() - start);
    word.replace_range(start..start + length, at);
    true
}

fn value_of(word: &str, key: &str) -> String {
    let rest = word.split_once(key).map_or("", |(_, rest)| rest);
    rest.split([',', '"']).next().unwrap_or("").to_owned()
}

/// An -fsdev before its path, the path, and behind it.
fn path_of(word: &str) -> Option<(String, String, String)> {
    let start = word.find("path=")? + "path=".len();
    let length = word[start..].find(",security_model").unwrap_or(0);
    (length > 0).then(|| {
        (
            word[..start].to_owned(),
            word[start..start + length].to_owned(),
            word[start + length..].to_owned(),
        )
    })
}

/// A domain in which up to three things are wrong.
pub fn case(rng: &mut Rng, shares: &Shares) -> Broken {
    let mut case = topology::unmoved(rng, shares);
    // libvirt's side stays as it is, always valid.
    case.raw.clear();
    let mut ground = ground(&case);
    let mut pairs: Vec<Pair> = (0..rng.usize(1..4))
        .filter_map(|number| pair(rng, shares, &mut ground, number))
        .collect();
    let meant: Vec<String> = pairs.iter().flat_map(Pair::words).collect();

    let (mut faults, mut is_clear) = (Vec::new(), true);
    for _ in 0..rng.usize(1..4) {
        let clear = chance(rng, 88);
        let (name, apply) = pick(rng, if clear { CLEAR } else { UNCLEAR });
        let at = rng.usize(..pairs.len());
        let before = pairs[at].clone();
        // One fault a share: of two one may hide the other, and what was meant is not clear then.
        let fresh = meant_is(&meant, &before);
        if fresh && apply(rng, &ground, &mut pairs[at]) {
            faults.push(name);
            is_clear &= clear;
        } else {
            pairs[at] = before;
        }
    }
    if faults.is_empty() && pairs.len() > 1 && chance(rng, 80) {
        // Copied and pasted: both with the id of the first, each device behind its own.
        let (id, second) = (
            value_of(&pairs[0].fsdev[1], "id="),
            value_of(&pairs[1].fsdev[1], "id="),
        );
        pairs[1].in_fsdev(&format!("id={second}"), &format!("id={id}"));
        let _ = pairs[1].in_device(&format!("fsdev={second}"), &format!("fsdev={id}"))
            || pairs[1].in_device(
                &format!("\"fsdev\":\"{second}\""),
                &format!("\"fsdev\":\"{id}\""),
            );
        faults.push("an id twice");
    }
    case.raw = pairs
        .iter()
        .flat_map(Pair::words)
        .filter(|word| !word.is_empty())
        .collect();
    Broken {
        case,
        meant,
        faults,
        is_clear,
    }
}

fn meant_is(meant: &[String], pair: &Pair) -> bool {
    pair.words().iter().all(|word| meant.contains(word))
}

fn ground(case: &Case) -> Ground {
    let text = |own: &super::Own, key: &str| {
        own.device
            .get(key)
            .and_then(|value| value.as_str())
            .unwrap_or("")
            .to_owned()
    };
    let (bus, other_bus) = match case.is_q35() {
        true => ("pcie.0", "pci.0"),
        false => ("pci.0", "pcie.0"),
    };
    let slot = |addr: &str| {
        let slot = addr
            .split('.')
            .next()
            .unwrap_or("")
            .trim_start_matches("0x");
        u8::from_str_radix(slot, 16).ok()
    };
    let root = case.own.iter().filter(|own| text(own, "bus") == bus);
    let mut taken: BTreeSet<u8> = root.filter_map(|own| slot(&text(own, "addr"))).collect();
    taken.extend(if case.is_q35() { [0, 0x1f] } else { [0, 1] });
    let behind = case.own.iter().find_map(|own| {
        let id = text(own, "id");
        let slot = match text(own, "driver").as_str() {
            "pcie-root-port" => "0x0",
            "pci-bridge" => "0x3",
            _ => return None,
        };
        // Behind an expander not everything is as it is elsewhere.
        let alone = text(own, "bus") == bus
            && !own.late
            && case.own.iter().all(|other| text(other, "bus") != id);
        alone.then_some((id, slot))
    });
    Ground {
        bus,
        other_bus,
        taken,
        behind,
        dialect: case.dialect,
    }
}

/// A share in which nothing is wrong.
fn pair(rng: &mut Rng, shares: &Shares, ground: &mut Ground, number: usize) -> Option<Pair> {
    let slot = (2..0x1f).rev().find(|slot| !ground.taken.contains(slot))?;
    ground.taken.insert(slot);
    // Not near one another: which of two near ones was meant would be a guess.
    let id = pick(rng, &["share", "data", "fs.x", "Web-Root"]).to_owned()
        + ["-one", "-second", ".x3"][number];
    let path = doubled(&shares.path(pick(rng, shares::GOOD)));
    let model = pick(
        rng,
        &["mapped", "mapped", "mapped", "mapped-file", "passthrough"],
    );
    let mut fsdev = format!("local,id={id},path={path},security_model={model}");
    if model.starts_with("mapped") {
        let (fmode, dmode) = (
            pick(rng, &["0644", "0660", "0600"]),
            pick(rng, &["0755", "0770", "0700"]),
        );
        fsdev.push_str(&format!(",fmode={fmode},dmode={dmode}"));
    }
    fsdev.push_str(pick(rng, &["", ",readonly=on", ",writeout=immediate"]));
    let multifunction = chance(rng, 25);
    let bus = ground.bus;
    let json = ground.dialect != Dialect::OldText && chance(rng, 40);
    let device = if json {
        let more = if multifunction {
            ",\"multifunction\":true"
        } else {
            ""
        };
        format!(
            "{{\"driver\":\"virtio-9p-pci\",\"fsdev\":\"{id}\",\"mount_tag\":\"tag-{id}\",\"bus\":\"{bus}\",\"addr\":\"0x{slot:x}\"{more}}}"
        )
    } else {
        let more = if multifunction {
            ",multifunction=on"
        } else {
            ""
        };
        format!("virtio-9p-pci,fsdev={id},mount_tag=tag-{id},bus={bus},addr=0x{slot:x}{more}")
    };
    Some(Pair {
        fsdev: ["-fsdev".to_owned(), fsdev],
        device: ["-device".to_owned(), device],
    })
}
