//! Family b: the words of `-fsdev`, `-virtfs` and `-set`, and how words are paired.

mod native;
mod virtfs;

use super::{Case, Dialect, chance, doubled, either, pick, words};
use crate::shares::{self, Shares};
use fastrand::Rng;

/// Spellings QEMU takes for a switch (qapi/qapi-util.c:qapi_bool_parse).
const SWITCHES: &[&str] = &["on", "off", "yes", "no", "true", "false", "y", "n"];
const NOT_SWITCHES: &[&str] = &["1", "0", "", "ON", "Yes", "enable", "on ", "of"];

/// Identifiers, and texts that are none (util/id.c:id_wellformed).
const IDS: &[&str] = &["share0", "a", "Z9", "fs.0-x_y", "share-0", "x9"];
const NOT_IDS: &[&str] = &[
    "", "9fs", "a b", "-x", "_x", ".x", "é", "a/b", "a:b", "a#b", " a",
];

/// A share as raw words, still in parts.
struct Raw {
    option: String,
    fsdev: Vec<String>,
    id: String,
    /// The `-device`; without it QEMU never opens the share.
    device: Option<String>,
    before: Vec<String>,
    after: Vec<String>,
}

impl Raw {
    fn new(rng: &mut Rng, shares: &Shares, id: &str) -> Self {
        let path = doubled(&shares.path(pick(rng, shares::GOOD)));
        let mut fsdev = vec![
            format!("id={id}"),
            format!("path={path}"),
            format!(
                "security_model={}",
                pick(
                    rng,
                    &[
                        "mapped",
                        "mapped-xattr",
                        "mapped-file",
                        "passthrough",
                        "none"
                    ]
                )
            ),
        ];
        rng.shuffle(&mut fsdev);
        if chance(rng, 85) {
            fsdev.insert(0, "local".to_owned());
        } else {
            let place = rng.usize(..=fsdev.len());
            fsdev.insert(place, "fsdriver=local".to_owned());
        }
        Self {
            option: pick(rng, &["-fsdev", "-fsdev", "-fsdev", "--fsdev"]).to_owned(),
            fsdev,
            id: id.to_owned(),
            device: chance(rng, 85).then(|| format!("virtio-9p-pci,fsdev={id},mount_tag=tag-{id}")),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    fn words(self, rng: &mut Rng) -> Vec<String> {
        let mut raw = self.before;
        let fsdev = [self.option, self.fsdev.join(",")];
        match self.device {
            // All -fsdev come before all -device, whatever their order.
            Some(device) if chance(rng, 30) => {
                raw.extend(["-device".to_owned(), device]);
                raw.extend(fsdev);
            }
            Some(device) => {
                raw.extend(fsdev);
                raw.extend(["-device".to_owned(), device]);
            }
            None => raw.extend(fsdev),
        }
        raw.extend(self.after);
        raw
    }

    fn remove(&mut self, key: &str) {
        self.fsdev.retain(|word| !word.starts_with(key));
    }

    /// Another word, anywhere but first, where a word without `=` would be the driver.
    fn add(&mut self, rng: &mut Rng, word: &str) {
        let first = usize::from(!self.fsdev.is_empty());
        let place = rng.usize(first..=self.fsdev.len());
        self.fsdev.insert(place, word.to_owned());
    }

    fn push(&mut self, word: &str) {
        self.fsdev.push(word.to_owned());
    }
}

pub fn case(rng: &mut Rng, shares: &Shares) -> Case {
    if chance(rng, 18) {
        let raw = virtfs::words_of(rng, shares);
        return Case::bare(rng, raw);
    }
    let id = pick(rng, IDS);
    let mut raw = Raw::new(rng, shares, id);
    let changes = pick(rng, &[0, 0, 1, 1, 1, 1, 1, 1, 2]);
    for _ in 0..changes {
        change(rng, shares, &mut raw);
    }
    let words = raw.words(rng);
    let mut case = Case::bare(rng, words);
    if chance(rng, 20) {
        let other = if chance(rng, 70) { "second" } else { id };
        let mut second = Raw::new(rng, shares, other);
        if chance(rng, 30) {
            change(rng, shares, &mut second);
        }
        case.raw.extend(second.words(rng));
    }
    if chance(rng, 20) {
        case.own.push(native::own(&case, shares));
        if chance(rng, 30) {
            case.dialect = Dialect::ForcedText;
        }
        if chance(rng, 60) {
            let clash = native::clash(rng, shares);
            case.raw.extend(clash);
        }
        if chance(rng, 20) {
            let (alias, name, value) = native::overridden(rng, id);
            case.overrides.push((alias.to_owned(), name, value));
        }
    }
    case
}

fn change(rng: &mut Rng, shares: &Shares, raw: &mut Raw) {
    match rng.u32(..28) {
        26 => {
            let (id, key) = (&raw.id, pick(rng, &["id", "id", "fsdriver", "readonly"]));
            let value = pick(rng, &["share0", "other", "local", "on"]);
            raw.after = words(&["-set", &format!("fsdev.{id}.{key}={value}")]);
        }
        27 => {
            // A server behind a socket: what is there of it is never the reason here.
            let ends = pick(rng, &["", ",socket=/nowhere,sock_fd=9", ",sock_fd=9"]);
            let id = &raw.id;
            raw.fsdev = vec![format!("proxy,id={id}{ends}")];
        }
        0 => {
            let word = pick(
                rng,
                &[
                    "foo=bar",
                    "foo",
                    "nofoo",
                    "Path=/",
                    " path=/",
                    "fsdev=x",
                    "mount_tag=t",
                    "driver=local",
                    "fmask=0644",
                    "max_xattr9=1",
                    "=x",
                    "=",
                    "path ",
                ],
            );
            raw.add(rng, word);
        }
        1 => {
            let switch = either(rng, 70, SWITCHES, NOT_SWITCHES);
            raw.add(rng, &format!("readonly={switch}"));
        }
        2 => {
            let word = pick(
                rng,
                &["readonly", "noreadonly", "writeout", "multidevs", "nopath"],
            );
            raw.add(rng, word);
        }
        3 => {
            let word = pick(
                rng,
                &["immediate", "immediate", "", "later", "on", "IMMEDIATE"],
            );
            raw.add(rng, &format!("writeout={word}"));
        }
        4 => {
            let word = either(
                rng,
                70,
                &["remap", "forbid", "warn"],
                &["bogus", "", "Remap", "default"],
            );
            raw.add(rng, &format!("multidevs={word}"));
        }
        5 | 6 => throttle(rng, raw),
        7 => driver(rng, raw),
        8 => {
            let key = pick(rng, &["path", "id", "security_model", "local", "fsdriver"]);
            raw.remove(key);
        }
        9 => {
            raw.remove("id=");
            let id = pick(rng, NOT_IDS);
            raw.add(rng, &format!("id={id}"));
        }
        // The first id counts, and it alone is looked at.
        10 => {
            let id = either(rng, 50, NOT_IDS, &["other"]);
            raw.push(&format!("id={id}"));
        }
        // Of any other key the last one counts.
        11 => {
            let path = doubled(&shares.path(either(rng, 50, shares::GOOD, shares::BAD)));
            let word = format!("path={path}");
            if chance(rng, 60) {
                raw.push(&word);
            } else {
                raw.fsdev.insert(usize::from(raw.fsdev.len() > 1), word);
            }
        }
        12 => {
            let word = either(
                rng,
                60,
                &[
                    "security_model=mapped",
                    "security_model=none",
                    "security_model=mapped-file",
                ],
                &["security_model=", "security_model=bogus", "security_model"],
            );
            raw.push(word);
        }
        13 => raw.push(""),
        14 => {
            let place = rng.usize(..=raw.fsdev.len());
            raw.fsdev.insert(place, String::new());
        }
        15 => {
            raw.remove("path=");
            let path = doubled(&shares.path(pick(rng, shares::BAD)));
            raw.add(rng, &format!("path={path}"));
            if chance(rng, 50) {
                raw.device = None;
            }
        }
        16 => {
            raw.option = pick(
                rng,
                &[
                    "---fsdev",
                    "-Fsdev",
                    "-fsde",
                    "-fsdevs",
                    "-fsdev=local",
                    "--FSDEV",
                ],
            )
            .to_owned();
        }
        17 => raw.before.extend(swallow(rng)),
        18 => {
            let last = either(
                rng,
                50,
                &["-no-reboot", "-no-shutdown", "--no-reboot", "-S"],
                &[
                    "-fsdev",
                    "--fsdev",
                    "-device",
                    "-virtfs",
                    "-set",
                    "-",
                    "-name",
                    "-nosuchword",
                ],
            );
            raw.after.push(last.to_owned());
        }
        19..=21 => {
            let set = set(rng, shares, &raw.id);
            if chance(rng, 80) {
                raw.after.extend(set);
            } else {
                raw.before.extend(set);
            }
        }
        22 => {
            let model = pick(rng, &["passthrough", "none", "mapped"]);
            raw.push(&format!("security_model={model}"));
            let mode = pick(rng, &["fmode=0644", "dmode=0755"]);
            raw.add(rng, mode);
        }
        23 => {
            // Two devices on one share are fine; their tags may even be equal.
            raw.after.extend([
                "-device".to_owned(),
                format!("virtio-9p-pci,fsdev={},mount_tag=tag-2", raw.id),
            ]);
        }
        24 => {
            let json = format!("{{\"fsdriver\":\"local\",\"id\":\"{}\"}}", raw.id);
            if chance(rng, 30) {
                raw.fsdev = vec![json];
            }
        }
        _ => {
            raw.after.extend(swallow(rng));
        }
    }
}

fn throttle(rng: &mut Rng, raw: &mut Raw) {
    let key = pick(
        rng,
        &[
            "bps-total",
            "bps-read",
            "bps-write",
            "iops-total",
            "iops-read",
            "iops-write",
        ],
    );
    let value = either(
        rng,
        65,
        &["0", "1", "1000", "0x100", "010", "+5", "1000000000000000"],
        &[
            "1M",
            "",
            "x",
            "1.5",
            "-1",
            "1000000000000001",
            "18446744073709551616",
        ],
    );
    raw.add(rng, &format!("throttling.{key}={value}"));
    if chance(rng, 25) {
        let word = pick(
            rng,
            &[
                "throttling.bps-total-max=2000",
                "throttling.bps-total-max-length=2",
                "throttling.iops-size=4096",
                "throttling.iops-total-max=5000",
                "throttling.bps-total=1000",
                "throttling.iops-total=1000",
                "throttling.bps=1",
                "throttling.bps-totals=1",
                "throttling.bps-total",
            ],
        );
        raw.add(rng, word);
    }
}

fn driver(rng: &mut Rng, raw: &mut Raw) {
    match rng.u32(..6) {
        // synth takes no path and no model.
        0 | 1 => raw.fsdev = vec!["synth".to_owned(), format!("id={}", raw.id)],
        2 => raw.fsdev[0] = "synth".to_owned(),
        3 => {
            let word = pick(rng, &["fsdriver=synth", "fsdriver=local", "fsdriver=bogus"]);
            raw.push(word);
        }
        4 => raw.fsdev[0] = pick(rng, &["bogus", "Local", "handle", "", "loc,,al"]).to_owned(),
        _ => {
            let word = pick(rng, &["socket=/run/x", "sock_fd=3"]);
            raw.add(rng, word);
        }
    }
}

/// An option that takes an argument takes the next word, whatever it looks like
/// (softmmu/vl.c:lookup_opt).
fn swallow(rng: &mut Rng) -> Vec<String> {
    words(either(
        rng,
        70,
        &[
            &["-name", "-fsdev"] as &[&str],
            &["-name", "-device"],
            &["-name", "-virtfs"],
            &["-L", "-fsdev"],
            &["--name", "--fsdev"],
            &["-name", "guest=a,debug-threads=on"],
            &["-no-reboot"],
            &["-msg", "timestamp=on"],
        ],
        &[
            // The share's word now stands alone: QEMU takes it for a disk image.
            &["-name", "-fsdev", "local,id=x,path=/,security_model=none"],
            &["-name", "-device", "virtio-9p-pci,fsdev=x,mount_tag=x"],
            &["-fsdev", "-device"],
            &["-device", "-fsdev"],
            &["-set", "-fsdev"],
            &["-virtfs", "-name"],
        ],
    ))
}

fn set(rng: &mut Rng, shares: &Shares, id: &str) -> Vec<String> {
    let good = shares.path("b");
    let bad = shares.path(pick(rng, shares::BAD));
    let value = match rng.u32(..17) {
        0 => format!("fsdev.{id}.path={good}"),
        1 => format!("fsdev.{id}.path={bad}"),
        2 => format!("fsdev.{id}.readonly=on"),
        3 => format!("fsdev.{id}.readonly=1"),
        4 => format!("fsdev.{id}.security_model=mapped"),
        5 => format!("fsdev.{id}.security_model=bogus"),
        6 => format!("fsdev.{id}.fmode=0644"),
        7 => format!("fsdev.{id}.dmode=rwx"),
        8 => format!("fsdev.{id}.nosuch=1"),
        9 => "fsdev.nobody.path=/".to_owned(),
        10 => pick(
            rng,
            &[
                "fsdev",
                "fsdev.x",
                "fsdev.x.path",
                "fsdev..path=/",
                "nosuch.x.y=z",
                "",
            ],
        )
        .to_owned(),
        11 => format!("fsdev.{id}.security_model=mapped-xattr"),
        12 => format!("fsdev.{id}.path="),
        13 => format!("fsdev.{id}.multidevs=remap"),
        14 => format!("device.{id}.mount_tag=x"),
        15 => {
            let key = pick(rng, &["path=/", "fmode=0644", "readonly=on", "nosuch=1"]);
            format!("virtfs.{id}.{key}")
        }
        _ => format!("fsdev.{id}.writeout=immediate"),
    };
    vec!["-set".to_owned(), value]
}
