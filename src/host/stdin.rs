//! Standard input, for the hook: the domain XML that libvirt writes into a pipe and closes.

use std::io;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long all of it may take. libvirt writes at once, and waits for the hook for ever (facts L2.5);
/// should it ever forget to close the pipe, the start goes on all the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a pipe holds, so that nearly every domain comes in one piece.
const PIECE: usize = 64 << 10;

/// Standard input, waited for no longer than a minute in all.
pub struct Stdin {
    until: Instant,
}

impl Stdin {
    /// From now on.
    #[allow(clippy::new_without_default, reason = "the clock starts to run")]
    pub fn new() -> Self {
        Stdin {
            until: Instant::now() + PATIENCE,
        }
    }

    /// Appends what comes next to `content`, and returns how many bytes; 0 at the end.
    ///
    /// # Errors
    /// When it cannot be read, or not in time.
    pub fn append(&mut self, content: &mut Vec<u8>) -> io::Result<usize> {
        let stdin = io::stdin();
        // Moved only when there is hardly any room: the last call finds nothing but the end.
        if content.capacity() - content.len() < PIECE / 16 {
            content.try_reserve(PIECE)?;
        }
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).ok();
            let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
            // An error of poll's own is no reason not to read.
            let nothing = matches!(poll(&mut ready, left.as_ref()), Ok(0));
            // Nor may an input that always has more keep us.
            if nothing || Instant::now() > self.until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match rustix::io::read(&stdin, spare_capacity(content)) {
                Err(Errno::INTR) => {}
                read => return Ok(read?),
            }
        }
    }
}
