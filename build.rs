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

/// What the C library never does here, and has code for all the same, because its parts name each
/// other. Should it, after all, the program ends. Read off glibc 2.36: what is left of it that
/// refers to one of these is named beside it, and is never called itself. (With 2.41, where some
/// names are others, more is left.) Most of these weigh little alone: as long as one way leads to
/// the streams, all of them are linked in, with `printf` for letters of two kinds, conversions and
/// locales.
const NEVER_CALLED: [&str; 35] = [
    // It prints which of its assertions failed.
    "__assert_fail",
    // It reads translations of its messages (no locale is ever set), and converts letters for
    // them, in files that somebody has named by a relative path.
    "_nl_find_domain",
    "_nl_load_domain",
    "__asprintf",
    "__gconv_create_spec",
    "__gconv_open",
    "__gconv",
    "__gconv_destroy_spec",
    // Wide characters: a table in the "C" locale names them.
    "__gconv_btwoc_ascii",
    "__gconv_transform_ascii_internal",
    "__gconv_transform_internal_ascii",
    // It asks for names on the network: 50 kB, the most of it to read /etc/resolv.conf.
    "__res_vinit",
    "__resolv_conf_load",
    // It hands all memory back for a leak checker (__libc_freeres).
    "_nl_locale_subfreeres",
    "_nl_finddomain_subfreeres",
    // It prints what malloc has done (malloc_stats, malloc_info); `stderr` is only named.
    "fprintf",
    "fwrite",
    "_IO_fputs",
    "stderr",
    // It names a thread from another one (pthread_setname_np), and takes streams along in fork.
    "sprintf",
    "_IO_iter_next",
    "_IO_iter_file",
    // It loads libraries, for conversions, and binds their functions when they are first called.
    "_dl_open",
    "_dl_close",
    "_dl_runtime_profile_sse",
    "_dl_runtime_profile_avx",
    "_dl_runtime_profile_avx512",
    "_dl_runtime_resolve_fxsave",
    "_dl_runtime_resolve_xsave",
    "_dl_runtime_resolve_xsavec",
    // It unwinds: a panic aborts, no thread is cancelled, and there are no tables.
    "__pthread_unwind",
    "__gcc_personality_v0",
    "rust_eh_personality",
    "_Unwind_GetIP",
    "_Unwind_Resume",
];

/// What is called, and has nothing to do here: instead stands a function that is there anyway, has
/// no effect, takes what it is given and returns 0, or NULL (`NOTHING`).
const NOTHING_TO_DO: [&str; 14] = [
    // Streams of C, which nobody opens: flushed at exit, locked for threads, gone through in fork.
    "_IO_cleanup",
    "_IO_enable_locks",
    "_IO_iter_begin",
    "_IO_iter_end",
    "_IO_list_lock",
    "_IO_list_unlock",
    "_IO_list_resetlock",
    // The text for an error without a name, in strerror_r: none, and Rust adds its number.
    "__snprintf",
    // Rust asks for functions that a C library may not have, and does without; a static program
    // has no names to be found anyway.
    "dlsym",
    // Where libraries would be looked for, and where tables for unwinding would be.
    "_dl_init_paths",
    "_dl_find_object_init",
    // It takes limits for malloc, and features of the processor, from the environment
    // (GLIBC_TUNABLES, MALLOC_TOP_PAD_ and others), which must change nothing.
    "__tunables_init",
    "_dl_tunable_set_hwcaps",
    // RUST_BACKTRACE: no tables, no frames.
    "_Unwind_Backtrace",
];
const NOTHING: &str = "posix_spawnattr_destroy";

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
        for function in NOTHING_TO_DO {
            println!("cargo:rustc-link-arg-bins=-Wl,--defsym={function}={NOTHING}");
        }
    }
    Ok(())
}
