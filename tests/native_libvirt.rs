//! `convert --to native` of other arguments than shares, before a real libvirt: it takes what comes
//! out, and what it would start QEMU with says the same as the raw arguments did, value by value. What
//! is refused because libvirt hands it on otherwise, libvirt does hand on otherwise.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_CONVERSIONS` says how many domains there are (160).

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/converted.rs"]
mod converted;
#[path = "support/libvirtd.rs"]
#[allow(dead_code)] // each test uses its part
mod libvirtd;
#[path = "support/linter.rs"]
#[allow(dead_code)] // each test uses its part
mod linter;

use fastrand::Rng;
use libvirtd::Libvirtd;
use linter::Versions;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use virt_9p::domain::xml::attribute;

/// Pieces of names, as awkward as they may be: all of them come through.
const PIECES: [&str; 12] = [
    "by-id", "a b", ",", ",,", "&", "<>", "'", "\"", "=on", "é", "%s", "]]>",
];
/// Those that libvirt hands on in `-fw_cfg`.
const PLAIN: [&str; 6] = ["ign", "a b", "=x", "é", "%d", "{}"];

#[test]
#[ignore = "needs real libvirt"]
fn libvirt_says_the_same() {
    let number = |variable: &str| -> Option<u64> { std::env::var(variable).ok()?.parse().ok() };
    let seed = number("VIRT9P_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let _ = writeln!(std::io::stderr(), "native: VIRT9P_SEED={seed}");
    let libvirtd = Libvirtd::start();
    let mut rng = Rng::with_seed(seed);
    let mut seen = [0; 4];
    for number in 0..number("VIRT9P_CONVERSIONS").unwrap_or(160) {
        let label = format!("VIRT9P_SEED={seed}, domain {number}");
        one(&mut rng, &libvirtd, number, &label, &mut seen);
    }
    let _ = writeln!(std::io::stderr(), "native: {seen:?} of each kind");
    assert!(
        number("VIRT9P_CONVERSIONS").is_some() || seen.iter().all(|kind| *kind > 20),
        "too few: {seen:?}"
    );
}

/// One domain there and through libvirt.
fn one(rng: &mut Rng, libvirtd: &Libvirtd, number: u64, label: &str, seen: &mut [usize; 4]) {
    let name = format!("native{number}");
    let q35 = rng.bool();
    let bare = base(rng, &name, q35);
    let bare = libvirtd
        .formatted(&name, &bare)
        .unwrap_or_else(|error| panic!("{label}: {error}\n{bare}"));
    let mut words = Vec::new();
    let mut wanted = Vec::new();
    let mut tables = 0;
    for id in 0..rng.usize(1..5) {
        let kind = rng.usize(..4);
        if kind == 2 && tables == 1 {
            continue;
        }
        seen[kind] += 1;
        match kind {
            0 => evdev(rng, id, &mut words, &mut wanted),
            1 => fw_cfg(rng, id, &mut words, &mut wanted),
            2 => {
                tables = 1;
                let path = path(rng, "/srv", &PIECES);
                let word = format!("sig=SLIC,file={}", path.replace(',', ",,"));
                words.extend(["-acpitable".to_owned(), word.clone()]);
                wanted.push(Wanted::Word("-acpitable", word));
            }
            _ => shmem(rng, id, q35, &mut words, &mut wanted),
        }
    }
    let device;
    let mut stay = Vec::new();
    if rng.bool() {
        stay.extend([
            "-object",
            "rng-random,id=entropy",
            "-smbios",
            "type=11,value=x",
        ]);
    }
    // Of a device that stays libvirt does not know: nothing of its own must come there.
    if rng.bool() {
        let root = if q35 { "pcie.0" } else { "pci.0" };
        let free = |slot: &usize| !bare.contains(&format!("bus='0x00' slot='0x{slot:02x}'"));
        let free: Vec<usize> = (2..0x10).filter(free).collect();
        let slot = free[rng.usize(..3)];
        device = format!("virtio-rng-pci,bus={root},addr={slot:#x}");
        stay.extend(["-device", &device]);
    }
    let at = rng.usize(..=words.len() / 2) * 2;
    words.splice(at..at, stay.iter().map(|word| (*word).to_owned()));
    let args: String = words
        .iter()
        .map(|word| format!("    <q:arg value={}/>\n", attribute(word)))
        .collect();
    let uri = "http://libvirt.org/schemas/domain/qemu/1.0";
    let raw = bare.replace(
        "</domain>\n",
        &format!("  <q:commandline xmlns:q='{uri}'>\n{args}  </q:commandline>\n</domain>\n"),
    );
    let native = convert(&raw, label);
    let mut lines = native.lines();
    for line in bare.lines() {
        assert!(
            lines.any(|one| one == line),
            "{label}: {line} is gone\n{native}"
        );
    }
    assert_eq!(
        native.matches("<q:arg ").count(),
        stay.len(),
        "{label}: {native}"
    );
    converted::is_valid(&native, label);
    let dump = libvirtd
        .formatted(&name, &native)
        .unwrap_or_else(|error| panic!("{label}: {error}\n{native}"));
    let root = tempfile::tempdir().unwrap();
    let versions = Versions {
        libvirt: "9.0.0".to_owned(),
        qemu: "7.2.0".to_owned(),
    };
    let report = linter::check(&dump, &versions, root.path());
    let found = report.findings.iter();
    // That libvirt would put a later one there is true of what stays.
    let found = found.filter(|one| one.level != "note" && one.code != "address-next");
    assert_eq!(found.count(), 0, "{label}: {}\n{dump}", report.line);
    let argv = libvirtd
        .argv(&name, &dump)
        .unwrap_or_else(|error| panic!("{label}: {error}\n{dump}"));
    let argv = shell_words(&argv);
    for want in &wanted {
        assert!(want.is_in(&argv), "{label}: {want:?}\n{argv:#?}\n{raw}");
    }
    for pair in stay.chunks(2) {
        assert!(argv.windows(2).any(|two| two == pair), "{label}: {pair:?}");
    }
}

/// What must be on the command line.
#[derive(Debug)]
enum Wanted {
    /// This option with this argument.
    Word(&'static str, String),
    /// An object with these members and no other but an id.
    Object(Map<String, Value>),
    /// The same, and the device that has it, with these members.
    Memory(Map<String, Value>, Map<String, Value>),
}

impl Wanted {
    fn is_in(&self, argv: &[String]) -> bool {
        let of = |option: &'static str| {
            let pairs = argv.windows(2).filter(move |two| two[0] == option);
            pairs.filter_map(|two| serde_json::from_str::<Map<String, Value>>(&two[1]).ok())
        };
        let same = |object: &Map<String, Value>, want: &Map<String, Value>| {
            let mut rest = object.clone();
            let id = rest.remove("id");
            let users = want.get("id").is_none_or(|want| Some(want) == id.as_ref());
            let mut want = want.clone();
            want.remove("id");
            rest == want && users
        };
        match self {
            Wanted::Word(option, word) => argv
                .windows(2)
                .any(|two| two[0] == *option && two[1] == *word),
            Wanted::Object(want) => of("-object").any(|object| same(&object, want)),
            Wanted::Memory(want, device) => of("-object").any(|object| {
                same(&object, want)
                    && of("-device").any(|one| {
                        one.get("memdev") == object.get("id")
                            && device
                                .iter()
                                .all(|(key, value)| one.get(key) == Some(value))
                            && one.contains_key("master") == device.contains_key("master")
                    })
            }),
        }
    }
}

fn base(rng: &mut Rng, name: &str, q35: bool) -> String {
    let machine = if q35 { "pc-q35-7.2" } else { "pc-i440fx-7.2" };
    let mut more = |text| if rng.bool() { text } else { "" };
    let info = more("<sysinfo type='fwcfg'><entry name='opt/there'>x</entry></sysinfo>");
    let smbios =
        more("<sysinfo type='smbios'><bios><entry name='vendor'>x</entry></bios></sysinfo>");
    let input = more("<input type='tablet' bus='usb'/>");
    let memory =
        more("<shmem name='old'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>");
    let share = more("<filesystem><source dir='/srv'/><target dir='t'/></filesystem>");
    let mut ports = String::new();
    for index in 0..if q35 { 11 } else { 0 } {
        let model = if index == 0 {
            "pcie-root"
        } else {
            "pcie-root-port"
        };
        ports.push_str(&format!(
            "<controller type='pci' index='{index}' model='{model}'/>"
        ));
    }
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>{smbios}{info}\
         <os><type arch='x86_64' machine='{machine}'>hvm</type></os><features><acpi/></features>\
         <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>\
         {ports}{input}{memory}{share}</devices></domain>"
    )
}

