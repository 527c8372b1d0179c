//! What was most likely meant by a word that is none of those known: options, commands, values,
//! keys, properties, codes.

use crate::text::quoted;

/// `did you mean …?`, where something is near enough.
pub fn did_you_mean<'c, C>(word: &str, candidates: C) -> Option<String>
where
    C: IntoIterator<Item = &'c str>,
    C::IntoIter: Clone,
{
    let meant: Vec<String> = meant(word, candidates).into_iter().map(quoted).collect();
    let (last, before) = meant.split_last()?;
    Some(if before.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", before.join(", "))
    })
}

/// The candidate that `word` is a slip of the finger for; or else those that it is a part of.
fn meant<'c, C>(word: &str, candidates: C) -> Vec<&'c str>
where
    C: IntoIterator<Item = &'c str>,
    C::IntoIter: Clone,
{
    // More than that is a list, which help shows.
    const MOST: usize = 10;
    let candidates = candidates.into_iter();
    if let Some(near) = nearest(word, candidates.clone()) {
        return vec![near];
    }
    let begins = candidates.clone().filter(|known| is_part(word, known));
    let parts: Vec<&str> = begins.take(MOST + 1).collect();
    if parts.len() > MOST {
        Vec::new()
    } else {
        parts
    }
}

/// Whether `word` is `whole` up to one of its dashes, or behind one.
fn is_part(word: &str, whole: &str) -> bool {
    let ends = |rest: &str| rest.starts_with(['-', '_']);
    !word.is_empty()
        && (whole.strip_prefix(word).is_some_and(ends)
            || whole
                .strip_suffix(word)
                .is_some_and(|rest| rest.ends_with(['-', '_'])))
}

/// The candidate that `word` is most likely a slip of the finger for, if it is near any.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // One slip in a short word, two in a longer one; in one or two letters everything is near.
    let most = match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    // Capitals, and which of the two lines joins words, are no slip.
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let typed = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&typed, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
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
}
