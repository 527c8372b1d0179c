//! File rules in policy text that others wrote: enough of the language to tell what a profile
//! opens and what it lets be executed. What is no file rule is passed over.

use crate::apparmor::pattern::Pattern;

/// A file rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Line of the text where it begins, from 1.
    pub line: usize,
    /// As it is written, on one line.
    pub text: String,
    /// Whether it takes away.
    pub deny: bool,
    /// The names that it is about.
    pub pattern: Pattern,
    /// Letters such as `rwl` or `PUx`.
    pub permissions: String,
}

impl Rule {
    /// Whether it lets a name be read or written.
    pub fn opens(&self) -> bool {
        !self.deny && self.permissions.contains(['r', 'w', 'a'])
    }

    /// Whether it lets a name be written.
    pub fn writes(&self) -> bool {
        !self.deny && self.permissions.contains(['w', 'a'])
    }
}

/// What becomes of a program that something confined by a profile executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// It runs outside of the profile.
    Leaves,
    /// It runs inside the profile.
    Stays,
    /// It is refused.
    Refused,
}

/// What these rules make of executing `program` (a resolved path). A rule that names exactly
/// this program counts before patterns, as in the parser; other rules cannot disagree, or the
/// profile would not compile.
pub fn execution(rules: &[Rule], program: &[u8]) -> Execution {
    let matching = || {
        rules
            .iter()
            .filter(|rule| rule.permissions.contains('x') && rule.pattern.matches(program))
    };
    if matching().any(|rule| rule.deny) {
        return Execution::Refused;
    }
    let exact = matching().find(|rule| rule.pattern.is_exactly(program));
    match exact.or_else(|| matching().next()) {
        None => Execution::Refused,
        // `i` is also the way out of `pix` where no profile of that name is loaded.
        Some(rule) if rule.permissions.contains('i') => Execution::Stays,
        Some(_) => Execution::Leaves,
    }
}

/// Whether these rules let `name` be opened by all of `letters`, none of which is about executing.
pub fn allow(rules: &[Rule], name: &[u8], letters: &str) -> bool {
    let matching = rules.iter().filter(|rule| rule.pattern.matches(name));
    let matching: Vec<&Rule> = matching.collect();
    letters.chars().all(|letter| {
        let has = |deny| {
            let mut rules = matching.iter().filter(|rule| rule.deny == deny);
            rules.any(|rule| rule.permissions.contains(letter))
        };
        has(false) && !has(true)
    })
}

/// The file rules of a text, in order.
pub fn rules(text: &str) -> Vec<Rule> {
    statements(text)
        .into_iter()
        .filter_map(|statement| rule(&statement))
        .collect()
}

/// The words between two commas.
#[derive(Default)]
struct Statement {
    line: usize,
    words: Vec<String>,
}

fn rule(statement: &Statement) -> Option<Rule> {
    const QUALIFIERS: [&str; 6] = ["allow", "deny", "audit", "owner", "other", "quiet"];
    let mut words = statement.words.iter().map(String::as_str).peekable();
    let mut deny = false;
    while let Some(word) = words.next_if(|word| QUALIFIERS.contains(word)) {
        deny |= word == "deny";
    }
    let bare = words
        .next_if(|word| matches!(*word, "file" | "all"))
        .is_some();
    let unquoted = |word: &str| word.trim_matches('"').to_owned();
    let is_path = |word: &str| word.trim_start_matches('"').starts_with(['/', '@']);
    let (path, permissions) = match (words.next(), words.next()) {
        (None, _) if bare => ("/**".to_owned(), "rwlkm".to_owned()),
        (Some(path), Some(permissions)) if is_path(path) => {
            (unquoted(path), permissions.to_owned())
        }
        (Some(permissions), Some(path)) if is_path(path) => {
            (unquoted(path), permissions.to_owned())
        }
        _ => return None,
    };
    let known = |letter: char| "rwaklmxipPuUcCdD".contains(letter);
    permissions.chars().all(known).then(|| Rule {
        line: statement.line,
        text: statement.words.join(" "),
        deny,
        pattern: Pattern::new(&path),
        permissions,
    })
}

/// Cuts a text into statements. Comments, includes, variables and the heads of blocks fall away.
fn statements(text: &str) -> Vec<Statement> {
    let mut out = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (words, ended) in line_statements(line) {
            // A rule that goes on after its line end continues the last one.
            match out.last_mut() {
                Some((open, Statement { words: all, .. })) if *open => {
                    all.extend(words);
                    *open = !ended;
                }
                _ if words.is_empty() => {}
                _ => out.push((
                    !ended,
                    Statement {
                        line: number,
                        words,
                    },
                )),
            }
        }
    }
    out.into_iter()
        .filter_map(|(open, statement)| (!open).then_some(statement))
        .collect()
}

