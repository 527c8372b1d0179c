//! fmode and dmode: what QEMU makes of the text, and whether the share can work with it.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key, Level};
use crate::lint::fix::unquoted;
use crate::lint::unknown::Unknown;
use crate::qemu::numbers::{OptionNumber, effective_mode, is_plain_octal, option_number};
use crate::qemu::option_string::{Form, Opt};
use crate::text::quoted;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ModeKey {
    /// `fmode` or `dmode`.
    pub name: &'static str,
    /// The bits QEMU cannot do without.
    owner: u16,
    /// The mode most people want.
    usual: &'static str,
    /// What gets the mode.
    what: &'static str,
}

/// `fmode` and `dmode`.
pub const KEYS: [ModeKey; 2] = [
    ModeKey {
        name: "fmode",
        owner: 0o600,
        usual: "0644",
        what: "files",
    },
    ModeKey {
        name: "dmode",
        owner: 0o700,
        usual: "0755",
        what: "directories",
    },
];

/// Where a mode is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WrittenIn {
    /// In an -fsdev, or a -set on one.
    Fsdev,
    /// In an -fsdev that is read-only: nothing is created that could get a mode.
    ReadOnly,
    /// In a -virtfs, which forgets it.
    Virtfs,
}

/// Checks all occurrences of one key; `model` is the security model that counts.
pub fn check(
    context: Context,
    host: WrittenIn,
    key: ModeKey,
    occurrences: &[&Opt],
    model: Option<&str>,
    findings: &mut Vec<Finding>,
) {
    let Some((last, earlier)) = occurrences.split_last() else {
        return;
    };
    // QEMU validates every occurrence when it reads the option (qemu_opt_parse).
    for opt in earlier {
        findings.extend(invalid(key, opt).or_else(|| binary(key, opt)));
    }
    if let Some(finding) = invalid(key, last) {
        findings.push(finding);
        return;
    }
    if host == WrittenIn::Virtfs {
        if let Some(finding) = binary(key, last) {
            findings.push(finding);
            return;
        }
        let default = if key.name == "fmode" { "0600" } else { "0700" };
        findings.push(
            Finding::warning(
                Code::ModeIgnored,
                place(last),
                format!(
                    "`{}` in -virtfs does nothing: no QEMU hands it on, and the guest's {} get mode \
                     {default} on the host",
                    key.name, key.what
                ),
            )
            .help(without_virtfs(key)),
        );
        return;
    }
    if matches!(model, Some("passthrough" | "none")) {
        findings.push(
            Finding::error(
                Code::ModeNeedsMapped,
                place(last),
                format!(
                    "`{}` goes with mapped security models only; with security_model={} QEMU refuses to start",
                    key.name,
                    model.unwrap_or("")
                ),
            )
            .help(format!("write security_model=mapped, or leave {} out", key.name)),
        );
        return;
    }
    let binary = matches!(option_number(&last.value), OptionNumber::Binary(_));
    let found = unsuitable(context.assume.qemu_is_root, key, last);
    findings.extend(found.map(|finding| {
        if host == WrittenIn::ReadOnly && !binary {
            harmless(finding)
        } else {
            finding
        }
    }));
}

/// What is wrong with a mode by its text alone, wherever it stands.
pub fn text(key: ModeKey, opt: &Opt, qemu_is_root: Option<bool>) -> Option<Finding> {
    invalid(key, opt).or_else(|| unsuitable(qemu_is_root, key, opt))
}

/// A wrong mode does no harm where the guest cannot create anything.
fn harmless(finding: Finding) -> Finding {
    Finding {
        level: finding.level.min(Level::Warning),
        message: format!(
            "{} (the share is read-only, so the guest creates nothing)",
            finding.message
        ),
        depends: None,
        ..finding
    }
}

/// Where modes do something, for a -virtfs.
fn without_virtfs(key: ModeKey) -> String {
    format!(
        "write `-fsdev local,id=NAME,…,{}={}` and `-device virtio-9p-pci,fsdev=NAME,…` instead",
        key.name, key.usual
    )
}

/// The key is not there: what QEMU does then.
pub fn absent(key: ModeKey, at: Place, virtfs: bool) -> Finding {
    let default = if key.name == "fmode" { "0600" } else { "0700" };
    Finding::note(
        Code::ModeDefault,
        at,
        format!(
            "no `{}`: the guest's {} get mode {default} on the host, for the QEMU user alone",
            key.name, key.what
        ),
    )
    .help(match virtfs {
        true => format!("if others should read them, {}", without_virtfs(key)),
        false => format!("add {}={} if others should read them", key.name, key.usual),
    })
    .about(Key::Lacks(key.name))
}

fn place(opt: &Opt) -> Place {
    Place::Arg(opt.arg, opt.value_range.clone())
}

/// A text that QEMU refuses.
fn invalid(key: ModeKey, opt: &Opt) -> Option<Finding> {
    let why = match option_number(&opt.value) {
        OptionNumber::NotANumber => "is no number to QEMU",
        OptionNumber::TooLarge => "is too large a number for QEMU",
        OptionNumber::Number(_) | OptionNumber::Binary(_) => return None,
    };
    let finding = Finding::error(
        Code::ModeInvalid,
        place(opt),
        format!("{} {why}, which refuses to start", spelled(key, opt)),
    );
    // `,,` is one comma of the value.
    if opt
        .value
        .split_once(',')
        .is_some_and(|(mode, _)| is_plain_octal(mode))
    {
        return Some(finding.write(place(opt), opt.value.as_str()));
    }
    Some(rewritten(finding, key, opt, meant(key, &opt.value)))
}

