//! `convert` before a real libvirt and a real QEMU: there and back gives a domain that libvirt
//! regards as the same, the form in between is one that libvirt takes, QEMU starts and `check`
//! finds nothing in, and no byte changes but where shares stand.
//!
//! And what only the raw form is wrong about is no reason to refuse: libvirt starts what comes out.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_CONVERSIONS` says how many cases there are (50), and
//! `VIRT9P_CASE` picks one by its number.

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/cases/mod.rs"]
#[allow(dead_code)] // each test uses its part
mod cases;
#[path = "support/converted.rs"]
mod converted;
#[path = "support/judge.rs"]
#[allow(dead_code)] // each test uses its part
mod judge;
#[path = "support/libvirtd.rs"]
mod libvirtd;
#[path = "support/linter.rs"]
#[allow(dead_code)] // each test uses its part
mod linter;
#[path = "support/shares.rs"]
#[allow(dead_code)] // each test uses its part
mod shares;
#[path = "support/style.rs"]
mod style;

use cases::{Case, Dialect, chance, pick};
use fastrand::Rng;
use libvirtd::Libvirtd;
use linter::Versions;
use shares::{GOOD, Shares};
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const CASES: u64 = 50;

#[test]
#[ignore = "needs real libvirt and QEMU"]
fn there_and_back() {
    let converted = each_case(CASES, |trial, rng| trial.there_and_back(rng));
    say(&format!("{converted} shares there and back"));
}

/// Where nothing has an address yet, libvirt hands out its own only after the conversion.
#[test]
#[ignore = "needs real libvirt"]
fn addresses_are_out_of_libvirts_way() {
    let converted = each_case(CASES / 4, |trial, _| trial.without_addresses());
    say(&format!("{converted} shares without address"));
}

/// Raw shares with every fault that `<filesystem>` has not: none is refused, and libvirt starts each
/// form, there and back.
#[test]
#[ignore = "needs real libvirt and QEMU"]
fn raw_shares_start_as_either() {
    let converted = each_case(CASES / 2, |trial, rng| trial.raw_to_native(rng));
    say(&format!("{converted} raw shares, started as either"));
}

/// The pipe that the manual shows, with guests that libvirt really starts; and what it prints of a
/// running one, its own aliases and all, is as good as what it keeps.
#[test]
#[ignore = "needs real libvirt and QEMU"]
fn a_converted_guest_starts() {
    let libvirtd = Libvirtd::start();
    let output = libvirtd.shell(
        r#"
        mkdir share
        cat > web.xml <<END
        <domain type='qemu'>
          <name>web</name>
          <memory unit='MiB'>64</memory>
          <os><type arch='x86_64' machine='q35'>hvm</type></os>
          <features><acpi/></features>
          <devices>
            <memballoon model='none'/>
            <filesystem type='mount' accessmode='mapped'>
              <source dir='$HOME/share'/><target dir='share'/>
            </filesystem>
          </devices>
        </domain>
END
        $VIRSH define web.xml
        $VIRSH dumpxml --inactive --security-info web > before.xml
        virt-9p convert --to commandline --fmode 0644 --dmode 0755 --device json before.xml |
            $VIRSH define /dev/stdin
        $VIRSH start web
        $VIRSH dumpxml web | virt-9p convert --to native --libvirt 9.0.0 > back.xml
        $VIRSH destroy web
        $VIRSH define back.xml
        $VIRSH start web
        $VIRSH dumpxml web | virt-9p convert --to commandline --device json > again.xml
        $VIRSH destroy web
        $VIRSH define again.xml
        $VIRSH start web
        $VIRSH dumpxml web | grep -c 'fmode=0644,dmode=0755'
        $VIRSH destroy web
        "#,
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        (output.status.code(), stdout.trim()),
        (Some(0), "1"),
        "{stderr}"
    );
}

/// Runs `each` on generated domains, on two threads; how many shares they had.
fn each_case(cases: u64, each: impl Fn(Trial, &mut Rng) -> usize + Sync) -> usize {
    let libvirtd = Libvirtd::start();
    let shares = Shares::new();
    let seed = number("VIRT9P_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    let numbers = match number("VIRT9P_CASE") {
        Some(one) => one..one + 1,
        None => 0..number("VIRT9P_CONVERSIONS").unwrap_or(cases),
    };
    say(&format!("VIRT9P_SEED={seed}"));
    let next = AtomicU64::new(numbers.start);
    let converted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        break;
                    }
                    let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                    let trial = Trial::new(&mut rng, &libvirtd, &shares, seed, number);
                    converted.fetch_add(each(trial, &mut rng), Ordering::Relaxed);
                }
            });
        }
    });
    let converted = converted.into_inner();
    // There is at least one in each, unless a bus was full.
    let cases = usize::try_from(numbers.end - numbers.start).unwrap();
    assert!(converted > cases / 2, "too few to prove anything");
    converted
}