/// The statements of one line, and whether each ends there.
fn line_statements(line: &str) -> Vec<(Vec<String>, bool)> {
    let mut out = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut depth) = (false, 0_usize);
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let starts = word.is_empty();
        let ends = characters.peek().is_none_or(|next| next.is_whitespace());
        match c {
            '"' => {
                quoted = !quoted;
                word.push(c);
            }
            _ if quoted => word.push(c),
            '\\' => {
                word.push(c);
                word.extend(characters.next());
            }
            '#' if starts => break,
            // The head of a block, and its end.
            '{' | '}' if starts => words.clear(),
            '{' | '(' | '[' => {
                depth += 1;
                word.push(c);
            }
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                word.push(c);
            }
            ',' if depth == 0 && (ends || characters.peek() == Some(&'#')) => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                out.push((std::mem::take(&mut words), true));
            }
            c if c.is_whitespace() && depth == 0 => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    // Includes and definitions end with their line.
    let alone = match words.as_slice() {
        [first, ..] if first == "include" => true,
        [first, ..] if first.starts_with("@{") && first.contains('=') => true,
        [_, second, ..] => second == "=" || second == "+=",
        _ => false,
    };
    if !words.is_empty() && !alone {
        out.push((words, false));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String, bool, String)> {
        rules(text)
            .into_iter()
            .map(|rule| (rule.line, rule.text, rule.deny, rule.permissions))
            .collect()
    }

    #[test]
    fn reads_rules_as_people_write_them() {
        let text = "# /no rw,\n#include <tunables/global>\ninclude if exists <local/x>\n@{X} = /a /b\nprofile x flags=(complain) {\n  \
            /a/** rw, # why\n  owner \"/b c/**\" rwk,\n  rw /d/{e,f}/*,\n  audit deny /g w,\n  file,\n  \
            signal (send) set=(\"kill\", \"term\") peer=unconfined,\n  capability chown, /h/** r,\n  /i/**\n    rwl,\n  \
            /usr/sbin/* PUx,\n  /j r, # no\n}\n/no rw\n";
        let texts: Vec<(usize, String)> = found(text)
            .into_iter()
            .map(|(line, text, ..)| (line, text))
            .collect();
        let expected = [
            (6, "/a/** rw"),
            (7, "owner \"/b c/**\" rwk"),
            (8, "rw /d/{e,f}/*"),
            (9, "audit deny /g w"),
            (10, "file"),
            (12, "/h/** r"),
            (13, "/i/** rwl"),
            (15, "/usr/sbin/* PUx"),
            (16, "/j r"),
        ];
        let expected: Vec<(usize, String)> = expected
            .into_iter()
            .map(|(line, text)| (line, text.to_owned()))
            .collect();
        assert_eq!(texts, expected);
        assert!(rules(text)[3].deny && rules(text)[4].writes() && !rules(text)[5].writes());
    }

    #[test]
    fn adds_up_what_is_allowed() {
        let rules =
            rules("/srv/** r,\n/srv/a w,\n\"/srv/a\\040b\" rwk,\ndeny /srv/c w,\n/srv/c rw,\n");
        for (name, letters, allowed) in [
            ("/srv/a", "rw", true),
            ("/srv/a", "rwk", false),
            ("/srv/a b", "kw", true),
            ("/srv/b", "w", false),
            ("/srv/c", "r", true),
            ("/srv/c", "rw", false),
            ("/etc/x", "r", false),
        ] {
            assert_eq!(
                allow(&rules, name.as_bytes(), letters),
                allowed,
                "{name} {letters}"
            );
        }
    }

    #[test]
    fn knows_which_programs_leave() {
        let rules = rules(
            "/usr/sbin/* PUx,\n/usr/sbin/virtlogd pix,\n/etc/libvirt/hooks/** rmix,\naudit deny /usr/sbin/no rwxl,\n",
        );
        let execution = |program: &str| execution(&rules, program.as_bytes());
        assert_eq!(execution("/usr/sbin/virt-9p"), Execution::Leaves);
        assert_eq!(execution("/usr/sbin/virtlogd"), Execution::Stays);
        assert_eq!(execution("/etc/libvirt/hooks/qemu"), Execution::Stays);
        assert_eq!(execution("/opt/virt-9p"), Execution::Refused);
        assert_eq!(execution("/usr/sbin/no"), Execution::Refused);
    }
}
