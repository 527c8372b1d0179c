//! Versions of libvirt and QEMU, and whether they make raw arguments unnecessary.

use std::io;

use crate::doctor::{CheckLine, Subject};
use crate::text::visible;
use crate::version::Version;

/// libvirt's own fmode and dmode (facts L7.1).
const NATIVE: Version = Version(6, 10, 0);

/// QEMU's fmode and dmode (facts Q1.6).
const MODES: Version = Version(2, 10, 0);

/// Judges the installed libvirt, and the emulators that it has looked at.
pub fn lines(
    libvirt: Option<Version>,
    emulators: io::Result<Vec<(Option<String>, Version)>>,
) -> Vec<CheckLine> {
    let mut lines = vec![match libvirt {
        Some(version) => {
            CheckLine::pass(Subject::Libvirt, "for libvirt").saying(version.to_string())
        }
        None => CheckLine::warn(
            Subject::Libvirt,
            "for libvirt",
            "its library is not where packages install it: version not known",
        ),
    }];
    lines.push(qemu(emulators));
    lines.extend(libvirt.map(|version| {
        if version >= NATIVE {
            CheckLine::note(
                Subject::Libvirt,
                "It sets file modes by itself",
                "<filesystem accessmode='mapped' fmode='0644' dmode='0755'> needs no raw arguments; \
                 virt-9p convert --to native rewrites them",
            )
        } else {
            CheckLine::note(
                Subject::Libvirt,
                format!("Before {NATIVE} it sets no file modes"),
                "raw arguments are the way",
            )
        }
    }));
    lines
}

fn qemu(emulators: io::Result<Vec<(Option<String>, Version)>>) -> CheckLine {
    let what = "for QEMU";
    let emulators = match emulators {
        Ok(emulators) => emulators,
        Err(error) => return CheckLine::not_looked_at(Subject::Libvirt, what, &error),
    };
    let mut shown: Vec<String> = Vec::new();
    for (path, version) in &emulators {
        let one = match path {
            Some(path) => format!("{version} as {}", visible(path)),
            None => version.to_string(),
        };
        // Two files for one emulator are no news.
        if !shown.contains(&one) {
            shown.push(one);
        }
    }
    let shown = shown.join(", ");
    match emulators.iter().map(|(_, version)| version).min() {
        None => CheckLine::pass(Subject::Libvirt, what)
            .saying("libvirt has looked at none yet, it does at the first start of a guest"),
        Some(version) if *version < MODES => CheckLine::fail(
            Subject::Libvirt,
            what,
            format!("{shown}; before {MODES} it knows no fmode and dmode"),
        ),
        Some(_) => CheckLine::pass(Subject::Libvirt, what).saying(shown),
    }
}
