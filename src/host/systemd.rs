//! What systemd knows of libvirt's units: a reload leaves no trace in /proc, only here.
//!
//! For `doctor`, which people run; nothing in the start path of a guest comes here.

use crate::host::Root;
use crate::host::dbus::{Bus, Value};

/// A unit that systemd knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// `libvirtd.service`
    pub name: String,
    /// Whether it runs, or listens.
    pub active: bool,
    /// When its state last changed, in seconds since 1970. A reload counts: it goes from active
    /// through reloading to active (unit_notify).
    pub changed: Option<i64>,
}

/// Asks for these units; nothing where systemd does not run the host, or there is no answer.
pub fn units(root: &Root, names: &[String]) -> Vec<Unit> {
    // sd_booted(3)
    if !root.path("/run/systemd/system").is_dir() {
        return Vec::new();
    }
    let Ok(mut bus) = Bus::connect(&root.path("/run/dbus/system_bus_socket")) else {
        return Vec::new();
    };
    names
        .iter()
        .map_while(|name| unit(&mut bus, name))
        .collect()
}

/// systemd has an object for every name, whether there is such a unit or not: then it is inactive.
fn unit(bus: &mut Bus, name: &str) -> Option<Unit> {
    let object = format!("/org/freedesktop/systemd1/unit/{}", label(name));
    let mut property = |name: &str| {
        bus.property(
            "org.freedesktop.systemd1",
            &object,
            "org.freedesktop.systemd1.Unit",
            name,
        )
        .ok()?
    };
    let Value::Text(state) = property("ActiveState")? else {
        return None;
    };
    let changed = match property("StateChangeTimestamp")? {
        // Microseconds; 0 for never.
        Value::Number(at @ 1..) => i64::try_from(at / 1_000_000).ok(),
        _ => None,
    };
    Some(Unit {
        name: name.to_owned(),
        active: matches!(state.as_str(), "active" | "reloading"),
        changed,
    })
}

/// A name as part of an object's path (bus_label_escape): all but letters and digits as `_2e`.
fn label(name: &str) -> String {
    name.bytes().fold(String::new(), |label, byte| {
        if byte.is_ascii_alphanumeric() {
            label + char::from(byte).encode_utf8(&mut [0; 4])
        } else {
            label + &format!("_{byte:02x}")
        }
    })
}
