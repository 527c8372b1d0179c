//! The raw arguments of a domain as QEMU will understand them: its `-fsdev`, `-virtfs`,
//! `-device` and `-set`, with `-set` already carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::domain::{Arg, Domain};
use crate::ordered;
use crate::qemu::json::{self, Value};
use crate::qemu::opts::{self, Form, Opt};
use crate::qemu::words::{self, Stray};
use crate::version::DeviceForm;

/// Everything of it that has to do with 9p or PCI.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// `-fsdev` and `-virtfs`, in order.
    pub fsdevs: Vec<Fsdev>,
    /// `-device` and the devices that `-virtfs` makes, in order.
    pub devices: Vec<RawDevice>,
    /// `-set` on something of libvirt's: `fsdev-fs0`, or a device.
    pub sets: Vec<Set>,
    /// `-set` that QEMU cannot read, or whose target is not there.
    pub failed_sets: Vec<FailedSet>,
    /// JSON devices that are not JSON.
    pub broken_json: Vec<(usize, json::JsonError)>,
    /// Words QEMU would not know.
    pub strays: Vec<Stray>,
    /// Options we see but do not follow: index of the option and of the argument.
    pub unmodelled: Vec<(usize, usize)>,
    /// Whether an `-fsdev` or `-virtfs` is longer than [`LONGEST_ARG`].
    pub too_long: bool,
    /// Whether other options add PCI devices at addresses of their own choice.
    pub adds_devices: bool,
}

/// One `-fsdev` or `-virtfs`.
#[derive(Debug, Clone)]
pub struct Fsdev {
    /// Index of its argument.
    pub arg: usize,
    /// Whether it is a `-virtfs`.
    pub virtfs: bool,
    /// Its keys in order, later `-set` ones at the end.
    pub opts: Vec<Opt>,
}

/// One raw device.
#[derive(Debug, Clone)]
pub struct RawDevice {
    /// Index of its argument.
    pub arg: usize,
    /// Text or JSON.
    pub form: DeviceForm,
    /// Whether it comes from a `-virtfs`: no id, no address, driver virtio-9p-pci.
    pub virtfs: bool,
    /// Its properties in order, `driver` among them.
    pub properties: Vec<Property>,
}

/// A property of a raw device.
#[derive(Debug, Clone)]
pub struct Property {
    /// Its name.
    pub key: String,
    /// Its value; always a string in a text device.
    pub value: Value,
    /// Written as a flag (text only).
    pub flag: bool,
    /// Which word it stands in.
    pub arg: usize,
    /// Bytes of the key.
    pub key_range: Range<usize>,
    /// Bytes of the value.
    pub value_range: Range<usize>,
}

/// `-set GROUP.ID.KEY=VALUE` on something that libvirt wrote.
#[derive(Debug, Clone)]
pub struct Set {
    /// `fsdev` or `device`.
    pub group: &'static str,
    /// The id in it.
    pub id: String,
    /// The key and value.
    pub opt: Opt,
}

/// A `-set` that does not work.
#[derive(Debug, Clone)]
pub enum FailedSet {
    /// Not `GROUP.ID.KEY=VALUE`.
    Syntax(usize),
    /// There is nothing of that id before it: index, group and id.
    NoTarget(usize, &'static str, String),
    /// There is no such group: index and group.
    NoGroup(usize, String),
}

/// The other groups that -set knows (vl.c, vm_config_groups; union of 2.10 to 11.1).
const GROUPS: [&str; 38] = [
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
    "virtfs",
    "vnc",
];

/// The keys of a local fsdev, limits left out.
pub const LOCAL_KEYS: [&str; 9] = [
    "path",
    "security_model",
    "readonly",
    "writeout",
    "fmode",
    "dmode",
    "multidevs",
    "fsdriver",
    "id",
];

/// The most bytes of one argument: MAX_ARG_STRLEN (32 pages) without the final NUL. What is longer
/// never reaches QEMU, and is not read.
pub const LONGEST_ARG: usize = 131_071;

/// The device drivers that are 9p. `virtio-9p` is an alias.
pub const DRIVERS_9P: [&str; 4] = [
    "virtio-9p-pci",
    "virtio-9p",
    "virtio-9p-pci-transitional",
    "virtio-9p-pci-non-transitional",
];

impl Fsdev {
    /// Its id: of a `-virtfs` without one, the mount tag.
    pub fn id(&self) -> Option<&Opt> {
        opts::id(&self.opts).or_else(|| self.virtfs.then(|| self.last("mount_tag")).flatten())
    }

    /// The occurrence of `key` that counts.
    pub fn last(&self, key: &str) -> Option<&Opt> {
        opts::last(&self.opts, key)
    }

    /// The value of `key` that counts.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.last(key).map(|opt| opt.value.as_str())
    }

    /// Whether QEMU opens it read-only.
    pub fn readonly(&self) -> bool {
        self.value("readonly").and_then(opts::boolean) == Some(true)
    }
}

