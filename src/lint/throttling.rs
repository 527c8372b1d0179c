//! `throttling.*` of an -fsdev: QEMU checks the limits against one another when it starts
//! (util/throttle.c, throttle_is_valid).

use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::qemu::command_line::Fsdev;
use crate::qemu::fsdev_keys::BUCKETS;
use crate::qemu::numbers::{OptionNumber, option_number};
use crate::qemu::option_string::Opt;

/// QEMU's THROTTLE_VALUE_MAX.
const MOST: u64 = 1_000_000_000_000_000;

/// Finds limits that do not go together.
pub fn check(fsdev: &Fsdev, findings: &mut Vec<Finding>) {
    let number = |key: &str| match fsdev.last(key).map(|opt| option_number(&opt.value)) {
        Some(OptionNumber::Number(number)) => Some(number),
        _ => None,
    };
    let any = |opt: &&Opt| opt.key.starts_with("throttling.");
    let Some(last) = fsdev.opts.iter().rev().find(any) else {
        return;
    };
    let bucket =
        |(unit, way): (&str, &str), part: &str| number(&format!("throttling.{unit}-{way}{part}"));
    let mut refuse = |why: &str| {
        findings.push(Finding::error(
            Code::ValueInvalid,
            Place::Arg(last.arg, last.key_range.start..last.value_range.end),
            format!("the throttling limits do not go together ({why}): QEMU refuses to start"),
        ));
    };
    for unit in ["bps", "iops"] {
        for part in ["", "-max"] {
            let set = |way| bucket((unit, way), part).unwrap_or(0) > 0;
            if set("total") && (set("read") || set("write")) {
                return refuse("total, and read or write, at the same time");
            }
        }
    }
    let limits_iops = ["total", "read", "write"]
        .iter()
        .any(|way| bucket(("iops", way), "").unwrap_or(0) > 0);
    if number("throttling.iops-size").unwrap_or(0) > 0 && !limits_iops {
        return refuse("iops-size without an iops limit");
    }
    for pair in BUCKETS {
        let average = bucket(pair, "").unwrap_or(0);
        let most = bucket(pair, "-max").unwrap_or(0);
        let length = bucket(pair, "-max-length").unwrap_or(1);
        let why = if average > MOST || most > MOST {
            "a value above 1000000000000000"
        } else if length == 0 {
            "a burst length of 0"
        } else if length > 1 && most == 0 {
            "a burst length without a burst rate"
        } else if most > 0 && average == 0 {
            "a -max without its limit"
        } else if most > 0 && most < average {
            "a -max below its limit"
        } else if length > 1 && most > 0 && length > MOST / most {
            "a burst length too high for its rate"
        } else {
            continue;
        };
        return refuse(why);
    }
}
