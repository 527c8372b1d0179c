//! The command line for people: which command, its options, its exit status.
//!
//! 0 is fine, 1 an error found or something that cannot be done, 2 a usage error or an input that
//! is no domain XML.

mod check;
mod doctor;
mod explain;
mod hook;
mod input;
mod options;
mod rules;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

const HELP: &str = "\
virt-9p: raw 9p shares of QEMU guests, checked and let through AppArmor

usage: virt-9p [--root DIR] COMMAND …

  check   [FILE|-]...   find what is wrong with the 9p arguments of a domain
  rules   [FILE|-]      show the AppArmor rules the domain would get
  doctor  [FILE|-]...   see whether this host, and each guest on it, is in order
  explain [CODE]        say what a finding means; without CODE, list them
  hook    DOMAIN OPERATION SUBOPERATION EXTRA
                        what libvirt calls, by hand; domain XML on standard input

options of check and rules:
  --libvirt X.Y.Z       assume this libvirt, not the installed one
  --qemu X.Y.Z          assume this QEMU
  --no-host             look at nothing but the XML
options of check and doctor:
  --format text|json    json prints one object a file, or a thing looked at
options of check:
  --strict              warnings count as errors

  --root DIR            put DIR before every host path that is read or written
  --help, --version

exit status: 0 fine, 1 errors found or it cannot be done, 2 usage or unreadable input

examples:
  virt-9p check /etc/libvirt/qemu/guest.xml
  virsh dumpxml guest | virt-9p check
  virsh dumpxml guest | virt-9p rules
  virt-9p doctor
  virt-9p explain mode-not-octal
";

/// Runs the command line `arguments` (without the program's name).
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            complain("note: virt-9p --help shows how to call it");
            ExitCode::from(2)
        }
    }
}

fn dispatch(arguments: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut options = options::Options::default();
    while let Some(word) = options::next(&mut parser)? {
        let command = match word {
            options::Word::Value(command) => command,
            options::Word::Option(option) => match option.as_str() {
                "--help" | "-h" => return say(HELP),
                "--version" | "-V" => {
                    return say(concat!("virt-9p ", env!("CARGO_PKG_VERSION"), "\n"));
                }
                other if options.common(other, &mut parser)? => continue,
                _ => return Err(options::unexpected(&options::Word::Option(option))),
            },
        };
        return match command.to_str() {
            Some("check") => check::run(options, parser),
            Some("rules") => rules::run(options, parser),
            Some("doctor") => doctor::run(options, parser),
            Some("explain") => explain::run(options, parser),
            Some("hook") => hook::run(options, parser),
            _ => anyhow::bail!(
                "there is no command {}; the commands are check, rules, doctor, explain and hook",
                crate::text::quoted(&command.to_string_lossy())
            ),
        };
    }
    anyhow::bail!("no command is given; the commands are check, rules, doctor, explain and hook")
}

/// Prints `text`; a reader that went away is no error.
fn say(text: &str) -> anyhow::Result<ExitCode> {
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints one line on stderr.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "virt-9p: {line}");
}
