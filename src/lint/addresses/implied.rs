//! PCI devices that other options than `-device` make, and what is not known of any.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::arguments::{whole_argument, word};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::pci::build::{self, Wish};
use crate::qemu::command_line::RawDevice;
use crate::qemu::implied::{Implied, Makes};
use crate::text::quoted;

use super::place_of;

/// So many are named in a note.
const MOST_NAMED: usize = 5;

/// What the device is called in messages.
pub fn name(context: Context, implied: &Implied) -> String {
    let option = word(context, implied.option);
    let model = match &implied.makes {
        Makes::Model(model) => model,
        Makes::Card(Some(model)) => return format!("the {} of {option}", quoted(model)),
        Makes::Card(None) => "network card",
        Makes::Usb => "USB controller",
        Makes::UsualDisk => "disk",
        Makes::Unknown => "device",
    };
    format!("the {model} of {option}")
}

/// The option's argument, or the option where it has none.
pub fn place(context: Context, implied: &Implied) -> Place {
    whole_argument(context, implied.arg.unwrap_or(implied.option))
}

/// One note of everything that may be on the PCI buses, too, for all that is known, and of the
/// devices whose places depend on it.
pub fn unknown(context: Context) -> Option<Finding> {
    let model = |device: &&RawDevice| {
        let named = !device.driver().is_empty() && !device.looks_like_9p();
        named && build::wish(device) == Wish::Unknown
    };
    let models = context.line.devices.iter().filter(model);
    let options = context.line.implied.iter();
    let options = options.filter(|implied| build::is_unknown(context.domain, implied));
    let first = models
        .clone()
        .next()
        .map(|device| place_of(context, device, &["driver"]));
    let first = first.or_else(|| options.clone().next().map(|one| place(context, one)))?;
    let all = models.clone().count() + options.clone().count();
    let models = models.map(|device| quoted(device.driver()));
    let options = options.map(|implied| word(context, implied.option));
    let named: Vec<String> = models.chain(options).take(MOST_NAMED).collect();
    let more = match all.saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "which PCI devices come with {}{more} is not known here: each may take a slot, so what is said of devices \
         without an address is a warning at most",
        named.join(", ")
    );
    let automatic = context.line.devices.iter().filter(|device| {
        let wish = build::wish(device);
        matches!(wish, Wish::Pci { at: None, .. })
    });
    let mut note = Finding::note(Code::NotModelled, first, message)
        .help("give each PCI device an address, `bus=` and `addr=`: that does not depend on it");
    for device in automatic.take(MOST_NAMED) {
        note = note.with(
            whole_argument(context, device.arg),
            "the address of this one depends on it",
        );
    }
    Some(note)
}
