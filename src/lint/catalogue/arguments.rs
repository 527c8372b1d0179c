//! Arguments as words: lost on the way, left over, or not understood.

use super::{Entry, Example};

pub static LOST: Entry = Entry {
    summary: "QEMU arguments that libvirt throws away",
    meaning: "libvirt looks for <commandline> directly below <domain>, in the namespace \
              http://libvirt.org/schemas/domain/qemu/1.0, by namespace and not by prefix. One \
              in no namespace (as in <commandline xmlns=\"\">, which some guides print), in \
              another one, or in another place (in <os>, in a device) is dropped when the domain \
              is defined, without an error, and so is a <qemu:arg> outside of it. Elements of \
              other drivers of libvirt's (bhyve, lxc, xen) are no mistake.",
    fix: "Declare xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' on <domain> and write \
          <qemu:commandline> and <qemu:arg value='…'/> as its children.",
    example: Example {
        text: r"<commandline xmlns=''>
  <arg value='-fsdev'/>
  <arg value='local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755'/>
  <arg value='-device'/>
  <arg value='virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10'/>
</commandline>",
        fixed: Some(
            r"<qemu:commandline>
  <qemu:arg value='-fsdev'/>
  <qemu:arg value='local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755'/>
  <qemu:arg value='-device'/>
  <qemu:arg value='virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10'/>
</qemu:commandline>",
        ),
        options: "",
    },
    since: Some(
        "every libvirt; virsh edit complains where it validates, an API client that does \
              not gets no word",
    ),
};

pub static WITHOUT_VALUE: Entry = Entry {
    summary: "a <qemu:arg> without value",
    meaning: "libvirt refuses to define the domain: \"No qemu command-line argument specified\".",
    fix: "Give it a value attribute, or remove it.",
    example: Example {
        text: r"<qemu:commandline>
  <qemu:arg>-enable-kvm</qemu:arg>
</qemu:commandline>",
        fixed: Some(
            r"<qemu:commandline>
  <qemu:arg value='-enable-kvm'/>
</qemu:commandline>",
        ),
        options: "",
    },
    since: None,
};

pub static TOO_LONG: Entry = Entry {
    summary: "an argument longer than Linux lets a program have",
    meaning: "Linux gives a new program no single argument of more than 131071 bytes \
              (MAX_ARG_STRLEN), so libvirt cannot execute QEMU: \"Argument list too long\".",
    fix: "Shorten it. A 9p argument is a few hundred bytes; something was pasted that does not \
          belong there.",
    example: Example {
        text: "-append [131072 letters]",
        fixed: None,
        options: "",
    },
    since: Some("every Linux with pages of 4 KiB"),
};

