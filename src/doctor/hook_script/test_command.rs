//! test(1) and its kin.

use super::state::WordValue;

/// test(1), and `[[ ]]` with plain words: its status, where it is known.
pub fn test(values: &[WordValue]) -> Option<i32> {
    let word = |position: usize| match values.get(position) {
        Some(WordValue::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    for (operator, decides) in [("||", true), ("&&", false), ("-o", true), ("-a", false)] {
        let at = values
            .iter()
            .position(|value| matches!(value, WordValue::Text(text) if text == operator));
        if let Some(at) = at {
            let left = test(values.get(..at)?)? == 0;
            let right = test(values.get(at + 1..)?);
            return if left == decides {
                Some(i32::from(!left))
            } else {
                right
            };
        }
    }
    if word(0) == Some("!") {
        return test(values.get(1..)?).map(|status| i32::from(status == 0));
    }
    let fine = match values.len() {
        2 => {
            let is_ours = word(1).is_some_and(|path| path.ends_with("/virt-9p"));
            match word(0)? {
                "-x" | "-e" | "-f" if is_ours => true,
                "-n" if values.get(1) == Some(&WordValue::Xml) => true,
                "-z" if values.get(1) == Some(&WordValue::Xml) => false,
                "-n" => !word(1)?.is_empty(),
                "-z" => word(1)?.is_empty(),
                _ => return None,
            }
        }
        3 => {
            let (left, right) = (word(0)?, word(2)?);
            let number = |text: &str| text.parse::<i64>().ok();
            match word(1)? {
                "=" | "==" if !right.contains(['*', '?', '[']) => left == right,
                "!=" if !right.contains(['*', '?', '[']) => left != right,
                "-eq" => number(left)? == number(right)?,
                "-ne" => number(left)? != number(right)?,
                "-gt" => number(left)? > number(right)?,
                "-ge" => number(left)? >= number(right)?,
                "-lt" => number(left)? < number(right)?,
                "-le" => number(left)? <= number(right)?,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(i32::from(!fine))
}
