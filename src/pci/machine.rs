//! What a machine type brings along: its root bus and the functions built into it.

use crate::domain::Domain;
use crate::qemu::command_line::CommandLine;
use crate::qemu::numbers::SlotFunction;
use crate::version::Version;

/// The machine types whose built-in devices we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `pc`, `pc-i440fx-*` and old relatives.
    I440fx,
    /// `q35`, `pc-q35-*`.
    Q35,
    /// `virt` of arm, riscv and loongarch.
    Virt,
    /// `microvm`: virtio-mmio, and no PCI but with `pcie=on`.
    Microvm,
    /// `isapc` and `none`, which have no PCI.
    Bare,
    /// Anything else; its root bus is what the controller of index 0 says.
    Other,
}

/// A function that the machine itself has.
pub struct BuiltIn {
    /// What it is called in messages.
    pub name: &'static str,
    /// Slot and function on the root bus.
    pub at: SlotFunction,
    /// Whether function 0 allows others beside it.
    pub multifunction: bool,
}

/// Which family a machine type is of (qemu_domain.c, qemuDomainMachineIs*).
pub fn family(domain: &Domain) -> Family {
    let machine = domain.machine.value.as_str();
    if machine == "q35" || machine.starts_with("pc-q35-") {
        Family::Q35
    } else if machine == "pc"
        || ["pc-i440fx-", "pc-0.", "pc-1.", "rhel"]
            .iter()
            .any(|prefix| machine.starts_with(prefix))
    {
        Family::I440fx
    } else if machine == "virt" || machine.starts_with("virt-") {
        Family::Virt
    } else if machine == "microvm" {
        Family::Microvm
    } else if matches!(machine, "isapc" | "none") {
        Family::Bare
    } else {
        Family::Other
    }
}

/// The version in a versioned machine type: `pc-q35-6.1` is 6.1. An alias such as `q35`, or a
/// distribution's own name, has none.
pub fn machine_version(domain: &Domain) -> Option<Version> {
    let machine = domain.machine.value.as_str();
    let numbers = machine.rsplit('-').next()?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    // pc-q35-4.0.1 has a third.
    Some(Version(numbers.next()??, numbers.next()??, 0))
}

/// Whether the machine has ACPI.
pub fn acpi(domain: &Domain, line: &CommandLine) -> bool {
    line.machine.acpi.unwrap_or(domain.acpi)
}

/// Whether it has no bus for I2C, which is that of its SMBus: pc's comes with the power management,
/// and that with ACPI. `None` where that is not known.
pub fn without_i2c(domain: &Domain, line: &CommandLine) -> Option<bool> {
    match family(domain) {
        Family::I440fx => Some(!acpi(domain, line)),
        Family::Q35 => Some(line.machine.no_smbus),
        Family::Bare | Family::Microvm => Some(true),
        Family::Virt | Family::Other => None,
    }
}

/// How many devices of virtio-mmio there is room for: with a second interrupt controller, which comes
/// with ACPI from QEMU 6.0, 24. Of an unknown version the most.
pub fn mmio_slots(domain: &Domain, line: &CommandLine, qemu: Option<Version>) -> usize {
    let second = acpi(domain, line) && line.machine.ioapic2 != Some(false);
    match second && qemu.is_none_or(|qemu| qemu >= Version(6, 0, 0)) {
        true => 24,
        false => 8,
    }
}

/// Whether the machine has no PCI bus, whatever the XML says of one (facts Q4.8).
pub fn without_pci(domain: &Domain, line: &CommandLine) -> bool {
    match family(domain) {
        Family::Bare => true,
        // It has one with ACPI only.
        Family::Microvm => !line.machine.pcie || !acpi(domain, line),
        _ => false,
    }
}

