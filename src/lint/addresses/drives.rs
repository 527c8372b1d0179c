//! The drives of `-drive`, `-hda` and the like: each has a place, by its index or the first that is
//! free, in the order in which they stand (blockdev.c, drive_new; facts Q4.11).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::domain::{OtherAddress, Place};
use crate::lint::arguments::{bare_option, whole_argument, word};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::{Context, enough};
use crate::pci::machine::{self, Family};
use crate::qemu::argv::Stray;
use crate::qemu::numbers::{OptionNumber, option_number};
use crate::qemu::option_string;
use crate::text::quoted;

/// How many places each kind has; of those without an end, more than anybody has.
const KINDS: [(&str, usize); 5] = [
    ("ide", 0),
    ("floppy", 2),
    ("virtio", END),
    ("none", END),
    ("pflash", 2),
];

const END: usize = 1 << 32;

const HELP: &str = "give it another place, `-drive …,index=N`, or write `-drive if=none,id=NAME,…` and a `-device` with `drive=NAME`";

/// A drive, and where it is to be.
struct Drive {
    kind: usize,
    index: Option<usize>,
    bus: usize,
    unit: Option<usize>,
}

/// Says of each whose place is taken, or that is not there.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    let (domain, line) = (context.domain, context.line);
    // IDE's places, and how many of them make a bus.
    let (places, units) = match machine::family(domain) {
        Family::I440fx => (4, 2),
        Family::Q35 => (6, 1),
        _ => return,
    };
    // What -set says of them is not read.
    if domain
        .args
        .iter()
        .any(|arg| arg.value.starts_with("drive."))
    {
        return;
    }
    let mut options = line.drives.iter().copied().peekable();
    // What is meant as an option is said elsewhere.
    let images = line.strays.iter().filter_map(|stray| match stray {
        Stray::Image(word) if bare_option(context, *word).is_none() => Some(*word),
        _ => None,
    });
    let mut images = images.peekable();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    // Below these none is free.
    let mut lowest = [0; KINDS.len()];
    loop {
        let next = match (options.peek(), images.peek()) {
            (Some(option), Some(image)) if option.0 < *image => options.next(),
            (_, Some(_)) => images.next().map(|word| (word, word)),
            _ => options.next(),
        };
        let Some((option, argument)) = next.filter(|_| !enough(findings)) else {
            break;
        };
        let at = whole_argument(context, argument);
        let drive = match read(context, option, argument) {
            Ok(Some(drive)) => drive,
            Ok(None) => continue,
            Err((code, why)) => {
                let message = format!("QEMU refuses to start with this drive: {why}");
                findings.push(Finding::error(code, at, message).help(HELP));
                continue;
            }
        };
        let Some((name, places)) = KINDS.get(drive.kind).map(|(name, end)| match drive.kind {
            0 => (name, places),
            _ => (name, *end),
        }) else {
            continue;
        };
        let units = if drive.kind == 0 { units } else { END };
        if let Some(unit) = drive.unit.filter(|unit| *unit >= units) {
            let message = format!(
                "QEMU refuses to start with this drive: \"unit {unit} too big (max is {})\"",
                units - 1
            );
            findings.push(Finding::error(Code::AddressInvalid, at, message).help(HELP));
            continue;
        }
        let key = |position: usize| drive.kind * END + position.min(END - 1);
        let position = match (drive.index, drive.unit) {
            (Some(index), _) => index,
            // Those of another bus are their own.
            (None, _) if drive.kind > 0 && drive.bus > 0 => continue,
            (None, Some(unit)) => drive.bus * units + unit,
            (None, None) => {
                let from = lowest.get(drive.kind).copied().unwrap_or(0);
                let start = drive.bus * units;
                let free = |position: &usize| !taken.contains_key(&key(*position));
                let end = places.saturating_add(1).max(start.saturating_add(1));
                let found = (from.max(start)..end).find(free).unwrap_or(end);
                if let Some(low) = lowest.get_mut(drive.kind).filter(|_| start <= from) {
                    *low = found;
                }
                found
            }
        };
        let (bus, unit) = (position / units, position % units);
        let there = format!("if={name},bus={bus},unit={unit}");
        match taken.entry(key(position)) {
            Entry::Occupied(by) => {
                let by = whole_argument(context, *by.get());
                let message = format!(
                    "{} is a drive at {}, where another is: QEMU refuses to start with \"drive with bus={bus}, \
                     unit={unit} … exists\"",
                    word(context, option),
                    quoted(&there)
                );
                let finding = Finding::error(Code::AddressTaken, at, message).help(HELP);
                findings.push(finding.with(by, "this is there, too"));
            }
            Entry::Vacant(entry) => {
                entry.insert(argument);
                if position >= places {
                    findings.push(unsupported(at, &there));
                }
            }
        }
    }
    // libvirt's come behind them.
    let (kind, buses) = if units == 2 { ("ide", 2) } else { ("sata", 0) };
    for disk in &domain.devices {
        let position = match disk.elsewhere {
            Some(OtherAddress::Drive(bus, unit)) if disk.bus.as_deref() == Some(kind) => {
                usize::from(bus) * buses + usize::from(unit)
            }
            _ => continue,
        };
        let Some(argument) = taken.get(&position).filter(|_| &*disk.element == "disk") else {
            continue;
        };
        if enough(findings) {
            return;
        }
        let message = format!(
            "QEMU puts this drive at {}, which is the place of a <disk>: it refuses to start with \"IDE unit {} is in use\"",
            quoted(&format!(
                "if=ide,bus={},unit={}",
                position / units,
                position % units
            )),
            position % units
        );
        let at = whole_argument(context, *argument);
        let finding = Finding::error(Code::AddressTaken, at, message).help(HELP);
        findings.push(finding.with(Place::Xml(disk.tag), "this is there, too"));
    }
}