impl RawDevice {
    /// The occurrence of `key` that counts: the last.
    pub fn last(&self, key: &str) -> Option<&Property> {
        self.properties.iter().rev().find(|p| p.key == key)
    }

    /// The string value of `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.last(key).map(|p| &p.value) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Its `id`: in text the first counts, in JSON there is one.
    pub fn id(&self) -> Option<&Property> {
        self.properties
            .iter()
            .find(|p| p.key == "id" && matches!(p.value, Value::String(_)))
    }

    /// The text of its id.
    pub fn id_text(&self) -> Option<&str> {
        match self.id().map(|p| &p.value) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Its driver, or nothing.
    pub fn driver(&self) -> &str {
        self.text("driver").unwrap_or("")
    }

    /// Whether it is one of [`DRIVERS_9P`].
    pub fn is_9p(&self) -> bool {
        DRIVERS_9P.contains(&self.driver())
    }

    /// Whether it is, or was meant to be, a 9p device of any kind: no other has these properties.
    pub fn looks_like_9p(&self) -> bool {
        self.driver().starts_with("virtio-9p")
            || self.last("fsdev").is_some()
            || self.last("mount_tag").is_some()
    }
}

impl CommandLine {
    /// Reads the raw arguments of `domain`.
    pub fn read(domain: &Domain) -> CommandLine {
        let mut line = CommandLine::default();
        let words: Vec<&str> = domain.args.iter().map(|arg| arg.value.as_str()).collect();
        let (pairs, strays) = words::pair(&words);
        line.strays = strays;
        let mut names = Names::default();
        for word in pairs {
            // Each of them makes QEMU add PCI devices by itself (facts Q4).
            line.adds_devices |= matches!(
                word.name,
                "usb" | "vga" | "nic" | "net" | "drive" | "soundhw" | "watchdog"
            );
            let Some((index, arg)) = word
                .argument
                .and_then(|index| domain.args.get(index).map(|arg| (index, arg)))
            else {
                continue;
            };
            if arg.value.len() > LONGEST_ARG {
                line.too_long |= matches!(word.name, "fsdev" | "virtfs");
                continue;
            }
            match word.name {
                "fsdev" => line.fsdevs.push(Fsdev {
                    arg: index,
                    virtfs: false,
                    opts: opts::parse(&arg.value, "fsdriver", index),
                }),
                "virtfs" => line.virtfs(index, arg),
                "device" => line.device(index, arg),
                "set" => line.set(index, arg, domain, &mut names),
                "readconfig" => line.unmodelled.push((word.option, index)),
                "global" if touches_us(&arg.value) => {
                    line.unmodelled.push((word.option, index));
                }
                _ => {}
            }
        }
        line
    }

    /// Whether there is anything of 9p in it: only then is the domain our business.
    pub fn has_9p(&self) -> bool {
        !self.fsdevs.is_empty()
            || self.too_long
            || self.devices.iter().any(RawDevice::looks_like_9p)
            || self.sets.iter().any(|set| set.group == "fsdev")
            || self.strays.iter().any(|stray| {
                matches!(
                    stray,
                    Stray::Misspelt(_, "fsdev" | "virtfs") | Stray::Lost(_)
                )
            })
    }

    /// `-virtfs` is a `-fsdev` and a text `-device` without id and address (vl.c).
    fn virtfs(&mut self, index: usize, arg: &Arg) {
        let fsdev = Fsdev {
            arg: index,
            virtfs: true,
            opts: opts::parse(&arg.value, "fsdriver", index),
        };
        let implied = |key: &str, value: &str| Property {
            key: key.to_owned(),
            value: Value::String(value.to_owned()),
            flag: false,
            arg: index,
            key_range: 0..arg.value.len(),
            value_range: 0..arg.value.len(),
        };
        let mut properties = vec![implied("driver", "virtio-9p-pci")];
        if let Some(id) = fsdev.id() {
            properties.push(implied("fsdev", &id.value));
        }
        if let Some(tag) = fsdev.last("mount_tag") {
            properties.push(Property {
                value_range: tag.value_range.clone(),
                ..implied("mount_tag", &tag.value)
            });
        }
        self.devices.push(RawDevice {
            arg: index,
            form: DeviceForm::Text,
            virtfs: true,
            properties,
        });
        self.fsdevs.push(fsdev);
    }

    fn device(&mut self, index: usize, arg: &Arg) {
        // QEMU >= 6.2 looks at the first byte only (vl.c, QEMU_OPTION_device).
        let (form, properties) = if arg.value.starts_with('{') {
            match json::object(&arg.value) {
                Ok(members) => (
                    DeviceForm::Json,
                    members
                        .into_iter()
                        .map(|member| Property {
                            key: member.key,
                            value: member.value,
                            flag: false,
                            arg: index,
                            key_range: member.key_range,
                            value_range: member.value_range,
                        })
                        .collect(),
                ),
                Err(error) => {
                    self.broken_json.push((index, error));
                    return;
                }
            }
        } else {
            let opts = opts::parse(&arg.value, "driver", index);
            (DeviceForm::Text, opts.into_iter().map(property).collect())
        };
        self.devices.push(RawDevice {
            arg: index,
            form,
            virtfs: false,
            properties,
        });
    }

