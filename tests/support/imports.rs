//! The rooms of src/, its directories and files at the top, and which imports which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What reads or changes something outside of the program, or depends on it.
pub const EFFECTS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::os::unix",
    "std::process",
    "std::thread",
    "std::time",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "print!(",
    "println!(",
    "rustix::",
    "tempfile::",
    "fs2::",
    "syslog::",
];

/// A row of the table in docs/architecture.md.
pub struct Room {
    pub name: String,
    /// Rooms that it may import.
    pub knows: Vec<String>,
    /// `none`, or `all` and what they do, or the files that do it.
    effects: String,
}

impl Room {
    /// Whether the table lets this file of it reach out of the program.
    pub fn reaches_out(&self, file: &str) -> bool {
        let named = in_backticks(&self.effects);
        self.effects.starts_with("all")
            || named
                .iter()
                .any(|name| file == format!("{}/{name}", self.name))
    }
}

/// The rows behind the heading `Which room may know which`.
pub fn rooms(document: &str) -> Vec<Room> {
    let (_, behind) = document
        .split_once("## Which room may know which")
        .expect("the heading of the table");
    let mut rooms: Vec<Room> = Vec::new();
    for line in behind.lines().skip_while(|line| !line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, knows, effects, ..] = cells[..] else {
            break;
        };
        let knows = match knows {
            "all above" => rooms.iter().map(|room| room.name.clone()).collect(),
            _ => in_backticks(knows),
        };
        rooms.push(Room {
            name: in_backticks(name).concat(),
            knows,
            effects: effects.to_owned(),
        });
    }
    rooms
}

fn in_backticks(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// A file of src/.
pub struct File {
    /// Without `src/` and `.rs`, and without `/mod`.
    pub name: String,
    /// Without comments and tests.
    pub code: String,
}

impl File {
    /// Its directory, or itself, at the top.
    pub fn room(&self) -> &str {
        self.name.split('/').next().unwrap()
    }

    /// Paths that it names in this crate, from the top.
    pub fn imports(&self) -> Vec<Vec<String>> {
        let own: Vec<String> = self.name.split('/').map(str::to_owned).collect();
        let mut paths = Vec::new();
        for start in ["crate::", "virt_9p::", "super::", "self::"] {
            for (at, _) in self.code.match_indices(start) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let mut base = match start {
                    "self::" => own.clone(),
                    "super::" => own[..own.len() - 1].to_vec(),
                    _ => Vec::new(),
                };
                let mut rest = &self.code[at + start.len()..];
                while let Some(further) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = further;
                }
                tree(&mut rest, &base, &mut paths);
            }
        }
        paths.retain(|path| !path.is_empty());
        paths
    }
}

/// `a::b::{c, d::E}`: every path in it, behind `base`.
fn tree(rest: &mut &str, base: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    loop {
        *rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('{') {
            *rest = inside;
            while !rest.trim_start().starts_with('}') {
                tree(rest, &path, paths);
                *rest = rest.trim_start();
                *rest = rest.strip_prefix(',').unwrap_or(rest);
            }
            *rest = rest.trim_start().strip_prefix('}').unwrap();
            return;
        }
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*')
            .unwrap_or(rest.len());
        let (word, further) = rest.split_at(end);
        *rest = further;
        match word {
            "self" => break,
            "" => panic!("no path: {:.40}", *rest),
            word => path.push(word.to_owned()),
        }
        // `as` and a generic argument are no part of the path.
        let Some(further) = rest
            .strip_prefix("::")
            .filter(|more| !more.starts_with('<'))
        else {
            if let Some(renamed) = rest.strip_prefix(" as ") {
                let end = renamed.find(|c: char| !c.is_alphanumeric() && c != '_');
                *rest = &renamed[end.unwrap_or(renamed.len())..];
            }
            break;
        };
        *rest = further;
    }
    paths.push(path);
}

/// All of src/.
pub fn files() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &src, &mut files);
    assert!(files.len() > 60, "{} files", files.len());
    files
}

fn collect(src: &Path, directory: &Path, files: &mut Vec<File>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(src, &entry, files);
            continue;
        }
        let name = entry.strip_prefix(src).unwrap().with_extension("");
        let name = name.to_str().unwrap();
        let text = fs::read_to_string(&entry).unwrap();
        files.push(File {
            name: name.strip_suffix("/mod").unwrap_or(name).to_owned(),
            code: code(&text),
        });
    }
}

/// What the program is made of: neither comments nor the tests at the end of a file.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    text.lines()
        .map(|line| match line.split_once("//") {
            Some((before, _)) if !before.ends_with(':') => before,
            _ => line,
        })
        .fold(String::new(), |code, line| code + line + "\n")
}

/// The file that a path leads into.
pub fn file_of<'f>(path: &[String], files: &BTreeSet<&'f str>) -> Option<&'f str> {
    let mut lengths = (1..=path.len()).rev();
    lengths.find_map(|length| files.get(path[..length].join("/").as_str()).copied())
}

/// Pairs of files of one room that import each other, over others of it as well. A directory's own
/// `mod.rs` is its door: those inside may ask it, and it asks them.
pub fn circles() -> BTreeSet<(String, String)> {
    let files = files();
    let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let is_door = |name: &str| {
        names
            .iter()
            .any(|other| other.starts_with(&format!("{name}/")))
    };
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in files.iter().filter(|file| !is_door(&file.name)) {
        for path in file.imports() {
            let target = file_of(&path, &names);
            let same_room = |target: &&str| target.split('/').next() == Some(file.room());
            let target = target
                .filter(same_room)
                .filter(|target| *target != file.name && !is_door(target));
            reached.entry(&file.name).or_default().extend(target);
        }
    }
    // Until nothing more is reached.
    loop {
        let before: usize = reached.values().map(BTreeSet::len).sum();
        for name in reached.keys().copied().collect::<Vec<_>>() {
            let further: Vec<&str> = reached[name]
                .iter()
                .filter_map(|next| reached.get(next))
                .flatten()
                .copied()
                .collect();
            reached.get_mut(name).unwrap().extend(further);
        }
        if reached.values().map(BTreeSet::len).sum::<usize>() == before {
            break;
        }
    }
    let mut circles = BTreeSet::new();
    for (one, reaches) in &reached {
        for other in reaches.iter().filter(|other| *one < **other) {
            if reached.get(other).is_some_and(|back| back.contains(one)) {
                circles.insert(((*one).to_owned(), (*other).to_owned()));
            }
        }
    }
    circles
}
