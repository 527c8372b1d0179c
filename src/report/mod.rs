//! Findings as people and programs read them: for a terminal, as JSON, in virsh's error, in the
//! system log. Everything here makes text; only [`syslog`] sends some.

pub mod doctor;
pub mod json;
pub mod stderr;
pub mod syslog;
pub mod terminal;
