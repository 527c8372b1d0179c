//! The processor of a machine whose own never runs: a client of QEMU's qtest socket, which finds a
//! virtio device on any PCI bus and passes messages through its queue.
//!
//! `-accel tcg -S -qtest unix:…` works with the QEMU of a distribution; `-accel qtest` does not
//! (Debian 12 and 13 build without it).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Far above what an emulated host needs for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the guest's memory is used: above the first megabyte, below the least that a machine has.
const DESCRIPTORS: u64 = 0x10_0000;
const AVAILABLE: u64 = 0x10_4000;
const USED: u64 = 0x10_8000;
const REQUEST: u64 = 0x20_0000;
const REPLY: u64 = 0x30_0000;
/// The longest answer.
pub const REPLY_SIZE: u32 = 16384;

const VENDOR: u32 = 0x1af4;
/// A transitional virtio-9p, and one behind a port of PCI Express (Virtio 1.0, 4.1.2).
const NINEP: [u32; 2] = [0x1009, 0x1049];

/// Kinds of virtio's capabilities (Virtio 1.0, 4.1.4).
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const DEVICE: u8 = 4;
const WINDOW: u8 = 5;

/// Registers of the common configuration (Virtio 1.0, 4.1.4.3), and their size.
const DRIVER_FEATURE_SELECT: (u32, u32) = (8, 4);
const DRIVER_FEATURE: (u32, u32) = (12, 4);
const STATUS: (u32, u32) = (20, 1);
const QUEUE_SELECT: (u32, u32) = (22, 2);
const QUEUE_SIZE: (u32, u32) = (24, 2);
const QUEUE_ENABLE: (u32, u32) = (28, 2);
const QUEUE_NOTIFY_OFFSET: (u32, u32) = (30, 2);
const QUEUE_ADDRESSES: [(u32, u64); 3] = [(32, DESCRIPTORS), (40, AVAILABLE), (48, USED)];

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A machine on the other side of a qtest socket.
pub struct Machine {
    reader: BufReader<Box<dyn Stream>>,
    buses: u32,
}

/// Where a function answers to configuration accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Function {
    bus: u32,
    slot: u32,
    number: u32,
}

/// A region of a virtio device: the BAR it is in, and where.
#[derive(Debug, Clone, Copy)]
struct Region {
    bar: u8,
    offset: u32,
}

/// A virtio device with one queue in use.
pub struct Device {
    machine: Machine,
    function: Function,
    /// The capability through which BARs are reached without a place in memory for them.
    window: u32,
    notify: Region,
    queue_size: u16,
    requests: u16,
}

impl Machine {
    /// Connects to `HOST:PORT`, or to the socket at a path. It may not be there yet.
    pub fn connect(address: &str) -> Self {
        let stream: Box<dyn Stream> = if address.starts_with('/') {
            let stream = patiently(|| UnixStream::connect(address));
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            Box::new(stream)
        } else {
            let stream = patiently(|| TcpStream::connect(address));
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_nodelay(true).expect("no delay");
            Box::new(stream)
        };
        Self {
            reader: BufReader::new(stream),
            buses: 0,
        }
    }

    /// The virtio-9p device with this mount tag, behind whatever bridges; its queue is ready.
    pub fn ninep(mut self, tag: &str) -> Result<Device, String> {
        let mut tags = Vec::new();
        for function in self.functions(0) {
            let identity = self.config_read(function, 0);
            if identity & 0xffff != VENDOR || !NINEP.contains(&(identity >> 16)) {
                continue;
            }
            let regions = self.regions(function);
            let found = self.tag(function, &regions);
            if found == tag {
                return Ok(Device::bring_up(self, function, &regions));
            }
            tags.push(found);
        }
        Err(format!(
            "there is no virtio-9p device with the mount tag {tag}, only {tags:?}"
        ))
    }

