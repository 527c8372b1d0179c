//! Broken XML: what `check` calls broken, libxml2 does not read, and the other way round; and the
//! line is the one that libxml2 names, or the one where what is open there was opened.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;

use virt_9p::domain::{Document, Fault, Origin};

/// What libxml2 reads and we do not, and why.
const OURS_ALONE: [&str; 5] = [
    "the root element is",
    "DOCTYPE with declarations",
    "declares the encoding",
    "is not UTF-8",
    "it is UTF-16",
];

/// The first error that xmllint finds in each file: its line and what it says. Undeclared prefixes
/// are errors to it and none to libvirt, which reads on.
fn xmllint(files: &[PathBuf]) -> BTreeMap<PathBuf, (usize, String)> {
    let output = Command::new("xmllint").arg("--noout").args(files).output();
    let output = output.expect("xmllint, of the package libxml2-utils");
    let mut first = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let Some((place, said)) = line
            .split_once(" : ")
            .filter(|_| line.contains(" error : "))
        else {
            continue;
        };
        let mut place = place.split(':');
        let (Some(file), Some(Ok(line)), Some(kind)) =
            (place.next(), place.next().map(str::parse), place.next())
        else {
            continue;
        };
        if !kind.contains("namespace") {
            first.entry(file.into()).or_insert((line, said.to_owned()));
        }
    }
    first
}

/// Whether the lines agree: ours, or the related one, is xmllint's; or ours is where something was
/// opened whose end xmllint looked for further down.
fn agrees(document: &Document, fault: &Fault, theirs: usize) -> bool {
    let lines = document.lines();
    let number = |span: virt_9p::text::Span| lines.position(span.start).0;
    let Some(ours) = fault.span.map(number) else {
        return true;
    };
    let related = fault.related.as_ref().map(|(span, _)| number(*span));
    let open = [
        "not closed",
        "has no `>`",
        "has no value",
        "closes no element",
        "declaration is not",
        "the XML ends before",
    ];
    ours == theirs
        || related == Some(theirs)
        || ours < theirs && open.iter().any(|words| fault.message.contains(words))
}

/// Compares one file; whether it is broken.
fn compare(name: &str, content: &[u8], theirs: Option<&(usize, String)>) -> bool {
    let document = Document::new(content.to_vec());
    let ours = document.domain(Origin::File).err();
    match (&ours, theirs) {
        (None, None) => {}
        // Where the encoding is none, we may find something else before it.
        (Some(_), Some((_, said))) if said.starts_with("Unsupported encoding") => {}
        (Some(fault), Some((line, said))) => assert!(
            agrees(&document, fault, *line),
            "{name}: xmllint says {said:?} in line {line}, and we {}\n{}",
            document.tell(fault),
            document.text()
        ),
        (Some(fault), None) => assert!(
            OURS_ALONE.iter().any(|words| fault.message.contains(words)),
            "{name}: xmllint reads it, and we say {}\n{}",
            document.tell(fault),
            document.text()
        ),
        (None, Some((line, said))) => panic!(
            "{name}: xmllint says {said:?} in line {line}, and we read it\n{}",
            document.text()
        ),
    }
    ours.is_some()
}

#[test]
fn every_broken_file_of_the_scenario_is_broken_where_xmllint_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/broken-xml");
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|e| e == "xml"))
        .collect();
    files.sort();
    let theirs = xmllint(&files);
    assert!(
        files.len() >= 30 && theirs.len() >= 30,
        "{} of {}",
        theirs.len(),
        files.len()
    );
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(
            compare(&name, &fs::read(file).unwrap(), theirs.get(file)),
            "{name} is not broken"
        );
    }
}

/// What is put into a domain, or in the place of something in it.
const PIECES: [&str; 40] = [
    "<",
    ">",
    "/",
    "'",
    "\"",
    "&",
    "&amp;",
    ";",
    "=",
    "--",
    "-->",
    "<!--",
    "]]>",
    "<![CDATA[",
    " ",
    "\n",
    "\t",
    "\u{1}",
    "é",
    "x",
    "</",
    "/>",
    "<a>",
    "</a>",
    "<?xml version='1.0'?>",
    "?>",
    "&#0;",
    "&#xD800;",
    "&nbsp;",
    "a='1' ",
    "\u{fffe}",
    "1",
    "-",
    ".",
    ":",
    "!",
    "[",
    "<?",
    "&#65",
    "é=''",
];

fn mutated(domain: &str, random: &mut Rng) -> String {
    let mut chars: Vec<char> = domain.chars().collect();
    let changes = if random.usize(..4) == 0 { 2 } else { 1 };
    for _ in 0..changes {
        let at = random.usize(..=chars.len());
        let rest = chars.len() - at;
        let (gone, piece) = match random.usize(..5) {
            0 => (1, ""),
            1 => (0, PIECES[random.usize(..PIECES.len())]),
            2 => (random.usize(..12), PIECES[random.usize(..PIECES.len())]),
            3 => (random.usize(..40), ""),
            _ if random.usize(..3) == 0 => (rest, ""),
            _ => (random.usize(..200), ""),
        };
        chars.splice(at..at + gone.min(rest), piece.chars());
    }
    chars.into_iter().collect()
}

#[test]
fn broken_at_random_it_is_read_as_xmllint_reads_it() {
    const EACH: usize = 1000;
    let domain = include_str!("sample/domain.xml").replace(
        "<vcpu>2</vcpu>",
        "<vcpu>2</vcpu>\n  <title>it's &lt;fine&gt; &#65; <![CDATA[<&]]> é</title>\n  <?pi some?>",
    );
    let domain = format!("<?xml version='1.0' encoding='UTF-8'?>\n<!-- a comment -->\n{domain}");
    let directory = tempfile::tempdir().unwrap();
    let mut broken = 0;
    for seed in [1, 2, 3] {
        let mut random = Rng::with_seed(seed);
        let texts: Vec<String> = (0..EACH).map(|_| mutated(&domain, &mut random)).collect();
        let files: Vec<PathBuf> = (0..EACH)
            .map(|n| directory.path().join(format!("{n}.xml")))
            .collect();
        for (file, text) in files.iter().zip(&texts) {
            fs::write(file, text).unwrap();
        }
        let theirs = xmllint(&files);
        for (file, text) in files.iter().zip(&texts) {
            broken += usize::from(compare(
                &format!("seed {seed}"),
                text.as_bytes(),
                theirs.get(file),
            ));
        }
    }
    assert!((EACH..3 * EACH - 300).contains(&broken), "{broken} broken");
}