/// To the terminal even when the test passes: a log without the seed cannot be repeated.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "convert: {line}");
}

/// One generated domain.
struct Trial<'a> {
    libvirtd: &'a Libvirtd,
    shares: &'a Shares,
    /// How to repeat it.
    label: String,
    name: String,
    case: Case,
    versions: Versions,
    /// As libvirt writes it.
    canonical: String,
}

impl<'a> Trial<'a> {
    fn new(
        rng: &mut Rng,
        libvirtd: &'a Libvirtd,
        shares: &'a Shares,
        seed: u64,
        number: u64,
    ) -> Self {
        let (mut case, elements) = cases::topology::shared(rng, shares);
        // Arguments that are there already, and stay.
        if chance(rng, 40) {
            case.raw = cases::words(&["-name", "-fsdev", "-nodefaults"]);
        }
        let name = format!("case{number}");
        let label = format!("VIRT9P_SEED={seed} VIRT9P_CASE={number}");
        let mut xml = case
            .xml()
            .replace("<name>generated<", &format!("<name>{name}<"))
            .replace("97f2502e193f<", &format!("{number:012x}<"));
        if case.raw.is_empty() {
            xml = xml.replace("  <qemu:commandline>\n  </qemu:commandline>\n", "");
        }
        let elements: String = elements.iter().map(|one| format!("    {one}\n")).collect();
        let xml = xml.replace("  </devices>\n", &format!("{elements}  </devices>\n"));
        let canonical = libvirtd
            .formatted(&name, &xml)
            .unwrap_or_else(|error| panic!("{label}: libvirt refuses {xml}\n{error}"));
        let versions = match case.dialect {
            Dialect::Json | Dialect::ForcedText => ["9.0.0", "7.2.0"],
            Dialect::OldText => ["7.0.0", "5.2.0"],
        };
        let [libvirt, qemu] = versions.map(str::to_owned);
        Trial {
            libvirtd,
            shares,
            label,
            name,
            case,
            versions: Versions { libvirt, qemu },
            canonical,
        }
    }

    /// Converts it to raw arguments and back; how many shares there were.
    fn there_and_back(mut self, rng: &mut Rng) -> usize {
        let original = style::vary(rng, &self.canonical);
        assert_eq!(
            self.formatted(&original),
            self.canonical,
            "{}: only the looks should differ: {original}",
            self.label
        );
        let mapped = self.canonical.matches("accessmode='mapped'").count();
        let modes = chance(rng, 50) && mapped == self.canonical.matches("<filesystem ").count();
        let keep = chance(rng, 50);
        let mut options: Vec<&str> = Vec::new();
        if modes {
            options.extend(["--fmode", "0644", "--dmode", "0755"]);
        }
        if keep {
            options.push("--keep-address");
        }
        let there = self.convert("commandline", &options, &original);
        self.looks(&original, &there);
        converted::is_valid(&there, &self.label);
        options.push("--diff");
        let diff = self.convert("commandline", &options, &original);
        assert_eq!(patched(&original, &diff), there, "{}: {diff}", self.label);
        self.libvirt_takes(&there);
        self.qemu_starts(&there);
        let report = linter::check(&there, &self.versions, self.shares.root());
        // Where libvirt put it, libvirt may put its next device.
        let expected = |code: &str| keep && code == "address-next";
        let found = report.findings.iter();
        let found = found.filter(|one| one.level != "note" && !expected(&one.code));
        assert_eq!(found.count(), 0, "{}: {}\n{there}", self.label, report.line);

        let back = self.convert("native", &[], &there);
        converted::is_valid(&back, &self.label);
        let same_looks =
            |text: &str| style::without_shares(text).replace(&declaration(&there, &original), "");
        assert_eq!(same_looks(&back), same_looks(&original), "{}", self.label);
        let (mut before, mut after) = (
            comparable(&self.canonical),
            comparable(&self.formatted(&back)),
        );
        if !keep {
            (before, after) = (without_places(&before), without_places(&after));
        }
        if modes {
            let given = " fmode='0644' dmode='0755'";
            assert_eq!(
                after.matches(given).count(),
                mapped,
                "{}: {after}",
                self.label
            );
            (before, after) = (style::without_modes(&before), style::without_modes(&after));
        }
        assert_eq!(after, before, "{}: by way of {there}", self.label);
        before.matches("<filesystem ").count()
    }

