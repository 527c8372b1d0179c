//! What a real libvirtd hands to its hook and to QEMU, for every character that XML can hold: the
//! words that we read out of the hook's input are the words that QEMU gets.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use virt_9p::domain::{Document, Domain, Origin, read};
use virt_9p::inspect::inspect;
use virt_9p::lint::catalogue::Code;

#[path = "support/libvirtd.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod libvirtd;

use libvirtd::Libvirtd;

/// Set in the process that has mounts of its own.
const INSIDE: &str = "VIRT9P_INSIDE";

/// The directory of hooks is libvirt's own, and the same for every daemon: another one is mounted
/// over it, where only this test sees it.
#[test]
#[ignore = "needs root and libvirtd"]
fn the_hook_reads_what_qemu_gets() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let output = Command::new("unshare")
        .args(["--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--include-ignored",
            "--exact",
            "the_hook_reads_what_qemu_gets",
        ])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// All of ASCII that XML allows, line ends in each order, and what other versions of XML take for
/// white space.
fn awkward() -> String {
    let ascii = (1..=0x7f_u8).map(char::from);
    let mut all: String = ascii
        .filter(|c| *c >= ' ' || matches!(c, '\t' | '\n' | '\r'))
        .collect();
    all.push_str(
        "\r\n \n\r \n\n \t\t \u{85}\u{2028}\u{a0}\u{fffd}\u{feff}\u{e9}\u{1f600} &amp; &#10; ",
    );
    all
}

/// As references where a reader would change it, or with TAB, LF and CR as they are.
fn written(text: &str, raw: bool) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '\'' => "&apos;".to_owned(),
            '\t' | '\n' | '\r' if !raw => format!("&#{};", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

fn domain(emulator: &Path, raw: bool) -> String {
    let text = written(&awkward(), raw);
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
         <name>white</name><uuid>5c1a6a1e-6d0e-4f0e-9a57-3f3f1d1c7b10</uuid>\
         <memory unit='KiB'>65536</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>\
         <emulator>{}</emulator><controller type='usb' index='0' model='none'/>\
         <filesystem type='mount' accessmode='mapped'><source dir='/srv/{text}'/>\
         <target dir='{text}'/></filesystem><memballoon model='none'/></devices>\
         <qemu:commandline><qemu:arg value='-fsdev'/>\
         <qemu:arg value='local,id=s,security_model=mapped,path=/srv/{text}'/>\
         <qemu:arg value='{text}'/></qemu:commandline></domain>",
        emulator.display()
    )
}

fn inside() {
    let out = tempfile::Builder::new().prefix("v9p-").tempdir().unwrap();
    fs::set_permissions(out.path(), Permissions::from_mode(0o777)).unwrap();
    let script = |path: &Path, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    };
    let mounted = Command::new("mount")
        .args([
            "-t",
            "tmpfs",
            "-o",
            "mode=755",
            "none",
            "/etc/libvirt/hooks",
        ])
        .status();
    assert!(mounted.unwrap().success());
    let input = out.path().join("input");
    script(
        Path::new("/etc/libvirt/hooks/qemu"),
        &format!(
            "#!/bin/sh\n[ \"$2\" != prepare ] || cat > '{}'\n",
            input.display()
        ),
    );
    // Asked what it can do it is the real one; asked to run the guest it notes its words.
    let argv = out.path().join("argv");
    let emulator = out.path().join("emulator");
    script(
        &emulator,
        &format!(
            "#!/bin/sh\ncase \"$*\" in *guest=white*) printf '%s\\0' \"$@\" > '{}'; exit 1;; esac\n\
             exec qemu-system-x86_64 \"$@\"\n",
            argv.display()
        ),
    );

    let libvirtd = Libvirtd::start();
    let start = |xml: Option<&str>| -> (String, Vec<String>) {
        let _ = fs::remove_file(&input);
        let _ = fs::remove_file(&argv);
        if let Some(xml) = xml {
            let file = out.path().join("white.xml");
            fs::write(&file, xml).unwrap();
            let define = format!("$VIRSH define '{}'", file.display());
            let output = libvirtd.shell(&define);
            assert!(output.status.success(), "{output:?}");
        }
        // It never comes up.
        let output = libvirtd.shell("$VIRSH start white || true");
        let argv = fs::read(&argv).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let words = argv.split(|byte| *byte == 0);
        let words = words.map(|word| String::from_utf8(word.to_vec()).unwrap());
        (fs::read_to_string(&input).unwrap(), words.collect())
    };
    let agrees = |domain: &Domain, argv: &[String], what: &str| {
        let words: Vec<&str> = domain.args.iter().map(|arg| arg.value.as_str()).collect();
        let got = argv.windows(words.len()).any(|window| window == words);
        assert!(got, "{what}: {words:?} are not in {argv:?}");
        let fs = domain.devices.iter().find_map(|d| d.filesystem.as_ref());
        let source = &fs.unwrap().source.as_ref().unwrap().value;
        let path = format!("path={}", source.replace(',', ",,"));
        let got = argv.iter().any(|word| word.ends_with(&path));
        assert!(got, "{what}: {path:?} is not in {argv:?}");
    };
    for raw in [false, true] {
        let xml = domain(&emulator, raw);
        let (input, argv) = start(Some(&xml));
        let hook = read(&input, Origin::Libvirt).unwrap();
        agrees(&hook, &argv, "the hook");
        let file = read(&xml, Origin::File).unwrap();
        agrees(&file, &argv, "check");
        // The same arguments, read by whom they are not meant for: were this no difference, the
        // test would prove nothing.
        let other = read(&input, Origin::File).unwrap();
        assert_eq!(other.args[2].value == hook.args[2].value, raw, "{input}");
        let found = inspect(&Document::from(xml.clone()), None, Default::default()).unwrap();
        let code = if raw {
            Code::WhiteSpaceUnclear
        } else {
            Code::WhiteSpaceLost
        };
        assert!(found.findings.iter().any(|finding| finding.code == code));
    }

    // What white-space-lost says: the daemon's own file does not bring it back.
    let (before, _) = start(Some(&domain(&emulator, false)));
    let written = libvirtd.shell("cat config/libvirt/qemu/white.xml").stdout;
    let written = String::from_utf8(written).unwrap();
    let again = read(&written, Origin::File).unwrap();
    let hook = read(&before, Origin::Libvirt).unwrap();
    assert_ne!(again.args[2].value, hook.args[2].value);
    assert!(!again.args[2].value.contains(['\t', '\n', '\r']));
}
