//! What may be opened to one guest beside its shares: what every guest has already, what no rule
//! should open to any, and the rule for the rest.

use crate::apparmor::system_paths;

/// What is to be done about a name that QEMU opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestAccess {
    /// The abstraction that all guests have opens it.
    Open,
    /// A rule opens it.
    Rule,
    /// A rule, and an entry in `cgroup_device_acl`: it is a device.
    Device,
    /// It should not be opened; why.
    Refused(&'static str),
}

/// What abstractions/libvirt-qemu and abstractions/base open (libvirt 7.0, 9.0 and 11.3), by letters:
/// names, and with a slash at the end all below. One text each: a slice of texts is 16 bytes more
/// for each of them.
pub const OPEN: [(&str, &str); 2] = [
    (
        "rw",
        "/dev/net/tun /dev/ptmx /dev/pts/ /dev/null /dev/zero /dev/full /dev/snd/",
    ),
    (
        "r",
        "/dev/random /dev/urandom /usr/share/AAVMF/ /usr/share/edk2-ovmf/ /usr/share/OVMF/ \
         /usr/share/ovmf/ /usr/share/misc/sgabios.bin /usr/share/bochs/ /usr/share/kvm/ /usr/share/openbios/ \
         /usr/share/openhackware/ /usr/share/proll/ /usr/share/qemu/ /usr/share/qemu-efi/ \
         /usr/share/qemu-kvm/ /usr/share/seabios/ /usr/share/sgabios/ /usr/share/slof/ \
         /usr/share/vgabios/ /etc/pki/CA/ /etc/pki/qemu/ /etc/pki/libvirt-vnc/ \
         /etc/pki/libvirt-spice/",
    ),
];

/// What libvirt 9.0 and later open with locks, as an image is read, and 7.0 does not.
const FIRMWARE: &str = "/usr/share/AAVMF/ /usr/share/edk2-ovmf/ /usr/share/OVMF/ /usr/share/ovmf/";

const LIBVIRTS: &str =
    "it belongs to libvirt, where the sockets, keys and saved memory of all guests lie";
const CONTROL: &str = "who is let at it has power over the host";
const HOSTS: &str = "it is a device of the host itself, which no guest has a use for, or which libvirt's <hostdev> hands over with all that goes with it";
const BLOCK: &str = "it is a disk of the host, for which libvirt's own <disk type='block'> makes the node, the owner and the rule";
const SYSTEM: &str = "it belongs to the system, of which libvirt opens nothing to a guest either; use a copy elsewhere";

/// What no guest is let at: whatever begins so, and why.
const REFUSED: [(&str, &str); 4] = [
    (system_paths::LIBVIRTS, LIBVIRTS),
    (system_paths::RULERS, CONTROL),
    (
        "/dev/mem /dev/kmem /dev/port /dev/kmsg /dev/uinput /dev/fuse /dev/loop-control /dev/vfio/ \
         /dev/iommu /dev/bus/usb/ /dev/cpu/ /dev/sg /dev/bsg/ /dev/raw/ /dev/char/ /dev/block/",
        HOSTS,
    ),
    (
        "/dev/mapper/ /dev/disk/ /dev/sd /dev/vd /dev/xvd /dev/hd /dev/sr /dev/nvme /dev/mmcblk /dev/dm- \
         /dev/md /dev/loop /dev/nbd /dev/rbd /dev/drbd /dev/bcache /dev/zd /dev/zvol/",
        BLOCK,
    ),
];

