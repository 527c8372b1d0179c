//! What a profile grants, asked of the real `apparmor_parser` instead of read from its text.
//!
//! The parser compiles the profile; this module reads the binary policy it would hand to the
//! kernel and walks its automaton the way the kernel does. So "which permissions does this byte
//! string get" is answered without an AppArmor kernel, and by nobody's opinion of what a rule
//! means (facts A0.2). The names below follow the kernel's `security/apparmor/`:
//! `policy_unpack.c` (the serialised form), `match.c` (the automaton), `file.c` (permissions).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};

// ---------------------------------------------------------------------------------------------
// Compiling

/// Where the parser learns which kernel it compiles for. Without `-M`, on a kernel that has no
/// AppArmor, it compiles for an ancient one and the policy means something else (facts A0.1).
const FEATURES: [&str; 2] = [
    "/usr/share/apparmor-features/features",
    "/etc/apparmor.d/abi/3.0",
];

/// The start of a guest waits for the parser: what takes it this many seconds (of the processor, so
/// that a busy machine does not matter) is as bad as what it refuses.
const WITH_A_LIMIT: &str = r#"ulimit -t 120; exec apparmor_parser "$@""#;

/// The feature files that exist here, best first.
pub fn feature_files() -> Vec<PathBuf> {
    FEATURES
        .iter()
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .collect()
}

/// `apparmor_parser` with the abstractions of this host and `.files` includes that are empty, as
/// they are for a domain without disks.
pub struct Parser {
    features: PathBuf,
    base: tempfile::TempDir,
}

impl Parser {
    pub fn new() -> Self {
        let features = feature_files();
        let features = features.first().expect("one of the feature files");
        Self::with_features(features)
    }

    pub fn with_features(features: &Path) -> Self {
        let base = tempfile::tempdir().expect("a directory for includes");
        std::fs::create_dir(base.path().join("libvirt")).expect("a directory for .files");
        Self {
            features: features.to_path_buf(),
            base,
        }
    }

    /// Compile one profile as libvirt would load it, and read what came out.
    pub fn compile(&self, profile: &[u8]) -> Result<Policy> {
        Policy::read(&self.compile_to_binary(profile)?)
    }

    fn compile_to_binary(&self, profile: &[u8]) -> Result<Vec<u8>> {
        self.create_dot_files(profile)?;
        let file = self.base.path().join("profile");
        std::fs::write(&file, profile)?;
        let output = Command::new("sh")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["-c", WITH_A_LIMIT, "sh"])
            // Do not load, ignore the cache, do not write it; the policy goes to standard output.
            .args(["-Q", "-K", "-T", "-S", "-M"])
            .arg(&self.features)
            .arg("-I")
            .arg(self.base.path())
            .arg(&file)
            .output()
            .context("apparmor_parser cannot be run")?;
        ensure!(
            output.status.success(),
            "apparmor_parser: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        Ok(output.stdout)
    }

    /// virt-aa-helper writes `libvirt-UUID.files` before the parser runs; a missing one would be
    /// an error of its own.
    fn create_dot_files(&self, profile: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(profile);
        for line in text.lines().filter(|line| line.contains("include")) {
            let name = line
                .split_once("<libvirt/")
                .and_then(|(_, rest)| rest.split_once('>'))
                .map(|(name, _)| name)
                .filter(|name| name.ends_with(".files") && !name.contains('/'));
            if let Some(name) = name {
                std::fs::write(self.base.path().join("libvirt").join(name), "")?;
            }
        }
        Ok(())
    }
}

// ---------------------------------------------------------------------------------------------
// The serialised form (policy_unpack.c)

