//! Twice the input is twice the work, whatever is wrong with it: instructions are counted, not
//! seconds, as valgrind sees them. Each kind of input is one that some loop inside a loop would
//! fall for.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::example;
use crate::rawshare::{Host, UUID, program, xml_escape};

use virt_9p::lint::catalogue::Code;

/// Bytes of the smaller of two inputs.
const SIZE: usize = 50_000;

/// At most so many times the instructions for twice the input: sets and maps take their logarithm.
const MOST: f64 = 2.2;

/// A kind of input: its name, and one of about so many bytes.
type Kind = (&'static str, fn(usize) -> String);

/// What is run on each. `ROOT` is the host's, `XML` the input; what has no `XML` reads it.
const CALLS: [&str; 8] = [
    "hook --root ROOT oracle prepare begin -",
    "check --root ROOT XML",
    "check --root ROOT --format json --libvirt 9.0.0 --qemu 7.2.0 XML",
    "check --root ROOT --libvirt 7.0.0 --qemu 5.2.0 XML",
    "rules --root ROOT XML",
    "convert --root ROOT --libvirt 9.0.0 --qemu 7.2.0 --to native XML",
    "convert --root ROOT --libvirt 9.0.0 --qemu 7.2.0 --to commandline --diff XML",
    "doctor --root ROOT XML",
];

/// Run on kinds that are named for it, which take as many rounds at either size. Of others, such as
/// bridges that collide, more input can take more rounds (16 at most), each in proportion.
const FIX: &str = "check --root ROOT --libvirt 9.0.0 --qemu 7.2.0 --fix --diff XML";

/// Those kinds.
const FIXED: [&str; 2] = ["modes that are not octal", "misspelt keys"];

const KINDS: &[Kind] = &[
    ("text devices on ports that come later", |size| {
        let ports = (1..=200).map(|n| port(n, ""));
        // So many that each port has several in the smaller input, too: the second on a port has
        // another finding than the first.
        domain(
            ports,
            pairs(4 * size, |n| {
                (
                    fsdev(n),
                    device(n, &format!("bus=pci.{},addr=0x0", 1 + n % 200)),
                )
            }),
        )
    }),
    ("as many ports as devices on them", |size| {
        let count = size / 500;
        domain(
            (1..=count).map(|n| port(n, "")),
            (0..count).map(|n| (fsdev(n), device(n, &format!("bus=pci.{},addr=0x0", 1 + n)))),
        )
    }),
    ("unknown buses", |size| {
        let count = size / 500;
        domain(
            (1..=count).map(|n| port(n, "")),
            (0..count).map(|n| (fsdev(n), device(n, &format!("bus=no{n},addr=0x0")))),
        )
    }),
    ("unknown buses, among bridges with long names", |size| {
        let bridges = (0..12).map(|n| {
            let id = format!("{n}{}", "b".repeat(size / 24));
            (
                "-device".to_owned(),
                format!("pci-bridge,id=b{id},chassis_nr={}", n + 1),
            )
        });
        let devices = pairs(size / 2, |n| (fsdev(n), device(n, &format!("bus=no{n}"))));
        domain(NONE, flat(devices).chain(bridges))
    }),
    ("-set keys on one native share", |size| {
        domain(
            native(1),
            sets(size, |n| format!("fsdev.fsdev-fs0.fmode=07{:02}", n % 100)),
        )
    }),
    ("-set paths on many native shares", |size| {
        let count = size / 300;
        domain(
            native(count),
            sets(size / 2, |n| {
                format!("fsdev.fsdev-fs{}.path=/srv/{n}", n % count)
            }),
        )
    }),
    ("-set readonly and paths on one native share", |size| {
        domain(
            native(1),
            sets(size, |n| match n % 2 {
                0 => format!("fsdev.fsdev-fs0.path=/srv/{n}"),
                _ => "fsdev.fsdev-fs0.readonly=maybe".to_owned(),
            }),
        )
    }),
    ("-set on nothing", |size| {
        domain(native(1), sets(size, |n| format!("device.no{n}.addr=3")))
    }),
    ("duplicate ids", |size| {
        domain(NONE, pairs(size, |n| (fsdev(n), device(n, "id=one"))))
    }),
    ("duplicate tags", |size| {
        domain(
            NONE,
            pairs(size, |n| {
                (
                    fsdev(n),
                    format!(
                        "virtio-9p-pci,fsdev=fs{n},mount_tag=one,bus=pcie.0,addr=0x{:x}",
                        n % 32
                    ),
                )
            }),
        )
    }),
    ("all on one address", |size| {
        domain(
            NONE,
            pairs(size, |n| (fsdev(n), device(n, "bus=pcie.0,addr=0x5"))),
        )
    }),
    ("many functions of one slot", |size| {
        domain(
            NONE,
            pairs(size, |n| {
                (
                    fsdev(n),
                    device(n, &format!("bus=pcie.0,addr=0x5.{}", n % 8)),
                )
            }),
        )
    }),
    ("no addresses", |size| {
        domain(NONE, pairs(size, |n| (fsdev(n), device(n, "id=a"))))
    }),
    ("chassis duplicates", |size| {
        let ports = words(size, |n| {
            (
                "-device".to_owned(),
                format!("pcie-root-port,id=r{n},chassis=7,addr=0x{:x}", n % 32),
            )
        });
        domain(NONE, flat(one()).chain(ports))
    }),
    ("bridges without a number", |size| {
        let bridges = words(size, |n| {
            (
                "-device".to_owned(),
                format!("pci-bridge,id=b{n},chassis_nr=0,addr=0x{:x}", n % 32),
            )
        });
        domain(NONE, flat(one()).chain(bridges))
    }),
    ("many fsdevs of one id", |size| {
        domain(
            NONE,
            pairs(size, |_| (fsdev(1), device(1, "bus=pcie.0,addr=0x5"))),
        )
    }),
    ("fsdevs without id, devices of none", |size| {
        domain(
            NONE,
            pairs(size, |n| {
                (
                    "local,path=/srv/share,security_model=none".to_owned(),
                    device(n, "bus=pcie.0,addr=0x5"),
                )
            }),
        )
    }),
    ("unknown options", |size| {
        let options = words(size, |n| (format!("-fsde{n}"), format!("local,id=a{n}")));
        domain(NONE, flat(one()).chain(options))
    }),
    ("misspelt keys", |size| {
        let keys: String = (0..SHORT(size) / 20)
            .map(|n| format!(",fmoed{n}=0644,f_mode=7"))
            .collect();
        domain(
            NONE,
            pairs(400, |n| {
                (format!("{}{keys}", fsdev(n)), device(n, "bus=pcie.0"))
            }),
        )
    }),
    ("words that belong to nothing", |size| {
        domain(
            NONE,
            words(size, |n| (format!("x{n}"), format!("local,y{n}"))),
        )
    }),
    ("chained controllers", |size| {
        let chain = (1..=size / 200).map(|n| {
            format!("<controller type='pci' index='{n}' model='pci-bridge'>\
                <address type='pci' domain='0x0000' bus='0x{:x}' slot='0x1' function='0x0'/></controller>", n - 1)
        });
        domain(chain, one())
    }),
    ("controllers chained backwards", |size| {
        let chain = (1..=size / 200).map(|n| {
            format!("<controller type='pci' index='{n}' model='pci-bridge'>\
                <address type='pci' domain='0x0000' bus='0x{:x}' slot='0x1' function='0x0'/></controller>", n + 1)
        });
        domain(chain, one())
    }),
    ("chained raw bridges", |size| {
        let chain = words(size, |n| {
            let bus = if n == 0 {
                "pcie.0".to_owned()
            } else {
                format!("b{}", n - 1)
            };
            (
                "-device".to_owned(),
                format!("pci-bridge,id=b{n},bus={bus},addr=0x3,chassis_nr=1"),
            )
        });
        domain(NONE, flat(one()).chain(chain))
    }),
    ("many aliases", |size| {
        let rngs =
            (0..size / 50).map(|n| format!("<rng model='virtio'><alias name='ua-{n}'/></rng>"));
        domain(
            rngs,
            pairs(size / 2, |n| (fsdev(n), device(n, &format!("id=ua-{n}")))),
        )
    }),
    ("throttling keys", |size| {
        let keys: String = (0..SHORT(size) / 30)
            .map(|n| format!(",throttling.bps-total={n}"))
            .collect();
        domain(
            NONE,
            pairs(400, |n| {
                (format!("{}{keys}", fsdev(n)), device(n, "bus=pcie.0"))
            }),
        )
    }),
    ("throttling keys by -set", |size| {
        domain(
            NONE,
            flat(one()).chain(sets(size, |_| {
                "fsdev.fs0.throttling.iops-total-max=x".to_owned()
            })),
        )
    }),
    ("JSON with thousands of keys", |size| {
        let keys: String = (0..SHORT(size) / 30)
            .map(|n| format!(",\"key{n}\":{{\"a\":[1,2]}}"))
            .collect();
        let json =
            format!("{{\"driver\":\"virtio-9p-pci\",\"fsdev\":\"fs0\",\"mount_tag\":\"t\"{keys}}}");
        domain(NONE, [(fsdev(0), json)].into_iter())
    }),
    ("deep nesting", |size| {
        let count = size / 30;
        let deep = format!("{}{}", "<a><b c='d'/>".repeat(count), "</a>".repeat(count));
        domain([deep].into_iter(), one())
    }),
    ("deep nesting of metadata", |size| {
        let count = size / 30;
        let deep = format!(
            "<metadata>{}{}</metadata>",
            "<a><b c='d'/>".repeat(count),
            "</a>".repeat(count)
        );
        domain(NONE, one()).replace("<devices>", &format!("{deep}<devices>"))
    }),
    ("-virtfs", |size| {
        let options = words(size, |n| {
            (
                "-virtfs".to_owned(),
                format!("local,path=/srv/{n},mount_tag=t{n},security_model=none"),
            )
        });
        domain(NONE, options)
    }),
    ("all on one line", |size| {
        domain(
            NONE,
            pairs(size, |n| {
                (fsdev(n).replace("0644", "&644é"), device(n, "bus=é"))
            }),
        )
        .replace('\n', "")
    }),
    ("all in one argument", |size| {
        let keys = ",é&=<".repeat(SHORT(size) / 8);
        domain(
            NONE,
            [(
                format!("{}{keys}", fsdev(0)),
                format!("virtio-9p-pci,fsdev=fs0{keys}"),
            )]
            .into_iter(),
        )
    }),
    ("a device of many keys in the way of many", |size| {
        let taken = (0..size / 300).map(|_| {
            "<rng model='virtio'><address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/></rng>".to_owned()
        });
        let first = flat([(fsdev(0), device(0, "id=d,bus=pcie.0,addr=0x5"))].into_iter());
        let keys = sets(size / 3, |n| format!("device.d.key{n}=1"));
        let others = flat(pairs(size / 3, |n| {
            (fsdev(n + 1), device(n + 1, "bus=pcie.0,addr=0x5"))
        }));
        domain(taken, first.chain(keys).chain(others))
    }),
    ("a device with long words in the way of many", |size| {
        let long = "l".repeat(size / 6);
        let taken = format!(
            "<{long} model='{long}'>\
            <address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/></{long}>"
        );
        domain(
            [taken].into_iter(),
            pairs(size / 2, |n| (fsdev(n), device(n, "bus=pcie.0,addr=0x5"))),
        )
    }),
    ("a bus with a long name", |size| {
        let alias = format!("<alias name='ua-{}'/>", "n".repeat(size / 2));
        let devices = (0..size / 300).map(|n| {
            format!("<filesystem accessmode='mapped'><source dir='/srv/{n}'/><target dir='t{n}'/>\
                <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></filesystem>")
        });
        domain([port(1, &alias)].into_iter().chain(devices), one())
    }),
    ("an expander with a long name", |size| {
        let pxb = (
            "-device".to_owned(),
            format!(
                "pxb-pcie,id=x{},bus_nr=9,bus=pcie.0,addr=0x4",
                "x".repeat(SHORT(size) / 2)
            ),
        );
        let devices = pairs(size / 2, |n| (fsdev(n), device(n, "id=a")));
        domain(NONE, [pxb].into_iter().chain(flat(devices)))
    }),
    ("capabilities", |size| {
        let names = "<qemu:add capability='x'/>".repeat(size / 60);
        let block = format!("<qemu:capabilities>{names}</qemu:capabilities></domain>");
        domain(native(size / 400), one()).replace("</domain>", &block)
    }),
    ("native shares", |size| {
        domain(native(size / 120), [].into_iter())
    }),
    ("native shares apart on one line", |size| {
        domain(
            native(size / 150).map(|share| format!("{share}<rng/>")),
            [].into_iter(),
        )
        .replace('\n', "")
    }),
    ("native shares on many buses", |size| {
        let count = size / 350;
        let shares = (1..=count).map(|n| {
            format!("<filesystem accessmode='mapped'><source dir='/srv/{n}'/><target dir='t'/>\
                <address type='pci' domain='0x0000' bus='0x{n:x}' slot='0x00' function='0x0'/></filesystem>")
        });
        domain(
            (1..=count).map(|n| port(n, "")).chain(shares),
            [].into_iter(),
        )
    }),
    ("shares on many buses", |size| {
        let count = size / 500;
        domain(
            (1..=count).map(|n| port(n, "")),
            (0..count).map(|n| {
                let json = format!(
                    "{{\"driver\":\"virtio-9p-pci\",\"fsdev\":\"fs{n}\",\"mount_tag\":\"t{n}\",\
                    \"bus\":\"pci.{}\",\"addr\":\"0x0\"}}",
                    n + 1
                );
                (fsdev(n), json)
            }),
        )
    }),
    ("shares without address beside others", |size| {
        let others = words(size / 3, |_| ("-device".to_owned(), "usb-mouse".to_owned()));
        domain(
            NONE,
            flat(pairs(size, |n| (fsdev(n), device(n, "id=a")))).chain(others),
        )
    }),
    ("one fsdev of many keys for many devices", |size| {
        let keys: String = (0..SHORT(size) / 40)
            .map(|n| format!(",key{n}=1"))
            .collect();
        let first = [(format!("{}{keys}", fsdev(0)), device(0, "bus=pcie.0"))].into_iter();
        let others = words(size / 2, |n| {
            (
                "-device".to_owned(),
                device(0, &format!("addr=0x{:x}", n % 32)),
            )
        });
        domain(NONE, flat(first).chain(others))
    }),
    ("a long label", |size| {
        let label = format!(
            "<seclabel type='static' model='dac'><label>{}0:0</label></seclabel><devices>",
            "0".repeat(size / 2)
        );
        domain(
            NONE,
            pairs(size / 2, |n| {
                (
                    fsdev(0).replace("fs0", &format!("fs{n}")),
                    device(n, "id=a"),
                )
            }),
        )
        .replace("<devices>", &label)
    }),
    ("a long machine", |size| {
        let devices = pairs(size / 2, |n| {
            (fsdev(n), device(n, &format!("bus=b{n},addr=0x0")))
        });
        let bridges = words(size / 4, |n| {
            (
                "-device".to_owned(),
                format!("pci-bridge,id=b{n},chassis_nr=1,addr=0x{:x}", n % 32),
            )
        });
        let machine = format!("pc-q35-{}", "9".repeat(size / 4));
        domain(NONE, bridges.chain(flat(devices))).replace("pc-q35-7.2", &machine)
    }),
    ("directories that are not there", |size| {
        domain(
            NONE,
            pairs(size, |n| {
                (
                    fsdev(n).replace("share", &format!("none{n}")),
                    device(n, "bus=pcie.0"),
                )
            }),
        )
    }),
    ("arguments that never end, in damaged XML", |size| {
        // Long enough that no end is waited for.
        let open = format!("<qemu:arg value='{}", "x".repeat(2000));
        domain(NONE, one()).replace("</domain>", &open.repeat(size * 22 / open.len()))
    }),
    ("lost arguments", |size| {
        domain((0..size / 60).map(|_| "<commandline/>".to_owned()), one()).replace(
            "<qemu:commandline>",
            &format!(
                "<qemu:commandline>{}",
                "<qemu:arg/><arg/>".repeat(size / 40)
            ),
        )
    }),
    // For --fix: more findings than are shown, each of which has one right answer.
    ("modes that are not octal", |size| {
        domain(
            NONE,
            pairs(8 * size, |n| {
                (
                    format!("{},fmode=644,dmode=755", fsdev(n)),
                    device(n, "bus=pcie.0"),
                )
            }),
        )
    }),
];

/// Arguments are no longer than Linux takes.
#[allow(non_snake_case, reason = "reads as a bound")]
const fn SHORT(size: usize) -> usize {
    if size < 120_000 { size } else { 120_000 }
}

const NONE: std::iter::Empty<String> = std::iter::empty();

/// The domain with these devices of libvirt's and these words.
fn domain(
    devices: impl Iterator<Item = String>,
    words: impl Iterator<Item = (String, String)>,
) -> String {
    let mut out = format!(
        "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n<name>oracle</name>\n\
         <uuid>{UUID}</uuid>\n<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\n\
         <features><acpi/></features>\n<devices>\n<controller type='pci' index='0' model='pcie-root'/>\n"
    );
    for device in devices {
        let _ = writeln!(out, "{device}");
    }
    out.push_str("</devices>\n<qemu:commandline>\n");
    for (option, argument) in words {
        // Pairs of -fsdev and -device are given without the options.
        if option.starts_with("local,") {
            arg(&mut out, "-fsdev");
            arg(&mut out, &option);
            arg(&mut out, "-device");
        } else {
            arg(&mut out, &option);
        }
        arg(&mut out, &argument);
    }
    out.push_str("</qemu:commandline>\n</domain>\n");
    out
}

fn arg(out: &mut String, word: &str) {
    let _ = writeln!(out, "<qemu:arg value='{}'/>", xml_escape(word));
}

fn port(index: usize, inside: &str) -> String {
    format!("<controller type='pci' index='{index}' model='pcie-root-port'>{inside}</controller>")
}

fn native(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| {
        format!("<filesystem accessmode='mapped'><source dir='/srv/{n}'/><target dir='t{n}'/></filesystem>")
    })
}

