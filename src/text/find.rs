//! Looking for bytes and words.

use std::io::BufRead;

/// Where the first `byte` is. By the standard library, which takes two words at a time: crates
/// that take more ask the processor for its vector instructions, by dozens of CPUID, and each of
/// them is a trap in a virtual machine.
pub fn find_byte(text: &[u8], byte: u8) -> Option<usize> {
    let mut rest = text;
    let last = rest.skip_until(byte).ok()?.checked_sub(1)?;
    (text.get(last) == Some(&byte)).then_some(last)
}

/// Where the first `needle` is; it must not be empty.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    // There is less punctuation than letters.
    let rare = needle.iter().position(u8::is_ascii_punctuation);
    let (before, from) = needle.split_at_checked(rare.unwrap_or(0))?;
    let (byte, behind) = from.split_first()?;
    let mut at = 0;
    loop {
        at += find_byte(text.get(at..)?, *byte)?;
        let (left, right) = text.split_at_checked(at)?;
        at += 1;
        if left.ends_with(before) && right.get(1..)?.starts_with(behind) {
            return Some(left.len() - before.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_words_wherever_they_stand() {
        for (text, needle, at) in [
            ("ab", "ab", Some(0)),
            ("aaab", "aab", Some(1)),
            ("x://a http://a", "http://a", Some(6)),
            ("::a:b", "a:b", Some(2)),
            ("a:b", "a:bc", None),
            (":b", "a:b", None),
            ("", "a", None),
        ] {
            assert_eq!(find(text.as_bytes(), needle.as_bytes()), at, "{text}");
        }
        assert_eq!(find_byte(b"abc", b'c'), Some(2));
        assert_eq!(find_byte(b"ab", b'c'), None);
        assert_eq!(find_byte(b"", b'c'), None);
    }
}