/// One value of the stream. Numbers are little-endian; a name goes before the value it belongs to.
enum Value<'a> {
    Number(u64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
    Members(Vec<(String, Value<'a>)>),
}

struct Stream<'a> {
    data: &'a [u8],
    at: usize,
}

const CODE_U8: u8 = 0;
const CODE_U16: u8 = 1;
const CODE_U32: u8 = 2;
const CODE_U64: u8 = 3;
const CODE_NAME: u8 = 4;
const CODE_STRING: u8 = 5;
const CODE_BLOB: u8 = 6;
const CODE_STRUCT: u8 = 7;
const CODE_STRUCT_END: u8 = 8;
const CODE_LIST: u8 = 9;
const CODE_LIST_END: u8 = 10;
const CODE_ARRAY: u8 = 11;
const CODE_ARRAY_END: u8 = 12;

impl<'a> Stream<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let bytes = self
            .data
            .get(self.at..self.at + count)
            .ok_or_else(|| anyhow!("the stream ends at {} + {count}", self.at))?;
        self.at += count;
        Ok(bytes)
    }

    fn number(&mut self, width: usize) -> Result<u64> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// The values up to the end code (or the end of the stream), with their names.
    fn members(&mut self, end: Option<u8>) -> Result<Vec<(String, Value<'a>)>> {
        let mut members = Vec::new();
        let mut name = String::new();
        loop {
            if self.at == self.data.len() && end.is_none() {
                return Ok(members);
            }
            let code = self.take(1)?[0];
            if Some(code) == end {
                return Ok(members);
            }
            let value = match code {
                CODE_NAME => {
                    let length = self.number(2)? as usize;
                    let text = self.take(length)?;
                    let text = text.strip_suffix(&[0]).unwrap_or(text);
                    name = String::from_utf8_lossy(text).into_owned();
                    continue;
                }
                CODE_U8 => Value::Number(self.number(1)?),
                CODE_U16 => Value::Number(self.number(2)?),
                CODE_U32 => Value::Number(self.number(4)?),
                CODE_U64 => Value::Number(self.number(8)?),
                CODE_STRING => {
                    let length = self.number(2)? as usize;
                    let text = self.take(length)?;
                    Value::Text(text.strip_suffix(&[0]).unwrap_or(text))
                }
                CODE_BLOB => Value::Blob(self.aligned_blob()?),
                CODE_STRUCT => Value::Members(self.members(Some(CODE_STRUCT_END))?),
                CODE_LIST => Value::Members(self.members(Some(CODE_LIST_END))?),
                CODE_ARRAY => {
                    self.number(2)?;
                    Value::Members(self.members(Some(CODE_ARRAY_END))?)
                }
                other => bail!("unknown code {other} at {}", self.at - 1),
            };
            members.push((std::mem::take(&mut name), value));
        }
    }

    /// A blob is padded in front, so that its contents begin at a multiple of eight in the stream.
    fn aligned_blob(&mut self) -> Result<&'a [u8]> {
        let size = self.number(4)? as usize;
        let padding = self.at.next_multiple_of(8) - self.at;
        let bytes = self.take(size)?;
        bytes
            .get(padding..)
            .ok_or_else(|| anyhow!("a blob smaller than its padding"))
    }
}

