//! What fixes a finding, as an edit: `help:`, the corrected line and `check --fix` are made of it.

use std::ops::Range;

use crate::assumptions::DeviceForm;
use crate::domain::xml::escaped;
use crate::domain::{Domain, Place};
use crate::qemu::command_line::{RawDevice, RawProperty};
use crate::qemu::device_json::JsonValue;
use crate::qemu::option_string;
use crate::text::{Span, nearest};

/// One edit of those that fix a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What goes away: a range of a raw argument.
    pub place: Place,
    /// What comes instead, as QEMU is to get it.
    pub text: String,
    /// A second word, in a `<qemu:arg>` of its own behind it.
    pub then: Option<String>,
}

impl Replacement {
    /// `text` in this place.
    pub fn new(place: Place, text: impl Into<String>) -> Self {
        Replacement {
            place,
            text: text.into(),
            then: None,
        }
    }

    /// The same as an edit of the document: what of it goes away, and what comes instead.
    pub fn in_document(&self, domain: &Domain, document: &str) -> (Span, String) {
        let span = self.place.span(domain, document);
        let Place::Arg(index, _) = &self.place else {
            return (span, self.text.clone());
        };
        let start = domain.args.get(*index).map_or(0, |arg| arg.span.start);
        let before = document.get(..start).unwrap_or("");
        let quote = before.chars().next_back().unwrap_or('"');
        let mut text = escaped(&self.text, quote);
        if let Some(word) = &self.then {
            // The same start tag again, below the first where that begins a line.
            let (above, tag) = before.split_at(before.rfind('<').unwrap_or(0));
            let margin = above.trim_end_matches([' ', '\t']);
            let margin = if margin.ends_with('\n') {
                margin.len()
            } else {
                above.len()
            };
            let margin = above.get(margin..).unwrap_or("");
            let end = if margin.is_empty() { "" } else { "\n" };
            text.push_str(&format!(
                "{quote}/>{end}{margin}{tag}{}",
                escaped(word, quote)
            ));
        }
        (span, text)
    }
}

/// What stands between the quotes of a shell, which QEMU takes for a part of the word.
pub fn unquoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text.get(1..)?.strip_suffix(quote)
}

/// The one candidate that `word` is a slip for: but for quotes, case, `-` and `_` the same, or
/// else near, and no other is.
pub fn meant<'c>(word: &str, candidates: impl Iterator<Item = &'c str> + Clone) -> Option<&'c str> {
    let word = unquoted(word).unwrap_or(word).trim();
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let same = plain(word);
    if let Some(same) = candidates.clone().find(|known| plain(known) == same) {
        return Some(same);
    }
    let word = word.to_ascii_lowercase();
    let near = nearest(&word, candidates.clone())?;
    let others = candidates.filter(|other| *other != near);
    nearest(&word, others).is_none().then_some(near)
}

/// Gives keys of a raw device these values, written as its form wants them: `bus=pci.0` of text,
/// `"bus":"pci.0"` of JSON. Keys that are not there come behind the others.
pub fn set_keys(domain: &Domain, device: &RawDevice, values: &[(&str, &str)]) -> Vec<Replacement> {
    let json = device.form == DeviceForm::Json;
    let own = device.properties.iter().filter(|one| one.arg == device.arg);
    let end = own.map(|one| outer(one, json).end).max().unwrap_or(0);
    let mut edits = Vec::new();
    let mut added = String::new();
    for (key, value) in values {
        let text = match json {
            true => format!("\"{value}\""),
            false => option_string::escape(value),
        };
        match device.last(key) {
            Some(one) if one.flag => {
                let place = Place::Arg(one.arg, one.value_range.clone());
                edits.push(Replacement::new(place, format!("{key}={text}")));
            }
            Some(one) => {
                let range = outer(one, json && one.arg == device.arg);
                edits.push(Replacement::new(Place::Arg(one.arg, range), text));
            }
            None if json => added.push_str(&format!(",\"{key}\":{text}")),
            None => added.push_str(&format!(",{key}={text}")),
        }
    }
    if !added.is_empty() {
        edits.push(Replacement::new(Place::Arg(device.arg, end..end), added));
    }
    joined(domain, edits)
}

/// The value of a property, with the quotes that a string of JSON has.
pub fn outer(property: &RawProperty, json: bool) -> Range<usize> {
    let quoted = usize::from(json && matches!(property.value, JsonValue::String(_)));
    property.value_range.start.saturating_sub(quoted)..property.value_range.end + quoted
}

/// Of several edits in one argument one, with what stands between them.
fn joined(domain: &Domain, edits: Vec<Replacement>) -> Vec<Replacement> {
    // They are few.
    let mut sorted: Vec<Replacement> = Vec::new();
    for edit in edits {
        let at = sorted.partition_point(|other| other.place.key() < edit.place.key());
        sorted.insert(at, edit);
    }
    let mut out: Vec<Replacement> = Vec::new();
    for edit in sorted {
        if let (Some(last), Place::Arg(arg, range)) = (out.last_mut(), &edit.place)
            && let Place::Arg(before, whole) = &mut last.place
            && before == arg
        {
            let value = domain.args.get(*arg).map_or("", |arg| &arg.value);
            let between = value.get(whole.end..range.start).unwrap_or("");
            last.text.push_str(between);
            last.text.push_str(&edit.text);
            whole.end = range.end;
            continue;
        }
        out.push(edit);
    }
    out
}

/// What somebody meant who wrote a switch as other programs want it.
pub fn switch(text: &str) -> Option<bool> {
    let text = unquoted(text).unwrap_or(text).trim().to_ascii_lowercase();
    match text.as_str() {
        "1" | "enable" | "enabled" => Some(true),
        "0" | "disable" | "disabled" => Some(false),
        word => option_string::boolean(word),
    }
}
