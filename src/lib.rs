//! placeholder
pub mod domain;
pub mod lint;
pub mod pci;
pub mod qemu;
pub mod share;
pub mod text;
pub mod version;
