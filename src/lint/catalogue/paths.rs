//! The shared directory on this host.

use super::{Entry, Example};

pub static MISSING: Entry = Entry {
    summary: "the shared directory does not exist",
    meaning: "QEMU opens the directory of every fsdev that a device uses and refuses to start: \
              \"cannot initialize fsdev …: failed to open …: No such file or directory\". \
              Another hook may still make it, in a later script or at `start begin`: the name it \
              will have is opened to the guest, but no link that comes to stand there.",
    fix: "Create the directory, or mount what should be there, before the guest starts.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/not-there,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static NOT_DIRECTORY: Entry = Entry {
    summary: "the shared path is not a directory",
    meaning: "QEMU refuses to start: \"failed to open …: Not a directory\".",
    fix: "Share the directory that holds the file.",
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
    summary: "a directory that belongs to the system, or contains such",
    meaning: "libvirt's virt-aa-helper opens nothing in /etc, /usr/bin, /lib, /proc and their \
              like to a guest, so that a libvirtd gone wrong cannot get at the host that way. \
              virt-9p does the same, and refuses these directories themselves (/etc), writing to \
              what contains one (/usr), and reading what contains /etc, /proc or /sys (/). A \
              read-only share of /usr is a warning. Nor is a share let at what is libvirt's own \
              (/run/libvirt, /var/lib/libvirt/qemu), at where systemd, buses and containers listen \
              in /run, or at /dev; what contains such (/var) is a warning. A directory that is \
              mounted twice (mount --bind) is judged by each of its names.",
    fix: "Share a directory below /srv, /home or /var instead.",
    example: Example {
        text: "-fsdev local,id=share0,path=/etc,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: Some("every libvirt with AppArmor; a note where the guest is not confined"),
};

pub static LINK: Entry = Entry {
    summary: "a symbolic link on the way that somebody else can change",
    meaning: "Symbolic links in a path are followed, as libvirt does for its own <filesystem>. \
              Who can write to the directory of a link, or to one above, decides where it leads: \
              a warning, unless that is a directory of theirs. With security_model none or \
              passthrough a guest makes real links: one that leads out of another share of the \
              same guest is an error.",
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
    summary: "the user QEMU runs as cannot get at the directory or file",
    meaning: "AppArmor rules do not replace file permissions: QEMU needs read and search \
              permission on the directory of a share, what it does with any other file on that, and \
              search permission on every directory above, as the user and groups that qemu.conf or \
              the domain's dac label say. libvirt gives files away only where an element of its own \
              names them. QEMU refuses to start: \
              \"Permission denied\", or, misleadingly, \"share path … does not exist\". A \
              warning where a group would do and /etc/nsswitch.conf has groups from elsewhere, \
              and where the file system does not answer, or is one of FUSE that a user mounted, \
              into which nobody looks.",
    fix: "chmod o+x the directory that stops it, or use setfacl to let only that user through. What \
          a device node has is set by rules of udev; groups of the user count, too.",
    example: Example {
        text: "-fsdev local,id=share0,path=/home/alice/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: Some("every QEMU; a warning on NFS and its like, where the server decides"),
};

pub static UNWRITABLE: Entry = Entry {
    summary: "a writable share in which the user QEMU runs as may not write",
    meaning: "QEMU starts, and the guest can read; making, renaming and removing fails with \
              \"Permission denied\": on the host it is always the user that QEMU runs as.",
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

pub static MODEL_NEEDS_ROOT: Entry = Entry {
    summary: "security_model=passthrough in a QEMU that does not run as root",
    meaning: "passthrough gives each file that the guest makes to the guest's user, which only root \
              may do. As libvirt runs QEMU as another user, the guest's root can read the share, \
              and making anything fails with \"Operation not permitted\". With none QEMU does the \
              same and does not mind the refusal: files belong to its own user, and chown in the \
              guest fails.",
    fix: "Use mapped, which keeps the guest's owners and modes in attributes, or none where owners \
          do not matter. A QEMU that runs as root (user in qemu.conf) is worse than either.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/share,security_model=passthrough",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: Some("every QEMU"),
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
    summary: "a directory below /dev",
    meaning: "libvirt gives QEMU a /dev of its own (namespaces in qemu.conf); only what is \
              mounted below /dev, such as /dev/shm, is there too. The rest of it is opened to no \
              guest: an error, but where the guest is not confined.",
    fix: "Share a directory elsewhere.",
    example: Example {
        text: "-fsdev local,id=share0,path=/dev/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "",
    },
    since: Some("every libvirt whose qemu.conf has namespaces = [ \"mount\" ], the default"),
};

pub static UNSTABLE: Entry = Entry {
    summary: "the directory has no name that a rule could hold",
    meaning: "The kernel's own name for the directory does not lead back to it: it was removed, \
              lies in another mount namespace, or changed in this moment. AppArmor rules are \
              about names.",
    fix: "Name the directory by a path that is visible to all of the host.",
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
    fix: "Share a common parent directory instead.",
    example: Example {
        text: "-fsdev local,id=share0,path=/srv/[32768 letters],security_model=mapped,fmode=0644,dmode=0755",
        fixed: None,
        options: "--no-host",
    },
    since: None,
};

pub static HOST_PATH: Entry = Entry {
    summary: "a path of the host for which nothing can be granted",
    meaning: "Raw arguments name files, sockets and devices as well as shares: shared memory, \
              firmware tables, fw_cfg, images, monitors. The hook opens each file that QEMU \
              needs to this guest alone, with the letters it needs; `virt-9p rules` shows them. \
              This is about the rest: programs, directories with all that is in them, devices \
              that only libvirt can hand over, and words of which it is not known what QEMU \
              makes of them. No start is stopped for it.",
    fix: "Use libvirt's own element where there is one. A rule of your own goes to the guest's \
          profile, not to an abstraction, which opens the path to every guest.",
    example: Example {
        text: "-L /srv/firmware",
        fixed: None,
        options: "--no-host",
    },
    since: None,
};

pub static HOST_PATH_DENIED: Entry = Entry {
    summary: "a file that libvirt keeps its guest from writing",
    meaning: "The domain names the same file in one of libvirt's own elements, as a disk that is only \
              read, a kernel or a table. libvirt then writes a `deny … w` for it, which beats every \
              rule that opens it, so QEMU cannot write it for the raw argument either.",
    fix: "Name the file once, or read it only: `readonly=on`.",
    example: Example {
        text: "<disk type='file' device='cdrom'>\n  <source file='/srv/cd.iso'/>\n  \
               <target dev='sda' bus='sata'/>\n  <readonly/>\n</disk>\n\
               -drive if=virtio,format=raw,file=/srv/cd.iso",
        fixed: Some(
            "<disk type='file' device='cdrom'>\n  <source file='/srv/cd.iso'/>\n  \
             <target dev='sda' bus='sata'/>\n  <readonly/>\n</disk>\n\
             -drive if=virtio,format=raw,readonly=on,file=/srv/cd.iso",
        ),
        options: "--no-host",
    },
    since: None,
};

pub static HOST_PATH_KIND: Entry = Entry {
    summary: "what lies at a path of the host is not what QEMU needs there",
    meaning: "A directory where QEMU opens a file, which it refuses; or anything but a socket where \
              it is to listen: QEMU removes what lies there before it makes its socket, and \
              AppArmor would let it.",
    fix: "Write the path of what is meant. Move away what lies where a socket is to be.",
    example: Example {
        text: "-fw_cfg name=opt/a,file=/srv",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static HOST_PATH_MISSING: Entry = Entry {
    summary: "a path of the host that does not exist",
    meaning: "QEMU creates logs, sockets and shared memory; everything else has to be there, and \
              the directory in any case. It is looked for at `prepare begin`; what another hook \
              makes later gets no rule.",
    fix: "Put it there, or write the path of what is meant.",
    example: Example {
        text: "-fw_cfg name=opt/com.coreos/config,file=/srv/nowhere.ign",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static HOST_PATH_REFUSED: Entry = Entry {
    summary: "a path of the host that is opened to no guest",
    meaning: "What belongs to the system or to libvirt and its guests, the sockets of container \
              daemons and of the system bus, disks and devices of the host itself: whoever is let \
              at them has power over the host, so the hook writes no rule, and AppArmor denies \
              it. The guest is started all the same: a rule of your own may open it.",
    fix: "Use a copy elsewhere, or libvirt's own element, which hands over what belongs to it.",
    example: Example {
        text: "-acpitable file=/etc/ssdt.aml",
        fixed: None,
        options: "--no-host",
    },
    since: None,
};

pub static HOST_PATH_UNKNOWN: Entry = Entry {
    summary: "a path of the host that leads nobody knows where",
    meaning: "A rule needs the name that symbolic links lead to. Where a file system does not \
              answer or a directory is closed, there is none to be had.",
    fix: "See that the server or daemon of that file system runs, or put the file elsewhere.",
    example: Example {
        text: "-fw_cfg name=opt/a,file=/srv/nowhere/../x",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static TOO_MANY_PATHS: Entry = Entry {
    summary: "more files than AppArmor can be asked to open to one guest",
    meaning: "A profile with very many or very long names takes seconds to compile, and the start \
              of the guest waits for it. Files are opened in the order of the arguments as far as \
              they go; shares come first.",
    fix: "Name fewer files, or put them where their names are shorter.",
    example: Example {
        text: "-fw_cfg name=opt/a,file=/srv/{1..257}\n",
        fixed: None,
        options: "--no-host",
    },
    since: None,
};

pub static DEVICE_NOT_ALLOWED: Entry = Entry {
    summary: "a device that libvirt does not let QEMU at",
    meaning: "libvirt gives QEMU a /dev of its own (namespaces in qemu.conf) and puts it under the \
              controller of devices. What is in either is in cgroup_device_acl of qemu.conf, or in \
              an element of libvirt's own, never in a raw argument. Such a node is not there for \
              QEMU (\"No such file or directory\"), or closed (\"Operation not permitted\"), \
              whatever its mode and the rules of AppArmor. A link in the list brings the node that \
              it leads to, not the reverse. What is mounted below /dev, as /dev/shm, is free.",
    fix: "Add it to the list as it stands in the argument, keep the default entries, and restart \
          libvirt's daemon: reloading does not read the file again. Better is libvirt's own element, \
          as <input type='evdev'>.",
    example: Example {
        text: "-object memory-backend-file,id=lg,size=32M,share=on,mem-path=/dev/kvmfr0",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static STICKY_DIRECTORY: Entry = Entry {
    summary: "a file of somebody else's in a sticky directory",
    meaning: "In /tmp, /var/tmp and /dev/shm nobody removes what is another user's, as QEMU does \
              with what lies where it is to listen. With fs.protected_regular, which most systems \
              set, it may not open it to write a log either, whatever the mode; shared memory it \
              may. With fs.protected_symlinks it follows no link of somebody else's there.",
    fix: "Remove the file, so that QEMU makes its own, or use a directory of its user's.",
    example: Example {
        text: "-chardev socket,id=a,path=/tmp/there.sock,server=on,wait=off",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static PROGRAM_SANDBOXED: Entry = Entry {
    summary: "a program that QEMU is to execute",
    meaning: "libvirt starts QEMU with a sandbox (seccomp_sandbox in qemu.conf) that denies it to \
              make processes: QEMU is killed with SIGSYS, or refuses to start. This goes for script=, \
              helper=, smb=, guestfwd= with cmd: and -incoming exec:. A tap device without script= \
              runs /etc/qemu-ifup, and -netdev bridge without helper= qemu-bridge-helper: so do \
              -nic tap and -nic bridge. What downscript= names is run when QEMU ends, and keeps no \
              guest from starting.",
    fix: "Have libvirt do it, by its own <interface>, or a hook.",
    example: Example {
        text: "-netdev bridge,id=n,br=br0",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static NATIVE_EQUIVALENT: Entry = Entry {
    summary: "a path of the host for which libvirt has an element",
    meaning: "What its own XML names, libvirt opens to the guest: it puts a node into the guest's \
              private /dev and its device controller, gives it to QEMU's user, and writes the \
              AppArmor rule. Of raw arguments it knows nothing. Where its element gets no rule \
              either (ROM files, hardware entropy and TPM devices, sockets of virtiofs and of \
              vhost-user disks), nothing is said.",
    fix: "Write libvirt's element; `virt-9p convert --to native` does so for input-linux, fw_cfg, \
          acpitable and shared memory in /dev/shm, where nothing gets lost.",
    example: Example {
        text: "-fw_cfg name=opt/com.coreos/config,file=/srv/config.ign",
        fixed: None,
        options: "--no-host",
    },
    since: Some(
        "libvirt 7.4 has <input type='evdev'>, 6.5 <sysinfo type='fwcfg'>, 11.2 any ACPI \
                 table",
    ),
};
