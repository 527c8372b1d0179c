//! libvirt's elements for raw arguments that are no shares: what one form says, in the words of the
//! other. Read from libvirt 9.0 and 11.3; what they hand on otherwise than it was written has no
//! equal here.

mod word;

pub use word::is_refused;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::domain::Domain;
use crate::domain::xml::{attribute, escaped};
use crate::qemu::argv;
use crate::qemu::command_line::{CommandLine, LONGEST_ARG, RawDevice};
use crate::qemu::libvirt_ids::user_alias;
use crate::text::quoted;
use crate::version::Version;
use word::Word;

/// Which element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// In `<devices>`.
    Input,
    /// With its entries; a domain has one.
    FwCfg,
    /// In `<os>`, with its tables.
    Acpi,
    /// In `<devices>`.
    Shmem,
}

impl Element {
    /// As it is written about.
    pub fn name(self) -> &'static str {
        match self {
            Element::Input => "<input type='evdev'>",
            Element::FwCfg => "<sysinfo type='fwcfg'>",
            Element::Acpi => "<table> of <os><acpi>",
            Element::Shmem => "<shmem>",
        }
    }
}

/// What raw arguments say, as libvirt says it.
#[derive(Debug)]
pub struct Native {
    /// Which element.
    pub element: Element,
    /// Into `Domain::args`: those with what it says; before each stands the option.
    pub args: Vec<usize>,
    /// Of the first argument, what to point at.
    pub range: Range<usize>,
    /// The start tag.
    pub open: String,
    /// What is in it, a line each.
    pub inner: Vec<String>,
    /// The end tag.
    pub close: &'static str,
    /// The type of an ACPI table.
    pub table: Option<&'static str>,
    /// The first libvirt that has all of it.
    pub since: Version,
    /// The device on PCI, into `CommandLine::devices`.
    pub device: Option<usize>,
}

/// Why there is no equal.
#[derive(Debug)]
pub struct Unequal {
    /// Of which element.
    pub element: Element,
    /// Into `Domain::args`.
    pub arg: usize,
    /// What is in the way.
    pub range: Range<usize>,
    /// In words.
    pub message: String,
}

impl Native {
    /// All of it in one line.
    pub fn xml(&self) -> String {
        let mut xml = self.open.clone();
        xml.extend(self.inner.iter().map(String::as_str));
        xml.push_str(self.close);
        xml
    }

    fn new(element: Element, word: &Word, since: (u32, u32)) -> Self {
        let (open, close) = match element {
            Element::Input => ("<input type='evdev'>", "</input>"),
            Element::FwCfg => ("<sysinfo type='fwcfg'>", "</sysinfo>"),
            Element::Acpi => ("<acpi>", "</acpi>"),
            Element::Shmem => ("<shmem", "</shmem>"),
        };
        Native {
            element,
            args: vec![word.arg],
            range: 0..0,
            open: open.to_owned(),
            inner: Vec::new(),
            close,
            table: None,
            since: Version(since.0, since.1, 0),
            device: None,
        }
    }

    /// The user's own alias, where the id is one.
    fn alias(&mut self, id: Option<&str>) {
        // Any other id is only how arguments find each other.
        if let Some(alias) = id.and_then(user_alias) {
            self.inner
                .push(format!("<alias name={}/>", attribute(&alias)));
        }
    }
}

