//! Family c: the words of `-device virtio-9p-pci`, as text and as JSON.

use super::{Case, chance, doubled, either, noise, pick};
use crate::shares::Shares;
use fastrand::Rng;
use serde_json::{Value, json};

/// Addresses as QEMU reads them: always hexadecimal
/// (facts Q3.1).
const ADDRS: &[&str] = &[
    "6",
    "06",
    "0x6",
    "6.0",
    "0x6.0x0",
    "06.0",
    "10",
    "1e",
    "0x1E",
    "6.1",
    "6.7",
    "1f.1",
    "1f.7",
    "+6",
    " 6",
    "6. 1",
    "6.+1",
    "100000006",
    "0006",
    "0X6",
    "01.7",
    "1.4",
    "6.0x7",
];

/// Addresses it does not take, and such that the machine itself has taken.
const NOT_ADDRS: &[&str] = &[
    "20",
    "31",
    "32",
    "6.8",
    "6.",
    "6.0.0",
    ".0",
    "",
    "6 ",
    "-1",
    "-6",
    "x6",
    "0xffffffff06",
    "00:06.0",
    "6:0",
    "6,,0",
    "g",
    "0x6h",
    "6.0 ",
    "0",
    "0.0",
    "00.1",
    "-0",
    "1f.2",
    "1.1",
    "1f.3",
    "ffffffff",
    "0x20.0",
    "6.-1",
    "6.9",
    "6..0",
    "0x",
    "6.0x",
    "0x.0",
];

const SWITCHES: &[&str] = &["on", "off", "yes", "no", "true", "false", "y", "n"];
const NOT_SWITCHES: &[&str] = &["1", "0", "", "On", "TRUE", "enable"];

const MODELS: &[&str] = &[
    "virtio-9p-pci",
    "virtio-9p",
    "virtio-9p-pci-transitional",
    "virtio-9p-pci-non-transitional",
];
const NOT_MODELS: &[&str] = &[
    "virtio-9p-device",
    "virtio-9p-ccw",
    "virtio-9p-pci-base",
    "Virtio-9p-pci",
    "virtio-9p-pci ",
    "",
    "9p",
];

pub fn case(rng: &mut Rng, shares: &Shares) -> Case {
    let path = doubled(&shares.path("a"));
    let fsdev = vec![
        "-fsdev".to_owned(),
        format!("local,id=share0,path={path},security_model=mapped"),
    ];
    let mut case = Case::bare(rng, fsdev);
    let bus = if case.is_q35() { "pcie.0" } else { "pci.0" };
    for number in 0..pick(rng, &[1, 1, 1, 1, 1, 2]) {
        let word = if chance(rng, 50) {
            text(rng, bus, number)
        } else {
            json_word(rng, bus, number)
        };
        let option = either(rng, 92, &["-device"], &["--device"]);
        case.raw.extend([option.to_owned(), word]);
    }
    case
}

