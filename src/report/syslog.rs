//! Decisions, in the system log.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use syslog::{Facility, LogFormat, Logger, LoggerBackend, Severity};

use crate::host::Root;
use crate::text::visible;

/// Where a log listens.
const PLACE: &str = "/dev/log";

/// The log, or nothing where there is none.
pub struct Log {
    logger: Option<Logger<LoggerBackend, LogLine>>,
}

/// `<PRIORITY>virt-9p[PID]: message`. The library's own formatter asks for the local time and
/// panics where it cannot be told; every daemon behind /dev/log adds the time itself.
struct LogLine;

impl LogFormat<&str> for LogLine {
    fn format<W: std::io::Write>(
        &self,
        w: &mut W,
        severity: Severity,
        message: &str,
    ) -> syslog::Result<()> {
        let priority = Facility::LOG_DAEMON as u32 | severity as u32;
        write!(w, "<{priority}>virt-9p[{}]: {message}", std::process::id())
            .map_err(syslog::Error::Write)
    }
}

impl Log {
    /// Connects to /dev/log. A daemon that is stopped must not hold up a guest: the socket
    /// waits a moment at most.
    pub fn open(root: &Root) -> Log {
        let connect = || {
            let socket = UnixDatagram::unbound().ok()?;
            if root.is_moved() {
                // By the socket itself: its name may be a link to another one.
                let flags = OFlags::PATH | OFlags::CLOEXEC;
                let found = root.open(PLACE, flags, Mode::empty()).ok()?;
                let handle = format!("/proc/self/fd/{}", found.as_raw_fd());
                socket.connect(handle).ok()?;
            } else {
                socket.connect(PLACE).ok()?;
            }
            socket
                .set_write_timeout(Some(Duration::from_millis(200)))
                .ok()?;
            Some(Logger::new(LoggerBackend::Unix(socket), LogLine))
        };
        Log { logger: connect() }
    }

    /// Something that was done.
    pub fn info(&mut self, message: &str) {
        self.send(Severity::LOG_INFO, message);
    }

    /// Something to look at.
    pub fn warning(&mut self, message: &str) {
        self.send(Severity::LOG_WARNING, message);
    }

    /// Something that stopped a guest, or would have.
    pub fn error(&mut self, message: &str) {
        self.send(Severity::LOG_ERR, message);
    }

    fn send(&mut self, severity: Severity, message: &str) {
        let Some(logger) = self.logger.as_mut() else {
            return;
        };
        // Longer datagrams are refused or cut by daemons; the beginning says what it is about.
        let shown: String = visible(message).chars().take(1800).collect();
        if logger
            .formatter
            .format(&mut logger.backend, severity, shown.as_str())
            .is_err()
        {
            // A daemon that did not take one line in time will not be asked again.
            self.logger = None;
        }
    }
}
