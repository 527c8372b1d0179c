//! Raw arguments out of XML that cannot be read as such: larger than we read, damaged, or not
//! UTF-8. Whether such a domain is our business is decided by these, and by nothing else in it.

use crate::domain::{Arg, Domain, tokens};
use crate::text::{Span, find_byte};

/// A tag that goes on for longer is none of an argument that Linux would let QEMU have (128 KiB,
/// each byte written as a reference at most).
const LONGEST_TAG: usize = 1 << 20;

/// All arguments together: with more, QEMU cannot be executed (a quarter of the usual stack).
const MOST_BYTES: usize = 4 << 20;

/// Takes the text piece by piece, and keeps the values of `<qemu:arg>` only.
#[derive(Debug, Default)]
pub struct Scan {
    /// From the last `<` whose tag is not complete.
    rest: Vec<u8>,
    values: Vec<String>,
    bytes: usize,
}

impl Scan {
    /// The next piece of the text.
    pub fn push(&mut self, piece: &[u8]) {
        let mut text = std::mem::take(&mut self.rest);
        text.extend_from_slice(piece);
        let mut at = 0;
        while let Some(open) = find_byte(text.get(at..).unwrap_or_default(), b'<') {
            let tag = text.get(at + open + 1..).unwrap_or_default();
            match self.tag(tag) {
                Some(length) => at += open + 1 + length,
                None if tag.len() < LONGEST_TAG => {
                    self.rest = tag.to_vec();
                    self.rest.insert(0, b'<');
                    return;
                }
                None => at += open + 1,
            }
        }
    }

    /// A domain that has these arguments, and nothing else.
    pub fn domain(self) -> Domain {
        let args = self
            .values
            .into_iter()
            .map(|value| Arg::new(value, Span::default(), false));
        Domain {
            args: args.collect(),
            ..Domain::default()
        }
    }

    /// Takes what follows a `<`; how long it is, or `None` where more of it is needed.
    fn tag(&mut self, tag: &[u8]) -> Option<usize> {
        const NAME: &[u8] = b"qemu:arg";
        const END: &[u8] = b"/metadata";
        // What stood in there was a text of somebody's, not arguments: libvirt writes them last.
        if tag.starts_with(END) {
            self.values.clear();
            self.bytes = 0;
            return Some(END.len());
        }
        if tag.len() <= NAME.len() || tag.len() < END.len() {
            return (!NAME.starts_with(tag) && !END.starts_with(tag)).then_some(0);
        }
        let ends = tag
            .get(NAME.len())
            .is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        if !tag.starts_with(NAME) || !ends {
            return Some(0);
        }
        // libvirt writes `<`, `>` and quotes in values as references. What another tag begins in
        // is none; were it looked through to its end, each of many would be, up to the same.
        let end = tag.iter().position(|byte| matches!(byte, b'<' | b'>'))?;
        if tag.get(end) == Some(&b'<') {
            return Some(end);
        }
        let inside = tag.get(NAME.len()..end).unwrap_or_default();
        if let Some(value) = value(inside)
            && self.bytes + value.len() <= MOST_BYTES
        {
            self.bytes += value.len();
            self.values.push(value);
        }
        Some(end)
    }
}

/// The value in ` value='…'/`.
fn value(inside: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(inside);
    let (_, rest) = text.split_once("value=")?;
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (raw, _) = rest.get(1..)?.split_once(quote)?;
    Some(tokens::value(raw, false).map_or_else(|_| raw.to_owned(), |value| value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_arguments_however_the_text_is_cut() {
        let text = "<domain><description>&lt;qemu:arg value='-S'/&gt;</description>\
                    <metadata><x><![CDATA[<qemu:arg value='-fsdev'/>]]></x></metadata>\
                    <qemu:commandline>\n<qemu:arg value='-fsdev'/>\n<qemu:arg value=\"a&amp;b\"/>\
                    <qemu:args value='no'/></qemu:commandline>\u{fffd}";
        for size in 1..text.len() {
            let mut scan = Scan::default();
            for piece in text.as_bytes().chunks(size) {
                scan.push(piece);
            }
            let values: Vec<_> = scan.domain().args.into_iter().map(|a| a.value).collect();
            assert_eq!(values, ["-fsdev", "a&b"], "{size}");
        }
    }

    #[test]
    fn keeps_no_more_than_it_must() {
        let mut scan = Scan::default();
        scan.push(b"<qemu:arg value='");
        for _ in 0..40 {
            scan.push(&[b'x'; 100_000]);
            assert!(scan.rest.len() < LONGEST_TAG + 200_000);
        }
        assert!(scan.values.is_empty());
    }
}
