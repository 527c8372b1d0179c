//! A scratch host.

use std::fs;

/// Where AppArmor is on, libvirt has its template, and there is a directory to share.
pub fn host() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for dir in [
        "srv/share",
        "run",
        "etc/apparmor.d/libvirt",
        "sys/module/apparmor/parameters",
    ] {
        fs::create_dir_all(at(dir)).unwrap();
    }
    fs::write(at("sys/module/apparmor/parameters/enabled"), "Y\n").unwrap();
    fs::write(
        at("etc/apparmor.d/libvirt/TEMPLATE.qemu"),
        "\nprofile LIBVIRT_TEMPLATE {\n  #include <abstractions/libvirt-qemu>\n}\n",
    )
    .unwrap();
    root
}
