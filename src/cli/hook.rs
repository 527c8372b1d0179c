//! `virt-9p hook`: what libvirt calls, by hand.

use std::ffi::OsString;
use std::process::ExitCode;

use super::options::{Options, Word, next, unexpected};

/// Options stand before the guest's name; from there on everything is the hook's, dashes or not.
pub fn run(mut options: Options, mut parser: lexopt::Parser) -> anyhow::Result<ExitCode> {
    let mut arguments: Vec<OsString> = Vec::new();
    // Four words are libvirt's own, from a script that hands them on: a guest may be called
    // `--root`, and a failure at `reconnect` would kill it.
    let words = parser.raw_args()?;
    if words.as_slice().len() == 4 {
        arguments.extend(words);
    }
    while let Some(word) = next(&mut parser)? {
        match word {
            Word::Option(option) if options.common(&option, &mut parser)? => {}
            Word::Value(guest) => {
                arguments.push(guest);
                arguments.extend(parser.raw_args()?);
                break;
            }
            other => return Err(unexpected(&other)),
        }
    }
    anyhow::ensure!(
        arguments.len() == 4,
        "hook wants DOMAIN OPERATION SUBOPERATION EXTRA, such as: hook guest prepare begin -"
    );
    let status = crate::hook::run(&options.root, &arguments, std::io::stdin().lock());
    Ok(ExitCode::from(status))
}