    /// All functions on a bus and behind its bridges, which get their numbers here: no firmware ran.
    fn functions(&mut self, bus: u32) -> Vec<Function> {
        let mut found = Vec::new();
        for slot in 0..32 {
            for number in 0..8 {
                let function = Function { bus, slot, number };
                if self.config_read(function, 0) == u32::MAX {
                    if number == 0 {
                        break;
                    }
                    continue;
                }
                found.push(function);
                let header = self.config_read(function, 0x0c) >> 16 & 0xff;
                if header & 0x7f == 1 {
                    self.buses += 1;
                    let (own, first) = (self.buses, bus | self.buses << 8);
                    // Everything above, until it is known how many there are.
                    self.config_write(function, 0x18, first | 0xff_0000);
                    self.config_write(function, 0x04, 7);
                    found.extend(self.functions(own));
                    self.config_write(function, 0x18, first | self.buses << 16);
                }
                if number == 0 && header & 0x80 == 0 {
                    break;
                }
            }
        }
        found
    }

    /// The device's virtio capabilities: their kind, where they stand, and the region they name.
    fn regions(&mut self, function: Function) -> Vec<(u8, u32, Region)> {
        let mut found = Vec::new();
        let mut at = self.config_read(function, 0x34) & 0xfc;
        while at != 0 {
            let head = self.config_read(function, at).to_le_bytes();
            // 0x09: a capability of the vendor's.
            if head[0] == 0x09 {
                let bar = self.config_read(function, at + 4).to_le_bytes()[0];
                let offset = self.config_read(function, at + 8);
                found.push((head[3], at, Region { bar, offset }));
            }
            at = u32::from(head[1]) & 0xfc;
        }
        found
    }

    /// The mount tag, from the device's own registers: two bytes of length, and the text.
    fn tag(&mut self, function: Function, regions: &[(u8, u32, Region)]) -> String {
        let (window, own) = (place(regions, WINDOW).0, place(regions, DEVICE).1);
        let length = self.peek(function, window, own, (0, 2));
        let bytes = (0..length).map(|at| {
            let byte = self.peek(function, window, own, (2 + at, 1));
            u8::try_from(byte & 0xff).expect("a byte")
        });
        String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
    }

    /// Reads a register of a region (Virtio 1.0, 4.1.4.7).
    fn peek(
        &mut self,
        function: Function,
        window: u32,
        region: Region,
        register: (u32, u32),
    ) -> u32 {
        self.aim(function, window, region, register);
        self.config_read(function, window + 16)
    }

    fn poke(
        &mut self,
        function: Function,
        window: u32,
        region: Region,
        register: (u32, u32),
        value: u32,
    ) {
        self.aim(function, window, region, register);
        self.config_write(function, window + 16, value);
    }

    fn aim(&mut self, function: Function, window: u32, region: Region, register: (u32, u32)) {
        self.config_write(function, window + 4, u32::from(region.bar));
        self.config_write(function, window + 8, region.offset + register.0);
        self.config_write(function, window + 12, register.1);
    }

    fn config_read(&mut self, function: Function, register: u32) -> u32 {
        self.config_select(function, register);
        u32::try_from(self.number("inl 0xcfc")).expect("32 bits")
    }

    fn config_write(&mut self, function: Function, register: u32, value: u32) {
        self.config_select(function, register);
        self.ask(&format!("outl 0xcfc {value:#x}"));
    }

    fn config_select(&mut self, function: Function, register: u32) {
        let Function { bus, slot, number } = function;
        let address = 0x8000_0000 | bus << 16 | slot << 11 | number << 8 | register;
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
        // In one piece: the socket sends what it is given.
        let line = format!("{command}\n");
        let stream = self.reader.get_mut();
        stream.write_all(line.as_bytes()).expect("write to qtest");
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("read from qtest");
        let answer = line.trim_end().strip_prefix("OK");
        let answer = answer.unwrap_or_else(|| panic!("{command}: {line:?}"));
        answer.trim_start().to_owned()
    }
}

