//! Our rules and profiles beside those of the real `virt-aa-helper`, the program of libvirt that
//! writes AppArmor rules for native shares.
//!
//! A raw share must get what the same directory would get as a native `<filesystem>`, must be
//! refused where that is refused, and what we write must live through all that the helper does to a
//! domain's profile between start and stop.
//!
//! Needs libvirt's helper and template (Debian: libvirt-daemon-system), `apparmor_parser`, and root
//! with `unshare --mount`, because the helper knows its directory by one name only and that
//! directory is replaced, for it alone, by a temporary one:
//!
//! ```text
//! cargo test --test virt_aa_helper -- --ignored
//! ```

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

// Shared with other tests, which use the rest of it.
#[allow(dead_code)]
#[path = "support/grant.rs"]
mod grant;
#[allow(dead_code)]
#[path = "support/policy.rs"]
mod policy;
#[allow(dead_code)]
#[path = "support/rawshare.rs"]
mod rawshare;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use grant::{Grant, probes, show};
use policy::Parser;
use rawshare::{Host, Share, UUID, domain_xml, rules_in, run, said, xml_escape};

const HELPER: &str = "/usr/lib/libvirt/virt-aa-helper";
/// Where the helper looks, whatever one would like (facts L4.1).
const PROFILES: &str = "/etc/apparmor.d/libvirt";

fn share(path: impl Into<String>, readonly: bool) -> Share {
    let path = path.into();
    Share { path, readonly }
}

/// The same directory as a share of libvirt's own.
fn native(share: &Share) -> String {
    let readonly = if share.readonly { "<readonly/>" } else { "" };
    let path = xml_escape(&share.path);
    format!(
        "    <filesystem type='mount' accessmode='mapped'>\
         <source dir='{path}'/><target dir='tag'/>{readonly}</filesystem>\n"
    )
}

/// What the helper would write for a domain with this native share and without any: the rules, or
/// nothing if it refuses.
fn helper_rules(share: &Share) -> Option<BTreeSet<String>> {
    let answer = |devices: &str| {
        let mut helper = Command::new(HELPER);
        helper.env("LC_ALL", "C").args(["-d", "-c", "-u"]);
        helper.arg(format!("libvirt-{UUID}"));
        run(helper, &domain_xml(devices, &[]))
    };
    let rules = |output: &Output| -> BTreeSet<String> {
        // The dry run reports on standard error.
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        rules_in(&text).into_iter().collect()
    };
    let without = answer("");
    assert!(without.status.success(), "{HELPER}: {}", said(&without));
    assert!(!rules(&without).is_empty(), "{HELPER}: {}", said(&without));
    let with = answer(&native(share));
    if with.status.success() {
        return Some(&rules(&with) - &rules(&without));
    }
    let text = said(&with);
    assert!(
        text.contains("skipped restricted file"),
        "{share:?}: {text}"
    );
    None
}

/// Run a command where it finds AppArmor switched on, whatever this kernel has: without AppArmor
/// there is nobody to protect system paths from, and the program says so.
const WITH_APPARMOR: &str = r#"
mount -t tmpfs none /sys/module
mkdir -p /sys/module/apparmor/parameters
echo Y >/sys/module/apparmor/parameters/enabled
exec "$@"
"#;

/// A command in a mount namespace of its own, after this script, which gets `args` and runs the last
/// of them.
fn in_a_namespace(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private"])
        .args(["sh", "-eu", "-c", script, "sh"]);
    command
}

/// What we would write for a domain with this raw share; nothing if we refuse.
fn our_rules(share: &Share) -> Option<BTreeSet<String>> {
    our_answer(share).ok()
}

/// The same, with what we say when we refuse.
fn our_answer(share: &Share) -> Result<BTreeSet<String>, String> {
    let mut command = in_a_namespace(WITH_APPARMOR);
    command.args([env!("CARGO_BIN_EXE_virt-9p"), "rules", "-"]);
    let output = run(command, &domain_xml("", std::slice::from_ref(share)));
    let rules: BTreeSet<String> = rules_in(&output.stdout).into_iter().collect();
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {
            assert!(!rules.is_empty(), "{share:?}: {}", said(&output));
            Ok(rules)
        }
        Some(1) => {
            assert!(rules.is_empty(), "refused and granted: {}", said(&output));
            let is_told = text.contains("path-system") || text.contains("path-in-dev");
            assert!(is_told, "{share:?}: {}", said(&output));
            Err(text.into_owned())
        }
        _ => panic!(
            "{share:?} in a mount namespace (needs root): {}",
            said(&output)
        ),
    }
}

