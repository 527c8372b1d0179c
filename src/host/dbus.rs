//! Asks the system bus for properties, and no more than that takes: authentication, `Hello`,
//! `Properties.Get` (D-Bus specification, "Message Protocol" and "Authentication Protocol").
//!
//! By hand, because a library for D-Bus is larger than this whole program, and a child process
//! (`systemctl show`, `busctl`) would be the only one it ever starts.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// How long all questions to one bus may take together.
const PATIENCE: Duration = Duration::from_secs(3);

/// No line of the authentication and no message that answers us is longer.
const MOST_BYTES: usize = 64 << 10;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;

/// A connection to a message bus.
pub struct Bus {
    stream: UnixStream,
    until: Instant,
    serial: u32,
}

/// The value of a property, of the types that somebody here asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Type `s`.
    Text(String),
    /// Type `t`.
    Number(u64),
}

impl Bus {
    /// Connects, as the user that runs the program, to the bus that listens at `socket`.
    ///
    /// # Errors
    /// Nobody listens or answers there, or not in time, or it is no message bus.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        // A full queue is an error at once; std's connect would wait, and not be told for how long.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let unix = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&unix, &SocketAddrUnix::new(socket)?)?;
        let stream = UnixStream::from(unix);
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Bus {
            stream,
            until: Instant::now() + PATIENCE,
            serial: 0,
        };
        bus.authenticate()?;
        let hello = Call {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member: "Hello",
            arguments: &[],
        };
        bus.call(&hello)?;
        Ok(bus)
    }

    /// The value of a property. Nothing where it has another type than those of [`Value`].
    ///
    /// # Errors
    /// There is no such service, object or property, or no answer in time.
    pub fn property(
        &mut self,
        destination: &str,
        path: &str,
        interface: &str,
        name: &str,
    ) -> io::Result<Option<Value>> {
        let reply = self.call(&Call {
            destination,
            path,
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            arguments: &[interface, name],
        })?;
        Ok(reply.variant())
    }

    /// The user is known from the socket; the name of the mechanism for that is EXTERNAL, and it
    /// wants the number in decimal, and that in hexadecimal.
    fn authenticate(&mut self) -> io::Result<()> {
        let mut line = String::from("\0AUTH EXTERNAL ");
        for digit in rustix::process::geteuid().as_raw().to_string().bytes() {
            line.push_str(&format!("{digit:02x}"));
        }
        line.push_str("\r\n");
        self.stream.write_all(line.as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n") {
            if answer.len() == MOST_BYTES {
                return Err(ErrorKind::InvalidData.into());
            }
            answer.extend(self.bytes(1)?);
        }
        if !answer.starts_with(b"OK ") {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.stream.write_all(b"BEGIN\r\n")
    }

    /// One question at a time, so the next answer is the one to it; signals may come in between.
    fn call(&mut self, call: &Call) -> io::Result<Body> {
        self.serial += 1;
        self.stream.write_all(&call.message(self.serial))?;
        loop {
            let [endian, kind, _flags, _version] = self.array()?;
            let order = Order(endian);
            let length = order.length(self.array()?);
            let _serial: [u8; 4] = self.array()?;
            let fields = order.length(self.array()?);
            let fields = self.bytes(fields)?.len();
            self.bytes(fields.next_multiple_of(8) - fields)?;
            let bytes = self.bytes(length)?;
            match kind {
                METHOD_RETURN => return Ok(Body { bytes, order }),
                ERROR => return Err(ErrorKind::NotFound.into()),
                _ => {}
            }
        }
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next `count` bytes.
    fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        if count > MOST_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; count];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, mut rest: &mut [u8]) -> io::Result<()> {
        while !rest.is_empty() {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(rest) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => rest = rest.get_mut(read..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A message that calls a method with strings for arguments.
struct Call<'c> {
    destination: &'c str,
    path: &'c str,
    interface: &'c str,
    member: &'c str,
    arguments: &'c [&'c str],
}

impl Call<'_> {
    /// As it goes over the wire, in little endian, which every bus takes.
    fn message(&self, serial: u32) -> Vec<u8> {
        let mut body = Vec::new();
        for argument in self.arguments {
            string(&mut body, argument);
        }
        let mut fields = Vec::new();
        for (code, kind, value) in [
            (1, b'o', self.path),
            (2, b's', self.interface),
            (3, b's', self.member),
            (6, b's', self.destination),
        ] {
            align(&mut fields, 8);
            fields.extend([code, 1, kind, 0]);
            string(&mut fields, value);
        }
        if let Ok(count @ 1..) = u8::try_from(self.arguments.len()) {
            // The signature of the body: an `s` for each.
            align(&mut fields, 8);
            fields.extend([8, 1, b'g', 0, count]);
            fields.extend(self.arguments.iter().map(|_| b's'));
            fields.push(0);
        }
        let mut message = vec![b'l', METHOD_CALL, 0, 1];
        for number in [size(&body), serial, size(&fields)] {
            message.extend(number.to_le_bytes());
        }
        message.extend(fields);
        align(&mut message, 8);
        message.extend(body);
        message
    }
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

/// Types `s` and `o`: length, bytes, NUL.
fn string(bytes: &mut Vec<u8>, text: &str) {
    align(bytes, 4);
    bytes.extend(size(text.as_bytes()).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// All that is sent are constants and the names of units.
fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The first byte of a message: `l` or `B`. Whoever answers chooses.
#[derive(Clone, Copy)]
struct Order(u8);

impl Order {
    fn length(self, bytes: [u8; 4]) -> usize {
        let length = if self.0 == b'B' {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        };
        length as usize
    }

    fn number(self, bytes: [u8; 8]) -> u64 {
        if self.0 == b'B' {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        }
    }
}

/// The body of an answer.
struct Body {
    bytes: Vec<u8>,
    order: Order,
}

impl Body {
    /// A variant: length and text of its signature, NUL, and the value at its alignment.
    fn variant(&self) -> Option<Value> {
        match self.bytes.as_slice() {
            [1, b's', 0, _, text @ ..] => {
                let (length, text) = text.split_first_chunk()?;
                let text = text.get(..self.order.length(*length))?;
                Some(Value::Text(String::from_utf8(text.to_owned()).ok()?))
            }
            [1, b't', 0, _, _, _, _, _, number @ ..] => {
                Some(Value::Number(self.order.number(*number.first_chunk()?)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;
    use std::os::unix::net::UnixListener;

    const OK: &[u8] = b"OK 00\r\n";
    /// Answers to `Hello` and to `Get`, in either byte order, with a signal before the second.
    const LITTLE: &[u8] = b"l\x02\0\x01\0\0\0\0\x01\0\0\0\0\0\0\0\
        l\x04\0\x01\x03\0\0\0\x02\0\0\0\x03\0\0\0????????!!!\
        l\x02\0\x01\x0b\0\0\0\x03\0\0\0\0\0\0\0\x01s\0\0\x02\0\0\0up\0";
    const BIG: &[u8] = b"B\x02\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\
        B\x02\0\x01\0\0\0\x10\0\0\0\x03\0\0\0\0\x01t\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02";

    /// What a bus that says all of `answers` and hangs up makes of a question.
    fn ask(answers: &[u8]) -> io::Result<Option<Value>> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bus");
        let listener = UnixListener::bind(&socket).unwrap();
        let answers = answers.to_vec();
        let bus = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(&answers);
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // To its end, so that the other side can still write.
            let _ = BufReader::new(stream).read_to_end(&mut Vec::new());
        });
        let value = Bus::connect(&socket).and_then(|mut bus| bus.property("a.b", "/a", "a.b", "C"));
        bus.join().unwrap();
        value
    }

    #[test]
    fn reads_values_in_both_byte_orders() {
        let value = ask(&[OK, LITTLE].concat()).unwrap();
        assert_eq!(value, Some(Value::Text("up".into())));
        let value = ask(&[OK, BIG].concat()).unwrap();
        assert_eq!(value, Some(Value::Number(258)));
    }

    #[test]
    fn an_answer_cut_off_anywhere_is_an_error() {
        for answers in [[OK, LITTLE].concat(), [OK, BIG].concat()] {
            for end in 0..answers.len() {
                assert!(ask(&answers[..end]).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn no_answer_takes_more_memory_than_it_may() {
        let endless = vec![b'O'; 2 * MOST_BYTES];
        assert_eq!(ask(&endless).unwrap_err().kind(), ErrorKind::InvalidData);
        for at in [4, 12] {
            let mut huge = LITTLE.to_vec();
            huge[at..at + 4].fill(0xff);
            let error = ask(&[OK, &huge].concat()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    }

    #[test]
    fn values_that_lie_about_their_length_are_none() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x01s\0\0",
            b"\x01s\0\0\x03\0\0\0up",
            b"\x01s\0\0\x02\0\0\0\xff\xff\0",
            b"\x01t\0\0\0\0\0\0\x01\x02",
            b"\x01u\0\0\x01\0\0\0",
        ] {
            let body = Body {
                bytes: bytes.to_vec(),
                order: Order(b'l'),
            };
            assert_eq!(body.variant(), None, "{bytes:?}");
        }
    }

    #[test]
    fn refusals_are_errors() {
        assert!(ask(b"REJECTED EXTERNAL\r\n").is_err());
        let mut error = LITTLE.to_vec();
        error[1] = ERROR;
        assert!(ask(&[OK, &error].concat()).is_err());
        assert!(Bus::connect(Path::new("/nonexistent")).is_err());
    }
}
