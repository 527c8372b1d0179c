//! Whole calls of the program on scratch hosts: see `tests/support/scenario.rs` for how the
//! folders below `tests/scenarios` read. Each is a test with its folder's name:
//! `cargo test --test scenarios NAME`. Those that need root want `-- --include-ignored`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/harness.rs"]
mod harness;
#[path = "support/scenario.rs"]
mod scenario;

use harness::Trial;
use scenario::{compare, folders, needs_root};
use std::process::ExitCode;

fn main() -> ExitCode {
    let folders = folders("scenarios");
    assert!(!folders.is_empty(), "there are no scenarios");
    let trials = folders.into_iter().map(|folder| Trial {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        ignored: needs_root(&folder),
        run: Box::new(move || compare(&folder)),
    });
    harness::main(&trials.collect::<Vec<_>>())
}