/// Judges `name`, the kernel's own, which QEMU opens with these letters for the guest of this name.
/// `image`: it is a disk.
pub fn judge(name: &[u8], guest: &str, letters: &str, image: bool) -> GuestAccess {
    let name = system_paths::listed_name(name);
    let name = name.as_slice();
    let starts = |prefix: &str| name.starts_with(prefix.as_bytes());
    // What is in none of these is in no list below.
    let is_listed = ["/dev/", "/usr/", "/etc/", "/run/", "/var/"]
        .into_iter()
        .any(starts);
    let open = is_listed
        && OPEN.iter().any(|(open, names)| {
            let here =
                |place: &str| starts(place) && (place.ends_with('/') || name == place.as_bytes());
            letters.chars().all(|letter| open.contains(letter)) && names.split(' ').any(here)
        });
    // Its own log is in every guest's profile (virt-aa-helper.c, get_files).
    let is_log = || {
        let end = name.strip_prefix(b"/var/log/libvirt/qemu/");
        let stem = end.and_then(|end| end.strip_suffix(b".log"));
        letters == "w" && stem == Some(guest.as_bytes())
    };
    if open || is_log() {
        return GuestAccess::Open;
    }
    // Every guest has these with libvirt 9.0, none with 7.0.
    let flash = [&b"_VARS.fd"[..], b"_VARS.ms.fd"];
    let is_flash =
        starts("/var/lib/libvirt/qemu/nvram/") && flash.iter().any(|end| name.ends_with(end));
    if (is_flash && image) || (letters == "rk" && FIRMWARE.split(' ').any(starts)) {
        return GuestAccess::Rule;
    }
    if let Some((_, why)) = REFUSED
        .iter()
        .find(|(names, _)| is_listed && names.split(' ').any(starts))
    {
        return GuestAccess::Refused(why);
    }
    let writes = letters.contains('w');
    if system_paths::system_path(name, !writes).is_some_and(|judged| !judged.granted) {
        return GuestAccess::Refused(SYSTEM);
    }
    match (system_paths::is_in_dev(name), image) {
        (true, true) => GuestAccess::Refused(BLOCK),
        (true, false) => GuestAccess::Device,
        (false, _) => GuestAccess::Rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_is_safe_and_closed() {
        let of = |name: &str, letters: &str| {
            judge(name.as_bytes(), "own", letters, letters.contains('k'))
        };
        for name in [
            "/srv/a b",
            "/dev/shm/lg",
            "/home/a/.x",
            "/var/lib/libvirt/images/a",
            "/run/user/1000/pulse/native",
        ] {
            assert_eq!(of(name, "rw"), GuestAccess::Rule, "{name}");
        }
        assert_eq!(of("/dev/kvmfr0", "rw"), GuestAccess::Device);
        for (name, letters) in [
            ("/usr/share/OVMF/x.fd", "rk"),
            ("/usr/share/edk2-ovmf/x.fd", "rk"),
            ("/var/lib/libvirt/qemu/nvram/a_VARS.fd", "rwk"),
        ] {
            assert_eq!(of(name, letters), GuestAccess::Rule, "{name}");
        }
        for (name, letters) in [
            ("/dev/urandom", "r"),
            ("/dev/pts/3", "rw"),
            ("/usr/share/seabios/slic.bin", "r"),
            ("/usr/share/OVMF/x.fd", "r"),
            ("/var/log/libvirt/qemu/own.log", "w"),
        ] {
            assert_eq!(of(name, letters), GuestAccess::Open, "{name}");
        }
        for (name, letters) in [
            ("/etc/shadow", "r"),
            ("/usr/share/seabios/slic.bin", "rw"),
            ("/usr/share/misc/x", "r"),
            ("/usr/share/OVMF/x.fd", "rwk"),
            ("/usr/share/seabios/x", "rk"),
            ("/var/lib/libvirt/qemu/nvram/a", "rwk"),
            ("/var/lib/libvirt/qemu/nvram/a_VARS.fd", "rw"),
            ("/proc/kcore", "r"),
            ("/dev/mem", "rw"),
            ("/dev/vfio/12", "rw"),
            ("/dev/sda1", "rwk"),
            ("/dev/vg/lv", "rwk"),
            ("/run/docker.sock", "rw"),
            ("/run/cri-dockerd.sock", "rw"),
            ("/run/crio/crio.sock", "rw"),
            ("/run/k0s/containerd.sock", "rw"),
            ("/run/nri/nri.sock", "rw"),
            ("/run/balena.sock", "rw"),
            ("/run/lxd.socket", "rw"),
            ("/var/snap/microk8s/common/run/containerd.sock", "rw"),
            ("/run/user/1000/containerd-rootless/api.sock", "rw"),
            ("/run/user/1000/at-spi/bus_0", "rw"),
            ("/run/openvswitch/db.sock", "rw"),
            ("/run/virt-9p.lock", "rwk"),
            ("/var/lib/libvirt/dnsmasq/x", "rw"),
            ("/var/lib/libvirt/lockd/files/x", "rw"),
            ("/var/run/docker.sock", "rw"),
            ("/run/libvirt/libvirt-sock", "rw"),
            ("/run/dbus/system_bus_socket", "rw"),
            ("/run/systemd/private", "rw"),
            ("/run/user/1000/bus", "rw"),
            ("/run/user/1000/podman/podman.sock", "rw"),
            ("/var/run/user/0/systemd/private", "rw"),
            ("/run/user/1000/docker.sock", "rw"),
            ("/run/user/1000/libvirt/virtqemud-sock", "rw"),
            ("/run/buildkit/buildkitd.sock", "rw"),
            ("/var/cache/libvirt/qemu/capabilities/a.xml", "r"),
            ("/dev/iommu", "rw"),
            ("/dev/md0", "rw"),
            ("/dev/sg0", "rw"),
            ("/dev/mmcblk0p1", "r"),
            ("/dev/xvda", "w"),
            ("/var/lib/libvirt/qemu/domain-1-x/master-key.aes", "r"),
            ("/var/lib/libvirt/secrets/x", "r"),
            ("/var/log/libvirt/qemu/other.log", "w"),
            ("/dev/randomly", "r"),
        ] {
            let refused = matches!(of(name, letters), GuestAccess::Refused(_));
            assert_eq!(refused, name != "/dev/randomly", "{name}");
        }
    }
}