/// Name of the root bus and whether it is PCI Express; `None` where the machine has none we know.
/// The controller of index 0 decides, as libvirt always writes it; its alias does not count,
/// QEMU's name is fixed (facts L8.1).
pub fn root_bus(domain: &Domain) -> Option<(&'static str, bool)> {
    match family(domain) {
        // Where there is one at all.
        Family::Microvm => return Some(("pcie.0", true)),
        Family::Bare => return None,
        _ => {}
    }
    let root = domain
        .devices
        .iter()
        .find(|device| device.is_controller("pci") && device.index == Some(0));
    match root.and_then(|device| device.model.as_deref()) {
        Some("pcie-root") => return Some(("pcie.0", true)),
        Some("pci-root") => return Some(("pci.0", false)),
        _ => {}
    }
    match family(domain) {
        Family::I440fx => Some(("pci.0", false)),
        Family::Q35 | Family::Virt => Some(("pcie.0", true)),
        Family::Microvm | Family::Bare | Family::Other => None,
    }
}

/// The USB controllers that the machine has with `usb=on`, which libvirt switches off and `-usb` on.
pub fn usb(domain: &Domain) -> impl Iterator<Item = (SlotFunction, bool)> {
    let (slot, functions): (u8, &[u8]) = match family(domain) {
        Family::I440fx => (1, &[2]),
        Family::Q35 => (0x1d, &[0, 1, 2, 7]),
        _ => (0, &[]),
    };
    let functions = functions.iter();
    functions.map(move |function| {
        let at = SlotFunction {
            slot,
            function: *function,
        };
        (at, *function == 0)
    })
}

/// The functions built into the machine (`info qtree` with -nodefaults, QEMU 5.2 to 11.1).
pub fn built_in(domain: &Domain, line: &CommandLine) -> Vec<BuiltIn> {
    let single = |name, slot, function| BuiltIn {
        name,
        at: SlotFunction { slot, function },
        multifunction: false,
    };
    let multi = |name, slot| BuiltIn {
        name,
        at: SlotFunction { slot, function: 0 },
        multifunction: true,
    };
    match family(domain) {
        Family::I440fx => {
            let mut devices = vec![
                single("the host bridge (i440FX)", 0, 0),
                multi("the ISA bridge (PIIX3)", 1),
                single("the IDE controller (piix3-ide)", 1, 1),
            ];
            if acpi(domain, line) {
                devices.push(single("the power management (PIIX4_PM)", 1, 3));
            }
            devices
        }
        Family::Q35 => {
            let mut devices = vec![
                single("the host bridge (mch)", 0, 0),
                multi("the ISA bridge (ICH9-LPC)", 0x1f),
                single("the SATA controller (ich9-ahci)", 0x1f, 2),
            ];
            if !line.machine.no_smbus {
                devices.push(single("the SMBus (ICH9-SMB)", 0x1f, 3));
            }
            devices
        }
        Family::Virt | Family::Microvm => vec![single("the host bridge (gpex-root)", 0, 0)],
        Family::Bare | Family::Other => Vec::new(),
    }
}

/// Functions of the root bus that nobody is ever given: those of a slot whose function 0 is a
/// multifunction device of the machine's own. libvirt looks for a slot that is empty, and what goes
/// to a function there (IDE, SATA, USB, power management) has one of its own (decision D25, facts L8.5).
pub fn spare(domain: &Domain) -> impl Iterator<Item = SlotFunction> {
    let (slot, functions): (u8, &[u8]) = match family(domain) {
        Family::I440fx => (1, &[4, 5, 6, 7]),
        Family::Q35 => (0x1f, &[1, 4, 5, 6, 7]),
        _ => (0, &[]),
    };
    let functions = functions.iter();
    functions.map(move |function| SlotFunction {
        slot,
        function: *function,
    })
}

/// Whether slot 0 of a PCI bridge is refused ("Unsupported PCI slot 0 for standard hotplug
/// controller"): it is where SHPC, not ACPI, handles hot-plug there, which on q35 is the case up
/// to pc-q35-6.0 and on QEMU before 6.1, and on i440fx without ACPI (facts Q4.4). `None` where it cannot
/// be known.
pub fn bridge_slot_zero_refused(
    domain: &Domain,
    line: &CommandLine,
    qemu: Option<Version>,
) -> Option<bool> {
    let old = Version(6, 1, 0);
    match family(domain) {
        Family::I440fx => Some(!acpi(domain, line)),
        Family::Q35 => match (machine_version(domain), qemu) {
            (_, Some(qemu)) if qemu < old => Some(true),
            (Some(machine), _) if machine < old => Some(true),
            (Some(_), _) => Some(false),
            (None, Some(_)) if domain.machine.value == "q35" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
