//! Runs one scenario directory: a text file `scenario` that reads as a transcript's left half,
//! input files beside it, and `expected`, the whole of what must come out.
//!
//! Lines of `scenario` (paths are paths of the scratch host, all below a scratch root):
//!
//! ```text
//! # comment                      kept in `expected`, so that it reads alone
//! host                           a host with AppArmor: template, /run, /dev/log, /dev/kmsg, /srv/share
//! dir PATH [MODE]                a directory, parents included
//! file PATH MODE FILE            a copy of FILE, which stands beside `scenario`
//! text PATH MODE TEXT            a file of one line; \n \t and \\ are understood in TEXT
//! link PATH TARGET               a symbolic link
//! hardlink PATH OTHER            another name for OTHER
//! fifo PATH
//! socket PATH
//! node PATH c|b                  a device, 1:3 or 1:0 (needs root)
//! owner UID PATH                 needs root
//! remove PATH
//! write-protected PATH           a read-only mount, for the following commands (needs root)
//! ramfs PATH                     a file system that knows no attributes, likewise
//! lock / unlock                  another process holds /run/virt-9p.lock
//! program PATH [MODE]            a copy of the program
//! daemon NAME SECONDS            it runs as process 4711, confined, since so long after 1970
//! caller UID                     everything belongs to UID, who runs the program (needs root)
//! $ virt-9p ARGS [< FILE] [| grep WORD...]
//!                                runs the program with --root; FILE stands beside `scenario`. With
//!                                WORDs, lines of stdout that hold none of them are left out, with
//!                                the indented ones below them
//! ```
//!
//! In ARGS, `@FILE` is the path of a file beside `scenario`, and `ROOT/` the scratch root. Words may stand in single quotes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fs2::FileExt;

/// libvirt's TEMPLATE.qemu, the same from 4.0 to 12.8.
const TEMPLATE: &str = "#\n# This profile is for the domain whose UUID matches this file.\n#\n\n\
    #include <tunables/global>\n\nprofile LIBVIRT_TEMPLATE flags=(attach_disconnected) {\n  \
    #include <abstractions/libvirt-qemu>\n}\n";

/// What comes and goes, or is the same everywhere.
const PASSING: [&str; 5] = ["/run", "/run/virt-9p.lock", "/dev", "/dev/log", "/dev/kmsg"];

pub struct Scenario {
    directory: PathBuf,
    root: tempfile::TempDir,
    log: Option<UnixDatagram>,
    lock: Option<File>,
    mounts: String,
    programs: Vec<String>,
    caller: Option<u32>,
    out: String,
}

/// Runs the scenario in `directory` and returns what came out.
pub fn run(directory: &Path) -> String {
    let script = fs::read_to_string(directory.join("scenario")).unwrap();
    let mut scenario = Scenario {
        directory: directory.to_owned(),
        root: tempfile::tempdir().unwrap(),
        log: None,
        lock: None,
        mounts: String::new(),
        programs: Vec::new(),
        caller: None,
        out: String::new(),
    };
    fs::set_permissions(scenario.root.path(), Permissions::from_mode(0o755)).unwrap();
    for line in script.lines() {
        scenario.line(line);
    }
    scenario.out.push_str("\nafterwards:\n");
    for (path, entry) in scenario.tree() {
        scenario.out.push_str(&entry.dump(&path));
    }
    let place = scenario.root.path().to_string_lossy().into_owned();
    scenario.out.replace(&place, "ROOT")
}

/// Whether a scenario needs root: it gives files away or mounts.
pub fn needs_root(directory: &Path) -> bool {
    fs::read_to_string(directory.join("scenario"))
        .unwrap()
        .lines()
        .any(|line| {
            let needs = ["node ", "owner ", "write-protected ", "ramfs ", "caller "];
            needs.iter().any(|start| line.starts_with(start))
        })
}

/// Scenario directories below `tests/NAME`, sorted.
pub fn directories(name: &str) -> Vec<PathBuf> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name);
    let mut directories: Vec<PathBuf> = fs::read_dir(base)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("scenario").is_file())
        .collect();
    directories.sort();
    directories
}

