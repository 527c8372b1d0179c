//! What was found so far, and how values are taken.

use std::collections::BTreeMap;

use super::{Access, HostPath, Opening};
use crate::domain::Place;
use crate::qemu::command_line::RawProperty;
use crate::qemu::device_json::JsonValue;
use crate::qemu::option_string;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of the words.
    pub paths: Vec<HostPath>,
    /// Whether `-snapshot` is about a drive among them.
    pub snapshot: bool,
}

impl Found {
    /// One more, where the property stands.
    pub fn push(&mut self, property: &RawProperty, path: &str, access: Access) {
        // No file, and no path; and an open file that was handed over.
        if path.is_empty() || path.starts_with("/dev/fdset/") {
            return;
        }
        self.paths.push(HostPath {
            path: path.to_owned(),
            place: Place::Arg(property.arg, property.value_range.clone()),
            access,
        });
    }

    /// One that QEMU opens.
    pub fn opens(&mut self, property: &RawProperty, path: &str, opening: Opening) {
        self.push(property, path, Access::Opens(opening));
    }

    /// One that is not understood.
    pub fn unclear(&mut self, property: &RawProperty, text: &str, why: &'static str) {
        self.push(property, text, Access::Unclear(why));
    }
}

/// Whether it is switched on or off; nothing where it is neither.
pub fn is_on(property: &RawProperty) -> Option<bool> {
    match &property.value {
        JsonValue::Bool(on) => Some(*on),
        JsonValue::String(text) => option_string::boolean(text),
        _ => None,
    }
}

/// Its text; JSON has other values, too.
pub fn text(property: &RawProperty) -> Option<&str> {
    match &property.value {
        JsonValue::String(text) => Some(text),
        _ => None,
    }
}

/// Properties by key, of which the last of each counts.
#[derive(Default)]
pub struct Keys<'p> {
    properties: &'p [RawProperty],
    // One kind of map for all there is to be found here: each kind is code of its own.
    last: BTreeMap<&'p str, usize>,
}

impl<'p> Keys<'p> {
    /// Of these.
    #[inline(never)]
    pub fn new(properties: &'p [RawProperty]) -> Self {
        let mut last = BTreeMap::new();
        for (index, property) in properties.iter().enumerate() {
            last.insert(property.key.as_str(), index);
        }
        Keys { properties, last }
    }

    /// The one that counts.
    #[inline(never)]
    pub fn get(&self, key: &str) -> Option<&'p RawProperty> {
        self.properties.get(*self.last.get(key)?)
    }

    /// Those that count, by key.
    pub fn all(&self) -> impl Iterator<Item = &'p RawProperty> {
        self.last
            .values()
            .filter_map(|index| self.properties.get(*index))
    }
}
