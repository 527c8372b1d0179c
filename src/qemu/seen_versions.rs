//! The versions of QEMU that were asked what they have.

use crate::version::Version;

/// Debian 11's.
pub const V5_2: Version = Version(5, 2, 0);
/// Debian 12's.
pub const V7_2: Version = Version(7, 2, 22);
/// Debian 13's.
pub const V10_0: Version = Version(10, 0, 13);
/// sid's.
pub const V11_1: Version = Version(11, 1, 3);

/// All of them, oldest first.
pub const SEEN: [Version; 4] = [V5_2, V7_2, V10_0, V11_1];

/// Whether that version has what those of [`SEEN`] have for which `has` is true; `None` between one
/// that has it and one that does not, and for versions older or newer than all that were seen. The
/// micro number counts, for stable updates have added options before (`max_xattr` of `-fsdev` is
/// in 10.0.13 and not in 10.2.2).
pub fn is_in(version: Version, has: impl Fn(usize) -> bool) -> Option<bool> {
    let before = SEEN.iter().rposition(|seen| *seen <= version).map(&has);
    let after = SEEN.iter().position(|seen| *seen >= version).map(&has);
    before.filter(|_| before == after)
}
