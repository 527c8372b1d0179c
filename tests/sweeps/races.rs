//! The share, the profile and the lock are swapped for something else, again and again, while
//! hooks run: nothing outside is written, and nothing wider is granted.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::rawshare::{Host, Share, domain_xml, rules_in, said};
use crate::situation::{Compiled, host, profile, strays};

/// Calls in each race.
const CALLS: usize = 150;

/// What may stand in a place.
type Kind = fn(&Path, &Path);

/// Everything that can be put in a file's place; `victim` is the file it should not lead to.
const KINDS: [(&str, Kind); 8] = [
    ("nothing", |_, _| {}),
    ("symlink", |place, victim| {
        let _ = symlink(victim, place);
    }),
    ("dangling symlink", |place, _| {
        let _ = symlink("/nonexistent/file", place);
    }),
    ("hard link", |place, victim| {
        let _ = fs::hard_link(victim, place);
    }),
    ("FIFO", |place, _| {
        let _ = Command::new("mkfifo")
            .arg(place)
            .stderr(std::process::Stdio::null())
            .status();
    }),
    ("directory", |place, _| {
        let _ = fs::create_dir(place);
    }),
    ("another owner", |place, victim| {
        let _ = fs::copy(victim, place);
        let _ = chown(place, Some(65534), None);
    }),
    ("writable by all", |place, victim| {
        let _ = fs::copy(victim, place);
        let _ = fs::set_permissions(place, Permissions::from_mode(0o666));
    }),
];

fn clear(place: &Path) {
    let _ = fs::remove_file(place).or_else(|_| fs::remove_dir_all(place));
}

/// A file that nobody may touch, and what it was.
struct Victim {
    path: PathBuf,
    before: (Vec<u8>, u64, i64, i64),
}

impl Victim {
    fn new(path: PathBuf, content: &[u8]) -> Self {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let before = Self::look(&path);
        Victim { path, before }
    }

    fn look(path: &Path) -> (Vec<u8>, u64, i64, i64) {
        let meta = fs::metadata(path).unwrap();
        (
            fs::read(path).unwrap(),
            meta.ino(),
            meta.mtime(),
            meta.mtime_nsec(),
        )
    }

    fn assert_untouched(&self, when: &str) {
        assert!(Self::look(&self.path) == self.before, "written: {when}");
    }
}

fn share(path: &str) -> Share {
    Share {
        path: path.to_owned(),
        readonly: false,
    }
}

/// The rules for directories, as the profile has them.
fn rules(directories: &[&str]) -> BTreeSet<String> {
    directories
        .iter()
        .flat_map(|directory| {
            [
                format!("\"{directory}/\" r,"),
                format!("\"{directory}/**\" rwl,"),
            ]
        })
        .collect()
}

