//! What was most likely meant by a word that is none of those known: options, commands, values,
//! keys, properties, codes.

use crate::text::quoted;

/// `did you mean …?`, where something is near enough, or `word` is a part of it.
pub fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    // More than that is a list, which help shows.
    const MOST: usize = 10;
    let mut meant = near(word, &mut candidates.iter().copied());
    if meant.is_empty() {
        meant = candidates.to_vec();
        meant.retain(|known| is_part(word, known));
    }
    meant.truncate(if meant.len() > MOST { 0 } else { MOST });
    let last = quoted(meant.pop()?);
    let before: Vec<String> = meant.into_iter().map(quoted).collect();
    Some(if before.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", before.join(", "))
    })
}

/// Whether `word` is `whole` up to one of its dashes, or behind one.
fn is_part(word: &str, whole: &str) -> bool {
    let mut parts = whole.match_indices(['-', '_']);
    !word.is_empty()
        && parts.any(|(dash, _)| {
            let (before, behind) = whole.split_at_checked(dash).unwrap_or(("", ""));
            before == word || behind.get(1..) == Some(word)
        })
}

/// The candidate that `word` is most likely a slip of the finger for, if it is near any.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    near(word, &mut candidates.into_iter()).first().copied()
}

/// The candidates that are nearest to `word`, if any is near.
fn near<'c>(word: &str, candidates: &mut dyn Iterator<Item = &'c str>) -> Vec<&'c str> {
    // One slip in a short word, two in a longer one; in one or two letters everything is near.
    let mut most = match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    // Capitals, and which of the two lines joins words, are no slip.
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let typed = plain(word);
    let mut near = Vec::new();
    for candidate in candidates {
        let distance = distance(&typed, &plain(candidate));
        if distance < most {
            near.clear();
            most = distance;
        }
        if distance == most {
            near.push(candidate);
        }
    }
    near
}

/// How many letters have to be put in, left out, changed or swapped with their neighbour
/// (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) =
        (from.chars().take(64).collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let at =
                |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&above, column) + usize::from(letter != other))
                .min(at(&above, column + 1) + 1)
                .min(at(&line, column) + 1);
            let swapped = row > 0
                && column > 0
                && from.get(row - 1) == Some(other)
                && to.get(column - 1) == Some(letter);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let commands = ["check", "rules", "convert", "doctor", "explain", "hook"];
        for (typed, meant) in [
            ("chekc", Some("check")),
            ("ckeck", Some("check")),
            ("explian", Some("explain")),
            ("docter", Some("doctor")),
            ("rule", Some("rules")),
            ("start", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, commands), meant, "{typed}");
        }
    }
    #[test]
    fn all_that_are_as_near_are_named_and_what_a_word_is_a_part_of() {
        let codes = ["mode-not-octal", "mode-owner", "path-owner", "id-invalid"];
        for (typed, said) in [
            ("mode_ownr", Some("did you mean `mode-owner`?")),
            ("MODE-OWNER", Some("did you mean `mode-owner`?")),
            ("owner", Some("did you mean `mode-owner` or `path-owner`?")),
            (
                "mode",
                Some("did you mean `mode-not-octal` or `mode-owner`?"),
            ),
            ("octal", Some("did you mean `mode-not-octal`?")),
            ("not-octal", Some("did you mean `mode-not-octal`?")),
            ("not", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(typed, &codes).as_deref(), said, "{typed}");
        }
        let said = did_you_mean("cat", &["bat", "rat", "dog"]);
        assert_eq!(said.as_deref(), Some("did you mean `bat` or `rat`?"));
    }
}
