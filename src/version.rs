//! Version numbers of libvirt and QEMU.

use std::str::FromStr;

/// `X.Y.Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is no version such as 9.0.0", crate::text::quoted(text));
        let mut numbers = [0; 3];
        let mut parts = text.split('.');
        for (position, number) in numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) => *number = part.parse().map_err(|_| wrong())?,
                None if position > 0 => {}
                None => return Err(wrong()),
            }
        }
        let [major, minor, micro] = numbers;
        match parts.next() {
            None => Ok(Version(major, minor, micro)),
            Some(_) => Err(wrong()),
        }
    }
}

impl Version {
    /// From libvirt's and QEMU's packed form: a million times the major, a thousand times the
    /// minor, plus the micro number (virQEMUCaps `<version>`, libvirt.so's file name).
    pub fn from_packed(packed: u32) -> Self {
        Version(packed / 1_000_000, packed / 1000 % 1000, packed % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        assert_eq!("9.0.0".parse(), Ok(Version(9, 0, 0)));
        assert_eq!("10.2".parse(), Ok(Version(10, 2, 0)));
        assert_eq!(Version::from_packed(7_002_022), Version(7, 2, 22));
        for text in ["", "9.0.0.1", "9.x", "-1", "9..0"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
