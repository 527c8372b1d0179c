//! Many hooks at once, and a lock that somebody keeps.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fs2::FileExt;

use crate::policy::Parser;
use crate::rawshare::{self, Host, NAME, Share, UUID, domain_xml, said};
use crate::situation::{Compiled, host, profile, strays, with_words};

/// A hook that has been started and waits for its XML, so that many can be let go at once.
fn waiting(host: &Host, how: &[&str]) -> Child {
    let program = rawshare::program();
    let mut words: Vec<&str> = how.to_vec();
    words.push(program.to_str().unwrap());
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["hook", "--root"]);
    command
        .arg(host.root())
        .args([NAME, "prepare", "begin", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets all of them go and expects that all are fine.
fn all_at_once(mut hooks: Vec<(Child, String)>) -> Duration {
    let begun = Instant::now();
    for (hook, xml) in &mut hooks {
        let mut stdin = hook.stdin.take().unwrap();
        stdin.write_all(xml.as_bytes()).unwrap();
    }
    for (hook, _) in hooks {
        let output = hook.wait_with_output().unwrap();
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{}",
            said(&output)
        );
    }
    begun.elapsed()
}

/// One crowd at a time: how long one has to wait is its own doing, and no other crowd's.
fn alone() -> MutexGuard<'static, ()> {
    static CROWD: Mutex<()> = Mutex::new(());
    CROWD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn share(path: &str) -> Share {
    Share {
        path: path.to_owned(),
        readonly: false,
    }
}

fn uuid(number: usize) -> String {
    format!("4a1bb3d2-6cfd-4b41-a8c8-{number:012}")
}

/// Whether a file of the profile directory is whole: one block in one profile.
fn is_whole(text: &str) -> bool {
    let once = |what: &str| text.matches(what).count() == 1;
    once("profile libvirt-")
        && once("# virt-9p begin")
        && once("# virt-9p end")
        && text.ends_with("}\n")
}

/// Reads every profile again and again, as apparmor_parser would at any moment; how many it read.
fn read_all_the_while(directory: &Path, done: &AtomicBool) -> usize {
    let mut read = 0;
    loop {
        let last = done.load(Ordering::Relaxed);
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("libvirt-") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(is_whole(&text), "torn: {name}\n{text}");
                read += 1;
            }
        }
        if last {
            return read;
        }
    }
}

/// Lets the reader end when a test fails, too.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "needs apparmor_parser, and takes a while"]
fn five_hundred_guests_start_at_once() {
    const GUESTS: usize = 500;
    let _alone = alone();
    let host = host();
    let xml = domain_xml("", &[share("/srv/share")]);
    let hooks = (0..GUESTS)
        .map(|number| (waiting(&host, &["env"]), xml.replace(UUID, &uuid(number))))
        .collect();
    let directory = host.path("etc/apparmor.d/libvirt");
    let done = AtomicBool::new(false);
    let (took, read) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all_the_while(&directory, &done));
        let _done = Done(&done);
        let took = all_at_once(hooks);
        done.store(true, Ordering::Relaxed);
        (took, reader.join().unwrap())
    });
    let parser = Parser::new();
    for number in 0..GUESTS {
        let file = directory.join(format!("libvirt-{}", uuid(number)));
        let text = fs::read_to_string(&file).unwrap();
        assert!(is_whole(&text) && text.contains("\"/srv/share/**\" rwl,"));
        if number % 100 == 0 {
            parser.compile(text.as_bytes()).unwrap();
        }
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), GUESTS + 1);
    eprintln!("{GUESTS} guests in {took:?}, {read} profiles read meanwhile");
    assert!(read > GUESTS);
}

#[test]
#[ignore = "needs apparmor_parser, and takes a while"]
fn fifty_starts_of_one_guest_at_once() {
    let _alone = alone();
    let host = host();
    let directories = ["/srv/share", "/srv/other"];
    let hooks = (0..50)
        .map(|number| {
            let xml = domain_xml("", &[share(directories[number % 2])]);
            (waiting(&host, &["env"]), xml)
        })
        .collect();
    let directory = host.path("etc/apparmor.d/libvirt");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all_the_while(&directory, &done));
        let _done = Done(&done);
        all_at_once(hooks);
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let text = profile(&host).unwrap();
    Compiled::new().check(&text);
    let text = String::from_utf8(text).unwrap();
    // The last one to come wins, whole.
    let rules: Vec<bool> = directories
        .iter()
        .map(|directory| text.contains(&format!("\"{directory}/**\" rwl,")))
        .collect();
    assert!(is_whole(&text) && rules[0] != rules[1], "{text}");
    assert!(strays(&host).is_empty());
}