/// Reads all arguments of the kinds that libvirt has an equal for, in order; those of devices last.
pub fn read(domain: &Domain, line: &CommandLine) -> Vec<Result<Native, Unequal>> {
    let words: Vec<&str> = domain.args.iter().map(|arg| arg.value.as_str()).collect();
    let mut found = Vec::new();
    let mut backends = Vec::new();
    let mut elsewhere = BTreeSet::new();
    for option in argv::pair(&words).0 {
        let Some((index, arg)) = option.argument(domain) else {
            continue;
        };
        if arg.value.len() > LONGEST_ARG {
            continue;
        }
        let (element, implied) = match option.name {
            "object" => (Element::Input, "qom-type"),
            "fw_cfg" => (Element::FwCfg, "name"),
            "acpitable" => (Element::Acpi, ""),
            "numa" | "machine" | "M" => {
                elsewhere.extend(arg.value.split([',', '=', '"', '\'']));
                continue;
            }
            _ => continue,
        };
        let Some(mut word) = Word::of(arg, index, element, implied) else {
            continue;
        };
        found.push(match element {
            Element::FwCfg => fw_cfg(&word),
            Element::Acpi => acpi_table(&word),
            _ => match word.get("qom-type").and_then(word::string) {
                Some("input-linux") => input(&word),
                Some("memory-backend-file") => {
                    word.element = Element::Shmem;
                    backends.push(word);
                    continue;
                }
                _ => continue,
            },
        });
    }
    // The first that has an id, and how many have it.
    let mut ids: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (number, id) in backends.iter().enumerate() {
        if let Some(id) = id.id() {
            ids.entry(id).or_insert((0, number)).0 += 1;
        }
    }
    let mut users: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for memdev in line.devices.iter().filter_map(|one| one.text("memdev")) {
        users.entry(memdev).or_insert((0, 0)).0 += 1;
    }
    for (number, device) in line.devices.iter().enumerate() {
        let id = device.text("memdev").unwrap_or("");
        if device.driver() != "ivshmem-plain" {
            continue;
        }
        let Some((count, backend)) = ids.get(id) else {
            continue;
        };
        let Some(backend) = backends.get(*backend) else {
            continue;
        };
        let alone = *count == 1
            && users.get(id).is_some_and(|(users, _)| *users == 1)
            && !elsewhere.contains(id);
        // Memory elsewhere is none of <shmem>'s (/dev/kvmfr0, huge pages).
        let name = backend.get("mem-path").and_then(word::string);
        if let Some(name) = name.and_then(|path| path.strip_prefix("/dev/shm/")) {
            let native = shmem(backend, name, alone, device);
            found.push(native.map(|native| Native {
                device: Some(number),
                ..native
            }));
        }
    }
    found
}

/// `-object input-linux` (facts P6.3).
fn input(word: &Word) -> Result<Native, Unequal> {
    word.only("qom-type id evdev repeat grab_all grab-toggle")?;
    let mut native = Native::new(Element::Input, word, (7, 4));
    let (evdev, range) = word.file("evdev", "", false)?;
    native.range = range;
    let mut source = format!("<source dev={}", attribute(evdev));
    if word.switch("grab_all")? == Some(true) {
        source.push_str(" grab='all'");
    }
    if let Some(toggle) = word.get("grab-toggle") {
        let keys = "ctrl-ctrl alt-alt shift-shift meta-meta scrolllock ctrl-scrolllock";
        let value = word.text(toggle, "")?;
        if !keys.split(' ').any(|known| known == value) {
            return Err(word.unequal(toggle, "is none of the keys that grabToggle has"));
        }
        native.since = Version(7, 6, 0);
        source.push_str(" grabToggle=");
        source.push_str(&attribute(value));
    }
    if let Some(on) = word.switch("repeat")? {
        source.push_str(if on { " repeat='on'" } else { " repeat='off'" });
    }
    source.push_str("/>");
    native.inner.push(source);
    native.alias(word.id());
    Ok(native)
}

/// `-fw_cfg`, as far as libvirt hands it on as it is (facts P6.1).
fn fw_cfg(word: &Word) -> Result<Native, Unequal> {
    word.only("name file string")?;
    let mut native = Native::new(Element::FwCfg, word, (6, 5));
    let name = word.wanted("name")?;
    let handed_on = ",<>&\"'";
    let text = word.text(name, handed_on)?;
    if !text.starts_with("opt/")
        || text.starts_with("opt/ovmf/")
        || text.starts_with("opt/org.qemu/")
    {
        let why = "is a name that libvirt refuses: it must begin with opt/, not opt/ovmf/ or opt/org.qemu/";
        return Err(word.unequal(name, why));
    }
    let entry = format!("<entry name={}", attribute(text));
    let given = |key| word.get(key).filter(|one| !word::is_empty(one));
    let (line, range) = match (given("file"), given("string")) {
        (Some(_), None) => {
            let (file, range) = word.file("file", handed_on, true)?;
            (format!("{entry} file={}/>", attribute(file)), range)
        }
        (None, Some(string)) => {
            let text = word.text(string, handed_on)?;
            if text.trim().is_empty() {
                return Err(word.unequal(string, "is all white space, which libvirt drops"));
            }
            let line = format!("{entry}>{text}</entry>");
            (line, string.value_range.clone())
        }
        _ => return Err(word.unequal(name, "has no file or string, or both: QEMU refuses it")),
    };
    native.range = range;
    native.inner.push(line);
    Ok(native)
}

