//! A QEMU of the test's own with one share, mounted by a guest without a kernel.

use crate::judge;
use crate::linter::Versions;
use crate::ninep::Guest;
use crate::qtest::Machine;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// QEMU, killed when this goes.
pub struct Emulated {
    qemu: Child,
    /// Its guest.
    pub guest: Guest,
}

/// The words for a share made with `-fsdev`.
pub fn with_fsdev(fsdev: &str) -> Vec<String> {
    vec![
        "-fsdev".to_owned(),
        fsdev.to_owned(),
        "-device".to_owned(),
        "virtio-9p-pci,fsdev=share,mount_tag=share".to_owned(),
    ]
}

/// A domain with these raw words; `more` stands beside its devices.
pub fn domain(words: &[String], more: &str) -> String {
    let args: String = words
        .iter()
        .map(|word| format!("<qemu:arg value='{word}'/>"))
        .collect();
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
         <name>emulated</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>\
         <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\
         <controller type='pci' index='0' model='pci-root'/><memballoon model='none'/></devices>\
         {more}<qemu:commandline>{args}</qemu:commandline></domain>"
    )
}

/// What the linter is to assume: a libvirt, and this QEMU.
pub fn versions() -> Versions {
    Versions {
        libvirt: "9.0.0".to_owned(),
        qemu: judge::version(),
    }
}

impl Emulated {
    /// Starts QEMU with these words as libvirt does, umask 002
    /// (qemu_process.c:qemuProcessLaunch), and mounts the share with the tag `share`.
    pub fn start(words: &[String], scratch: &Path) -> Self {
        Self::start_by(&[], words, scratch)
    }

    /// The same, through a program that runs another with what it is to be run as.
    pub fn start_by(program: &[&str], words: &[String], scratch: &Path) -> Self {
        let socket = scratch.join("qtest");
        let _ = std::fs::remove_file(&socket);
        let name = socket.to_str().expect("UTF-8");
        // Without unsafe code there is no umask here; a shell has one.
        let qemu = Command::new("sh")
            .args(["-c", "umask 002; exec \"$@\"", "sh"])
            .args(program)
            .arg(judge::program())
            .args(["-S", "-nodefaults", "-display", "none", "-M", "pc"])
            .args(["-accel", "tcg", "-m", "64"])
            .args(["-qtest", &format!("unix:{name},server=on,wait=off")])
            .args(["-qtest-log", "/dev/null"])
            .args(words)
            .stdin(Stdio::null())
            .spawn()
            .expect("these tests need qemu-system-x86_64");
        let guest = Guest::mount(Machine::connect(name), "share").expect("mount the share");
        Self { qemu, guest }
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
