//! The raw arguments of a domain as QEMU will understand them: its `-fsdev`, `-virtfs`,
//! `-device` and `-set`, with `-set` already carried out.

use std::ops::Range;

use crate::domain::{Arg, Domain};
use crate::qemu::json::{self, Value};
use crate::qemu::opts::{self, Form, Opt};
use crate::qemu::set::{FailedSet, Names, Set};
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

    /// Its `id`: in text the first counts, in JSON there is one. What `-set` adds to a text device is
    /// no id to QEMU's options, but is that of the device (7.2: `-set device.d.id=x` makes it x).
    pub fn id(&self) -> Option<&Property> {
        let mut ids = self
            .properties
            .iter()
            .filter(|p| p.key == "id" && matches!(p.value, Value::String(_)));
        let first = ids.next()?;
        Some(ids.rfind(|p| p.arg != self.arg).unwrap_or(first))
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
                "set" => names.set(&mut line, index, arg, domain),
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
            || self
                .strays
                .iter()
                .any(|stray| matches!(stray, Stray::Misspelt(_, "fsdev" | "virtfs")))
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
}

/// An option of a text device.
pub fn property(opt: Opt) -> Property {
    Property {
        key: opt.key,
        value: Value::String(opt.value),
        flag: opt.form == Form::Flag,
        arg: opt.arg,
        key_range: opt.key_range,
        value_range: opt.value_range,
    }
}

/// Whether a `-global` could change a 9p device or where devices go.
fn touches_us(value: &str) -> bool {
    value.contains("9p") || value.contains("addr") || value.contains("multifunction")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The arguments that these words are.
    pub fn line(words: &[&str]) -> CommandLine {
        let domain = Domain {
            args: words
                .iter()
                .map(|word| Arg::new((*word).to_owned(), crate::text::Span::default(), false))
                .collect(),
            ..Domain::default()
        };
        CommandLine::read(&domain)
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
