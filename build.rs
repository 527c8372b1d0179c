//! Leaves the tables for unwinding out of the release binary, 150 kB of it: there a panic aborts,
//! so nobody reads them. Debug builds and tests unwind, and keep them.

use std::path::Path;

/// Added to the linker's own script; understood by GNU's linker and LLVM's.
const WITHOUT_TABLES: &str = "\
SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) *(.gcc_except_table .gcc_except_table.*) } }
INSERT AFTER .rodata;
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    if is_static && std::env::var("PROFILE")? == "release" {
        let script = Path::new(&std::env::var("OUT_DIR")?).join("without-tables.ld");
        std::fs::write(&script, WITHOUT_TABLES)?;
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
    Ok(())
}
