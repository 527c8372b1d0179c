//! `<filesystem>` to raw arguments and back, by byte-range edits: every other byte stays.
//!
//! The way: [`tree`] knows where elements stand; [`filesystem`] and [`read_arguments`] read a share
//! out of either form into a [`portable::PortableShare`], which is what both forms can say, and
//! refuse what only one can; [`to_commandline`] and [`to_native`] decide ids, addresses and places,
//! and give edits, in which [`write_arguments`] and [`filesystem`] write the share; [`edit`]
//! carries them out. If any share that was asked for is refused, none is converted. What
//! [`crate::native`] reads of other arguments goes to libvirt with the shares, one by one: what of
//! them has no equal stays as it is, and why is said.

pub mod diff;
pub mod edit;
pub mod filesystem;
pub mod fixes;
pub mod layout;
pub mod named_buses;
pub mod portable;
pub mod read_arguments;
pub mod to_commandline;
pub mod to_native;
pub mod tree;
pub mod write_arguments;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::assumptions::{Assumptions, DeviceForm};
use crate::convert::edit::Edit;
use crate::convert::layout::Style;
use crate::convert::tree::XmlNode;
use crate::domain::{Domain, Place};
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Level};
use crate::ordered;
use crate::qemu::command_line::CommandLine;
use crate::text::did_you_mean;
use crate::text::{Span, quoted};

/// What shares are turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Raw arguments become `<filesystem>`.
    Native,
    /// `<filesystem>` becomes raw arguments.
    CommandLine,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ConvertRequest {
    /// What they are to become.
    pub to: Direction,
    /// Mount tags; none means all shares.
    pub targets: BTreeSet<String>,
    /// The mode of files, instead of what the share has.
    pub fmode: Option<u16>,
    /// The mode of directories, likewise.
    pub dmode: Option<u16>,
    /// How a raw device is to be written, instead of what fits the host.
    pub device: Option<DeviceForm>,
    /// Whether a share stays at the address that libvirt has given it.
    pub keep_address: bool,
}

/// The domain and what is asked of it.
#[derive(Clone, Copy)]
pub struct Conversion<'a> {
    /// The document, without byte order mark.
    pub text: &'a str,
    /// What was read of it.
    pub domain: &'a Domain,
    /// Its raw arguments.
    pub line: &'a CommandLine,
    /// What [`crate::inspect`] found in it.
    pub findings: &'a [Finding],
    /// The same document, as elements with their places.
    pub tree: &'a XmlNode,
    /// What is known of the host.
    pub assume: &'a Assumptions,
    /// What is asked for.
    pub request: &'a ConvertRequest,
}

/// Why something is not converted, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The element, argument or value that is in the way.
    pub place: Place,
    /// What has no equal on the other side.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
}

/// A conversion that can be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// In no order; none overlaps another.
    pub edits: Vec<Edit>,
    /// How many shares they convert.
    pub shares: usize,
    /// How much else.
    pub others: usize,
    /// What else stays as it is, and why.
    pub stays: Vec<Refusal>,
    /// What else is worth knowing, a sentence each.
    pub notes: Vec<String>,
}

/// The converted document.
#[derive(Debug)]
pub struct Converted {
    /// Its text, without byte order mark.
    pub text: String,
    /// The edits that made it.
    pub edits: Vec<Edit>,
    /// How many shares were converted.
    pub shares: usize,
    /// How much else was.
    pub others: usize,
    /// What else stays as it is, and why.
    pub stays: Vec<Refusal>,
    /// What else is worth knowing, a sentence each.
    pub notes: Vec<String>,
}

/// Converts the shares of a domain.
///
/// # Errors
/// With everything that stands in the way.
pub fn convert(context: &Conversion) -> Result<Converted, Vec<Refusal>> {
    let style = Style::of(context.text, context.tree);
    let plan = match context.request.to {
        Direction::CommandLine => to_commandline::plan(context, &style)?,
        Direction::Native => to_native::plan(context, &style)?,
    };
    let Some(text) = edit::apply(context.text, &plan.edits) else {
        return Err(vec![Refusal::new(
            Place::Domain,
            "this document is laid out in a way that cannot be edited safely; this is a defect of virt-9p",
        )]);
    };
    Ok(Converted {
        text,
        edits: plan.edits,
        shares: plan.shares,
        others: plan.others,
        stays: plan.stays,
        notes: plan.notes,
    })
}

