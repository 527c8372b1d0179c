//! `-virtfs`, which makes an fsdev and a device in one word.

use super::super::{chance, doubled, either, pick, words};
use super::{IDS, NOT_IDS, set};
use crate::shares::{self, Shares};
use fastrand::Rng;

/// `-virtfs`: the same grammar with `mount_tag`, without throttling
/// (softmmu/vl.c, case QEMU_OPTION_virtfs).
pub fn words_of(rng: &mut Rng, shares: &Shares) -> Vec<String> {
    let path = doubled(&shares.path(either(rng, 88, shares::GOOD, shares::BAD)));
    let mut options = vec![
        "local".to_owned(),
        format!("path={path}"),
        format!(
            "security_model={}",
            pick(rng, &["mapped", "mapped-file", "none"])
        ),
    ];
    let tag = match rng.u32(..100) {
        0..=76 => Some("tag"),
        77..=82 => Some("my tag"),
        83..=86 => Some("0123456789012345678901234567890"),
        87..=89 => Some("a12345678901234567890123456789x"),
        90..=93 => Some("a12345678901234567890123456789xy"),
        94..=96 => Some(""),
        _ => None,
    };
    if let Some(tag) = tag {
        options.push(format!("mount_tag={tag}"));
    }
    if chance(rng, 40) {
        let id = either(rng, 80, IDS, NOT_IDS);
        options.push(format!("id={id}"));
    }
    if chance(rng, 45) {
        let word = either(
            rng,
            60,
            &[
                "readonly=on",
                "readonly",
                "writeout=immediate",
                "multidevs=forbid",
                "fmode=0644",
                "fmode=644",
                "dmode=0755",
                "security_model=mapped",
            ],
            &[
                "bus=pci.0",
                "addr=5",
                "throttling.bps-total=1",
                "foo=1",
                "fmode=rw",
                "security_model=x",
                "multidevs=x",
                "readonly=2",
                "fsdriver=bogus",
                "foo",
            ],
        );
        options.push(word.to_owned());
    }
    let (_, tail) = options.split_at_mut(1);
    rng.shuffle(tail);
    if chance(rng, 4) {
        options.remove(0);
    }
    let option = either(
        rng,
        97,
        &["-virtfs", "--virtfs"],
        &["-virtfs_synth", "-virtf"],
    );
    let mut raw = vec![option.to_owned(), options.join(",")];
    if chance(rng, 25) {
        let mut second = vec![
            "local".to_owned(),
            format!("path={}", doubled(&shares.path("b"))),
            "security_model=none".to_owned(),
        ];
        // A second one of the same tag has the same fsdev id, unless one is given.
        second.push(
            pick(
                rng,
                &["mount_tag=other", "mount_tag=tag", "mount_tag=tag,id=two"],
            )
            .into(),
        );
        raw.extend(["-virtfs".to_owned(), second.join(",")]);
    }
    if chance(rng, 8) {
        raw = words(either(
            rng,
            70,
            &[&["-virtfs", "synth,mount_tag=tag"] as &[&str]],
            &[
                &["-virtfs", "synth"],
                &["-virtfs", "synth,mount_tag=t,path=/"],
            ],
        ));
    }
    if chance(rng, 12) {
        let id = pick(rng, &["tag", "two", "fs0"]);
        let set = set(rng, shares, id);
        raw.extend(set);
    }
    raw
}
