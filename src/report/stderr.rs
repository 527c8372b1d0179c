//! What the person reads whose guest did not start: virsh shows the hook's stderr in its error.

use crate::domain::{Domain, Place};
use crate::lint::finding::{Counts, Finding, Level};
use crate::text::{Shown, count, quoted, shortened, visible};

/// More findings than this nobody reads in an error of virsh's.
const MOST: usize = 20;

/// The most characters of a message or a help.
const LONGEST: usize = 2000;

/// The errors of a domain, of which the findings are the most important ones, and the way out.
pub fn refusal(domain: &Domain, findings: &[Finding], counts: Counts) -> Shown {
    let mut out = Shown::default();
    out.line(&format!(
        "virt-9p: guest {} was not started: {} in its raw arguments",
        quoted(&domain.name),
        count(counts.errors, "error")
    ));
    let errors = findings
        .iter()
        .filter(|finding| finding.level == Level::Error);
    for finding in errors.take(MOST) {
        out.line(&one(finding));
        if let Some(help) = &finding.help {
            out.line(&format!("  help: {}", shortened(help, LONGEST)));
        }
    }
    if let Some(more @ 1..) = counts.errors.checked_sub(MOST) {
        out.line(&format!(
            "and {} more: virsh dumpxml {} | virt-9p check",
            count(more, "error"),
            handle(domain)
        ));
    }
    out.line(&way_out(domain));
    out
}

/// One finding on one line, with the argument it is in.
pub fn one(finding: &Finding) -> String {
    let place = match &finding.place {
        Place::Arg(index, _) => format!(" in <qemu:arg> {}", index + 1),
        Place::Xml(_) | Place::Domain => String::new(),
    };
    format!(
        "{}[{}]{place}: {}",
        finding.level.word(),
        finding.code.word(),
        shortened(&finding.said(), LONGEST)
    )
}

/// Why a domain cannot be read. There is no way out: XML that cannot be read has no policy either.
pub fn unreadable(message: &str) -> Shown {
    let mut out = Shown::default();
    out.line(&format!("virt-9p: {}", shortened(message, LONGEST)));
    out
}

/// Another reason not to start, and the way out.
pub fn failure(domain: &Domain, message: &str, help: &str) -> Shown {
    let mut out = Shown::default();
    out.line(&format!(
        "virt-9p: guest {} was not started: {message}",
        quoted(&domain.name)
    ))
    .line(&format!("  help: {help}"))
    .line(&way_out(domain));
    out
}

/// How to start all the same (decision D17).
fn way_out(domain: &Domain) -> String {
    format!(
        "to start it all the same: virsh metadata {} urn:virt-9p:policy:1 --config --key virt-9p --set \"<policy errors='warn'/>\"",
        handle(domain)
    )
}

/// The domain as a word of a shell, for virsh: its name, or its UUID where a name is too long for a
/// file (libvirt makes one of it) or has letters in it that nobody sees.
fn handle(domain: &Domain) -> String {
    const LONGEST: usize = 255;
    let name = &domain.name;
    let plain = name.len() <= LONGEST && visible(name) == *name;
    match &domain.uuid {
        Some(uuid) if !plain => uuid.as_str().to_owned(),
        _ => format!("'{}'", shortened(name, LONGEST).replace('\'', "'\\''")),
    }
}
