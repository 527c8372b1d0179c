//! AppArmor policy text: escaping, rules, the managed block (all pure), and the store that
//! replaces one profile under a lock.

pub mod block;
pub mod escape;
pub mod files;
pub mod guest_access;
pub mod lock;
pub mod pattern;
pub mod policy;
pub mod rules;
pub mod store;
pub mod system_paths;
