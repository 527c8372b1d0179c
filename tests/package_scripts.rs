//! The scripts of the package: what its build says, and the maintainer scripts as dpkg runs them, on
//! scratch hosts: commands that ask or change the real host are stood in for, all others are the
//! real ones.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that the package has ever put into hooks/qemu, today's last.
const TEXTS: [&str; 3] = [
    include_str!("hooks/first"),
    include_str!("hooks/second"),
    include_str!("../hooks/qemu"),
];

const SLOT: &str = "etc/libvirt/hooks/qemu";

/// Paths of the host in the scripts; below a scratch root they are the test's.
const PATHS: [&str; 5] = [
    "/etc/",
    "/usr/share/virt-9p/",
    "/usr/sbin/",
    "/run/",
    "/sys/",
];

struct Host {
    root: tempfile::TempDir,
}

impl Host {
    /// With this libvirt installed, and no daemon that runs.
    fn new(libvirt: &str) -> Self {
        let host = Host {
            root: tempfile::tempdir().unwrap(),
        };
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (from, to) in [
            ("hooks/qemu", "usr/share/virt-9p/hooks/qemu"),
            ("packaging/is-ours", "usr/share/virt-9p/is-ours"),
        ] {
            host.write(to, &fs::read_to_string(repository.join(from)).unwrap());
        }
        host.write("usr/sbin/virt-9p", "#!/bin/sh\n");
        fs::create_dir_all(host.at("run")).unwrap();
        host.write("stubs/pidof", "#!/bin/sh\nexit 1\n");
        host.write("stubs/sleep", "#!/bin/sh\n");
        host.libvirt(libvirt);
        host
    }

