//! `virt-9p convert`: `<filesystem>` to raw arguments, or back.
//!
//! The converted document, or its diff, is all that ever goes to standard output, so that it can
//! stand in a pipe before `virsh define /dev/stdin`. What else there is to say goes to stderr.

use std::process::ExitCode;

use crate::assumptions::DeviceForm;
use crate::convert::{self, Conversion, ConvertRequest, Converted, Direction, Refusal, tree};
use crate::domain::Document;
use crate::host::versions;
use crate::inspect::{self, Inspection};
use crate::lint::finding::{Finding, Level};
use crate::lint::modes;
use crate::ordered;
use crate::output::{self, complain};
use crate::qemu::option_string::{Form, Opt};
use crate::report::terminal::{self, About};
use crate::text::{Lines, count};

use super::call::{Call, Surroundings};
use super::command::{Command, Flag, Operands};
use super::destination::{self, Changed, Destination};
use super::error::Error;
use super::input::Input;

pub const COMMAND: Command = Command {
    name: "convert",
    arguments: "--to native|commandline [FILE|-]",
    words: Operands::AtMost(1),
    summary: "turn <filesystem> into raw arguments, or back",
    about: "\
Changes the shares of a domain and no other byte of its XML. What has no equal on
the other side is refused with its place, and then nothing is converted. The way
to native also takes input-linux, fw_cfg, acpitable and ivshmem-plain on memory in
/dev/shm, unless --target names shares; those without an equal stay, and a warning
says why. The result goes to standard output unless --diff, --output or --in-place
is given.
Ends with 0 when it is done or there was nothing to do, 1 when it is refused, 2
when the input cannot be read.
",
    options: &[
        Flag::one_of(
            "--to",
            &["native", "commandline"],
            "to <filesystem>, or to raw arguments",
        ),
        Flag::with(
            "--target",
            "TAG",
            "the share of this mount tag; can be repeated; default: all",
        ),
        Flag::with("--fmode", "MODE", "the mode of new files, such as 0644"),
        Flag::with(
            "--dmode",
            "MODE",
            "the mode of new directories, such as 0755",
        ),
        Flag::one_of(
            "--device",
            &["text", "json"],
            "how to write -device; default: what fits libvirt and QEMU",
        ),
        Flag::alone(
            "--keep-address",
            "stay at libvirt's address; default: one that it never hands out",
        ),
        destination::DIFF,
        destination::OUTPUT,
        destination::IN_PLACE,
    ],
    looks: true,
    examples: "  virsh dumpxml --inactive --security-info guest |
    virt-9p convert --to commandline --fmode 0644 --dmode 0755 |
    virsh define /dev/stdin
  virt-9p convert --to native --diff guest.xml
",
    run,
};

fn run(call: &Call) -> Result<ExitCode, Error> {
    let around = call.surroundings()?;
    let file = call.file();
    let destination = Destination::of(call, file)?;
    let request = request(call)?;
    let (input, original) = destination.read(file)?;
    let (input, before) = input.inspect(&around)?;
    let tree = match tree::read(input.document.text()) {
        Ok(tree) => tree,
        Err(error) => return Err(input.broken(&error).into()),
    };
    let Some(converted) = convert(&input, &before, &tree, &around, &request)? else {
        return Err(Error::Refused("nothing was converted".to_owned()));
    };
    for note in &converted.notes {
        complain(&format!("note: {note}"));
    }
    refuse(&input, &before, &converted.stays, Level::Warning);
    if converted.shares + converted.others == 0 {
        complain("note: there is nothing to convert");
    }
    let mut done = count(converted.shares, "share");
    if converted.others > 0 {
        done = format!("{done} and {} more", count(converted.others, "element"));
    }
    let changed = Changed {
        input: &input,
        original: original.as_ref(),
        text: &converted.text,
        edits: &converted.edits,
        done: format!("{done} converted"),
    };
    destination.write(&changed, &around)?;
    Ok(ExitCode::SUCCESS)
}