/// Each holder of the lock needs as long as its disk takes. Thirty guests on a disk that takes a
/// fifth of a second for each fsync have to wait far longer than for one that holds the lock for
/// ever; but the lock goes from hand to hand all the while, and nobody gives up.
#[test]
#[ignore = "needs strace, and takes a while"]
fn a_slow_disk_makes_nobody_give_up() {
    let _alone = alone();
    let host = host();
    let xml = domain_xml("", &[share("/srv/share")]);
    let slow = ["strace", "-o", "/dev/null", "-e", "trace=fsync"];
    let slow = [&slow[..], &["-e", "inject=fsync:delay_enter=200000"]].concat();
    let hooks = (0..30)
        .map(|number| (waiting(&host, &slow), xml.replace(UUID, &uuid(number))))
        .collect();
    let took = all_at_once(hooks);
    eprintln!("slow disk: {took:?}");
    assert!(took > Duration::from_secs(6), "it was not slow: {took:?}");
}

/// A disk with much else to write keeps one fsync waiting for seconds, and the guests that start
/// meanwhile.
#[test]
#[ignore = "needs strace, and takes a while"]
fn one_long_write_makes_nobody_give_up() {
    let _alone = alone();
    let host = host();
    let xml = domain_xml("", &[share("/srv/share")]);
    let slow = ["strace", "-o", "/dev/null", "-e", "trace=fsync"];
    let slow = [
        &slow[..],
        &["-e", "inject=fsync:delay_enter=10000000:when=1"],
    ]
    .concat();
    let mut writer = waiting(&host, &slow);
    let mut stdin = writer.stdin.take().unwrap();
    stdin.write_all(xml.as_bytes()).unwrap();
    drop(stdin);
    // It has the lock, and has begun to write.
    let profiles = host.path("/etc/apparmor.d/libvirt");
    let files = || fs::read_dir(&profiles).unwrap().count();
    let before = files();
    while files() == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = all_at_once(vec![(
        waiting(&host, &["env"]),
        xml.replace(UUID, &uuid(1)),
    )]);
    assert!(took > Duration::from_secs(8), "it did not wait: {took:?}");
    assert!(writer.wait_with_output().unwrap().status.success());
}

/// The lock of somebody who never gives it back: an error within the bound, and none at all for a
/// guest without raw shares.
#[test]
fn a_lock_held_for_ever_is_an_error_within_the_bound() {
    let host = host();
    let lock = File::create(host.path("/run/virt-9p.lock")).unwrap();
    lock.set_permissions(Permissions::from_mode(0o600)).unwrap();
    lock.lock_exclusive().unwrap();
    let begun = Instant::now();
    let output = host.hook("prepare", "begin", &domain_xml("", &[share("/srv/share")]));
    let took = begun.elapsed();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("virt-9p.lock is locked by another process"),
        "{told}"
    );
    assert!(
        (Duration::from_secs(13)..Duration::from_secs(30)).contains(&took),
        "{took:?}"
    );
    assert_eq!(profile(&host), None);

    let begun = Instant::now();
    let output = host.hook("prepare", "begin", &domain_xml("", &[]));
    assert!(output.status.success() && begun.elapsed() < Duration::from_secs(2));
}

/// libvirt closes the pipe when it has written all. Should it ever not, the guest starts without,
/// and the log tells.
#[test]
#[ignore = "takes a minute"]
fn an_input_without_end_is_waited_for_a_minute() {
    let host = host();
    fs::remove_file(host.path("/dev/log")).unwrap();
    let log = UnixDatagram::bind(host.path("/dev/log")).unwrap();
    log.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    let mut hooks = Vec::new();
    for written in ["", &domain_xml("", &[share("/srv/share")])] {
        let mut hook = waiting(&host, &["env"]);
        let mut stdin = hook.stdin.take().unwrap();
        stdin.write_all(written.as_bytes()).unwrap();
        hooks.push((hook, stdin));
    }
    for (mut hook, stdin) in hooks {
        while hook.try_wait().unwrap().is_none() {
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(90), "it waits for ever");
            std::thread::sleep(Duration::from_millis(100));
        }
        drop(stdin);
        let output = hook.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let mut line = [0; 512];
        let length = log.recv(&mut line).unwrap();
        let line = String::from_utf8_lossy(&line[..length]).into_owned();
        assert!(line.contains("nothing was checked or granted"), "{line}");
    }
    assert!(begun.elapsed() > Duration::from_secs(50));
    assert_eq!(profile(&host), None);
}

