//! `-device virtio-9p-pci`, its address left out.

use super::{Entry, Example};

pub static FSDEV_UNKNOWN: Entry = Entry {
    summary: "a 9p device whose fsdev does not exist",
    meaning: "QEMU refuses to start: \"9pfs device couldn't find fsdev with the id = …\".",
    fix: "fsdev= must be the id of an -fsdev.",
    example: Example {
        text: r"-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10
-device virtio-9p-pci,fsdev=share1,mount_tag=other,bus=pci.0,addr=0x11",
        fixed: Some(
            r"-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10",
        ),
        options: "",
    },
    since: None,
};

pub static DRIVER_UNKNOWN: Entry = Entry {
    summary: "a device model that does not exist here",
    meaning: "PCI machines have virtio-9p-pci (alias virtio-9p) and its -transitional and \
              -non-transitional forms. virtio-9p-device, as all virtio models whose names end so, \
              needs the virtio-mmio of a machine such as microvm, virtio-9p-ccw an s390x machine. \
              QEMU refuses to start. Of other models it is a warning where Debian's QEMU of that \
              version does not have them: builds differ.",
    fix: "Use virtio-9p-pci; on microvm virtio-9p-device.",
    example: Example {
        text: "-device virtio-9p-ccw,fsdev=share0,mount_tag=share",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10"),
        options: "",
    },
    since: Some("every QEMU; the -transitional forms came with 4.0"),
};

pub static TAG_MISSING: Entry = Entry {
    summary: "a 9p device without mount_tag",
    meaning: "QEMU refuses to start: \"needs mount_tag arguments\". The guest mounts the share \
              by it.",
    fix: "Add mount_tag=NAME.",
    example: Example {
        text: "-device virtio-9p-pci,fsdev=share0,bus=pci.0,addr=0x10",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10"),
        options: "",
    },
    since: None,
};

pub static TAG_TOO_LONG: Entry = Entry {
    summary: "a mount tag of more than 31 bytes",
    meaning: "QEMU refuses to start: \"mount tag … is longer than maximum (31 bytes)\". Bytes \
              count, not characters.",
    fix: "Choose a shorter one.",
    example: Example {
        text: "-device virtio-9p-pci,fsdev=share0,mount_tag=projects-of-the-whole-department,bus=pci.0,addr=0x10",
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=projects,bus=pci.0,addr=0x10"),
        options: "",
    },
    since: None,
};

pub static TAG_DUPLICATE: Entry = Entry {
    summary: "two shares with one mount tag",
    meaning: "QEMU starts. The guest's first mount of the tag gets the first share, a second \
              mount the second one, which is hardly meant.",
    fix: "Give each share its own tag; those of <filesystem><target dir=…> count too.",
    example: Example {
        text: r"-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10
-fsdev local,id=share1,path=/srv/other,security_model=none
-device virtio-9p-pci,fsdev=share1,mount_tag=share,bus=pci.0,addr=0x11",
        fixed: Some(
            r"-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10
-fsdev local,id=share1,path=/srv/other,security_model=none
-device virtio-9p-pci,fsdev=share1,mount_tag=other,bus=pci.0,addr=0x11",
        ),
        options: "",
    },
    since: None,
};

pub static JSON_INVALID: Entry = Entry {
    summary: "a JSON -device that is not JSON",
    meaning: "QEMU's reader takes single or double quotes, no comments, no comma before a \
              closing brace, and no key twice. QEMU refuses to start: \"JSON parse error\".",
    fix: "Correct it; inside value='…' use double quotes as they are.",
    example: Example {
        text: r#"-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.0","addr":"0x10",}"#,
        fixed: Some(
            r#"-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.0","addr":"0x10"}"#,
        ),
        options: "",
    },
    since: Some("QEMU 6.2, the first with JSON in -device"),
};

pub static JSON_TOO_NEW: Entry = Entry {
    summary: "a JSON -device for a QEMU that has none",
    meaning: "QEMU takes JSON in -device since 6.2. An older one takes it for a driver's name: \
              \"is not a valid device model name\".",
    fix: "Write it as text: driver,key=value,…",
    example: Example {
        text: r#"-device {"driver":"virtio-9p-pci","fsdev":"share0","mount_tag":"share","bus":"pci.0","addr":"0x10"}"#,
        fixed: Some("-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10"),
        options: "--qemu 5.2.0",
    },
    since: Some("QEMU before 6.2"),
};
