//! `fmode` and `dmode`.

use super::{Entry, Example};

pub static NOT_OCTAL: Entry = Entry {
    summary: "a mode is not written in octal with a leading 0",
    meaning: "QEMU reads fmode and dmode as C does: with a leading 0 octal, with 0x \
              hexadecimal, otherwise decimal. fmode=644 is therefore decimal 644, which is \
              octal 1204; QEMU keeps the last nine bits and the files of the guest get mode \
              0204 on the host, without a word. The same text in libvirt's own <filesystem \
              fmode='644'> (libvirt >= 6.10) is octal.",
    fix: "Write the mode with a leading 0: fmode=0644,dmode=0755.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some(
        "every QEMU that has fmode and dmode (2.10 and later); in <filesystem>, which \
              libvirt >= 6.10 reads as octal, 644 and 0644 are the same",
    ),
};

pub static OUT_OF_RANGE: Entry = Entry {
    summary: "a mode has more than the nine permission bits",
    meaning: "QEMU cuts a mode down to 0777 and drops the rest: set-user-id, set-group-id and \
              the sticky bit can never be given to files on the host this way.",
    fix: "Write at most 0777. For a directory whose files should keep a group, set the \
          set-group-id bit on the shared directory itself; Linux hands it on to new directories.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=02775",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0775",
        ),
        options: "",
    },
    since: Some("every QEMU that has fmode and dmode (2.10 and later)"),
};

pub static INVALID: Entry = Entry {
    summary: "a mode is no number, or one too large",
    meaning: "QEMU refuses to start: \"Parameter 'fmode' expects a number\". Spellings such as \
              0o644, u=rw or 0888 are none to it. Every occurrence is checked, also one that a \
              later one overrides.",
    fix: "Write the mode in octal with a leading 0: fmode=0644.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0o644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some(
        "every QEMU that has fmode and dmode (2.10 and later); binary numbers \
              (0b110100100) are read by builds with glibc 2.38 or later only, and are refused \
              here everywhere",
    ),
};

pub static OWNER: Entry = Entry {
    summary: "a mode locks QEMU itself out of what it creates",
    meaning: "QEMU creates the file with this mode and opens it again later as the same user. \
              Without owner-read the guest can create a file and never read it again; without \
              owner-write the creation itself fails with a mapped security model. A directory \
              needs owner read, write and search. Only a QEMU that runs as root (user in \
              qemu.conf) is not stopped by it.",
    fix: "Keep 0600 in fmode and 0700 in dmode.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0444,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some("every QEMU that has fmode and dmode (2.10 and later)"),
};

pub static UMASK: Entry = Entry {
    summary: "a mode gives others write permission, which never arrives",
    meaning: "libvirt runs QEMU with umask 002, so the bit for writing by others is taken away \
              from every file: 0666 becomes 0664 and 0777 becomes 0775.",
    fix: "If another user has to write, use the group (set-group-id on the directory), or a \
          default ACL.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0777",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0775",
        ),
        options: "",
    },
    since: None,
};

pub static NEEDS_MAPPED: Entry = Entry {
    summary: "fmode or dmode with a security model that has none",
    meaning: "With security_model=passthrough or none the guest's own modes are used, and QEMU \
              refuses to start: \"fmode is only valid for mapped security modes\". It also \
              refuses them for every fsdriver but local.",
    fix: "Use security_model=mapped (or mapped-file), or leave fmode and dmode out.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=none,fmode=0644",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some("every QEMU that has fmode and dmode (2.10 and later)"),
};

pub static IGNORED: Entry = Entry {
    summary: "fmode or dmode in -virtfs does nothing",
    meaning: "No version of QEMU hands fmode and dmode of -virtfs on: files are created 0600 \
              and directories 0700. It also hides bus and address of the device.",
    fix: "Write the two arguments that -virtfs stands for: -fsdev with fmode and dmode, and \
          -device virtio-9p-pci with a bus and an address.",
    example: Example {
        text: "-virtfs local,path=/srv/share,mount_tag=share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            r"-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755
-device virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10",
        ),
        options: "",
    },
    since: Some("every QEMU up to 11.1, the newest that was looked at"),
};

pub static DEFAULT: Entry = Entry {
    summary: "a mapped share without fmode or dmode",
    meaning: "QEMU's defaults are 0600 for files and 0700 for directories: nobody on the host but \
              the user QEMU runs as can read what the guest creates.",
    fix: "Add fmode=0644,dmode=0755 where others should.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=mapped",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some(
        "every QEMU that has fmode and dmode (2.10 and later); before, the modes cannot be \
              chosen",
    ),
};
