//! A guest without a kernel: it speaks 9P2000.L with a share's device, so that files get made as a
//! real guest would make them. An error is always the number that Linux has for it.

use crate::qtest::{Device, Machine, REPLY_SIZE};

const RDONLY: u32 = 0;
const RDWR: u32 = 0o2;
const CREATE: u32 = 0o100;

/// Requests of 9P2000.L. An answer has its question's number plus one.
const LERROR: u8 = 7;
const LOPEN: u8 = 12;
const LCREATE: u8 = 14;
const SYMLINK: u8 = 16;
const READLINK: u8 = 22;
const GETATTR: u8 = 24;
const SETATTR: u8 = 26;
const READDIR: u8 = 40;
const LINK: u8 = 70;
const MKDIR: u8 = 72;
const RENAMEAT: u8 = 74;
const UNLINKAT: u8 = 76;
const VERSION: u8 = 100;
const ATTACH: u8 = 104;
const WALK: u8 = 110;
const READ: u8 = 116;
const WRITE: u8 = 118;
const CLUNK: u8 = 120;

/// The root of the share.
const ROOT: u32 = 0;

/// A guest that has mounted a share. Names are paths below the share's root; modes are those that
/// the guest asks for and sees.
pub struct Guest {
    device: Device,
    /// The first fid that is not in use.
    free: u32,
}

impl Guest {
    /// Finds the share with this tag, and mounts it.
    pub fn mount(machine: Machine, tag: &str) -> Result<Self, String> {
        let device = machine.ninep(tag)?;
        let mut guest = Self { device, free: 1 };
        let version = Message::new(VERSION).u32(REPLY_SIZE).text("9P2000.L");
        let attach = Message::new(ATTACH).u32(ROOT).u32(u32::MAX);
        let attach = attach.text("root").text("").u32(0);
        let mounted = guest.call(&version).and_then(|_| guest.call(&attach));
        match mounted {
            Ok(_) => Ok(guest),
            Err(error) => Err(format!("the share cannot be attached: error {error}")),
        }
    }

    /// Before that, QEMU does not migrate or save the machine.
    pub fn unmount(mut self) -> Result<(), u32> {
        self.clunk(ROOT)
    }

    /// Makes a file and writes into it.
    pub fn create(&mut self, name: &str, mode: u32, data: &str) -> Result<(), u32> {
        self.in_parent(name, |guest, parent, name| {
            let create = Message::new(LCREATE).u32(parent).text(name);
            guest.call(&create.u32(RDWR | CREATE).u32(mode).u32(0))?;
            guest.write(parent, 0, data)
        })
    }

    /// Writes at the end of a file.
    pub fn append(&mut self, name: &str, data: &str) -> Result<(), u32> {
        let size = self.attributes(name)?.1;
        self.at(name, |guest, file| {
            guest.call(&Message::new(LOPEN).u32(file).u32(RDWR))?;
            guest.write(file, size, data)
        })
    }

    /// What a file holds, as far as one answer goes.
    pub fn read(&mut self, name: &str) -> Result<String, u32> {
        self.at(name, |guest, file| {
            guest.call(&Message::new(LOPEN).u32(file).u32(RDONLY))?;
            let read = Message::new(READ).u32(file).u64(0).u32(REPLY_SIZE - 24);
            Ok(text(&guest.call(&read)?[4..]))
        })
    }

    pub fn mkdir(&mut self, name: &str, mode: u32) -> Result<(), u32> {
        self.in_parent(name, |guest, parent, name| {
            let mkdir = Message::new(MKDIR).u32(parent).text(name);
            guest.call(&mkdir.u32(mode).u32(0)).map(drop)
        })
    }

    /// Another name for a file.
    pub fn link(&mut self, old: &str, new: &str) -> Result<(), u32> {
        self.at(old, |guest, file| {
            guest.in_parent(new, |guest, parent, name| {
                let link = Message::new(LINK).u32(parent).u32(file);
                guest.call(&link.text(name)).map(drop)
            })
        })
    }

    pub fn symlink(&mut self, target: &str, name: &str) -> Result<(), u32> {
        self.in_parent(name, |guest, parent, name| {
            let symlink = Message::new(SYMLINK).u32(parent).text(name);
            guest.call(&symlink.text(target).u32(0)).map(drop)
        })
    }

    pub fn readlink(&mut self, name: &str) -> Result<String, u32> {
        self.at(name, |guest, link| {
            let target = guest.call(&Message::new(READLINK).u32(link))?;
            Ok(text(&target[2..]))
        })
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), u32> {
        self.in_parent(old, |guest, from, old| {
            guest.in_parent(new, |guest, to, new| {
                let rename = Message::new(RENAMEAT).u32(from).text(old);
                guest.call(&rename.u32(to).text(new)).map(drop)
            })
        })
    }