    /// Gives it raw shares, and has libvirt start it with native ones, with raw ones, and with native
    /// ones again.
    fn raw_to_native(self, rng: &mut Rng) -> usize {
        let own = startable(&style::without_shares(&self.canonical));
        let number = rng.usize(1..5);
        let mut words: Vec<String> = Vec::new();
        for share in 0..number {
            words.extend(self.raw_share(rng, &own, share));
        }
        let stays = chance(rng, 30);
        if stays {
            // Where libvirt would put its next device, or one of the next.
            let slot = free_slots(&own)[rng.usize(..2)];
            let root = if self.case.is_q35() {
                "pcie.0"
            } else {
                "pci.0"
            };
            let device = format!("virtio-rng-pci,bus={root},addr={slot:#x}");
            words.extend(["-device".to_owned(), device]);
        }
        let args: String = words
            .iter()
            .map(|word| {
                format!(
                    "    <qemu:arg value={}/>\n",
                    virt_9p::domain::xml::attribute(word)
                )
            })
            .collect();
        let end = "</domain>\n";
        let uri = "http://libvirt.org/schemas/domain/qemu/1.0";
        let raw = own.replace(
            end,
            &format!("  <x:commandline xmlns:x='{uri}'>\n{args}  </x:commandline>\n{end}"),
        );
        let raw = raw.replace("<qemu:arg value=", "<x:arg value=");
        let native = self.convert("native", &[], &raw);
        assert_eq!(
            native.matches("<filesystem ").count(),
            number,
            "{}: {native}",
            self.label
        );
        self.starts(&native, &raw);
        let there = self.convert("commandline", &[], &self.formatted(&native));
        self.starts(&there, &native);
        let dump = self.formatted(&there);
        let report = linter::check(&dump, &self.versions, self.shares.root());
        let ours = report.findings.iter().filter(|one| one.level != "note");
        let ours: Vec<&str> = ours.map(|one| one.code.as_str()).collect();
        assert!(
            ours.iter().all(|code| stays && *code == "address-next"),
            "{}: {}\n{dump}",
            self.label,
            report.line
        );
        let back = self.convert("native", &[], &dump);
        self.starts(&back, &there);
        number
    }

    fn starts(&self, xml: &str, from: &str) {
        if let Err(error) = self.libvirtd.starts(&self.name, xml) {
            panic!("{}: {error}\n{xml}\nfrom {from}", self.label);
        }
    }

    /// A share in raw arguments; at least the address of most is none that could stay.
    fn raw_share(&self, rng: &mut Rng, own: &str, number: usize) -> Vec<String> {
        let path = cases::doubled(&self.shares.path(pick(rng, GOOD)));
        let tag = format!("tag{number}");
        let model = pick(rng, &["mapped", "mapped-xattr", "none", "passthrough"]);
        let modes = match model.starts_with("mapped") && chance(rng, 50) {
            true => ",fmode=0644,dmode=0755",
            false => "",
        };
        let common = format!("path={path},security_model={model}{modes}");
        if chance(rng, 30) {
            let id = if chance(rng, 50) { ",id=v" } else { "" };
            let id = if id.is_empty() {
                String::new()
            } else {
                format!("{id}{number}")
            };
            let modes = pick(rng, &["", ",fmode=644", ",fmode=0600,dmode=0x1ff"]);
            return words_of(
                "-virtfs",
                format!("local,mount_tag={tag},{common}{modes}{id}"),
            );
        }
        let root = if self.case.is_q35() {
            "pcie.0"
        } else {
            "pci.0"
        };
        let taken = own.split("<address type='pci' ").skip(1);
        let taken: Vec<(String, String)> = taken
            .filter(|rest| rest.contains("bus='0x00'"))
            .map(|rest| {
                (
                    root.to_owned(),
                    format!("{}.{}", hex(rest, "slot"), hex(rest, "function")),
                )
            })
            .collect();
        let buses: Vec<String> = own
            .split("<controller type='pci' index='")
            .skip(1)
            .filter_map(|rest| rest.split('\'').next())
            .filter(|index| *index != "0")
            .map(|index| format!("pci.{index}"))
            .collect();
        let at = |bus: &str, addr: &str| (bus.to_owned(), addr.to_owned());
        let spare = if self.case.is_q35() {
            ["0x1f.0x1", "1f.6"]
        } else {
            ["0x1.0x4", "1.7"]
        };
        let (bus, addr) = match rng.u32(..10) {
            0 | 1 => at("", ""),
            2 => at(root, ""),
            3 | 4 if !taken.is_empty() => taken[rng.usize(..taken.len())].clone(),
            5 | 6 if !buses.is_empty() => {
                let addr = pick(rng, &["0x0", "0x1", "0x3.0x1"]);
                at(&buses[rng.usize(..buses.len())], addr)
            }
            7 => at(root, pick(rng, &spare)),
            8 => at(
                pick(rng, &["pci.77", root]),
                pick(rng, &["0x20", "0x5.0x9", ""]),
            ),
            _ => at(root, pick(rng, &["0x5", "0x6", "0x1c", "0x9.0x3", "0x0"])),
        };
        let driver = pick(
            rng,
            &[
                "virtio-9p-pci",
                "virtio-9p-pci",
                "virtio-9p-pci-non-transitional",
            ],
        );
        let mut device = serde_json::Map::new();
        let mut set = |key: &str, value: &str| {
            if !value.is_empty() {
                device.insert(key.to_owned(), value.into());
            }
        };
        set("driver", driver);
        // The second one is libvirt's, perhaps.
        set("id", pick(rng, &["", "rng0"]));
        set("fsdev", &format!("share{number}"));
        set("mount_tag", &tag);
        set("bus", &bus);
        set("addr", &addr);
        let device = match chance(rng, 50) {
            true => serde_json::Value::Object(device).to_string(),
            false => cases::as_text(&device),
        };
        let mut words = words_of("-fsdev", format!("local,id=share{number},{common}"));
        words.extend(words_of("-device", device));
        words
    }

