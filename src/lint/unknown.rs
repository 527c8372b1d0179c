//! What a level depends on, and is not known here.

/// What a level depends on, where that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// QEMU's version.
    Qemu,
    /// Whether libvirt writes its devices as text or as JSON.
    DeviceForm,
    /// Whether QEMU runs as root.
    User,
    /// Where `<qemu:override>` leaves libvirt's devices.
    Override,
    /// What other raw arguments add.
    Arguments,
    /// Which buses this machine, or a raw device of an unknown kind, has.
    Buses,
    /// Whose the file system is, and so who decides.
    Server,
    /// What sources of groups other than /etc/group say.
    Groups,
    /// What qemu.conf said when libvirt's daemon read it.
    Configuration,
    /// Whether libvirt has the controller of devices.
    Controller,
}

impl Unknown {
    /// Whether a look at the host can tell.
    pub fn is_known_to_host(self) -> bool {
        matches!(self, Unknown::Qemu | Unknown::DeviceForm | Unknown::User)
    }

    /// Why it is not known, and what tells.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Unknown::Qemu => ("QEMU's version is not known here", ": --qemu decides"),
            Unknown::DeviceForm => (
                "the versions of libvirt and QEMU are not known here",
                ": --libvirt and --qemu decide",
            ),
            Unknown::User => ("whether QEMU runs as root is not known here", ""),
            Unknown::Override => ("<qemu:override> moves devices", ""),
            Unknown::Arguments => ("what other raw arguments here add is not known", ""),
            Unknown::Buses => ("which buses there are is not known for certain", ""),
            Unknown::Server => ("the server of that file system decides", ""),
            Unknown::Groups => (
                "which groups QEMU's user is in is not known for certain",
                "",
            ),
            Unknown::Configuration => (
                "qemu.conf was changed after libvirt's daemon had read it",
                ": a restart of the daemon decides",
            ),
            Unknown::Controller => ("whether libvirt has that controller is not known here", ""),
        }
    }
}
