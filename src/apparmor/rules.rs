//! Which directories a guest is granted, and the rules that say so.

use std::collections::BTreeMap;

use crate::apparmor::escape::escape;

/// More shares than this are refused: the time to compile a profile explodes with long paths,
/// and the start of the guest waits for it (facts A1.4).
pub const MOST_SHARES: usize = 64;

/// More bytes of directory names than this are refused. The compiled automaton has about as many
/// states as that and holds 65535 (64 KiB of letters do not compile, facts A1.5);
/// half of it leaves room for libvirt's own rules.
pub const MOST_BYTES: usize = 32 * 1024;

/// More files than this are not granted beside the shares: exact names cost the parser little, but
/// not nothing (facts A1.4).
pub const MOST_FILES: usize = 256;

const READ: u8 = 1;
const WRITE: u8 = 2;
const LOCK: u8 = 4;
const SHARE: u8 = 8;
const WRITABLE: u8 = 16;

/// What is granted, by name: the kernel's, without a slash at the end; with a NUL there, which no name
/// has, where QEMU ends it as it likes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    names: BTreeMap<Vec<u8>, u8>,
    shares: usize,
    files: usize,
    bytes: usize,
}

/// More than AppArmor can be asked to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch {
    /// How many directories.
    pub shares: usize,
    /// How many bytes of names.
    pub bytes: usize,
}

impl Grants {
    /// Grants one shared directory; what is granted twice may be written if either may.
    pub fn add(&mut self, name: &[u8], readonly: bool) {
        let name = if name == b"/" { b"" } else { name };
        let bits = if readonly { SHARE } else { SHARE | WRITABLE };
        self.shares += usize::from(self.insert(name.to_vec(), bits) & SHARE == 0);
    }

    /// Grants one file, by letters; what is granted twice has the letters of both. `any_end`: QEMU
    /// ends the name as it likes. Tells whether there was room for it.
    pub fn add_file(&mut self, name: &[u8], any_end: bool, letters: &str) -> bool {
        let mut name = name.to_vec();
        if any_end {
            name.push(0);
        }
        let is_full = self.files >= MOST_FILES || self.bytes + name.len() > MOST_BYTES;
        if is_full && !self.names.contains_key(&name) {
            return false;
        }
        let bits = letters.bytes().map(|letter| match letter {
            b'r' => READ,
            b'w' => WRITE,
            _ => LOCK,
        });
        let bits = bits.fold(0, |all, bit| all | bit);
        self.files += usize::from(self.insert(name, bits) & (READ | WRITE | LOCK) == 0);
        true
    }

    /// Adds these, and tells which there were.
    fn insert(&mut self, name: Vec<u8>, bits: u8) -> u8 {
        let length = name.len();
        let granted = self.names.entry(name).or_insert(0);
        let before = *granted;
        if before == 0 {
            self.bytes += length;
        }
        *granted |= bits;
        before
    }

    /// How many shared directories.
    pub fn shares(&self) -> usize {
        self.shares
    }

    /// How many files beside them.
    pub fn files(&self) -> usize {
        self.files
    }

    /// The rules, sorted by name. Two lines a share, the same as libvirt writes for `<filesystem>`
    /// (virt-aa-helper.c, get_files: "r" on the directory, "rwl" or "r" below it): the directory
    /// itself needs a rule of its own, because `/**` does not match it; read-only is the absence of
    /// `w`, never a `deny`, which would take writing away from other shares too (facts A2.2). One
    /// line a file, with the letters that QEMU needs and no others (decision D23).
    ///
    /// # Errors
    /// When there are too many shares.
    pub fn render(&self) -> Result<String, TooMuch> {
        let mut text = String::new();
        for (name, bits) in &self.names {
            let (name, end) = match name.strip_suffix(b"\0") {
                Some(name) => (name, "*"),
                None => (name.as_slice(), ""),
            };
            let path = escape(name);
            let mut line = |end: &str, letters: &str| {
                for part in ["  \"", &path, end, "\" ", letters, ",\n"] {
                    text.push_str(part);
                }
            };
            if bits & SHARE != 0 {
                line("/", "r");
                line("/**", if bits & WRITABLE != 0 { "rwl" } else { "r" });
            }
            let letters: String = [(READ, 'r'), (WRITE, 'w'), (LOCK, 'k')]
                .into_iter()
                .filter_map(|(bit, letter)| (bits & bit != 0).then_some(letter))
                .collect();
            if !letters.is_empty() {
                line(end, &letters);
            }
        }
        if self.shares > MOST_SHARES || self.bytes > MOST_BYTES {
            return Err(TooMuch {
                shares: self.shares,
                bytes: self.bytes,
            });
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_and_sorts() {
        let mut grants = Grants::default();
        grants.add(b"/srv/b", true);
        grants.add(b"/srv/a b", true);
        grants.add(b"/srv/b", false);
        grants.add(b"/", true);
        assert_eq!(
            grants.render().unwrap(),
            "  \"/\" r,\n  \"/**\" r,\n  \"/srv/a\\040b/\" r,\n  \"/srv/a\\040b/**\" r,\n  \"/srv/b/\" r,\n  \"/srv/b/**\" rwl,\n"
        );
    }

    #[test]
    fn files_have_the_letters_of_all_who_name_them() {
        let mut grants = Grants::default();
        assert!(grants.add_file(b"/srv/a*b", false, "r"));
        assert!(grants.add_file(b"/srv/a*b", false, "wk"));
        assert!(grants.add_file(b"/srv/qemu_back_mem.", true, "rw"));
        grants.add(b"/srv/a*b", true);
        assert_eq!(
            grants.render().unwrap(),
            "  \"/srv/a\\052b/\" r,\n  \"/srv/a\\052b/**\" r,\n  \"/srv/a\\052b\" rwk,\n  \"/srv/qemu_back_mem.*\" rw,\n"
        );
        assert_eq!((grants.shares(), grants.files()), (1, 2));
    }

    #[test]
    fn files_beyond_the_limits_are_not_granted_and_take_nothing_from_shares() {
        let mut grants = Grants::default();
        for n in 0..MOST_FILES {
            assert!(grants.add_file(format!("/srv/{n}").as_bytes(), false, "r"));
        }
        assert!(!grants.add_file(b"/srv/more", false, "r"));
        assert!(grants.add_file(b"/srv/0", false, "w"));
        let mut grants = Grants::default();
        grants.add(&[b'x'; MOST_BYTES - 4], false);
        assert!(!grants.add_file(b"/long", false, "r") && grants.add_file(b"/sho", false, "r"));
        assert!(grants.render().is_ok());
    }

    #[test]
    fn has_limits() {
        let mut grants = Grants::default();
        for n in 0..=MOST_SHARES {
            grants.add(format!("/srv/{n}").as_bytes(), false);
        }
        assert!(grants.render().is_err());
        let mut grants = Grants::default();
        for n in 0..9 {
            grants.add(format!("/srv/{n}{}", "*".repeat(4000)).as_bytes(), false);
        }
        assert!(grants.render().is_err());
    }
}