/// A directory below which shares may be: neither a system path nor in anybody's home.
fn scratch() -> tempfile::TempDir {
    let everybody = fs::Permissions::from_mode(0o755);
    tempfile::Builder::new()
        .permissions(everybody)
        .tempdir_in("/var/tmp")
        .expect("a directory in /var/tmp")
}

#[test]
#[ignore = "needs real virt-aa-helper"]
fn plain_share_gets_the_rules_of_a_native_one() {
    let scratch = scratch();
    let base = scratch.path().to_str().unwrap();
    for directory in [
        "plain",
        "a-b_c.d",
        "n/e/s/t/e/d",
        ".hidden",
        "UPPER.lower-0",
    ] {
        fs::create_dir_all(scratch.path().join(directory)).unwrap();
    }
    symlink(scratch.path().join("plain"), scratch.path().join("link")).unwrap();
    symlink("n/e/../e/s", scratch.path().join("relative-link")).unwrap();
    symlink("link", scratch.path().join("link-to-link")).unwrap();
    let spellings = [
        "plain",
        "a-b_c.d",
        "n/e/s/t/e/d",
        "n",
        ".hidden",
        "UPPER.lower-0",
        "plain/",
        "plain//",
        "plain/.",
        "n/../plain",
        "n//e/./s",
        "link",
        "link/",
        "link-to-link",
        "relative-link/t",
    ];
    for spelling in spellings {
        for readonly in [false, true] {
            let share = share(format!("{base}/{spelling}"), readonly);
            let theirs = helper_rules(&share).expect("the helper grants it");
            assert_eq!(theirs.len(), 2, "{share:?}: {theirs:?}");
            assert_eq!(our_rules(&share).as_ref(), Some(&theirs), "{share:?}");
        }
    }
}

/// The helper escapes nothing and we escape much, so the text differs; what it means must not. Only
/// names that it can write at all: no quotes, backslashes or patterns (facts L4.4).
#[test]
#[ignore = "needs real virt-aa-helper"]
fn unusual_share_is_allowed_what_a_native_one_is() {
    let scratch = scratch();
    let base = scratch.path().to_str().unwrap();
    let parser = Parser::new();
    let profile = |rules: &BTreeSet<String>| {
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let text = format!("profile share {{\n{}\n}}\n", rules.join("\n"));
        let policy = parser.compile(text.as_bytes());
        policy.unwrap_or_else(|error| panic!("{error:#}\n{text}"))
    };
    let mut rng = fastrand::Rng::with_seed(9);
    for name in [
        "two words",
        " lead",
        "trail ",
        "a,b",
        "a,,b",
        "a#b",
        "#a",
        "a(b)",
        "a'b",
        "a&b",
        "<a>",
        "a=b",
        "~",
        "a:b",
        "a@b",
        "$HOME",
        "!a",
        "a;b",
        "a|b",
        "a+b",
        "%41",
        "é",
        "文件",
        "a\tb",
        "a b (deleted) c",
    ] {
        fs::create_dir(scratch.path().join(name)).unwrap();
        for readonly in [false, true] {
            let share = share(format!("{base}/{name}"), readonly);
            let native = profile(&helper_rules(&share).expect("the helper grants it"));
            let raw = profile(&our_rules(&share).expect("we grant it"));
            for path in probes(&Grant::new(&share.path, readonly), &mut rng) {
                let (native, raw) = (native.perms(&path), raw.perms(&path));
                assert_eq!(raw, native, "{share:?}: {}", show(&path));
            }
        }
    }
}

/// What the helper says to a directory as a native share, and what we say to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    /// Refused by both.
    No,
    /// Granted natively, refused by us: it is a system path, or one is in it and it is writable, or
    /// can be read with its secrets.
    OnlyNatively,
    /// Granted by both.
    Yes,
}
use Answer::{No, OnlyNatively, Yes};

