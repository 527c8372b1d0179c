//! The yardstick: a program that reads its input and ends. What it costs is what the kernel, the C
//! library and Rust's runtime cost.

use std::io::Read;

fn main() {
    let mut input = Vec::new();
    let _ = std::io::stdin().lock().read_to_end(&mut input);
}