pub static WITHOUT_ARGUMENT: Entry = Entry {
    summary: "the last word is an option that wants an argument",
    meaning: "QEMU takes the word after such an option, whatever it is. Here libvirt's own next \
              option (-sandbox, -msg …) is swallowed, or nothing follows and QEMU says \
              \"requires an argument\".",
    fix: "Add the missing <qemu:arg> behind it.",
    example: Example {
        text: "-fsdev",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static MISSPELT: Entry = Entry {
    summary: "an option that QEMU does not know, close to one that it does",
    meaning: "QEMU knows -fsdev and --fsdev with the argument in a word of its own. It refuses \
              -fsdev=…, ---fsdev, -Fsdev and -fsde: \"invalid option\".",
    fix: "Write two words: <qemu:arg value='-fsdev'/> and <qemu:arg value='local,…'/>.",
    example: Example {
        text: "-fsdev=local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static UNKNOWN: Entry = Entry {
    summary: "an option that no QEMU known to virt-9p has, or yours no more",
    meaning: "The list goes up to QEMU 11.1. An unknown option stops QEMU (\"invalid option\") \
              unless your QEMU is newer or patched. So does one that your QEMU has no more, \
              such as -soundhw and -watchdog in 7.2, -no-acpi in 9.0.",
    fix: "Check the spelling.",
    example: Example {
        text: "-enable-9p",
        fixed: None,
        options: "",
    },
    since: Some(
        "every QEMU up to 11.1; an error where the host's QEMU is known to be one of \
              these, else a warning",
    ),
};

pub static STRAY: Entry = Entry {
    summary: "a word that is neither an option nor the argument of one",
    meaning: "QEMU takes it for the file name of a disk image. One that begins as the argument of \
              -fsdev or -device does is most likely that, and an error; any other may be an image.",
    fix: "Most likely the option before it is missing, or takes no argument.",
    example: Example {
        text: "local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        ),
        options: "",
    },
    since: None,
};

pub static NOT_MODELLED: Entry = Entry {
    summary: "an option or a device that virt-9p does not follow",
    meaning: "-readconfig reads further fsdev and device sections from a file, -global changes \
              properties of devices. virt-9p does not look into them: what they add is neither \
              checked nor granted. A note names device models that no QEMU known here has, and \
              options of which it is not known which PCI devices they make: each may take the \
              slot that a device without an address would get.",
    fix: "Write the share as -fsdev and -device, with bus and addr.",
    example: Example {
        text: "-readconfig /etc/qemu/shares.cfg",
        fixed: None,
        options: "",
    },
    since: None,
};

pub static SET_INVALID: Entry = Entry {
    summary: "a -set that QEMU cannot carry out",
    meaning: "-set takes GROUP.ID.KEY=VALUE, and something of that id must come before it on \
              the command line. Devices that libvirt or you write as JSON cannot be reached by \
              it. QEMU refuses to start: \"there is no fsdev \"x\" defined\".",
    fix: "Put the key into the -fsdev or -device itself.",
    example: Example {
        text: "-set fsdev.share0.readonly=on",
        fixed: Some(
            "-fsdev local,id=share0,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755,readonly=on",
        ),
        options: "",
    },
    since: Some(
        "every QEMU; -set on a device of libvirt's fails since libvirt 8.1 with QEMU 7.0, \
              when these became JSON",
    ),
};

pub static WHITE_SPACE_UNCLEAR: Entry = Entry {
    summary: "a TAB or line end that stands in a value as such",
    meaning: "An XML reader makes a blank of it, and so does libvirt when it reads the file. But \
              libvirt itself writes TAB, LF and CR as they are, in what virsh dumpxml prints and \
              in /etc/libvirt/qemu: there QEMU gets them until the daemon starts anew. The file \
              alone does not tell which it is, so in the argument of a share this is an error. The \
              hook is not in doubt: what it gets is always libvirt's.",
    fix: "Write a blank, or &#9; for TAB, &#10; for LF and &#13; for CR.",
    example: Example {
        text: r"<qemu:commandline>
  <qemu:arg value='-fsdev'/>
  <qemu:arg value='local,id=share0,path=/srv/one
  two,security_model=mapped,fmode=0644,dmode=0755'/>
  <qemu:arg value='-device'/>
  <qemu:arg value='virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10'/>
</qemu:commandline>",
        fixed: Some(
            r"<qemu:commandline>
  <qemu:arg value='-fsdev'/>
  <qemu:arg value='local,id=share0,path=/srv/one two,security_model=mapped,fmode=0644,dmode=0755'/>
  <qemu:arg value='-device'/>
  <qemu:arg value='virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10'/>
</qemu:commandline>",
        ),
        options: "",
    },
    since: Some("every libvirt"),
};

pub static WHITE_SPACE_LOST: Entry = Entry {
    summary: "a TAB or line end that does not survive the daemon",
    meaning: "libvirt writes TAB, LF and CR into its own file as they are, and reads blanks when \
              its daemon starts anew. From then on QEMU gets another name than the one that was \
              defined: for a path, another directory.",
    fix: "Choose a name without it.",
    example: Example {
        text: r"<qemu:commandline>
  <qemu:arg value='-fsdev'/>
  <qemu:arg value='local,id=share0,path=/srv/one&#10;two,security_model=mapped,fmode=0644,dmode=0755'/>
  <qemu:arg value='-device'/>
  <qemu:arg value='virtio-9p-pci,fsdev=share0,mount_tag=share,bus=pci.0,addr=0x10'/>
</qemu:commandline>",
        fixed: None,
        options: "",
    },
    since: Some("every libvirt"),
};
