profile libvirtd /usr/sbin/libvirtd flags=(attach_disconnected) {
  /** rwmkl,
  /usr/sbin/* PUx,
  /etc/libvirt/hooks/** rmix,
}
