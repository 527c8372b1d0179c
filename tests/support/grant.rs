//! What a share ought to be allowed, and a search for paths that get something else.
//!
//! The model is a plain comparison of prefixes and knows nothing of patterns or escapes; so it
//! cannot share a mistake with the program under test.

use std::collections::BTreeSet;

use crate::policy::{Owner, Perms, Policy};

/// A directory that a guest was given. The path is the kernel's own name for it: no symlinks, no
/// slash at the end (except for `/` itself).
#[derive(Clone, Debug)]
pub struct Grant {
    pub path: Vec<u8>,
    pub readonly: bool,
}

impl Grant {
    pub fn new(path: impl AsRef<[u8]>, readonly: bool) -> Self {
        let path = path.as_ref().to_vec();
        Self { path, readonly }
    }

    /// The directory as AppArmor sees it: with a slash at the end.
    pub fn directory(&self) -> Vec<u8> {
        let mut directory = self.path.clone();
        if directory != b"/" {
            directory.push(b'/');
        }
        directory
    }

    /// The same letters a native share gets (facts A2.1): the directory can be listed, but only
    /// what is in it can be written.
    fn letters(&self, path: &[u8]) -> &'static str {
        match path.strip_prefix(self.directory().as_slice()) {
            None => "",
            Some([]) => "r",
            Some(_) if self.readonly => "r",
            Some(_) => "rwl",
        }
    }
}

/// What these shares together allow on a path.
pub fn expected(grants: &[Grant], path: &[u8]) -> Perms {
    grants.iter().fold(Perms::none(), |sum, grant| {
        sum.or(Perms::letters(grant.letters(path)))
    })
}

/// What came of a comparison.
#[derive(Default)]
pub struct Verdict {
    pub probes: usize,
    pub failures: Vec<String>,
}

impl Verdict {
    pub fn add(&mut self, other: Self) {
        self.probes += other.probes;
        self.failures.extend(other.failures);
    }

    /// Panic with what is wrong; a few examples are enough.
    pub fn expect_none_wrong(&self, seed: u64) {
        let shown = self.failures.len().min(20);
        assert!(
            self.failures.is_empty(),
            "{} of {} probes wrong (VIRT9P_SEED={seed} repeats them), among them:\n{}",
            self.failures.len(),
            self.probes,
            self.failures[..shown].join("\n")
        );
    }
}

/// Does the policy `with` the block allow what the policy `without` it allows, these shares, and
/// nothing else?
pub fn check(
    with: &Policy,
    without: &Policy,
    grants: &[Grant],
    rng: &mut fastrand::Rng,
) -> Verdict {
    let mut verdict = Verdict::default();
    for grant in grants {
        for path in probes(grant, rng) {
            verdict.probes += 1;
            let want = without.perms(&path).or(expected(grants, &path));
            let have = with.perms(&path);
            if have != want {
                verdict.failures.push(format!(
                    "share {}{}: {} gets {have:?}, not {want:?}",
                    show(&grant.path),
                    if grant.readonly { " (read-only)" } else { "" },
                    show(&path),
                ));
            }
        }
        for (name, target) in links(grant, grants, rng) {
            // Allowed where `l` is, to a file on which at least as much is allowed (facts A2.3).
            let here = without.perms(&name).or(expected(grants, &name));
            let there = without.perms(&target).or(expected(grants, &target));
            let link = Perms::letters("l");
            let want = link.within(here) && here.within(there.or(link));
            for owner in [Owner::Qemu, Owner::Other] {
                if owner == Owner::Other && !want && link.within(here) {
                    // Not this profile's to deny: see `may_link`.
                    continue;
                }
                verdict.probes += 1;
                if with.may_link(&name, &target, owner) != want {
                    verdict.failures.push(format!(
                        "a link {} to {} (owner: {owner:?}) is {}",
                        show(&name),
                        show(&target),
                        if want { "denied" } else { "allowed" },
                    ));
                }
            }
        }
    }
    verdict
}

/// Bytes for a person.
pub fn show(path: &[u8]) -> String {
    let text = path.escape_ascii().to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("\"{}…\" ({} bytes)", &text[..end], path.len()),
        None => format!("\"{text}\""),
    }
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Names in the share, and names near it.
pub fn probes(grant: &Grant, rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let mut probes = inside(grant, rng);
    probes.extend(around(grant, rng));
    probes
}

/// The directory, and names that can be in it.
fn inside(grant: &Grant, rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let directory = grant.directory();
    let names: [&[u8]; 14] = [
        b"",
        b"file",
        b"directory/",
        b"directory/file",
        b"a/b/c/d/e/f/",
        b".hidden",
        b"..data/x",
        b"*",
        b"{a,b}",
        b"two words",
        b"\"",
        b"\\",
        b"\n",
        b"\xff\xfe",
    ];
    let mut paths: Vec<Vec<u8>> = names.iter().map(|name| join(&[&directory, name])).collect();
    for _ in 0..6 {
        let mut path = directory.clone();
        for _ in 0..rng.usize(1..12) {
            path.push(random_byte(rng));
        }
        paths.push(path);
    }
    paths
}

/// Any byte a name can have.
pub fn random_byte(rng: &mut fastrand::Rng) -> u8 {
    loop {
        let byte = rng.u8(1..);
        if byte != b'/' {
            return byte;
        }
    }
}

