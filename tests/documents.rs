//! The documents are about this code: what a comment cites is written down, imports go the way
//! that docs/architecture.md says, and a transcript in the README is what the program prints.
//!
//! `VIRT9P_BLESS=1` writes these transcripts anew.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[path = "support/citations.rs"]
mod citations;
#[path = "support/imports.rs"]
mod imports;
#[path = "support/transcripts.rs"]
mod transcripts;

use citations::{Citation, Fact};
use imports::Room;

/// A file of the repository.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn facts() -> Vec<Fact> {
    let facts = citations::facts(&read("docs/facts.md"));
    assert!(facts.len() > 80, "{} facts", facts.len());
    facts
}

fn all_citations() -> Vec<Citation> {
    let all = citations::in_repository();
    assert!(all.len() > 40, "{} citations", all.len());
    all
}

#[test]
fn what_is_cited_is_written_down() {
    let mut known: BTreeSet<String> = facts().into_iter().map(|fact| fact.id).collect();
    known.extend(citations::sections(&read("docs/facts.md")));
    known.extend(citations::decisions(&read("docs/architecture.md")));
    let lost: Vec<String> = all_citations()
        .into_iter()
        .filter(|citation| !known.contains(&citation.id))
        .map(|citation| format!("{}: {}", citation.file, citation.id))
        .collect();
    assert!(
        lost.is_empty(),
        "neither docs/facts.md nor a decision of docs/architecture.md: {lost:#?}"
    );
}

