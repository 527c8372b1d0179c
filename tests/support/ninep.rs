//! A guest of a few hundred lines: it drives a virtio-9p device through QEMU's qtest socket and
//! speaks 9P2000.L with it, so that files get made as a real guest would make them.
//!
//! `-accel tcg -S -qtest unix:…` works with the QEMU of a distribution; `-accel qtest` does not
//! (Debian 12 and 13 build without it). The processor never runs, we are the processor.

use crate::judge;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// Where the guest's memory is used: above the first megabyte, of the 64 that the machine has.
const RING: u64 = 0x10_0000;
const REQUEST: u64 = 0x20_0000;
const REPLY: u64 = 0x30_0000;
/// Above 8192, of which QEMU would complain.
const REPLY_SIZE: u32 = 16384;

/// Slot 4 of the machine `pc`, and where its first BAR is put.
const SLOT: u32 = 4;
const IO: u16 = 0xc000;

/// Registers of a legacy virtio PCI device (Virtio 1.0, 4.1.4.8).
const GUEST_FEATURES: u16 = IO + 4;
const QUEUE_ADDRESS: u16 = IO + 8;
const QUEUE_SIZE: u16 = IO + 12;
const QUEUE_SELECT: u16 = IO + 14;
const QUEUE_NOTIFY: u16 = IO + 16;
const STATUS: u16 = IO + 18;

/// The answer of 9P2000.L to what cannot be done. Any other answer is its question plus one.
const RLERROR: u8 = 7;

/// QEMU with one share, and its root attached.
pub struct Guest {
    qemu: Child,
    reader: BufReader<UnixStream>,
    queue_size: u64,
    requests: u16,
}

/// The words for a share made with `-fsdev`.
pub fn with_fsdev(fsdev: &str) -> Vec<String> {
    vec![
        "-fsdev".to_owned(),
        fsdev.to_owned(),
        "-device".to_owned(),
        format!("virtio-9p-pci,fsdev=share,mount_tag=share,addr={SLOT}"),
    ]
}

impl Guest {
    /// Starts QEMU with these words as libvirt does, umask 002
    /// (qemu_process.c:qemuProcessLaunch), and mounts the share in slot 4 of `pc`.
    pub fn mount(words: &[String], scratch: &Path) -> Self {
        let socket = scratch.join("qtest");
        let _ = std::fs::remove_file(&socket);
        let name = socket.to_str().expect("UTF-8");
        // Without unsafe code there is no umask here; a shell has one.
        let qemu = Command::new("sh")
            .args(["-c", "umask 002; exec \"$@\"", "sh"])
            .arg(judge::program())
            .args(["-S", "-nodefaults", "-display", "none", "-M", "pc"])
            .args(["-accel", "tcg", "-m", "64"])
            .args(["-qtest", &format!("unix:{name},server=on,wait=off")])
            .args(["-qtest-log", "/dev/null"])
            .args(words)
            .stdin(Stdio::null())
            .spawn()
            .expect("these tests need qemu-system-x86_64");
        let mut guest = Self {
            qemu,
            reader: BufReader::new(connect(&socket)),
            queue_size: 0,
            requests: 0,
        };
        guest.bring_up();
        guest.attach().expect("attach to the share");
        guest
    }

    /// Makes a file in the root of the share, writes a word into it and reads it back. An error
    /// is the number Linux has for it.
    pub fn create(&mut self, name: &str) -> Result<(), u32> {
        self.walk(1, &[])?;
        // O_RDWR | O_CREAT; the mode the guest asks for shows in the extended attribute only.
        let made = Message::new(14)
            .u32(1)
            .text(name)
            .u32(0o102)
            .u32(0o604)
            .u32(0);
        self.call(&made)?;
        let data = b"made by a guest";
        self.call(&Message::new(118).u32(1).u64(0).bytes(data))?;
        self.call(&Message::new(120).u32(1))?;
        // Opened anew, for QEMU keeps what it made open.
        self.walk(3, &[name])?;
        self.call(&Message::new(12).u32(3).u32(0))?;
        let read = self.call(&Message::new(116).u32(3).u64(0).u32(64))?;
        assert_eq!(&read[4..], data, "the file can be read again");
        self.call(&Message::new(120).u32(3)).map(drop)
    }

    /// Makes a folder in the root of the share, and another one in it.
    pub fn mkdir(&mut self, name: &str) -> Result<(), u32> {
        self.call(&Message::new(72).u32(0).text(name).u32(0o705).u32(0))?;
        self.walk(2, &[name])?;
        self.call(&Message::new(72).u32(2).text("inner").u32(0o705).u32(0))?;
        self.call(&Message::new(120).u32(2))?;
        Ok(())
    }

    /// A new fid, some names below the root.
    fn walk(&mut self, fid: u32, names: &[&str]) -> Result<(), u32> {
        let count = u16::try_from(names.len()).expect("short");
        let walk = Message::new(110).u32(0).u32(fid).u16(count);
        let walk = names.iter().fold(walk, |walk, name| walk.text(name));
        self.call(&walk).map(drop)
    }

    fn attach(&mut self) -> Result<(), u32> {
        self.call(&Message::new(100).u32(REPLY_SIZE).text("9P2000.L"))?;
        let attach = Message::new(104).u32(0).u32(u32::MAX);
        self.call(&attach.text("root").text("").u32(0)).map(drop)
    }

