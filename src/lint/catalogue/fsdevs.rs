//! `-fsdev` and `-virtfs`: id, driver, keys and values.

use super::{Entry, Example};

pub static ID_MISSING: Entry = Entry {
    summary: "an -fsdev without id",
    meaning: "QEMU refuses to start: \"fsdev: No id specified\". The device names its fsdev by \
              it.",
    fix: "Add id=NAME, and fsdev=NAME in the device.",
    example: Example {
        text: "-fsdev local,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static ID_INVALID: Entry = Entry {
    summary: "an id QEMU does not accept",
    meaning: "An id begins with an ASCII letter and goes on with letters, digits, '-', '.' and \
              '_'. QEMU refuses to start: \"Parameter 'id' expects an identifier\".",
    fix: "Choose such a name; where several id= are given, the first counts.",
    example: Example {
        text: r"-fsdev local,id=9p,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=9p,mount_tag=share,bus=pci.0,addr=0x10",
        fixed: Some(
            r"-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10",
        ),
        options: "",
    },
    since: Some("every QEMU; in a JSON device since 11.1"),
};

pub static ID_DUPLICATE: Entry = Entry {
    summary: "an id that something else has already",
    meaning: "fsdevs and devices have one namespace each, shared with what libvirt writes: \
              fsdev-fs0, fs0, net0, pci.1 … QEMU refuses to start: \"Duplicate ID\".",
    fix: "Choose another id; one that libvirt never uses, such as share-NAME.",
    example: Example {
        text: r"<filesystem type='mount' accessmode='mapped'>
  <source dir='/srv/other'/><target dir='other'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</filesystem>
-device virtio-9p-pci,id=fs0,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10",
        fixed: Some(
            r"<filesystem type='mount' accessmode='mapped'>
  <source dir='/srv/other'/><target dir='other'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</filesystem>
-device virtio-9p-pci,id=share-fs0,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10",
        ),
        options: "",
    },
    since: None,
};

pub static FSDRIVER_UNKNOWN: Entry = Entry {
    summary: "an fsdriver that QEMU does not have",
    meaning: "QEMU knows local and synth; proxy is gone since 9.2, handle since 4.0. It refuses \
              to start: \"fsdriver … not found\".",
    fix: "Use local for a directory of the host.",
    example: Example {
        text: "-fsdev proxy,id=share0,socket=/run/share.sock",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "--qemu 9.2.0",
    },
    since: Some("handle: QEMU 4.0; proxy: QEMU 9.2"),
};

pub static KEY_UNKNOWN: Entry = Entry {
    summary: "a key that QEMU does not know here",
    meaning: "Unknown keys of -fsdev, and keys that belong to another fsdriver, stop QEMU: \
              \"Invalid parameter\"; so do unknown properties of a device: \"Property … not \
              found\". Some keys came late: multidevs with QEMU 4.2, fmode and dmode with 2.10.",
    fix: "Check the spelling and the version.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755,cache=none",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some(
        "fmode and dmode: QEMU 2.10; multidevs: QEMU 4.2; max_xattr: some builds of 10.0, \
              and 11.1; uid_map and gid_map: Canonical's builds",
    ),
};

pub static KEY_REPEATED: Entry = Entry {
    summary: "a key stands more than once",
    meaning: "The last one counts, except for id, where the first does. QEMU says nothing.",
    fix: "Keep the one you mean.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755,readonly=on,readonly=off",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755,readonly=on",
        ),
        options: "",
    },
    since: None,
};

pub static VALUE_INVALID: Entry = Entry {
    summary: "a value that QEMU does not accept for its key",
    meaning: "For example readonly=1 (QEMU wants on or off), multidevs=bogus, or a throttling \
              limit with a unit. QEMU refuses to start.",
    fix: "The message names the values that are accepted.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755,readonly=1",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755,readonly=on",
        ),
        options: "",
    },
    since: None,
};

pub static PATH_UNSET: Entry = Entry {
    summary: "an -fsdev without path",
    meaning: "QEMU refuses to start: \"path property not set\".",
    fix: "Add path=/the/directory.",
    example: Example {
        text: "-fsdev local,id=share0,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static SECURITY_MODEL: Entry = Entry {
    summary: "security_model is missing or unknown",
    meaning: "The local fsdriver wants one of passthrough, mapped (or mapped-xattr), \
              mapped-file and none, in lower case. QEMU refuses to start without. With any of \
              them, as long as the guest has the share mounted, QEMU refuses to save, to \
              snapshot memory, and to migrate.",
    fix: "Use mapped: the guest's owners and modes go into extended attributes, and the files \
          on the host get fmode and dmode.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static UNUSED: Entry = Entry {
    summary: "an -fsdev that no device uses",
    meaning: "QEMU opens its directory when a device uses it; the guest sees nothing, and virt-9p \
              grants nothing for it. One that waits for a device_add needs the rules at that \
              moment, and they are written at the start only.",
    fix: "Add the -device virtio-9p-pci with fsdev=ID, or remove it. For a device_add later, add \
          what `virt-9p rules` prints for the domain with the device in it to the guest's profile \
          by hand, and load it.",
    example: Example {
        text: r"-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10
-fsdev local,id=share1,path=/srv/other,security_model=none",
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

pub static PROXY_SOCKET: Entry = Entry {
    summary: "an fsdev whose files a server behind a socket serves",
    meaning: "-fsdev proxy connects to virtfs-proxy-helper, by `socket` or by `sock_fd`: one of the \
              two must be given, and libvirt hands over no open socket. That server runs as root \
              and opens what it likes, so a rule for the socket would open a directory that nobody \
              can name. virt-9p grants none: under AppArmor QEMU refuses to start with \
              \"Permission denied\", unless a rule of the admin's opens the socket.",
    fix: "Share the directory itself: -fsdev local,path=…",
    example: Example {
        text: "-fsdev proxy,id=share0,socket=/run/virtfs.sock",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "--qemu 7.2.0",
    },
    since: Some("QEMU before 9.2, which has no proxy any more"),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::fsdev_keys::{InQemu, KEYS};

    #[test]
    fn keys_that_not_every_qemu_has_are_named_with_their_version() {
        let text = KEY_UNKNOWN.since.unwrap();
        for key in KEYS.iter().filter(|key| key.qemu != InQemu::Every) {
            let entry = text.split("; ").find(|entry| entry.contains(key.name));
            let entry = entry.unwrap_or_else(|| panic!("{} is not in: {text}", key.name));
            if let InQemu::Since(version) = key.qemu {
                let said = format!("QEMU {}.{}", version.0, version.1);
                assert!(entry.ends_with(&said), "{}: {entry}", key.name);
            }
        }
    }
}