#[test]
fn every_fact_has_a_source_and_a_use() {
    let cited: BTreeSet<String> = all_citations().into_iter().map(|c| c.id).collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for fact in facts() {
        if !fact.text.contains("Source:") && !fact.text.contains("Seen:") {
            wrong.push(format!("{} names no source", fact.id));
        }
        let section = fact.id.split('.').next().unwrap();
        let used = cited.contains(&fact.id) || cited.contains(section);
        if !used && !fact.text.contains("(background)") {
            wrong.push(format!(
                "{} is cited nowhere, and not marked (background)",
                fact.id
            ));
        }
        if !seen.insert(fact.id.clone()) {
            wrong.push(format!("{} is there twice", fact.id));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn rooms() -> Vec<Room> {
    let rooms = imports::rooms(&read("docs/architecture.md"));
    assert!(rooms.len() > 10, "{} rooms", rooms.len());
    rooms
}

#[test]
fn the_table_of_rooms_has_no_way_back_up() {
    let mut above = BTreeSet::new();
    for room in rooms() {
        for known in &room.knows {
            assert!(
                above.contains(known),
                "`{}` may know `{known}`, which is not above it in the table",
                room.name
            );
        }
        above.insert(room.name);
    }
    let there: BTreeSet<String> = imports::files()
        .into_iter()
        .map(|file| file.room().to_owned())
        .filter(|room| room != "lib")
        .collect();
    assert_eq!(above, there, "the table and src/ have not the same rooms");
}

#[test]
fn imports_go_the_way_of_the_table() {
    let knows: BTreeMap<String, Vec<String>> = rooms()
        .into_iter()
        .map(|room| (room.name, room.knows))
        .collect();
    let mut wrong = BTreeSet::new();
    let mut seen = 0;
    for file in imports::files() {
        for path in file.imports() {
            let (from, to) = (file.room(), path[0].as_str());
            if from == to || from == "lib" || !knows.contains_key(to) {
                continue;
            }
            seen += 1;
            if !knows[from].contains(&path[0]) {
                wrong.insert(format!("src/{}.rs imports {}", file.name, path.join("::")));
            }
        }
    }
    assert!(seen > 200, "{seen} imports");
    assert!(
        wrong.is_empty(),
        "docs/architecture.md does not let it: {wrong:#?}"
    );
}

#[test]
fn files_of_a_room_import_each_other_one_way() {
    let circles = imports::circles();
    assert!(circles.is_empty(), "a circle: {circles:?}");
}

#[test]
fn effects_are_where_the_table_says() {
    let rooms = rooms();
    let reaches_out = |file: &str| {
        let room = file.split('/').next().unwrap();
        let room = rooms.iter().find(|other| other.name == room);
        room.is_some_and(|room| room.reaches_out(file))
    };
    let files = imports::files();
    let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let mut wrong = Vec::new();
    let mut pure = 0;
    for file in files.iter().filter(|file| !reaches_out(&file.name)) {
        pure += 1;
        for word in imports::EFFECTS {
            if file.code.contains(word) {
                wrong.push(format!("src/{}.rs uses {word}", file.name));
            }
        }
        for path in file.imports() {
            let target = imports::file_of(&path, &names).unwrap_or_default();
            let is_type = path.last().unwrap().starts_with(char::is_uppercase);
            if reaches_out(target) && !is_type {
                wrong.push(format!("src/{}.rs imports {}", file.name, path.join("::")));
            }
        }
    }
    assert!(pure > 50, "{pure} files");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn transcripts_are_what_the_program_prints() {
    let readme = read("README.md");
    let blocks = transcripts::checked(&readme);
    assert!(blocks.len() >= 3, "{} transcripts", blocks.len());
    let mut blessed = readme.clone();
    for block in &blocks {
        blessed = blessed.replace(block, &transcripts::run(block));
    }
    if std::env::var_os("VIRT9P_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        fs::write(path, &blessed).unwrap();
        return;
    }
    let differs = readme.lines().zip(blessed.lines()).find(|(a, b)| a != b);
    assert!(
        readme == blessed,
        "the README is not what comes out (VIRT9P_BLESS=1 writes it): {differs:#?}"
    );
}

#[test]
fn other_blocks_show_commands_only() {
    for (name, text) in [
        ("README.md", read("README.md")),
        ("CONTRIBUTING.md", read("CONTRIBUTING.md")),
        ("docs/packaging.md", read("docs/packaging.md")),
    ] {
        for line in transcripts::unchecked(&text) {
            assert!(
                line.starts_with("$ ") || line.starts_with("# "),
                "{name} shows output that no test compares: {line}"
            );
        }
    }
}

/// What people read, but for SECURITY.md, whose table is all of it.
const DOCUMENTS: [&str; 7] = [
    "README.md",
    "benches/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/facts.md",
    "docs/packaging.md",
];

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for name in DOCUMENTS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(name)
            .parent()
            .unwrap()
            .to_owned();
        for rest in read(name).split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            assert!(directory.join(target).exists(), "{name}: {target}");
            links += 1;
        }
    }
    assert!(links >= 8, "{links} links");
}

#[test]
fn no_line_is_too_long() {
    for name in DOCUMENTS {
        for (number, line) in read(name).lines().enumerate() {
            // Rows of a table cannot be broken.
            let free = line.starts_with('|');
            let width = line.chars().count();
            assert!(
                free || width <= 100,
                "{name}:{}: {width} columns",
                number + 1
            );
        }
    }
}

/// Names of tests, files and scenarios in the second column of SECURITY.md's claims.
#[test]
fn the_tests_beside_the_claims_are_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions = BTreeSet::new();
    for directory in ["src", "tests"] {
        citations::walk(&top.join(directory), &mut |path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let names = text.split("fn ").skip(1);
            let names = names.filter_map(|rest| rest.split(['(', '<']).next());
            functions.extend(names.map(str::to_owned));
        });
    }
    let is_there = |place: &str| {
        let (directory, name) = place.rsplit_once('/').unwrap();
        let stem = name.trim_end_matches('*');
        let mut entries = fs::read_dir(top.join(directory)).into_iter().flatten();
        entries.any(|entry| {
            let entry = entry.unwrap().file_name().to_string_lossy().into_owned();
            match name.ends_with('*') {
                true => entry.starts_with(stem),
                false => entry == name || entry == format!("{name}.rs"),
            }
        })
    };
    let security = read("SECURITY.md");
    let (_, claims) = security.split_once("## Claims").unwrap();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for row in claims.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.split('|').nth(2).unwrap().trim();
        for part in cell.split(';') {
            let part = part.replace('`', "");
            // What kind of name it is stands in front, where it is no test.
            let words: Vec<&str> = part
                .split([' ', ',', ':'])
                .filter(|w| !w.is_empty())
                .collect();
            let kind = words.first().copied().unwrap_or_default();
            for name in &words {
                let known = match kind {
                    "scenario" | "scenarios" if name.contains('-') => {
                        is_there(&format!("tests/scenarios/{name}"))
                    }
                    "fuzz" if !matches!(*name, "fuzz" | "target" | "targets") => {
                        is_there(&format!("fuzz/fuzz_targets/{name}"))
                    }
                    // A test of this name, or a file of tests.
                    _ if name.contains('_') && !name.contains(['/', '=']) => {
                        functions.contains(*name)
                            || is_there(&format!("tests/{name}"))
                            || *name == "unsafe_code"
                    }
                    _ => continue,
                };
                looked_at += 1;
                if !known {
                    wrong.push(format!("{name}, for: {}", row.split('|').nth(1).unwrap()));
                }
            }
        }
    }
    assert!(looked_at > 30, "{looked_at} names");
    assert!(wrong.is_empty(), "not there: {wrong:#?}");
}

/// What the package puts somewhere, the page for packagers says.
#[test]
fn the_page_for_packagers_knows_every_file() {
    let page = read("docs/packaging.md");
    let rules = read("packaging/debian/rules");
    let installed = rules.lines().filter(|line| line.contains("install -D"));
    let mut files = 0;
    for line in installed {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mode = words[words.len() - 3];
        let to = words[words.len() - 1].trim_start_matches("debian/virt-9p");
        let directory = to.rsplit_once('/').unwrap().0;
        let row = page.lines().find(|row| {
            row.starts_with('|')
                && (row.contains(&format!("`{to}`")) || row.contains(&format!("`{directory}/`")))
        });
        let row = row.unwrap_or_else(|| panic!("docs/packaging.md lacks {to}"));
        assert!(row.contains(mode), "{to} has mode {mode}: {row}");
        files += 1;
    }
    assert!(files >= 6, "{files} files");
}
