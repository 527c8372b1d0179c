//! `virt-9p hook`: what libvirt calls, by hand.

use std::process::ExitCode;

use crate::host::stdin::Stdin;

use super::call::Call;
use super::command::{Command, Operands};
use super::error::Error;

pub const COMMAND: Command = Command {
    name: "hook",
    arguments: "DOMAIN OPERATION SUBOPERATION EXTRA",
    words: Operands::Libvirts,
    summary: "what libvirt calls, by hand; domain XML on standard input",
    about: "\
Only prepare begin and release end do anything, and only prepare can fail.
Options stand before DOMAIN. Without options, exactly four words are taken as they
are, also a domain whose name begins with a dash.
",
    options: &[],
    looks: false,
    examples: "  virsh dumpxml guest | virt-9p hook guest prepare begin -
  virsh dumpxml guest | virt-9p hook --root /tmp/scratch guest prepare begin -
",
    run,
};

fn run(call: &Call) -> Result<ExitCode, Error> {
    if call.words.len() != 4 {
        return Err(Error::usage(
            "hook wants DOMAIN OPERATION SUBOPERATION EXTRA, such as: hook guest prepare begin -",
        ));
    }
    let status = crate::hook::run(&call.root()?, &call.words, Stdin::new());
    Ok(ExitCode::from(status))
}
