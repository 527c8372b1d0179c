//! Reads the raw arguments of a domain as QEMU does, one after the other.

use crate::assumptions::DeviceForm;
use crate::domain::{Arg, Domain};
use crate::qemu::argv::{self, Stray};
use crate::qemu::command_line::{CommandLine, Fsdev, LONGEST_ARG, RawDevice, RawProperty};
use crate::qemu::device_json::{self, JsonValue};
use crate::qemu::implied::ImpliedReader;
use crate::qemu::option_string;
use crate::qemu::set::SetTargets;

impl CommandLine {
    /// Reads the raw arguments of `domain`.
    pub fn read(domain: &Domain) -> CommandLine {
        let mut line = CommandLine::default();
        let words: Vec<&str> = domain.args.iter().map(|arg| arg.value.as_str()).collect();
        let (pairs, strays) = argv::pair(&words);
        let images = strays.iter().filter_map(|stray| match stray {
            Stray::Image(word) => Some(*word),
            _ => None,
        });
        line.drives.extend(images);
        line.strays = strays;
        let mut names = SetTargets::default();
        let mut implied = ImpliedReader::default();
        for word in pairs {
            if word.gone > 0 {
                line.gone.push((word.option, word.gone));
            }
            let argument = word.argument(domain);
            let text = argument.map_or("", |(_, arg)| &arg.value);
            if text.len() <= LONGEST_ARG {
                implied.read(word, text, &domain.machine.value, line.devices.len());
            }
            let Some((index, arg)) = argument else {
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
                    opts: option_string::parse(&arg.value, "fsdriver", index),
                }),
                "virtfs" => line.virtfs(index, arg),
                "drive" | "hda" | "hdb" | "hdc" | "hdd" | "cdrom" | "fda" | "fdb" | "sd"
                | "mtdblock" => {
                    line.drives.insert(word.option);
                }
                "device" => line.device(index, arg),
                "set" => names.set(&mut line, index, arg, domain),
                "readconfig" => line.unmodelled.push((word.option, index)),
                "global" if touches_us(&arg.value) => {
                    line.unmodelled.push((word.option, index));
                }
                _ => {}
            }
        }
        line.machine = implied.machine;
        line.implied = implied.end();
        line
    }

    /// `-virtfs` is a `-fsdev` and a text `-device` without id and address (vl.c).
    fn virtfs(&mut self, index: usize, arg: &Arg) {
        let fsdev = Fsdev {
            arg: index,
            virtfs: true,
            opts: option_string::parse(&arg.value, "fsdriver", index),
        };
        let implied = |key: &str, value: &str| RawProperty {
            key: key.to_owned(),
            value: JsonValue::String(value.to_owned()),
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
            properties.push(RawProperty {
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
            match device_json::object(&arg.value) {
                Ok(members) => (
                    DeviceForm::Json,
                    members
                        .into_iter()
                        .map(|member| RawProperty {
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
            let opts = option_string::parse(&arg.value, "driver", index);
            (
                DeviceForm::Text,
                opts.into_iter().map(RawProperty::of_text).collect(),
            )
        };
        self.devices.push(RawDevice {
            arg: index,
            form,
            virtfs: false,
            properties,
        });
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
