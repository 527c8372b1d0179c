//! Nested JSON as dotted keys, which is what QEMU makes of it, too (qdict_flatten).

use crate::qemu::command_line::RawProperty;
use crate::qemu::device_json::{self, JsonValue};

/// Longer keys, or more steps in one, QEMU has no use for; they only cost.
const LONGEST_KEY: usize = 200;

/// The members of the object that `text` is, word `arg` of the command line; nothing where it is
/// no JSON, or nested as no option of QEMU's is.
pub fn flatten(text: &str, arg: usize) -> Option<Vec<RawProperty>> {
    let mut all = Vec::new();
    object(text, 0, "", arg, &mut all)?;
    Some(all)
}

/// Of the object in `text`, which begins at byte `start` of the word.
fn object(
    text: &str,
    start: usize,
    prefix: &str,
    arg: usize,
    all: &mut Vec<RawProperty>,
) -> Option<()> {
    for mut member in device_json::object(text).ok()? {
        if prefix.len() + member.key.len() > LONGEST_KEY {
            return None;
        }
        let key = join(prefix, &member.key);
        let inner = text.get(member.value_range.clone())?;
        if member.value == JsonValue::Other && inner.starts_with('{') {
            object(inner, start + member.value_range.start, &key, arg, all)?;
            continue;
        }
        // Null names nothing.
        if inner == "null" {
            member.value = JsonValue::Bool(false);
        }
        let range = |of: std::ops::Range<usize>| start + of.start..start + of.end;
        all.push(RawProperty {
            key,
            value: member.value,
            flag: false,
            arg,
            key_range: range(member.key_range),
            value_range: range(member.value_range),
        });
    }
    Some(())
}

/// `key` below `prefix`.
pub fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_nested_values_stand() {
        let text = "{'file': {'driver':'file','filename':'/a'}, 'x':true}";
        let all = flatten(text, 3).unwrap();
        let keys: Vec<_> = all.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(keys, ["file.driver", "file.filename", "x"]);
        assert_eq!(text.get(all[1].value_range.clone()), Some("/a"));
        assert_eq!(text.get(all[1].key_range.clone()), Some("filename"));
        assert!(flatten("{'a':1", 0).is_none());
        let long = format!("{{'{}':{{'b':1}}}}", "a".repeat(LONGEST_KEY));
        assert!(flatten(&long, 0).is_none());
    }
}