/// libvirt's lists (`valid_path`, facts L4.2), and what we refuse beyond them: directory, writable,
/// read-only. A prefix in libvirt's list ends in a slash, so that it refuses what is in the
/// directory and grants the directory itself; that is no reason for us to do so.
const SYSTEM: &[(&str, Answer, Answer)] = &[
    ("/etc/apparmor.d", No, No),
    ("/etc/apparmor.d/libvirt", No, No),
    ("/etc/libvirt", No, No),
    ("/etc/libvirt/hooks", No, No),
    ("/etc/apt", No, No),
    ("/etc/cron.d", No, No),
    ("/etc/default", No, No),
    ("/lib", No, No),
    ("/lib64", No, No),
    ("/lib/systemd", No, No),
    ("/usr/lib", No, No),
    ("/usr/lib/libvirt", No, No),
    ("/usr/lib/x86_64-linux-gnu", No, No),
    ("/usr/libexec", No, No),
    ("/usr/local/lib", No, No),
    ("/usr/share/doc", No, No),
    ("/usr/share/libvirt", No, No),
    ("/usr/share/qemu", No, No),
    ("/usr/share/seabios", No, No),
    ("/proc/1", No, No),
    ("/proc/sys", No, No),
    ("/sys/devices", No, No),
    ("/sys/kernel", No, No),
    // The same by other names.
    ("/etc/../etc/apparmor.d", No, No),
    ("//etc//apparmor.d/", No, No),
    ("/proc/self/root/etc/apparmor.d", No, No),
    ("/srv/../usr/lib", No, No),
    // Above one of them.
    ("/", OnlyNatively, OnlyNatively),
    ("/usr", OnlyNatively, Yes),
    ("/usr/local", OnlyNatively, Yes),
    // One of them.
    ("/etc", OnlyNatively, OnlyNatively),
    ("/bin", OnlyNatively, OnlyNatively),
    ("/sbin", OnlyNatively, OnlyNatively),
    ("/usr/bin", OnlyNatively, OnlyNatively),
    ("/usr/sbin", OnlyNatively, OnlyNatively),
    ("/usr/share", OnlyNatively, OnlyNatively),
    ("/boot", OnlyNatively, Yes),
    ("/proc", OnlyNatively, OnlyNatively),
    ("/sys", OnlyNatively, OnlyNatively),
    // Libvirt's own, and those of who rules the host.
    ("/dev", OnlyNatively, OnlyNatively),
    ("/run/libvirt", OnlyNatively, OnlyNatively),
    ("/run/systemd", OnlyNatively, OnlyNatively),
    ("/var/lib/libvirt/qemu", OnlyNatively, OnlyNatively),
    ("/var/cache/libvirt", OnlyNatively, OnlyNatively),
    ("/dev/shm", Yes, Yes),
    ("/var/lib/libvirt", Yes, Yes),
    // Not of the system.
    ("/srv", Yes, Yes),
    ("/home", Yes, Yes),
    ("/opt", Yes, Yes),
    ("/mnt", Yes, Yes),
    ("/media", Yes, Yes),
    ("/var", Yes, Yes),
    ("/var/lib", Yes, Yes),
    ("/var/tmp", Yes, Yes),
    ("/tmp", Yes, Yes),
    ("/run", Yes, Yes),
    ("/usr/src", Yes, Yes),
    ("/usr/include", Yes, Yes),
    ("/usr/games", Yes, Yes),
];