    /// Converts it without the addresses that libvirt has given, and has libvirt give others.
    fn without_addresses(self) -> usize {
        let lines = self.canonical.lines();
        // Of the guest, as the indentation says: those below <source> are the host's.
        let lines = lines.filter(|line| !line.starts_with("      <address type='pci'"));
        let bare: String = lines.map(|line| format!("{line}\n")).collect();
        let dump = self.formatted(&self.convert("commandline", &[], &bare));
        let report = linter::check(&dump, &self.versions, self.shares.root());
        assert_eq!(
            report.errors().count(),
            0,
            "{}: {}\n{dump}",
            self.label,
            report.line
        );
        self.canonical.matches("<filesystem ").count()
    }

    fn formatted(&self, xml: &str) -> String {
        self.libvirtd
            .formatted(&self.name, xml)
            .unwrap_or_else(|error| panic!("{}: libvirt refuses {xml}\n{error}", self.label))
    }

    fn convert(&self, to: &str, options: &[&str], xml: &str) -> String {
        let Versions { libvirt, qemu } = &self.versions;
        let all = ["--to", to, "--libvirt", libvirt, "--qemu", qemu];
        converted::convert(xml, &[&all, options].concat(), &self.label).0
    }

    /// All lines without shares are there, in order and unchanged, and there are four new ones for
    /// each share and two for a block.
    fn looks(&self, original: &str, there: &str) {
        let rest = style::without_shares(original);
        let without_new = there.replace(&declaration(there, original), "");
        let mut lines = without_new.split_inclusive('\n');
        let new: Vec<&str> = {
            let mut new = Vec::new();
            for expected in rest.split_inclusive('\n') {
                loop {
                    match lines.next() {
                        Some(line) if line == expected => break,
                        Some(line) => new.push(line),
                        // On one line everything is new; there and back tells.
                        None if !rest.trim_end().contains('\n') => return,
                        None => panic!("{}: {expected:?} is gone from {there}", self.label),
                    }
                }
            }
            new.extend(lines);
            new
        };
        let shares = original.matches("</filesystem").count();
        let block = if self.canonical.contains("commandline") {
            0
        } else {
            2
        };
        assert_eq!(new.len(), 4 * shares + block, "{}: {new:#?}", self.label);
    }

    /// libvirt defines it, keeps every argument, and every other device where it was.
    fn libvirt_takes(&self, there: &str) {
        let dump = self.formatted(there);
        let (ours, theirs) = (read(there), read(&dump));
        let words = |domain: &virt_9p::domain::Domain| -> Vec<String> {
            domain.args.iter().map(|arg| arg.value.clone()).collect()
        };
        assert_eq!(words(&theirs), words(&ours), "{}: {dump}", self.label);
        assert_eq!(
            theirs
                .devices
                .iter()
                .filter(|device| device.is_9p())
                .count(),
            0
        );
        let places = |domain: &virt_9p::domain::Domain| -> Vec<String> {
            let others = domain.devices.iter().filter(|device| !device.is_9p());
            others
                .map(|device| {
                    let place = device.pci.map(|pci| (pci.bus, pci.slot, pci.function));
                    format!("{} {:?} {place:?}", device.element, device.kind)
                })
                .collect()
        };
        assert_eq!(
            places(&theirs),
            places(&read(&self.canonical)),
            "{}",
            self.label
        );
    }