/// Nor is one that always has more.
#[test]
#[ignore = "takes a minute"]
fn an_input_that_goes_on_is_read_for_a_minute() {
    let host = host();
    let begun = Instant::now();
    let calls = [("prepare", "begin"), ("release", "end")];
    let mut hooks = calls.map(|(operation, suboperation)| {
        // Reads all the while: what else is running comes first.
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(rawshare::program());
        command.args(["hook", "--root"]).arg(host.root());
        command.args([NAME, operation, suboperation, "-"]);
        command.stdin(File::open("/dev/zero").unwrap());
        command.spawn().unwrap()
    });
    while begun.elapsed() < Duration::from_secs(90)
        && hooks
            .iter_mut()
            .any(|hook| hook.try_wait().unwrap().is_none())
    {
        std::thread::sleep(Duration::from_millis(100));
    }
    let ended = hooks.each_mut().map(|hook| {
        let _ = hook.kill();
        hook.wait().unwrap().success()
    });
    assert_eq!(ended, [true, true], "it reads for ever");
}

/// 0600 from the first moment, whatever the umask; and a lock that others can open is refused.
#[test]
#[ignore = "needs root, to be somebody else"]
fn nobody_else_can_hold_the_lock() {
    let host = host();
    let xml = domain_xml("", &[share("/srv/share")]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 0; exec \"$@\"", "sh"]);
    shell.arg(rawshare::program()).args(["hook", "--root"]);
    shell.arg(host.root()).args([NAME, "prepare", "begin", "-"]);
    assert!(rawshare::run(shell, &xml).status.success());
    let lock = host.path("/run/virt-9p.lock");
    let meta = fs::metadata(&lock).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o600, 0));

    fs::set_permissions(host.root(), Permissions::from_mode(0o755)).unwrap();
    for what in ["flock -n \"$1\" true", "flock -n -s \"$1\" true"] {
        let mut other = Command::new("setpriv");
        other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        other.args(["sh", "-c", what, "sh"]).arg(&lock);
        let output = other.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            told.contains("Permission denied"),
            "{what}: {}",
            said(&output)
        );
    }
}

/// A FUSE file system whose daemon is stopped.
struct Silent {
    daemon: Child,
    place: std::path::PathBuf,
}

impl Silent {
    fn new(source: &Path, place: &Path) -> Self {
        let daemon = Command::new("bindfs")
            .arg("-f")
            .args([source, place])
            .spawn()
            .expect("this test needs bindfs and /dev/fuse");
        let begun = Instant::now();
        while fs::metadata(place).unwrap().dev() == fs::metadata(source).unwrap().dev() {
            assert!(begun.elapsed() < Duration::from_secs(20), "not mounted");
            std::thread::sleep(Duration::from_millis(20));
        }
        let silent = Silent {
            daemon,
            place: place.to_owned(),
        };
        silent.signal("STOP");
        silent
    }

