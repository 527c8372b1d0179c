//! What is known, or told, about the host a domain is to run on.

use crate::version::Version;

/// How libvirt writes its own `-device` arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceForm {
    /// `-device driver,key=value`
    Text,
    /// `-device {"driver":…}`; QEMU creates these after all text ones (facts Q0.1).
    Json,
}

/// What is known, or told, about the host a domain is to run on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Assumptions {
    /// libvirt's version.
    pub libvirt: Option<Version>,
    /// QEMU's version.
    pub qemu: Option<Version>,
    /// Whether libvirt's capability cache says that QEMU does `device.json+hotplug`.
    pub json_capability: Option<bool>,
    /// Whether QEMU runs as root, which no file mode stops.
    pub qemu_is_root: Option<bool>,
    /// Whether a session daemon starts it: QEMU then runs as the caller, under no AppArmor profile.
    pub session: bool,
}

impl Assumptions {
    /// How libvirt will write devices, where it is certain. `capabilities` are the domain's own
    /// additions and deletions, which count last.
    ///
    /// libvirt 7.9 and 7.10 write JSON with QEMU >= 6.2 (capability `device.json`), 8.0 does not,
    /// 8.1 and later do with QEMU >= 7.0 (`device.json+hotplug`; facts L6.1).
    pub fn device_form(&self, capabilities: &[(bool, String)]) -> Option<DeviceForm> {
        let changed = |name: &str| {
            capabilities
                .iter()
                .rev()
                .find(|(_, capability)| capability == name)
                .map(|(added, _)| *added)
        };
        let hotplug = changed("device.json+hotplug");
        let early = changed("device.json");
        if hotplug == Some(false) && early != Some(true) {
            return Some(DeviceForm::Text);
        }
        if let Some(libvirt) = self.libvirt {
            let needs = match libvirt {
                v if v < Version(7, 9, 0) => return Some(DeviceForm::Text),
                v if v < Version(8, 0, 0) => {
                    if let Some(changed) = early {
                        return Some(form(changed));
                    }
                    Version(6, 2, 0)
                }
                v if v < Version(8, 1, 0) => return Some(DeviceForm::Text),
                _ => {
                    if hotplug == Some(true) {
                        return Some(DeviceForm::Json);
                    }
                    if let Some(known) = self.json_capability {
                        return Some(form(known));
                    }
                    Version(7, 0, 0)
                }
            };
            return self.qemu.map(|qemu| form(qemu >= needs));
        }
        match self.qemu {
            Some(qemu) if qemu < Version(6, 2, 0) => Some(DeviceForm::Text),
            _ => None,
        }
    }
}

fn form(json: bool) -> DeviceForm {
    if json {
        DeviceForm::Json
    } else {
        DeviceForm::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_when_libvirt_writes_json() {
        let form = |libvirt: Option<&str>, qemu: Option<&str>, caps: &[(bool, &str)]| {
            let caps: Vec<_> = caps
                .iter()
                .map(|(add, name)| (*add, (*name).to_owned()))
                .collect();
            Assumptions {
                libvirt: libvirt.map(|v| v.parse().unwrap()),
                qemu: qemu.map(|v| v.parse().unwrap()),
                ..Assumptions::default()
            }
            .device_form(&caps)
        };
        use DeviceForm::{Json, Text};
        assert_eq!(form(Some("7.0.0"), None, &[]), Some(Text));
        assert_eq!(form(Some("7.9.0"), Some("6.2.0"), &[]), Some(Json));
        assert_eq!(form(Some("8.0.0"), Some("7.0.0"), &[]), Some(Text));
        assert_eq!(form(Some("8.1.0"), Some("6.2.0"), &[]), Some(Text));
        assert_eq!(form(Some("9.0.0"), Some("7.2.22"), &[]), Some(Json));
        assert_eq!(form(Some("9.0.0"), None, &[]), None);
        assert_eq!(form(None, Some("5.2.0"), &[]), Some(Text));
        assert_eq!(form(None, None, &[]), None);
        assert_eq!(
            form(
                Some("9.0.0"),
                Some("7.2.0"),
                &[(false, "device.json+hotplug")]
            ),
            Some(Text)
        );
    }
}