/// What is found in the result and was not there before: as many of each code and level as are
/// new. Findings move when the text changes, so places say nothing.
///
/// What a share's directory is like on this host is no matter of how the XML names it: such
/// findings come out as warnings, whatever they were. [`Code::PathSystem`] is not among them,
/// because what is refused a raw share and what a native one differ there.
pub fn introduced(before: &[Finding], after: &[Finding]) -> Vec<Finding> {
    // That QEMU refuses the tag of a `<filesystem>` is said of it where it is converted.
    let counts = |finding: &&Finding| {
        finding.code != Code::TagTooLong || !matches!(finding.place, Place::Xml(_))
    };
    let mut known: BTreeMap<(&str, Level), usize> = BTreeMap::new();
    for finding in before.iter().filter(counts) {
        *known
            .entry((finding.code.word(), finding.level))
            .or_default() += 1;
    }
    let mut new = Vec::new();
    for finding in after.iter().filter(counts) {
        match known.get_mut(&(finding.code.word(), finding.level)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => new.push(Finding {
                level: match finding.code {
                    Code::PathMissing
                    | Code::PathNotDirectory
                    | Code::PathUnreachable
                    | Code::PathUnstable => finding.level.min(Level::Warning),
                    _ => finding.level,
                },
                ..finding.clone()
            }),
        }
    }
    new
}

impl ConvertRequest {
    /// Whether a share of this mount tag is to be converted.
    pub fn wants(&self, tag: &str) -> bool {
        self.targets.is_empty() || self.targets.contains(tag)
    }

    /// Where files have the modes that the guest gives them, asking for others is a mistake.
    ///
    /// # Errors
    /// When they are asked for.
    fn without_modes(
        &self,
        place: Place,
        tag: &str,
        key: &str,
        value: &str,
    ) -> Result<(), Refusal> {
        if self.fmode.or(self.dmode).is_none() {
            return Ok(());
        }
        let message = format!(
            "share {} has {key} `{value}`, where files have the modes that the guest gives them: --fmode and --dmode cannot be applied",
            quoted(tag)
        );
        Err(Refusal::new(place, message).help(
            "leave --fmode and --dmode out, or name the shares that are mapped with --target",
        ))
    }

    /// A refusal for each target that is none of `tags`, which are those of `what`.
    pub fn unknown_targets(&self, tags: &[&str], what: &str) -> Vec<Refusal> {
        const MOST: usize = 20;
        let known = ordered::set(tags.iter().copied());
        let targets = self.targets.iter();
        let unknown = targets.filter(|target| !known.contains(target.as_str()));
        let mut there: Vec<String> = tags.iter().take(MOST).map(|tag| quoted(tag)).collect();
        if let Some(more @ 1..) = tags.len().checked_sub(MOST) {
            there.push(format!("and {more} more"));
        }
        let there = if there.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there is {}", there.join(", "))
        };
        unknown
            .map(|target| {
                let message = format!("no {what} has the mount tag {}; {there}", quoted(target));
                let meant = did_you_mean(target, tags);
                Refusal {
                    help: meant,
                    ..Refusal::new(Place::Domain, message)
                }
            })
            .collect()
    }
}

impl Refusal {
    /// A refusal at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Refusal {
            place,
            message: message.into(),
            help: None,
        }
    }

    /// A refusal at a range of the document.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Refusal::new(Place::Xml(span), message)
    }

    /// A refusal in a raw argument.
    pub fn arg(index: usize, range: &Range<usize>, message: impl Into<String>) -> Self {
        Refusal::new(Place::Arg(index, range.clone()), message)
    }

    /// The same with this help.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Refusal {
            help: Some(help.into()),
            ..self
        }
    }
}

impl From<&Finding> for Refusal {
    /// What `check` finds, as a reason.
    fn from(finding: &Finding) -> Self {
        Refusal {
            place: finding.place.clone(),
            message: finding.message.clone(),
            help: finding.help.clone(),
        }
    }
}

/// Where libvirt has not chosen a machine yet, nobody knows which addresses are free.
fn undefined(context: &Conversion, place: Place, why: &str) -> Refusal {
    let machine = &context.domain.machine.value;
    let why = match machine.is_empty() {
        true => format!(
            "{why}, and this domain has no machine type yet, which would tell where one is free"
        ),
        false => format!(
            "{why}, and of machine {} virt-9p does not know which are free",
            quoted(machine)
        ),
    };
    Refusal::new(place, why).help(DEFINE)
}

/// What to do with a domain that is not from libvirt.
const DEFINE: &str = "define the domain, and convert what `virsh dumpxml --inactive` prints";

/// Refusals as they come up, so that all are said at once.
#[derive(Debug, Default)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    /// Notes a reason; the reading goes on, so that all are said at once.
    pub fn push(&mut self, refusal: Refusal) {
        self.0.push(refusal);
    }

    /// [`Refusals::push`] of each.
    pub fn extend(&mut self, refusals: impl IntoIterator<Item = Refusal>) {
        self.0.extend(refusals);
    }

    /// The part, or what stands for one that is refused.
    pub fn part<T: Default>(&mut self, part: Result<T, Refusal>) -> T {
        part.unwrap_or_else(|refusal| {
            self.push(refusal);
            T::default()
        })
    }

    /// `whole`, when nothing of it was refused.
    ///
    /// # Errors
    /// With all refusals.
    pub fn finish<T>(self, whole: T) -> Result<T, Vec<Refusal>> {
        if self.0.is_empty() {
            Ok(whole)
        } else {
            Err(self.0)
        }
    }
}
