//! `virt-9p convert`: `<filesystem>` to raw arguments, or back.
//!
//! The converted document, or its diff, is all that ever goes to standard output, so that it can
//! stand in a pipe before `virsh define /dev/stdin`. What else there is to say goes to stderr.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::assumptions::DeviceForm;
use crate::convert::edit::Edit;
use crate::convert::{self, Conversion, ConvertRequest, Converted, Direction, Refusal, diff, tree};
use crate::host::versions;
use crate::inspect::{self, Inspection};
use crate::lint::finding::{Finding, Level};
use crate::lint::modes;
use crate::ordered;
use crate::output::{self, Data, complain};
use crate::qemu::option_string::{Form, Opt};
use crate::report::terminal::{self, About};
use crate::text::{Lines, count, visible};

use super::command::Command;
use super::input::Input;
use super::options::{Options, Word, next, unexpected};
use super::replace::{self, Original};

/// Where the result goes.
enum Output {
    /// The document, to standard output.
    Stdout,
    /// A unified diff, to standard output.
    Diff,
    /// The document, to this file.
    File(PathBuf),
    /// The document, to where it came from.
    InPlace,
}

pub const COMMAND: Command = Command {
    name: "convert",
    arguments: "--to native|commandline [FILE|-]",
    summary: "turn <filesystem> into raw arguments, or back",
    about: "\
Changes the shares of a domain and no other byte of its XML. What has no equal on
the other side is refused with its place, and then nothing is converted. The
result goes to standard output unless --diff, --output or --in-place is given.
Ends with 0 when it is done or there was nothing to do, 1 when it is refused, 2
when the input cannot be read.
",
    options: "  --to native|commandline
                        to <filesystem>, or to raw arguments
  --target TAG          the share of this mount tag; can be repeated; default: all
  --fmode MODE          the mode of new files, such as 0644
  --dmode MODE          the mode of new directories, such as 0755
  --device text|json    how to write -device; default: what fits libvirt and QEMU
  --diff                show what would change, as a unified diff
  --output FILE         write the result to FILE (for its owner alone, when new)
  --in-place            change FILE itself; FILE~ keeps what it was
",
    looks: true,
    examples: "  virsh dumpxml --inactive --security-info guest |
    virt-9p convert --to commandline --fmode 0644 --dmode 0755 |
    virsh define /dev/stdin
  virt-9p convert --to native --diff guest.xml
",
    run,
};

fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let mut file: Option<OsString> = None;
    let mut to = None;
    let mut output = None;
    let (mut targets, mut fmode, mut dmode, mut device) = (BTreeSet::new(), None, None, None);
    while let Some(word) = next(&mut parser)? {
        let option = match word {
            Word::Option(option) => option,
            Word::Value(name) if file.is_none() => {
                file = Some(name);
                continue;
            }
            other => return Err(unexpected(&other)),
        };
        let chosen = match option.as_str() {
            "--to" => {
                to = Some(match text(&mut parser)?.as_str() {
                    "native" => Direction::Native,
                    "commandline" => Direction::CommandLine,
                    _ => anyhow::bail!("--to is native or commandline"),
                });
                continue;
            }
            "--device" => {
                device = Some(match text(&mut parser)?.as_str() {
                    "text" => DeviceForm::Text,
                    "json" => DeviceForm::Json,
                    _ => anyhow::bail!("--device is text or json"),
                });
                continue;
            }
            "--target" => {
                targets.insert(text(&mut parser)?);
                continue;
            }
            "--fmode" => {
                fmode = Some(mode(modes::KEYS[0], &text(&mut parser)?)?);
                continue;
            }
            "--dmode" => {
                dmode = Some(mode(modes::KEYS[1], &text(&mut parser)?)?);
                continue;
            }
            "--diff" => Output::Diff,
            "--in-place" => Output::InPlace,
            "--output" => Output::File(parser.value()?.into()),
            _ if options.looking(&option, &mut parser)? => continue,
            _ => return Err(unexpected(&Word::Option(option))),
        };
        anyhow::ensure!(
            output.replace(chosen).is_none(),
            "only one of --diff, --output and --in-place can be done at once"
        );
    }
    let output = output.unwrap_or(Output::Stdout);
    let file = file.unwrap_or_else(|| "-".into());
    let Some(to) = to else {
        anyhow::bail!("convert wants --to native or --to commandline");
    };
    anyhow::ensure!(
        device.is_none() || to == Direction::CommandLine,
        "--device is for --to commandline: there is no -device in the other form"
    );
    anyhow::ensure!(
        file != "-" || !matches!(output, Output::InPlace),
        "--in-place wants a file, and standard input is none"
    );
    let request = ConvertRequest {
        to,
        targets,
        fmode,
        dmode,
        device,
    };
    // What is read is what is replaced, wherever the name leads by then.
    let original = match &output {
        Output::InPlace => match Original::open(file.as_ref()) {
            Ok(original) => Some(original),
            Err(error) => match error.downcast::<io::Error>() {
                Ok(error) => Input::read_from(&file, Err::<io::Empty, _>(error)).map(|_| None)?,
                Err(error) => return Ok(refused(&error)),
            },
        },
        _ => None,
    };
    let input = match &original {
        Some(original) => Input::read_from(&file, Ok(original.file()))?,
        None => Input::read(&file)?,
    };
    let Some(converted) = convert(&input, &mut options, &request)? else {
        complain("nothing was converted");
        return Ok(ExitCode::from(1));
    };
    for note in &converted.notes {
        complain(&format!("note: {note}"));
    }
    if converted.shares == 0 {
        complain("note: there is nothing to convert");
    }
    write(&input, original.as_ref(), &output, &converted, &options)
}

fn text(parser: &mut lexopt::Parser) -> anyhow::Result<String> {
    let value = parser.value()?;
    Ok(value.to_string_lossy().into_owned())
}

/// A mode as it must be written in the XML, too; what is wrong with it is what `check` would say.
fn mode(key: modes::Key, text: &str) -> anyhow::Result<u16> {
    let opt = Opt {
        key: key.name.to_owned(),
        value: text.to_owned(),
        form: Form::Pair,
        arg: 0,
        key_range: 0..0,
        value_range: 0..0,
    };
    if let Some(finding) = modes::text(key, &opt, None) {
        // The finding speaks of the raw argument; here it is an option.
        let option = format!("--{} ", key.name);
        let help = finding.help.unwrap_or_default();
        let help = help.replace(&format!("{}=", key.name), &option);
        let said = format!("{option}{text}: {}; {help}", finding.message);
        anyhow::ensure!(finding.level < Level::Error, said);
        complain(&format!("warning: {said}"));
    }
    Ok(u16::from_str_radix(text, 8)?)
}

/// Converts, and looks at the result as `check` would. `None`: it is refused, and why is said.
fn convert(
    input: &Input,
    options: &mut Options,
    request: &ConvertRequest,
) -> anyhow::Result<Option<Converted>> {
    let before = input.inspect(options)?;
    let mut assume = options.assume;
    if let Some(root) = options.host() {
        versions::complete(root, &before.domain, &mut assume);
    }
    let tree = tree::read(input.text()).map_err(|error| input.unreadable(&error))?;
    let converted = convert::convert(&Conversion {
        text: input.text(),
        domain: &before.domain,
        line: &before.line,
        findings: &before.findings,
        tree: &tree,
        assume: &assume,
        request,
    });
    let converted = match converted {
        Ok(converted) => converted,
        Err(refusals) => {
            refuse(input, &before, &refusals);
            return Ok(None);
        }
    };
    let after = match inspect::inspect(&converted.text, options.host(), options.assume) {
        Ok(after) => after,
        Err(error) => anyhow::bail!(
            "the result would be no domain XML ({error}); this is a defect of virt-9p"
        ),
    };
    let new = convert::introduced(&before.findings, &after.findings);
    Ok(show(input, &converted.text, &after, &new).then_some(converted))
}

