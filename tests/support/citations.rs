//! What comments cite, and the documents in which it stands.

use std::fs;
use std::path::Path;

/// An id that a file cites: of a fact, a section of facts, or a decision.
pub struct Citation {
    pub file: String,
    pub id: String,
}

/// One entry of docs/facts.md.
pub struct Fact {
    pub id: String,
    pub text: String,
}

/// The entries: list items that begin with an id in bold.
pub fn facts(document: &str) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        let entry = line
            .strip_prefix("- **")
            .and_then(|rest| rest.split_once("** "))
            .filter(|(id, _)| id_at(id) == Some(id));
        if let Some((id, text)) = entry {
            inside = true;
            facts.push(Fact {
                id: id.to_owned(),
                text: text.to_owned(),
            });
        } else if line.starts_with("  ") && inside {
            let fact = facts.last_mut().unwrap();
            fact.text.push(' ');
            fact.text.push_str(line.trim());
        } else {
            inside = false;
        }
    }
    facts
}

/// The ids of sections: second headings that begin with one.
pub fn sections(document: &str) -> Vec<String> {
    document
        .lines()
        .filter_map(|line| id_at(line.strip_prefix("## ")?))
        .map(str::to_owned)
        .collect()
}

/// The ids of decisions: list items of docs/architecture.md that begin with one in bold.
pub fn decisions(document: &str) -> Vec<String> {
    document
        .lines()
        .filter_map(|line| id_at(line.strip_prefix("- **")?))
        .filter(|id| id.starts_with('D'))
        .map(str::to_owned)
        .collect()
}

/// A letter, a number, and more numbers behind dots, at the beginning of `text`.
fn id_at(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(|first: char| first.is_ascii_uppercase())?;
    let end = rest
        .find(|next: char| !next.is_ascii_digit() && next != '.')
        .unwrap_or(rest.len());
    let digits = rest[..end].trim_end_matches('.');
    digits
        .starts_with(|digit: char| digit.is_ascii_digit())
        .then(|| &text[..=digits.len()])
}

/// Every citation in the repository, but for the list of facts itself.
pub fn in_repository() -> Vec<Citation> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut citations = Vec::new();
    for place in [
        "src",
        "tests",
        "packaging",
        "hooks",
        "benches",
        "fuzz",
        "docs",
        ".ci",
        "build.rs",
        "Cargo.toml",
        "README.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        walk(&top.join(place), &mut |path| {
            let name = path.strip_prefix(top).unwrap().display().to_string();
            // Its first lines show how to cite.
            if name != "docs/facts.md"
                && let Ok(text) = fs::read_to_string(path)
            {
                let ids = cited(&text);
                citations.extend(ids.into_iter().map(|id| Citation {
                    file: name.clone(),
                    id,
                }));
            }
        });
    }
    citations
}

/// Every file below `path`, but for what is made.
pub fn walk(path: &Path, see: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(path) else {
        return see(path);
    };
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if !matches!(name.as_str(), "target" | "corpus" | "scenarios") {
            walk(&entry, see);
        }
    }
}

/// The ids that `text` cites. A word where an id should be is returned as it is, for nothing to
/// be of that name: the documents that were cited once are not in the repository.
fn cited(text: &str) -> Vec<String> {
    // A citation may go on behind the end of a line of a comment.
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| !matches!(*word, "//" | "///" | "//!" | "#"))
        .map(|word| word.trim_start_matches(['(', '[', '`', '"']))
        .collect();
    let mut ids = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let mut next = words[at + 1..].iter();
        match *word {
            "fact" | "facts" | "decision" | "decisions" => {
                while let Some(word) = next.next() {
                    if *word == "and" {
                        continue;
                    }
                    match id_at(word) {
                        Some(id) => ids.push(id.to_owned()),
                        None => {
                            let bare = word.trim_end_matches([',', ')', '.', ':']);
                            if bare.len() == 1 && bare.starts_with(|c: char| c.is_ascii_uppercase())
                            {
                                ids.push((*word).to_owned());
                            }
                            break;
                        }
                    }
                    // Only `,` or `and` goes on.
                    let more = word.ends_with(',') || next.as_slice().first() == Some(&"and");
                    if !more {
                        break;
                    }
                }
            }
            "design" => {
                let number = next
                    .next()
                    .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
                ids.extend(number.map(|number| format!("design {number}")));
            }
            _ => {}
        }
    }
    ids
}
