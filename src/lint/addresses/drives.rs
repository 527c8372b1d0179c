//! The drives of `-drive`, `-hda` and the like: each has a place, by its index or the first that is
//! free, in the order in which they stand (blockdev.c, drive_new; facts Q4.11).

use std::collections::BTreeMap;

use crate::domain::{OtherAddress, Place};
use crate::lint::arguments::{bare_option, whole_argument};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::{Context, enough};
use crate::pci::machine::{self, Family};
use crate::qemu::numbers::{OptionNumber, option_number};
use crate::qemu::option_string;

/// The kinds that a machine may have; of those that it has not, QEMU says so.
const KINDS: [&str; 5] = ["ide", "floppy", "pflash", "virtio", "none"];

/// More places than anybody has.
const END: usize = 1 << 32;

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
    let (ide, ide_units) = match machine::family(domain) {
        Family::I440fx => (4, 2),
        Family::Q35 => (6, 1),
        _ => return,
    };
    // What -set says of them is not read.
    let is_set = |arg: &crate::domain::Arg| arg.value.starts_with("drive.");
    if domain.args.iter().any(is_set) {
        return;
    }
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    // Below these none is free.
    let mut lowest = [0; KINDS.len()];
    for option in line.drives.iter().copied() {
        let argument = argument(context, option);
        // What is meant as an option is said elsewhere.
        if option == argument && bare_option(context, option).is_some() || enough(findings) {
            continue;
        }
        let mut refuse = |code, said, other| refuse(context, findings, argument, code, said, other);
        let drive = match read(context, option, argument) {
            Ok(Some(drive)) => drive,
            Ok(None) => continue,
            Err(said) => {
                refuse(Code::ValueInvalid, said, None);
                continue;
            }
        };
        let (places, units) = match drive.kind {
            0 => (ide, ide_units),
            1 | 2 => (2, END),
            _ => (END, END),
        };
        let key = |position: usize| drive.kind * END + position.min(END - 1);
        let start = drive.bus * units;
        let position = match (drive.index, drive.unit) {
            (Some(index), _) => index,
            // Those of another bus are their own.
            (None, _) if drive.kind > 0 && drive.bus > 0 => continue,
            (None, Some(unit)) if unit >= units => END,
            (None, Some(unit)) => start + unit,
            (None, None) => {
                let mut position = start;
                let low = lowest.get_mut(drive.kind).filter(|low| **low >= start);
                position = low.as_ref().map_or(position, |low| **low);
                while position < places && taken.contains_key(&key(position)) {
                    position += 1;
                }
                low.into_iter().for_each(|low| *low = position);
                position
            }
        };
        if position >= places {
            refuse(
                Code::BusUnknown,
                "this machine has no such place, as bus, unit or index",
                None,
            );
        } else if let Some(other) = taken.get(&key(position)) {
            let other = whole_argument(context, *other);
            refuse(
                Code::AddressTaken,
                "another is where this goes",
                Some(other),
            );
        } else {
            taken.insert(key(position), argument);
        }
    }
    // libvirt's come behind them.
    let (kind, of_bus) = match ide_units {
        2 => ("ide", 2),
        _ => ("sata", 0),
    };
    for disk in &domain.devices {
        let Some(OtherAddress::Drive(bus, unit)) = disk.elsewhere else {
            continue;
        };
        if disk.bus.as_deref() != Some(kind) || enough(findings) {
            continue;
        }
        if let Some(argument) = taken.get(&(usize::from(bus) * of_bus + usize::from(unit))) {
            let place = Some(Place::Xml(disk.tag));
            refuse(
                context,
                findings,
                *argument,
                Code::AddressTaken,
                "libvirt's disk goes there, too: \"IDE unit … is in use\"",
                place,
            );
        }
    }
}

/// The index of what an option takes, or of the image itself.
fn argument(context: Context, option: usize) -> usize {
    let arg = context.domain.args.get(option);
    option + usize::from(arg.is_some_and(|arg| arg.value.starts_with('-')))
}

fn refuse(
    context: Context,
    findings: &mut Vec<Finding>,
    argument: usize,
    code: Code,
    said: &str,
    other: Option<Place>,
) {
    let message = format!("QEMU refuses to start with this drive: {said}");
    let finding = Finding::error(code, whole_argument(context, argument), message).help(
        "give it another place, `-drive …,index=N`, or write `-drive if=none,id=NAME,…` and a `-device` with \
         `drive=NAME`",
    );
    findings.push(match other {
        Some(other) => finding.with(other, "this is there, too"),
        None => finding,
    });
}

/// What an option says of its drive; nothing where it is not known where that goes, or the reason
/// why QEMU does not read it.
fn read(context: Context, option: usize, argument: usize) -> Result<Option<Drive>, &'static str> {
    let value = |index: usize| context.domain.args.get(index).map_or("", |arg| &*arg.value);
    let mut drive = Drive {
        kind: 0,
        index: Some(0),
        bus: 0,
        unit: None,
    };
    if option == argument {
        return Ok(Some(drive));
    }
    let name = value(option).trim_start_matches('-');
    let short = match name {
        "cdrom" => Some((0, 2)),
        _ => match name.as_bytes() {
            [kind @ (b'h' | b'f'), b'd', letter] => {
                Some((usize::from(*kind == b'f'), letter.saturating_sub(b'a')))
            }
            _ => None,
        },
    };
    if let Some((kind, index)) = short {
        drive.kind = kind;
        drive.index = Some(usize::from(index));
        return Ok(Some(drive));
    }
    let opts = option_string::parse(value(argument), "", argument);
    let last = |key: &str| option_string::last(&opts, key).map(|opt| opt.value.as_str());
    let wanted = match name {
        "drive" => last("if").unwrap_or("ide"),
        // -sd, -mtdblock
        _ => "sd",
    };
    match KINDS.iter().position(|kind| *kind == wanted) {
        Some(kind) => drive.kind = kind,
        None if wanted == "xen" => return Ok(None),
        // Whichever device names it.
        None => return Err("this machine has no such drives, whatever names them"),
    }
    let number = |key: &str| match last(key).map(option_number) {
        None => Ok(None),
        // As an int, of which -1 is none at all.
        Some(OptionNumber::Number(number)) => match usize::try_from(number & 0xffff_ffff) {
            Ok(number) if number < 1 << 31 => Ok(Some(number)),
            _ => Ok(None),
        },
        Some(_) => Err("an index, bus or unit is a number"),
    };
    drive.bus = number("bus")?.unwrap_or(0);
    drive.unit = number("unit")?;
    drive.index = number("index")?;
    if drive.index.is_some() && (drive.bus > 0 || drive.unit.is_some()) {
        return Err("\"index cannot be used with bus and unit\"");
    }
    Ok(Some(drive))
}
