//! Paths as AppArmor rules can hold them.

/// `path` with every byte outside `[A-Za-z0-9_./-]` as a backslash and three octal digits, to be
/// put between double quotes.
///
/// This is the one spelling that all parsers from 2.12 to 5.0 read back as exactly these bytes,
/// whatever they are: globs, quotes, variables, line ends (facts A1.1). `\"` and `\\` are not.
pub fn escape(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len() + 16);
    for byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b'-' => {
                out.push(char::from(*byte));
            }
            other => {
                out.push('\\');
                for shift in [6, 3, 0] {
                    out.push(char::from(b'0' + ((other >> shift) & 7)));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let text = escape(&all);
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            if *first == b'\\' {
                let (digits, after) = after.split_at(3);
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 8).unwrap());
                rest = after;
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        assert_eq!(bytes, all);
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"*?[]{}^@,#".contains(&b))
        );
    }
}