/// `0b…` is a number only to a QEMU built with glibc from 2.38 on: not to be relied upon.
fn binary(key: ModeKey, opt: &Opt) -> Option<Finding> {
    matches!(option_number(&opt.value), OptionNumber::Binary(_)).then(|| {
        let finding = Finding::error(
            Code::ModeInvalid,
            place(opt),
            format!(
                "{} is a number to some builds of QEMU only; others refuse to start",
                spelled(key, opt)
            ),
        );
        rewritten(finding, key, opt, meant(key, &opt.value))
    })
}

fn spelled(key: ModeKey, opt: &Opt) -> String {
    if opt.form == Form::Flag {
        return format!("`{}` without a value", key.name);
    }
    quoted(&format!("{}={}", key.name, opt.value))
}

/// A number that QEMU takes: is it what its author meant, and can QEMU work with it?
fn unsuitable(qemu_is_root: Option<bool>, key: ModeKey, opt: &Opt) -> Option<Finding> {
    let (number, binary) = match option_number(&opt.value) {
        OptionNumber::Number(number) => (number, false),
        OptionNumber::Binary(number) => (number, true),
        OptionNumber::NotANumber | OptionNumber::TooLarge => return None,
    };
    let mode = effective_mode(number);
    if !is_plain_octal(&opt.value) {
        let reading = match opt.value.trim_start() {
            text if binary => format!(
                "{} is read as binary by some builds of QEMU and refused by others",
                quoted(text)
            ),
            text if text.starts_with("0x") || text.starts_with("0X") => {
                "QEMU reads it as hexadecimal".to_owned()
            }
            text if text.starts_with(['-', '+']) => {
                "QEMU takes the sign and keeps the last nine bits".to_owned()
            }
            text if text.starts_with('0') => {
                "there is white space before it, which QEMU skips".to_owned()
            }
            text => format!("without a leading 0 QEMU reads {} as decimal", quoted(text)),
        };
        let finding = Finding::error(
            Code::ModeNotOctal,
            place(opt),
            format!(
                "{} is not octal: {reading}, and the guest's {} would get mode {mode:04o}",
                spelled(key, opt),
                key.what
            ),
        );
        return Some(rewritten(finding, key, opt, meant(key, &opt.value)));
    }
    if number > 0o777 {
        let finding = Finding::error(
            Code::ModeOutOfRange,
            place(opt),
            format!(
                "{} has more than nine permission bits: QEMU drops the rest, and the guest's {} would get mode \
                 {mode:04o}",
                spelled(key, opt),
                key.what
            ),
        );
        let kept = number & 0o777;
        let (kept, owner) = (format!("{kept:04o}"), kept & u64::from(key.owner));
        let kept = Some(kept).filter(|_| owner == u64::from(key.owner));
        return Some(rewritten(finding, key, opt, kept));
    }
    if mode & key.owner != key.owner {
        let message = format!(
            "with {} the guest's {} get mode {mode:04o}, which locks out QEMU itself: it needs {:04o} to \
             work with what it creates",
            spelled(key, opt),
            key.what,
            key.owner
        );
        // No mode stops root.
        let finding = if qemu_is_root == Some(true) {
            Finding::warning(Code::ModeOwner, place(opt), message)
        } else {
            Finding {
                depends: qemu_is_root.is_none().then_some(Unknown::User),
                ..Finding::error(Code::ModeOwner, place(opt), message)
            }
        };
        let mode = format!("{:04o}", mode | key.owner);
        return Some(rewritten(finding, key, opt, Some(mode)));
    }
    if number & 0o002 != 0 {
        let finding = Finding::warning(
            Code::ModeUmask,
            place(opt),
            format!(
                "{} lets others write, but libvirt runs QEMU with umask 002: the guest's {} get mode {mode:04o}",
                spelled(key, opt),
                key.what
            ),
        );
        let finding = rewritten(finding, key, opt, Some(format!("{mode:04o}")));
        let help = finding.help.clone().unwrap_or_default();
        return Some(finding.help(format!(
            "{help}, and let others in by the group or a default ACL"
        )));
    }
    None
}

/// The mode that the author meant, where there is one: the same digits, if they are octal, or the
/// number that QEMU reads. Each must leave QEMU what it needs.
fn meant(key: ModeKey, text: &str) -> Option<String> {
    let text = unquoted(text).unwrap_or(text).trim();
    let digits = text.strip_prefix("0o").or_else(|| text.strip_prefix("0O"));
    let digits = digits.unwrap_or(text.trim_start_matches('+'));
    let octal = u64::from_str_radix(digits, 8).ok();
    let read = match option_number(text) {
        OptionNumber::Number(number) | OptionNumber::Binary(number) => Some(number),
        _ => None,
    };
    let fits = |mode: &u64| *mode <= 0o777 && mode & u64::from(key.owner) == u64::from(key.owner);
    let mode = octal.filter(fits).or_else(|| read.filter(fits))?;
    Some(format!("{mode:04o}"))
}

/// With the mode that is meant as what to write, or with what a mode looks like.
fn rewritten(finding: Finding, key: ModeKey, opt: &Opt, mode: Option<String>) -> Finding {
    let write = |mode: &str| format!("{}={mode}", key.name);
    match mode {
        Some(mode) => {
            let whole = Place::Arg(opt.arg, opt.key_range.start..opt.value_range.end);
            finding.write(whole, write(&mode))
        }
        None => finding.help(format!(
            "write the mode in octal with a leading 0, such as `{}`",
            write(key.usual)
        )),
    }
}
