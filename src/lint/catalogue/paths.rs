//! The shared folder on this host.

use super::{Entry, Example};

pub static MISSING: Entry = Entry {
    summary: "the shared folder does not exist",
    meaning: "QEMU opens the folder of every fsdev that a device uses and refuses to start: \
              \"cannot initialize fsdev …: failed to open …: No such file or directory\". That is \
              left to QEMU, because another hook may still make the folder, in a script that \
              comes later or at `start begin`: the name that it is to have is opened to the \
              guest. A symbolic link that comes to stand there is not followed by AppArmor; \
              links have to be there at `prepare begin`.",
    fix: "Create the folder, or mount what should be there, before the guest starts.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/not-there,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static NOT_FOLDER: Entry = Entry {
    summary: "the shared path is not a folder",
    meaning: "QEMU refuses to start: \"failed to open …: Not a directory\".",
    fix: "Share the folder that holds the file.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/images/disk.raw,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/images,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static RELATIVE: Entry = Entry {
    summary: "the shared path does not begin with a slash",
    meaning: "QEMU resolves it from its working directory, which under libvirt is /.",
    fix: "Write the whole path.",
    example: Example {
        text: "-fsdev local,id=share0,path=srv/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static SYSTEM: Entry = Entry {
    summary: "a folder that belongs to the system, or contains such",
    meaning: "libvirt's virt-aa-helper opens nothing in /etc, /usr/bin, /lib, /proc and their \
              like to a guest, so that a libvirtd gone wrong cannot get at the host that way. \
              virt-9p opens none of that either, and is stricter in three ways: it does not open \
              these folders themselves (/etc), nor to writing what contains one of them (/, /usr, \
              /usr/local), nor to reading what contains /etc, /proc or /sys (/). A read-only \
              share of /usr or /usr/local is opened, with a warning.",
    fix: "Share a folder below /srv, /home or /var instead.",
    example: Example {
        text: "-fsdev local,id=share0,path=/etc,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: Some("every libvirt with AppArmor; a note where the guest is not confined"),
};

pub static LINK: Entry = Entry {
    summary: "a symbolic link on the way that somebody else can change",
    meaning: "QEMU follows symbolic links in a share's path, and so does virt-9p, at the start, as \
              libvirt does for its own <filesystem>. Who can write to the directory that a link \
              lies in, or to one above it, decides where it leads, to all that is not the \
              system's own; so there is a warning, unless it leads to a directory of theirs. With \
              security_model none or passthrough a guest makes real links in its share: one \
              that leads out of another share of the same guest is an error, and is not opened.",
    fix: "Write the path without the link.",
    example: Example {
        text: "-fsdev local,id=share0,path=/home/bob/link,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/other,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static UNREACHABLE: Entry = Entry {
    summary: "the user QEMU runs as cannot get at the folder",
    meaning: "AppArmor rules do not replace file permissions: QEMU needs read and search \
              permission on the folder and search permission on every folder above it, as the \
              user and groups that qemu.conf or the domain's dac label say. It refuses to \
              start: \"Permission denied\", or, misleadingly, \"share path … does not exist\". Of \
              groups only /etc/group is known here: where /etc/nsswitch.conf names other sources \
              and a group would do, this is a warning. So it is where the file system does not \
              answer (NFS, FUSE): the look is given up after some seconds.",
    fix: "chmod o+x the folder that stops it, or use setfacl to let only that user through.",
    example: Example {
        text: "-fsdev local,id=share0,path=/home/alice/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: Some("every QEMU; a warning on NFS and its like, where the server decides"),
};

pub static UNWRITABLE: Entry = Entry {
    summary: "a writable share in which the user QEMU runs as may not write",
    meaning: "QEMU starts, and the guest can read; but whatever it makes, renames or removes in the \
              shared folder fails with \"Permission denied\", whoever it is in the guest: on the \
              host it is always the user that QEMU runs as.",
    fix: "Let that user write with setfacl, or share read-only.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/locked,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/locked,security_model=mapped,readonly=on,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static NO_XATTR: Entry = Entry {
    summary: "a mapped share on a file system without user attributes",
    meaning: "security_model=mapped keeps the guest's owners and modes in user.virtfs.* \
              attributes. Without them QEMU starts, and every create, mkdir and chmod in the \
              guest fails with \"Operation not supported\". tmpfs has them since Linux 6.6; \
              vfat, ramfs, ISO images and older NFS do not.",
    fix: "Use security_model=mapped-file, or another file system.",
    example: Example {
        text: "-fsdev local,id=share0,path=/media/stick,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/media/stick,security_model=mapped-file,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some("every QEMU; tmpfs has the attributes since Linux 6.6"),
};

pub static IN_DEV: Entry = Entry {
    summary: "a folder below /dev",
    meaning: "libvirt gives QEMU a /dev of its own (namespaces in qemu.conf); only what is \
              mounted below /dev, such as /dev/shm, is there too.",
    fix: "Share a folder elsewhere.",
    example: Example {
        text: "-fsdev local,id=share0,path=/dev/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: Some("every libvirt whose qemu.conf has namespaces = [ \"mount\" ], the default"),
};

pub static UNSTABLE: Entry = Entry {
    summary: "the folder has no name that a rule could hold",
    meaning: "The kernel's own name for the folder does not lead back to it: it was removed, \
              lies in another mount namespace, or changed in this moment. AppArmor rules are \
              about names.",
    fix: "Name the folder by a path that is visible to all of the host.",
    example: Example {
        text: "-fsdev local,id=share0,path=/proc/4711/root/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static TOO_MANY: Entry = Entry {
    summary: "more shares, or longer paths, than AppArmor can be asked to compile",
    meaning: "The time apparmor_parser needs grows very fast with long paths (fifty of 4 kB \
              take minutes), and libvirt waits for it with the start of the guest; beyond 64 \
              KiB it gives up. virt-9p grants at most 64 shares with 32 KiB of paths.",
    fix: "Share a common parent folder instead.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/[32768 letters],security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "--no-host",
    },
    since: None,
};