/// Calls the hook in turn with each XML, and a release now and then, while `swap` is called again
/// and again beside it; every call must end with 0 or 1 in time. How many were granted.
fn race(host: &Host, xmls: &[String], swap: impl Fn(usize) + Sync, after: impl Fn(bool)) -> usize {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                swap(round);
                round += 1;
                // Long enough for a hook to come through now and then, short enough to hit it.
                std::thread::sleep(Duration::from_micros((round as u64 * 37) % 1500));
            }
        });
        let calls = || {
            let mut granted = 0;
            for number in 0..CALLS {
                let release = number % 5 == 4;
                let (op, subop) = if release {
                    ("release", "end")
                } else {
                    ("prepare", "begin")
                };
                let begun = Instant::now();
                let output = host.hook(op, subop, &xmls[number % xmls.len()]);
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                let status = output.status.code();
                let fine = match status {
                    Some(0) => told.is_empty(),
                    Some(1) => !release && told.starts_with("virt-9p: guest"),
                    _ => false,
                };
                if !fine
                    || told.contains("internal error")
                    || begun.elapsed() > Duration::from_secs(9)
                {
                    return Err(said(&output));
                }
                granted += usize::from(!release && status == Some(0));
                after(status == Some(0) && !release);
            }
            Ok(granted)
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(calls));
        done.store(true, Ordering::Relaxed);
        match result {
            Ok(Ok(granted)) => granted,
            Ok(Err(said)) => panic!("{said}"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The same swaps, one at a time and between the calls: so that each kind is met for certain.
fn between_calls(host: &Host, place: &Path, victim: &Victim, xml: &str) {
    for (name, kind) in KINDS {
        clear(place);
        kind(place, &victim.path);
        let output = host.hook("prepare", "begin", xml);
        let expected = if name == "nothing" { 0 } else { 1 };
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{name}: {}",
            said(&output)
        );
        let output = host.hook("release", "end", xml);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        victim.assert_untouched(name);
    }
    clear(place);
}

#[test]
#[ignore = "needs root, to give files away"]
fn the_profile_is_swapped() {
    let host = host();
    let xmls = ["/srv/share", "/srv/other"].map(|directory| domain_xml("", &[share(directory)]));
    // A file that would pass for the profile of this guest, were it in its place.
    let good = host.prepare(&xmls[0]);
    let victim = Victim::new(host.path("/srv/victim"), &good);
    let place = host.profile_path();
    between_calls(&host, &place, &victim, &xmls[1]);
    let granted = race(
        &host,
        &xmls,
        |round| {
            clear(&place);
            KINDS[round % KINDS.len()].1(&place, &victim.path);
        },
        |_| victim.assert_untouched("profile"),
    );
    clear(&place);
    assert!(granted > 0, "the hook never came through");
    let after = host.prepare(&xmls[1]);
    Compiled::new().check(&after);
    assert_eq!(
        BTreeSet::from_iter(rules_in(&after)),
        rules(&["/srv/other"])
    );
    assert!(strays(&host).is_empty());
    eprintln!("profile swapped: {granted} of {CALLS} calls granted");
}

#[test]
#[ignore = "needs root, to give files away"]
fn the_lock_is_swapped() {
    let host = host();
    let xmls = ["/srv/share", "/srv/other"].map(|directory| domain_xml("", &[share(directory)]));
    let victim = Victim::new(host.path("/srv/victim"), b"not a lock\n");
    let place = host.path("/run/virt-9p.lock");
    between_calls(&host, &place, &victim, &xmls[1]);
    let allowed = rules(&["/srv/share", "/srv/other"]);
    let granted = race(
        &host,
        &xmls,
        |round| {
            clear(&place);
            KINDS[round % KINDS.len()].1(&place, &victim.path);
        },
        |_| {
            victim.assert_untouched("lock");
            let now = profile(&host).unwrap_or_default();
            assert!(rules_in(&now).iter().all(|rule| allowed.contains(rule)));
        },
    );
    assert!(granted > 0, "the hook never came through");
    eprintln!("lock swapped: {granted} of {CALLS} calls granted");
}

/// The share's own path, and a directory above it, lead now here, now there, to system directories
/// among others; a rule names a directory that may be had, by its real name, or there is none.
#[test]
#[ignore = "needs root, to give files away"]
fn the_share_is_swapped() {
    let host = host();
    for directory in ["/etc/secret", "/usr/bin", "/swap/real/inner", "/etc/inner"] {
        host.create_directory(directory.as_bytes());
    }
    let target = |round: usize| {
        let place = host.path("/swap/share");
        clear(&place);
        match round % 7 {
            0 => symlink("/srv/share", &place),
            1 => symlink("/etc/secret", &place),
            2 => symlink("/srv/other", &place),
            3 => symlink("/", &place),
            4 => fs::create_dir(&place),
            5 => fs::write(&place, "a file"),
            _ => symlink("/usr", &place),
        }
        .unwrap();
        // A directory above: renamed, and replaced by a link into a system directory.
        let above = host.path("/swap/real");
        let aside = host.path("/swap/aside");
        if fs::symlink_metadata(&above).unwrap().is_symlink() {
            fs::remove_file(&above).unwrap();
            fs::rename(&aside, &above).unwrap();
        } else {
            fs::rename(&above, &aside).unwrap();
            symlink("/etc", &above).unwrap();
        }
    };
    target(0);
    let xmls =
        ["/swap/share", "/swap/real/inner"].map(|directory| domain_xml("", &[share(directory)]));
    let allowed = rules(&[
        "/srv/share",
        "/srv/other",
        "/swap/share",
        "/swap/real/inner",
        "/swap/aside/inner",
    ]);
    let granted = race(&host, &xmls, target, |_| {
        let now = profile(&host).unwrap_or_default();
        for rule in rules_in(&now) {
            assert!(allowed.contains(&rule), "granted: {rule}");
        }
    });
    assert!(granted > 0 && granted < CALLS, "{granted}");
    eprintln!("share swapped: {granted} of {CALLS} calls granted");
}

/// The directory of `--root` is a user's, who puts links into it that lead out, and directories in
/// their place: nothing outside is read or written.
#[test]
#[ignore = "needs root, to give files away"]
fn a_moved_root_is_swapped() {
    const SECRET: &str = "only-root-knows";
    let host = host();
    let outside = tempfile::tempdir().unwrap();
    let template = host.path("/etc/apparmor.d/libvirt/TEMPLATE.qemu");
    let text = fs::read_to_string(&template).unwrap();
    let places = ["/etc/apparmor.d/libvirt", "/etc/apparmor.d", "/run"];
    for place in places {
        let place = place.trim_start_matches('/').replace('/', "-");
        let directory = outside.path().join(&place).join("libvirt");
        fs::create_dir_all(&directory).unwrap();
        for directory in [directory.parent().unwrap(), &directory] {
            let text = text.replace("#\n", &format!("# {SECRET}\n"));
            fs::write(directory.join("TEMPLATE.qemu"), text).unwrap();
        }
    }
    let listing = || {
        let mut list = Command::new("ls");
        list.args(["-lR", "--full-time"]).arg(outside.path());
        let output = list.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let before = listing();
    let lead_out = |place: &str| {
        let name = place.trim_start_matches('/').replace('/', "-");
        let _ = symlink(outside.path().join(name), host.path(place));
    };
    let swap = |place: &str, when: &dyn Fn()| {
        let aside = host.path("/aside");
        fs::rename(host.path(place), &aside).unwrap();
        lead_out(place);
        when();
        fs::remove_file(host.path(place)).unwrap();
        fs::rename(&aside, host.path(place)).unwrap();
    };
    let xmls = ["/srv/share", "/srv/other"].map(|directory| domain_xml("", &[share(directory)]));
    let assert_inside = || {
        assert_eq!(listing(), before, "written outside");
        let now = profile(&host).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&now).contains(SECRET), "read");
    };
    for place in places {
        swap(place, &|| {
            for op in [("prepare", "begin"), ("release", "end")] {
                let _ = host.hook(op.0, op.1, &xmls[0]);
                assert_inside();
            }
        });
        clear(&host.profile_path());
    }
    let number = std::sync::atomic::AtomicUsize::new(0);
    race(
        &host,
        &xmls,
        |round| {
            let pause = || std::thread::sleep(Duration::from_micros((round as u64 * 53) % 900));
            swap(places[round % places.len()], &pause);
        },
        |_| {
            assert_inside();
            if number.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
                clear(&host.profile_path());
            }
        },
    );
    assert_inside();
}