/// The first value of a profile; a child profile has its parent's name and `//` before its own.
fn profile_name(members: &[(String, Value<'_>)]) -> Result<String> {
    match members.first() {
        Some((_, Value::Text(name))) => Ok(String::from_utf8_lossy(name).into_owned()),
        _ => bail!("a profile without a name"),
    }
}

fn member<'v, 'a>(members: &'v [(String, Value<'a>)], name: &str) -> Option<&'v Value<'a>> {
    members.iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

// ---------------------------------------------------------------------------------------------
// The automaton (match.c)

const DFA_MAGIC: u32 = 0x1B5E_783D;
const TABLE_ACCEPT: u16 = 1;
const TABLE_BASE: u16 = 2;
const TABLE_CHECK: u16 = 3;
const TABLE_DEFAULT: u16 = 4;
const TABLE_CLASSES: u16 = 5;
const TABLE_ACCEPT2: u16 = 7;
const TABLE_NEXT: u16 = 8;
/// Only the differences to the default state are stored: a miss goes on from there.
const DIFF_ENCODED: u32 = 0x8000_0000;
/// The index proper; above it are flags, of which only the one above is met here.
const BASE_INDEX: u32 = 0x00ff_ffff;
const OUT_OF_BAND: u32 = 0x2000_0000;

struct Dfa {
    accept: Vec<u32>,
    accept2: Vec<u32>,
    base: Vec<u32>,
    default: Vec<u32>,
    next: Vec<u32>,
    check: Vec<u32>,
    classes: Option<Vec<u32>>,
}

/// A number of the automaton: big-endian, unlike the stream around it.
fn big_endian(bytes: &[u8], at: usize, width: usize) -> Result<u32> {
    let bytes = bytes
        .get(at..at + width)
        .ok_or_else(|| anyhow!("the automaton ends at {at}"))?;
    Ok(bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

impl Dfa {
    fn read(blob: &[u8]) -> Result<Self> {
        ensure!(big_endian(blob, 0, 4)? == DFA_MAGIC, "no automaton here");
        let mut at = big_endian(blob, 4, 4)? as usize;
        let end = big_endian(blob, 8, 4)? as usize;
        let mut tables = BTreeMap::new();
        while at < end {
            let id = big_endian(blob, at, 2)? as u16;
            // The flag is the width of an entry in bytes.
            let width = big_endian(blob, at + 2, 2)? as usize;
            ensure!(matches!(width, 1 | 2 | 4), "a table of width {width}");
            ensure!(
                big_endian(blob, at + 4, 4)? == 0,
                "a table of two dimensions"
            );
            let length = big_endian(blob, at + 8, 4)? as usize;
            let entries: Result<Vec<u32>> = (0..length)
                .map(|n| big_endian(blob, at + 12 + n * width, width))
                .collect();
            tables.insert(id, entries?);
            at = (at + 12 + length * width).next_multiple_of(8);
        }
        let mut table = |id| tables.remove(&id).ok_or_else(|| anyhow!("no table {id}"));
        let mut dfa = Self {
            accept: table(TABLE_ACCEPT)?,
            accept2: table(TABLE_ACCEPT2).unwrap_or_default(),
            base: table(TABLE_BASE)?,
            default: table(TABLE_DEFAULT)?,
            next: table(TABLE_NEXT)?,
            check: table(TABLE_CHECK)?,
            classes: table(TABLE_CLASSES).ok(),
        };
        let states = dfa.base.len();
        dfa.accept2.resize(states, 0);
        ensure!(
            dfa.accept.len() == states
                && dfa.default.len() == states
                && dfa.next.len() == dfa.check.len(),
            "tables of different lengths"
        );
        ensure!(
            dfa.base.iter().all(|base| base & OUT_OF_BAND == 0),
            "out-of-band transitions are not modelled here"
        );
        Ok(dfa)
    }

    /// One byte on (`match_char`).
    fn step(&self, mut state: usize, byte: u8) -> usize {
        let class = match &self.classes {
            Some(classes) => classes[usize::from(byte)] as usize,
            None => usize::from(byte),
        };
        loop {
            let base = self.base[state];
            let entry = (base & BASE_INDEX) as usize + class;
            if self.check[entry] as usize == state {
                return self.next[entry] as usize;
            }
            state = self.default[state] as usize;
            if base & DIFF_ENCODED == 0 {
                return state;
            }
        }
    }

    fn walk(&self, start: usize, bytes: &[u8]) -> usize {
        bytes
            .iter()
            .fold(start, |state, byte| self.step(state, *byte))
    }
}

// ---------------------------------------------------------------------------------------------
// Permissions (file.c)

/// The start state of an automaton, unless the stream names another (`DFA_START`).
const START: usize = 1;
/// The byte that leads from the start of the policy automaton to the rules for files.
const CLASS_FILE: u8 = 2;

const MAY_WRITE: u32 = 0x2;
const MAY_READ: u32 = 0x4;
const MAY_CREATE: u32 = 0x10;
const MAY_DELETE: u32 = 0x20;
const MAY_OPEN: u32 = 0x40;
const MAY_SETATTR: u32 = 0x100;
const MAY_GETATTR: u32 = 0x200;
const MAY_CHMOD: u32 = 0x1000;
const MAY_CHOWN: u32 = 0x2000;
const MAY_LOCK: u32 = 0x8000;
const MAY_MMAP_EXEC: u32 = 0x1_0000;
const MAY_LINK: u32 = 0x4_0000;
/// Two meanings of one bit; which one it is, its place in a link pair decides.
const LINK_SUBSET: u32 = MAY_LOCK;

/// `map_old_perms`: from the seven bits of the compiled policy to what the kernel's hooks ask for.
fn map_old_perms(old: u32) -> u32 {
    // x, w, r and a are the same bits on both sides.
    let mut new = old & 0xf;
    if old & MAY_READ != 0 {
        new |= MAY_GETATTR | MAY_OPEN;
    }
    if old & MAY_WRITE != 0 {
        new |= MAY_SETATTR | MAY_CREATE | MAY_DELETE | MAY_CHMOD | MAY_CHOWN | MAY_OPEN;
    }
    if old & 0x10 != 0 {
        new |= MAY_LINK;
    }
    if old & 0x20 != 0 {
        new |= MAY_LOCK;
    }
    if old & 0x40 != 0 {
        new |= MAY_MMAP_EXEC;
    }
    new
}

/// What one path gets: the file's owner and everybody else are told apart, as the policy does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Perms {
    owner: u32,
    other: u32,
    /// How an exec leaves the profile, and what is audited or kept quiet: nothing a share changes.
    exec_index: u32,
    audit: u32,
}

impl Perms {
    /// What rules with these letters grant; `r`, `w`, `a`, `k`, `l` and `m` are known.
    pub fn letters(letters: &str) -> Self {
        let old = letters.chars().fold(0, |bits, letter| {
            bits | match letter {
                'r' => 0x4,
                // The parser adds append, so that O_APPEND works where write does.
                'w' => 0x2 | 0x8,
                'a' => 0x8,
                'l' => 0x10,
                'k' => 0x20,
                'm' => 0x40,
                other => panic!("no letter for rules of shares: {other}"),
            }
        });
        Self::from_accept(old | old << 14, 0)
    }

    /// What a path without any rule gets: only stat, which is always allowed.
    pub fn none() -> Self {
        Self::letters("")
    }

    /// `aa_compute_fperms`. Bits 0-6 are the owner's, 14-20 everybody else's; the seven bits above
    /// each say how an exec goes on.
    fn from_accept(accept: u32, accept2: u32) -> Self {
        Self {
            owner: map_old_perms(accept & 0x7f) | MAY_GETATTR,
            other: map_old_perms(accept >> 14 & 0x7f) | MAY_GETATTR,
            exec_index: accept & (0x3f80 | 0x3f80 << 14 | 0xc000_0000),
            audit: accept2,
        }
    }

    /// Both together: rules add up.
    pub fn or(self, more: Self) -> Self {
        Self {
            owner: self.owner | more.owner,
            other: self.other | more.other,
            exec_index: self.exec_index | more.exec_index,
            audit: self.audit | more.audit,
        }
    }

    /// Does the other allow all of this?
    pub fn within(self, other: Self) -> bool {
        self.or(other) == other
    }
}

/// The letters of a rule; where owner and others differ, both.
impl fmt::Debug for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = |bits: u32| {
            let known = [
                (MAY_READ, 'r'),
                (MAY_WRITE, 'w'),
                (0x8, 'a'),
                (MAY_LINK, 'l'),
                (MAY_LOCK, 'k'),
                (MAY_MMAP_EXEC, 'm'),
                (0x1, 'x'),
            ];
            let text: String = known
                .iter()
                .filter(|(bit, _)| bits & bit != 0)
                .map(|(_, letter)| letter)
                .collect();
            if text.is_empty() {
                "nothing".to_owned()
            } else {
                text
            }
        };
        write!(f, "{}", letters(self.other))?;
        if self.owner != self.other {
            write!(f, " (its owner: {})", letters(self.owner))?;
        }
        if self.exec_index != 0 || self.audit != 0 {
            write!(f, " (exec {:#x}, audit {:#x})", self.exec_index, self.audit)?;
        }
        Ok(())
    }
}

