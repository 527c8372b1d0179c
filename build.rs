//! Leaves the unwind tables out of the shipped binary: a tenth of its size, mapped at every start
//! of a VM, and never read, since the release profile aborts on a panic.

fn main() {
    println!("cargo::rerun-if-changed=packaging/link/no-unwind.ld");
    let set = |name: &str, value: &str| {
        std::env::var(name).is_ok_and(|is| is.split(',').any(|part| part == value))
    };
    // Both hold for `cargo build --release --target …` only: tests unwind, and so do the libraries
    // that a dynamic build is linked with.
    if set("PROFILE", "release") && set("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,packaging/link/no-unwind.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}
