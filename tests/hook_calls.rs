//! What `doctor` says of a script in libvirt's place for hooks, beside what the script does when
//! the kernel and a real shell run it: a PASS works, a FAIL does not, and what is neither is a WARN.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const XML: &str = "<domain>\n  <name>guest</name>\n</domain>";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Pass,
    Warn,
    Fail,
}
use Verdict::{Fail, Pass, Warn};

/// Whole scripts. `CALL` is `/usr/sbin/virt-9p hook "$@"`.
const SCRIPTS: &[(Verdict, &str)] = &[
    (Pass, include_str!("../hooks/qemu")),
    (Pass, include_str!("hooks/first")),
    (Pass, include_str!("hooks/second")),
    // Beginnings, as the kernel takes them.
    (Pass, "#!/bin/sh\nCALL"),
    (Pass, "#! \t/bin/sh -e\nCALL\nexit 0\n"),
    (Pass, "#!/usr/bin/env bash\nCALL"),
    (Pass, "#!/usr/bin/env -S bash -e\nCALL"),
    (Fail, "#!/usr/bin/env bash -e\nCALL"),
    (Fail, "CALL"),
    (Fail, "\n#!/bin/sh\nCALL"),
    (Fail, " #!/bin/sh\nCALL"),
    (Fail, "\u{feff}#!/bin/sh\nCALL"),
    (Fail, "#!\nCALL"),
    (Fail, "#!/bin/sh\r\nCALL\r\n"),
    (Fail, "#!/bin/sh -e\r\nCALL\r\n"),
    (Warn, "#!/bin/sh\nCALL\r\n"),
    (Fail, "#!/bin/no-such-shell\nCALL"),
    (Fail, "#!/etc/no-program\nCALL"),
    (Fail, "#!/etc\nCALL"),
    (Warn, "#!/etc/interpreter\nCALL"),
    (Fail, "#!/etc/broken-interpreter\nCALL"),
    (
        Warn,
        "#!/usr/bin/perl\nexec '/usr/sbin/virt-9p', 'hook', @ARGV;\n",
    ),
    // Calls.
    (Pass, "#!/bin/sh\nexec CALL"),
    (
        Pass,
        "#!/bin/bash\nexec -a \"$0\" /usr/sbin/virt-9p hook \"$@\"\n",
    ),
    (
        Pass,
        "#!/bin/sh\n/usr/sbin/virt-9p hook \"$1\" \"$2\" \"$3\" \"$4\"\n",
    ),
    (
        Pass,
        "#!/bin/sh\nv=/usr/sbin/virt-9p\n[ -x \"$v\" ] || exit 0\n\"$v\" hook \"$@\"\n",
    ),
    (Pass, "#!/bin/sh\nCALL || exit 1\nexit 0\n"),
    (Pass, "#!/bin/sh\nCALL || exit $?\nlogger \"$@\"\n"),
    (
        Pass,
        "#!/bin/sh\nif ! CALL; then exit 1; fi\nlogger started 2>/dev/null\nexit 0\n",
    ),
    (Pass, "#!/bin/sh\nset -e\nCALL\nexit 0\n"),
    (
        Pass,
        "#!/bin/sh\ncase $2 in prepare | release) CALL; [ $? -ne 1 ] || exit 1 ;; esac\n",
    ),
    (
        Pass,
        "#!/bin/sh\ncase \"$2/$3\" in\n  prepare/begin)\n    CALL || exit 1\n    ;;\n  *) exit 0 ;;\nesac\n",
    ),
    (
        Pass,
        "#!/bin/sh\nop=$2\nif [ \"$op\" = started ]; then exit 0; elif [ \"$op\" = prepare ]; then CALL; fi\n",
    ),
    (
        Pass,
        "#!/bin/bash\nif [[ $2 == prepare && $3 == begin ]]; then\n  CALL\nfi\n",
    ),
    (
        Pass,
        "#!/bin/sh\nxml=$(cat)\nprintf '%s\\n' \"$xml\" | CALL",
    ),
    (
        Pass,
        "#!/bin/bash\nxml=\"$(</dev/stdin)\"\nCALL <<<\"$xml\"\n",
    ),
    (Pass, "#!/bin/sh\ntee /dev/null | CALL"),
    (
        Pass,
        "#!/bin/sh\nxml=$(cat)\nname=$(echo \"$xml\" | grep name)\nprintf '%s' \"$xml\" | CALL",
    ),
    (Pass, "#!/bin/sh\n[ \"$1\" = other ] && logger other\nCALL"),
    (
        Pass,
        "#!/bin/sh\nif [ -n \"$DEBUG\" ]; then set -x; fi\nCALL",
    ),
    (
        Pass,
        "#!/bin/sh\nfor i in a b; do echo $i >/dev/null; done\nCALL",
    ),
    (
        Pass,
        "#!/bin/sh\nmkdir -p /tmp && touch /dev/null\n# exit 0\n( CALL )\n",
    ),
    (Pass, "#!/bin/sh\nlog() { logger \"$@\"; }\nCALL\n"),
    // What never works.
    (Fail, "#!/bin/sh\nexec /usr/sbin/virt-9p \"$@\"\n"),
    (
        Fail,
        "#!/bin/sh\nexec /usr/sbin/no-virt-9p/virt-9p hook \"$@\"\n",
    ),
    (Fail, "#!/bin/sh\nexit 0\nCALL"),
    (Fail, "#!/bin/sh\nlogger x; exit 0; CALL"),
    (Fail, "#!/bin/sh\nif [ \"$2\" = start ]; then CALL; fi\n"),
    (
        Fail,
        "#!/bin/sh\ncase \"$2\" in started|stopped) CALL ;; esac\n",
    ),
    (Fail, "#!/bin/bash\n[[ $2 == release ]] && CALL\n"),
    (Fail, "#!/bin/sh\n[ \"$2\" = prepare ] && exit 0\nCALL"),
    (Fail, "#!/bin/sh\n[ \"$2\" != prepare ] || exit 0\nCALL"),
    (Fail, "#!/bin/sh\ncase $2 in prepare) ;; *) CALL ;; esac\n"),
    (Fail, "#!/bin/sh\ncat >/dev/null\nCALL"),
    (Fail, "#!/bin/sh\nxml=$(cat -)\nCALL"),
    (Fail, "#!/bin/bash\nxml=$(</dev/stdin)\nCALL"),
    (Fail, "#!/bin/sh\ncat | grep name >/dev/null\nCALL"),
    (Fail, "#!/bin/sh\nexec /bin/true\nCALL"),
    (Fail, "#!/bin/sh\nCALL\nexit 1\n"),
    (Fail, "#!/bin/sh\nset -e\nfalse\nCALL"),
    (Warn, "#!/bin/sh\nCALL\nexit 0\n"),
    (Warn, "#!/bin/sh\nCALL || true\n"),
    // What is not followed.
    (Warn, "#!/bin/sh\ngrep -q name\nCALL"),
    (Warn, "#!/bin/sh\nwhile read -r line; do :; done\nCALL"),
    (Warn, "#!/bin/sh\n. /dev/null\nCALL"),
    (Warn, "#!/bin/sh\neval 'exit 0'\nCALL"),
    (Warn, "#!/bin/sh\nshift\nCALL"),
    (Warn, "#!/bin/sh\nset -- a b\nCALL"),
    (Warn, "#!/bin/sh\nmain() { exit 0; }\nmain\nCALL"),
    (Warn, "#!/bin/sh\n[ -e /etc/no-such-file ] || exit 0\nCALL"),
    (Warn, "#!/bin/sh\n[ \"$1\" = other ] || exit 0\nCALL"),
    (Warn, "#!/bin/sh\nif grep -q x /dev/null; then CALL; fi\n"),
    (Warn, "#!/bin/sh\ncat <<EOF\nexit 0\nEOF\nCALL"),
    (Warn, "#!/bin/sh\nCALL </dev/null\n"),
    (Warn, "#!/bin/sh\ntrue | CALL\n"),
    (Warn, "#!/bin/sh\nCALL | cat\n"),
    (Warn, "#!/bin/sh\nout=$(CALL)\n"),
    (Warn, "#!/bin/sh\nnice CALL\n"),
    (Warn, "#!/bin/sh\n/usr/sbin/virt-9p hook \"$1\"\n"),
    (Warn, "#!/bin/sh\nif true; then CALL\n"),
    (Warn, "#!/bin/sh\ncase $2 in prep[a]re) CALL ;; esac\n"),
    (Warn, "#!/bin/sh\ncat &\nCALL"),
    (Warn, "#!/bin/sh\nx=$(( 1 + 1 ))\nCALL"),
];

