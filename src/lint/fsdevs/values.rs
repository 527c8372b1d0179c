//! The values of keys that QEMU reads as words or numbers, modes left out.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::fix::{meant, switch};
use crate::qemu::command_line::Fsdev;
use crate::qemu::fsdev_keys::{KeyValue, MULTIDEVS, SECURITY_MODELS, fsdev_key};
use crate::qemu::numbers::{OptionNumber, option_number};
use crate::qemu::option_string::{self, Form, Opt};
use crate::text::quoted;

use super::at;

/// With this value as what to write.
fn with_value(finding: Finding, opt: &Opt, value: &str) -> Finding {
    let whole = Place::Arg(opt.arg, opt.key_range.start..opt.value_range.end);
    finding.write(whole, format!("{}={value}", opt.key))
}

const MODEL_HELP: &str = "write security_model=mapped (or mapped-file, passthrough, none)";

/// Values that QEMU checks in every occurrence, modes left out.
pub fn value(opt: &Opt, findings: &mut Vec<Finding>) {
    let Some(key) = fsdev_key(&opt.key) else {
        return;
    };
    let number = match option_number(&opt.value) {
        OptionNumber::Number(number) => Some(number),
        _ => None,
    };
    let wanted = match key.value {
        KeyValue::Switch if option_string::boolean(&opt.value).is_none() => "on or off".to_owned(),
        KeyValue::Number(None) if number.is_none() => "a number".to_owned(),
        KeyValue::Number(Some(above)) if number.is_none_or(|number| number >= above) => {
            format!("a number below {above}")
        }
        KeyValue::Rate if number.is_none() => "a plain number, without a unit".to_owned(),
        _ => return,
    };
    let finding = Finding::error(
        Code::ValueInvalid,
        at(opt),
        format!(
            "`{}` wants {wanted}, not {}: QEMU refuses to start",
            opt.key,
            quoted(&opt.value)
        ),
    );
    findings.push(match (key.value, switch(&opt.value)) {
        (KeyValue::Switch, Some(on)) => with_value(finding, opt, if on { "on" } else { "off" }),
        (KeyValue::Switch, None) => finding.help(format!("write `{0}=on` or `{0}=off`", opt.key)),
        _ => finding.help(format!("write `{}=` and {wanted}", opt.key)),
    });
}

/// What is wrong with `multidevs`.
pub fn multidevs(opt: &Opt) -> Option<Finding> {
    if MULTIDEVS.contains(&opt.value.as_str()) {
        return None;
    }
    let text = format!(
        "`multidevs` wants remap, forbid or warn, not {}: QEMU refuses to start",
        quoted(&opt.value)
    );
    let finding = Finding::error(Code::ValueInvalid, at(opt), text);
    Some(match meant(&opt.value, MULTIDEVS.into_iter()) {
        Some(near) => with_value(finding, opt, near),
        None => finding.help("write `multidevs=remap`, or leave it out"),
    })
}

/// The security model that counts, if QEMU has it.
pub fn security_model<'f>(
    context: Context,
    fsdev: &'f Fsdev,
    findings: &mut Vec<Finding>,
) -> Option<&'f str> {
    let Some(opt) = fsdev.last("security_model") else {
        findings.push(
            Finding::error(
                Code::SecurityModel,
                whole_argument(context, fsdev.arg),
                "no `security_model` is given: QEMU refuses to start",
            )
            .help(MODEL_HELP)
            .about(Key::Lacks("security_model")),
        );
        return None;
    };
    let wrong = wrong_model(opt);
    let good = wrong.is_none();
    findings.extend(wrong);
    good.then_some(opt.value.as_str())
}

/// What is wrong with `security_model`.
pub fn wrong_model(opt: &Opt) -> Option<Finding> {
    if SECURITY_MODELS.contains(&opt.value.as_str()) {
        return None;
    }
    let written = if opt.form == Form::Flag {
        &opt.key
    } else {
        &opt.value
    };
    let text = format!(
        "{} is no security model: QEMU refuses to start",
        quoted(written)
    );
    let finding = Finding::error(Code::SecurityModel, at(opt), text);
    Some(match meant(&opt.value, SECURITY_MODELS.into_iter()) {
        Some(near) if opt.form != Form::Flag => with_value(finding, opt, near),
        _ if opt
            .value
            .split(',')
            .next()
            .is_some_and(|model| SECURITY_MODELS.contains(&model)) =>
        {
            finding.write(at(opt), opt.value.as_str())
        }
        _ => finding.help(MODEL_HELP),
    })
}
