//! virt-9p: raw 9p shares of QEMU guests, checked and let through AppArmor.
//!
//! The way of the data: domain XML is read into a [`domain::Domain`]; the words of its
//! `<qemu:commandline>` become a [`qemu::command_line::CommandLine`] by QEMU's own grammar;
//! [`lint`] and [`pci`] turn both into findings, [`qemu::shares`] into the directories QEMU will
//! open; [`apparmor`] turns directories into rules and a profile into a new profile. All of that is
//! pure, and so is [`convert`], which turns raw shares in the document into libvirt's own and back.
//! [`inspect`] goes this way once, with facts from [`host`]; [`hook`] (for libvirt) and [`cli`]
//! (for people) act on the result, [`report`] puts it into words. [`doctor`] judges the host around
//! all that.

#![deny(clippy::disallowed_macros, clippy::disallowed_methods)]

pub mod apparmor;
pub mod assumptions;
pub mod cli;
pub mod convert;
pub mod doctor;
pub mod domain;
pub mod hook;
pub mod host;
pub mod inspect;
pub mod lint;
pub mod native;
pub mod ordered;
pub mod output;
pub mod pci;
pub mod qemu;
pub mod report;
pub mod text;
pub mod version;
