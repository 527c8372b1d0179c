//! Where a raw device is on the PCI buses.

use super::{Entry, Example};

pub static INVALID: Entry = Entry {
    summary: "an address or multifunction value that QEMU cannot read",
    meaning: "addr is SLOT or SLOT.FUNCTION, both hexadecimal with or without 0x, slot at most \
              0x1f, function at most 7: addr=10 is slot 16. In JSON a string is the same and a \
              bare number is slot * 8 + function. QEMU refuses to start.",
    fix: "Write addr=0x6 or addr=0x6.0x1.",
    example: Example {
        text: "-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=31",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x1f"),
        options: "",
    },
    since: None,
};

pub static BUS_UNKNOWN: Entry = Entry {
    summary: "a bus that this domain does not have",
    meaning: "QEMU refuses to start: \"Bus … not found\". pci.0 is the root bus of pc machines, \
              pcie.0 that of q35 and virt; pci.N is the controller with index N, or its user \
              alias (ua-…) where it has one. isapc has no PCI bus, and microvm none without \
              -machine pcie=on: \"No 'PCI' bus found for device …\".",
    fix: "Name a bus that is there; on microvm use virtio-9p-device, which needs no PCI.",
    example: Example {
        text: "-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.7,addr=0x1",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10"),
        options: "",
    },
    since: None,
};

pub static BUS_LATER: Entry = Entry {
    summary: "a text -device on a bus that is only created later",
    meaning: "QEMU creates all text -device before all JSON ones, whatever their order on the \
              command line. libvirt >= 8.1 with QEMU >= 7.0 writes its devices, and so its root \
              ports and bridges, as JSON: when the raw text device is created, only the \
              machine's own bus exists, and QEMU refuses to start: \"Bus 'pci.6' not found\". A \
              domain that has run for years stops starting with the upgrade.",
    fix: "Put the device on the root bus, at an address that libvirt never gives out, or write it as \
          JSON too (QEMU >= 6.2).",
    example: Example {
        text: r"<controller type='pci' index='6' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
</controller>
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.6,addr=0x0",
        fixed: Some(
            r#"<controller type='pci' index='6' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
</controller>
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pcie.0,addr=0x1f.0x1"#,
        ),
        options: "--libvirt 9.0.0 --qemu 7.2.0",
    },
    since: Some(
        "libvirt 8.1 with QEMU 7.0 (Debian 12, Ubuntu 24.04), and libvirt 7.9 and 7.10 \
              with QEMU 6.2; a warning where the versions are not known",
    ),
};

pub static BUS_UNSUITABLE: Entry = Entry {
    summary: "a bus that takes no endpoint devices",
    meaning: "QEMU refuses to start: \"Only PCI/PCIe bridges can be plugged into pxb-pcie\".",
    fix: "Put the device on pcie.0, or on a root port behind the expander bus.",
    example: Example {
        text: r#"<controller type='pci' index='3' model='pcie-expander-bus'>
  <target busNr='0x80'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</controller>
-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.3","addr":"0x0"}"#,
        fixed: Some(
            r#"<controller type='pci' index='3' model='pcie-expander-bus'>
  <target busNr='0x80'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</controller>
-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pcie.0","addr":"0x10"}"#,
        ),
        options: "",
    },
    since: Some("every QEMU that has the expander bus"),
};

pub static TAKEN: Entry = Entry {
    summary: "two devices at one address",
    meaning: "libvirt does not know raw devices and may hand their address to one of its own, \
              now or at the next change of the domain. QEMU refuses to start: \"slot … function \
              … not available, in use by …\", naming whichever device came second.",
    fix: "Move the raw device to the address that the finding proposes.",
    example: Example {
        text: r"<interface type='network'><model type='virtio'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</interface>
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x3",
        fixed: Some(
            r"<interface type='network'><model type='virtio'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</interface>
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10",
        ),
        options: "",
    },
    since: None,
};

pub static FUNCTION_CONFLICT: Entry = Entry {
    summary: "two functions in a slot whose function 0 is a single-function device",
    meaning: "Other functions of a slot may only be used when the device at function 0 has \
              multifunction=on (in libvirt's XML multifunction='on'). QEMU refuses to start: \
              \"single function device can't be populated in function …\".",
    fix: "Use a slot of its own, or set multifunction on function 0.",
    example: Example {
        text: r"<interface type='network'><model type='virtio'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</interface>
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x3.0x1",
        fixed: Some(
            r"<interface type='network'><model type='virtio'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</interface>
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10",
        ),
        options: "",
    },
    since: None,
};

pub static FUNCTION_ALONE: Entry = Entry {
    summary: "a function other than 0 in a slot without function 0",
    meaning: "QEMU starts, but a guest looks at function 0 first and finds nothing: the share \
              is invisible.",
    fix: "Use function 0.",
    example: Example {
        text: "-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10.0x1",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10"),
        options: "",
    },
    since: None,
};

