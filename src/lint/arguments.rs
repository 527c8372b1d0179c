//! Arguments as words: lost on the way, left over, or not understood.

use crate::assumptions::DeviceForm;
use crate::domain::xml::{QEMU_NAMESPACE, attribute};
use crate::domain::{LostReason, Place};
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::fix::{Replacement, meant, unquoted};
use crate::lint::unknown::Unknown;
use crate::lint::{Context, enough};
use crate::qemu::argv::Stray;
use crate::qemu::command_line::{FailedSet, LONGEST_ARG};
use crate::qemu::seen_versions::SEEN;
use crate::text::{quoted, shortened};
use crate::version::Version;

/// Finds what is wrong with the words of the command line.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    lost(context, findings);
    too_long(context, findings);
    let mut strays = context.line.strays.iter().peekable();
    while let Some(stray) = strays.next() {
        if enough(findings) {
            return;
        }
        // What a word without its dash should have taken is said with that word.
        let argument = strays.next_if(|next| {
            let lost = matches!(next, Stray::Lost(lost) if *lost == stray.word() + 1);
            lost && matches!(stray, Stray::Image(_)) && bare_option(context, stray.word()).is_some()
        });
        findings.extend(match argument {
            Some(_) => bare_option(context, stray.word()).map(|option| {
                Finding::error(
                    Code::WordStray,
                    whole_argument(context, stray.word()),
                    format!(
                        "{} {}: QEMU takes it, and the word behind it, for names of disk images and refuses to start",
                        word(context, stray.word()),
                        match OPTIONS.contains(&value(context, stray.word())) {
                            true => "is no option without its dash",
                            false => "does not begin with `-`, so it is no option",
                        }
                    ),
                )
                .write(whole_argument(context, stray.word()), format!("-{option}"))
            }),
            None => self::stray(context, *stray),
        });
    }
    gone(context, findings);
    for (option, argument) in &context.line.unmodelled {
        if enough(findings) {
            return;
        }
        findings.push(
            Finding::warning(
                Code::NotModelled,
                whole_argument(context, *argument),
                format!(
                    "{} {} can add or change shares and addresses in ways virt-9p does not follow: \
                     what it does is neither checked nor granted",
                    word(context, *option),
                    word(context, *argument)
                ),
            )
            .help("write the share as `-fsdev` and `-device`"),
        );
    }
    sets(context, findings);
}

/// Options that QEMU had once.
fn gone(context: Context, findings: &mut Vec<Finding>) {
    for (option, by) in &context.line.gone {
        let Some(by) = SEEN.get(usize::from(*by).saturating_sub(1)) else {
            continue;
        };
        if enough(findings) {
            return;
        }
        let qemu = context.assume.qemu;
        let message = format!(
            "{} was removed from QEMU and is gone by {by}: it refuses to start with \"invalid option\"",
            word(context, *option)
        );
        let place = whole_argument(context, *option);
        let finding = Finding::error(Code::OptionUnknown, place, message);
        let finding = finding.help(match value(context, *option).trim_start_matches('-') {
            "soundhw" => {
                "write <sound> in <devices>, or `-device` with a model such as ich9-intel-hda"
            }
            "watchdog" => "write <watchdog> in <devices>, or `-device` with the model",
            "no-acpi" | "no-hpet" => "write `-machine acpi=off` or `-machine hpet=off`",
            _ => "remove it, or see what QEMU has in its place",
        });
        match qemu {
            None => findings.push(finding.doubtful(Unknown::Qemu)),
            Some(qemu) if qemu >= *by => findings.push(finding),
            Some(_) => {}
        }
    }
}

fn lost(context: Context, findings: &mut Vec<Finding>) {
    for lost in &context.domain.lost {
        if enough(findings) {
            return;
        }
        let others = match lost.more {
            0 => String::new(),
            more => format!(" (and {more} more beside it)"),
        };
        let why = match lost.why {
            LostReason::Namespace => "is not in QEMU's namespace",
            LostReason::Place => "does not stand directly below <domain>",
            LostReason::Bare => "stands outside of <qemu:commandline>",
            LostReason::Name(_) => "has a name that libvirt does not know in QEMU's namespace",
        };
        let help = match lost.why {
            LostReason::Namespace | LostReason::Place => format!(
                "put xmlns:qemu='{QEMU_NAMESPACE}' on <domain>, and <qemu:commandline> with \
                 <qemu:arg value='…'/> directly below it"
            ),
            LostReason::Bare => {
                "put it into <qemu:commandline>, directly below <domain>".to_owned()
            }
            LostReason::Name(name) => format!("write <qemu:{name}>"),
        };
        findings.push(
            Finding::error(
                Code::ArgumentsLost,
                Place::Xml(lost.span),
                format!(
                    "this element{others} {why}: libvirt drops it without a word, and QEMU never \
                     gets what it says"
                ),
            )
            .help(help),
        );
    }
    for span in &context.domain.empty_args {
        if enough(findings) {
            return;
        }
        findings.push(
            Finding::error(
                Code::ArgWithoutValue,
                Place::Xml(*span),
                "this argument has no `value`: libvirt refuses to define the domain",
            )
            .help("write <qemu:arg value='…'/>"),
        );
    }
}

