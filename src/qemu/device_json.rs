//! The JSON that `-device` takes (QEMU >= 6.2), as QEMU's own reader takes it.
//!
//! It differs from everybody else's: strings may stand in single quotes, which is how people
//! write it inside an XML attribute, and a repeated key is an error (qobject/json-parser.c).
//! Only what a device needs is kept: the members of one flat object.

use std::collections::BTreeSet;
use std::ops::Range;

/// A value of a member.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonValue {
    /// Text, its escapes resolved.
    String(String),
    /// A whole number.
    Integer(i128),
    /// `true` or `false`.
    Bool(bool),
    /// null, a fraction, an array or an object: nothing a 9p device has a use for.
    Other,
}

/// One member of the object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The key, its escapes resolved.
    pub key: String,
    /// The value, as far as a device may have it.
    pub value: JsonValue,
    /// Bytes of the key, quotes left out.
    pub key_range: Range<usize>,
    /// Bytes of the value, quotes left out.
    pub value_range: Range<usize>,
}

/// What is wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset into the argument.
    pub at: usize,
    /// A short clause.
    pub message: &'static str,
}

/// QEMU's limit is 1024 (MAX_NESTING); a device has no use for more than a few.
const MOST_NESTED: usize = 32;

/// Reads one object that must be all of `text`.
///
/// # Errors
/// Where QEMU would say `JSON parse error`.
pub fn object(text: &str) -> Result<Vec<Member>, JsonError> {
    let mut reader = JsonReader { text, at: 0 };
    reader.space();
    let members = reader.members(0)?;
    reader.space();
    if reader.at < text.len() {
        return reader.fail("text after the closing brace");
    }
    Ok(members)
}

