//! Small turns of phrase in messages.

/// `1 error`, `2 errors`, `2 directories`.
pub fn count(number: usize, word: &str) -> String {
    match word.strip_suffix('y') {
        _ if number == 1 => format!("{number} {word}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {word}s"),
    }
}

/// `text` as one word of a shell: in single quotes where it is not plain.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        assert_eq!(count(1, "directory"), "1 directory");
        assert_eq!(count(0, "directory"), "0 directories");
        assert_eq!(count(2, "error"), "2 errors");
    }
}
