//! Whole calls of the program on scratch hosts: see `tests/support/scenario.rs` for how the
//! directories below `tests/scenarios` read. Each is a test with its directory's name:
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
use scenario::{compare, directories, needs_root};
use std::process::ExitCode;

fn main() -> ExitCode {
    let directories = directories("scenarios");
    assert!(!directories.is_empty(), "there are no scenarios");
    let trials = directories.into_iter().map(|directory| Trial {
        name: directory
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned(),
        ignored: needs_root(&directory),
        run: Box::new(move || compare(&directory)),
    });
    harness::main(&trials.collect::<Vec<_>>())
}
