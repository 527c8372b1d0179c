//! QEMU's languages: argument words, option strings, JSON devices, numbers, and what the raw
//! arguments of a domain mean taken together.

pub mod command_line;
pub mod index;
pub mod json;
pub mod libvirt_ids;
pub mod native;
pub mod number;
pub mod options;
pub mod opts;
pub mod properties;
pub mod read;
pub mod set;
pub mod shares;
pub mod spell;
pub mod words;