fn too_long(context: Context, findings: &mut Vec<Finding>) {
    for (index, arg) in context.domain.args.iter().enumerate() {
        let bytes = arg.value.len();
        if bytes > LONGEST_ARG {
            findings.push(
                Finding::error(
                    Code::ArgTooLong,
                    whole_argument(context, index),
                    format!(
                        "this argument has {bytes} bytes, and Linux gives a program no argument of more than \
                         {LONGEST_ARG}: QEMU cannot be executed"
                    ),
                )
                .help("shorten it"),
            );
        }
    }
}

fn stray(context: Context, stray: Stray) -> Option<Finding> {
    let finding = match stray {
        Stray::NoArgument(index) => Finding::error(
            Code::OptionWithoutArgument,
            whole_argument(context, index),
            format!(
                "{} wants an argument and is the last word: QEMU swallows the option that libvirt \
                 writes next, or refuses to start",
                word(context, index)
            ),
        )
        .help("add the missing <qemu:arg value='…'/> behind it, or remove it"),
        Stray::Misspelt(index, meant) => {
            let finding = Finding::error(
                Code::OptionMisspelt,
                whole_argument(context, index),
                format!(
                    "{} is no option of QEMU's, which refuses to start with \"invalid option\"",
                    word(context, index)
                ),
            );
            let (words, argument) = respelt(context, index, meant);
            let finding = match argument {
                // A whole command line in one word.
                Some(more)
                    if OPTIONS
                        .iter()
                        .any(|name| more.contains(&format!(" -{name} "))) =>
                {
                    finding.help("write each option, and each argument, in a <qemu:arg> of its own")
                }
                Some(argument) => finding
                    .help(format!(
                        "write two words: <qemu:arg value='-{meant}'/> and <qemu:arg value={}/>",
                        attribute(&shortened(&argument, 160))
                    ))
                    .fix([Replacement {
                        then: Some(argument),
                        ..words
                    }]),
                None => finding
                    .help(format!(
                        "write `-{meant}`, and its argument in a <qemu:arg> of its own"
                    ))
                    .fix([words]),
            };
            return Some(finding);
        }
        Stray::Unknown(index) => {
            let text = format!(
                "{} is an option that no QEMU up to 11.1 has: unless yours is newer or patched, it \
                 refuses to start",
                word(context, index)
            );
            let known = context
                .assume
                .qemu
                .is_some_and(|qemu| qemu <= Version(11, 1, 999));
            let certain = (known || is_dash(context, index)).then_some(true);
            let finding = Finding::error_if(
                certain,
                Code::OptionUnknown,
                whole_argument(context, index),
                text,
            )?;
            let name = value(context, index).trim_start_matches('-');
            return Some(match meant(name, OPTIONS.into_iter()) {
                Some(near) => finding.write(whole_argument(context, index), format!("-{near}")),
                None => finding.help("check the spelling"),
            });
        }
        Stray::Removed(index) => {
            let gone = context.assume.qemu.map(|qemu| qemu >= Version(5, 2, 0));
            return Finding::error_if(
                gone,
                Code::OptionUnknown,
                whole_argument(context, index),
                "`-virtfs_synth` was removed before QEMU 5.2, which refuses to start",
            )
            .map(|finding| finding.help("write `-virtfs synth,mount_tag=TAG`"));
        }
        Stray::Lost(index) => {
            let finding = Finding::error(
                Code::WordStray,
                whole_argument(context, index),
                format!(
                    "{} is the argument of no option, so QEMU takes it for the name of a disk image and refuses to start",
                    word(context, index)
                ),
            );
            match lost_option(context, index) {
                Some(option) => {
                    let words = Replacement::new(whole_argument(context, index), option);
                    finding.fix([Replacement { then: Some(value(context, index).to_owned()), ..words }])
                        .help(format!("put <qemu:arg value='{option}'/> before it"))
                }
                None => finding.help("put `-fsdev` or `-device` before it, in a <qemu:arg> of its own; the option before it may have swallowed that"),
            }
        }
        Stray::Image(index) => {
            let finding = Finding::warning(
                Code::WordStray,
                whole_argument(context, index),
                format!(
                    "{} is neither an option nor the argument of one: QEMU takes it for the name of a \
                     disk image",
                    word(context, index)
                ),
            );
            match unquoted(value(context, index)).filter(|plain| plain.starts_with('-')) {
                Some(plain) => finding.write(whole_argument(context, index), plain),
                None => finding.help("put the option it belongs to before it"),
            }
        }
    };
    Some(finding)
}

