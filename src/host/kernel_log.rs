//! What AppArmor denied to guests, by the kernel's log, and by that of auditd, which takes such
//! records away from it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::domain::Uuid;
use crate::host::{Root, lossy};
use crate::text::find_byte;

/// The kernel's log; only root may read it on most hosts.
const KERNEL: &str = "/dev/kmsg";

/// That of auditd.
const AUDIT: &str = "/var/log/audit/audit.log";

/// How much is read of the end of a file, and how long records of the kernel are.
const TAIL: u64 = 4 << 20;
const RECORD: usize = 16 << 10;

/// How long the kernel's log is read: it gives one record at a time, and more may come.
const LONGEST: Duration = Duration::from_secs(2);

/// So many names are kept, the last ones.
const MOST: usize = 64;

/// Names that AppArmor denied to one guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Whose profile it was.
    pub guest: Uuid,
    /// The kernel's name of what was asked for; a directory's may end with a slash. What is no file has
    /// none: `capability net_raw`, `network inet6 raw`.
    pub name: Vec<u8>,
    /// Letters of what was denied: those of rules, and `c` and `d` for making and removing; none of what
    /// is no file.
    pub mask: String,
    /// The process that asked last.
    pub pid: u32,
    /// When it did, in seconds since 1970.
    pub time: i64,
}

/// The last of what was denied, the oldest first.
///
/// # Errors
/// When the kernel's log cannot be read.
pub fn denied(root: &Root) -> io::Result<Vec<Denied>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |path| root.open(path, flags, Mode::empty()).map(File::from);
    let mut found = Vec::new();
    if let Ok(log) = open(AUDIT) {
        for line in tail(log)?.lines() {
            add(&mut found, audit_record(line));
        }
    }
    let mut log = open(KERNEL)?;
    // Below another root it is a copy: its records, a line each.
    if !log.metadata()?.file_type().is_char_device() {
        for line in tail(log)?.lines() {
            add(&mut found, kernel_record(line));
        }
        return Ok(found);
    }
    let start = Instant::now();
    let mut record = vec![0; RECORD];
    while start.elapsed() < LONGEST {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => {
                let text = record.get(..length).unwrap_or(&record);
                let text = String::from_utf8_lossy(text);
                add(&mut found, text.lines().next().and_then(kernel_record));
            }
            Err(error) => match Errno::from_io_error(&error) {
                // Records were overwritten before they were read: the next read is of those left.
                Some(Errno::PIPE | Errno::INTR) => {}
                Some(Errno::AGAIN) => break,
                _ => return Err(error),
            },
        }
    }
    Ok(found)
}

/// The end of a file.
fn tail(mut file: File) -> io::Result<String> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    file.seek(SeekFrom::Start(meta.len().saturating_sub(TAIL)))?;
    super::read_at_most(file, meta.len().min(TAIL), TAIL).map(lossy)
}

/// One name is kept once: with all that one process was denied, and for the last process.
fn add(found: &mut Vec<Denied>, new: Option<Denied>) {
    let Some(mut new) = new else { return };
    let same = |old: &Denied| old.guest == new.guest && old.name == new.name;
    if let Some(at) = found.iter().position(same) {
        let old = found.remove(at);
        if old.pid == new.pid {
            let more = old
                .mask
                .chars()
                .filter(|letter| !new.mask.contains(*letter));
            new.mask = more.chain(new.mask.chars()).collect();
        }
        if old.time > new.time {
            new = old;
        }
    } else if found.len() == MOST {
        found.remove(0);
    }
    found.push(new);
}

/// `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT`, where more may stand before the semicolon
/// (Documentation/ABI/testing/dev-kmsg). Lines that belong to it begin with a space.
fn kernel_record(line: &str) -> Option<Denied> {
    let (head, text) = cut(line, b';')?;
    // What programs write has another facility than the kernel's (facts A9.3).
    if cut(head, b',')?.0.parse::<u32>().ok()? >= 8 {
        return None;
    }
    let text = text.strip_prefix("audit: ").unwrap_or(text);
    // The one byte of a name that is written otherwise here; the others make it hexadecimal.
    denial(
        &text
            .strip_prefix("type=1400 audit(")?
            .replace("\\x5c", "\\"),
    )
}