    fn qemu_starts(&mut self, there: &str) {
        let stay = self.case.raw.clone();
        let words = read(there).args.into_iter().map(|arg| arg.value);
        // What stays is for libvirt's eyes; -nodefaults is there twice already.
        self.case.raw = words.skip(stay.len()).collect();
        let verdict = judge::verdict(&self.case.argv());
        assert!(
            verdict.accepted,
            "{}: {}\n{:?}\n{there}",
            self.label,
            verdict.stderr,
            self.case.argv()
        );
    }
}

/// The text after a diff, as `patch` reads that.
fn patched(text: &str, diff: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("old"), text).unwrap();
    std::fs::write(at("diff"), diff).unwrap();
    let output = Command::new("patch")
        .args([
            "--binary",
            "--fuzz=0",
            "--silent",
            "--output=new",
            "old",
            "diff",
        ])
        .current_dir(directory.path())
        .output()
        .expect("these tests need patch");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{diff}");
    std::fs::read_to_string(at("new")).unwrap()
}

fn read(text: &str) -> virt_9p::domain::Domain {
    virt_9p::domain::read(
        text.trim_start_matches('\u{feff}'),
        virt_9p::domain::Origin::File,
    )
    .unwrap()
}

/// The declaration that the conversion added, when it had to.
fn declaration(there: &str, original: &str) -> String {
    let uri = "http://libvirt.org/schemas/domain/qemu/1.0";
    if original.contains(uri) {
        return "no declaration".to_owned();
    }
    let end = there.find(uri).unwrap() + uri.len() + 1;
    let start = there[..end].rfind(" xmlns:").unwrap();
    there[start..end].to_owned()
}

/// The domain without what is only another word for the default of a share. Nothing else may
/// differ, the order of the shares included.
fn comparable(dump: &str) -> String {
    let shares = dump.split_inclusive('\n').map(|line| {
        if line.trim_start().starts_with("<filesystem ") {
            line.replace(" model='virtio'", "")
        } else {
            line.replace("      <driver type='path'/>\n", "")
        }
    });
    shares.collect()
}

/// Without where shares are, and without PCI controllers, of which libvirt makes more for shares.
fn without_places(dump: &str) -> String {
    let mut inside = "";
    let lines = dump.split_inclusive('\n').filter(|line| {
        let element = line.trim();
        let pci = element.starts_with("<controller type='pci'");
        if element.starts_with("<filesystem ") {
            inside = "</filesystem>";
        } else if pci && !element.ends_with("/>") {
            inside = "</controller>";
        }
        let gone = match inside {
            "</controller>" => true,
            "</filesystem>" => element.starts_with("<address "),
            _ => pci,
        };
        if element == inside {
            inside = "";
        }
        !gone
    });
    lines.collect()
}

/// Without what this host may not have: devices of its own, an image.
fn startable(dump: &str) -> String {
    let mut out = String::new();
    let mut skips = String::new();
    for line in dump.split_inclusive('\n') {
        let away = ["hostdev", "interface type='hostdev'", "disk", "vsock"];
        let away = away
            .iter()
            .find(|name| line.starts_with(&format!("    <{name} ")));
        if !skips.is_empty() {
            if line.starts_with(&skips) {
                skips.clear();
            }
        } else if let Some(name) = away {
            skips = format!("    </{}>", name.split(' ').next().unwrap());
        } else {
            out.push_str(line);
        }
    }
    out
}

fn words_of(option: &str, argument: String) -> Vec<String> {
    vec![option.to_owned(), argument]
}

/// The number that an attribute has, as QEMU wants it.
fn hex<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("{name}='0x")).unwrap() + name.len() + 2;
    text[start..].split('\'').next().unwrap()
}

/// The slots of the root bus that nothing of libvirt's is in.
fn free_slots(dump: &str) -> Vec<u8> {
    let domain = read(dump);
    let free = |slot: &u8| {
        let mut devices = domain.devices.iter().filter_map(|device| device.pci);
        !devices.any(|pci| pci.bus == 0 && pci.slot == *slot)
    };
    // 1 is the ISA bridge's, or may be.
    (2..31).filter(free).collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}