struct JsonReader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> JsonReader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, JsonError> {
        Err(JsonError {
            at: self.at,
            message,
        })
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn eat(&mut self, c: char) -> bool {
        let there = self.rest().starts_with(c);
        if there {
            self.at += c.len_utf8();
        }
        there
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, JsonError> {
        if !self.eat('{') {
            return self.fail("an object must begin with `{`");
        }
        let mut members: Vec<Member> = Vec::new();
        let mut keys = BTreeSet::new();
        self.space();
        if self.eat('}') {
            return Ok(members);
        }
        loop {
            self.space();
            let (key, key_range) = self.string()?;
            if !keys.insert(key.clone()) {
                self.at = key_range.start;
                return self.fail("a key stands twice");
            }
            self.space();
            if !self.eat(':') {
                return self.fail("a `:` is missing after a key");
            }
            self.space();
            let (value, value_range) = self.value(depth)?;
            members.push(Member {
                key,
                value,
                key_range,
                value_range,
            });
            self.space();
            if self.eat('}') {
                return Ok(members);
            }
            if !self.eat(',') {
                return self.fail("a `,` or `}` is missing after a value");
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<(JsonValue, Range<usize>), JsonError> {
        if depth >= MOST_NESTED {
            return self.fail("nested too deeply");
        }
        let start = self.at;
        let value = match self.rest().chars().next() {
            Some('"' | '\'') => {
                let (text, range) = self.string()?;
                return Ok((JsonValue::String(text), range));
            }
            Some('{') => {
                self.members(depth + 1)?;
                JsonValue::Other
            }
            Some('[') => self.array(depth + 1)?,
            Some('-' | '0'..='9') => self.number()?,
            _ => self.word()?,
        };
        Ok((value, start..self.at))
    }

    fn array(&mut self, depth: usize) -> Result<JsonValue, JsonError> {
        self.eat('[');
        self.space();
        if self.eat(']') {
            return Ok(JsonValue::Other);
        }
        loop {
            self.space();
            self.value(depth)?;
            self.space();
            if self.eat(']') {
                return Ok(JsonValue::Other);
            }
            if !self.eat(',') {
                return self.fail("a `,` or `]` is missing in an array");
            }
        }
    }

    fn word(&mut self) -> Result<JsonValue, JsonError> {
        for (word, value) in [
            ("true", JsonValue::Bool(true)),
            ("false", JsonValue::Bool(false)),
            ("null", JsonValue::Other),
        ] {
            let after = self.rest().strip_prefix(word);
            if after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric())) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.fail("this is no JSON value")
    }

    /// JSON numbers: no plus sign, no leading zeros, no hex.
    fn number(&mut self) -> Result<JsonValue, JsonError> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or("");
        let digits = text.strip_prefix('-').unwrap_or(text);
        let integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = digits.len() > 1
            && digits.starts_with('0')
            && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        let next_is_word = rest
            .get(end..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
        if leading_zero || next_is_word || (!integer && !is_fraction(digits)) {
            return self.fail("this is no JSON number (no hex, no leading 0)");
        }
        self.at += end;
        Ok(match text.parse() {
            Ok(number) if integer => JsonValue::Integer(number),
            _ => JsonValue::Other,
        })
    }

    fn string(&mut self) -> Result<(String, Range<usize>), JsonError> {
        let quote = match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => return self.fail("a string in quotes is missing here"),
        };
        self.at += 1;
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((offset, c)) = chars.next() {
            let at = start + offset;
            if c == quote {
                self.at = at + 1;
                return Ok((out, start..at));
            }
            if c < ' ' {
                self.at = at;
                return self.fail("a control character in a string");
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let escaped = match chars.next().map(|(_, c)| c) {
                Some(c @ ('"' | '\'' | '\\' | '/')) => Some(c),
                Some('b') => Some('\u{8}'),
                Some('f') => Some('\u{c}'),
                Some('n') => Some('\n'),
                Some('r') => Some('\r'),
                Some('t') => Some('\t'),
                Some('u') => unicode(&mut chars),
                _ => None,
            };
            match escaped {
                Some(c) => out.push(c),
                None => {
                    self.at = at;
                    return self.fail("an escape sequence that is none");
                }
            }
        }
        self.at = start;
        self.fail("a string without its closing quote")
    }
}

/// Four hex digits, and four more where they are the first half of a surrogate pair. `\u0000`
/// is refused, as QEMU does.
fn unicode(chars: &mut std::str::CharIndices) -> Option<char> {
    let first = hex_unit(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).filter(|c| *c != '\0');
    }
    if chars.next()?.1 != '\\' || chars.next()?.1 != 'u' {
        return None;
    }
    let low = hex_unit(chars)?
        .checked_sub(0xdc00)
        .filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)
}

fn hex_unit(chars: &mut std::str::CharIndices) -> Option<u32> {
    let mut value = 0;
    for _ in 0..4 {
        value = value * 16 + chars.next()?.1.to_digit(16)?;
    }
    Some(value)
}

/// Whether it is digits with a fraction, an exponent or both (RFC 8259, 6), the sign left out.
fn is_fraction(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (
            number,
            exponent.strip_prefix(['+', '-']).unwrap_or(exponent),
        ),
        None => (text, "0"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    digits(whole) && digits(fraction) && digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_qemu_reads() {
        let text = r#"{ "driver": "virtio-9p-pci", 'id':'a\u00e9\ud83d\ude00', "addr": 48, "multifunction": true, "x": [1,{"y":null}], "z": -1.5e3 }"#;
        let members = object(text).unwrap();
        let values: Vec<_> = members.iter().map(|m| m.value.clone()).collect();
        assert_eq!(
            values,
            [
                JsonValue::String("virtio-9p-pci".into()),
                JsonValue::String("aé😀".into()),
                JsonValue::Integer(48),
                JsonValue::Bool(true),
                JsonValue::Other,
                JsonValue::Other
            ]
        );
        assert_eq!(&text[members[0].value_range.clone()], "virtio-9p-pci");
        assert_eq!(&text[members[2].value_range.clone()], "48");
        assert_eq!(object("{}").unwrap(), []);
    }

    #[test]
    fn refuses_what_qemu_refuses() {
        for text in [
            "",
            "{",
            "{}x",
            "{,}",
            "{'a':1,}",
            "{'a':1 'b':2}",
            "{'a':1,'a':2}",
            "{a:1}",
            "{'a':0x1}",
            "{'a':01}",
            "{'a':tru}",
            "{'a':'x}",
            "{'a':'\\q'}",
            "{'a':'\\u0000'}",
            "{'a':+1}",
            "{'a'}",
            "{'a':1}//c",
            "[1]",
            "{'a':'\n'}",
            "{'a':truex}",
            "{'a':'\\ud800x'}",
        ] {
            assert!(object(text).is_err(), "{text}");
        }
        let deep = format!("{{'a':{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(object(&deep).is_err());
    }
}