    /// Removes a file, or with `directory` a directory.
    pub fn remove(&mut self, name: &str, directory: bool) -> Result<(), u32> {
        self.in_parent(name, |guest, parent, name| {
            let unlink = Message::new(UNLINKAT).u32(parent).text(name);
            let flag = if directory { 0x200 } else { 0 };
            guest.call(&unlink.u32(flag)).map(drop)
        })
    }

    pub fn chmod(&mut self, name: &str, mode: u32) -> Result<(), u32> {
        self.at(name, |guest, file| {
            // The mode alone is valid; owner, size and times follow.
            let change = Message::new(SETATTR).u32(file).u32(1).u32(mode);
            let change = change.u32(0).u32(0).u64(0).u64(0).u64(0).u64(0).u64(0);
            guest.call(&change).map(drop)
        })
    }

    /// The mode that the guest sees.
    pub fn mode(&mut self, name: &str) -> Result<u32, u32> {
        Ok(self.attributes(name)?.0 & 0o7777)
    }

    /// Names in a directory, sorted, without the two that every directory has.
    pub fn list(&mut self, name: &str) -> Result<Vec<String>, u32> {
        let entries = self.at(name, |guest, directory| {
            guest.call(&Message::new(LOPEN).u32(directory).u32(RDONLY))?;
            let read = Message::new(READDIR).u32(directory).u64(0);
            guest.call(&read.u32(REPLY_SIZE - 24))
        })?;
        let mut names = Vec::new();
        // A qid, an offset and a type stand before each name.
        let (mut rest, header) = (&entries[4..], 13 + 8 + 1);
        while rest.len() > header {
            let length = usize::from(u16::from_le_bytes([rest[header], rest[header + 1]]));
            let end = header + 2 + length;
            names.push(text(&rest[header + 2..end]));
            rest = &rest[end..];
        }
        names.retain(|name| name != "." && name != "..");
        names.sort();
        Ok(names)
    }

    /// Mode and size.
    fn attributes(&mut self, name: &str) -> Result<(u32, u64), u32> {
        self.at(name, |guest, file| {
            // What stat(2) gives.
            let reply = guest.call(&Message::new(GETATTR).u32(file).u64(0x7ff))?;
            // valid, qid; mode, owner, group; links, device; size.
            let mode = reply[21..25].try_into().expect("four bytes");
            let size = reply[49..57].try_into().expect("eight bytes");
            Ok((u32::from_le_bytes(mode), u64::from_le_bytes(size)))
        })
    }

    fn write(&mut self, file: u32, at: u64, data: &str) -> Result<(), u32> {
        let write = Message::new(WRITE).u32(file).u64(at);
        let written = self.call(&write.bytes(data.as_bytes()))?;
        assert_eq!(written, (data.len() as u32).to_le_bytes(), "all is written");
        Ok(())
    }

    /// Does something with a fid for a name, which is given back whatever comes of it.
    fn at<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self, u32) -> Result<T, u32>,
    ) -> Result<T, u32> {
        let names: Vec<&str> = name.split('/').filter(|name| !name.is_empty()).collect();
        let count = u16::try_from(names.len()).expect("short");
        let fid = self.free;
        let walk = Message::new(WALK).u32(ROOT).u32(fid).u16(count);
        let walk = names.iter().fold(walk, |walk, name| walk.text(name));
        let walked = self.call(&walk)?;
        if walked[..2] != count.to_le_bytes() {
            // Some of the names are there, and then there is no fid.
            return Err(2);
        }
        self.free += 1;
        let result = work(self, fid);
        self.free -= 1;
        self.clunk(fid)?;
        result
    }

    fn in_parent<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self, u32, &str) -> Result<T, u32>,
    ) -> Result<T, u32> {
        let (parent, name) = name.rsplit_once('/').unwrap_or(("", name));
        self.at(parent, |guest, parent| work(guest, parent, name))
    }

    fn clunk(&mut self, fid: u32) -> Result<(), u32> {
        self.call(&Message::new(CLUNK).u32(fid)).map(drop)
    }

    /// What follows the header of the answer, or the error.
    fn call(&mut self, message: &Message) -> Result<Vec<u8>, u32> {
        let reply = self.device.exchange(&message.encode());
        let (kind, body) = (reply[4], &reply[7..]);
        if kind == LERROR {
            return Err(u32::from_le_bytes(body.try_into().expect("four bytes")));
        }
        assert_eq!(kind, message.kind + 1, "{message:?} was answered {body:?}");
        Ok(body.to_vec())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
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

    fn text(self, value: &str) -> Self {
        let length = u16::try_from(value.len()).expect("short");
        let mut message = self.u16(length);
        message.body.extend(value.as_bytes());
        message
    }

    fn bytes(self, value: &[u8]) -> Self {
        let length = u32::try_from(value.len()).expect("short");
        let mut message = self.u32(length);
        message.body.extend(value);
        message
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
