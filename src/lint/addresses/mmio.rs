//! Devices of virtio-mmio, of which a machine has so many places.

use crate::domain::OtherAddress;
use crate::lint::Context;
use crate::lint::arguments::whole_argument;
use crate::lint::catalogue::Code;
use crate::lint::finding::Finding;
use crate::lint::unknown::Unknown;
use crate::pci::machine::{self, Family};
use crate::qemu::device_models::{self, ModelBus};
use crate::version::Version;

/// Says so of the raw device that is one too many, libvirt's counted.
pub fn check(context: Context, findings: &mut Vec<Finding>) {
    let (domain, line, qemu) = (context.domain, context.line, context.assume.qemu);
    if machine::family(domain) != Family::Microvm {
        return;
    }
    let own = domain.devices.iter();
    let own = own.filter(|device| device.elsewhere == Some(OtherAddress::VirtioMmio));
    let own = own.count();
    let model = |driver| device_models::model(driver).map(|model| model.bus);
    let mut raw = line.devices.iter();
    let mut raw = raw
        .by_ref()
        .filter(|device| model(device.driver()) == Some(ModelBus::Virtio));
    // The oldest version that may be, and the newest.
    let least = machine::mmio_slots(domain, line, qemu.or(Some(Version(0, 0, 0))));
    let slots = machine::mmio_slots(domain, line, qemu);
    let Some(first) = raw.nth(least.saturating_sub(own)) else {
        return;
    };
    let all = own.max(least) + 1 + raw.count();
    let message = format!(
        "this is one device of virtio-mmio too many: there are {least} places, libvirt has {own} of them, and QEMU refuses \
         to start with \"No 'virtio-bus' bus found\""
    );
    let help = match least {
        8 => "leave one out; with <acpi/> in <features>, QEMU has 24 from 6.0 on",
        _ => "leave one out, or use a machine with PCI",
    };
    let finding = Finding::error(Code::BusFull, whole_argument(context, first.arg), message);
    let finding = finding.help(help);
    findings.push(match all > slots {
        true => finding,
        false => finding.doubtful(Unknown::Qemu),
    });
}