/// A line of auditd's, which may begin with the name of the host.
fn audit_record(line: &str) -> Option<Denied> {
    let line = match line.strip_prefix("node=") {
        Some(rest) => cut(rest, b' ')?.1,
        None => line,
    };
    denial(line.strip_prefix("type=AVC msg=audit(")?)
}

/// `SECONDS.MILLISECONDS:SERIAL): apparmor="DENIED" …` (facts A9.1). One that was cut off has no mask:
/// it stands behind the name.
fn denial(text: &str) -> Option<Denied> {
    let (seconds, rest) = cut(text, b'.')?;
    let mut rest = cut(rest, b')')?.1.strip_prefix(": apparmor=\"DENIED\" ")?;
    let (mut guest, mut name, mut mask, mut pid) = (None, None, None, 0);
    let mut other = Vec::new();
    while let Some((key, after)) = cut(rest, b'=') {
        let (value, quoted, behind) = match after.strip_prefix('"') {
            Some(inside) => {
                let (value, behind) = cut(inside, b'"')?;
                (value, true, behind)
            }
            None => {
                let (value, behind) = cut(after, b' ').unwrap_or((after, ""));
                (value, false, behind)
            }
        };
        match (key.trim_start_matches(' '), quoted) {
            // That of a container.
            ("namespace", _) => return None,
            ("profile", _) => guest = Some(Uuid::of_profile(value)?),
            ("name", true) => name = Some(value.as_bytes().to_vec()),
            ("name", false) => name = bytes(value),
            ("denied_mask", true) => mask = Some(value),
            ("pid", _) => pid = value.parse().ok()?,
            ("capname", _) => other.extend(["capability", value]),
            ("family", _) => other.extend(["network", value]),
            ("sock_type", _) if !other.is_empty() => other.push(value),
            _ => {}
        }
        rest = behind;
    }
    let (name, mask) = match name {
        // A capability, or a socket that is no file.
        None if !other.is_empty() => (other.join(" ").into_bytes(), ""),
        // One without a slash was found outside of what the process sees.
        name => (name.filter(|name| name.starts_with(b"/"))?, mask?),
    };
    Some(Denied {
        guest: guest?,
        name,
        mask: mask.to_owned(),
        pid,
        time: seconds.parse().ok()?,
    })
}

