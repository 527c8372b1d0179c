//! Hard to break: the hook is killed, failed, raced and crowded at every point, and the profile is
//! judged each time. `tests/sweeps/run [kill|errors|files|load|races|limits|outside]` runs it on the shipped
//! binary; it needs strace, apparmor_parser and root.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "../support/example.rs"]
mod example;
#[path = "../support/policy.rs"]
#[allow(dead_code, reason = "only compiling is wanted here")]
mod policy;
#[path = "../support/rawshare.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod rawshare;

mod calls;
mod situation;

mod errors;
mod files;
mod kill;
mod limits;
mod load;
mod outside;
mod races;