/// Names near the share that are something else: what a wrong rule would let in.
fn around(grant: &Grant, rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let path = grant.path.as_slice();
    let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
    // Longer, shorter, beside, above.
    for more in [
        &b"x"[..],
        b" ",
        b"*",
        b".",
        b"~",
        b"\\",
        b"\"",
        b"\n",
        b",",
        b"\xff",
        b" (deleted)",
    ] {
        names.insert(join(&[path, more]));
    }
    let mut above = path;
    while let Some(slash) = above.iter().rposition(|byte| *byte == b'/') {
        above = &above[..slash];
        names.insert(above.to_vec());
        names.insert(join(&[above, b"/sibling"]));
    }
    names.insert(path.to_ascii_uppercase());
    names.insert(path.to_ascii_lowercase());
    names.insert(path.trim_ascii().to_vec());
    names.insert(String::from_utf8_lossy(path).into_owned().into_bytes());
    names.extend(misread(path));
    // One byte less, changed, more; every place of a short path, some of a long one.
    let places: Vec<usize> = if path.len() <= 40 {
        (1..path.len()).collect()
    } else {
        (0..24).map(|_| rng.usize(1..path.len())).collect()
    };
    for place in places {
        let (before, after) = (&path[..place], &path[place + 1..]);
        let byte = path[place];
        names.insert(join(&[before, after]));
        names.insert(before.to_vec());
        for other in [
            byte.wrapping_add(1),
            byte.wrapping_sub(1),
            byte ^ 0x20,
            byte ^ 0x80,
            b'*',
            random_byte(rng),
        ] {
            names.insert(join(&[before, &[other], after]));
        }
        names.insert(join(&[before, &[random_byte(rng), byte], after]));
        names.insert(join(&[before, &[byte, byte], after]));
    }
    let mut probes = vec![path.to_vec()];
    for name in names {
        for below in [&b""[..], b"/", b"/file", b"/directory/file"] {
            probes.push(join(&[&name, below]));
        }
    }
    // The kernel has no such names, and rules for them mean nothing.
    probes.retain(|path| {
        path.starts_with(b"/") && !path.contains(&0) && !path.windows(2).any(|two| two == b"//")
    });
    probes
}

/// What the path would also match, or match instead, if some of its bytes were taken for syntax.
fn misread(path: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    // Patterns.
    for stars in [&b""[..], b"zz", b"z/z"] {
        let mut name = Vec::new();
        for byte in path {
            match byte {
                b'*' => name.extend_from_slice(stars),
                b'?' => name.push(b'z'),
                byte => name.push(*byte),
            }
        }
        names.push(name);
    }
    names.push(replace(path, b"**", b"z"));
    names.push(replace(path, b"?", b""));
    // Classes: any byte of them, a byte between two of them, the ends.
    if let Some((before, class, after)) = bracketed(path, b'[', b']') {
        for byte in class.iter().chain(b"bz") {
            names.push(join(&[before, &[*byte], after]));
        }
    }
    // Alternatives, and variables: the home directory is one that is always declared.
    if let Some((before, inner, after)) = bracketed(path, b'{', b'}') {
        for choice in inner.split(|byte| *byte == b',') {
            names.push(join(&[before, choice, after]));
        }
        names.push(join(&[before, inner, after]));
        for value in [&b"/home/u"[..], b"/root", b"/proc", b"/run"] {
            names.push(join(&[
                before.strip_suffix(b"@").unwrap_or(before),
                value,
                after,
            ]));
            names.push(join(&[value, after]));
        }
    }
    // Escapes: the next byte literally, or what C would make of it.
    names.push(replace(path, b"\\", b""));
    for (text, meaning) in [
        (&b"\\n"[..], &b"\n"[..]),
        (b"\\t", b"\t"),
        (b"\\a", b"\x07"),
        (b"\\040", b" "),
        (b"\\x20", b" "),
        (b"\\d032", b" "),
        (b"\\*", b"*"),
        (b"\\\\", b"\\"),
        (b" ", b"\\040"),
        (b"*", b"\\052"),
        (b"&lt;", b"<"),
        (b"&#10;", b"\n"),
        (b",,", b","),
        (b"%20", b" "),
        (b"^", b""),
        (b"\"", b""),
        (b" (deleted)", b""),
    ] {
        names.push(replace(path, text, meaning));
    }
    // Ends of words and of lines.
    for (at, byte) in path.iter().enumerate() {
        if b" \t\n\r\"#,;'".contains(byte) {
            names.push(path[..at].to_vec());
        }
    }
    names.retain(|name| name != path);
    names
}

fn bracketed(path: &[u8], open: u8, close: u8) -> Option<(&[u8], &[u8], &[u8])> {
    let from = path.iter().position(|byte| *byte == open)?;
    let to = path.iter().rposition(|byte| *byte == close)?;
    (from < to).then(|| (&path[..from], &path[from + 1..to], &path[to + 1..]))
}

fn replace(path: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(what) {
            out.extend_from_slice(by);
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

/// Hard links from this share to itself, to another, and to what no share has.
fn links(grant: &Grant, grants: &[Grant], rng: &mut fastrand::Rng) -> Vec<(Vec<u8>, Vec<u8>)> {
    let name = join(&[&grant.directory(), b"new"]);
    let mut targets = vec![
        join(&[&grant.directory(), b"old"]),
        b"/etc/shadow".to_vec(),
        b"/not-shared/file".to_vec(),
    ];
    if let Some(other) = rng.choice(grants) {
        targets.push(join(&[&other.directory(), b"old"]));
    }
    targets
        .into_iter()
        .map(|target| (name.clone(), target))
        .collect()
}
