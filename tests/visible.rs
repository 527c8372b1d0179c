//! Whatever stands in a name, a path or an option: no control character of it reaches a terminal,
//! by any command. Rules and converted XML are data, and not for a terminal.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::process::{Command, Stdio};

use virt_9p::text::visible;

const PROGRAM: &str = env!("CARGO_BIN_EXE_virt-9p");

/// A bell, the beginning of a sequence in seven bits and in eight, a line written over, a letter
/// taken back, a direction turned round, a letter that nobody sees.
const HOSTILE: &[&str] = &[
    "\x07",
    "\x1b]0;owned\x07",
    "\u{9b}31m",
    "\r",
    "\x7f",
    "\u{202e}",
    "\u{e0041}",
];

/// Files; `@` stands for the hostile text. Some are no XML, some no domain, some a domain.
const FILES: &[&str] = &[
    "@",
    "<@><a/></@x>",
    "<@/>",
    "<network@/>",
    "<domain><name>x</name></domain@>",
    "<domain a@='1' a@='2'/>",
    "<domain a@/>",
    "<domain a@=1/>",
    "<domain a@='&x;'/>",
    "<domain a='&x@;'/>",
    "<domain><name>&x@;</name></domain>",
    "<domain xmlns:p@='u'><p@:x/></domain>",
    "<?xml version='1.0@'?><domain/>",
    "<!@><domain/>",
    "<domain/><@/>",
    "<domain type='kvm@' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>g@</name>\
     <uuid>5c1a6a1e-6d0e-4f0e-9a57-3f3f1d1c7b10</uuid>\
     <os><type arch='x86_64@' machine='pc-i440fx-7.2@'>hvm</type></os><devices>\
     <emulator>/usr/bin/@</emulator>\
     <filesystem type='mount' accessmode='mapped'><source dir='/nowhere@'/><target dir='t@'/>\
     <alias name='ua-@'/></filesystem></devices><qemu:commandline>\
     <qemu:arg value='-fsdev'/><qemu:arg value='local@,id=s@,path=/nowhere@,security_model=none@,fmode=@,k@=@'/>\
     <qemu:arg value='-fsdev'/><qemu:arg value='local,id=t,path=/nowhere@,security_model=mapped'/>\
     <qemu:arg value='-device'/><qemu:arg value='virtio-9p-pci,fsdev=t,mount_tag=u@,bus=b@,addr=@,p@=1'/>\
     <qemu:arg value='-device'/><qemu:arg value='{\"driver\":\"virtio-9p-pci\",\"fsdev\":\"@\" @'/>\
     <qemu:arg value='-x@'/><qemu:arg value='-set'/><qemu:arg value='fsdev.@.x=1'/>\
     <qemu:arg value='-set'/><qemu:arg value='@'/><qemu:arg value='@'/></qemu:commandline>\
     <qemu:override><qemu:device alias='ua-@'><qemu:frontend>\
     <qemu:property name='fsdev' type='string' value='@'/></qemu:frontend></qemu:device></qemu:override></domain>",
];

/// Commands; `FILE` is one of those, and what the second says is data.
const COMMANDS: &[(&str, bool)] = &[
    ("check FILE", false),
    ("check --no-host --qemu 7.2.0 --libvirt 9.0.0 FILE", false),
    ("check --format json FILE", false),
    ("rules FILE", true),
    ("convert --to native FILE", true),
    ("convert --to commandline FILE", true),
    ("doctor FILE", false),
    ("doctor --format json FILE", false),
    ("hook guest@ prepare begin -", false),
];

/// Calls that go wrong without any file.
const CALLS: &[&str] = &[
    "@",
    "--@",
    "-@",
    "--root @ check",
    "check @",
    "check --@",
    "check --format @",
    "check --qemu @",
    "rules @ @",
    "explain @",
    "convert --to @",
    "convert --to native --target @ FILE",
    "convert --to commandline --fmode @ FILE",
    "convert --to native --output /nowhere/@ FILE",
    "doctor --@",
    "doctor @",
    "hook @",
];

fn run(words: &[String], data: bool, file: &str) -> String {
    let output = Command::new(PROGRAM)
        .args(words)
        .stdin(Stdio::from(fs::File::open(file).unwrap()))
        .output()
        .unwrap();
    let mut told = String::from_utf8(output.stderr).unwrap();
    if !data {
        told.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    told
}

/// No command is forgotten here.
#[test]
fn every_command_is_called() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_virt-9p"));
    let output = program.arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let listed = help.split("\n\n").nth(2).unwrap();
    let commands = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(' ').next().unwrap());
    let mut seen = 0;
    for command in commands {
        let called = COMMANDS
            .iter()
            .map(|(words, _)| words)
            .chain(CALLS)
            .any(|words| words.split(' ').next() == Some(command));
        assert!(called, "`{command}` of --help is called by no line here");
        seen += 1;
    }
    assert!(seen >= 6, "{seen} commands in {listed:?}");
}

#[test]
fn nothing_from_outside_drives_a_terminal() {
    let root = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut escaped = 0;
    let mut see = |words: &str, hostile: &str, file: &str, data: bool| {
        let mut all = Vec::new();
        // Not the system's own profiles and guests.
        if !words.starts_with('-') {
            all.extend(["--root".to_owned(), root.path().display().to_string()]);
        }
        let own = words.split(' ').map(|word| match word {
            "FILE" => file.to_owned(),
            word => word.replace('@', hostile),
        });
        all.extend(own);
        let told = run(&all, data, file).replace('\n', "");
        let shown = ["\\u", "\\r", "\u{fffd}"];
        escaped += usize::from(shown.iter().any(|written| told.contains(written)));
        if visible(&told) != told {
            wrong.push(format!("{words} ({hostile:?}): {}", visible(&told)));
        }
    };
    for hostile in HOSTILE {
        let file = root.path().join("domain.xml");
        let path = file.to_str().unwrap();
        for text in FILES {
            fs::write(&file, text.replace('@', hostile)).unwrap();
            for (words, data) in COMMANDS {
                see(words, hostile, path, *data);
            }
        }
        for words in CALLS {
            see(words, hostile, path, false);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} reach it:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // Were nothing of it shown, nothing would be proved.
    assert!(escaped > 300, "{escaped}");
}
