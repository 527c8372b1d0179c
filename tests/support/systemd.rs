//! A message bus with systemd on it, as far as the program asks: it knows units, their states and
//! the times of their last changes. It takes only messages that are right to the byte; whether the
//! real bus takes them too is for the booted hosts to say.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// State, and seconds since 1970.
type Units = BTreeMap<String, (String, u64)>;

/// Listens at `socket` from now on; without units, it never answers.
pub fn serve(socket: &Path, units: Units) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let mut unanswered = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            if units.is_empty() {
                unanswered.push(stream);
            } else {
                // The program hangs up when it knows enough.
                let _ = answer(stream, &units);
            }
        }
    });
}

/// One call: the texts in its header by their codes, and the strings of its body.
struct Call {
    fields: BTreeMap<u8, String>,
    arguments: Vec<String>,
}

fn answer(mut stream: UnixStream, units: &Units) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let uid = rustix::process::geteuid().as_raw().to_string();
    let uid: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
    expect(&mut input, &format!("\0AUTH EXTERNAL {uid}\r\n"))?;
    stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n")?;
    expect(&mut input, "BEGIN\r\n")?;

    let hello = call(&mut input)?;
    assert_eq!(hello.fields[&3], "Hello");
    stream.write_all(&message(2, b"\x06\0\0\0:1.234\0"))?;
    // NameAcquired, a signal that nobody waits for.
    stream.write_all(&message(4, b"\x06\0\0\0:1.234\0"))?;
    loop {
        let call = call(&mut input)?;
        assert_eq!(call.fields[&2], "org.freedesktop.DBus.Properties");
        assert_eq!(call.fields[&3], "Get");
        assert_eq!(call.fields[&6], "org.freedesktop.systemd1");
        assert_eq!(call.fields[&8], "ss");
        assert_eq!(call.arguments[0], "org.freedesktop.systemd1.Unit");
        let object = call.fields[&1].strip_prefix("/org/freedesktop/systemd1/unit/");
        let unit = object.unwrap().replace("_2e", ".");
        let (state, changed) = units.get(&unit).cloned().unwrap_or(("inactive".into(), 0));
        let body = match call.arguments[1].as_str() {
            "ActiveState" => {
                let mut body = b"\x01s\0\0".to_vec();
                body.extend(u32::try_from(state.len()).unwrap().to_ne_bytes());
                body.extend(state.bytes().chain([0]));
                body
            }
            "StateChangeTimestamp" => {
                let mut body = b"\x01t\0\0\0\0\0\0".to_vec();
                body.extend((changed * 1_000_000).to_ne_bytes());
                body
            }
            other => panic!("{other}"),
        };
        stream.write_all(&message(2, &body))?;
    }
}

fn expect(input: &mut impl BufRead, expected: &str) -> std::io::Result<()> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    assert_eq!(line, expected);
    Ok(())
}

fn call(input: &mut impl Read) -> std::io::Result<Call> {
    let mut start = [0; 16];
    input.read_exact(&mut start)?;
    assert_eq!(&start[..4], b"l\x01\0\x01");
    let size = |at: usize| u32::from_le_bytes(start[at..at + 4].try_into().unwrap()) as usize;
    let mut header = vec![0; size(12)];
    input.read_exact(&mut header)?;
    let mut padding = vec![0; header.len().next_multiple_of(8) - header.len()];
    input.read_exact(&mut padding)?;
    assert!(padding.iter().all(|byte| *byte == 0));
    let mut body = vec![0; size(4)];
    input.read_exact(&mut body)?;

    let mut fields = BTreeMap::new();
    let mut at = 0;
    while at < header.len() {
        at = at.next_multiple_of(8);
        let code = header[at];
        assert_eq!(header[at + 1], 1);
        let kind = header[at + 2];
        assert_eq!(header[at + 3], 0);
        at += 4;
        let value = match (code, kind) {
            (1, b'o') | (2 | 3 | 6, b's') => string(&header, &mut at),
            (8, b'g') => {
                let length = usize::from(header[at]);
                let value = header[at + 1..at + 1 + length].to_vec();
                assert_eq!(header[at + 1 + length], 0);
                at += length + 2;
                String::from_utf8(value).unwrap()
            }
            other => panic!("a field {other:?}"),
        };
        assert!(fields.insert(code, value).is_none());
    }
    let (mut arguments, mut at) = (Vec::new(), 0);
    while at < body.len() {
        arguments.push(string(&body, &mut at));
    }
    Ok(Call { fields, arguments })
}

fn string(bytes: &[u8], at: &mut usize) -> String {
    *at = at.next_multiple_of(4);
    let length = u32::from_le_bytes(bytes[*at..*at + 4].try_into().unwrap()) as usize;
    let text = bytes[*at + 4..*at + 4 + length].to_vec();
    assert_eq!(bytes[*at + 4 + length], 0);
    *at += length + 5;
    String::from_utf8(text).unwrap()
}

/// In this machine's byte order, with a field that nobody needs and padding after it.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let endian = if cfg!(target_endian = "big") {
        b'B'
    } else {
        b'l'
    };
    let mut message = vec![endian, kind, 1, 1];
    for number in [u32::try_from(body.len()).unwrap(), 7, 11] {
        message.extend(number.to_ne_bytes());
    }
    message.extend(b"\x06\x01s\0\x02\0\0\0:1\0\0\0\0\0\0");
    message.extend(body);
    message
}
