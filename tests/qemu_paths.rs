//! The table of what QEMU opens against a real QEMU: under strace, each argument must open what
//! the table says, with the letters it says, and nothing else of ours.
//!
//! `VIRT9P_SEED` repeats a run, `VIRT9P_CASES` says how many words with a path are tried (about),
//! `VIRT9P_QEMU` names another QEMU.

// A test says what it expects by failing.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/judge.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod judge;
#[path = "support/opened.rs"]
mod opened;
#[path = "support/path_words.rs"]
mod path_words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use path_words::{Case, EXEMPT, FORMS, Form};
use virt_9p::domain::{Arg, Domain, Place};
use virt_9p::qemu::command_line::CommandLine;
use virt_9p::qemu::host_paths::table::{Kind, Meaning, ROWS, Row, Why};
use virt_9p::qemu::host_paths::{self, Access, HostPath};
use virt_9p::text::Span;

fn read(words: &[String]) -> Vec<HostPath> {
    let args = words.iter();
    let args = args.map(|word| Arg::new(word.clone(), Span::default(), false));
    let domain = Domain {
        args: args.collect(),
        ..Domain::default()
    };
    host_paths::read(&domain, &CommandLine::read(&domain))
}

/// What the table says, by name.
fn expected(words: &[String]) -> BTreeMap<String, BTreeSet<char>> {
    let mut all: BTreeMap<String, BTreeSet<char>> = BTreeMap::new();
    for path in read(words) {
        let Access::Opens(opening) = path.access else {
            continue;
        };
        let exists = |name: &str| Path::new(name).exists();
        for name in opening.names(&path.path, |name| Path::new(name).is_dir(), exists) {
            let letters = opening.letters.text().chars();
            all.entry(name).or_default().extend(letters);
        }
    }
    all
}

/// Compares; what is wrong.
fn differences(case: &Case, dir: &Path) -> Vec<String> {
    let mut expected = expected(&case.words);
    expected.retain(|path, _| Path::new(path).starts_with(dir));
    let ran = opened::run(&case.words, dir);
    let mut seen: BTreeMap<String, BTreeSet<char>> = BTreeMap::new();
    for (path, letters) in ran.opened {
        // A name that QEMU ends as it likes.
        let star = path
            .rfind("/qemu_back_mem.")
            .map(|at| format!("{}/qemu_back_mem.*", &path[..at]));
        seen.entry(star.unwrap_or(path))
            .or_default()
            .extend(letters);
    }
    let mut wrong = Vec::new();
    for (path, letters) in &seen {
        match expected.get(path) {
            None => wrong.push(format!(
                "QEMU opens {path:?} {letters:?}, and the table does not say so"
            )),
            Some(said) if !letters.is_subset(said) => {
                wrong.push(format!(
                    "QEMU opens {path:?} {letters:?}, and the table says {said:?}"
                ));
            }
            _ => {}
        }
    }
    for (path, said) in &expected {
        let letters = seen.get(path).cloned().unwrap_or_default();
        // Of a directory with credentials only what is there, and is wanted, is read.
        let optional = case.some_of.iter().any(|name| path.ends_with(name));
        // What 5.2 locks all the same, later versions do not.
        let mut lockless = said.clone();
        lockless.remove(&'k');
        let own = &path[dir.as_os_str().len()..];
        let unlocked = |word: &String| {
            word.contains("file.locking=off") && word.replace(",,", ",").contains(own)
        };
        let is_unlocked = case.words.iter().any(unlocked) && letters == lockless;
        if &letters != said && !optional && !is_unlocked {
            wrong.push(format!(
                "the table says {path:?} {said:?}, and QEMU opens {letters:?}"
            ));
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!("words: {:?}\nQEMU: {}", case.words, ran.stderr));
    }
    wrong
}

fn seed() -> u64 {
    let seed = std::env::var("VIRT9P_SEED").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or(11)
}

