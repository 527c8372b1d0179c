//! QEMU's option strings: `key=value,flag,key=va,,lue`.
//!
//! The grammar is that of get_opt_name_value and get_opt_value in util/qemu-option.c (the same
//! from 2.10 to 11.1): a name ends at the first `=` or `,`; a value ends at a single `,`; `,,`
//! in a value is one comma; nothing is trimmed and nothing quotes.

use std::ops::Range;

use crate::text::find_byte;

/// One `key=value` of an option string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opt {
    /// The key; for a flag without its `no`.
    pub key: String,
    /// The value with `,,` folded; for a flag `on` or `off`.
    pub value: String,
    /// Written without `=`: a flag, or the implied first key.
    pub form: Form,
    /// Which word of the command line it stands in (index into `Domain::args`).
    pub arg: usize,
    /// Bytes of the key in the argument (of the whole word, for flags and implied keys).
    pub key_range: Range<usize>,
    /// Bytes of the value in the argument, as written (of the whole word, for flags).
    pub value_range: Range<usize>,
}

/// How an option was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `key=value`
    Pair,
    /// `key` or `nokey`
    Flag,
    /// The first word without `=`, whose key is implied.
    Implied,
}

/// Splits `text`, word `arg` of the command line; a first word without `=` gets the key `implied`.
pub fn parse(text: &str, implied: &str, arg: usize) -> Vec<Opt> {
    let mut opts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or("");
        let name_length = rest.find(['=', ',']).unwrap_or(rest.len());
        let first = opts.is_empty();
        if rest.get(name_length..).is_some_and(|r| r.starts_with('=')) {
            let start = at + name_length + 1;
            let (value, end) = value(text, start);
            opts.push(Opt {
                key: rest.get(..name_length).unwrap_or("").to_owned(),
                value,
                arg,
                form: Form::Pair,
                key_range: at..at + name_length,
                value_range: start..end,
            });
            at = end + 1;
        } else if first {
            let (value, end) = value(text, at);
            opts.push(Opt {
                key: implied.to_owned(),
                value,
                arg,
                form: Form::Implied,
                key_range: at..end,
                value_range: at..end,
            });
            at = end + 1;
        } else {
            let word = rest.get(..name_length).unwrap_or("");
            let end = at + name_length;
            let (key, value) = match word.strip_prefix("no") {
                Some(key) => (key, "off"),
                None => (word, "on"),
            };
            opts.push(Opt {
                key: key.to_owned(),
                value: value.to_owned(),
                arg,
                form: Form::Flag,
                key_range: at..end,
                value_range: at..end,
            });
            at = end + 1;
        }
    }
    opts
}

/// The value that begins at byte `start`, and where it ends.
fn value(text: &str, start: usize) -> (String, usize) {
    let mut out = String::new();
    let mut at = start;
    loop {
        let rest = text.get(at..).unwrap_or("");
        let Some(comma) = find_byte(rest.as_bytes(), b',') else {
            out.push_str(rest);
            return (out, text.len());
        };
        out.push_str(rest.get(..comma).unwrap_or(""));
        if rest.get(comma + 1..).is_some_and(|r| r.starts_with(',')) {
            out.push(',');
            at += comma + 2;
        } else {
            return (out, at + comma);
        }
    }
}

/// `text` as it must be written as a value: commas doubled.
pub fn escape(text: &str) -> String {
    text.replace(',', ",,")
}

/// The first `id`: QEMU takes that one and forgets the others (opts_parse_id), while for every
/// other key the last wins.
pub fn id(opts: &[Opt]) -> Option<&Opt> {
    opts.iter().find(|opt| opt.key == "id")
}

/// The occurrence of `key` that counts: the last.
pub fn last<'o>(opts: &'o [Opt], key: &str) -> Option<&'o Opt> {
    opts.iter().rev().find(|opt| opt.key == key)
}

/// What QEMU takes for a boolean in text (qapi_bool_parse); exactly these spellings.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "on" | "yes" | "true" | "y" => Some(true),
        "off" | "no" | "false" | "n" => Some(false),
        _ => None,
    }
}

/// Whether `id` is well formed (id_wellformed): an ASCII letter, then letters, digits, `-._`.
pub fn id_is_well_formed(id: &str) -> bool {
    let mut bytes = id.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text, "implied", 0)
            .into_iter()
            .map(|o| (o.key, o.value))
            .collect()
    }

    #[test]
    fn splits_as_qemu_does() {
        for (text, expected) in [
            ("", vec![]),
            ("local", vec![("implied", "local")]),
            ("a,,b,c", vec![("implied", "a,b"), ("c", "on")]),
            ("x=a,,,b", vec![("x", "a,"), ("b", "on")]),
            ("x=a,,,,b", vec![("x", "a,,b")]),
            (
                "x=1,noready,y=",
                vec![("x", "1"), ("ready", "off"), ("y", "")],
            ),
            ("local,", vec![("implied", "local")]),
            (",x=1", vec![("implied", ""), ("x", "1")]),
            ("a=b=c", vec![("a", "b=c")]),
            ("local, s=1", vec![("implied", "local"), (" s", "1")]),
        ] {
            let got = pairs(text);
            let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn knows_where_values_stand() {
        let text = "local,path=/a,,b,fmode=644";
        let opts = parse(text, "fsdriver", 0);
        assert_eq!(&text[opts[1].value_range.clone()], "/a,,b");
        assert_eq!(&text[opts[2].value_range.clone()], "644");
        assert_eq!(&text[opts[2].key_range.clone()], "fmode");
    }

    #[test]
    fn first_id_and_last_key_count() {
        let opts = parse("local,id=a,id=b,path=/1,path=/2", "fsdriver", 0);
        assert_eq!(id(&opts).unwrap().value, "a");
        assert_eq!(last(&opts, "path").unwrap().value, "/2");
    }

    #[test]
    fn knows_good_ids() {
        for (id, good) in [
            ("a", true),
            ("A1-._", true),
            ("", false),
            ("1a", false),
            ("é", false),
            ("a b", false),
        ] {
            assert_eq!(id_is_well_formed(id), good, "{id}");
        }
    }
}