fn fsdev(n: usize) -> String {
    format!("local,id=fs{n},path=/srv/share,security_model=mapped,fmode=0644,dmode=0755")
}

fn device(n: usize, more: &str) -> String {
    format!("virtio-9p-pci,fsdev=fs{n},mount_tag=t{n},{more}")
}

/// Words of about so many bytes.
fn words<F: Fn(usize) -> (String, String)>(
    size: usize,
    one: F,
) -> impl Iterator<Item = (String, String)> {
    let (option, argument) = one(100);
    let bytes = option.len() + argument.len() + 50;
    (0..size / bytes).map(one)
}

/// Pairs of -fsdev and -device, likewise.
fn pairs<F: Fn(usize) -> (String, String)>(
    size: usize,
    one: F,
) -> impl Iterator<Item = (String, String)> {
    let (fsdev, device) = one(100);
    let bytes = fsdev.len() + device.len() + 130;
    (0..(size / bytes).max(1)).map(one)
}

fn one() -> impl Iterator<Item = (String, String)> {
    pairs(1, |n| (fsdev(n), device(n, "bus=pcie.0,addr=0x1b")))
}

fn flat(pairs: impl Iterator<Item = (String, String)>) -> impl Iterator<Item = (String, String)> {
    pairs
}

fn sets<F: Fn(usize) -> String>(size: usize, one: F) -> impl Iterator<Item = (String, String)> {
    words(size, move |n| ("-set".to_owned(), one(n)))
}

