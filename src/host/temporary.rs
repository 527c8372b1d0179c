//! A new file beside the one that it is to replace.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Makes a file in `folder` whose name begins with `prefix`, for its owner alone. It goes away
/// with the value, unless it is given its lasting name.
///
/// # Errors
/// With the system's own error: tempfile's names the random file, of which nothing is left when
/// it is read.
pub fn create(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut refused = None;
    Builder::new()
        .prefix(prefix)
        .rand_bytes(8)
        .make_in(folder, |path| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            options
                .open(path)
                .inspect_err(|error| refused = error.raw_os_error())
        })
        .map_err(|error| refused.map_or(error, io::Error::from_raw_os_error))
}
