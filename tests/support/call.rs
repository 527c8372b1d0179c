//! Runs a program with an input, and tells what came out.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs it to its end.
pub fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends without reading is right to do so.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Status, stdout and stderr.
pub fn told(output: Output) -> (i32, String, String) {
    (
        output.status.code().expect("not killed by a signal"),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}
