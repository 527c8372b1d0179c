//! Files out of the tree that a scenario's `expected` shows.

/// The regular files of a dump, with their contents.
///
/// An entry begins with its kind, its mode and its path; the lines of a file follow, each behind
/// `  | `, and a last line without newline is said to be so. A carriage return is shown as `\r`.
pub fn files(dump: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut in_file = false;
    for line in dump.lines() {
        if let Some(content) = line.strip_prefix("  |") {
            if let (true, Some((_, text))) = (in_file, files.last_mut()) {
                let content = content.strip_prefix(' ').unwrap_or(content);
                text.push_str(&content.replace("\\r", "\r"));
                text.push('\n');
            }
        } else if line == "  \\ no newline" {
            if let (true, Some((_, text))) = (in_file, files.last_mut()) {
                text.pop();
            }
        } else {
            let entry = line
                .strip_prefix("f ")
                .and_then(|rest| rest.split_once(' '));
            in_file = entry.is_some();
            if let Some((_mode, path)) = entry {
                files.push((path.to_owned(), String::new()));
            }
        }
    }
    files
}
