//! Which face: libvirt's hook, or the command line.

#![deny(clippy::disallowed_macros, clippy::disallowed_methods)]

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use virt_9p::host::{Root, stdin::Stdin};
use virt_9p::{cli, hook};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    if is_hook(Path::new(&name)) {
        let status = hook::run(&Root::default(), &arguments, Stdin::new());
        return ExitCode::from(status);
    }
    cli::run(arguments)
}

/// The name it was called by decides, never the arguments: a guest may be called `check`.
/// libvirt runs `…/hooks/qemu` and `…/hooks/qemu.d/NAME` with that path as the name.
fn is_hook(name: &Path) -> bool {
    let directory = name.parent().and_then(Path::file_name);
    name.file_name() == Some(OsStr::new("qemu")) || directory == Some(OsStr::new("qemu.d"))
}