fn unsupported(at: Place, there: &str) -> Finding {
    let message = format!(
        "this machine has no place for such a drive: QEMU refuses to start with \"machine type does not support {there}\""
    );
    Finding::error(Code::BusUnknown, at, message).help(HELP)
}

/// What an option says of its drive; nothing where it is not known where that goes, or the reason
/// why QEMU does not read it.
fn read(context: Context, option: usize, argument: usize) -> Result<Option<Drive>, (Code, String)> {
    let value = |index: usize| context.domain.args.get(index).map_or("", |arg| &*arg.value);
    let short = |kind: usize, index: usize| {
        Ok(Some(Drive {
            kind,
            index: Some(index),
            bus: 0,
            unit: None,
        }))
    };
    let none = |kind: &str| {
        let said = format!("\"machine type does not support if={kind},bus=0,unit=0\"");
        Err((Code::BusUnknown, said))
    };
    if option == argument {
        return short(0, 0);
    }
    match value(option).trim_start_matches('-') {
        "hda" => return short(0, 0),
        "hdb" => return short(0, 1),
        "hdc" | "cdrom" => return short(0, 2),
        "hdd" => return short(0, 3),
        "fda" => return short(1, 0),
        "fdb" => return short(1, 1),
        "sd" => return none("sd"),
        "mtdblock" => return none("mtd"),
        _ => {}
    }
    let opts = option_string::parse(value(argument), "", argument);
    let last = |key: &str| option_string::last(&opts, key).map(|opt| opt.value.as_str());
    let wanted = last("if").unwrap_or("ide");
    let kind = match KINDS.iter().position(|(name, _)| *name == wanted) {
        Some(kind) => kind,
        // Whichever device names it.
        None if matches!(wanted, "scsi" | "sd" | "mtd") => return none(wanted),
        None if wanted == "xen" => return Ok(None),
        None => {
            let said = format!("there is no `if` {}", quoted(wanted));
            return Err((Code::ValueInvalid, said));
        }
    };
    let number = |key: &str| match last(key).map(option_number) {
        None => Ok(None),
        // As an int, of which -1 is none at all.
        Some(OptionNumber::Number(number)) => match usize::try_from(number & 0xffff_ffff) {
            Ok(number) if number < 1 << 31 => Ok(Some(number)),
            _ => Ok(None),
        },
        Some(_) => Err((
            Code::ValueInvalid,
            format!("its {} is no number", quoted(key)),
        )),
    };
    let drive = Drive {
        kind,
        bus: number("bus")?.unwrap_or(0),
        unit: number("unit")?,
        index: number("index")?,
    };
    if drive.index.is_some() && (drive.bus > 0 || drive.unit.is_some()) {
        let said = "\"index cannot be used with bus and unit\"".to_owned();
        return Err((Code::ValueInvalid, said));
    }
    Ok(Some(drive))
}
