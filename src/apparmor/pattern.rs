//! Path patterns as policy writes them: which names they match (apparmor.d(5), "Globbing").
//!
//! Only read here, to find out what an admin's rules open; ours are exact and need no pattern.

use crate::text::find_byte;

/// A path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What is left when the braces are multiplied out.
    alternatives: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// One byte that stands for itself.
    Byte(u8),
    /// `?`: any byte but a slash.
    One,
    /// `*`: any number of them.
    Name,
    /// `**`: anything.
    Path,
    /// `[…]`: ranges, and whether they are excluded. It can be a slash, unlike the others.
    Class(Vec<(u8, u8)>, bool),
}

/// No honest rule has more; what goes beyond is left out, which can only find too little.
const MOST_ALTERNATIVES: usize = 256;

/// Variables of AppArmor's own tunables that matter for where a rule leads. Any other may be
/// anything.
const VARIABLES: [(&str, &str); 6] = [
    ("HOME", "{/home/*,/root}"),
    ("HOMEDIRS", "/home"),
    ("PROC", "/proc"),
    ("sys", "/sys"),
    ("run", "{,/var}/run"),
    ("pid", "*"),
];

impl Pattern {
    /// Reads a pattern, without the quotes around it.
    pub fn new(text: &str) -> Self {
        let mut alternatives = Vec::new();
        expand(&tokens(with_variables(text).as_bytes()), &mut alternatives);
        Pattern { alternatives }
    }

    /// Whether it matches the whole of `name`.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.alternatives.iter().any(|pieces| matches(pieces, name))
    }

    /// Whether it matches this name and no other.
    pub fn is_exactly(&self, name: &[u8]) -> bool {
        matches!(self.alternatives.as_slice(), [only] if only.len() == name.len()
            && only.iter().zip(name).all(|(piece, byte)| *piece == Piece::Byte(*byte)))
    }

    /// The fixed beginnings of those alternatives whose last part has a wildcard: the directories
    /// that it opens, rather than single files.
    pub fn opened(&self) -> impl Iterator<Item = Vec<u8>> {
        self.alternatives
            .iter()
            .filter(|pieces| {
                let last = pieces.rsplit(|piece| *piece == Piece::Byte(b'/')).next();
                last.is_some_and(|part| part.iter().any(|p| matches!(p, Piece::Name | Piece::Path)))
            })
            .map(|pieces| {
                let fixed = pieces.iter().map_while(|piece| match piece {
                    Piece::Byte(byte) => Some(*byte),
                    _ => None,
                });
                fixed.collect()
            })
    }
}

fn with_variables(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        let known = VARIABLES.iter().find(|(known, _)| *known == name);
        out.push_str(before);
        out.push_str(known.map_or("**", |(_, value)| value));
        rest = after;
    }
    out.push_str(rest);
    // A variable that begins the path ends with a slash of its own in some tunables.
    out.replace("//", "/")
}

/// A piece, or what makes alternatives.
#[derive(Debug, Clone, PartialEq)]
enum PatternToken {
    Piece(Piece),
    Open,
    Comma,
    Close,
}

fn tokens(text: &[u8]) -> Vec<PatternToken> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let piece = match first {
            b'\\' => {
                let (byte, after) = unescape(after);
                rest = after;
                out.push(PatternToken::Piece(Piece::Byte(byte)));
                continue;
            }
            b'{' => PatternToken::Open,
            b',' => PatternToken::Comma,
            b'}' => PatternToken::Close,
            b'?' => PatternToken::Piece(Piece::One),
            b'*' => {
                // All there is between two slashes, or behind the last, stands for at least one
                // byte, and that no slash (convert_aaregex_to_pcre).
                let alone = matches!(rest.iter().find(|byte| **byte != b'*'), None | Some(b'/'));
                if alone && out.last() == Some(&PatternToken::Piece(Piece::Byte(b'/'))) {
                    out.push(PatternToken::Piece(Piece::One));
                }
                if let Some(after) = after.strip_prefix(b"*") {
                    rest = after;
                    out.push(PatternToken::Piece(Piece::Path));
                    continue;
                }
                PatternToken::Piece(Piece::Name)
            }
            b'[' => {
                let end = find_byte(after, b']').unwrap_or(after.len());
                let (inside, after) = after.split_at(end);
                rest = after.strip_prefix(b"]").unwrap_or(after);
                out.push(PatternToken::Piece(class(inside)));
                continue;
            }
            byte => PatternToken::Piece(Piece::Byte(*byte)),
        };
        rest = after;
        out.push(piece);
    }
    out
}

/// Multiplies braces out, the first pair first.
fn expand(tokens: &[PatternToken], out: &mut Vec<Vec<Piece>>) {
    if out.len() >= MOST_ALTERNATIVES {
        return;
    }
    let Some((open, commas, close)) = braces(tokens) else {
        out.push(tokens.iter().map(piece).collect());
        return;
    };
    let part = |from: usize, to: usize| tokens.get(from..to).unwrap_or(&[]);
    let mut from = open + 1;
    for end in commas.into_iter().chain([close]) {
        let whole = [
            part(0, open),
            part(from, end),
            part(close + 1, tokens.len()),
        ]
        .concat();
        expand(&whole, out);
        from = end + 1;
    }
}

/// Outside of a pair of braces these are bytes like others.
fn piece(token: &PatternToken) -> Piece {
    match token {
        PatternToken::Piece(piece) => piece.clone(),
        PatternToken::Open => Piece::Byte(b'{'),
        PatternToken::Comma => Piece::Byte(b','),
        PatternToken::Close => Piece::Byte(b'}'),
    }
}