/// `-acpitable`: what libvirt itself writes for each type of table, and nothing else (facts P6.2).
/// What is in the file nobody reads here.
fn acpi_table(word: &Word) -> Result<Native, Unequal> {
    word.only("sig file")?;
    let (kind, since) = match word.get("sig") {
        None => ("raw", (11, 2)),
        Some(sig) => match word.text(sig, "")? {
            "SLIC" => ("slic", (1, 3)),
            "MSDM" => ("msdm", (11, 2)),
            _ => return Err(word.unequal(sig, "is no signature that <table> has a type for")),
        },
    };
    let mut native = Native::new(Element::Acpi, word, since);
    let (file, range) = word.file("file", "", true)?;
    if file.contains(':') {
        let why = "is a list of files, which QEMU puts together; a <table> is one file";
        return Err(word.unequal(word.wanted("file")?, why));
    }
    native.range = range;
    native.table = Some(kind);
    let file = escaped(file, '"').replace('>', "&gt;");
    native
        .inner
        .push(format!("<table type='{kind}'>{file}</table>"));
    Ok(native)
}

/// `-object memory-backend-file` in /dev/shm with its `-device ivshmem-plain` (facts P6.4).
fn shmem(backend: &Word, name: &str, alone: bool, device: &RawDevice) -> Result<Native, Unequal> {
    backend.only("qom-type id mem-path size share")?;
    let side = Word::device(device);
    side.only("driver id memdev bus addr multifunction master")?;
    let path = backend.wanted("mem-path")?;
    backend.text(path, "")?;
    if name.contains('/') || matches!(name, "" | "." | "..") {
        return Err(backend.unequal(
            path,
            "is no file right in /dev/shm, and <shmem> has no other",
        ));
    }
    if !alone {
        let memdev = side.wanted("memdev")?;
        let why = "is used by something else, too, and the memory of a <shmem> is its own";
        return Err(side.unequal(memdev, why));
    }
    if backend.switch("share")? != Some(true) {
        let why = "is mapped privately without share=on, and <shmem> shares: the guest would see another memory";
        return Err(backend.unequal(backend.get("share").unwrap_or(path), why));
    }
    let size = backend.wanted("size")?;
    let mebibytes = word::bytes(size).filter(|size| size.is_power_of_two() && *size >= 1 << 20);
    let Some(mebibytes) = mebibytes.map(|size| size >> 20) else {
        return Err(backend.unequal(size, "is no power of two from 1M on, which <shmem> wants"));
    };
    let mut native = Native::new(Element::Shmem, backend, (5, 10));
    native.args.push(device.arg);
    native.range = path.value_range.clone();
    native.open = format!("<shmem name={}", attribute(name));
    if let Some(master) = side.get("master") {
        native.since = Version(6, 6, 0);
        native.open.push_str(match side.text(master, "")? {
            "on" => " role='master'",
            "off" => " role='peer'",
            "auto" => "",
            _ => return Err(side.unequal(master, "is no value that QEMU takes for this")),
        });
    }
    native.open.push('>');
    native.inner = vec![
        "<model type='ivshmem-plain'/>".to_owned(),
        format!("<size unit='M'>{mebibytes}</size>"),
    ];
    native.alias(device.id_text());
    Ok(native)
}

impl Unequal {
    fn new(word: &Word, range: Range<usize>, shown: &str, why: &str) -> Self {
        Unequal {
            element: word.element,
            arg: word.arg,
            range,
            message: format!("{} {why}", quoted(shown)),
        }
    }
}