struct Host {
    root: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Host {
            root: tempfile::tempdir().unwrap(),
        };
        for program in ["/bin/sh", "/bin/bash", "/usr/bin/env", "/usr/bin/perl"] {
            host.install(program, &fs::canonicalize(program).unwrap());
        }
        host.install(
            "/usr/sbin/virt-9p",
            Path::new(env!("CARGO_BIN_EXE_virt-9p")),
        );
        host.write("/etc/no-program", "", 0o644);
        host.write("/etc/interpreter", "#!/bin/sh\n. \"$1\"\n", 0o755);
        host.write("/etc/broken-interpreter", "#!/bin/no\n", 0o755);
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample/domain.xml");
        host.install("/etc/libvirt/qemu/guest.xml", &sample);
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(&path[1..])
    }

    fn install(&self, path: &str, from: &Path) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::copy(from, self.at(path)).unwrap();
    }

    fn write(&self, path: &str, text: &str, mode: u32) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
        fs::set_permissions(self.at(path), PermissionsExt::from_mode(mode)).unwrap();
    }

    /// What doctor says of the script in hooks/qemu.
    fn doctor(&self, script: &str) -> (Verdict, String) {
        self.write("/etc/libvirt/hooks/qemu", script, 0o755);
        let output = Command::new(env!("CARGO_BIN_EXE_virt-9p"))
            .arg("--root")
            .arg(self.root.path())
            .args(["doctor", "--format", "json"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let of = |word: &str| {
            said.lines()
                .any(|line| line.contains(r#""subject":"hook""#) && line.contains(word))
        };
        let verdict = if of(r#""verdict":"FAIL""#) {
            Fail
        } else if of(r#""verdict":"WARN""#) {
            Warn
        } else {
            assert!(of(r#""verdict":"PASS""#), "{said}");
            Pass
        };
        let mut lines = said.lines();
        let hook =
            lines.rfind(|line| line.contains(r#""subject":"hook""#) && !line.contains("PASS"));
        (verdict, hook.unwrap_or("").to_owned())
    }

    /// Whether the script does what it is for: hands libvirt's words and XML on, and gives the
    /// verdict back. The program and the shells' own paths are the test's.
    fn works(&self, script: &str) -> bool {
        let mut script = script.replace("/etc/", &format!("{}/etc/", self.root.path().display()));
        script = script.replace(
            "/usr/sbin/",
            &format!("{}/stand-in/", self.root.path().display()),
        );
        self.write("/hooks/qemu", &script, 0o755);
        self.write(
            "/stand-in/virt-9p",
            "#!/bin/sh\n[ \"$1\" = hook ] && shift || case $0 in *hooks/qemu) ;; *) exit 2 ;; esac\n\
             cd \"${0%/*}/..\"; echo \"$@\" >words; cat >xml; exit \"$(cat status)\"\n",
            0o755,
        );
        let nested = self.at("/etc/interpreter");
        assert_eq!(fs::metadata(nested).unwrap().mode() & 0o111, 0o111);
        ["0", "1"].into_iter().all(|status| {
            let _ = fs::remove_file(self.at("/words"));
            let _ = fs::remove_file(self.at("/xml"));
            fs::write(self.at("/status"), status).unwrap();
            let Ok(mut child) = Command::new(self.at("/hooks/qemu"))
                .args(["guest", "prepare", "begin", "-"])
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
            else {
                return false;
            };
            let _ = child.stdin.take().unwrap().write_all(XML.as_bytes());
            let ended = child.wait().unwrap().code();
            let read = |file: &str| fs::read_to_string(self.at(file)).unwrap_or_default();
            read("/words") == "guest prepare begin -\n"
                && read("/xml").trim_end() == XML
                && (ended == Some(0)) == (status == "0")
        })
    }
}

#[test]
fn a_pass_works_and_a_fail_does_not() {
    let host = Host::new();
    let mut wrong = Vec::new();
    for (expected, script) in SCRIPTS {
        let script = script.replace("CALL", "/usr/sbin/virt-9p hook \"$@\"");
        let (verdict, said) = host.doctor(&script);
        let works = host.works(&script);
        if verdict != *expected || (verdict == Pass && !works) || (verdict == Fail && works) {
            wrong.push(format!("{script:?}: {verdict:?}, works: {works}\n{said}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_script_is_too_much() {
    let host = Host::new();
    for script in [
        "(".repeat(60_000),
        "! ".repeat(30_000),
        "f() ".repeat(15_000),
        "f() { ".repeat(10_000),
        "$(".repeat(30_000),
        "$(a ".repeat(15_000),
        "a && ".repeat(12_000) + "a",
        "a | ".repeat(15_000) + "a",
        "if a; then ".repeat(5_000),
        "if a; then b; el".repeat(3_500),
        "a=$a$a\n".repeat(9_000),
        "case a in ".repeat(6_000),
        "for i in ".repeat(7_000),
        "if a; then b=1; fi\n".repeat(3_000),
        "a\n".repeat(1_000_000),
        "'".to_owned(),
        "\"${".to_owned(),
        "case $2 in **********************************p) ;; esac\n".repeat(1_000),
    ] {
        let begun = std::time::Instant::now();
        host.doctor(&format!(
            "#!/bin/sh\na=xx\n{script}\n/usr/sbin/virt-9p hook \"$@\"\n"
        ));
        let took = begun.elapsed().as_secs();
        assert!(took < 10, "{took} s: {:?}", script.get(..30));
    }
}
