//! A share of libvirt's own beside the raw ones.

use super::super::{Case, Own, doubled, words};
use crate::shares::Shares;
use fastrand::Rng;
use serde_json::json;

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

/// Raw words that touch the native one.
pub fn clash(rng: &mut Rng, shares: &Shares) -> Vec<String> {
    let path = doubled(&shares.path("a"));
    let local = |id: &str| format!("local,id={id},path={path},security_model=none");
    let device =
        |id: &str, fsdev: &str| format!("virtio-9p-pci,id={id},fsdev={fsdev},mount_tag=more");
    match rng.u32(..9) {
        0 => vec!["-fsdev".into(), local("fsdev-fs0")],
        1 => vec!["-fsdev".into(), local("fs0")],
        2 => vec!["-device".into(), device("more", "fsdev-fs0")],
        3 => vec!["-device".into(), device("fs0", "fsdev-fs0")],
        4 => vec!["-device".into(), device("fsdev-fs0", "fsdev-fs0")],
        5 => vec!["-device".into(), device("more", "fs0")],
        6 => words(&["-set", "fsdev.fsdev-fs0.fmode=0640"]),
        7 => words(&["-set", "fsdev.fsdev-fs0.security_model=bogus"]),
        _ => words(&["-set", "fsdev.fs0.fmode=0640"]),
    }
}