/// More reasons than this nobody reads.
const MOST_REFUSALS: usize = 1000;

/// Shows what stands in the way of a conversion, in the order of the document.
fn refuse(input: &Input, before: &Inspection, refusals: &[Refusal]) {
    let lines = Lines::new(input.text());
    let colour = output::colours_messages();
    let places = refusals.iter().enumerate().map(|(number, refusal)| {
        let span = refusal.place.span(&before.domain, input.text());
        ((span, number), refusal)
    });
    let mut last = None;
    for (number, ((span, _), refusal)) in ordered::map(places).into_iter().enumerate() {
        if number == MOST_REFUSALS {
            let more = count(refusals.len() - MOST_REFUSALS, "reason");
            complain(&format!("and {more} more"));
            return;
        }
        // Two devices of one fsdev have the same to say about it.
        if last.replace((span, refusal)) == Some((span, refusal)) {
            continue;
        }
        let about = About {
            level: Level::Error,
            code: None,
            span,
            message: &refusal.message,
        };
        let help = refusal.help.as_deref();
        output::say(&terminal::shown(&input.name, &lines, &about, help, colour));
    }
}

/// Shows what `check` would newly find in the result; whether none of it is an error.
fn show(input: &Input, text: &str, after: &Inspection, new: &[Finding]) -> bool {
    let lines = Lines::new(text);
    let name = format!("{}, converted", input.name);
    let colour = output::colours_messages();
    for finding in new.iter().filter(|finding| finding.level > Level::Note) {
        output::say(&terminal::finding(
            &name,
            &after.domain,
            &lines,
            finding,
            colour,
        ));
    }
    new.iter().all(|finding| finding.level < Level::Error)
}

fn refused(error: &anyhow::Error) -> ExitCode {
    complain(&format!("{error:#}"));
    ExitCode::from(1)
}

fn print(xml: &str) -> anyhow::Result<ExitCode> {
    output::data(Data::Xml(xml))?;
    Ok(ExitCode::SUCCESS)
}

fn write(
    input: &Input,
    original: Option<&Original>,
    output: &Output,
    converted: &Converted,
    options: &Options,
) -> anyhow::Result<ExitCode> {
    let text = input.replaced(&converted.text);
    let done = match output {
        Output::Stdout => return print(&text),
        Output::Diff => {
            // Of the whole file, so that a byte order mark is in it and `patch` finds the line.
            let mark = input.whole().len() - input.text().len();
            let edits: Vec<Edit> = converted
                .edits
                .iter()
                .map(|edit| edit.moved(mark))
                .collect();
            let diff = diff::unified(&visible(&input.name), input.whole(), &edits);
            return print(&diff.unwrap_or_default());
        }
        Output::InPlace if converted.shares == 0 => return Ok(ExitCode::SUCCESS),
        Output::File(path) => replace::write(path, text.as_bytes()).map(|()| None),
        Output::InPlace => original.map_or(Ok(None), |original| {
            replace::in_place(original, input.whole().as_bytes(), text.as_bytes()).map(Some)
        }),
    };
    match done {
        Err(error) => return Ok(refused(&error)),
        Ok(Some(backup)) => {
            complain(&format!(
                "{}: {} converted; what it was is kept in {}",
                visible(&input.name),
                count(converted.shares, "share"),
                visible(&backup.to_string_lossy())
            ));
            if backup.starts_with(options.root.path("/etc/libvirt/qemu")) {
                complain(
                    "warning: libvirt does not look at its own files while it runs, and may write over this one: \
                     give it to `virsh define`",
                );
            }
        }
        Ok(None) => {}
    }
    Ok(ExitCode::SUCCESS)
}
