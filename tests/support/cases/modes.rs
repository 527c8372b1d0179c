//! Family a: texts for `fmode` and `dmode`, and the security models that allow them.

use super::{Case, chance, doubled, either, noise, pick};
use crate::shares::Shares;
use fastrand::Rng;

/// Numbers in every spelling of `strtoull` with base 0, and at its borders
/// (util/cutils.c:qemu_strtou64). QEMU takes all of them.
const NUMBERS: &[&str] = &[
    "644",
    "755",
    "600",
    "420",
    "0",
    "00",
    "0644",
    "00644",
    "+0644",
    " 0644",
    "\t0644",
    "\n 0644",
    "0x1A4",
    "0X1a4",
    "+0x1ff",
    "-1",
    "-0644",
    "01777",
    "07777",
    "1777",
    "01000",
    "0400",
    "0200",
    "0100",
    "0077",
    "0300",
    "0500",
    "18446744073709551615",
    "-18446744073709551615",
    "0xffffffffffffffff",
    "01777777777777777777777",
    "000000000000000000000000000000644",
];

/// Texts QEMU does not take for a number, or not for one of 64 bits.
const JUNK: &[&str] = &[
    "",
    " ",
    "x",
    "0x",
    "0xg",
    "08",
    "0888",
    "0999",
    "0o644",
    "0O644",
    "0644 ",
    "0644k",
    "0644M",
    "644.",
    "6.44",
    "1e3",
    "u=rw",
    "u=rw,,g=r",
    "rw-r--r--",
    "--1",
    "+-1",
    "- 1",
    "0-644",
    "on",
    "0b110100100",
    "0B1",
    "0b",
    "18446744073709551616",
    "-18446744073709551616",
    "0x10000000000000000",
    "02000000000000000000000",
    "٠٦٤٤",
    "0644\u{a0}",
];

/// The octal modes people want.
const WANTED: &[&str] = &[
    "0600", "0640", "0644", "0660", "0664", "0666", "0700", "0750", "0755", "0770", "0775", "0777",
];

pub fn case(rng: &mut Rng, shares: &Shares) -> Case {
    let virtfs = chance(rng, 10);
    let mut options: Vec<String> = vec!["local".to_owned()];
    if !virtfs || chance(rng, 50) {
        options.push("id=share0".to_owned());
    }
    options.push(format!("path={}", doubled(&shares.path("a"))));
    options.extend(models(rng));
    let mut last = Vec::new();
    for key in ["fmode", "dmode"] {
        if chance(rng, 60) {
            options.push(format!("{key}={}", mode(rng, key)));
        }
        // Every occurrence is checked, the last one counts.
        if chance(rng, 6) {
            options.push(format!("{key}={}", mode(rng, key)));
        }
        if chance(rng, 2) {
            options.push(pick(rng, &[key, &format!("no{key}")]).to_owned());
        }
        if chance(rng, 4) {
            last.extend([
                "-set".to_owned(),
                format!("fsdev.share0.{key}={}", mode(rng, key)),
            ]);
        }
    }
    if chance(rng, 40) {
        // The first word stays: it is the one that may leave its key out.
        let (_, tail) = options.split_at_mut(1);
        rng.shuffle(tail);
    }

    let mut raw = Vec::new();
    if virtfs {
        options.push("mount_tag=tag".to_owned());
        raw.extend(["-virtfs".to_owned(), options.join(",")]);
    } else {
        raw.extend(["-fsdev".to_owned(), options.join(",")]);
        raw.extend(super::words(&[
            "-device",
            "virtio-9p-pci,fsdev=share0,mount_tag=tag",
        ]));
    }
    raw.extend(last);
    Case::bare(rng, raw)
}

fn mode(rng: &mut Rng, key: &str) -> String {
    match rng.u32(..100) {
        0..=44 => pick(rng, WANTED).to_owned(),
        45..=54 => {
            let owner = if key == "fmode" { 0o600 } else { 0o700 };
            format!("{:04o}", owner | rng.u32(..=0o777))
        }
        55..=69 => pick(rng, NUMBERS).to_owned(),
        70..=82 => pick(rng, JUNK).replace(',', ",,"),
        83..=91 => noise(rng, "0123456789", 5),
        _ => noise(rng, "01234567890xXbBafoO+- k.", 6),
    }
}

fn models(rng: &mut Rng) -> Vec<String> {
    let good = ["mapped", "mapped-xattr", "mapped-file"];
    let plain = ["passthrough", "none"];
    let bad = ["", "MAPPED", "mapped-xattrs", "mapped ", "map", "on"];
    let mut models = match rng.u32(..100) {
        0..=79 => vec![pick(rng, &good)],
        80..=88 => vec![pick(rng, &plain)],
        89..=92 => vec![pick(rng, &bad)],
        93..=94 => Vec::new(),
        // The last one counts, the earlier one may be anything.
        _ => vec![
            either(rng, 50, &plain, &bad),
            either(rng, 75, &good, &plain),
        ],
    };
    models
        .drain(..)
        .map(|model| format!("security_model={model}"))
        .collect()
}