pub static SLOT_INVISIBLE: Entry = Entry {
    summary: "a slot behind a PCI Express port that the guest never looks at",
    meaning: "A root port or downstream port leads to one device, in slot 0. QEMU accepts other \
              slots (with a warning since 10.0), the guest never sees what is there. Behind a \
              switch's upstream port only downstream ports belong.",
    fix: "Use the root bus, or addr=0x0 on a port that has nothing else behind it.",
    example: Example {
        text: r#"<controller type='pci' index='6' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
</controller>
-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.6","addr":"0x1"}"#,
        fixed: Some(
            r#"<controller type='pci' index='6' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
</controller>
-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pcie.0","addr":"0x1f.0x1"}"#,
        ),
        options: "",
    },
    since: Some("every QEMU; since 10.0 it warns in the guest's log"),
};

pub static SLOT_ZERO: Entry = Entry {
    summary: "slot 0 of a PCI bridge",
    meaning: "Where the bridge's own hot-plug controller is in charge (q35 up to pc-q35-6.0, \
              QEMU before 6.1) slot 0 is refused: \"Unsupported PCI slot 0 for standard hotplug \
              controller\". A device without addr goes there by itself. libvirt never uses slot \
              0 of these bridges.",
    fix: "Use slots 0x1 to 0x1f.",
    example: Example {
        text: r#"<controller type='pci' index='1' model='pci-bridge'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</controller>
-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.1","addr":"0x0"}"#,
        fixed: Some(
            r#"<controller type='pci' index='1' model='pci-bridge'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</controller>
-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.1","addr":"0x1"}"#,
        ),
        options: "",
    },
    since: Some(
        "an error with QEMU before 6.1 and with machines up to pc-q35-6.0, elsewhere a \
              warning",
    ),
};

pub static AUTOMATIC: Entry = Entry {
    summary: "a raw device without an address of its own",
    meaning: "It takes the first free slot of the root bus. As text it does so before libvirt's \
              JSON devices are created, and may take the slot of one of them; QEMU then blames \
              libvirt's device: \"PCI: slot 1 function 0 not available for VGA, in use by \
              virtio-9p-pci\". Its place also moves when devices are added, and with it the \
              guest's device names.",
    fix: "Give it a bus and an address.",
    example: Example {
        text: "-device virtio-9p-pci,fsdev=share0,mount_tag=share",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10"),
        options: "",
    },
    since: Some(
        "it matters most since libvirt 8.1 with QEMU 7.0, where raw text devices are \
              created before libvirt's",
    ),
};

pub static NEXT: Entry = Entry {
    summary: "a raw device where libvirt puts one of its next devices",
    meaning: "libvirt does not know raw devices and takes their places for free. A device that is \
              added or hot-plugged gets the lowest free slot of pci.0, on PCI Express the free root \
              port with the lowest index, and a port of its own at the lowest free place of pcie.0 \
              when none is left. QEMU refuses that device, or the next start. Only libvirt's next \
              eight devices are looked at.",
    fix: "Move the device to an address that libvirt never gives out: on pc machines 1.4 to 1.7 of \
          pci.0, on q35 1f.1 and 1f.4 to 1f.7 of pcie.0. The guest mounts a share by its tag, \
          wherever it is.",
    example: Example {
        text: "-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x2",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x1.0x4"),
        options: "",
    },
    since: None,
};

pub static BUS_FULL: Entry = Entry {
    summary: "no free slot is left on the bus",
    meaning: "QEMU does not go on to another bus: \"no slot/function available, all in use or \
              reserved\".",
    fix: "Add a pcie-root-port or pci-bridge controller and put the device there.",
    example: Example {
        text: r#"<interface type='network'><model type='virtio'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='{2..31}' function='0x0'/>
</interface>
-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.0"}"#,
        fixed: None,
        options: "",
    },
    since: None,
};

pub static CHASSIS_TAKEN: Entry = Entry {
    summary: "two PCI Express ports with the same chassis and slot number",
    meaning: "Each port needs its own pair of chassis and slot; libvirt numbers the chassis of \
              its ports by their index. QEMU refuses to start: \"Can't add chassis slot, error \
              -16\".",
    fix: "Give the raw port a chassis that no controller has as its index, such as chassis=100.",
    example: Example {
        text: r"<controller type='pci' index='6' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
</controller>
-device pcie-root-port,id=port0,bus=pcie.0,addr=0x10,chassis=6
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=port0,addr=0x0",
        fixed: Some(
            r"<controller type='pci' index='6' model='pcie-root-port'>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
</controller>
-device pcie-root-port,id=port0,bus=pcie.0,addr=0x10,chassis=100
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=port0,addr=0x0",
        ),
        options: "",
    },
    since: None,
};
