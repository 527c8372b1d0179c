//! QEMU's languages: argument words, option strings, JSON devices, numbers, and what the raw
//! arguments of a domain mean taken together.

pub mod argv;
pub mod command_line;
pub mod device_json;
pub mod device_models;
pub mod device_properties;
pub mod device_spelling;
pub mod fsdev_keys;
pub mod host_paths;
pub mod implied;
pub mod index;
pub mod libvirt_ids;
pub mod native_fsdevs;
pub mod numbers;
pub mod option_string;
pub mod option_table;
pub mod read;
pub mod seen_versions;
pub mod set;
pub mod shares;