fn text(rng: &mut Rng, bus: &str, number: u32) -> String {
    let model = either(rng, 93, MODELS, NOT_MODELS);
    let mut fields = vec![
        format!("fsdev={}", fsdev(rng)),
        format!("mount_tag={}", doubled(&tag(rng))),
    ];
    if let Some(id) = id(rng, number) {
        fields.push(format!("id={}", doubled(&id)));
    }
    if chance(rng, 60) {
        fields.push(format!("bus={}", bus_name(rng, bus)));
    }
    if chance(rng, 55) {
        fields.push(format!("addr={}", addr(rng)));
    }
    if chance(rng, 25) {
        let switch = either(rng, 70, SWITCHES, NOT_SWITCHES);
        fields.push(format!("multifunction={switch}"));
    }
    if chance(rng, 25) {
        let word = either(
            rng,
            60,
            &[
                "disable-legacy=on",
                "disable-modern=on",
                "disable-legacy=auto",
                "vectors=0",
                "vectors=0x2",
                "romfile=",
                "rombar=0",
                "page-per-vq=on",
                "iommu_platform=on",
                "multifunction",
                "nomultifunction",
                "event_idx=off",
                "ioeventfd=off",
                "ats=on",
                "acpi-index=7",
                "packed=on",
                "disable-modern=off",
                "queue_reset=off",
            ],
            &[
                "bogus=1",
                "bogus",
                "readonly=on",
                "path=/",
                "msize=1",
                "tag=x",
                "Addr=5",
                "disable-legacy=2",
                "vectors=x",
                " addr=5",
                "slot=5",
                "ats=2",
                "",
            ],
        );
        fields.push(word.to_owned());
    }
    if chance(rng, 5) {
        let again = pick(
            rng,
            &[
                "addr=5",
                "addr=zz",
                "fsdev=nope",
                "mount_tag=x",
                "bus=nope",
                "id=9bad",
                "id=z",
            ],
        );
        fields.push(again.to_owned());
    }
    rng.shuffle(&mut fields);
    match rng.u32(..20) {
        0 => fields.push(format!("driver={model}")),
        1 => fields.insert(0, format!("driver={model}")),
        // The last driver counts.
        2 => {
            fields.insert(0, pick(rng, &["nosuch", "virtio-rng-pci", ""]).to_owned());
            fields.push(format!("driver={model}"));
        }
        3 if chance(rng, 50) => {}
        _ => fields.insert(0, model.to_owned()),
    }
    let mut word = fields.join(",");
    if chance(rng, 4) {
        word.push(',');
    }
    word
}

fn json_word(rng: &mut Rng, bus: &str, number: u32) -> String {
    let model = either(rng, 94, MODELS, NOT_MODELS);
    let mut fields: Vec<(&str, Value)> = vec![
        ("driver", json!(model)),
        ("fsdev", json!(fsdev(rng))),
        ("mount_tag", json!(tag(rng))),
    ];
    if let Some(id) = id(rng, number) {
        fields.push(("id", json!(id)));
    }
    if chance(rng, 60) {
        fields.push(("bus", json!(bus_name(rng, bus))));
    }
    if chance(rng, 55) {
        let value = if chance(rng, 60) {
            json!(addr(rng))
        } else {
            // A number is slot and function in one (slot * 8 + function), -1 picks a free slot.
            either(
                rng,
                75,
                &[48, 49, 55, 56, 17, 128, 247, -1, 40, 33, 15],
                &[-2, 256, 0, 1, 250, 9, 4096, 1000],
            )
            .into()
        };
        fields.push(("addr", value));
    }
    if chance(rng, 25) {
        let value = match rng.u32(..8) {
            0..=2 => json!(true),
            3..=4 => json!(false),
            5 => json!("on"),
            6 => json!(1),
            _ => Value::Null,
        };
        fields.push(("multifunction", value));
    }
    if chance(rng, 25) {
        fields.push(property(rng));
    }
    if chance(rng, 6) {
        let wrong = pick(rng, &["driver", "fsdev", "mount_tag", "id", "bus", "addr"]);
        let value = match rng.u32(..5) {
            0 => json!(5),
            1 => json!(true),
            2 => Value::Null,
            3 => json!(["a"]),
            _ => json!({"a": 1}),
        };
        fields.retain(|(key, _)| *key != wrong);
        fields.push((wrong, value));
    }
    if chance(rng, 3) {
        let gone = pick(rng, &["driver", "fsdev", "mount_tag"]);
        fields.retain(|(key, _)| *key != gone);
    }
    if chance(rng, 3) {
        let twice = fields[rng.usize(..fields.len())].clone();
        fields.push(twice);
    }
    rng.shuffle(&mut fields);
    let inside: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{}:{}", json!(key), value))
        .collect();
    let plain = format!("{{{}}}", inside.join(","));
    written(rng, &plain)
}

