//! One argument with its properties, and how values are taken that must come out as they went in.

use std::ops::Range;

use super::{Element, Unequal};
use crate::apparmor::system_paths::system_path;
use crate::assumptions::DeviceForm;
use crate::domain::Arg;
use crate::qemu::command_line::{RawDevice, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::qemu::host_paths::flatten;
use crate::qemu::option_string;

/// One argument.
pub struct Word<'a> {
    /// What it is read for.
    pub element: Element,
    /// Which.
    pub arg: usize,
    /// In JSON a switch is true or false, and a size a number.
    json: bool,
    /// The white space in it may be another (white-space-unclear).
    blanked: bool,
    properties: std::borrow::Cow<'a, [RawProperty]>,
}

/// The text of a property.
pub fn string(property: &RawProperty) -> Option<&str> {
    match &property.value {
        JsonValue::String(text) => Some(text),
        _ => None,
    }
}

/// Whether nothing is written.
pub fn is_empty(property: &RawProperty) -> bool {
    string(property) == Some("")
}

/// A size: digits, and one letter for a power of 1024 (qemu_strtosz). Other spellings are not read.
pub fn bytes(property: &RawProperty) -> Option<u64> {
    let text = match &property.value {
        JsonValue::Integer(size) => return u64::try_from(*size).ok(),
        JsonValue::String(text) => text,
        _ => return None,
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text.get(digits.len()..)? {
        "" => 0,
        one => "bkmgtpe".find(one.to_ascii_lowercase().as_str())?,
    };
    let plain = text.len() <= digits.len() + 1 && digits.bytes().all(|b| b.is_ascii_digit());
    let size: u64 = digits.parse().ok().filter(|_| plain)?;
    size.checked_mul(1 << (10 * power))
}

impl<'a> Word<'a> {
    /// Of the argument of an option; nothing where QEMU cannot read it.
    pub fn of(arg: &Arg, index: usize, element: Element, implied: &str) -> Option<Self> {
        let json = implied == "qom-type" && arg.value.starts_with('{');
        let properties = if json {
            flatten::flatten(&arg.value, index)?
        } else {
            let opts = option_string::parse(&arg.value, implied, index).into_iter();
            opts.map(RawProperty::of_text).collect()
        };
        Some(Word {
            element,
            arg: index,
            json,
            blanked: arg.blanked,
            properties: properties.into(),
        })
    }

    /// Of a device of a `<shmem>`.
    pub fn device(device: &'a RawDevice) -> Self {
        Word {
            element: Element::Shmem,
            arg: device.arg,
            json: device.form == DeviceForm::Json,
            blanked: false,
            properties: device.properties.as_slice().into(),
        }
    }

    /// The one of this key that counts: the last.
    pub fn get(&self, key: &str) -> Option<&RawProperty> {
        self.properties.iter().rev().find(|one| one.key == key)
    }

    /// The id: the first.
    pub fn id(&self) -> Option<&str> {
        self.properties
            .iter()
            .find(|one| one.key == "id")
            .and_then(string)
    }

    /// What is said of a value.
    pub fn unequal(&self, property: &RawProperty, why: &str) -> Unequal {
        let shown = string(property).unwrap_or(&property.key);
        let mut unequal = Unequal::new(self, property.value_range.clone(), shown, why);
        unequal.arg = property.arg;
        unequal
    }

    /// Nothing but these keys, and none from a `-set`, which would have nothing left to change.
    pub fn only(&self, known: &str) -> Result<(), Unequal> {
        for one in self.properties.iter() {
            if !known.split(' ').any(|key| key == one.key) || one.arg != self.arg {
                let name = self.element.name();
                let why = format!("has no equal in {name} of libvirt's");
                let mut unequal = Unequal::new(self, one.key_range.clone(), &one.key, &why);
                unequal.arg = one.arg;
                return Err(unequal);
            }
        }
        let whole = self.properties.first().filter(|_| self.blanked);
        whole.map_or(Ok(()), |one| {
            Err(self.unequal(
                one,
                "stands beside white space that QEMU may get as another",
            ))
        })
    }

    /// A property that must be there.
    pub fn wanted(&self, key: &str) -> Result<&RawProperty, Unequal> {
        self.get(key).ok_or_else(|| {
            Unequal::new(
                self,
                0..0,
                key,
                "is not there, and QEMU refuses to start without it",
            )
        })
    }

    /// A text that comes out of libvirt as it went in, with none of these characters.
    pub fn text<'p>(&self, property: &'p RawProperty, not: &str) -> Result<&'p str, Unequal> {
        let text = string(property).filter(|_| !property.flag);
        let plain = |c: char| !c.is_control() && !not.contains(c);
        text.filter(|text| text.chars().all(plain)).ok_or_else(|| {
            let why = "has a character in it that libvirt does not hand on as it is written";
            self.unequal(property, why)
        })
    }

    /// A path that libvirt opens to a guest.
    pub fn file(
        &self,
        key: &str,
        not: &str,
        readonly: bool,
    ) -> Result<(&str, Range<usize>), Unequal> {
        let property = self.wanted(key)?;
        let path = self.text(property, not)?;
        if !path.starts_with('/') {
            return Err(self.unequal(property, "is no absolute path, as libvirt wants it"));
        }
        if is_refused(path, readonly) {
            let why = "belongs to the system, of which libvirt opens nothing to a guest under AppArmor: in libvirt's \
                       element it would stop the start";
            return Err(self.unequal(property, why));
        }
        Ok((path, property.value_range.clone()))
    }

    /// A switch that may be there.
    pub fn switch(&self, key: &str) -> Result<Option<bool>, Unequal> {
        let Some(property) = self.get(key) else {
            return Ok(None);
        };
        let on = match &property.value {
            JsonValue::Bool(on) => Some(*on),
            JsonValue::String(text) if !self.json => option_string::boolean(text),
            _ => None,
        };
        match on {
            None => Err(self.unequal(property, "is no value that QEMU takes for this")),
            on => Ok(on),
        }
    }
}

/// Whether virt-aa-helper refuses this path of an element of libvirt's, and the start with it.
pub fn is_refused(path: &str, readonly: bool) -> bool {
    system_path(path.as_bytes(), readonly).is_some_and(|system| !system.natively)
}
