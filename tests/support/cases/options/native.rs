//! A share of libvirt's own beside the raw ones.

use super::super::{Case, Own, chance, doubled, pick, words};
use crate::shares::Shares;
use fastrand::Rng;
use serde_json::{Value, json};

/// A native `<filesystem>`, as libvirt 9.0 gives it to QEMU
/// (qemu_command.c:qemuBuildFilesystemCommandLine).
pub fn own(case: &Case, shares: &Shares) -> Own {
    let path = shares.path("b");
    let bus = if case.is_q35() { "pcie.0" } else { "pci.0" };
    let device = json!({
        "driver": "virtio-9p-pci", "id": "fs0", "fsdev": "fsdev-fs0",
        "mount_tag": "native", "bus": bus, "addr": "0xa",
    });
    Own {
        xml: format!(
            "<filesystem type='mount' accessmode='mapped'><source dir='{path}'/>\
             <target dir='native'/>\
             <address type='pci' domain='0x0000' bus='0x00' slot='0x0a' function='0x0'/>\
             </filesystem>"
        ),
        fsdev: Some(format!(
            "local,security_model=mapped,id=fsdev-fs0,path={}",
            doubled(&path)
        )),
        device: device.as_object().expect("an object").clone(),
        late: false,
    }
}

/// What `-set` may do to its fsdev, and what it may not.
const KEYS: &[&str] = &[
    "id=x",
    "id=fsdev-fs0",
    "readonly=on",
    "readonly=off",
    "readonly=maybe",
    "fsdriver=local",
    "fsdriver=synth",
    "fsdriver=proxy",
    "bogus=1",
    "mount_tag=x",
    "socket=/nowhere",
    "writeout=immediate",
    "multidevs=remap",
    "multidevs=off",
    "throttling.bps-total=1000",
    "throttling.bps-read=1000",
    "throttling.bps-max=1",
    "path=/nowhere",
];

/// The same of its device.
const PROPERTIES: &[&str] = &[
    "fsdev=fsdev-fs0",
    "fsdev=share0",
    "fsdev=second",
    "fsdev=nowhere",
    "fsdev=",
    "mount_tag=other",
    "mount_tag=a-tag-that-is-longer-than-thirty-one-bytes",
    "bogus=x",
    "multifunction=on",
    "multifunction=maybe",
    "disable-legacy=on",
];

/// What `<qemu:override>` makes of its fsdev, or of another property; `id` is that of a raw fsdev.
pub fn overridden(rng: &mut Rng, id: &str) -> (&'static str, &'static str, Option<Value>) {
    if chance(rng, 60) {
        let other = [
            ("mount_tag", None),
            ("mount_tag", Some(json!("other"))),
            ("mount_tag", Some(json!("a-tag-of-thirty-one-bytes------"))),
            ("mount_tag", Some(json!("a-tag-of-thirty-one-bytes------x"))),
            ("mount_tag", Some(json!(5))),
            ("mount_tag", Some(json!(true))),
            ("bogus", Some(json!(1))),
            ("bogus", None),
            ("ats", Some(json!("on"))),
            ("ats", Some(json!(true))),
            ("ats", Some(json!(1))),
            ("vectors", Some(json!("3"))),
            ("vectors", Some(json!(3))),
            ("vectors", Some(json!(-2))),
            ("rombar", Some(json!("0"))),
            ("rombar", Some(json!(0))),
            ("disable-legacy", Some(json!("on"))),
            ("disable-legacy", Some(json!(true))),
            ("disable-legacy", Some(json!("maybe"))),
            ("multifunction", Some(json!(true))),
            ("multifunction", Some(json!("on"))),
        ];
        let (name, value) = other[rng.usize(..other.len())].clone();
        return ("fs0", name, value);
    }
    let value = match rng.u32(..5) {
        0 => None,
        1 => Some("nowhere"),
        2 => Some("fsdev-fs0"),
        _ => Some(id),
    };
    ("fs0", "fsdev", value.map(Value::from))
}

/// Raw words that touch the native one.
pub fn clash(rng: &mut Rng, shares: &Shares) -> Vec<String> {
    let path = doubled(&shares.path("a"));
    let local = |id: &str| format!("local,id={id},path={path},security_model=none");
    let device =
        |id: &str, fsdev: &str| format!("virtio-9p-pci,id={id},fsdev={fsdev},mount_tag=more");
    match rng.u32(..13) {
        0 => vec!["-fsdev".into(), local("fsdev-fs0")],
        1 => vec!["-fsdev".into(), local("fs0")],
        2 => vec!["-device".into(), device("more", "fsdev-fs0")],
        3 => vec!["-device".into(), device("fs0", "fsdev-fs0")],
        4 => vec!["-device".into(), device("fsdev-fs0", "fsdev-fs0")],
        5 => vec!["-device".into(), device("more", "fs0")],
        6 => words(&["-set", "fsdev.fsdev-fs0.fmode=0640"]),
        7 => words(&["-set", "fsdev.fsdev-fs0.security_model=bogus"]),
        8 => words(&["-set", "fsdev.fs0.fmode=0640"]),
        // The last of a key counts, and each is looked at.
        9 => words(&["-set", &format!("fsdev.fsdev-fs0.{}", pick(rng, KEYS))]),
        10 => {
            let (one, other) = (pick(rng, KEYS), pick(rng, KEYS));
            let set = |key: &str| format!("fsdev.fsdev-fs0.{key}");
            words(&["-set", &set(one), "-set", &set(other)])
        }
        // A device that is written as JSON cannot be reached at all.
        11 => words(&["-set", &format!("device.fs0.{}", pick(rng, PROPERTIES))]),
        // -set gives a device another id, which is looked up among all.
        _ => {
            let (id, more) = (
                pick(rng, &["other", "fs0", "9", "more"]),
                pick(rng, &["other", "last", "more"]),
            );
            let mut raw = vec!["-device".into(), device("more", "fsdev-fs0")];
            raw.extend(words(&["-set", &format!("device.more.id={id}")]));
            raw.extend(["-device".into(), device(more, "fsdev-fs0")]);
            raw
        }
    }
}
