//! What the linker leaves out of the release binary.

use std::path::Path;

/// The tables for unwinding, 150 kB: a panic aborts there, so nobody reads them. (Debug builds and
/// tests unwind, and keep them.) Added to the linker's own script; understood by GNU's linker and
/// LLVM's.
const WITHOUT_TABLES: &str = "\
SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) *(.gcc_except_table .gcc_except_table.*) } }
INSERT AFTER .rodata;
";

/// Where the stack ends. Before `main` Rust's runtime asks the C library, only to say "has
/// overflowed its stack" should that ever happen; for the answer the C library opens and parses
/// /proc/self/maps: half the instructions of a call that has nothing to do, and 118 kB for `sscanf`.
/// Here the question is a function that is there anyway, has no effect and returns no 0: the
/// runtime takes that for an error, and goes on without (a stack overflow is a plain SIGSEGV).
const WITHOUT_STACK_END: &str = "--defsym=pthread_getattr_np=getpagesize";

/// What the C library never does here, and has code for all the same: it prints which of its
/// assertions failed, reads translations of its messages (no locale is ever set), converts letters for
/// them, asks for names on the network, and unwinds (there are no tables: it would abort by itself).
/// Should it, after all, the program ends. 80 kB, the most of it to read /etc/resolv.conf.
const NEVER_CALLED: [&str; 11] = [
    "__assert_fail",
    "_nl_find_domain",
    "_nl_load_domain",
    "__gconv_create_spec",
    "__gconv_open",
    "__gconv_close",
    "__gconv",
    "__res_vinit",
    "__resolv_conf_load",
    "_Unwind_Find_FDE",
    "__gcc_personality_v0",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let features = std::env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    if is_static && std::env::var("PROFILE")? == "release" {
        let script = Path::new(&std::env::var("OUT_DIR")?).join("without-tables.ld");
        std::fs::write(&script, WITHOUT_TABLES)?;
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
        println!("cargo:rustc-link-arg-bins=-Wl,{WITHOUT_STACK_END}");
        for function in NEVER_CALLED {
            println!("cargo:rustc-link-arg-bins=-Wl,--defsym={function}=abort");
        }
    }
    Ok(())
}
