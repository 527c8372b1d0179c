//! A domain with raw 9p shares as libvirt hands it to the hook, and a host of its own to run on.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[path = "xml_text.rs"]
mod xml_text;
pub use xml_text::escape as xml_escape;

/// The domain all tests use; profiles are named by it.
pub const UUID: &str = "4a1bb3d2-6cfd-4b41-a8c8-8d5e1a0c9f37";
pub const NAME: &str = "oracle";

/// The text Debian's and upstream's TEMPLATE.qemu have had from 4.0 to 12.8 (facts L4.3).
const TEMPLATE: &str = "#\n\
    # This profile is for the domain whose UUID matches this file.\n\
    #\n\
    \n\
    #include <tunables/global>\n\
    \n\
    profile LIBVIRT_TEMPLATE flags=(attach_disconnected) {\n  \
      #include <abstractions/libvirt-qemu>\n\
    }\n";

/// One `-fsdev`: the directory as it is written in the XML.
#[derive(Clone, Debug)]
pub struct Share {
    pub path: String,
    pub readonly: bool,
}

/// Can an XML 1.0 attribute hold this text, and an `-fsdev` (which is a C string) too?
pub fn xml_can_carry(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    })
}

/// A domain whose elements below `<devices>`, and whose shares on QEMU's command line, are these.
pub fn domain_xml(devices: &str, shares: &[Share]) -> String {
    let mut args = String::new();
    let mut arg = |value: &str| {
        let _ = writeln!(args, "    <qemu:arg value='{}'/>", xml_escape(value));
    };
    for (n, share) in shares.iter().enumerate() {
        // Eight functions a slot, from slot 2 on: below are the host bridge and what libvirt puts first.
        let (slot, function) = (2 + n / 8, n % 8);
        assert!(slot < 0x1d, "no address left for share {n}");
        let more = if function == 0 {
            ",multifunction=on"
        } else {
            ""
        };
        let readonly = if share.readonly { ",readonly=on" } else { "" };
        // In an option string a comma ends the value; two stand for one (facts Q2.1).
        let path = share.path.replace(',', ",,");
        arg("-fsdev");
        arg(&format!(
            "local,id=fs{n},path={path},security_model=mapped,fmode=0644,dmode=0755{readonly}"
        ));
        arg("-device");
        arg(&format!(
            "virtio-9p-pci,fsdev=fs{n},mount_tag=t{n},bus=pcie.0,addr=0x{slot:x}.{function}{more}"
        ));
    }
    let commandline = if shares.is_empty() {
        String::new()
    } else {
        format!("  <qemu:commandline>\n{args}  </qemu:commandline>\n")
    };
    format!(
        "<domain type='kvm' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{NAME}</name>
  <uuid>{UUID}</uuid>
  <memory unit='KiB'>65536</memory>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>
{devices}  </devices>
{commandline}</domain>
"
    )
}

/// The program under test: the one cargo built beside the tests, or another (the shipped one).
pub fn program() -> PathBuf {
    std::env::var_os("VIRT9P_PROGRAM").map_or(env!("CARGO_BIN_EXE_virt-9p").into(), PathBuf::from)
}

/// Run the program under test, with this on standard input.
pub fn virt_9p<S: AsRef<OsStr>>(args: &[S], input: &str) -> Output {
    let mut command = Command::new(program());
    command.args(args);
    run(command, input)
}

/// Run a command to its end, with this on standard input.
pub fn run(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.as_bytes().to_vec();
    // From a thread of its own: neither side may wait for the other to read.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("a command that ends");
    writer.join().expect("a writer that ends");
    output
}

/// What a command said, for the message of a test that failed.
pub fn said(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The rules among lines: what is quoted, without indentation.
pub fn rules_in(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .map(str::trim)
        .filter(|line| line.starts_with('"'))
        .map(str::to_owned)
        .collect()
}

/// A host below a temporary directory, for `--root`: AppArmor is on, libvirt's template is there.
pub struct Host {
    root: tempfile::TempDir,
}

impl Host {
    pub fn new() -> Self {
        // Short, so that little of PATH_MAX is lost to it.
        let root = tempfile::Builder::new()
            .prefix("v")
            .rand_bytes(8)
            .tempdir()
            .expect("a temporary directory");
        let host = Self { root };
        for directory in [
            "etc/apparmor.d/libvirt",
            "sys/module/apparmor/parameters",
            "run",
        ] {
            fs::create_dir_all(host.path(directory)).expect("a directory of the host");
        }
        let template = host.path("etc/apparmor.d/libvirt/TEMPLATE.qemu");
        fs::write(template, TEMPLATE).expect("the template");
        let enabled = host.path("sys/module/apparmor/parameters/enabled");
        fs::write(enabled, "Y\n").expect("the switch");
        host
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A path of this host, as seen from the real one.
    pub fn path(&self, inside: impl AsRef<OsStr>) -> PathBuf {
        let inside = inside.as_ref().as_bytes();
        let inside = inside.strip_prefix(b"/").unwrap_or(inside);
        self.root.path().join(OsStr::from_bytes(inside))
    }

    /// A directory of this host that guests may have.
    pub fn create_directory(&self, inside: &[u8]) {
        let path = self.path(OsStr::from_bytes(inside));
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    }

    pub fn profile_path(&self) -> PathBuf {
        self.path(format!("etc/apparmor.d/libvirt/libvirt-{UUID}"))
    }

    /// The hook, called as libvirt calls it.
    pub fn hook(&self, operation: &str, suboperation: &str, xml: &str) -> Output {
        let root = self.root.path().as_os_str();
        let words = [NAME, operation, suboperation, "-"].map(OsStr::new);
        let mut args = vec![OsStr::new("hook"), OsStr::new("--root"), root];
        args.extend(words);
        virt_9p(&args, xml)
    }

    /// Prepare a start and return the profile that libvirt would load for it.
    pub fn prepare(&self, xml: &str) -> Vec<u8> {
        let output = self.hook("prepare", "begin", xml);
        assert!(output.status.success(), "prepare: {}\n{xml}", said(&output));
        fs::read(self.profile_path()).expect("prepare wrote a profile")
    }
}
