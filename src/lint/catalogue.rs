//! Every finding there is: its stable word and what `virt-9p explain` says about it.

/// Declares the codes in one table: variant, word, summary, explanation.
macro_rules! codes {
    ($($variant:ident $word:literal $summary:literal $text:literal)*) => {
        /// A kind of finding. Its word is part of the contract and never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $summary] $variant,)*
        }

        impl Code {
            /// All of them, in the order of the manual.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The stable word, such as `mode-not-octal`.
            pub fn word(self) -> &'static str {
                match self { $(Code::$variant => $word,)* }
            }

            /// One line.
            pub fn summary(self) -> &'static str {
                match self { $(Code::$variant => $summary,)* }
            }

            /// What it means, what QEMU or libvirt do, how to mend it.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The code of this word.
            pub fn from_word(word: &str) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| code.word() == word)
            }
        }
    };
}

codes! {
    ModeNotOctal "mode-not-octal"
    "a mode is not written in octal with a leading 0"
    "QEMU reads fmode and dmode as C does: with a leading 0 octal, with 0x hexadecimal, otherwise \
     decimal. fmode=644 is therefore decimal 644, which is octal 1204; QEMU keeps the last nine \
     bits and the files of the guest get mode 0204 on the host, without a word. The same text in \
     libvirt's own <filesystem fmode='644'> (libvirt >= 6.10) is octal.\n\
     Write the mode with a leading 0: fmode=0644,dmode=0755."

    ModeOutOfRange "mode-out-of-range"
    "a mode has more than the nine permission bits"
    "QEMU cuts a mode down to 0777 and drops the rest: set-user-id, set-group-id and the sticky \
     bit can never be given to files on the host this way.\n\
     Write at most 0777. For a folder whose files should keep a group, set the set-group-id bit \
     on the shared folder itself; Linux hands it on to new folders."

    ModeInvalid "mode-invalid"
    "a mode is no number, or one too large"
    "QEMU refuses to start: \"Parameter 'fmode' expects a number\". Spellings such as 0o644, u=rw \
     or 0888 are none to it. Every occurrence is checked, also one that a later one overrides.\n\
     Write the mode in octal with a leading 0: fmode=0644."

    ModeOwner "mode-owner"
    "a mode locks QEMU itself out of what it creates"
    "QEMU creates the file with this mode and opens it again later as the same user. Without \
     owner-read the guest can create a file and never read it again; without owner-write the \
     creation itself fails with a mapped security model. A folder needs owner read, write and \
     search. Only a QEMU that runs as root (user in qemu.conf) is not stopped by it.\n\
     Keep 0600 in fmode and 0700 in dmode."

    ModeUmask "mode-umask"
    "a mode gives others write permission, which never arrives"
    "libvirt runs QEMU with umask 002, so the bit for writing by others is taken away from every \
     file: 0666 becomes 0664 and 0777 becomes 0775.\n\
     If another user has to write, use the group (set-group-id on the folder), or a default ACL."

    ModeNeedsMapped "mode-needs-mapped"
    "fmode or dmode with a security model that has none"
    "With security_model=passthrough or none the guest's own modes are used, and QEMU refuses to \
     start: \"fmode is only valid for mapped security modes\". It also refuses them for every \
     fsdriver but local.\n\
     Use security_model=mapped (or mapped-file), or leave fmode and dmode out."

    ModeIgnored "mode-ignored"
    "fmode or dmode in -virtfs does nothing"
    "No version of QEMU hands fmode and dmode of -virtfs on: files are created 0600 and folders \
     0700. It also hides bus and address of the device.\n\
     Write the two arguments that -virtfs stands for: -fsdev with fmode and dmode, and -device \
     virtio-9p-pci with a bus and an address."

    ModeDefault "mode-default"
    "a mapped share without fmode or dmode"
    "QEMU's defaults are 0600 for files and 0700 for folders: nobody on the host but the user \
     QEMU runs as can read what the guest creates.\n\
     Add fmode=0644,dmode=0755 where others should."

    ArgumentsLost "arguments-lost"
    "QEMU arguments that libvirt throws away"
    "libvirt looks for <commandline> directly below <domain>, in the namespace \
     http://libvirt.org/schemas/domain/qemu/1.0, by namespace and not by prefix. One in no \
     namespace (as in <commandline xmlns=\"\">, which some guides print), in another one, or in \
     another place is dropped when the domain is defined, without an error.\n\
     Declare xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' on <domain> and write \
     <qemu:commandline> and <qemu:arg value='…'/> as its children."

    ArgWithoutValue "arg-without-value"
    "a <qemu:arg> without value"
    "libvirt refuses to define the domain: \"No qemu command-line argument specified\".\n\
     Give it a value attribute, or remove it."

    ArgTooLong "arg-too-long"
    "an argument longer than Linux lets a program have"
    "Linux gives a new program no single argument of more than 131071 bytes (MAX_ARG_STRLEN), so \
     libvirt cannot execute QEMU: \"Argument list too long\".\n\
     Shorten it. A 9p argument is a few hundred bytes; something was pasted that does not belong \
     there."

    OptionWithoutArgument "option-without-argument"
    "the last word is an option that wants an argument"
    "QEMU takes the word after such an option, whatever it is. Here libvirt's own next option \
     (-sandbox, -msg …) is swallowed, or nothing follows and QEMU says \"requires an argument\".\n\
     Add the missing <qemu:arg> behind it."

    OptionMisspelt "option-misspelt"
    "an option that QEMU does not know, close to one that it does"
    "QEMU knows -fsdev and --fsdev with the argument in a word of its own. It refuses -fsdev=…, \
     ---fsdev, -Fsdev and -fsde: \"invalid option\".\n\
     Write two words: <qemu:arg value='-fsdev'/> and <qemu:arg value='local,…'/>."

    OptionUnknown "option-unknown"
    "an option that no QEMU known to virt-9p has"
    "The list goes up to QEMU 11.1. An unknown option stops QEMU (\"invalid option\") unless your \
     QEMU is newer or patched.\n\
     Check the spelling."

    WordStray "word-stray"
    "a word that is neither an option nor the argument of one"
    "QEMU takes it for the file name of a disk image.\n\
     Most likely the option before it is missing, or takes no argument."

    NotModelled "not-modelled"
    "an option that could change the shares in a way virt-9p does not follow"
    "-readconfig reads further fsdev and device sections from a file, -global changes properties \
     of devices. virt-9p does not look into them: what they add is neither checked nor granted.\n\
     Write the share as -fsdev and -device."

    SetInvalid "set-invalid"
    "a -set that QEMU cannot carry out"
    "-set takes GROUP.ID.KEY=VALUE, and something of that id must come before it on the command \
     line. Devices that libvirt or you write as JSON cannot be reached by it. QEMU refuses to \
     start: \"there is no fsdev \"x\" defined\".\n\
     Put the key into the -fsdev or -device itself."

    IdMissing "id-missing"
    "an -fsdev without id"
    "QEMU refuses to start: \"fsdev: No id specified\". The device names its fsdev by it.\n\
     Add id=NAME, and fsdev=NAME in the device."

    IdInvalid "id-invalid"
    "an id QEMU does not accept"
    "An id begins with an ASCII letter and goes on with letters, digits, '-', '.' and '_'. QEMU \
     refuses to start: \"Parameter 'id' expects an identifier\".\n\
     Choose such a name; where several id= are given, the first counts."

    IdDuplicate "id-duplicate"
    "an id that something else has already"
    "fsdevs and devices have one namespace each, shared with what libvirt writes: fsdev-fs0, \
     fs0, net0, pci.1 … QEMU refuses to start: \"Duplicate ID\".\n\
     Choose another id; one that libvirt never uses, such as share-NAME."

    FsdriverUnknown "fsdriver-unknown"
    "an fsdriver that QEMU does not have"
    "QEMU knows local and synth; proxy is gone since 9.2, handle since 4.0. It refuses to start: \
     \"fsdriver … not found\".\n\
     Use local for a folder of the host."

    KeyUnknown "key-unknown"
    "a key that QEMU does not know here"
    "Unknown keys of -fsdev, and keys that belong to another fsdriver, stop QEMU: \"Invalid \
     parameter\"; so do unknown properties of a device: \"Property … not found\". Some keys came \
     late: multidevs with QEMU 4.2, fmode and dmode with 2.10.\n\
     Check the spelling and the version."

    KeyRepeated "key-repeated"
    "a key stands more than once"
    "The last one counts, except for id, where the first does. QEMU says nothing.\n\
     Keep the one you mean."

    ValueInvalid "value-invalid"
    "a value that QEMU does not accept for its key"
    "For example readonly=1 (QEMU wants on or off), multidevs=bogus, or a throttling limit with a \
     unit. QEMU refuses to start.\n\
     The message names the values that are accepted."

    PathUnset "path-unset"
    "an -fsdev without path"
    "QEMU refuses to start: \"path property not set\".\n\
     Add path=/the/folder."

    SecurityModel "security-model"
    "security_model is missing or unknown"
    "The local fsdriver wants one of passthrough, mapped (or mapped-xattr), mapped-file and none, \
     in lower case. QEMU refuses to start without.\n\
     Use mapped: the guest's owners and modes go into extended attributes, and the files on the \
     host get fmode and dmode."

    FsdevUnused "fsdev-unused"
    "an -fsdev that no device uses"
    "QEMU never opens its folder; the guest sees nothing, and virt-9p grants nothing for it.\n\
     Add the -device virtio-9p-pci with fsdev=ID, or remove it."

    FsdevUnknown "fsdev-unknown"
    "a 9p device whose fsdev does not exist"
    "QEMU refuses to start: \"9pfs device couldn't find fsdev with the id = …\".\n\
     fsdev= must be the id of an -fsdev."

    DriverUnknown "driver-unknown"
    "a 9p device model that does not exist here"
    "PCI machines have virtio-9p-pci (alias virtio-9p) and its -transitional and \
     -non-transitional forms. virtio-9p-device needs a virtio-mmio bus, virtio-9p-ccw an s390x \
     machine. QEMU refuses to start.\n\
     Use virtio-9p-pci."

    TagMissing "tag-missing"
    "a 9p device without mount_tag"
    "QEMU refuses to start: \"needs mount_tag arguments\". The guest mounts the share by it.\n\
     Add mount_tag=NAME."

    TagTooLong "tag-too-long"
    "a mount tag of more than 31 bytes"
    "QEMU refuses to start: \"mount tag … is longer than maximum (31 bytes)\". Bytes count, not \
     characters.\n\
     Choose a shorter one."

    TagDuplicate "tag-duplicate"
    "two shares with one mount tag"
    "QEMU starts. The guest's first mount of the tag gets the first share, a second mount the \
     second one, which is hardly meant.\n\
     Give each share its own tag; those of <filesystem><target dir=…> count too."

    JsonInvalid "json-invalid"
    "a JSON -device that is not JSON"
    "QEMU's reader takes single or double quotes, no comments, no comma before a closing brace, \
     and no key twice. QEMU refuses to start: \"JSON parse error\".\n\
     Mend it; inside value='…' use double quotes as they are."

    JsonTooNew "json-too-new"
    "a JSON -device for a QEMU that has none"
    "QEMU takes JSON in -device since 6.2. An older one takes it for a driver's name: \"is not a \
     valid device model name\".\n\
     Write it as text: driver,key=value,…"

    AddressInvalid "address-invalid"
    "an address or multifunction value that QEMU cannot read"
    "addr is SLOT or SLOT.FUNCTION, both hexadecimal with or without 0x, slot at most 0x1f, \
     function at most 7: addr=10 is slot 16. In JSON a string is the same and a bare number is \
     slot * 8 + function. QEMU refuses to start.\n\
     Write addr=0x6 or addr=0x6.0x1."

    BusUnknown "bus-unknown"
    "a bus that this domain does not have"
    "QEMU refuses to start: \"Bus … not found\". pci.0 is the root bus of pc machines, pcie.0 \
     that of q35 and virt; pci.N is the controller with index N, or its user alias (ua-…) where \
     it has one.\n\
     Name a bus that is there."

    BusLater "bus-later"
    "a text -device on a bus that is only created later"
    "QEMU creates all text -device before all JSON ones, whatever their order on the command \
     line. libvirt >= 8.1 with QEMU >= 7.0 writes its devices, and so its root ports and bridges, \
     as JSON: when the raw text device is created, only the machine's own bus exists, and QEMU \
     refuses to start: \"Bus 'pci.6' not found\". A domain that has run for years stops starting \
     with the upgrade.\n\
     Write the device as JSON too (QEMU >= 6.2), or put it on the root bus with a free address."

    BusUnsuitable "bus-unsuitable"
    "a bus that takes no endpoint devices"
    "QEMU refuses to start: \"Only PCI/PCIe bridges can be plugged into pxb-pcie\".\n\
     Put the device on pcie.0, or on a root port behind the expander bus."

    AddressTaken "address-taken"
    "two devices at one address"
    "libvirt does not know raw devices and may hand their address to one of its own, now or at \
     the next change of the domain. QEMU refuses to start: \"slot … function … not available, in \
     use by …\", naming whichever device came second.\n\
     Move the raw device to the address that the finding proposes."

    FunctionConflict "function-conflict"
    "two functions in a slot whose function 0 is a single-function device"
    "Other functions of a slot may only be used when the device at function 0 has \
     multifunction=on (in libvirt's XML multifunction='on'). QEMU refuses to start: \"single \
     function device can't be populated in function …\".\n\
     Use a slot of its own, or set multifunction on function 0."

    FunctionAlone "function-alone"
    "a function other than 0 in a slot without function 0"
    "QEMU starts, but a guest looks at function 0 first and finds nothing: the share is \
     invisible.\n\
     Use function 0."

    SlotInvisible "slot-invisible"
    "a slot behind a PCI Express port that the guest never looks at"
    "A root port or downstream port leads to one device, in slot 0. QEMU accepts other slots \
     (with a warning since 10.0), the guest never sees what is there. Behind a switch's upstream \
     port only downstream ports belong.\n\
     Use addr=0x0 on a port that has nothing else behind it, or the root bus."

    SlotZero "slot-zero"
    "slot 0 of a PCI bridge"
    "Where the bridge's own hot-plug controller is in charge (q35 up to pc-q35-6.0, QEMU before \
     6.1) slot 0 is refused: \"Unsupported PCI slot 0 for standard hotplug controller\". A device \
     without addr goes there by itself. libvirt never uses slot 0 of these bridges.\n\
     Use slots 0x1 to 0x1f."

    AddressAutomatic "address-automatic"
    "a raw device without an address of its own"
    "It takes the first free slot of the root bus. As text it does so before libvirt's JSON \
     devices are created, and may take the slot of one of them; QEMU then blames libvirt's \
     device: \"PCI: slot 1 function 0 not available for VGA, in use by virtio-9p-pci\". Its place \
     also moves when devices are added, and with it the guest's device names.\n\
     Give it a bus and an address."

    BusFull "bus-full"
    "no free slot is left on the bus"
    "QEMU does not go on to another bus: \"no slot/function available, all in use or reserved\".\n\
     Add a pcie-root-port or pci-bridge controller and put the device there."

    ChassisTaken "chassis-taken"
    "two PCI Express ports with the same chassis and slot number"
    "Each port needs its own pair of chassis and slot; libvirt numbers the chassis of its ports \
     by their index. QEMU refuses to start: \"Can't add chassis slot, error -16\".\n\
     Give the raw port a chassis that no controller has as its index, such as chassis=100."

    PathMissing "path-missing"
    "the shared folder does not exist"
    "QEMU opens the folder of every fsdev that a device uses and refuses to start: \"cannot \
     initialize fsdev …: failed to open …: No such file or directory\".\n\
     Create the folder, or mount what should be there, before the guest starts."

    PathNotFolder "path-not-folder"
    "the shared path is not a folder"
    "QEMU refuses to start: \"failed to open …: Not a directory\".\n\
     Share the folder that holds the file."

    PathRelative "path-relative"
    "the shared path does not begin with a slash"
    "QEMU resolves it from its working directory, which under libvirt is /.\n\
     Write the whole path."

    PathSystem "path-system"
    "a folder that belongs to the system"
    "libvirt's virt-aa-helper refuses to open /etc, /usr/bin, /lib, /proc and their like to a \
     guest, so that a libvirtd gone wrong cannot get at the host that way. virt-9p refuses the \
     same, and read-write shares that contain one of them (/, /usr, /usr/local).\n\
     Share a folder below /srv, /home or /var instead."

    PathUnreachable "path-unreachable"
    "the user QEMU runs as cannot get at the folder"
    "AppArmor rules do not replace file permissions: QEMU needs read and search permission on \
     the folder and search permission on every folder above it, as the user and groups that \
     qemu.conf or the domain's dac label say. It refuses to start: \"Permission denied\", or, \
     misleadingly, \"share path … does not exist\".\n\
     chmod o+x the folder that stops it, or use setfacl to let only that user through."

    PathNoXattr "path-no-xattr"
    "a mapped share on a file system without user attributes"
    "security_model=mapped keeps the guest's owners and modes in user.virtfs.* attributes. \
     Without them QEMU starts, and every create, mkdir and chmod in the guest fails with \
     \"Operation not supported\". tmpfs has them since Linux 6.6; vfat, ramfs, ISO images and \
     older NFS do not.\n\
     Use security_model=mapped-file, or another file system."

    PathInDev "path-in-dev"
    "a folder below /dev"
    "libvirt gives QEMU a /dev of its own (namespaces in qemu.conf); only what is mounted below \
     /dev, such as /dev/shm, is there too.\n\
     Share a folder elsewhere."

    PathUnstable "path-unstable"
    "the folder has no name that a rule could hold"
    "The kernel's own name for the folder does not lead back to it: it was removed, lies in \
     another mount namespace, or changed in this moment. AppArmor rules are about names.\n\
     Name the folder by a path that is visible to all of the host."

    TooManyShares "too-many-shares"
    "more shares, or longer paths, than AppArmor can be asked to compile"
    "The time apparmor_parser needs grows very fast with long paths (fifty of 4 kB take minutes), \
     and libvirt waits for it with the start of the guest; beyond 64 KiB it gives up. virt-9p \
     grants at most 64 shares with 32 KiB of paths.\n\
     Share a common parent folder instead."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kebab_case_and_unique() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
        for word in &words {
            assert!(
                word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{word}"
            );
            assert_eq!(Code::from_word(word).unwrap().word(), *word);
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
