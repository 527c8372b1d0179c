//! Directories to share: once for QEMU, and once more below the root that `virt-9p --root` looks
//! in, so that both see the same tree under the same names.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The two trees. Removed when dropped.
pub struct Shares {
    real: TempDir,
    root: TempDir,
}

impl Shares {
    /// Makes both trees, inside cargo's directory for tests: it is on the disk of the checkout,
    /// where user extended attributes work (facts Q5.4), which a tmpfs at /tmp had not before Linux
    /// 6.6.
    pub fn new() -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(base).expect("make cargo's directory for tests");
        let new = || {
            tempfile::Builder::new()
                .prefix("9p-")
                .tempdir_in(base)
                .expect("make a temporary directory")
        };
        let shares = Self {
            real: new(),
            root: new(),
        };
        fill(shares.real.path());
        let mirror = shares
            .root
            .path()
            .join(shares.real.path().strip_prefix("/").expect("absolute"));
        fs::create_dir_all(&mirror).expect("make the mirror");
        // The directories above a real share can be anybody's (a home, say) and closed to others.
        // The linter is to see open ones: what it says about closed ones is tested elsewhere.
        let mut directory = mirror.as_path();
        while directory != shares.root.path() {
            open(directory);
            directory = directory.parent().expect("below the root");
        }
        open(shares.root.path());
        fill(&mirror);
        shares
    }

    /// The path of a share, as QEMU and the XML have it.
    pub fn path(&self, name: &str) -> String {
        let path: PathBuf = self.real.path().join(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    /// What to give to `--root`.
    pub fn root(&self) -> &Path {
        self.root.path()
    }
}

/// Names of directories that can be shared.
pub const GOOD: &[&str] = &["a", "b", "with space", "with,comma", "with=equals", "link"];

/// Names that cannot be: QEMU opens a share with O_DIRECTORY (facts Q5.1).
pub const BAD: &[&str] = &["missing", "file", "dangling", "link-to-file", "a/missing"];

fn fill(base: &Path) {
    open(base);
    for name in ["a", "b", "with space", "with,comma", "with=equals"] {
        fs::create_dir(base.join(name)).expect("make a share");
        open(&base.join(name));
    }
    fs::write(base.join("file"), b"not a directory\n").expect("make a file");
    symlink("a", base.join("link")).expect("link to a share");
    symlink("missing", base.join("dangling")).expect("link to nothing");
    symlink("file", base.join("link-to-file")).expect("link to a file");
}

fn open(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("open a directory");
}
