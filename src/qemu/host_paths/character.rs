//! The character device strings of `-serial` and its like, as the options that they stand for
//! (qemu_chr_parse_compat, the same from 5.2 to 10.0).

use crate::qemu::command_line::RawProperty;
use crate::qemu::device_json::JsonValue;
use crate::qemu::option_string;

/// What the string `whole` in word `index` means as a `-chardev`; nothing where it names no file.
/// `monitor`: whether it may begin with `mon:`.
pub fn options(whole: &str, index: usize, monitor: bool) -> Vec<RawProperty> {
    let mut text = whole;
    if monitor {
        text = text.strip_prefix("mon:").unwrap_or(text);
    }
    let end = whole.len();
    let property = |key: &str, value: &str| RawProperty {
        key: key.to_owned(),
        value: JsonValue::String(value.to_owned()),
        flag: false,
        arg: index,
        key_range: 0..end,
        // `unix:` alone is shorter than what it stands for.
        value_range: end.saturating_sub(value.len())..end,
    };
    // The rest of the word, whatever is in it: no comma ends it.
    let verbatim = |backend: &str, path: &str| {
        vec![
            property("path", path),
            RawProperty {
                value_range: 0..end,
                ..property("backend", backend)
            },
        ]
    };
    if let Some(path) = text.strip_prefix("file:") {
        return verbatim("file", path);
    }
    if let Some(path) = text.strip_prefix("pipe:") {
        return verbatim("pipe", path);
    }
    let options = |rest: &str, first: &str| {
        let before = end - rest.len();
        let opts = option_string::parse(rest, first, index).into_iter();
        let mut all: Vec<RawProperty> = opts.map(RawProperty::of_text).collect();
        for one in &mut all {
            one.key_range = before + one.key_range.start..before + one.key_range.end;
            one.value_range = before + one.value_range.start..before + one.value_range.end;
        }
        all
    };
    if let Some(rest) = text.strip_prefix("unix:") {
        let mut all = options(rest, "path");
        all.push(property("backend", "socket"));
        return all;
    }
    // tcp: and udp: take options, too, and every character device has a log.
    let network = ["tcp:", "telnet:", "tn3270:", "websocket:"];
    if let Some(rest) = network.iter().find_map(|begin| text.strip_prefix(begin)) {
        let mut all = options(rest, "");
        all.retain(|one| one.key == "logfile");
        return all;
    }
    if text == "braille" {
        return vec![property("backend", text)];
    }
    if text.starts_with("/dev/parport") || text.starts_with("/dev/ppi") {
        return verbatim("parallel", text);
    }
    if text.starts_with("/dev/") {
        return verbatim("serial", text);
    }
    Vec::new()
}