/// The example of a finding in a domain of about so many bytes: all that is its own, repeated.
fn repeated(code: Code, size: usize) -> String {
    let text = example::domain(code.entry().example.text);
    // Exactly twice as often in twice the size.
    let times = (SIZE / text.len()).max(1) * size.div_ceil(SIZE);
    let twice = |text: String, from: &str, to: &str| match (text.find(from), text.rfind(to)) {
        (Some(start), Some(end)) => {
            let inside = start + from.len()..end;
            format!(
                "{}{}{}",
                &text[..inside.start],
                text[inside.clone()].repeat(times),
                &text[end..]
            )
        }
        _ => text,
    };
    let text = twice(text, "<memballoon model='none'/>\n", "</devices>");
    twice(text, "<qemu:commandline>\n", "</qemu:commandline>")
}

/// How many instructions a call takes that reads this.
fn instructions(host: &Host, call: &str, xml: &str) -> u64 {
    let input = host.path("input.xml");
    fs::write(&input, xml).unwrap();
    let words = call.split(' ').map(|word| match word {
        "ROOT" => host.root().as_os_str().to_owned(),
        "XML" => input.clone().into_os_string(),
        word => word.into(),
    });
    let mut valgrind = Command::new("valgrind");
    valgrind.stdin(File::open(&input).unwrap());
    counted(valgrind, call, words)
}