/// What stands before and behind a byte; split_once with its searcher is ten times the code.
fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = find_byte(text.as_bytes(), byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// A name with bytes in it that could be taken for something else (facts A9.2).
fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = hexadecimal.as_bytes().as_chunks::<2>();
    let mut out = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        out.push(digit(high)? << 4 | digit(low)?);
    }
    rest.is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "c7a5fdbd-edaf-9455-926a-d65c16db1809";

    fn record(name: &str) -> String {
        format!(
            "5,1234,8123456,-;audit: type=1400 audit(1764179999.123:45): apparmor=\"DENIED\" operation=\"open\" class=\"file\" \
             profile=\"libvirt-{UUID}\" name={name} pid=812 comm=\"qemu-system-x86\" requested_mask=\"rw\" denied_mask=\"r\" \
             fsuid=64055 ouid=0"
        )
    }

    fn all(log: &str) -> Vec<Denied> {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir(host.path().join("dev")).unwrap();
        std::fs::write(host.path().join("dev/kmsg"), log).unwrap();
        denied(&Root::below(host.path().to_owned())).unwrap()
    }

    #[test]
    fn reads_names_as_the_kernel_writes_them() {
        for (written, name) in [
            ("\"/srv/x\"", &b"/srv/x"[..]),
            // A space, a quote, a byte above, a line end, in front of what looks like more fields.
            ("2F612062", b"/a b"),
            ("2F6122FF0A206E616D653D2F", b"/a\"\xff\n name=/"),
            ("\"/srv/a\\x5cx5c\"", b"/srv/a\\x5c"),
            ("\"/srv/a=b,profile=c\"", b"/srv/a=b,profile=c"),
        ] {
            let found = kernel_record(&record(written)).expect(written);
            assert_eq!(found.name, name, "{written}");
            let Denied {
                guest,
                mask,
                pid,
                time,
                ..
            } = found;
            assert_eq!(
                (guest.as_str(), mask.as_str(), pid, time),
                (UUID, "r", 812, 1_764_179_999)
            );
        }
        let old = record("\"/a\"")
            .replace("audit: type", "type")
            .replace("class=\"file\" ", "");
        assert!(kernel_record(&old).is_some());
        let audit =
            record("\"/a\\x5c\"").replace("5,1234,8123456,-;audit: type=1400 ", "type=AVC msg=");
        let found = audit_record(&audit).unwrap();
        assert_eq!(found.name, b"/a\\x5c");
        let named = format!("node=host {audit}\u{1d}FSUID=\"libvirt-qemu\" OUID=\"root\"");
        assert_eq!(audit_record(&named), Some(found));
    }

    #[test]
    fn names_what_is_no_file() {
        let begin = format!(
            "5,1,2,-;audit: type=1400 audit(1.1:1): apparmor=\"DENIED\" operation=\"x\" profile=\"libvirt-{UUID}\" pid=9"
        );
        for (rest, name) in [
            (
                " comm=\"qemu\" capability=12  capname=\"net_admin\"",
                "capability net_admin",
            ),
            (
                " comm=\"qemu\" family=\"inet6\" sock_type=\"raw\" protocol=58 requested_mask=\"create\" denied_mask=\"create\"",
                "network inet6 raw",
            ),
            // Its beginning only.
            (" family=\"netlink\" sock_type=\"raw", "network netlink"),
        ] {
            let found = kernel_record(&format!("{begin}{rest}"));
            if name.ends_with("netlink") {
                assert_eq!(found, None);
                continue;
            }
            let found = found.expect(name);
            assert_eq!(found.name, name.as_bytes());
            assert_eq!((found.mask.as_str(), found.pid), ("", 9));
        }
    }

    #[test]
    fn passes_over_what_is_no_such_record() {
        let good = record("\"/a\"");
        for (from, to) in [
            // A program's, by root alone; and what another part of the kernel says of one.
            ("5,1234", "13,1234"),
            ("audit: type=1400", "audit: type=1107"),
            (";audit", ";x audit"),
            ("DENIED", "ALLOWED"),
            ("profile=\"libvirt-", "profile=\"virt-9p"),
            (UUID, "c7a5fdbd-edaf-9455-926a-d65c16db1809//null-x"),
            (UUID, "C7A5FDBD-EDAF-9455-926A-D65C16DB1809"),
            (" profile=", " namespace=\"root//c\" profile="),
            ("\"/a\"", "\"a\""),
            ("\"/a\"", "2F6"),
            ("\"/a\"", "2F2G"),
            ("name=\"/a\" ", ""),
            ("pid=812", "pid=8x2"),
            ("denied_mask", "denied"),
        ] {
            let other = good.replacen(from, to, 1);
            assert_ne!(other, good);
            assert_eq!(kernel_record(&other), None, "{other}");
        }
        // Cut off anywhere before the mask is whole.
        let whole = good.find(" fsuid").unwrap();
        for end in 0..whole {
            assert_eq!(kernel_record(&good[..end]), None, "{end}");
        }
        assert!(kernel_record(&good[..whole]).is_some());
    }

    #[test]
    fn a_name_is_kept_once_and_the_last_ones_of_a_long_log() {
        let mut log = "4,1,2,-;x\n KEY=5,1,1,-;audit\n\u{fffd}\n".to_owned();
        log += &record("\"/first\"");
        while log.len() < 10 << 20 {
            log += "\n6,1,2,-;usb 1-1: Product: apparmor=\"DENIED\"\n";
            log += &record("\"/a\"");
            log += "\n";
            log += &record("\"/a\"").replace("denied_mask=\"r\"", "denied_mask=\"wc\"");
        }
        for number in 0..MOST - 1 {
            log += "\n";
            log += &record(&format!("\"/{number}\""));
        }
        let start = Instant::now();
        let found = all(&log);
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(found.len(), MOST);
        assert_eq!(
            (found[0].name.as_slice(), found[0].mask.as_str()),
            (&b"/a"[..], "rwc")
        );
        log += "\n";
        log += &record("\"/a\"").replace("pid=812", "pid=813");
        let found = all(&log);
        assert_eq!(found.last().map(|last| last.mask.as_str()), Some("r"));
        log += "\n";
        log += &record("\"/more\"");
        let found = all(&log);
        assert_eq!((found.len(), found[0].name.as_slice()), (MOST, &b"/1"[..]));
    }
}