impl Device {
    fn bring_up(machine: Machine, function: Function, regions: &[(u8, u32, Region)]) -> Self {
        let common = place(regions, COMMON).1;
        let (notify_at, mut notify) = place(regions, NOTIFY);
        let mut device = Self {
            machine,
            function,
            window: place(regions, WINDOW).0,
            notify,
            queue_size: 0,
            requests: 0,
        };
        // Memory space and bus master.
        device.machine.config_write(function, 0x04, 6);
        device
            .machine
            .ask(&format!("memset {DESCRIPTORS:#x} 0x10000 0x0"));

        // Reset; acknowledged, driver; version 1 and no other feature; features chosen.
        device.set(common, STATUS, 0);
        device.set(common, STATUS, 3);
        for (select, features) in [(0, 0), (1, 1)] {
            device.set(common, DRIVER_FEATURE_SELECT, select);
            device.set(common, DRIVER_FEATURE, features);
        }
        device.set(common, STATUS, 0xb);
        assert_eq!(device.get(common, STATUS), 0xb, "the features are taken");
        device.set(common, QUEUE_SELECT, 0);
        let size = device.get(common, QUEUE_SIZE);
        device.queue_size = u16::try_from(size).expect("16 bits");
        assert!(device.queue_size.is_power_of_two(), "there is a queue");
        for (register, address) in QUEUE_ADDRESSES {
            let low = u32::try_from(address).expect("below 4 GiB");
            device.set(common, (register, 4), low);
            device.set(common, (register + 4, 4), 0);
        }
        let number = device.get(common, QUEUE_NOTIFY_OFFSET);
        let multiplier = device.machine.config_read(function, notify_at + 16);
        notify.offset += number * multiplier;
        device.notify = notify;
        device.set(common, QUEUE_ENABLE, 1);
        device.set(common, STATUS, 0xf);
        device
    }

    /// Sends one message, waits for the answer, and gives that.
    pub fn exchange(&mut self, request: &[u8]) -> Vec<u8> {
        self.machine.write(REQUEST, request);
        // Two descriptors, always the same: ours to read (NEXT), theirs to write (WRITE). The
        // available ring holds nothing but zeros, the number of the first one.
        let length = u32::try_from(request.len()).expect("short");
        let mut chain = descriptor(REQUEST, length, 1, 1);
        chain.extend(descriptor(REPLY, REPLY_SIZE, 2, 0));
        self.machine.write(DESCRIPTORS, &chain);
        self.requests = self.requests.wrapping_add(1);
        let requests = self.requests.to_le_bytes();
        self.machine.write(AVAILABLE + 2, &requests);
        self.set(self.notify, (0, 2), 0);

        let start = Instant::now();
        while self.machine.read(USED + 2, 2) != requests {
            assert!(start.elapsed() < PATIENCE, "no answer to {request:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        let size = self.machine.read(REPLY, 4).try_into().expect("four bytes");
        self.machine
            .read(REPLY, u64::from(u32::from_le_bytes(size)))
    }

    fn get(&mut self, region: Region, register: (u32, u32)) -> u32 {
        let value = self
            .machine
            .peek(self.function, self.window, region, register);
        match register.1 {
            1 => value & 0xff,
            2 => value & 0xffff,
            _ => value,
        }
    }

    fn set(&mut self, region: Region, register: (u32, u32), value: u32) {
        self.machine
            .poke(self.function, self.window, region, register, value);
    }
}

/// Where the capability of a kind stands, and its region.
fn place(regions: &[(u8, u32, Region)], kind: u8) -> (u32, Region) {
    let found = regions.iter().find(|(found, ..)| *found == kind);
    let (_, at, region) = found.unwrap_or_else(|| panic!("no virtio capability {kind}"));
    (*at, *region)
}

fn patiently<T>(connect: impl Fn() -> std::io::Result<T>) -> T {
    let start = Instant::now();
    loop {
        match connect() {
            Ok(stream) => return stream,
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