    fn signal(&self, name: &str) {
        let id = self.daemon.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.signal("CONT");
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A FUSE file system of a user whose daemon takes requests and answers none: Linux waits for each
/// of them, whatever kills who made it.
struct Deaf {
    device: Option<File>,
    place: std::path::PathBuf,
    taken: Arc<AtomicUsize>,
}

impl Deaf {
    fn new(place: &Path, user: u32) -> Self {
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .expect("this test needs /dev/fuse");
        let options = format!("fd=0,rootmode=40000,user_id={user},group_id={user},allow_other");
        let mounted = Command::new("mount")
            .args(["-i", "-t", "fuse.deaf", "-o", &options, "deaf"])
            .arg(place)
            .stdin(device.try_clone().unwrap())
            .status();
        assert!(mounted.unwrap().success());
        answer_the_first(&device);
        let taken = Arc::new(AtomicUsize::new(0));
        let (mut taker, count) = (device.try_clone().unwrap(), Arc::clone(&taken));
        std::thread::spawn(move || {
            // Until it is unmounted.
            while taker.read(&mut [0; 1 << 17]).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Deaf {
            device: Some(device),
            place: place.to_owned(),
            taken,
        }
    }
}

/// FUSE_INIT (linux/fuse.h): without an answer no request is taken up, and Linux lets whoever made
/// one go when it is killed.
fn answer_the_first(mut device: &File) {
    let mut request = [0; 1 << 17];
    let length = device.read(&mut request).unwrap();
    assert!(length >= 56 && request[4..8] == 26_u32.to_ne_bytes());
    let (version, ahead) = (&request[40..48], &request[48..52]);
    let mut answer = 80_u32.to_ne_bytes().to_vec();
    answer.extend(0_u32.to_ne_bytes());
    answer.extend(&request[8..16]);
    answer.extend(version);
    answer.extend(ahead);
    answer.resize(80, 0);
    // max_write
    answer[36..40].copy_from_slice(&4096_u32.to_ne_bytes());
    assert_eq!(device.write(&answer).unwrap(), 80);
}

impl Drop for Deaf {
    fn drop(&mut self) {
        // By force, which ends the connection, and with it every wait.
        let _ = Command::new("umount").arg("-f").arg(&self.place).status();
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
        drop(self.device.take());
    }
}

/// It is not looked into, so its daemon is asked nothing and holds nobody up; the name that the
/// share has there is opened, and no link in it is believed.
#[test]
#[ignore = "needs root and /dev/fuse"]
fn a_users_fuse_is_not_entered() {
    let host = host();
    for directory in ["/srv/of-a-user", "/srv/fine"] {
        host.create_directory(directory.as_bytes());
    }
    std::os::unix::fs::symlink("/srv/of-a-user/a/b", host.path("/srv/link")).unwrap();
    let deaf = Deaf::new(&host.path("/srv/of-a-user"), 65534);
    let paths = [
        "/srv/of-a-user",
        "/srv/of-a-user/inner",
        "/srv/fine",
        "/srv/link",
    ];
    let xml = domain_xml("", &paths.map(share));
    let begun = Instant::now();
    let mut hook = waiting(&host, &["env"]);
    hook.stdin
        .take()
        .unwrap()
        .write_all(xml.as_bytes())
        .unwrap();
    while hook.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(25) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begun.elapsed();
    let asked = deaf.taken.load(Ordering::Relaxed);
    drop(deaf);
    let output = hook.wait_with_output().unwrap();
    assert!(
        took < Duration::from_secs(5),
        "{took:?}, {asked} requests taken"
    );
    assert_eq!(asked, 0);
    assert!(output.status.success(), "{}", said(&output));
    let rules = rawshare::rules_in(&profile(&host).unwrap());
    let opened = [
        "/srv/fine",
        "/srv/of-a-user",
        "/srv/of-a-user/a/b",
        "/srv/of-a-user/inner",
    ];
    let expected = opened.map(|name| [format!("\"{name}/\" r,"), format!("\"{name}/**\" rwl,")]);
    assert_eq!(rules, expected.concat());
}

/// Two shares on it, one through a link, other files, and a disk of libvirt's that is only read: all of
/// them are waited for together, and what is all right is granted; the process ends though its
/// threads still wait.
#[test]
#[ignore = "needs root, bindfs and /dev/fuse"]
fn a_silent_file_system_is_an_open_question() {
    let host = host();
    for directory in ["/srv/source/inner", "/srv/mounted", "/srv/fine"] {
        host.create_directory(directory.as_bytes());
    }
    std::os::unix::fs::symlink("/srv/mounted/inner", host.path("/srv/link")).unwrap();
    let silent = Silent::new(&host.path("/srv/source"), &host.path("/srv/mounted"));
    let paths = ["/srv/mounted/inner", "/srv/fine", "/srv/link"];
    let disk =
        "<disk type='file' device='cdrom'><source file='/srv/mounted/cd.iso'/><readonly/></disk>";
    let files = [
        ["-serial", "file:/srv/fine/log"],
        ["-fw_cfg", "name=opt/a,file=/srv/mounted/a"],
        ["-fw_cfg", "name=opt/b,file=/srv/mounted/b"],
    ];
    let xml = with_words(&domain_xml(disk, &paths.map(share)), files.as_flattened());
    let begun = Instant::now();
    let output = host.hook("prepare", "begin", &xml);
    let took = begun.elapsed();
    drop(silent);
    assert!(output.status.success(), "{}", said(&output));
    assert!(took < Duration::from_secs(17), "{took:?}");
    let rules = rawshare::rules_in(&profile(&host).unwrap());
    let fine = [
        "\"/srv/fine/\" r,",
        "\"/srv/fine/**\" rwl,",
        "\"/srv/fine/log\" w,",
    ];
    assert_eq!(rules, fine);
}
