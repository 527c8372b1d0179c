#
# This profile is for the domain whose UUID matches this file.
#

#include <tunables/global>

profile libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809 flags=(attach_disconnected) {
  #include <abstractions/libvirt-qemu>
  #include <libvirt/libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809.files>

}