    fn set(&mut self, index: usize, arg: &Arg, domain: &Domain, names: &mut Names) {
        names.catch_up(self, domain);
        let Some((group, id, opt)) = split_set(index, &arg.value) else {
            self.failed_sets.push(FailedSet::Syntax(index));
            return;
        };
        let group = match group {
            "fsdev" => "fsdev",
            "device" => "device",
            // Of these nothing is known here, so they may be there.
            known if GROUPS.contains(&known) => return,
            unknown => {
                self.failed_sets
                    .push(FailedSet::NoGroup(index, unknown.to_owned()));
                return;
            }
        };
        if group == "fsdev" {
            let target = names
                .fsdevs
                .get(id)
                .and_then(|index| self.fsdevs.get_mut(*index));
            if let Some(fsdev) = target {
                fsdev.opts.push(opt);
                return;
            }
        } else {
            let target = names
                .devices
                .get(id)
                .and_then(|index| self.devices.get_mut(*index));
            if let Some(device) = target {
                device.properties.push(property(opt));
                return;
            }
        }
        // Only a 9p <filesystem> of libvirt's has an fsdev.
        let there = if group == "fsdev" {
            id.strip_prefix("fsdev-")
                .is_some_and(|alias| names.natives.contains(alias))
        } else {
            names.libvirt.contains(id)
        };
        if there {
            self.sets.push(Set {
                group,
                id: id.to_owned(),
                opt,
            });
        } else {
            self.failed_sets
                .push(FailedSet::NoTarget(index, group, id.to_owned()));
        }
    }
}

/// Who has which id so far, for -set: it reaches only what stands before it.
#[derive(Default)]
struct Names {
    fsdevs: BTreeMap<String, usize>,
    devices: BTreeMap<String, usize>,
    libvirt: BTreeSet<String>,
    /// Those of libvirt's that are 9p shares.
    natives: BTreeSet<String>,
    /// How many fsdevs and devices are known here already.
    seen: Option<(usize, usize)>,
}

impl Names {
    /// Takes in what was added to the line since the last time.
    fn catch_up(&mut self, line: &CommandLine, domain: &Domain) {
        let (fsdevs, devices) = self.seen.unwrap_or_else(|| {
            let ids = crate::domain::libvirt_ids(domain);
            let is_9p = |index: usize| domain.devices.get(index).is_some_and(|d| d.is_9p());
            let natives = ids.iter().filter(|taken| is_9p(taken.device));
            self.natives = ordered::set(natives.map(|taken| taken.id.clone()));
            self.libvirt = ordered::set(ids.into_iter().map(|taken| taken.id));
            (0, 0)
        });
        for (index, fsdev) in line.fsdevs.iter().enumerate().skip(fsdevs) {
            if let Some(id) = fsdev.id() {
                self.fsdevs.entry(id.value.clone()).or_insert(index);
            }
        }
        for (index, device) in line.devices.iter().enumerate().skip(devices) {
            let reachable = device.form == DeviceForm::Text && !device.virtfs;
            if let Some(id) = device.id_text().filter(|_| reachable) {
                self.devices.entry(id.to_owned()).or_insert(index);
            }
        }
        self.seen = Some((line.fsdevs.len(), line.devices.len()));
    }
}

fn property(opt: Opt) -> Property {
    Property {
        key: opt.key,
        value: Value::String(opt.value),
        flag: opt.form == Form::Flag,
        arg: opt.arg,
        key_range: opt.key_range,
        value_range: opt.value_range,
    }
}

/// `GROUP.ID.KEY=VALUE`, as vl.c's sscanf of `%63[^.].%63[^.].%63[^=]` takes it; the value is
/// taken as it stands, commas included.
fn split_set(arg: usize, text: &str) -> Option<(&str, &str, Opt)> {
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

/// Whether a `-global` could change a 9p device or where devices go.
fn touches_us(value: &str) -> bool {
    value.contains("9p") || value.contains("addr") || value.contains("multifunction")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> CommandLine {
        let domain = Domain {
            args: words
                .iter()
                .map(|word| Arg {
                    value: (*word).to_owned(),
                    span: crate::text::Span::default(),
                })
                .collect(),
            ..Domain::default()
        };
        CommandLine::read(&domain)
    }

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

    #[test]
    fn virtfs_is_a_pair() {
        let line = line(&[
            "--virtfs",
            "local,path=/a,mount_tag=t,security_model=mapped",
        ]);
        assert_eq!(line.fsdevs[0].id().unwrap().value, "t");
        assert_eq!(line.devices[0].text("fsdev"), Some("t"));
        assert!(line.devices[0].is_9p() && line.has_9p());
        assert!(!self::line(&["-name", "-fsdev"]).has_9p());
    }
}