#[test]
fn the_table_says_what_qemu_opens() {
    let wanted: usize = std::env::var("VIRT9P_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(0);
    let mut rng = Rng::with_seed(seed());
    let dir = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let store = path_words::Store::new(dir.path());
    // Forms that stop QEMU stand alone, the others go together, each at least twice.
    let mut runs: Vec<Vec<&Form>> = Vec::new();
    let version = judge::version();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    let version: (u8, u8) = (numbers.next().unwrap(), numbers.next().unwrap());
    let (known, newer): (Vec<&Form>, Vec<&Form>) = FORMS
        .iter()
        .partition(|form| form.since() <= version && version < form.until());
    eprintln!(
        "QEMU {version:?}: {} forms, {} of others and not run",
        known.len(),
        newer.len()
    );
    let (alone, together): (Vec<&Form>, Vec<&Form>) = known.iter().partition(|form| form.alone);
    let mut tried = 0;
    loop {
        runs.extend(alone.iter().map(|form| vec![*form]));
        let mut left = together.clone();
        rng.shuffle(&mut left);
        while !left.is_empty() {
            let mut run: Vec<&Form> = Vec::new();
            left.retain(|form| {
                let fits = run.len() < 8
                    && (form.group.is_empty() || run.iter().all(|other| other.group != form.group));
                if fits {
                    run.push(form);
                }
                !fits
            });
            runs.push(run);
        }
        tried += known.len();
        if tried >= wanted.max(2 * known.len()) {
            break;
        }
    }
    let cases: Vec<(u64, Vec<&Form>)> = runs.into_iter().map(|run| (rng.u64(..), run)).collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(String::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((seed, forms)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut rng = Rng::with_seed(*seed);
                    let dir = tempfile::Builder::new().prefix("q").tempdir().unwrap();
                    let case = path_words::case(forms, &mut rng, dir.path(), &store);
                    for line in differences(&case, dir.path()) {
                        writeln!(wrong.lock().unwrap(), "{line}").unwrap();
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "seed {}\n{wrong}", seed());
}

/// Each row that opens something is tried above, or it is said why not.
#[test]
fn every_row_is_tried() {
    let tried: BTreeSet<(&str, &str, &str)> = FORMS.iter().map(|form| form.row).collect();
    let mut missing = Vec::new();
    for row in &ROWS {
        let key = row.words();
        let exempt = EXEMPT.iter().any(|(exempt, _)| *exempt == key);
        let opens = matches!(row.meaning, Meaning::Opens(..));
        if opens && tried.contains(&key) == exempt {
            missing.push(key);
        }
    }
    let rows: BTreeSet<_> = ROWS.iter().map(Row::words).collect();
    assert!(
        missing.is_empty(),
        "not tried, or tried and excused: {missing:?}"
    );
    assert!(EXEMPT.iter().all(|(key, _)| rows.contains(key)));
    assert!(
        tried.iter().all(|key| rows.contains(key)),
        "forms of no row"
    );
}

/// A network that executes a program without a word of it, or opens a node, is known to: QEMU in a
/// network of its own under strace, until it is told to end.
#[test]
fn what_networks_execute_is_said() {
    let json = judge::version().as_str() >= "7.2" || judge::version().starts_with("1");
    let up = "/etc/qemu-ifup";
    let helper = "qemu-bridge-helper";
    let cases: &[(&[&str], &[&str])] = &[
        (&["-netdev", "tap,id=n"], &[up]),
        (&["-netdev", "tap,id=n,ifname=tap7,br=x"], &[up]),
        (&["-netdev", "tap,id=n,script=no"], &[]),
        (&["-netdev", "tap,id=n,script=,downscript=no"], &[]),
        (&["-netdev", "tap,id=n,script=no,downscript=off"], &[]),
        (&["-netdev", "tap,id=n,script=off,downscript=no"], &["off"]),
        (&["-netdev", "tap,id=n,helper=no"], &["no"]),
        (&["-netdev", "tap,id=n,fd=33"], &[]),
        (&["-netdev", "tap,id=n,fds=33:34"], &[]),
        (
            &["-netdev", "tap,script=no,downscript=no,id=n,queues=2"],
            &[],
        ),
        (&["-netdev", "tap,script=no,id=n,vhost=on"], &[]),
        (&["-netdev", "tap,script=no,id=n,vhostforce=on"], &[]),
        (&["-netdev", "tap,script=no,id=n,vhost=off"], &[]),
        (&["-netdev", "bridge,id=n"], &[helper]),
        (
            &["-netdev", "bridge,id=n,br=x,helper=/no/such"],
            &["/no/such"],
        ),
        (&["-netdev", "user,id=n"], &[]),
        (&["-nic", "tap,script=no,downscript=no"], &[]),
        (&["-nic", "tap,model=e1000"], &[up]),
        (&["-nic", "bridge"], &[helper]),
        (&["-net", "tap"], &[up]),
        (&["-net", "bridge"], &[helper]),
        (&["-netdev", "{'type':'tap','id':'n'}"], &[up]),
        (&["-netdev", "{'type':'tap','id':'n','script':'no'}"], &[]),
    ];
    for (words, said) in cases {
        if words[1].starts_with('{') && !json {
            continue;
        }
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let ran = opened::executes(&words);
        let all = read(&words);
        let of = |why| {
            let of = all
                .iter()
                .filter(move |one| one.access == Access::Never(why));
            of.map(|one| one.path.as_str()).collect::<Vec<_>>()
        };
        let (start, end) = (of(Why::Network), of(Why::Down));
        assert_eq!(start, *said, "{words:?}");
        let first = ran.executed.first().map_or("", String::as_str);
        match (start.as_slice(), end.as_slice()) {
            ([], []) => assert!(ran.executed.is_empty(), "{words:?}: {ran:?}"),
            ([one], _) | ([], [one]) => assert!(first.ends_with(one), "{words:?}: {ran:?}"),
            _ => panic!("{words:?}: {all:?}"),
        }
        let opens = all
            .iter()
            .filter(|one| matches!(one.access, Access::Opens(_)));
        let opens: BTreeSet<&str> = opens.map(|one| one.path.as_str()).collect();
        let nodes: BTreeSet<&str> = ran.nodes.iter().map(String::as_str).collect();
        assert_eq!(opens, nodes, "{words:?}: {ran:?}");
    }
}

/// What names something and cannot be granted, and what is not understood to the last byte, is
/// neither forgotten nor guessed.
#[test]
fn what_is_not_granted_is_said() {
    for (words, never) in [
        (["-device", "vfio-pci,host=01:00.0"], true),
        (["-readconfig", "/etc/x"], true),
        (["-plugin", "file=/x.so"], true),
        (["-netdev", "tap,id=n,helper=/etc/up"], true),
        (
            ["-netdev", "user,id=n,guestfwd=tcp:10.0.2.9:80-cmd:/bin/x"],
            true,
        ),
        (["-incoming", "exec:cat"], true),
        (["-netdev", "passt,id=n"], true),
        (
            ["-netdev", "vhost-vdpa,id=n,vhostdev=/dev/vhost-vdpa-0"],
            true,
        ),
        (["-display", "dbus,addr=unix:path=/run/x"], true),
        (
            ["-display", "egl-headless,rendernode=/dev/dri/renderD128"],
            true,
        ),
        (["-accel", "kvm,device=/dev/kvm2"], true),
        (["-object", "dbus-vmstate,id=a,addr=unix:path=/run/x"], true),
        (["-object", "memory-backend-shm,id=a,size=1M"], true),
        (["-object", "sev-snp-guest,id=a,cbitpos=51"], true),
        (["-drive", "file=fat:rw:/srv/dir"], true),
        (["-drive", "file=json:{'driver':"], false),
        (["-drive", "file=foo:/srv/x"], false),
        // No driver has such a child.
        (["-drive", "format=qcow2,fi@e.filename=/srv/x"], false),
        (
            ["-blockdev", "driver=raw,x.driver=file,x.filename=/srv/x"],
            false,
        ),
        (["-drive", "format=raw,file..filename=/srv/x"], false),
        (["-blockdev", "{'driver':'quorum','children':['a']}"], false),
        (["-blockdev", "driver=newer,filename=/srv/x"], false),
        (["-object", "{'qom-type':'secret','file':'/x'"], false),
        (["-object", "newer,id=a,thing=/srv/x"], false),
        (["-global", "virtio-net-pci.romfile=/srv/x"], false),
        (
            [
                "-global",
                "driver=ipmi-bmc-sim,property=sdrfile,value=/srv/x",
            ],
            false,
        ),
        (["-set", "object.a.mem-path=/srv/x"], false),
        (["-set", "chardev.charserial0.path=/srv/x"], false),
        (["-initrd", "/srv/a,/srv/b"], false),
        (
            [
                "-netdev",
                "{'type':'user','id':'n','guestfwd':[{'str':'tcp::1-file:/x'}]}",
            ],
            false,
        ),
    ] {
        let found = read(&words.map(str::to_owned));
        let said = found.iter().map(|one| one.access);
        let right = |access| match access {
            Access::Never(_) => never,
            Access::Unclear(_) => !never,
            Access::Opens(_) => false,
        };
        assert!(
            !found.is_empty() && said.clone().all(right),
            "{words:?}: {found:?}"
        );
    }
    for words in [
        ["-device", "virtio-rng-pci,romfile="],
        ["-smbios", "type=1,serial=/dev/x"],
        ["-chardev", "socket,id=a,path=x,abstract=on"],
        ["-chardev", "file,id=a,path=/dev/fdset/3"],
        ["-serial", "chardev:/x"],
        ["-serial", "unix:"],
        ["-blockdev", "driver=file,node-name=n,filename"],
        ["-drive", "driver=raw,nofile.filename"],
        ["-serial", "mon:"],
        ["-monitor", "file:"],
        ["-parallel", "pipe:"],
        ["-append", "root=/dev/vda"],
        ["-drive", "file=nbd:localhost:10809"],
        ["-drive", "file=https://host/file"],
        ["-netdev", "tap,id=n,fd=3,script=no,downscript=no"],
        ["-netdev", "hubport,id=n,hubid=1"],
        ["-display", "dbus,p2p=on"],
        ["-accel", "kvm,dirty-ring-size=4096"],
        ["-netdev", "user,id=n,guestfwd=tcp:10.0.2.9:80-chardev:/x"],
        ["-spice", "addr=/x"],
        ["-audiodev", "pa,id=a,server=host"],
    ] {
        let found = read(&words.map(str::to_owned));
        assert!(found.is_empty(), "{words:?}: {found:?}");
    }
}

/// An image that may name others is said to: QEMU opens a backing file by its header alone.
#[test]
fn what_images_name_is_said() {
    let dir = tempfile::Builder::new().prefix("q").tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (base, other, top) = (at("base"), at("other"), at("top"));
    for file in [&base, &other] {
        std::fs::write(file, vec![0; 1 << 20]).unwrap();
    }
    let mut image = path_words::qcow2();
    let mut put = |at: usize, value: &[u8]| image[at..at + value.len()].copy_from_slice(value);
    put(8, &0x200_u64.to_be_bytes());
    put(16, &u32::try_from(base.len()).unwrap().to_be_bytes());
    put(0x200, base.as_bytes());
    put(104, b"\xe2\x79\x2a\xca\0\0\0\x03raw\0\0\0\0\0");
    std::fs::write(&top, image).unwrap();
    let node = format!("driver=file,node-name=f,filename={top}");
    let with = |rest: &str| rest.replace("TOP", &top).replace("OTHER", &other);
    let qcow2 = with("driver=qcow2,node-name=n,file.driver=file,file.filename=TOP");
    let json = with("{'driver':'qcow2','node-name':'n','file':{'driver':'file','filename':'TOP'}");
    let cases: Vec<(Vec<String>, bool)> = [
        ("-hda", "TOP", true),
        ("-drive", "file=TOP", true),
        ("-drive", "file=TOP,format=qcow2", true),
        (
            "-drive",
            "file=file:TOP,format=qcow2,backing.driver=raw",
            true,
        ),
        ("-drive", "file.filename=TOP", true),
        ("-drive", "file=TOP,format=raw", false),
        ("-drive", "driver=file,filename=TOP", false),
        (
            "-drive",
            "file=TOP,format=qcow2,backing.file.filename=OTHER,backing.driver=raw",
            false,
        ),
        (
            "-drive",
            "driver=raw,file.driver=file,file.filename=OTHER",
            false,
        ),
        ("-blockdev", &qcow2, true),
        (
            "-blockdev",
            &format!(
                "{qcow2},backing.driver=raw,backing.file.driver=file,backing.file.filename=OTHER"
            ),
            false,
        ),
        ("-blockdev", &format!("{qcow2},backing="), false),
        ("-blockdev", &format!("{json}}}"), true),
        ("-blockdev", &format!("{json},'backing':null}}"), false),
    ]
    .into_iter()
    .map(|(option, word, names)| (vec![option.to_owned(), with(word)], names))
    .chain(["", ",backing="].into_iter().map(|more| {
        let word = format!("driver=qcow2,node-name=n,file=f{more}");
        let words = ["-blockdev", &node, "-blockdev", &word];
        (words.map(str::to_owned).to_vec(), more.is_empty())
    }))
    .collect();
    for (words, names) in cases {
        let ran = opened::run(&words, dir.path());
        let opens = ran.opened.iter().any(|(path, _)| *path == base);
        assert_eq!(opens, names, "{words:?}: {}", ran.stderr);
        let said = read(&words).into_iter().any(|one| match one.access {
            Access::Opens(opening) => opening.layered,
            access => access == Access::Never(Why::Layers),
        });
        assert_eq!(said, names, "{words:?}");
    }
}

/// What QEMU makes, opens or connects to where no word names it is said.
#[test]
fn what_is_opened_unasked_is_said() {
    let dir = tempfile::Builder::new().prefix("q").tempdir().unwrap();
    let disk = dir.path().join("disk").to_str().unwrap().to_owned();
    std::fs::write(&disk, vec![0; 1 << 20]).unwrap();
    let off = format!("if=none,format=raw,file={disk}");
    let on = format!("{off},snapshot=on");
    let opted_out = format!("{off},snapshot=off");
    let node = format!("driver=file,node-name=n,filename={disk}");
    // It lies in $TMPDIR, which is a directory of ours.
    for (words, makes) in [
        (vec!["-drive", on.as_str()], true),
        (vec!["-snapshot", "-drive", off.as_str()], true),
        (vec!["-snapshot", "-cdrom", disk.as_str()], true),
        (vec!["-snapshot", "-drive", opted_out.as_str()], false),
        (vec!["-snapshot", "-blockdev", node.as_str()], false),
        (vec!["-drive", off.as_str()], false),
    ] {
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        let ran = opened::run_in(&words, dir.path(), &[("TMPDIR", dir.path())]);
        let made = ran.opened.iter().any(|(path, _)| path.contains("/vl."));
        assert_eq!(made, makes, "{words:?}: {}", ran.stderr);
        let all = read(&words);
        let said = all
            .iter()
            .filter(|one| one.access == Access::Never(Why::Temporary));
        assert_eq!(said.count(), usize::from(makes), "{words:?}: {all:?}");
    }
    for (words, why) in [
        (["-tpmdev", "passthrough,id=t"], Some(Why::Vhost)),
        (["-display", "egl-headless"], Some(Why::Vhost)),
        (["-display", "dbus"], Some(Why::Bus)),
        (["-display", "dbus,p2p=on,gl=on"], Some(Why::Vhost)),
        (
            ["-display", "{'type':'dbus','addr':'unix:path=/x'}"],
            Some(Why::Bus),
        ),
        (["-spice", "unix=on,addr=,gl=on"], Some(Why::Vhost)),
        (["-chardev", "braille,id=b"], Some(Why::Environment)),
        (["-serial", "braille"], Some(Why::Environment)),
        (["-audiodev", "pa,id=a"], Some(Why::Environment)),
        (["-audiodev", "alsa,id=a"], Some(Why::Environment)),
        (["-audio", "oss,model=ac97"], Some(Why::Environment)),
        (["-audiodev", "none,id=a"], None),
        (["-audiodev", "spice,id=a"], None),
        (["-spice", "port=1,gl=off"], None),
        (["-display", "gtk,gl=on"], None),
        (["-display", "none"], None),
    ] {
        let all = read(&words.map(str::to_owned));
        let said = all.iter().map(|one| one.access).collect::<Vec<_>>();
        let why: Vec<Access> = why.into_iter().map(Access::Never).collect();
        assert_eq!(said, why, "{words:?}: {all:?}");
    }
    let wav = read(&["-audiodev", "wav,id=w"].map(str::to_owned));
    assert_eq!(wav[0].path, "/qemu.wav");
    assert!(matches!(wav[0].access, Access::Opens(_)));
}

/// Which credentials must be there: QEMU does not start without one of them.
#[test]
fn missing_credentials_stop_qemu() {
    let store = tempfile::Builder::new().prefix("p").tempdir().unwrap();
    let store = path_words::Store::new(store.path());
    for words in [
        "-object tls-creds-x509,id=t,sanity-check=off,endpoint=server,dir=DIR",
        "-object tls-creds-x509,id=t,sanity-check=off,dir=DIR",
        "-object tls-creds-psk,id=t,endpoint=server,dir=DIR",
        "-object tls-creds-psk,id=t,username=x,dir=DIR",
        "-object tls-creds-anon,id=t,endpoint=server,dir=DIR",
        "-spice tls-port=5987,disable-ticketing=on,x509-dir=DIR",
    ] {
        let dir = tempfile::Builder::new().prefix("q").tempdir().unwrap();
        let words = words.replace("DIR", dir.path().to_str().unwrap());
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let all = read(&words);
        let [
            HostPath {
                access: Access::Opens(opening),
                ..
            },
        ] = all.as_slice()
        else {
            panic!("{words:?}: {all:?}");
        };
        let Kind::Tls(credentials) = opening.kind else {
            panic!("{words:?}: {all:?}");
        };
        let files = credentials.files();
        for (left_out, file) in files.iter().enumerate() {
            // A list of the revoked is of use with its own authority alone.
            for one in files.iter().filter(|one| **one != "ca-crl.pem") {
                store.put(one, &dir.path().join(one));
            }
            let _ = std::fs::remove_file(dir.path().join(file));
            let ran = opened::run(&words, dir.path());
            let refuses = ["Unable to access", "failed to initialize spice"];
            let refuses = refuses.iter().any(|text| ran.stderr.contains(text));
            let said = left_out < credentials.needed();
            assert_eq!(refuses, said, "{words:?} without {file}: {}", ran.stderr);
        }
    }
}

/// Where a path stands is where it is written.
#[test]
fn places_are_those_of_the_words() {
    for (option, word, written) in [
        (
            "-chardev",
            "file,id=a,path=/a,,b,logfile=x",
            ["/a,,b", "x"].as_slice(),
        ),
        ("-serial", "mon:unix:/a,,b,server=on", &["/a,,b"]),
        ("-serial", "file:/a,b", &["/a,b"]),
        (
            "-blockdev",
            "{'driver':'raw','file':{'driver':'file','filename':'/a b'}}",
            &["/a b"],
        ),
        ("-drive", "if=none,file=file:/a,,b", &["file:/a,,b"]),
        ("-vnc", "unix:/a", &["unix:/a"]),
        (
            "-nic",
            "user,guestfwd=tcp:10.0.2.9:80-pipe:/a",
            &["tcp:10.0.2.9:80-pipe:/a"],
        ),
    ] {
        let found = read(&[option.to_owned(), word.to_owned()]);
        let places: BTreeSet<&str> = found
            .iter()
            .map(|one| match &one.place {
                Place::Arg(1, range) => word.get(range.clone()).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(places, written.iter().copied().collect(), "{word}");
    }
}

/// The longest word that there is costs no more than its length.
#[test]
fn hostile_words_are_linear() {
    let long = |unit: &str, length: usize| unit.repeat(length / unit.len());
    for (option, begin, unit, end) in [
        ("-acpitable", "file=", "/a:", ""),
        ("-blockdev", "", "a.b.", "c=1"),
        (
            "-blockdev",
            "driver=file",
            ",file.driver=file,file.filename=/x",
            "",
        ),
        ("-blockdev", "", "{'a':", ""),
        ("-drive", "file=json:", "{'file':", ""),
        ("-drive", "", "backing.", "file.filename=/x"),
        ("-chardev", "file", ",path=/x", ""),
        ("-serial", "unix:", "/x,,", ""),
        ("-object", "{", "'a':'b',", "}"),
        ("-vnc", "vnc=unix:/a", ",vnc=unix:/x", ""),
    ] {
        let mut times = [0.0; 2];
        for (time, length) in times.iter_mut().zip([16_000, 128_000]) {
            let word = format!("{begin}{}{end}", long(unit, length));
            let words = [option.to_owned(), word];
            // The best of a few: others are at work beside it.
            let runs = (0..8).map(|_| {
                let start = std::time::Instant::now();
                read(&words);
                start.elapsed().as_secs_f64()
            });
            *time = runs.fold(f64::INFINITY, f64::min);
        }
        // Eight times the length; a busy machine and a sorted map cost some.
        assert!(
            times[1] < 30.0 * times[0].max(0.01),
            "{option} {unit}: {times:?}"
        );
    }
}