fn property(rng: &mut Rng) -> (&'static str, Value) {
    match rng.u32(..12) {
        0 => ("disable-legacy", json!("on")),
        1 => ("disable-legacy", json!(true)),
        2 => ("disable-modern", json!(true)),
        3 => ("disable-modern", json!("on")),
        4 => ("vectors", json!(2)),
        5 => ("vectors", json!("2")),
        6 => ("romfile", json!("")),
        7 => ("bogus", json!(1)),
        8 => ("page-per-vq", json!(false)),
        9 => ("readonly", json!(true)),
        10 => ("rombar", json!(0)),
        _ => ("iommu_platform", json!(true)),
    }
}

/// The same object as people and programs may write it. QEMU's reader (qobject/json-lexer.c) takes
/// single quotes and white space, but no comments and no comma at the end.
fn written(rng: &mut Rng, plain: &str) -> String {
    match rng.u32(..56) {
        0..=2 => plain.replace('"', "'"),
        3 => plain.replacen('"', "'", 2),
        4 => format!("{} ", plain.replace(',', ", ").replace(':', " : ")),
        5 => plain.replace(',', ",\n\t"),
        6 => plain.replacen('}', ",}", 1),
        7 => format!(" {plain}"),
        8 => format!("{plain} x"),
        9 => plain.replacen('{', "{/* a share */", 1),
        10 => format!("{plain}{{}}"),
        11 => plain.replace("share0", "share\\u0030"),
        12 => plain.trim_end_matches('}').to_owned(),
        13 => plain.replace("pci", "\\p"),
        14 | 15 => {
            // One character less, or another one.
            let mut chars: Vec<char> = plain.chars().collect();
            let place = rng.usize(1..chars.len());
            if chance(rng, 50) {
                chars.remove(place);
            } else {
                chars[place] = pick(rng, &['"', ',', '}', '\'', ':', '\\', '0', '%']);
            }
            chars.into_iter().collect()
        }
        16 => plain.replacen('"', "", 2),
        _ => plain.to_owned(),
    }
}

fn fsdev(rng: &mut Rng) -> &'static str {
    either(rng, 96, &["share0"], &["nope", "", "Share0", "share0 "])
}

fn tag(rng: &mut Rng) -> String {
    match rng.u32(..100) {
        0..=69 => "tag".to_owned(),
        70..=74 => "a".repeat(31),
        75..=78 => "a".repeat(rng.usize(28..=34)),
        79..=80 => format!("{}é", "a".repeat(29)),
        81..=82 => format!("{}é", "a".repeat(30)),
        83..=84 => "日".repeat(rng.usize(9..=11)),
        85..=88 => String::new(),
        89..=92 => "with space".to_owned(),
        93..=95 => "with,comma".to_owned(),
        _ => "a=b".to_owned(),
    }
}

fn id(rng: &mut Rng, number: u32) -> Option<String> {
    match rng.u32(..100) {
        0..=29 => None,
        30..=79 => Some(format!("dev{number}")),
        80..=84 => Some("share0".to_owned()),
        85..=91 => Some("same".to_owned()),
        92..=94 => Some("A-b.c_9".to_owned()),
        95..=96 => None,
        _ => Some(pick(rng, &["9bad", "", "a b", "é", "-x", "a,b"]).to_owned()),
    }
}

fn bus_name<'a>(rng: &mut Rng, bus: &'a str) -> &'a str {
    if chance(rng, 92) {
        bus
    } else {
        pick(
            rng,
            &[
                "pci.0", "pcie.0", "PCIE.0", "pci.1", "", "pcie", "isa.0", "pcie.0/",
            ],
        )
    }
}

fn addr(rng: &mut Rng) -> String {
    match rng.u32(..100) {
        0..=59 => pick(rng, ADDRS).to_owned(),
        60..=74 => pick(rng, NOT_ADDRS).to_owned(),
        75..=84 => format!("{:x}.{:x}", rng.u32(..33), rng.u32(..9)),
        85..=92 => noise(rng, "0123456789abcdef.x", 4),
        _ => noise(rng, "0016fF.xX+- ", 5),
    }
}