/// Compares what comes out with `expected`; with `VIRT9P_BLESS=1` writes it instead. An error is
/// what differs.
pub fn compare(directory: &Path) -> Result<(), String> {
    let got = run(directory);
    let file = directory.join("expected");
    if std::env::var_os("VIRT9P_BLESS").is_some() {
        fs::write(&file, &got).unwrap();
        return Ok(());
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if got == expected {
        return Ok(());
    }
    Err(format!(
        "--- expected\n{expected}\n+++ got\n{got}\n{}",
        first_difference(&expected, &got)
    ))
}

fn first_difference(expected: &str, got: &str) -> String {
    let pairs = expected.lines().zip(got.lines());
    let same = pairs.take_while(|(one, other)| one == other).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
    format!(
        "line {} should be\n{}\nand is\n{}\n",
        same + 1,
        line(expected),
        line(got)
    )
}

/// One entry of the tree.
#[derive(PartialEq, Eq, Clone)]
struct Entry {
    kind: char,
    mode: u32,
    /// Content of a file, target of a link.
    content: Vec<u8>,
    /// Tells a file that was replaced by one with the same content.
    inode: u64,
    changed: (i64, i64),
}

impl Entry {
    fn dump(&self, path: &str) -> String {
        let path = path.escape_debug();
        let text = String::from_utf8_lossy(&self.content);
        match self.kind {
            'l' => format!("l {path} -> {}\n", text.escape_debug()),
            'f' => {
                let mut out = format!("f {:04o} {path}\n", self.mode);
                for line in text.split_inclusive('\n') {
                    let shown = line.strip_suffix('\n').unwrap_or(line).replace('\r', "\\r");
                    let _ = writeln!(out, "  | {shown}");
                }
                if !text.is_empty() && !text.ends_with('\n') {
                    out.push_str("  \\ no newline\n");
                }
                out
            }
            kind => format!("{kind} {:04o} {path}\n", self.mode),
        }
    }
}

impl Scenario {
    fn at(&self, path: &str) -> PathBuf {
        self.root
            .path()
            .join(path.strip_prefix('/').unwrap_or(path))
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() || line.starts_with('#') {
            let _ = writeln!(self.out, "{line}");
            return;
        }
        if let Some(command) = line.strip_prefix("$ virt-9p ") {
            let _ = writeln!(self.out, "{line}");
            self.command(command);
            return;
        }
        let words = split(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["host"] => self.host(),
            ["dir", path] => self.dir(path, "0755"),
            ["dir", path, mode] => self.dir(path, mode),
            ["file", path, mode, file] => {
                let content = fs::read(self.directory.join(file)).unwrap();
                self.file(path, mode, &content);
            }
            ["text", path, mode, text] => {
                let text = text
                    .replace("\\n", "\n")
                    .replace("\\t", "\t")
                    .replace("\\\\", "\\");
                self.file(path, mode, text.as_bytes());
            }
            ["link", path, target] => {
                self.parents(path);
                symlink(unescape(target), self.at(&unescape(path))).unwrap();
            }
            ["hardlink", path, other] => fs::hard_link(self.at(other), self.at(path)).unwrap(),
            ["fifo", path] => {
                let status = Command::new("mkfifo").arg(self.at(path)).status().unwrap();
                assert!(status.success());
            }
            ["socket", path] => drop(UnixListener::bind(self.at(path)).unwrap()),
            ["node", path, kind] => {
                let numbers = if kind == &"c" { ["1", "3"] } else { ["1", "0"] };
                let node = self.at(path);
                let status = Command::new("mknod")
                    .arg(node)
                    .arg(kind)
                    .args(numbers)
                    .status();
                assert!(status.unwrap().success());
            }
            ["owner", uid, path] => {
                std::os::unix::fs::lchown(self.at(path), Some(uid.parse().unwrap()), None).unwrap();
            }
            ["remove", path] => {
                let path = self.at(path);
                if path.is_dir() {
                    fs::remove_dir_all(path)
                } else {
                    fs::remove_file(path)
                }
                .unwrap();
            }
            ["write-protected", path] => {
                let place = self.at(path);
                let place = place.display();
                let _ = write!(
                    self.mounts,
                    "mount --bind '{place}' '{place}' && mount -o remount,bind,ro '{place}' && "
                );
            }
            ["ramfs", path] => {
                let _ = write!(
                    self.mounts,
                    "mount -t ramfs none '{}' && ",
                    self.at(path).display()
                );
            }
            ["lock"] => {
                let file = File::options()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(self.at("/run/virt-9p.lock"))
                    .unwrap();
                file.set_permissions(Permissions::from_mode(0o600)).unwrap();
                file.try_lock_exclusive().unwrap();
                self.lock = Some(file);
            }
            ["unlock"] => self.lock = None,
            ["program", path] => self.install(path, "0755"),
            ["program", path, mode] => self.install(path, mode),
            ["daemon", name, since] => self.daemon(name, since.parse().unwrap()),
            ["caller", uid] => {
                let status = Command::new("chown")
                    .args(["-hR", uid])
                    .arg(self.root.path())
                    .status();
                assert!(status.unwrap().success());
                self.caller = Some(uid.parse().unwrap());
            }
            _ => panic!("cannot read the line {line:?}"),
        }
    }

    fn host(&mut self) {
        self.file(
            "/etc/apparmor.d/libvirt/TEMPLATE.qemu",
            "0644",
            TEMPLATE.as_bytes(),
        );
        self.file("/sys/module/apparmor/parameters/enabled", "0444", b"Y\n");
        for dir in ["/run", "/dev", "/srv/share"] {
            self.dir(dir, "0755");
        }
        self.file("/dev/kmsg", "0600", b"");
        let log = UnixDatagram::bind(self.at("/dev/log")).unwrap();
        log.set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        self.log = Some(log);
    }

    fn install(&mut self, path: &str, mode: &str) {
        self.parents(path);
        fs::copy(env!("CARGO_BIN_EXE_virt-9p"), self.at(path)).unwrap();
        fs::set_permissions(self.at(path), permissions(mode)).unwrap();
        self.programs.push(path.to_owned());
    }

    /// Field 22 of its stat is a second after boot.
    fn daemon(&self, name: &str, since: u64) {
        let at = |file: &str| format!("/proc/4711/{file}");
        let stat = format!("4711 ({name}) S 1{} 100 0\n", " 0".repeat(17));
        self.file(&at("comm"), "0644", format!("{name}\n").as_bytes());
        self.file(&at("stat"), "0644", stat.as_bytes());
        self.file(
            &at("attr/current"),
            "0644",
            format!("{name} (enforce)\n").as_bytes(),
        );
        let boot = format!("cpu 0\nbtime {}\n", since - 1);
        self.file("/proc/stat", "0644", boot.as_bytes());
    }

    fn parents(&self, path: &str) {
        let parent = Path::new(path).parent().unwrap();
        if parent != Path::new("/") && !self.at(&parent.to_string_lossy()).exists() {
            self.dir(&parent.to_string_lossy(), "0755");
        }
    }

    fn dir(&self, path: &str, mode: &str) {
        let path = unescape(path);
        self.parents(&path);
        let place = self.at(&path);
        let _ = fs::create_dir(&place);
        fs::set_permissions(place, permissions(mode)).unwrap();
    }

    fn file(&self, path: &str, mode: &str, content: &[u8]) {
        self.parents(path);
        let place = self.at(path);
        fs::write(&place, content).unwrap();
        fs::set_permissions(place, permissions(mode)).unwrap();
    }

    fn command(&mut self, command: &str) {
        let (command, words) = match command.split_once(" | grep ") {
            Some((command, words)) => (command, words.split(' ').collect()),
            None => (command, Vec::new()),
        };
        let (arguments, input) = match command.split_once(" < ") {
            Some((arguments, file)) => (arguments, Some(self.directory.join(file.trim()))),
            None => (command, None),
        };
        let before = self.tree();
        let mut run = self.program();
        for word in split(arguments) {
            match word.strip_prefix('@') {
                Some(file) => run.arg(file),
                None => run.arg(word.replace("ROOT/", &format!("{}/", self.root.path().display()))),
            };
        }
        // Files named in arguments stand beside the scenario, and messages name them as given.
        run.current_dir(&self.directory);
        let stdin = input.map_or(Stdio::null(), |file| File::open(file).unwrap().into());
        let output = run.stdin(stdin).output().unwrap();
        let status = output
            .status
            .code()
            .map_or("killed".to_owned(), |code| code.to_string());
        let _ = writeln!(self.out, "exit status {status}");
        self.stream("stdout", &only(&output.stdout, &words));
        self.stream("stderr", &output.stderr);
        self.drain_log();
        self.changes(&before);
    }

    /// The program with `--root`; in a mount namespace of its own where something is mounted:
    /// root passes by modes.
    fn program(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_virt-9p");
        let mut run = if let Some(caller) = self.caller {
            let mut run = Command::new("setpriv");
            run.args([format!("--reuid={caller}"), "--clear-groups".to_owned()]);
            run.arg(program);
            run
        } else if self.mounts.is_empty() {
            Command::new(program)
        } else {
            let mut run = Command::new("unshare");
            run.args([
                "-m",
                "sh",
                "-c",
                &format!("{}exec \"$@\"", self.mounts),
                "sh",
                program,
            ]);
            run
        };
        run.arg("--root").arg(self.root.path());
        run.env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        run
    }

    fn stream(&mut self, name: &str, content: &[u8]) {
        if !content.is_empty() {
            let _ = writeln!(self.out, "{name}:");
            for line in String::from_utf8_lossy(content).lines() {
                let _ = writeln!(self.out, "  {}", line.replace('\u{1b}', "\\x1b"));
            }
        }
    }

    fn drain_log(&mut self) {
        let Some(log) = &self.log else { return };
        let mut lines = String::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = log.recv(&mut buffer) {
            let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let (head, text) = line.split_once("]: ").unwrap();
            let priority = head.split_once('>').unwrap().0.trim_start_matches('<');
            let level = match priority.parse::<u32>().unwrap() & 7 {
                3 => "err",
                4 => "warning",
                6 => "info",
                other => panic!("unexpected severity {other}"),
            };
            let _ = writeln!(lines, "  {level}: {text}");
        }
        if !lines.is_empty() {
            let _ = write!(self.out, "log:\n{lines}");
        }
    }

    fn changes(&mut self, before: &BTreeMap<String, Entry>) {
        let after = self.tree();
        let mut changes = String::new();
        for (path, entry) in &after {
            match before.get(path) {
                None => {
                    let _ = writeln!(changes, "  created {path}");
                }
                Some(old) if old != entry => {
                    let _ = writeln!(changes, "  replaced {path}");
                }
                Some(_) => {}
            }
        }
        for path in before.keys().filter(|path| !after.contains_key(*path)) {
            let _ = writeln!(changes, "  removed {path}");
        }
        if changes.is_empty() {
            self.out.push_str("files: nothing written\n");
        } else {
            let _ = write!(self.out, "files:\n{changes}");
        }
    }

    /// Everything below the root but directories on the way, sockets and the lock.
    fn tree(&self) -> BTreeMap<String, Entry> {
        let mut tree = BTreeMap::new();
        let mut todo = vec![self.root.path().to_owned()];
        while let Some(directory) = todo.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let name = path.strip_prefix(self.root.path()).unwrap();
                let name = format!("/{}", name.to_string_lossy());
                let kind = meta.file_type();
                if kind.is_dir() {
                    todo.push(path.clone());
                }
                if PASSING.contains(&name.as_str()) {
                    continue;
                }
                let (kind, content) = if kind.is_symlink() {
                    let target = fs::read_link(&path).unwrap();
                    ('l', target.to_string_lossy().into_owned().into_bytes())
                } else if self.programs.contains(&name) && meta.len() > 100_000 {
                    ('f', b"virt-9p itself\n".to_vec())
                } else if kind.is_file() {
                    ('f', fs::read(&path).unwrap())
                } else if kind.is_dir() {
                    // Directories matter when there is nothing in them.
                    if fs::read_dir(&path).unwrap().next().is_some() {
                        continue;
                    }
                    ('d', Vec::new())
                } else {
                    ('p', Vec::new())
                };
                let changed = if kind == 'f' {
                    (meta.mtime(), meta.mtime_nsec())
                } else {
                    (0, 0)
                };
                tree.insert(
                    name,
                    Entry {
                        kind,
                        mode: meta.permissions().mode() & 0o7777,
                        content,
                        inode: meta.ino(),
                        changed,
                    },
                );
            }
        }
        tree
    }
}

/// Lines that hold one of the words; all of them without words.
fn only(content: &[u8], words: &[&str]) -> Vec<u8> {
    let mut holds = true;
    let text = String::from_utf8_lossy(content);
    let lines = text.split_inclusive('\n').filter(|line| {
        // What is indented goes on from the line before.
        if !line.starts_with("            ") {
            holds = words.is_empty() || words.iter().any(|word| line.contains(word));
        }
        holds
    });
    lines.collect::<String>().into_bytes()
}

fn permissions(mode: &str) -> Permissions {
    Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap())
}

/// Words between spaces; single quotes hold words together.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut any) = (false, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                any = true;
            }
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                    any = false;
                }
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// `\n`, `\r`, `\t` and `\q` (a single quote) in names of directories.
fn unescape(path: &str) -> String {
    path.replace("\\n", "\n")
        .replace("\\r", "\r")
        .replace("\\t", "\t")
        .replace("\\q", "'")
}