/// A user's directory, in which `convert` works as root, and a file of root's alone elsewhere.
struct Trap {
    host: Host,
    user: u32,
}

impl Trap {
    fn new() -> Self {
        let host = host();
        for directory in ["/home/user/real", "/root/only"] {
            host.create_directory(directory.as_bytes());
        }
        let trap = Trap { host, user: 65534 };
        for directory in ["/home/user", "/home/user/real"] {
            chown(trap.host.path(directory), Some(trap.user), Some(trap.user)).unwrap();
        }
        trap.bait();
        fs::write(trap.secret(), DOMAIN).unwrap();
        fs::set_permissions(trap.secret(), Permissions::from_mode(0o600)).unwrap();
        trap
    }

    fn file(&self) -> PathBuf {
        self.host.path("/home/user/real/web.xml")
    }

    fn secret(&self) -> PathBuf {
        self.host.path("/root/only/web.xml")
    }

    /// Puts a file of the user's there that everybody may write.
    fn bait(&self) {
        self.put(self.user, 0o666);
    }

    fn put(&self, owner: u32, mode: u32) {
        let new = self.host.path("/home/user/new");
        if fs::write(&new, DOMAIN).is_ok() {
            let _ = chown(&new, Some(owner), Some(owner));
            let _ = fs::set_permissions(&new, Permissions::from_mode(mode));
            let _ = fs::rename(&new, self.file());
        }
    }