/// What to write for an option that was meant to be `-meant`: the option, and what stands behind
/// it in the same word.
fn respelt(context: Context, index: usize, meant: &str) -> (Replacement, Option<String>) {
    let words = Replacement::new(whole_argument(context, index), format!("-{meant}"));
    let text = value(context, index);
    let rest = text.find(['=', ',', ' ']).and_then(|at| text.get(at + 1..));
    let rest = rest.map(str::trim).filter(|rest| !rest.is_empty());
    let rest = rest.map(|rest| unquoted(rest).unwrap_or(rest).to_owned());
    (words, rest)
}

/// The option that is missing before an argument, unless the word before it looks like it.
fn lost_option(context: Context, index: usize) -> Option<&'static str> {
    let before = index
        .checked_sub(1)
        .map_or("", |before| value(context, before));
    let text = value(context, index);
    let option = match text.split([',', '.']).next()? {
        "local" | "synth" | "proxy" if text.contains("mount_tag=") => "-virtfs",
        "local" | "synth" | "proxy" => "-fsdev",
        "fsdev" => "-set",
        _ => "-device",
    };
    let swallowed = OPTIONS.contains(&without_dashes(before));
    (!swallowed).then_some(option)
}

/// What word processors and web pages make of a dash.
const DASHES: [char; 6] = [
    '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}',
];

/// A word without the quotes of a shell, and without what cannot be seen around it: blanks, a byte
/// order mark, a zero-width space.
fn plain(text: &str) -> &str {
    let unseen = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}');
    let text = text.trim_matches(unseen);
    unquoted(text).unwrap_or(text).trim_matches(unseen)
}

/// The name of an option, with whatever stands for its dash left out.
fn without_dashes(text: &str) -> &str {
    plain(text).trim_start_matches(|c| c == '-' || DASHES.contains(&c))
}

/// The options that make shares.
const OPTIONS: [&str; 4] = ["fsdev", "virtfs", "device", "set"];

/// The option that word `index` was meant to be, which has no dash, or quotes around it.
pub fn bare_option<'a>(context: Context<'a>, index: usize) -> Option<&'a str> {
    let name = without_dashes(value(context, index));
    OPTIONS.contains(&name).then_some(name)
}

/// Word `index`.
fn value<'a>(context: Context<'a>, index: usize) -> &'a str {
    let arg = context.domain.args.get(index);
    arg.map_or("", |arg| &arg.value)
}

/// A lone dash is no option of any QEMU.
fn is_dash(context: Context, index: usize) -> bool {
    let word = context.domain.args.get(index);
    word.is_some_and(|arg| arg.value.trim_start_matches('-').is_empty())
}

fn sets(context: Context, findings: &mut Vec<Finding>) {
    for failed in &context.line.failed_sets {
        if enough(findings) {
            return;
        }
        findings.push(match failed {
            FailedSet::Syntax(index) => Finding::error(
                Code::SetInvalid,
                whole_argument(context, *index),
                format!(
                    "`-set` {} is not GROUP.ID.KEY=VALUE: QEMU refuses to start",
                    word(context, *index)
                ),
            ),
            FailedSet::NoTarget(index, group, id) => Finding::error(
                Code::SetInvalid,
                whole_argument(context, *index),
                format!(
                    "there is no {group} {} before this `-set`: QEMU refuses to start",
                    quoted(id)
                ),
            )
            .help(format!("put the key into the -{group} itself")),
            FailedSet::Id(index) => Finding::error(
                Code::SetInvalid,
                whole_argument(context, *index),
                "`-set` cannot give an fsdev another id: QEMU refuses to start with \"Invalid \
                 parameter 'id'\"",
            )
            .help("write the id into the -fsdev itself"),
            FailedSet::NoGroup(index, group) => Finding::error(
                Code::SetInvalid,
                whole_argument(context, *index),
                format!(
                    "there is no option group {}: QEMU refuses to start",
                    quoted(group)
                ),
            )
            .help("the groups for shares are fsdev and device"),
        });
    }
    // A JSON device is in no option group, so -set cannot find it (facts Q2).
    let json = context
        .assume
        .device_form(&context.domain.capabilities)
        .map(|form| form == DeviceForm::Json);
    for set in context.line.sets.iter().filter(|set| set.group == "device") {
        if enough(findings) {
            return;
        }
        findings.extend(
            Finding::error_if(
                json,
                Code::SetInvalid,
                Place::Arg(set.opt.arg, 0..set.opt.value_range.end),
                format!(
                    "`-set` cannot reach device {}, which libvirt >= 8.1 writes as JSON: QEMU \
                     refuses to start with \"there is no device\"",
                    quoted(&set.id)
                ),
            )
            .map(|finding| finding.help("use <qemu:override> (libvirt >= 8.2)"))
            .map(|finding| finding.depends_on(Unknown::DeviceForm)),
        );
    }
}

/// The whole of word `index`.
pub fn whole_argument(context: Context, index: usize) -> Place {
    let length = context
        .domain
        .args
        .get(index)
        .map_or(0, |arg| arg.value.len());
    Place::Arg(index, 0..length)
}

/// Word `index`, quoted.
pub fn word(context: Context, index: usize) -> String {
    quoted(value(context, index))
}
