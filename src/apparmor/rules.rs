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

/// Directories by name (the kernel's, without slash at the end), and whether writing is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    directories: BTreeMap<Vec<u8>, bool>,
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
    /// Grants one directory; what is granted twice may be written if either may.
    pub fn add(&mut self, name: &[u8], readonly: bool) {
        let name = if name == b"/" {
            Vec::new()
        } else {
            name.to_vec()
        };
        let writable = self.directories.entry(name).or_insert(false);
        *writable |= !readonly;
    }

    /// How many directories.
    pub fn len(&self) -> usize {
        self.directories.len()
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.directories.is_empty()
    }

    /// The rules, two lines a directory, sorted: the same as libvirt writes for `<filesystem>`
    /// (virt-aa-helper.c, get_files: "r" on the directory, "rwl" or "r" below it). The directory
    /// itself needs a rule of its own, because `/**` does not match it; read-only is the absence of
    /// `w`, never a `deny`, which would take writing away from other shares too (facts A2.2).
    ///
    /// # Errors
    /// When there are too many.
    pub fn render(&self) -> Result<String, TooMuch> {
        let mut text = String::new();
        for (name, writable) in &self.directories {
            let path = escape(name);
            let rights = if *writable { "rwl" } else { "r" };
            text.push_str(&format!("  \"{path}/\" r,\n  \"{path}/**\" {rights},\n"));
        }
        let bytes = self.directories.keys().map(Vec::len).sum();
        if self.len() > MOST_SHARES || bytes > MOST_BYTES {
            return Err(TooMuch {
                shares: self.len(),
                bytes,
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