    fn libvirt(&self, version: &str) {
        self.write(
            "stubs/dpkg-query",
            &format!("#!/bin/sh\necho {version}-1\n"),
        );
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn slot(&self) -> Option<String> {
        fs::read_to_string(self.at(SLOT)).ok()
    }

    /// Runs `virt-9p.NAME ARGUMENT`, and tells what was said.
    fn run(&self, name: &str, argument: &str) -> String {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/debian");
        let mut script = fs::read_to_string(source.join(format!("virt-9p.{name}"))).unwrap();
        for path in PATHS {
            let here = format!("{}{path}", self.root.path().display());
            script = script.replace(path, &here);
        }
        self.write(name, &script);
        let path = format!(
            "{}:/usr/sbin:/usr/bin:/sbin:/bin",
            self.at("stubs").display()
        );
        let output = Command::new(self.at(name))
            .arg(argument)
            .env("PATH", path)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{name} {argument}: {said}");
        let stray = fs::read_dir(self.at("etc/libvirt/hooks"))
            .into_iter()
            .flatten();
        let stray: Vec<_> = stray
            .map(|entry| entry.unwrap().file_name())
            .filter(|entry| entry != "qemu")
            .collect();
        assert!(stray.is_empty(), "{stray:?}");
        said
    }

    fn install(&self) -> String {
        self.run("preinst", "install");
        self.run("postinst", "configure")
    }

    fn upgrade(&self) -> String {
        self.run("preinst", "upgrade");
        self.run("postinst", "configure")
    }

    /// A daemon whose drivers start for as long as `virsh` is asked so often: until then it
    /// ignores a reload.
    fn starting_daemon(&self, asked: u32) {
        let root = self.root.path().display();
        self.write("stubs/pidof", "#!/bin/sh\n[ \"$1\" = libvirtd ]\n");
        self.write(
            "stubs/virsh",
            &format!(
                "#!/bin/sh\necho . >>{root}/asked\n[ $(wc -l <{root}/asked) -gt {asked} ] || exit 1\ntouch {root}/up\n"
            ),
        );
        self.write(
            "stubs/invoke-rc.d",
            &format!("#!/bin/sh\n[ \"$*\" = 'libvirtd reload' ] || exit 1\n[ ! -e {root}/up ] || touch {root}/seen\n"),
        );
    }
}

#[test]
fn a_text_of_every_version_is_replaced_and_removed() {
    for text in TEXTS {
        let host = Host::new("6.0.0");
        host.write(SLOT, text);
        assert_eq!(host.upgrade(), "");
        assert_eq!(host.slot().as_deref(), Some(TEXTS[2]));
        host.run("prerm", "remove");
        assert_eq!(host.slot(), None);

        host.write(SLOT, text);
        host.run("prerm", "remove");
        assert_eq!(host.slot(), None);

        host.write(SLOT, text);
        host.libvirt("6.6.0");
        assert_eq!(host.upgrade(), "");
        assert_eq!(host.slot(), None);
    }
}

#[test]
fn a_text_of_a_version_to_come_is_known_by_its_sum() {
    let host = Host::new("6.0.0");
    let (start, mark, rest) = marked(TEXTS[2]);
    // The same lines in another order, and one more.
    let later = format!("{start}# later\n{rest}");
    let sum = sum(&host, &later);
    host.write(
        SLOT,
        &later.replace("# later\n", &format!("# later\n# virt-9p sum: {sum}\n")),
    );
    assert_eq!(host.upgrade(), "");
    assert_eq!(host.slot().as_deref(), Some(TEXTS[2]));
    // And so is today's.
    assert_eq!(mark, self::sum(&host, &format!("{start}{rest}")));
}

/// What stands before the mark, its sum, and what stands behind it.
fn marked(text: &str) -> (&str, &str, &str) {
    let (start, rest) = text.split_once("# virt-9p sum: ").unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    (start, mark, rest)
}

fn sum(host: &Host, text: &str) -> String {
    host.write("text", text);
    let output = Command::new("sha256sum")
        .arg(host.at("text"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

#[test]
fn an_edited_text_is_the_admins() {
    for text in TEXTS {
        for edited in [
            format!("{text}logger started\n"),
            text.replace("#!/bin/sh", "#!/bin/sh -e"),
            text.replace("exec ", "nice "),
            text.replace("[ $?", "logger; [ $?"),
        ] {
            if edited == text {
                continue;
            }
            let host = Host::new("6.0.0");
            host.write(SLOT, &edited);
            assert_eq!(host.upgrade(), "", "it runs virt-9p already");
            host.libvirt("6.6.0");
            host.upgrade();
            host.run("prerm", "remove");
            assert_eq!(host.slot(), Some(edited));
        }
    }
}

#[test]
fn a_hook_of_ours_that_was_switched_off_stays_off() {
    let host = Host::new("6.0.0");
    host.write(SLOT, TEXTS[1]);
    fs::set_permissions(host.at(SLOT), PermissionsExt::from_mode(0o644)).unwrap();
    host.upgrade();
    assert_eq!(host.slot().as_deref(), Some(TEXTS[2]));
    let mode = fs::metadata(host.at(SLOT)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn advice_that_was_taken_is_not_given_again() {
    let host = Host::new("6.0.0");
    let own = "#!/bin/sh\n# not yet: virt-9p hook\nlogger \"$@\"\n";
    host.write(SLOT, own);
    for said in [host.install(), host.upgrade()] {
        let advised = said.lines().last().unwrap();
        let line = advised.strip_prefix("virt-9p:   ").unwrap();
        assert!(line.contains("virt-9p hook \"$@\""), "{said}");
        let pasted = Host::new("6.0.0");
        // The advice names the program where it is installed.
        let line = line.replace(
            host.at("").to_str().unwrap(),
            pasted.at("").to_str().unwrap(),
        );
        pasted.write(SLOT, &format!("{own}{line}\n"));
        assert_eq!(pasted.install(), "");
        assert_eq!(pasted.upgrade(), "");
    }
    assert_eq!(host.slot().as_deref(), Some(own));

    // Nor to whoever has put a link there.
    fs::remove_file(host.at(SLOT)).unwrap();
    symlink(host.at("usr/sbin/virt-9p"), host.at(SLOT)).unwrap();
    assert_eq!(host.upgrade(), "");
    // To a dangling one it is.
    fs::remove_file(host.at(SLOT)).unwrap();
    symlink("/nonexistent", host.at(SLOT)).unwrap();
    assert!(host.upgrade().contains("virt-9p hook"));
}

#[test]
fn a_daemon_that_only_just_starts_sees_the_hook() {
    for asked in [0, 4] {
        let host = Host::new("6.0.0");
        host.starting_daemon(asked);
        assert_eq!(host.install(), "");
        assert!(host.at("seen").exists());
        // And that it is gone: before 6.5 every start would fail.
        fs::remove_file(host.at("seen")).unwrap();
        fs::remove_file(host.at("up")).unwrap();
        fs::remove_file(host.at("asked")).unwrap();
        assert_eq!(host.run("postrm", "remove"), "");
        assert!(host.at("seen").exists());
    }
}

#[test]
fn a_daemon_that_never_answers_is_waited_for_so_long_and_told_of() {
    let host = Host::new("6.0.0");
    host.starting_daemon(1000);
    for said in [host.install(), host.run("postrm", "remove")] {
        assert!(said.contains("libvirtd did not answer"), "{said}");
        assert!(!host.at("seen").exists());
    }
    let asked = fs::read_to_string(host.at("asked")).unwrap();
    assert_eq!(asked.lines().count(), 20);
    // An upgrade needs no reload.
    assert_eq!(host.upgrade(), "");
}

/// The profiles of one host, by their numbers.
fn profile(number: usize) -> String {
    format!("etc/apparmor.d/libvirt/libvirt-00000000-0000-4000-8000-{number:012x}")
}

/// What the program would take out is taken out when it is gone, and not a byte else: both run over
/// the same profiles, most of them damaged.
#[test]
fn a_purge_takes_out_what_the_program_would() {
    const LINES: [&str; 21] = [
        "  # virt-9p begin (managed by virt-9p; do not edit)",
        "  # virt-9p begin (managed by virt-9p; do not edit)",
        "# virt-9p begin",
        "\t# virt-9p beginning\r",
        "  # virt-9p end",
        "  # virt-9p end",
        "  # virt-9p end of it \u{c}\r",
        " \u{b}# virt-9p end",
        "   #virt-9p end",
        "  # virt-9p Begin",
        "  \"/srv/share/\" r,",
        "  \"/srv/share/**\" rwl,",
        "\"/srv/\\303\\244/**\" rwl,\r",
        "  \"/\u{e4}\" r, ",
        "\u{a0}\"/x\" r,",
        "  \"/a{b,c}\" r,",
        "  \"/srv/share/\" r",
        "  /mine rw,",
        "}",
        "",
        "   ",
    ];
    let seed = std::env::var("VIRT9P_SEED").map_or(9, |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let lost_end = "profile x {\n  # virt-9p begin (managed\n  \"/srv/\" r,\n  /mine rw,\n}\n";
    let whole = "a\n  # virt-9p begin\n  \"/srv/\" r,\n  # virt-9p end\n  /mine rw,\n}";
    let mut profiles = vec![
        lost_end.to_owned(),
        whole.to_owned(),
        format!("{whole}\0\n"),
    ];
    while profiles.len() < 120 {
        // A block that is whole, and a line more or less here and there.
        let mut lines = vec![
            LINES[11], LINES[0], LINES[10], LINES[11], LINES[4], LINES[17],
        ];
        for _ in 0..random.usize(0..4) {
            let at = random.usize(0..lines.len());
            match random.usize(0..4) {
                0 => drop(lines.remove(at)),
                _ => lines.insert(at, LINES[random.usize(0..LINES.len())]),
            }
        }
        profiles.push(lines.join("\n") + random.choice(["", "\n"]).unwrap());
    }
    let purged = Host::new("9.0.0");
    let released = Host::new("9.0.0");
    for (number, text) in profiles.iter().enumerate() {
        for host in [&purged, &released] {
            host.write(&profile(number), text);
        }
        let uuid = &profile(number)[31..];
        let mut hook = Command::new(env!("CARGO_BIN_EXE_virt-9p"));
        hook.args(["hook", "--root"]).arg(released.at(""));
        hook.args(["guest", "release", "end", "-"]);
        hook.stdin(std::process::Stdio::piped());
        let mut hook = hook.spawn().unwrap();
        let xml = format!("<domain><uuid>{uuid}</uuid></domain>");
        std::io::Write::write_all(&mut hook.stdin.take().unwrap(), xml.as_bytes()).unwrap();
        assert!(hook.wait().unwrap().success());
    }
    let said = purged.run("postrm", "purge");
    let mut changed = 0;
    for (number, before) in profiles.iter().enumerate() {
        let [purged, released] = [&purged, &released]
            .map(|host| String::from_utf8(fs::read(host.at(&profile(number))).unwrap()).unwrap());
        // One with a NUL is nobody's: the program takes a whole block out of it, purge says so.
        if before.contains('\0') {
            assert_eq!(&purged, before);
        } else {
            assert_eq!(purged, released, "from {before:?}: {said}");
        }
        changed += usize::from(purged != *before);
        // What is left alone although it holds a trace is told.
        let told = said.contains(&profile(number));
        assert_eq!(
            told,
            purged.contains("# virt-9p ") && !strips(&purged),
            "{purged:?}"
        );
    }
    assert!(changed > 20, "{changed}");
}

/// Whether there is nothing in it that looks like a marker any more.
fn strips(text: &str) -> bool {
    let mut lines = text
        .split('\n')
        .map(|line| line.trim_matches([' ', '\t', '\r', '\u{c}']));
    !lines.any(|line| line.starts_with("# virt-9p begin") || line.starts_with("# virt-9p end"))
}

#[test]
fn a_purge_leaves_alone_what_is_not_ours_to_write() {
    let whole = "a\n  # virt-9p begin\n  \"/srv/\" r,\n  # virt-9p end\n}\n";
    let host = Host::new("9.0.0");
    for number in 0..6 {
        host.write(&profile(number), whole);
        let mode = if number == 1 { 0o666 } else { 0o600 };
        fs::set_permissions(host.at(&profile(number)), PermissionsExt::from_mode(mode)).unwrap();
    }
    // Its mode stays, and 1 is writable by others.
    let elsewhere = host.at("elsewhere");
    fs::rename(host.at(&profile(2)), &elsewhere).unwrap();
    symlink(&elsewhere, host.at(&profile(2))).unwrap();
    fs::hard_link(host.at(&profile(3)), host.at("another")).unwrap();
    // 4 runs.
    let uuid = profile(4)[31..].to_owned();
    let loaded = "sys/kernel/security/apparmor/profiles";
    host.write(
        loaded,
        &format!("libvirtd (enforce)\nlibvirt-{uuid} (enforce)\n"),
    );
    let odd = [
        "libvirt-x.files",
        "libvirt-00000000-0000-4000-8000-000000000005.dpkg-old",
    ];
    for name in odd {
        host.write(&format!("etc/apparmor.d/libvirt/{name}"), whole);
    }
    let said = host.run("postrm", "purge");
    for number in 0..6 {
        let file = host.at(&profile(number));
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text == whole, (1..5).contains(&number), "{number}: {text}");
        assert_eq!(
            said.contains(&profile(number)),
            (1..4).contains(&number),
            "{said}"
        );
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if number == 1 { 0o666 } else { 0o600 });
    }
    assert!(
        fs::symlink_metadata(host.at(&profile(2)))
            .unwrap()
            .is_symlink()
    );
    for name in odd {
        let path = host.at(&format!("etc/apparmor.d/libvirt/{name}"));
        assert_eq!(fs::read_to_string(path).unwrap(), whole);
    }
}

/// It is nobody's text, and reading it would take for ever.
#[test]
fn a_fifo_in_the_hooks_place_holds_nothing_up() {
    let host = Host::new("6.0.0");
    let slot = host.at(SLOT);
    fs::create_dir_all(slot.parent().unwrap()).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&slot)
            .status()
            .unwrap()
            .success()
    );
    let said = host.install();
    assert!(said.contains("is there already"), "{said}");
    host.run("prerm", "remove");
    assert!(slot.exists());
}

/// Whatever is in a profile's place: the package goes away, and so does what can.
#[test]
fn a_purge_comes_to_its_end() {
    let block = "  # virt-9p begin\n  \"/srv/\" r,\n  # virt-9p end\n";
    let host = Host::new("9.0.0");
    for number in 0..3 {
        fs::create_dir_all(host.at("etc/apparmor.d/libvirt")).unwrap();
        let place = host.at(&profile(number));
        match number {
            0 => assert!(
                Command::new("mkfifo")
                    .arg(&place)
                    .status()
                    .unwrap()
                    .success()
            ),
            1 => symlink(host.at(&profile(0)), &place).unwrap(),
            _ => fs::create_dir(&place).unwrap(),
        }
    }
    let directory = host.at("etc/apparmor.d/libvirt/.virt-9p.x");
    fs::create_dir(&directory).unwrap();
    // Longer than an argument can be, as a list of lines.
    host.write(&profile(3), &format!("a\n{}}}\n", block.repeat(20_000)));
    host.write(&profile(4), &format!("a\n{block}}}\n"));
    host.write("run/virt-9p.lock", "");
    let said = host.run("postrm", "purge");
    for number in [3, 4] {
        let text = fs::read_to_string(host.at(&profile(number))).unwrap();
        assert_eq!(text, "a\n}\n", "{said}");
    }
    assert!(!host.at("run/virt-9p.lock").exists(), "{said}");
    assert!(directory.exists(), "{said}");
}

/// Nobody should have to guess which package a missing command is in.
#[test]
fn a_build_without_its_tools_names_them_all() {
    let output = Command::new("/bin/bash")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/build"))
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for package in ["rustup", "gcc", "dpkg-dev", "debhelper", "dh-apparmor"] {
        assert!(said.contains(package), "{package}: {said}");
    }
}
