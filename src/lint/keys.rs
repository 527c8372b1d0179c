//! What is said alike of the keys of an -fsdev and the properties of a device.

use std::ops::Range;

use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::fix::Replacement;

/// One of several that have the same key: where it stands, key and value.
pub struct Occurrence<'a> {
    /// Index of the argument.
    pub arg: usize,
    /// Bytes of the key in it.
    pub key: &'a Range<usize>,
    /// Bytes of the value in it.
    pub value: &'a Range<usize>,
}

impl Occurrence<'_> {
    /// From the key to the end of the value.
    fn place(&self) -> Place {
        Place::Arg(self.arg, self.key.start..self.value.end)
    }
}

/// A key that stands more than once, at one place and at another. Of ids the first counts.
pub fn repeated(key: &str, here: &Occurrence, other: &Occurrence) -> Finding {
    let first = here.place().key() < other.place().key();
    let is_id = key == "id";
    let counts = if is_id { "first" } else { "last" };
    // The other counts when it is the first of ids, or the last of anything else.
    let word = if first == is_id {
        "this one does not count"
    } else {
        "this one counts"
    };
    Finding::warning(
        Code::KeyRepeated,
        here.place(),
        format!("`{key}` stands here more than once; QEMU takes the {counts}"),
    )
    .help("keep the one you mean")
    .with(other.place(), word)
}

/// With the key that was meant by another; written in this place, where it can be.
pub fn misspelt(finding: Finding, near: &'static str, place: Option<Place>) -> Finding {
    finding
        .about(Key::Meant(near))
        .fix(place.map(|place| Replacement::new(place, near)))
        .help(format!("did you mean `{near}`?"))
}