    /// Finds the device, gives it an address for its registers and a ring.
    fn bring_up(&mut self) {
        let identity = self.config_read(0);
        assert_eq!(identity, 0x1009_1af4, "a transitional virtio-9p in slot 4");
        self.config_write(0x10, u32::from(IO));
        // I/O space and bus master.
        self.config_write(0x04, 5);

        self.ask(&format!("outb {STATUS:#x} 0x0"));
        self.ask(&format!("outb {STATUS:#x} 0x3"));
        self.ask(&format!("outl {GUEST_FEATURES:#x} 0x0"));
        self.ask(&format!("outw {QUEUE_SELECT:#x} 0x0"));
        self.queue_size = self.number(&format!("inw {QUEUE_SIZE:#x}"));
        assert!(self.queue_size.is_power_of_two(), "there is a queue");
        self.ask(&format!("memset {RING:#x} 0x10000 0x0"));
        self.ask(&format!("outl {QUEUE_ADDRESS:#x} {:#x}", RING >> 12));
        self.ask(&format!("outb {STATUS:#x} 0x7"));
    }

    /// Sends one message, waits for the answer, and gives what follows its header, or the error
    /// number of an Rlerror.
    fn call(&mut self, message: &Message) -> Result<Vec<u8>, u32> {
        let request = message.encode();
        let (available, used) = (RING + 16 * self.queue_size, self.used_ring());
        let slot = u64::from(self.requests) % self.queue_size;

        self.write(REQUEST, &request);
        // Two descriptors, always the same: ours to read (NEXT), theirs to write (WRITE).
        let length = u32::try_from(request.len()).expect("short");
        self.write(RING, &descriptor(REQUEST, length, 1, 1));
        self.write(RING + 16, &descriptor(REPLY, REPLY_SIZE, 2, 0));
        self.write(available + 4 + 2 * slot, &0u16.to_le_bytes());
        self.requests = self.requests.wrapping_add(1);
        self.write(available + 2, &self.requests.to_le_bytes());
        self.ask(&format!("outw {QUEUE_NOTIFY:#x} 0x0"));

        let start = Instant::now();
        loop {
            let index = self.read(used + 2, 2);
            if index == self.requests.to_le_bytes() {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "no answer to {message:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        let size = self.read(REPLY, 4).try_into().expect("four bytes");
        let reply = self.read(REPLY, u64::from(u32::from_le_bytes(size)));
        let (kind, body) = (reply[4], &reply[7..]);
        if kind == RLERROR {
            return Err(u32::from_le_bytes(body.try_into().expect("four bytes")));
        }
        assert_eq!(kind, message.kind + 1, "{message:?} was answered {body:?}");
        Ok(body.to_vec())
    }

    /// After the descriptors and the available ring, on the next page (Virtio 1.0, 2.4.2).
    fn used_ring(&self) -> u64 {
        let end = RING + 16 * self.queue_size + 2 * (3 + self.queue_size);
        end.next_multiple_of(4096)
    }

    fn config_read(&mut self, register: u32) -> u32 {
        self.config_select(register);
        u32::try_from(self.number("inl 0xcfc")).expect("32 bits")
    }

    fn config_write(&mut self, register: u32, value: u32) {
        self.config_select(register);
        self.ask(&format!("outl 0xcfc {value:#x}"));
    }

    fn config_select(&mut self, register: u32) {
        let address = 0x8000_0000 | SLOT << 11 | register;
        self.ask(&format!("outl 0xcf8 {address:#x}"));
    }

    fn write(&mut self, address: u64, bytes: &[u8]) {
        let size = bytes.len();
        self.ask(&format!("write {address:#x} {size:#x} 0x{}", hex(bytes)));
    }

    fn read(&mut self, address: u64, size: u64) -> Vec<u8> {
        let answer = self.ask(&format!("read {address:#x} {size:#x}"));
        let digits = answer.strip_prefix("0x").expect("hexadecimal");
        (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hexadecimal"))
            .collect()
    }

    fn number(&mut self, command: &str) -> u64 {
        let answer = self.ask(command);
        let digits = answer.strip_prefix("0x").expect("hexadecimal");
        u64::from_str_radix(digits, 16).expect("hexadecimal")
    }

    /// One command of the qtest protocol (softmmu/qtest.c), and what follows its `OK`.
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.reader.get_mut(), "{command}").expect("write to qtest");
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("read from qtest");
        let answer = line.trim_end().strip_prefix("OK");
        let answer = answer.unwrap_or_else(|| panic!("{command}: {line:?}"));
        answer.trim_start().to_owned()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn connect(socket: &Path) -> UnixStream {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                let patience = Some(PATIENCE);
                stream.set_read_timeout(patience).expect("set a timeout");
                return stream;
            }
            Err(error) => assert!(start.elapsed() < PATIENCE, "no qtest socket: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn descriptor(address: u64, length: u32, flags: u16, next: u16) -> Vec<u8> {
    let mut bytes = address.to_le_bytes().to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(next.to_le_bytes());
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A 9P message: a type, and a body put together field by field.
#[derive(Debug)]
struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Message {
    fn new(kind: u8) -> Self {
        Self {
            kind,
            body: Vec::new(),
        }
    }

    fn u16(mut self, value: u16) -> Self {
        self.body.extend(value.to_le_bytes());
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.body.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.body.extend(value.to_le_bytes());
        self
    }

    fn text(mut self, value: &str) -> Self {
        let length = u16::try_from(value.len()).expect("short");
        self.body.extend(length.to_le_bytes());
        self.body.extend(value.as_bytes());
        self
    }

    fn bytes(mut self, value: &[u8]) -> Self {
        let length = u32::try_from(value.len()).expect("short");
        self.body.extend(length.to_le_bytes());
        self.body.extend(value);
        self
    }

    /// Size, type, tag, body. The tag may always be the same: one call at a time.
    fn encode(&self) -> Vec<u8> {
        let size = u32::try_from(7 + self.body.len()).expect("short");
        let mut bytes = size.to_le_bytes().to_vec();
        bytes.push(self.kind);
        bytes.extend(1u16.to_le_bytes());
        bytes.extend(&self.body);
        bytes
    }
}
