//! `virt-9p hook`: what libvirt calls, by hand.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::host::stdin::Stdin;

use super::command::Command;
use super::options::{Options, Word, next, unexpected};

pub const COMMAND: Command = Command {
    name: "hook",
    arguments: "DOMAIN OPERATION SUBOPERATION EXTRA",
    summary: "what libvirt calls, by hand; domain XML on standard input",
    about: "\
Only prepare begin and release end do anything, and only prepare can fail.
Options stand before DOMAIN. Without options, exactly four words are taken as they
are, also a domain whose name begins with a dash.
",
    options: "",
    looks: false,
    examples: "  virsh dumpxml guest | virt-9p hook guest prepare begin -
  virsh dumpxml guest | virt-9p hook --root /tmp/scratch guest prepare begin -
",
    run,
};

/// Exactly four words are libvirt's own, whatever they look like: a guest may be called
/// `--help`, and a hook script hands us its "$@". With options there are more words, and they
/// stand before the guest's name; from there on everything is the hook's.
fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let mut arguments: Vec<OsString> = parser.clone().raw_args()?.collect();
    if arguments.len() != 4 {
        arguments.clear();
        while let Some(word) = next(&mut parser)? {
            match word {
                Word::Option(option) if options.common(&option, &mut parser)? => {}
                Word::Value(guest) => {
                    arguments.push(guest);
                    arguments.extend(parser.raw_args()?);
                }
                other => return Err(unexpected(&other)),
            }
        }
    }
    anyhow::ensure!(
        arguments.len() == 4,
        "hook wants DOMAIN OPERATION SUBOPERATION EXTRA, such as: hook guest prepare begin -"
    );
    let status = crate::hook::run(&options.root, &arguments, Stdin::new());
    Ok(ExitCode::from(status))
}