/// A compiled profile.
pub struct Policy {
    name: String,
    dfa: Dfa,
    start: usize,
}

impl Policy {
    fn read(binary: &[u8]) -> Result<Self> {
        let mut stream = Stream {
            data: binary,
            at: 0,
        };
        let top = stream.members(None)?;
        let mut profiles = top.iter().filter_map(|(name, value)| match value {
            Value::Members(members) if name == "profile" => Some(members),
            _ => None,
        });
        let profile = profiles.next().ok_or_else(|| anyhow!("no profile"))?;
        let name = profile_name(profile)?;
        for other in profiles {
            let other = profile_name(other)?;
            ensure!(
                other.starts_with(&format!("{name}//")),
                "{other} beside {name}"
            );
        }
        // unpack_profile: the automaton for files may be one of its own, or a part of the common one.
        let (blob, start) = if let Some(Value::Blob(blob)) = member(profile, "aadfa") {
            let start = match member(profile, "dfa_start") {
                Some(Value::Number(start)) => *start as usize,
                _ => START,
            };
            (*blob, Some(start))
        } else {
            let Some(Value::Members(common)) = member(profile, "policydb") else {
                bail!("a profile without rules");
            };
            let Some(Value::Blob(blob)) = member(common, "aadfa") else {
                bail!("rules without an automaton");
            };
            (*blob, None)
        };
        let dfa = Dfa::read(blob)?;
        let start = start.unwrap_or_else(|| dfa.step(START, CLASS_FILE));
        Ok(Self { name, dfa, start })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What this name gets: exact bytes as the kernel sees them, a directory with its `/` at the
    /// end.
    pub fn perms(&self, path: &[u8]) -> Perms {
        self.perms_from(self.start, path)
    }

    fn perms_from(&self, start: usize, path: &[u8]) -> Perms {
        let state = self.dfa.walk(start, path);
        Perms::from_accept(self.dfa.accept[state], self.dfa.accept2[state])
    }

    /// May QEMU make `name` a hard link to `target`? (`profile_path_link`) Here it matters who owns
    /// the target: the parser marks the pair as "only if the new name allows no more than the old"
    /// for files of QEMU's own user and for no others (`LINK_TO_LINK_SUBSET` keeps one of the two
    /// bits). For files of others it is the kernel's `fs.protected_hardlinks` that stands guard, for
    /// a native share as for a raw one.
    pub fn may_link(&self, name: &[u8], target: &[u8], owner: Owner) -> bool {
        let of = |perms: Perms| match owner {
            Owner::Qemu => perms.owner,
            Owner::Other => perms.other,
        };
        let link = of(self.perms(name));
        if link & MAY_LINK == 0 {
            return false;
        }
        // The target is matched after the name and a zero byte.
        let paired = self.dfa.step(self.dfa.walk(self.start, name), 0);
        let pair = of(self.perms_from(paired, target));
        if pair & MAY_LINK == 0 {
            return false;
        }
        // The new name must not allow what the old one does not.
        let allowed_there = of(self.perms(target)) | MAY_LINK;
        pair & LINK_SUBSET == 0 || link & !allowed_there == 0
    }
}

/// Whose file it is, seen from QEMU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    Qemu,
    Other,
}
