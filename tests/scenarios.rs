//! Whole calls of the program on scratch hosts: see `tests/support/scenario.rs` for how the
//! folders below `tests/scenarios` read.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/scenario.rs"]
mod scenario;

use scenario::{compare, folders, needs_root};

#[test]
fn scenarios() {
    let folders: Vec<_> = folders("scenarios")
        .into_iter()
        .filter(|f| !needs_root(f))
        .collect();
    compare(&folders);
}

#[test]
#[ignore = "needs root: gives files away, mounts read-only"]
fn scenarios_that_need_root() {
    let folders: Vec<_> = folders("scenarios")
        .into_iter()
        .filter(|f| needs_root(f))
        .collect();
    compare(&folders);
}
