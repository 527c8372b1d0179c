#include <tunables/global>

profile libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809 flags=(attach_disconnected) {
  #include <abstractions/libvirt-qemu>

  ^helper {
    #include <libvirt/libvirt-c7a5fdbd-edaf-9455-926a-d65c16db1809.files>
  }
}
