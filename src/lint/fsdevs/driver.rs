//! The driver of an -fsdev or -virtfs, and what only the driver `proxy` needs.

use crate::domain::Place;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::{Finding, Key};
use crate::lint::fix::{meant, unquoted};
use crate::qemu::command_line::Fsdev;
use crate::qemu::fsdev_keys::FSDRIVERS;
use crate::qemu::option_string::Form;
use crate::text::quoted;

use super::at;

/// The fsdriver, when QEMU has it.
pub fn driver<'f>(
    context: Context,
    fsdev: &'f Fsdev,
    findings: &mut Vec<Finding>,
) -> Option<&'f str> {
    let Some(opt) = fsdev.last("fsdriver") else {
        let finding = Finding::error(
            Code::FsdriverUnknown,
            whole_argument(context, fsdev.arg),
            "no fsdriver is given: QEMU refuses to start",
        );
        let first = fsdev.opts.first();
        findings.push(match first {
            Some(opt) if opt.key == "driver" => {
                let whole = Place::Arg(opt.arg, opt.key_range.start..opt.value_range.end);
                finding.write(whole, opt.value.as_str())
            }
            Some(opt) if opt.key.starts_with("local;") => finding
                .help("write `,` where there is `;`")
                .about(Key::Meant("id")),
            _ => finding.help("begin the argument with `local,`"),
        });
        return None;
    };
    let known = FSDRIVERS.iter().find(|driver| driver.name == opt.value);
    let (certain, what) = match known.map(|driver| driver.gone) {
        Some(None) => return Some(&opt.value),
        Some(Some(gone)) => (
            context.assume.qemu.map(|qemu| qemu >= gone),
            format!("was removed from QEMU {}.{}", gone.0, gone.1),
        ),
        None => (Some(true), "is none that QEMU has".to_owned()),
    };
    let found = Finding::error_if(
        certain,
        Code::FsdriverUnknown,
        at(opt),
        format!(
            "fsdriver {} {what}: it refuses to start",
            quoted(&opt.value)
        ),
    );
    let whole = context
        .domain
        .args
        .get(opt.arg)
        .and_then(|arg| unquoted(&arg.value));
    let there = FSDRIVERS.iter().filter(|driver| driver.gone.is_none());
    let there = there.map(|driver| driver.name);
    let near = meant(&opt.value, there);
    findings.extend(found.map(|finding| {
        match (whole, near) {
            (Some(plain), _) if opt.form == Form::Implied => {
                finding.write(whole_argument(context, opt.arg), plain)
            }
            (_, Some(driver)) => finding.write(at(opt), driver),
            _ if opt.value.starts_with('{') => finding
                .help("-fsdev takes no JSON: write `local,id=NAME,path=…,security_model=mapped`")
                .about(Key::Meant("id")),
            _ => finding.help("write `local` to share a directory of the host"),
        }
    }));
    // The rest is judged as that of the driver that was meant.
    match known {
        Some(gone) => Some(gone.name).filter(|driver| *driver == "proxy"),
        None => near.filter(|_| whole.is_none()),
    }
}

/// A proxy is reached through a socket, or a file that is open already.
pub fn proxy(context: Context, fsdev: &Fsdev, findings: &mut Vec<Finding>) {
    let gone = FSDRIVERS.iter().find(|driver| driver.name == "proxy");
    let gone = gone.and_then(|driver| driver.gone);
    if gone.is_some_and(|gone| context.assume.qemu.is_some_and(|qemu| qemu >= gone)) {
        // That is said already.
        return;
    }
    let error = |place, message: &str| Finding::error(Code::ProxySocket, place, message);
    match (fsdev.last("socket"), fsdev.last("sock_fd")) {
        (None, None) => findings.push(
            error(
                whole_argument(context, fsdev.arg),
                "neither `socket` nor `sock_fd` is given: QEMU refuses to start",
            )
            .help("share the directory itself, with fsdriver `local`"),
        ),
        (Some(_), Some(both)) => findings.push(
            error(
                at(both),
                "`socket` and `sock_fd` are both given: QEMU refuses to start",
            )
            .help("leave one of them out"),
        ),
        (None, Some(number)) if context.index.is_used(fsdev) => findings.push(
            error(
                at(number),
                "libvirt hands no socket of yours to QEMU, so there is none of this number: QEMU refuses to start",
            )
            .help("share the directory itself, with fsdriver `local`"),
        ),
        (Some(socket), None) if context.index.is_used(fsdev) => findings.push(
            Finding::warning(
                Code::ProxySocket,
                at(socket),
                format!(
                    "virt-9p opens no sockets: the server behind {} runs as root and opens what it likes, so which \
                     directory the guest gets cannot be told. Under AppArmor QEMU refuses to start with \"Permission \
                     denied\", unless a rule of yours opens it",
                    quoted(&socket.value)
                ),
            )
            .help("share the directory itself, with fsdriver `local`"),
        ),
        (None, Some(_)) | (Some(_), None) => {}
    }
}
