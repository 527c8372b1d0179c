//! `-set GROUP.ID.KEY=VALUE`: what it reaches, and what it does there.

use std::collections::BTreeMap;

use crate::assumptions::DeviceForm;
use crate::domain::{Arg, Device, Domain};
use crate::qemu::command_line::{CommandLine, FailedSet, RawProperty, Set};
use crate::qemu::option_string::{self, Form, Opt};

/// The other groups that -set knows (vl.c, vm_config_groups; union of 2.10 to 11.1).
const GROUPS: [&str; 37] = [
    "accel",
    "acpi",
    "action",
    "add-fd",
    "audiodev",
    "boot-opts",
    "chardev",
    "compat",
    "drive",
    "fw_cfg",
    "global",
    "icount",
    "iscsi",
    "machine",
    "memory",
    "mon",
    "msg",
    "name",
    "net",
    "netdev",
    "nic",
    "numa",
    "object",
    "option-rom",
    "overcommit",
    "plugin",
    "realtime",
    "rtc",
    "run-with",
    "sandbox",
    "semihosting-config",
    "smp-opts",
    "spice",
    "throttle-groups",
    "tpmdev",
    "trace",
    "vnc",
];

/// Who has which id so far, for -set: it reaches only what stands before it.
#[derive(Default)]
pub struct SetTargets {
    fsdevs: BTreeMap<String, usize>,
    devices: BTreeMap<String, usize>,
    /// The ids that stand in a -virtfs; its mount tag is none here.
    virtfs: BTreeMap<String, usize>,
    /// How many fsdevs and devices are known here already.
    seen: (usize, usize),
}

impl SetTargets {
    /// Takes in what was added to the line since the last time.
    fn catch_up(&mut self, line: &CommandLine) {
        let (fsdevs, devices) = self.seen;
        for (index, fsdev) in line.fsdevs.iter().enumerate().skip(fsdevs) {
            if let Some(id) = fsdev.id() {
                self.fsdevs.entry(id.value.clone()).or_insert(index);
            }
            if let Some(id) = option_string::id(&fsdev.opts).filter(|_| fsdev.virtfs) {
                self.virtfs.entry(id.value.clone()).or_insert(index);
            }
        }
        for (index, device) in line.devices.iter().enumerate().skip(devices) {
            let reachable = device.form == DeviceForm::Text && !device.virtfs;
            if let Some(id) = device.id_text().filter(|_| reachable) {
                self.devices.entry(id.to_owned()).or_insert(index);
            }
        }
        self.seen = (line.fsdevs.len(), line.devices.len());
    }

    /// Carries out a `-set`, or notes why it does not work.
    pub fn set(&mut self, line: &mut CommandLine, index: usize, arg: &Arg, domain: &Domain) {
        self.catch_up(line);
        let Some((group, id, opt)) = split_set(index, &arg.value) else {
            line.failed_sets.push(FailedSet::Syntax(index));
            return;
        };
        let group = match group {
            "fsdev" => "fsdev",
            "device" => "device",
            "virtfs" => "virtfs",
            // Of these nothing is known here, so they may be there.
            known if GROUPS.contains(&known) => return,
            unknown => {
                line.failed_sets
                    .push(FailedSet::NoGroup(index, unknown.to_owned()));
                return;
            }
        };
        if group == "virtfs" {
            if !self.virtfs.contains_key(id) {
                let target = FailedSet::NoTarget(index, group, id.to_owned());
                line.failed_sets.push(target);
            } else if opt.key == "id" {
                line.failed_sets.push(FailedSet::Id(index));
            } else {
                let id = id.to_owned();
                line.sets.push(Set { group, id, opt });
            }
            return;
        }
        if group == "fsdev" {
            let target = self
                .fsdevs
                .get(id)
                .and_then(|index| line.fsdevs.get_mut(*index));
            if let Some(fsdev) = target {
                if opt.key == "id" {
                    line.failed_sets.push(FailedSet::Id(index));
                } else {
                    fsdev.opts.push(opt);
                }
                return;
            }
        } else {
            let target = self
                .devices
                .get(id)
                .and_then(|index| line.devices.get_mut(*index));
            if let Some(device) = target {
                device.properties.push(RawProperty::of_text(opt));
                return;
            }
        }
        let device = |id: &str| domain.devices.get(line.libvirt_ids(domain).device(id)?);
        // Only a 9p <filesystem> of libvirt's has an fsdev.
        let there = if group == "fsdev" {
            id.strip_prefix("fsdev-")
                .and_then(device)
                .is_some_and(Device::is_9p)
        } else {
            device(id).is_some()
        };
        if there && group == "fsdev" && opt.key == "id" {
            line.failed_sets.push(FailedSet::Id(index));
        } else if there {
            line.sets.push(Set {
                group,
                id: id.to_owned(),
                opt,
            });
        } else {
            line.failed_sets
                .push(FailedSet::NoTarget(index, group, id.to_owned()));
        }
    }
}

/// `GROUP.ID.KEY=VALUE`, as vl.c's sscanf of `%63[^.].%63[^.].%63[^=]` takes it; the value is
/// taken as it stands, commas included.
pub fn split_set(arg: usize, text: &str) -> Option<(&str, &str, Opt)> {
    let (group, rest) = text.split_once('.')?;
    let (id, rest) = rest.split_once('.')?;
    let (key, value) = rest.split_once('=')?;
    if [group, id, key]
        .iter()
        .any(|part| part.is_empty() || part.len() > 63)
    {
        return None;
    }
    let value_start = text.len() - value.len();
    let key_start = value_start - 1 - key.len();
    let opt = Opt {
        key: key.to_owned(),
        value: value.to_owned(),
        form: Form::Pair,
        arg,
        key_range: key_start..value_start - 1,
        value_range: value_start..text.len(),
    };
    Some((group, id, opt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::read::tests::line;

    #[test]
    fn set_overrides_what_came_before_it() {
        let line = line(&[
            "-set",
            "fsdev.a.fmode=0600",
            "-fsdev",
            "local,id=a,fmode=0644",
            "-set",
            "fsdev.a.fmode=0640",
            "-device",
            "virtio-9p,id=d,addr=4",
            "-set",
            "device.d.addr=5",
            "-set",
            "junk",
        ]);
        assert_eq!(line.fsdevs[0].value("fmode"), Some("0640"));
        assert_eq!(line.devices[0].text("addr"), Some("5"));
        assert!(matches!(
            line.failed_sets.as_slice(),
            [FailedSet::NoTarget(1, "fsdev", _), FailedSet::Syntax(11)]
        ));
    }
}