    /// What the user does, in turn.
    fn swap(&self, round: usize) {
        let real = self.host.path("/home/user/real");
        let aside = self.host.path("/home/user/aside");
        match round % 5 {
            0 => self.bait(),
            1 => {
                let link = self.host.path("/home/user/link");
                let _ = symlink(self.secret(), &link);
                let _ = fs::rename(link, self.file());
            }
            // One that root may have left there.
            2 => self.put(0, 0o644),
            3 => {
                self.bait();
                let _ = fs::rename(&real, &aside);
                let _ = symlink(self.host.path("/root/only"), &real);
            }
            _ => {
                if fs::symlink_metadata(&real).is_ok_and(|meta| meta.is_symlink()) {
                    let _ = fs::remove_file(&real);
                    let _ = fs::rename(&aside, &real);
                }
            }
        }
    }

    fn assert_untouched(&self, when: &str) {
        let only = self.host.path("/root/only");
        for entry in fs::read_dir(only).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
            assert_eq!((owner, mode), (0, 0o600), "{when}: {path:?}");
            assert_eq!(path, self.secret(), "{when}: made in the other directory");
        }
        assert!(
            fs::read_to_string(self.secret()).unwrap() == DOMAIN,
            "{when}: written"
        );
    }
}

/// It can be converted, so that nothing but care keeps `convert` from it.
const DOMAIN: &str = include_str!("../scenarios/convert-files/domain.xml");

/// Root converts a file in a user's directory, who puts links and other files in its place, and
/// another directory in that of the directory.
#[test]
#[ignore = "needs root, to give files away"]
fn the_converted_file_is_swapped() {
    const RUNS: usize = 5000;
    // Each was met in both states: somebody else's file is refused, root's own is converted. (2:
    // there was nothing just then.)
    let both: BTreeSet<_> = [0, 1]
        .into_iter()
        .flat_map(|kind| [0, 1].map(|status| (kind, Some(status))))
        .collect();
    let trap = Trap::new();
    let done = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                trap.swap(round);
                // Now and then each state stays for longer than a call takes.
                let stays = if round % 7 == 0 {
                    8000
                } else {
                    (round as u64 * 37) % 400
                };
                std::thread::sleep(Duration::from_micros(stays));
                round += 1;
            }
        });
        let calls = || {
            let mut statuses = BTreeSet::new();
            for number in 0..4 * RUNS {
                if number >= RUNS && statuses == both {
                    break;
                }
                let mut command = Command::new(crate::rawshare::program());
                command.args(["convert", "--to", "commandline", "--no-host"]);
                command.args(["--target", "share", "--device", "text"]);
                if number % 2 == 0 {
                    command.arg("--in-place").arg(trap.file());
                } else {
                    command.arg("--output").arg(trap.file());
                    command.arg(trap.host.path("/root/only/web.xml"));
                }
                let output = crate::rawshare::run(command, "");
                trap.assert_untouched(&format!("run {number}: {}", said(&output)));
                let status = output.status.code();
                if status != Some(2) {
                    statuses.insert((number % 2, status));
                }
            }
            statuses
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(calls));
        done.store(true, Ordering::Relaxed);
        result
    });
    let statuses = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert_eq!(statuses, both, "kind of call and status");
}

/// What else is read on the way may be a FIFO: nobody waits for somebody to write to it.
#[test]
fn a_fifo_holds_nobody_up() {
    for file in [
        "/etc/apparmor.d/libvirt/TEMPLATE.qemu",
        "/etc/passwd",
        "/etc/group",
        "/etc/libvirt/qemu.conf",
        "/sys/module/apparmor/parameters/enabled",
    ] {
        let host = host();
        let place = host.path(OsStr::new(file));
        clear(&place);
        assert!(
            Command::new("mkfifo")
                .arg(&place)
                .status()
                .unwrap()
                .success()
        );
        let mut command = Command::new("timeout");
        command.arg("10").arg(crate::rawshare::program());
        command.args(["hook", "--root"]).arg(host.root());
        command.args(["oracle", "prepare", "begin", "-"]);
        let output = crate::rawshare::run(command, &domain_xml("", &[share("/srv/share")]));
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{file}: {}",
            said(&output)
        );
    }
}