/// How many instructions a call takes below valgrind, which this command ends with.
fn counted(
    mut valgrind: Command,
    call: &str,
    words: impl IntoIterator<Item = std::ffi::OsString>,
) -> u64 {
    let log = tempfile::NamedTempFile::new().unwrap();
    let status = valgrind
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(format!("--log-file={}", log.path().display()))
        .arg(program())
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("valgrind runs");
    let log = fs::read_to_string(log.path()).unwrap();
    assert!(
        matches!(status.code(), Some(0..=2)),
        "{call}: {status}: {log}"
    );
    let count = log.lines().find_map(|line| line.split_once("I   refs:"));
    let digits = count
        .unwrap_or_else(|| panic!("{log}"))
        .1
        .trim()
        .replace(',', "");
    digits.parse().unwrap()
}

/// The name of a kind of input, a call, and what makes an input of a size.
type Job = (String, String, Box<dyn Fn(usize) -> String + Send + Sync>);

/// Runs all of them, as many at a time as there are processors; panics with those that took too
/// much.
fn sweep(jobs: &[Job]) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let only = std::env::var("VIRT9P_KIND").ok();
    let work = || {
        let host = Host::new();
        host.create_directory(b"/srv/share");
        while let Some((name, call, make)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if only
                .as_ref()
                .is_some_and(|only| !name.contains(only.as_str()))
            {
                continue;
            }
            let [once, twice] =
                [make(SIZE), make(2 * SIZE)].map(|xml| instructions(&host, call, &xml));
            let ratio = twice as f64 / once as f64;
            let line = format!("{ratio:.2} {:>6} M  {name}: {call}", twice / 1_000_000);
            eprintln!("{line}");
            if ratio > MOST {
                wrong.lock().unwrap().push(line);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "more than twice the work:\n{}",
        wrong.join("\n")
    );
}

#[test]
#[ignore = "needs valgrind; measures the shipped binary"]
fn twice_the_input_is_twice_the_work() {
    let mut jobs: Vec<Job> = Vec::new();
    // The hook and a check on each kind; of the others two, in turn, or with VIRT9P_ALL set all.
    let all = std::env::var_os("VIRT9P_ALL").is_some();
    let (always, others) = CALLS.split_at(2);
    for (position, (name, make)) in KINDS.iter().enumerate() {
        let turn = others.iter().cycle().skip(2 * position);
        let calls = always
            .iter()
            .chain(turn.take(if all { others.len() } else { 2 }));
        for call in calls {
            jobs.push(((*name).to_owned(), (*call).to_owned(), Box::new(*make)));
        }
        if FIXED.contains(name) {
            jobs.push(((*name).to_owned(), FIX.to_owned(), Box::new(*make)));
        }
    }
    sweep(&jobs);
}

#[test]
#[ignore = "needs valgrind; measures the shipped binary"]
fn every_finding_costs_its_own_length() {
    let mut jobs: Vec<Job> = Vec::new();
    for code in Code::ALL {
        let options = code.entry().example.options;
        let call = format!("check --root ROOT {options} XML").replace("  ", " ");
        let make = move |size| repeated(*code, size);
        jobs.push((code.word().to_owned(), call, Box::new(make)));
    }
    sweep(&jobs);
}

/// Files of so many guests: those that are defined, of every fifth of which there is something to
/// say, and those that have a block in their profile and something that a crash left. Every other
/// runs.
fn many_guests(defined: usize, blocks: usize) -> Host {
    let host = Host::new();
    for directory in ["/etc/libvirt/qemu", "/run/libvirt/qemu"] {
        host.create_directory(directory.as_bytes());
    }
    let pid = std::process::id();
    let write = |path: String, text: &str| fs::write(host.path(path), text).unwrap();
    for n in 0..defined.max(blocks) {
        let uuid = format!("5c1a6a1e-6d0e-4f0e-9a57-{n:012}");
        let name = format!("guest-{n}");
        let wrong = if n % 5 == 0 { ",fmode=644" } else { "" };
        let words = [(
            format!("{}{wrong}", fsdev(0)),
            device(0, "bus=pcie.0,addr=0x1b"),
        )];
        let xml = domain(NONE, words.into_iter())
            .replace("<name>oracle<", &format!("<name>{name}<"))
            .replace(UUID, &uuid);
        if n < defined {
            write(format!("/etc/libvirt/qemu/{name}.xml"), &xml);
        }
        if n % 2 == 0 {
            let status =
                format!("<domstatus pid='{pid}'><domain><uuid>{uuid}</uuid></domain></domstatus>");
            write(format!("/run/libvirt/qemu/{name}.xml"), &status);
        }
        if n >= blocks {
            continue;
        }
        let profiles = "/etc/apparmor.d/libvirt";
        let profile = format!(
            "profile libvirt-{uuid} {{\n  #include <libvirt/libvirt-{uuid}.files>\n  \
             # virt-9p begin (managed by virt-9p; do not edit)\n  \"/srv/share/\" r,\n  \
             # virt-9p end\n\n}}\n"
        );
        write(format!("{profiles}/libvirt-{uuid}"), &profile);
        write(format!("{profiles}/.virt-9p.{uuid}.AbCdEf01"), "");
    }
    host
}

/// A host has as many guests as it likes, and each leaves files for doctor to look at. Not by
/// --root, which takes a system call that valgrind does not know (openat2): for doctor alone they
/// are mounted where libvirt's own are.
#[test]
#[ignore = "needs valgrind, and root to mount; measures the shipped binary"]
fn doctor_looks_at_each_guest_once() {
    const MOUNT: &str = "mount -t tmpfs none /run && mkdir /run/libvirt && \
        mount --bind \"$1/run/libvirt\" /run/libvirt && \
        mount --bind \"$1/etc/libvirt\" /etc/libvirt && \
        mount --bind \"$1/etc/apparmor.d/libvirt\" /etc/apparmor.d/libvirt && \
        shift && exec valgrind \"$@\"";
    for (what, defined, blocks) in [("guests", 100, 0), ("blocks", 0, 2000)] {
        let counts = [0, 1, 2].map(|times| {
            let host = many_guests(times * defined, times * blocks);
            let mut valgrind = Command::new("unshare");
            valgrind.args(["-m", "sh", "-c", MOUNT, "sh"]);
            valgrind.arg(host.root());
            counted(valgrind, "doctor", ["doctor".into()])
        });
        let [none, once, twice] = counts.map(|count| count as f64);
        let ratio = (twice - none) / (once - none);
        eprintln!("{ratio:.2} of {counts:?}: doctor, {what}");
        assert!(once > 3.0 * none, "nothing was looked at: {counts:?}");
        assert!(
            ratio <= MOST,
            "{what}: more than twice the work: {counts:?}"
        );
    }
}