fn path(rng: &mut Rng, directory: &str, pieces: &[&str]) -> String {
    let mut path = format!("{directory}/n");
    for _ in 0..rng.usize(1..4) {
        path.push_str(pieces[rng.usize(..pieces.len())]);
    }
    path
}

/// An object as a word: text or JSON.
fn object(rng: &mut Rng, members: &Map<String, Value>) -> String {
    if rng.bool() {
        return Value::Object(members.clone()).to_string();
    }
    let text = members.iter().enumerate().map(|(at, (key, value))| {
        let value = match value {
            Value::Bool(true) => ["on", "yes"][rng.usize(..2)].to_owned(),
            Value::Bool(false) => "off".to_owned(),
            Value::String(text) => text.replace(',', ",,"),
            number => match number.as_u64().unwrap() {
                size if size % (1 << 30) == 0 && rng.bool() => format!("{}G", size >> 30),
                size if rng.bool() => format!("{}M", size >> 20),
                size if rng.bool() => format!("{}k", size >> 10),
                size => size.to_string(),
            },
        };
        match at {
            0 => value,
            _ => format!("{key}={value}"),
        }
    });
    text.collect::<Vec<_>>().join(",")
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn evdev(rng: &mut Rng, id: usize, words: &mut Vec<String>, wanted: &mut Vec<Wanted>) {
    let users = rng.bool();
    let name = if users {
        format!("ua-i{id}")
    } else {
        format!("i{id}")
    };
    let mut members = map(json!({"qom-type": "input-linux", "id": name}));
    members.insert("evdev".into(), path(rng, "/dev/input", &PIECES).into());
    if rng.bool() {
        members.insert("repeat".into(), rng.bool().into());
    }
    if rng.bool() {
        let keys = [
            "ctrl-ctrl",
            "alt-alt",
            "shift-shift",
            "meta-meta",
            "scrolllock",
            "ctrl-scrolllock",
        ];
        members.insert("grab-toggle".into(), keys[rng.usize(..6)].into());
    }
    let grabs = rng.usize(..3);
    if grabs > 0 {
        members.insert("grab_all".into(), (grabs == 2).into());
    }
    words.extend(["-object".to_owned(), object(rng, &members)]);
    if !users {
        members.remove("id");
    }
    // The default needs no word.
    if grabs == 1 {
        members.remove("grab_all");
    }
    wanted.push(Wanted::Object(members));
}

fn fw_cfg(rng: &mut Rng, id: usize, words: &mut Vec<String>, wanted: &mut Vec<Wanted>) {
    let name = format!("opt/org.example/é x/{id}");
    let value = match rng.bool() {
        true => format!("file={}", path(rng, "/srv", &PLAIN)),
        false => format!("string={}", path(rng, " x", &PLAIN)),
    };
    let word = format!("name={name},{value}");
    let given = match rng.usize(..3) {
        0 => format!("{name},{value}"),
        1 => format!("{value},name={name}"),
        _ => word.clone(),
    };
    words.extend(["-fw_cfg".to_owned(), given]);
    wanted.push(Wanted::Word("-fw_cfg", word));
}

fn shmem(rng: &mut Rng, id: usize, q35: bool, words: &mut Vec<String>, wanted: &mut Vec<Wanted>) {
    let name = path(rng, "/dev/shm", &PIECES);
    let size = 1_u64 << rng.u32(20..33);
    let mut members = map(json!({"qom-type": "memory-backend-file", "id": format!("m{id}")}));
    members.insert("share".into(), true.into());
    members.insert("mem-path".into(), name.into());
    members.insert("size".into(), size.into());
    let memory = ["-object".to_owned(), object(rng, &members)];
    members.remove("id");
    let mut device = map(json!({"driver": "ivshmem-plain"}));
    if rng.bool() {
        device.insert("id".into(), format!("ua-d{id}").into());
    }
    if rng.bool() {
        device.insert("master".into(), ["on", "off"][rng.usize(..2)].into());
    }
    let mut raw = device.clone();
    raw.insert("memdev".into(), format!("m{id}").into());
    let root = if q35 { "pcie.0" } else { "pci.0" };
    match rng.usize(..4) {
        0 => {}
        // A root port that libvirt has no use for (base).
        3 if q35 => {
            raw.insert("bus".into(), format!("pci.{}", 7 + id).into());
            raw.insert("addr".into(), "0x0".into());
            device.insert("bus".into(), format!("pci.{}", 7 + id).into());
            device.insert("addr".into(), "0x0".into());
        }
        1 => {
            for (key, value) in [
                ("bus", root.to_owned()),
                ("addr", format!("{:#x}", 0x10 + id)),
            ] {
                raw.insert(key.into(), value.clone().into());
                device.insert(key.into(), value.into());
            }
        }
        // libvirt never hands it out, so it has done its work.
        _ => {
            let spare = if q35 { "0x1f.0x" } else { "0x1.0x" };
            raw.insert("bus".into(), root.into());
            raw.insert("addr".into(), format!("{spare}{}", 4 + id.min(3)).into());
        }
    }
    let raw = object(rng, &raw);
    let mut two = [memory, ["-device".to_owned(), raw]];
    rng.shuffle(&mut two);
    words.extend(two.concat());
    wanted.push(Wanted::Memory(members, device));
}

/// What the program refuses of texts in `-fw_cfg`, libvirt writes otherwise than it reads it.
#[test]
#[ignore = "needs real libvirt"]
fn libvirt_says_something_else_of_what_is_refused() {
    let libvirtd = Libvirtd::start();
    for c in [',', '<', '>', '&', '\'', '"'] {
        let value = format!("a{c}b");
        let escaped = virt_9p::domain::xml::escaped(&value, '"').replace('>', "&gt;");
        let xml = format!(
            "<domain type='qemu'><name>refused</name><memory unit='MiB'>64</memory>\
             <sysinfo type='fwcfg'><entry name='opt/a'>{escaped}</entry></sysinfo>\
             <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>\
             <emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>"
        );
        let argv = shell_words(&libvirtd.argv("refused", &xml).unwrap());
        let word = argv.windows(2).find(|two| two[0] == "-fw_cfg").unwrap();
        let right = format!("name=opt/a,string={}", value.replace(',', ",,"));
        assert_ne!(word[1], right, "libvirt hands on {c} as it is");
        // A name with one of XML's own it writes down as no XML at all.
        if ['&', '<'].contains(&c) {
            let xml = xml.replace("'opt/a'", &format!("'opt/{escaped}'"));
            let dump = libvirtd.formatted("refused", &xml).unwrap();
            assert!(dump.contains(&format!("name='opt/{value}'")), "{dump}");
        }
    }
}

fn convert(xml: &str, label: &str) -> String {
    let options = ["--to", "native", "--libvirt", "9.0.0", "--qemu", "7.2.0"];
    let (native, said) = converted::convert(xml, &options, label);
    assert!(!said.contains("warning"), "{label}: {said}\n{xml}");
    native
}

/// Words as a shell reads them, as far as libvirt quotes them: `'…'`, a backslash outside.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_default().push(c),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
