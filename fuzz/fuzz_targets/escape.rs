//! Any bytes as a path: AppArmor's own way of reading the escapes gives exactly these bytes back,
//! and nothing that means something to its parser stands in between.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_9p::apparmor::escape::escape;

fuzz_target!(|path: &[u8]| {
    let text = escape(path);
    assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"\"*?[]{}^@,#".contains(&b)));
    let mut back = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            // parser_misc.c, processquoted: three octal digits.
            let digits: Vec<u8> = bytes.by_ref().take(3).collect();
            assert!(digits.len() == 3 && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
            back.push(digits.iter().fold(0u8, |n, d| n.wrapping_mul(8).wrapping_add(d - b'0')));
        } else {
            back.push(byte);
        }
    }
    assert_eq!(back, path);
});
