//! `convert` before a real libvirt and a real QEMU: there and back gives a domain that libvirt
//! regards as the same, the form in between is one that libvirt takes, QEMU starts and `check`
//! finds nothing in, and no byte changes but where shares stand.
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

use cases::{Case, Dialect, chance};
use fastrand::Rng;
use libvirtd::Libvirtd;
use linter::Versions;
use shares::Shares;
use std::io::Write as _;
use std::process::{Command, Stdio};
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
        let modes = chance(rng, 50);
        let options: &[&str] = match modes {
            true => &["--fmode", "0644", "--dmode", "0755"],
            false => &[],
        };
        let there = self.convert("commandline", options, &original);
        self.looks(&original, &there);
        self.is_valid(&there);
        let mut options = options.to_vec();
        options.push("--diff");
        let diff = self.convert("commandline", &options, &original);
        assert_eq!(patched(&original, &diff), there, "{}: {diff}", self.label);
        self.libvirt_takes(&there);
        self.qemu_starts(&there);
        let report = linter::check(&there, &self.versions, self.shares.root());
        let found = report
            .findings
            .iter()
            .filter(|finding| finding.level != "note");
        assert_eq!(found.count(), 0, "{}: {}\n{there}", self.label, report.line);

        let back = self.convert("native", &[], &there);
        self.is_valid(&back);
        let same_looks =
            |text: &str| style::without_shares(text).replace(&declaration(&there, &original), "");
        assert_eq!(same_looks(&back), same_looks(&original), "{}", self.label);
        let (mut before, mut after) = (
            comparable(&self.canonical),
            comparable(&self.formatted(&back)),
        );
        if modes {
            let mapped = before.matches("accessmode='mapped'").count();
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

    /// By libvirt's own schema, as `virsh edit` asks for.
    fn is_valid(&self, xml: &str) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(xml.as_bytes()).unwrap();
        let output = Command::new("virt-xml-validate")
            .arg(file.path())
            .arg("domain")
            .output()
            .expect("these tests need virt-xml-validate");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}\n{xml}", self.label);
    }

    fn convert(&self, to: &str, options: &[&str], xml: &str) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_virt-9p"))
            .args(["convert", "--to", to, "--no-host"])
            .args([
                "--libvirt",
                &self.versions.libvirt,
                "--qemu",
                &self.versions.qemu,
            ])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(xml.as_bytes());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}\n{xml}", self.label);
        String::from_utf8(output.stdout).unwrap()
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

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}