fn request(call: &Call) -> Result<ConvertRequest, Error> {
    let to = match call.text("--to").as_deref() {
        Some("native") => Direction::Native,
        Some("commandline") => Direction::CommandLine,
        _ => {
            return Err(Error::usage(
                "convert wants --to native or --to commandline",
            ));
        }
    };
    let device = match call.text("--device").as_deref() {
        Some("text") => Some(DeviceForm::Text),
        Some("json") => Some(DeviceForm::Json),
        _ => None,
    };
    if device.is_some() && to != Direction::CommandLine {
        let message = "--device is for --to commandline: there is no -device in the other form";
        return Err(Error::usage(message));
    }
    let targets = call
        .all("--target")
        .map(|tag| tag.to_string_lossy().into_owned());
    Ok(ConvertRequest {
        to,
        targets: ordered::set(targets),
        fmode: mode(call, modes::KEYS[0])?,
        dmode: mode(call, modes::KEYS[1])?,
        device,
        keep_address: call.has("--keep-address"),
    })
}

/// A mode as it must be written in the XML, too; what is wrong with it is what `check` would say.
fn mode(call: &Call, key: modes::ModeKey) -> Result<Option<u16>, Error> {
    let option = format!("--{}", key.name);
    let Some(text) = call.text(&option) else {
        return Ok(None);
    };
    let opt = Opt {
        key: key.name.to_owned(),
        value: text.clone(),
        form: Form::Pair,
        arg: 0,
        key_range: 0..0,
        value_range: 0..0,
    };
    if let Some(finding) = modes::text(key, &opt, None) {
        // The finding speaks of the raw argument; here it is an option.
        let help = finding.help.unwrap_or_default();
        let help = help.replace(&format!("{}=", key.name), &format!("{option} "));
        let said = format!("{option} {text}: {}; {help}", finding.message);
        if finding.level == Level::Error {
            return Err(Error::usage(said));
        }
        complain(&format!("warning: {said}"));
    }
    let mode = u16::from_str_radix(&text, 8);
    mode.map(Some)
        .map_err(|error| Error::usage(format!("{option} {text}: {error}")))
}

/// Converts, and looks at the result as `check` would. `None`: it is refused, and why is said.
fn convert(
    input: &Input,
    before: &Inspection,
    tree: &tree::XmlNode,
    around: &Surroundings,
    request: &ConvertRequest,
) -> Result<Option<Converted>, Error> {
    let mut assume = around.assume;
    if let Some(root) = around.host() {
        versions::complete(root, &before.domain, &mut assume);
    }
    let converted = convert::convert(&Conversion {
        text: input.document.text(),
        domain: &before.domain,
        line: &before.line,
        findings: &before.findings,
        tree,
        assume: &assume,
        request,
    });
    let converted = match converted {
        Ok(converted) => converted,
        Err(refusals) => {
            refuse(input, before, &refusals, Level::Error);
            return Ok(None);
        }
    };
    let result = Document::from(converted.text.clone());
    let after = inspect::inspect(&result, around.host(), around.assume).map_err(|fault| {
        let why = result.tell(&fault);
        Error::Refused(format!(
            "the result would be no domain XML ({why}); this is a defect of virt-9p"
        ))
    })?;
    let new = convert::introduced(&before.findings, &after.findings);
    Ok(show(input, &converted.text, &after, &new).then_some(converted))
}

/// More reasons than this nobody reads.
const MOST_REFUSALS: usize = 1000;

/// Shows what stands in the way of a conversion, in the order of the document.
fn refuse(input: &Input, before: &Inspection, refusals: &[Refusal], level: Level) {
    let lines = input.document.lines();
    let colour = output::colours_messages();
    let places = refusals.iter().enumerate().map(|(number, refusal)| {
        let span = refusal.place.span(&before.domain, input.document.text());
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
            level,
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
