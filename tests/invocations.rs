//! How the program is called: which face, which exit status, what on which stream; and inputs too
//! large to keep as files.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

#[path = "support/call.rs"]
mod call;
#[path = "support/host.rs"]
mod host;

use call::{feed, told};
use host::host;

const PROGRAM: &str = env!("CARGO_BIN_EXE_virt-9p");
const NAMESPACE: &str = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'";

fn cli(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    told(feed(Command::new(PROGRAM).args(arguments), input))
}

fn prepare(root: &Path, input: &[u8]) -> (i32, String, String) {
    let root = root.to_str().unwrap();
    cli(
        &["hook", "--root", root, "guest", "prepare", "begin", "-"],
        input,
    )
}

fn profiles(root: &Path) -> usize {
    fs::read_dir(root.join("etc/apparmor.d/libvirt"))
        .unwrap()
        .count()
        - 1
}

fn domain(arguments: &str) -> Vec<u8> {
    format!(
        "<domain type='kvm' {NAMESPACE}><name>guest</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\
         <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices/>\
         <qemu:commandline>{arguments}</qemu:commandline></domain>"
    )
    .into_bytes()
}

fn arg(value: &str) -> String {
    format!("<qemu:arg value='{value}'/>")
}

#[test]
fn the_name_it_is_called_by_decides() {
    let directory = tempfile::tempdir().unwrap();
    let hooks = directory.path().join("hooks/qemu.d");
    fs::create_dir_all(&hooks).unwrap();
    for name in ["hooks/qemu", "hooks/qemu.d/virt-9p"] {
        let link = directory.path().join(name);
        symlink(PROGRAM, &link).unwrap();
        // A guest of the name of a command, and one of an option: still the hook, and silent.
        for guest in ["check", "--help", "--version", ""] {
            let mut command = Command::new(&link);
            command.args([guest, "reconnect", "begin", "-"]);
            assert_eq!(
                told(feed(&mut command, b"garbage")),
                (0, String::new(), String::new()),
                "{name} {guest}"
            );
        }
        // No arguments at all, too many, words that are not UTF-8.
        assert_eq!(told(feed(&mut Command::new(&link), b"")).0, 0);
        assert_eq!(told(feed(Command::new(&link).args(["a"; 9]), b"")).0, 0);
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
        assert_eq!(told(feed(Command::new(&link).args([odd, odd]), b"")).0, 0);
    }
    // By a script that hands the four words on: the same, whatever the guest is called.
    for guest in ["check", "--root", "--help", "-x", "--", ""] {
        let (status, out, err) = cli(&["hook", guest, "reconnect", "begin", "-"], b"garbage");
        assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""), "{guest}");
    }
    // libvirt gives the whole path as the name; a shell in the directory gives less.
    let mut command = Command::new(directory.path().join("hooks/qemu"));
    command
        .arg0("./qemu")
        .args(["check", "started", "begin", "-"]);
    assert_eq!(told(feed(&mut command, b"")).0, 0);
    let (status, out, _) = cli(&["--version"], b"");
    assert_eq!(
        (status, out),
        (0, format!("virt-9p {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn usage_errors_are_2_and_say_what_was_there() {
    for (arguments, expected) in [
        (&[][..], "no command is given"),
        (&["chekc"], "there is no command `chekc`"),
        (
            &["check", "--frobnicate"],
            "there is no option `--frobnicate`",
        ),
        (&["check", "--format", "xml"], "--format is text or json"),
        (&["check", "--libvirt", "nine"], "`nine` is no version"),
        (
            &["check", "/nonexistent.xml"],
            "/nonexistent.xml: there is no such file",
        ),
        (&["rules", "a", "b"], "`b` is one word too many"),
        (&["doctor", "--strict"], "there is no option `--strict`"),
        (&["doctor", "--format", "xml"], "--format is text or json"),
        (&["explain", "no-such"], "there is no finding `no-such`"),
        (
            &["hook", "guest", "prepare"],
            "hook wants DOMAIN OPERATION SUBOPERATION EXTRA",
        ),
        (
            &["--root", "/nonexistent", "check"],
            "there is no such directory",
        ),
    ] {
        let (status, out, err) = cli(arguments, b"");
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    for input in [&b""[..], b"no xml", b"<network/>", b"\xff"] {
        assert_eq!(cli(&["check", "--no-host"], input).0, 2);
    }
}

#[test]
fn help_and_explanations_go_to_stdout() {
    let (status, out, err) = cli(&["--help"], b"");
    assert!(status == 0 && out.contains("usage:") && err.is_empty());
    assert_eq!(cli(&["help"], b"").1, out);
    assert_eq!(cli(&["help", "check"], b""), cli(&["check", "--help"], b""));
    assert_eq!(cli(&["help", "chekc"], b"").0, 2);
    let (_, list, _) = cli(&["explain"], b"");
    assert_eq!(
        list.lines().count(),
        virt_9p::lint::catalogue::Code::ALL.len()
    );
    for line in list.lines() {
        let word = line.split_whitespace().next().unwrap();
        let (status, text, _) = cli(&["explain", word], b"");
        assert!(status == 0 && text.starts_with(word), "{word}");
        assert!(
            // Sentences fit every terminal; what is to be copied is not broken.
            text.lines().all(|line| {
                let most = if line.starts_with("  ") { 110 } else { 80 };
                line.chars().count() <= most || line.starts_with(word)
            }),
            "{word}"
        );
    }
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.xml");
    fs::write(&file, domain(&arg("-fsdev"))).unwrap();
    let shown = |terminal: bool, option: &str, variables: &[(&str, &str)]| {
        let check = format!("'{PROGRAM}' check --no-host {option} '{}'", file.display());
        let mut command = if terminal {
            let mut script = Command::new("script");
            script.args(["-qec", &check, "/dev/null"]);
            script
        } else {
            let mut shell = Command::new("sh");
            shell.args(["-c", &check]);
            shell
        };
        for name in ["NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm").envs(variables.iter().copied());
        let (status, out, _) = told(feed(&mut command, b""));
        assert_eq!(status, 1, "{out}");
        assert!(out.contains("option-without-argument"), "{out}");
        out.contains('\u{1b}')
    };
    assert!(shown(true, "", &[]), "a terminal");
    assert!(!shown(false, "", &[]), "a pipe");
    assert!(!shown(true, "", &[("NO_COLOR", "1")]), "NO_COLOR");
    assert!(!shown(true, "", &[("TERM", "dumb")]), "TERM=dumb");
    assert!(
        shown(false, "", &[("CLICOLOR_FORCE", "1")]),
        "CLICOLOR_FORCE"
    );
    assert!(!shown(true, "--color never", &[]), "never");
    assert!(
        shown(false, "--color=always", &[("NO_COLOR", "1")]),
        "always"
    );
}

#[test]
fn what_is_about_the_whole_domain_points_at_its_tag() {
    let path = format!("/srv/{}", "x".repeat(33_000));
    let fsdev = format!("local,id=a,path={path},security_model=none");
    let device = "virtio-9p-pci,fsdev=a,mount_tag=t,bus=pcie.0,addr=0x1c";
    let share: String = ["-fsdev", &fsdev, "-device", device].map(arg).concat();
    let mut xml = b"<!--\n  made by libvirt\n-->\n".to_vec();
    xml.extend(domain(&share));
    let (status, out, _) = cli(&["check", "--no-host"], &xml);
    assert_eq!(status, 1);
    assert!(
        out.starts_with("-:4:1: error[too-many-shares]: 1 share with"),
        "{out}"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let script = format!("'{PROGRAM}' explain | head -n 1");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn ten_thousand_arguments_are_read() {
    let root = host();
    let filler: String = (0..10_000)
        .map(|n| arg("-name") + &arg(&format!("x{n}")))
        .collect();
    let share = [
        "-fsdev",
        "local,id=a,path=/srv/share,security_model=mapped,fmode=0644,dmode=0755",
        "-device",
        "virtio-9p-pci,fsdev=a,mount_tag=t,bus=pcie.0,addr=0x1c",
    ];
    let share: String = share.iter().map(|value| arg(value)).collect();
    let (status, out, err) = prepare(root.path(), &domain(&(filler + &share)));
    assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""));
    assert_eq!(profiles(root.path()), 1);
}

#[test]
fn ten_thousand_shares_are_refused() {
    let root = host();
    let shares: String = (0..10_000)
        .map(|n| {
            arg("-fsdev")
                + &arg(&format!(
                    "local,id=s{n},path=/srv/share,security_model=none"
                ))
                + &arg("-device")
                + &arg(&format!("virtio-9p-pci,fsdev=s{n},mount_tag=t{n}"))
        })
        .collect();
    let (status, out, _) = prepare(root.path(), &domain(&shares));
    assert_eq!((status, out.as_str(), profiles(root.path())), (1, "", 0));
}

/// What takes the square of its size would take hours here, in the start of a guest; and nobody
/// reads twenty thousand complaints.
#[test]
fn much_to_complain_about_is_cut_short() {
    let root = host();
    let keys: String = (0..15_000).map(|n| format!(",k{n}")).collect();
    let share = arg("-fsdev") + &arg("local,id=a,path=/srv/share,security_model=none");
    for (name, arguments) in [
        (
            "devices",
            (arg("-device") + &arg("virtio-9p-pci")).repeat(20_000),
        ),
        (
            "ports",
            (arg("-device") + &arg("pcie-root-port")).repeat(20_000),
        ),
        (
            "keys",
            arg("-device") + &arg(&format!("virtio-9p-pci,&amp;{keys}")),
        ),
        ("one word", arg("-device") + &arg(&"x,".repeat(4 << 20))),
    ] {
        let used = arg("-device") + &arg("virtio-9p-pci,fsdev=a,mount_tag=t,bus=pcie.0,addr=0x1c");
        let (_, out, err) = prepare(root.path(), &domain(&(share.clone() + &used + &arguments)));
        assert!(out.is_empty() && err.lines().count() < 3000, "{name}");
    }
}

/// What we could not look at ourselves is no refusal of QEMU's.
#[test]
fn too_few_descriptors_are_said_to_be_ours() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("guest.xml");
    let share = format!(
        "local,id=a,path={},security_model=none",
        scratch.path().display()
    );
    let device = arg("-device") + &arg("virtio-9p-pci,fsdev=a,mount_tag=t,bus=pcie.0,addr=0x1c");
    fs::write(&file, domain(&(arg("-fsdev") + &arg(&share) + &device))).unwrap();
    let mut said = String::new();
    for descriptors in 3..12 {
        let output = Command::new("sh")
            .args(["-c", "ulimit -n $1; shift; exec \"$@\"", "sh"])
            .arg(descriptors.to_string())
            .arg(PROGRAM)
            .arg("check")
            .arg(&file)
            .output()
            .unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    assert!(
        said.contains("cannot be looked at here (Too many open files)"),
        "{said}"
    );
    assert!(!said.contains("QEMU refuses to start"), "{said}");
}

/// virsh shows it and the log keeps it: both say what matters, and no more than a page, whatever a
/// domain is called. The command to start it all the same takes the UUID then.
#[test]
fn a_name_of_megabytes_is_cut_short() {
    const UUID: &str = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
    let root = host();
    fs::create_dir_all(root.path().join("dev")).unwrap();
    let log = UnixDatagram::bind(root.path().join("dev/log")).unwrap();
    log.set_nonblocking(true).unwrap();
    let wrong = arg("-fsdev") + &arg("local,id=a,path=/srv/share,security_model=mapped,fmode=644");
    let used = arg("-device") + &arg("virtio-9p-pci,fsdev=a,mount_tag=t,bus=pcie.0,addr=0x1c");
    let many = (arg("-device") + &arg("virtio-9p-pci,addr=77")).repeat(30);
    let xml = String::from_utf8(domain(&format!("{wrong}{used}{many}"))).unwrap();
    let plain = prepare(root.path(), xml.as_bytes()).2;
    assert!(plain.contains("virsh metadata 'guest' urn") && plain.contains("dumpxml 'guest' |"));
    let long = "\u{fc}".repeat(1 << 20);
    let named = xml.replace("<name>guest<", &format!("<name>{long}<"));
    let attribute = xml.replace(
        "<devices/>",
        &format!("<devices><rng {long}='1' {long}='1'/></devices>"),
    );
    let element = xml.replace(
        "<devices/>",
        &format!("<devices><{long} a='1' a='1'/></devices>"),
    );
    let end = xml.replace("<devices/>", &format!("<devices></{long}>"));
    while log.recv(&mut [0; 10_000]).is_ok() {}
    for (what, xml) in [
        ("name", named),
        ("attribute", attribute),
        ("element", element),
        ("end", end),
    ] {
        let (status, out, err) = prepare(root.path(), xml.as_bytes());
        assert_eq!((status, out.as_str()), (1, ""), "{what}");
        assert!(err.len() < 32 << 10, "{what}: {} bytes", err.len());
        let mut lines = Vec::new();
        let mut line = vec![0; 1 << 20];
        while let Ok(length) = log.recv(&mut line) {
            lines.push(String::from_utf8_lossy(&line[..length]).into_owned());
        }
        assert!(lines.iter().all(|line| line.len() < 8 << 10), "{what}");
        let last = lines.last().unwrap();
        if what == "name" {
            let way_out = format!("virsh metadata {UUID} urn:virt-9p:policy:1");
            assert!(
                err.contains(&way_out) && err.contains(&format!("dumpxml {UUID} |")),
                "{err}"
            );
            assert!(last.ends_with(": not started"), "{last}");
        } else {
            assert!(last.contains("but its XML cannot be read"), "{last}");
        }
    }
}

#[test]
fn huge_xml_is_refused_only_when_it_is_ours() {
    let root = host();
    let comment = format!("<!--{}-->", "x".repeat(11 << 20));
    let ours = domain(&(comment.clone() + &arg("-fsdev") + &arg("local,id=a,path=/srv/share")));
    let (status, out, err) = prepare(root.path(), &ours);
    assert!(
        status == 1 && out.is_empty() && err.contains("more than 10 MiB"),
        "{err}"
    );
    let others = domain(&(comment.clone() + &arg("-name") + &arg("x")));
    assert_eq!(
        prepare(root.path(), &others),
        (0, String::new(), String::new())
    );
    let plain = format!("<domain><name>x</name>{comment}</domain>");
    assert_eq!(
        prepare(root.path(), plain.as_bytes()),
        (0, String::new(), String::new())
    );
    assert_eq!(profiles(root.path()), 0);
}

#[test]
fn depth_is_no_danger() {
    let root = host();
    let deep = "<a>".repeat(200_000) + &arg("-fsdev") + &"</a>".repeat(200_000);
    let (status, out, _) = prepare(root.path(), &domain(&deep));
    // Whatever the verdict, it is one, and nothing is written.
    assert!((status == 0 || status == 1) && out.is_empty());
    assert_eq!(profiles(root.path()), 0);
}

#[test]
fn ten_megabytes_of_devices_are_read() {
    let device = "<interface type='network'><source network='default'/><model type='virtio'/>\
                  <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></interface>";
    let devices = device.repeat((9 << 20) / device.len());
    let xml = String::from_utf8(domain(
        &(arg("-fsdev") + &arg("local,id=a,path=/srv/share,security_model=none")),
    ))
    .unwrap();
    let xml = xml.replace("<devices/>", &format!("<devices>{devices}</devices>"));
    let root = host();
    assert_eq!(prepare(root.path(), xml.as_bytes()).0, 0);
}

#[test]
#[ignore = "needs root, to be somebody else"]
fn what_the_caller_may_not_see_is_no_error_of_qemus() {
    let root = host();
    let closed = root.path().join("srv/closed/share");
    fs::create_dir_all(&closed).unwrap();
    for (path, mode) in [("srv/closed", 0o700), ("", 0o755)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(root.path().join(path), mode).unwrap();
    }
    let device = "virtio-9p-pci,fsdev=a,mount_tag=t,bus=pcie.0,addr=0x1c";
    let fsdev = "local,id=a,path=/srv/closed/share,security_model=none";
    let input = domain(&(arg("-fsdev") + &arg(fsdev) + &arg("-device") + &arg(device)));
    let copy = root.path().join("virt-9p");
    fs::copy(PROGRAM, &copy).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command
        .arg(&copy)
        .arg("--root")
        .arg(root.path())
        .arg("check");
    let (status, out, _) = told(feed(&mut command, &input));
    assert!(
        status == 0 && out.contains("warning[path-unreachable]") && out.contains("as root"),
        "{out}"
    );
}

#[test]
#[ignore = "needs root, to be somebody else"]
fn a_session_daemon_runs_the_hook_as_a_user() {
    // As nobody, without --root: nothing may be written, and what QEMU would refuse still is.
    let good = domain(&(arg("-fsdev") + &arg("local,id=a,path=/srv,security_model=none")));
    let bad = domain(&(arg("-fsdev") + &arg("local,id=a,path=/srv,security_model=bogus")));
    // The user's own directory, which the user of the system daemon could not enter: QEMU runs as
    // nobody here, too. Nor does anything confine it, so that it may read /usr/share.
    let own = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(own.path(), Some(65534), Some(65534)).unwrap();
    let used = |path: &str| {
        let device = "virtio-9p-pci,fsdev=a,mount_tag=t,bus=pcie.0,addr=0x1c";
        let fsdev = format!("local,id=a,path={path},security_model=mapped,fmode=0644,dmode=0755");
        domain(&(arg("-fsdev") + &arg(&fsdev) + &arg("-device") + &arg(device)))
    };
    let private = used(own.path().to_str().unwrap());
    let system = used("/usr/share");
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("virt-9p");
    fs::copy(PROGRAM, &copy).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(directory.path(), mode).unwrap();
    for (input, expected) in [(good, 0), (bad, 1), (private, 0), (system, 0)] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
            .arg(&copy)
            .args(["hook", "guest", "prepare", "begin", "-"]);
        let (status, out, err) = told(feed(&mut command, &input));
        assert_eq!((status, out.as_str()), (expected, ""), "{err}");
    }
}

/// `--in-place` gives the new file the owner of the old one, or leaves everything as it is.
#[test]
#[ignore = "needs root: gives a file away"]
fn the_owner_of_a_converted_file_stays() {
    let root = host();
    std::os::unix::fs::chown(root.path(), Some(12345), Some(12345)).unwrap();
    let file = root.path().join("web.xml");
    let xml = "<domain><os><type machine='pc'/></os><devices><filesystem><source dir='/s'/>\
               <target dir='s'/></filesystem></devices></domain>";
    fs::write(&file, xml).unwrap();
    // Where the other user can execute it: the repository may be in a home that is closed to them.
    let program = root.path().join("virt-9p");
    fs::copy(PROGRAM, &program).unwrap();
    let convert = |user: u32| {
        let mut command = Command::new(&program);
        command.args(["convert", "--no-host", "--to", "commandline", "--in-place"]);
        told(feed(command.arg(&file).uid(user).gid(user), b""))
    };
    let names = || {
        let entries = fs::read_dir(root.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.contains("xml")).collect();
        names.sort();
        names
    };

    // Another's file, in a directory of one's own: it could be replaced, but not given back.
    std::os::unix::fs::chown(&file, Some(23456), Some(23456)).unwrap();
    let (status, out, err) = convert(12345);
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), xml, "{err}");
    assert_eq!(names(), ["web.xml"], "{err}");

    // In a directory that somebody else can write, root takes nobody's owner over.
    let (status, _, err) = convert(0);
    assert_eq!(status, 1, "{err}");
    assert_eq!(names(), ["web.xml"], "{err}");

    std::os::unix::fs::chown(root.path(), Some(0), Some(0)).unwrap();
    let (status, _, err) = convert(0);
    assert_eq!(status, 0, "{err}");
    let now = fs::metadata(&file).unwrap();
    assert_eq!((now.uid(), now.gid()), (23456, 23456));
    assert_eq!(names(), ["web.xml", "web.xml~"]);
    assert_eq!(
        fs::read_to_string(root.path().join("web.xml~")).unwrap(),
        xml
    );
}

#[test]
fn what_is_only_about_this_host_is_said_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap();
    let share = "local,id=s,path=/srv/no,security_model=mapped,fmode=0644,dmode=0755";
    let device = "virtio-9p-pci,fsdev=s,mount_tag=s,bus=pcie.0,addr=0x10";
    let told = |share: &str| {
        let words = ["-fsdev", share, "-device", device].map(arg).concat();
        let (status, out, _) = cli(&["--root", root, "check"], &domain(&words));
        (status, out.contains("--no-host"))
    };
    assert_eq!(told(share), (0, true));
    assert_eq!(told(&share.replace("0644", "644")), (1, false));
}