/// Where the first pair of braces opens, its commas, and where it closes.
fn braces(tokens: &[PatternToken]) -> Option<(usize, Vec<usize>, usize)> {
    let (mut open, mut depth, mut commas) = (0, 0_usize, Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        match token {
            PatternToken::Open => {
                if depth == 0 {
                    open = at;
                }
                depth += 1;
            }
            PatternToken::Close if depth == 1 => return Some((open, commas, at)),
            PatternToken::Close => depth = depth.saturating_sub(1),
            PatternToken::Comma if depth == 1 => commas.push(at),
            PatternToken::Comma | PatternToken::Piece(_) => {}
        }
    }
    None
}

/// The byte after a backslash: three octal digits, or itself.
fn unescape(rest: &[u8]) -> (u8, &[u8]) {
    if let Some((digits, after)) = rest.split_first_chunk::<3>()
        && let Ok(text) = std::str::from_utf8(digits)
        && let Ok(byte) = u8::from_str_radix(text, 8)
    {
        return (byte, after);
    }
    match rest.split_first() {
        Some((byte, after)) => (*byte, after),
        None => (b'\\', rest),
    }
}

fn class(inside: &[u8]) -> Piece {
    let (inside, excluded) = match inside.strip_prefix(b"^") {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    let mut ranges = Vec::new();
    let mut rest = inside;
    while let Some((from, after)) = rest.split_first() {
        match after {
            [b'-', to, after @ ..] => {
                ranges.push((*from, *to));
                rest = after;
            }
            _ => {
                ranges.push((*from, *from));
                rest = after;
            }
        }
    }
    Piece::Class(ranges, excluded)
}

/// Keeps every place of `name` that the pieces so far can lead to, so the time is bounded
/// whatever the pattern is.
fn matches(pieces: &[Piece], name: &[u8]) -> bool {
    let mut places = vec![false; name.len() + 1];
    if let Some(start) = places.first_mut() {
        *start = true;
    }
    for piece in pieces {
        let mut next = vec![false; name.len() + 1];
        let mut running = false;
        for (at, (reached, slot)) in places.iter().zip(next.iter_mut()).enumerate() {
            let before = at.checked_sub(1).and_then(|before| name.get(before));
            match piece {
                Piece::Path => {
                    running |= reached;
                    *slot = running;
                }
                Piece::Name => {
                    running = *reached || (running && before != Some(&b'/'));
                    *slot = running;
                }
                one => {
                    let came = std::mem::replace(&mut running, *reached);
                    *slot = came && before.is_some_and(|byte| takes(one, *byte));
                }
            }
        }
        places = next;
    }
    places.last() == Some(&true)
}

fn takes(piece: &Piece, byte: u8) -> bool {
    match piece {
        Piece::Byte(wanted) => *wanted == byte,
        Piece::One => byte != b'/',
        Piece::Class(ranges, excluded) => {
            let inside = ranges
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&byte));
            inside != *excluded
        }
        Piece::Name | Piece::Path => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_apparmor_does() {
        for (pattern, name, expected) in [
            ("/srv/share/**", "/srv/share/a/b", true),
            ("/srv/share/**", "/srv/share", false),
            ("/srv/share/*", "/srv/share/a", true),
            ("/srv/share/*", "/srv/share/a/b", false),
            ("/srv/share/{,**}", "/srv/share/", true),
            ("/srv/share/{,**}", "/srv/share/a", true),
            ("/{srv,mnt}/{a,b{c,d}}/x", "/mnt/bd/x", true),
            ("/{srv,mnt}/{a,b{c,d}}/x", "/mnt/b/x", false),
            ("/a[0-9x]?", "/a7z", true),
            ("/a[^0-9]?", "/a7z", false),
            ("/a[^0-9]?", "/a/z", true),
            ("/srv/**", "/srv/", false),
            ("/srv/*/x", "/srv//x", false),
            ("/my\\040share/**", "/my share/a", true),
            ("/a\\*", "/ab", false),
            ("@{HOME}/**", "/home/me/x", true),
            ("@{HOME}/**", "/srv/x", false),
            ("@{UNKNOWN}/**", "/srv/x", true),
            ("/srv/**/x", "/srv/a/b/x", true),
            ("**a**a**a**a**a**a**a**b", &"a".repeat(2000), false),
            ("/{", "/{", true),
        ] {
            let matched = Pattern::new(pattern).matches(name.as_bytes());
            assert_eq!(matched, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn knows_what_it_opens() {
        let opened = |text: &str| -> Vec<String> {
            let pattern = Pattern::new(text);
            let opened = pattern.opened();
            opened
                .map(|prefix| String::from_utf8(prefix).unwrap())
                .collect()
        };
        assert_eq!(opened("/{srv,mnt}/a*/**"), ["/srv/a", "/mnt/a"]);
        assert_eq!(opened("/srv/{,**}"), ["/srv/"]);
        assert_eq!(opened("/srv/*/disk.img"), [""; 0]);
        assert!(Pattern::new("/usr/sbin/virt-9p").is_exactly(b"/usr/sbin/virt-9p"));
        assert!(!Pattern::new("/usr/sbin/*").is_exactly(b"/usr/sbin/virt-9p"));
    }

    #[test]
    fn bounded_braces() {
        let pattern = Pattern::new(&"{a,b}".repeat(40));
        assert!(pattern.alternatives.len() <= MOST_ALTERNATIVES);
    }
}
