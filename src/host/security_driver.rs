//! Whether qemu.conf lets AppArmor confine a guest at all.

use crate::host::Root;
use crate::host::conf::Conf;

/// What qemu.conf says about confinement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// AppArmor is used where it is there: libvirt looks by itself, or is told to use it.
    Confines,
    /// Only domains with a seclabel that says so are confined.
    OnRequest,
    /// AppArmor is not used.
    Off,
}

/// Reads it as virQEMUDriverConfigLoadSecurityEntry and qemuSecurityInit do: an empty list is the
/// same as none, and each driver of a list is used, also beside \"none\".
pub fn setting(root: &Root) -> Setting {
    // Where it may not be read, as if nothing stood in it.
    let unknown = Conf::default();
    let conf = root.configuration().unwrap_or(&unknown);
    let drivers = conf.texts("security_driver").unwrap_or_default();
    if !drivers.is_empty() && !drivers.contains(&"apparmor") {
        Setting::Off
    } else if conf.number("security_default_confined") == Some(0) {
        Setting::OnRequest
    } else {
        Setting::Confines
    }
}
