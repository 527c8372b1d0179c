//! Another program, asked by `doctor`; the hook runs none.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// No answer that is understood here is longer.
const MOST_BYTES: usize = 1 << 20;

/// What `program` says on standard output, waited for no longer than `patience`. Nothing is handed
/// on to it: no input, no environment but the universal language and time.
///
/// # Errors
/// It cannot be run, or says too much, or does not come to its end in time; then it is killed.
pub fn ask(program: &Path, arguments: &[&str], patience: Duration) -> io::Result<String> {
    let until = Instant::now() + patience;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("LC_ALL", "C"), ("TZ", "UTC")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let said = child.stdout.as_ref().map(|stdout| read(stdout, until));
    // It has said all, or is not listened to any more: closing the pipe is not always its end.
    let _ = child.kill();
    child.wait()?;
    let said = said.unwrap_or_else(|| Err(ErrorKind::BrokenPipe.into()))?;
    String::from_utf8(said).map_err(io::Error::other)
}

/// To the end, which comes when nobody holds the other side any more.
fn read(stdout: &impl std::os::fd::AsFd, until: Instant) -> io::Result<Vec<u8>> {
    const PIECE: usize = 4096;
    let mut content = Vec::new();
    loop {
        if content.len() > MOST_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        if poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&left)) == Ok(0) {
            return Err(ErrorKind::TimedOut.into());
        }
        content.reserve(PIECE);
        match rustix::io::read(stdout, spare_capacity(&mut content)) {
            Ok(0) => return Ok(content),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A busy machine takes a while.
    const LONG: Duration = Duration::from_secs(60);

    fn sh(script: &str, patience: Duration) -> io::Result<String> {
        ask(Path::new("/bin/sh"), &["-c", script], patience)
    }

    #[test]
    fn says_what_it_says_and_knows_nothing() {
        let said = sh("printf 'a\\nb'; echo c >&2; exit 3", LONG);
        assert_eq!(said.unwrap(), "a\nb");
        assert_eq!(sh("cat", LONG).unwrap(), "");
        let environment = ask(Path::new("/usr/bin/env"), &[], LONG).unwrap();
        assert_eq!(environment, "LC_ALL=C\nTZ=UTC\n");
    }

    #[test]
    fn whoever_does_not_come_to_an_end_is_not_waited_for() {
        let begun = Instant::now();
        for script in [
            "exec sleep 600",
            // A process of its own that keeps the pipe. It outlives this test, with all that is open
            // in whoever runs the tests, such as a lock.
            "sleep 20 & echo done",
            "while :; do echo; done",
        ] {
            assert!(sh(script, Duration::from_millis(500)).is_err(), "{script}");
        }
        // All is said, and the program goes on.
        assert_eq!(sh("exec >&-; exec sleep 600", LONG).unwrap(), "");
        let too_much = sh("head -c 2000000 /dev/zero", LONG).unwrap_err();
        assert_eq!(too_much.kind(), ErrorKind::InvalidData);
        assert!(ask(Path::new("/nonexistent"), &[], LONG).is_err());
        assert!(begun.elapsed() < Duration::from_secs(300));
    }
}
