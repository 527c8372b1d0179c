//! The guest's PCI buses: what is where, what QEMU would refuse, what is free.
//!
//! [`machine`] knows what a machine type brings along, [`topology`] holds buses and places
//! devices by QEMU's rules, [`build`] places everything of a domain in the order in which QEMU
//! creates it ([`overrides`] tells which of libvirt's are elsewhere), [`proposals`] gives out what is left, and [`next`] tells what libvirt would give out
//! next.

pub mod build;
pub mod machine;
pub mod next;
pub mod overrides;
pub mod proposals;
pub mod topology;
