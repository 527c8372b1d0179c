//! The hook's own AppArmor profile, entered by itself.
//!
//! The profile is not attached to the program's path: it would confine people, too, who check and
//! convert files anywhere, with `virt-9p check ~/guest.xml` denied. So the shell's `virt-9p` runs as
//! the shell does, and what libvirt runs gives its rights up before it reads the first byte of
//! untrusted text, as a program calls pledge(2) or seccomp(2). libvirtd's rule for /usr/sbin/*
//! (PUx, facts L3.1) lets the hook out of libvirtd's profile first.

use std::fs::OpenOptions;
use std::io::Write;

use crate::host::Root;

/// The name of the profile, in packaging/apparmor.
pub const PROFILE: &str = "virt-9p";

/// aa_change_profile(2) writes here; a kernel that has AppArmor, but switched off, refuses.
const OWN: &str = "/proc/self/attr/apparmor/current";

/// The only one before Linux 5.8. It is AppArmor's while no other module claims it.
const SHARED: &str = "/proc/self/attr/current";

/// Enters the profile for the rest of the process.
///
/// Without the profile (no package, `aa-disable`) the kernel refuses, and the hook goes on as it
/// was started: the `U` of `PUx` is libvirt's answer to the same case.
pub fn enter(root: &Root) {
    if root.is_moved() || !root.may_write() {
        return;
    }
    let open = |attribute: &str| OpenOptions::new().write(true).open(attribute).ok();
    let shared = || {
        let is_ours = root.apparmor_enabled();
        is_ours.then(|| open(SHARED)).flatten()
    };
    if let Some(mut attribute) = open(OWN).or_else(shared) {
        // The command has to come in one write(2).
        let _ = attribute.write(format!("changeprofile {PROFILE}").as_bytes());
    }
}
