//! A libvirt of the test's own: a session daemon whose home, runtime and configuration directories
//! are a temporary one. Nothing of the system's libvirt is read or written.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A daemon that is not there by then does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// As root the daemon would be the system's, so it runs as this user (nobody).
const USER: u32 = 65534;

pub struct Libvirtd {
    home: TempDir,
    daemon: Child,
}

impl Libvirtd {
    /// Starts it, and waits until it listens.
    pub fn start() -> Self {
        // Not in cargo's directory: another user must get there, and a socket's path is short.
        let home = tempfile::Builder::new().prefix("v9p-").tempdir().unwrap();
        for directory in ["", "run", "home"] {
            let directory = home.path().join(directory);
            let _ = fs::create_dir(&directory);
            if is_root() {
                std::os::unix::fs::chown(&directory, Some(USER), Some(USER)).unwrap();
            }
        }
        // Guests write their own logs: no virtlogd is started, which would stay for a while.
        let settings = home.path().join("home/config/libvirt");
        fs::create_dir_all(&settings).unwrap();
        fs::write(settings.join("qemu.conf"), "stdio_handler = \"file\"\n").unwrap();
        if is_root() {
            for directory in settings.ancestors().take(2) {
                std::os::unix::fs::chown(directory, Some(USER), Some(USER)).unwrap();
            }
        }
        let log = File::create(home.path().join("log")).unwrap();
        let daemon = command("/usr/sbin/libvirtd", home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("these tests need libvirtd");
        let mut libvirtd = Libvirtd { home, daemon };
        let start = Instant::now();
        while !libvirtd.socket().exists() {
            let ended = libvirtd.daemon.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "libvirtd does not come up ({ended:?}): {}",
                fs::read_to_string(libvirtd.home.path().join("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        libvirtd
    }

    /// Runs a shell script as the daemon's user, in its directory; `$VIRSH` is connected to it, and
    /// `virt-9p` is the program.
    pub fn shell(&self, script: &str) -> Output {
        let program = self.home.path().join("virt-9p");
        fs::copy(env!("CARGO_BIN_EXE_virt-9p"), &program).unwrap();
        let virsh = format!("virsh -q -c {}", self.uri());
        let script = format!("cd ~ && PATH=$PATH:.. VIRSH='{virsh}' && set -e\n{script}");
        command("/bin/sh", self.home.path())
            .args(["-c", &script])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn uri(&self) -> String {
        format!("qemu:///session?socket={}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("run/libvirt/libvirt-sock")
    }

    /// What libvirt makes of a domain: it is defined, written out and forgotten again.
    pub fn formatted(&self, name: &str, xml: &str) -> Result<String, String> {
        let file = self.home.path().join(format!("{name}.xml"));
        fs::write(&file, xml).unwrap();
        let commands = format!(
            "define {}; dumpxml --inactive {name}; undefine {name}",
            file.display()
        );
        let output = self.virsh(&commands);
        let _ = fs::remove_file(file);
        let text = String::from_utf8(output.stdout).unwrap();
        let start = text.find("<domain").filter(|_| output.status.success());
        let end = text.rfind("</domain>");
        match (start, end) {
            (Some(start), Some(end)) => Ok(format!("{}</domain>\n", &text[start..end])),
            _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Whether libvirt defines a domain and starts it; it is stopped and forgotten again.
    #[allow(dead_code)] // each test uses its part
    pub fn starts(&self, name: &str, xml: &str) -> Result<(), String> {
        let file = self.home.path().join(format!("{name}.xml"));
        fs::write(&file, xml).unwrap();
        let start = self.virsh(&format!("define {}; start --paused {name}", file.display()));
        let _ = fs::remove_file(file);
        self.virsh(&format!("destroy {name}; undefine {name}"));
        match start.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&start.stderr).into_owned()),
        }
    }

    /// The words that libvirt would start QEMU with.
    #[allow(dead_code)] // each test uses its part
    pub fn argv(&self, name: &str, xml: &str) -> Result<String, String> {
        let file = self.home.path().join(format!("{name}.xml"));
        fs::write(&file, xml).unwrap();
        let output = self.virsh(&format!("domxml-to-native qemu-argv {}", file.display()));
        let _ = fs::remove_file(file);
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn virsh(&self, commands: &str) -> Output {
        command("/usr/bin/virsh", self.home.path())
            .args(["--connect", &self.uri(), commands])
            .stdin(Stdio::null())
            .output()
            .expect("these tests need virsh")
    }
}

impl Drop for Libvirtd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program with its home in the scratch directory, as somebody who is not root.
fn command(program: &str, home: &Path) -> Command {
    let mut command = if is_root() {
        let user = USER.to_string();
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            &user,
            "--regid",
            &user,
            "--clear-groups",
            program,
        ]);
        command
    } else {
        Command::new(program)
    };
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", home.join("home"))
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .current_dir("/");
    for (variable, directory) in [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
    ] {
        command.env(variable, home.join("home").join(directory));
    }
    command
}