#[test]
#[ignore = "needs real virt-aa-helper"]
fn system_path_that_is_refused_natively_is_refused() {
    let scratch = scratch();
    let mut tried = [0; 3];
    let mut failures = Vec::new();
    for (n, (path, writable, readonly)) in SYSTEM.iter().enumerate() {
        // Not all of them are on each host.
        if !Path::new(path).is_dir() {
            eprintln!("not here: {path}");
            continue;
        }
        let link = scratch.path().join(format!("link{n}"));
        symlink(path, &link).unwrap();
        for path in [path, link.to_str().unwrap()] {
            for (readonly, answer) in [(false, writable), (true, readonly)] {
                let share = share(path, readonly);
                let theirs = helper_rules(&share);
                let ours = our_answer(&share);
                // What is said of libvirt is what libvirt does.
                if let Err(said) = &ours {
                    let claims = (
                        said.contains("as libvirt does not open it"),
                        said.contains("though libvirt opens it"),
                    );
                    if claims != (theirs.is_none(), theirs.is_some()) {
                        failures.push(format!("{share:?}: {theirs:?}, but {said}"));
                    }
                }
                let have = match (&theirs, &ours) {
                    (None, Err(_)) => No,
                    (Some(_), Err(_)) => OnlyNatively,
                    (Some(theirs), Ok(ours)) if theirs == ours => Yes,
                    other => {
                        failures.push(format!("{share:?}: {other:?}"));
                        continue;
                    }
                };
                tried[have as usize] += 1;
                if have != *answer {
                    failures.push(format!("{share:?}: {have:?}, not {answer:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    eprintln!("refused by both, by us alone, by none: {tried:?}");
    // So that a host on which next to nothing was there does not pass.
    assert!(
        tried[0] >= 40 && tried[1] >= 10 && tried[2] >= 20,
        "{tried:?}"
    );
}

/// The system's directories a second time, and two of nobody's.
const MOUNTED_TWICE: &str = r#"
mount -t tmpfs none /mnt
mkdir /mnt/etc /mnt/run /mnt/root /mnt/proc /mnt/sys /mnt/own /mnt/again
touch /mnt/passwd
mount --bind /etc /mnt/etc
mount --bind /run /mnt/run
mount --bind / /mnt/root
mount -t proc none /mnt/proc
mount -t sysfs none /mnt/sys
mount --bind /etc/passwd /mnt/passwd
mount --bind /mnt/own /mnt/again
mount -t tmpfs none /var/log
mkdir -p /var/log/libvirt /mnt/log
mount --bind /var/log/libvirt /mnt/log
"#;

/// By whatever mount they are named.
#[test]
#[ignore = "needs root with unshare"]
fn what_is_mounted_twice_is_judged_by_all_its_names() {
    let rules = |xml: &str| {
        let mut command = in_a_namespace(&format!("{MOUNTED_TWICE}{WITH_APPARMOR}"));
        command.args([env!("CARGO_BIN_EXE_virt-9p"), "rules", "-"]);
        let output = run(command, xml);
        (rules_in(&output.stdout), said(&output))
    };
    for (path, refused) in [
        ("/mnt/etc", "a mount of `/etc`, which lies in /etc/"),
        ("/mnt/etc/apt", "a mount of `/etc/apt`, which lies in /etc/"),
        ("/mnt/root", "a mount of `/`, which contains /bin/"),
        ("/mnt/root/etc", "a mount of `/etc`, which lies in /etc/"),
        (
            "/mnt/run/libvirt",
            "a mount of `/run/libvirt`, which lies in /run/libvirt/",
        ),
        (
            "/mnt/run/docker/not-there",
            "a mount of `/run/docker/not-there`",
        ),
        ("/mnt/proc/1", "a mount of `/proc`, which lies in /proc/"),
        ("/mnt/sys/kernel", "a mount of `/sys`, which lies in /sys/"),
        (
            "/mnt/log",
            "a mount of `/var/log/libvirt`, which lies in /var/log/libvirt/",
        ),
        ("/mnt/again", ""),
        ("/mnt/own", ""),
    ] {
        let (rules, said) = rules(&domain_xml("", &[share(path, false)]));
        assert_eq!(rules.is_empty(), !refused.is_empty(), "{path}: {said}");
        assert!(said.contains(refused), "{path}: {said}");
    }
    for (word, argument, granted) in [
        ("-fw_cfg", "name=opt/a,file=/mnt/passwd", false),
        ("-fw_cfg", "name=opt/a,file=/mnt/etc/passwd", false),
        ("-fw_cfg", "name=opt/a,file=/mnt/root/etc/passwd", false),
        ("-chardev", "file,id=c,path=/mnt/proc/sysrq-trigger", false),
        ("-chardev", "file,id=c,path=/mnt/sys/kernel/mm/x", false),
        (
            "-qmp",
            "unix:/mnt/run/docker.sock,server=on,wait=off",
            false,
        ),
        ("-qmp", "unix:/mnt/root/run/docker.sock", false),
        ("-chardev", "file,id=c,path=/mnt/again/log", true),
    ] {
        let words = format!(
            "<qemu:commandline><qemu:arg value='{word}'/><qemu:arg value='{argument}'/>\
             </qemu:commandline></domain>"
        );
        let xml = domain_xml("", &[]).replace("</domain>", &words);
        let (rules, said) = rules(&xml);
        assert_eq!(!rules.is_empty(), granted, "{argument}: {rules:?} {said}");
    }
}

/// What lists and rules are about, and what is nearly so.
const STEMS: &[&str] = &[
    "/bin",
    "/sbin",
    "/etc",
    "/lib",
    "/lost+found",
    "/proc",
    "/selinux",
    "/sys",
    "/boot",
    "/vmlinuz",
    "/initrd",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/usr/share",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/share/ovmf",
    "/usr/share/OVMF",
    "/usr/share/AAVMF",
    "/usr/share/qemu-efi",
    "/usr/share/qemu-efi-aarch64",
    "/usr/share/edk2",
    "/usr/share/edk2-ovmf",
    "/usr/lib/u-boot",
    "/usr/lib/riscv64-linux-gnu/opensbi",
    "/sys/devices/pci",
    "/sys/kernel/config/target/vhost",
    "/etc/libvirt-sandbox/services",
    "/srv",
    "/home",
    "/var",
    "/opt",
    "/mnt",
    "/run",
    "/tmp",
    "/dev/shm",
    "/usr/src",
    "/usr/libexec",
];

/// Whatever a path is called, there or not: what libvirt refuses we refuse, and what we grant has
/// libvirt's own rules.
#[test]
#[ignore = "needs real virt-aa-helper"]
fn nothing_is_granted_that_is_not_granted_natively() {
    let seed = std::env::var("VIRT9P_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..1_000_000), |seed| seed.parse().unwrap());
    eprintln!("VIRT9P_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut granted, mut refused, mut failures) = (0, 0, Vec::new());
    for _ in 0..100 {
        let stem = STEMS[rng.usize(..STEMS.len())];
        let ends = [
            "", "", "x", "2/y", "-z/..b/c", "/", "/x", "//x/./y", "/x/", "/0000:00",
        ];
        let end = ends[rng.usize(..ends.len())];
        let share = share(format!("{stem}{end}"), rng.bool());
        match (helper_rules(&share), our_answer(&share)) {
            (_, Err(_)) => refused += 1,
            (Some(theirs), Ok(ours)) if clean(&theirs) == clean(&ours) => granted += 1,
            other => failures.push(format!("{share:?}: {other:?}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(granted >= 20 && refused >= 20, "{granted}, {refused}");
}

/// The helper leaves a path that is not there as it is written, and escapes nothing.
fn clean(rules: &BTreeSet<String>) -> BTreeSet<String> {
    let clean = |rule: &String| {
        let plain = rule.replace("\\072", ":").replace("\\053", "+");
        plain.replace("//", "/").replace("/./", "/")
    };
    rules.iter().map(clean).collect()
}

// ---------------------------------------------------------------------------------------------
// The life of a profile

/// Runs the helper where its directory is that of a temporary host, and `apparmor_parser` one that
/// notes how it was called and compiles without loading. Nobody else sees either.
struct Libvirt {
    host: Host,
}

/// `$1` the directory to show as the helper's, `$2` the parser to show as the real one, then the
/// helper.
const ON_A_TEMPORARY_HOST: &str = r#"
mount --bind "$1" /etc/apparmor.d/libvirt
mount --bind "$2" "$(readlink -f /sbin/apparmor_parser)"
shift 2
exec "$@"
"#;

impl Libvirt {
    fn new() -> Self {
        let host = Host::new();
        let root = host.root().to_str().unwrap();
        // The real parser, where it is not hidden by the other one.
        fs::copy("/sbin/apparmor_parser", host.path("real-parser")).expect("apparmor_parser");
        let features = policy::feature_files();
        let features = features.first().expect("a feature file").display();
        let parser = format!(
            "#!/bin/sh\necho \"$@\" >>{root}/parser-calls\n\
             exec {root}/real-parser -Q -K -T -M {features} \"$@\"\n"
        );
        fs::write(host.path("parser"), parser).unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(host.path("parser"), executable).unwrap();
        // The template that the helper finds is the one that we find: the real one.
        fs::copy(
            Path::new(PROFILES).join("TEMPLATE.qemu"),
            host.path(format!("{PROFILES}/TEMPLATE.qemu")),
        )
        .expect("libvirt's template");
        Self { host }
    }

    fn run_helper(&self, args: &[&str], xml: &str) -> Output {
        let mut command = in_a_namespace(ON_A_TEMPORARY_HOST);
        command
            .arg(self.host.path(PROFILES))
            .arg(self.host.path("parser"))
            .arg(HELPER)
            .args(args)
            .arg("-u")
            .arg(format!("libvirt-{UUID}"));
        run(command, xml)
    }

    /// Run the helper and return how it called the parser.
    fn helper(&self, args: &[&str], xml: &str) -> String {
        let calls = self.host.path("parser-calls");
        let _ = fs::remove_file(&calls);
        let output = self.run_helper(args, xml);
        assert!(
            output.status.success(),
            "virt-aa-helper {args:?} in a mount namespace (needs root): {}",
            said(&output)
        );
        fs::read_to_string(&calls).unwrap_or_default()
    }

    fn profile(&self) -> String {
        fs::read_to_string(self.host.profile_path()).expect("a profile")
    }

    fn dot_files(&self) -> Option<String> {
        let mut path = self.host.profile_path().into_os_string();
        path.push(".files");
        fs::read_to_string(path).ok()
    }
}

fn call(flag: &str) -> String {
    format!("{flag} {PROFILES}/libvirt-{UUID}\n")
}

/// A domain with a raw share and a native one, and the host it is on.
fn domain_on(libvirt: &Libvirt) -> String {
    libvirt.host.create_directory(b"/srv/raw share");
    let native = native(&share("/var/tmp", true));
    domain_xml(&native, &[share("/srv/raw share", false)])
}

#[test]
#[ignore = "needs real virt-aa-helper"]
fn profile_lives_through_start_hotplug_stop_and_start() {
    let libvirt = Libvirt::new();
    let xml = domain_on(&libvirt);

    // First start: we come first, so libvirt finds a profile and only "replaces" it.
    let written = String::from_utf8(libvirt.host.prepare(&xml)).unwrap();
    assert!(written.contains("raw\\040share"), "{written}");
    assert!(libvirt.dot_files().is_none());
    assert_eq!(libvirt.helper(&["-d", "-r"], &xml), "");
    assert_eq!(libvirt.profile(), written, "after a dry run");
    assert!(libvirt.dot_files().is_none(), "a dry run that writes");
    assert_eq!(libvirt.helper(&["-r"], &xml), call("-r"));
    assert_eq!(libvirt.profile(), written, "after the start");
    let files = libvirt.dot_files().expect("the helper wrote its part");
    assert!(files.contains("\"/var/tmp/\" r,"), "{files}");
    // Why there is a virt-9p at all.
    assert!(!files.contains("raw"), "{files}");

    // A disk comes: its rule is added to .files, and our part is loaded again from the disk.
    assert_eq!(
        libvirt.helper(&["-r", "-F", "/var/tmp/disk.img"], &xml),
        call("-r")
    );
    assert_eq!(libvirt.profile(), written, "after a hot-plug");
    let files = libvirt.dot_files().expect("still there");
    assert!(files.contains("/var/tmp/disk.img"), "{files}");

    // Stop: the helper unloads, then we are called.
    assert_eq!(libvirt.helper(&["-D"], &xml), call("-R"));
    assert_eq!(libvirt.profile(), written, "after the stop");
    assert!(libvirt.dot_files().is_none());
    let output = libvirt.host.hook("release", "end", &xml);
    assert!(output.status.success(), "{}", said(&output));
    let released = libvirt.profile();
    assert!(!released.contains("virt-9p"), "{released}");

    // Second start: from what is left, the same again.
    assert_eq!(libvirt.host.prepare(&xml), written.as_bytes());
    assert_eq!(libvirt.helper(&["-r"], &xml), call("-r"));
    assert_eq!(libvirt.profile(), written);
}

/// A profile we made and took our block out of is, byte for byte, what libvirt would have made; and
/// one that libvirt made becomes, with our block in it, what we would have made.
#[test]
#[ignore = "needs real virt-aa-helper"]
fn profile_is_libvirts_own_but_for_the_block() {
    let first = Libvirt::new();
    let xml = domain_on(&first);
    let ours = first.host.prepare(&xml);
    let output = first.host.hook("release", "end", &xml);
    assert!(output.status.success(), "{}", said(&output));

    let second = Libvirt::new();
    let xml = domain_on(&second);
    assert_eq!(second.helper(&["-c"], &xml), call("-a"));
    assert_eq!(first.profile(), second.profile());
    assert_eq!(second.host.prepare(&xml), ours);
}

/// A profile that does not compile fails the start: so the stand-in for the parser does compile, and
/// the two tests above mean what they say.
#[test]
#[ignore = "needs real virt-aa-helper"]
fn damaged_profile_would_be_noticed() {
    let libvirt = Libvirt::new();
    let xml = domain_on(&libvirt);
    let written = libvirt.host.prepare(&xml);
    let text = String::from_utf8(written).unwrap();
    fs::write(
        libvirt.host.profile_path(),
        text.replace("\" rwl,", " rwl,"),
    )
    .unwrap();
    let output = libvirt.run_helper(&["-r"], &xml);
    let calls = fs::read_to_string(libvirt.host.path("parser-calls"));
    assert_eq!(calls.expect("the parser was called"), call("-r"));
    assert!(!output.status.success(), "loaded: {}", libvirt.profile());
}
