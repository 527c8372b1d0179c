//! `guest ADDRESS TAG`: the guest of the scenarios beside this file. It drives a domain that was
//! started paused through the qtest socket at ADDRESS, mounts the share with the mount tag TAG and
//! does what standard input says, an operation a line:
//!
//! ```text
//! create NAME MODE [TEXT]    append NAME TEXT    cat NAME      rm NAME
//! mkdir NAME MODE            ls [NAME]           rmdir NAME
//! ln OLD NEW                 mv OLD NEW          symlink TARGET NAME
//! readlink NAME              chmod NAME MODE     mode NAME
//! refused ERROR OPERATION    the operation fails with this error, EACCES or a number
//! ```
//!
//! The first operation that does otherwise ends it with status 1.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "../support/ninep.rs"]
mod ninep;
#[path = "../support/qtest.rs"]
mod qtest;

use ninep::Guest;
use qtest::Machine;

/// Linux's numbers (asm-generic/errno-base.h, errno.h).
const ERRORS: [(&str, u32); 9] = [
    ("EPERM", 1),
    ("ENOENT", 2),
    ("EIO", 5),
    ("EACCES", 13),
    ("EEXIST", 17),
    ("ENOTDIR", 20),
    ("EINVAL", 22),
    ("EROFS", 30),
    ("EOPNOTSUPP", 95),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, tag] = arguments.as_slice() else {
        panic!("usage: guest ADDRESS TAG");
    };
    let mut guest = Guest::mount(Machine::connect(address), tag).unwrap_or_else(|why| stop(&why));
    for line in std::io::stdin().lines().map(Result::unwrap) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let (expected, operation) = match line.strip_prefix("refused ") {
            Some(rest) => rest.split_once(' ').unwrap(),
            None => ("", line),
        };
        match (expected, perform(&mut guest, operation)) {
            ("", Ok(said)) => print!("{said}"),
            ("", Err(error)) => stop(&format!("{line}: {}", name(error))),
            (_, Ok(_)) => stop(&format!("not refused: {operation}")),
            (expected, Err(error)) if expected == name(error) => {}
            (_, Err(error)) => stop(&format!("{line}: but {}", name(error))),
        }
    }
    if let Err(error) = guest.unmount() {
        stop(&format!("unmount: {}", name(error)));
    }
}

/// One operation, and what it prints.
fn perform(guest: &mut Guest, operation: &str) -> Result<String, u32> {
    let words: Vec<&str> = operation.splitn(3, ' ').collect();
    let octal = |mode: &str| u32::from_str_radix(mode, 8).unwrap();
    match words.as_slice() {
        ["create", name, rest] => {
            let (mode, text) = rest.split_once(' ').unwrap_or((rest, ""));
            guest.create(name, octal(mode), text)?;
        }
        ["append", name, text] => guest.append(name, text)?,
        ["cat", name] => return guest.read(name).map(|text| text + "\n"),
        ["mkdir", name, mode] => guest.mkdir(name, octal(mode))?,
        ["ln", old, new] => guest.link(old, new)?,
        ["mv", old, new] => guest.rename(old, new)?,
        ["symlink", target, name] => guest.symlink(target, name)?,
        ["readlink", name] => return guest.readlink(name).map(|target| target + "\n"),
        ["chmod", name, mode] => guest.chmod(name, octal(mode))?,
        ["mode", name] => return guest.mode(name).map(|mode| format!("{mode:o}\n")),
        ["rm", name] => guest.remove(name, false)?,
        ["rmdir", name] => guest.remove(name, true)?,
        ["ls"] => return guest.list("").map(|names| names.join("\n") + "\n"),
        ["ls", name] => return guest.list(name).map(|names| names.join("\n") + "\n"),
        _ => stop(&format!("no such operation: {operation}")),
    }
    Ok(String::new())
}

fn name(error: u32) -> String {
    let known = ERRORS.iter().find(|(_, number)| *number == error);
    known.map_or_else(|| error.to_string(), |(name, _)| (*name).to_owned())
}

fn stop(why: &str) -> ! {
    eprintln!("guest: {why}");
    std::process::exit(1)
}
