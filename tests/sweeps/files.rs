//! `convert` replaces a file: whose it is, who may read it, and all that is said about it beside
//! its content stays, or nothing does. On file systems of the tests' own, as root.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rustix::fs::{XattrFlags, getxattr, lgetxattr, removexattr, setxattr};

use crate::rawshare::{Host, Share, domain_xml, program, run, said};
use crate::situation;

/// Has a share to convert.
const DOMAIN: &str = include_str!("../scenarios/convert-files/domain.xml");

/// Somebody else.
const USER: u32 = 65534;

const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// A mounted file system, away with the value.
struct Mounted {
    scratch: tempfile::TempDir,
}

impl Mounted {
    /// An ext4 of a few megabytes: it has all kinds of attributes.
    fn ext4() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let image = scratch.path().join("image");
        File::create(&image).unwrap().set_len(8 << 20).unwrap();
        call(Command::new("mkfs.ext4").arg("-q").arg(&image));
        let here = Mounted { scratch };
        fs::create_dir(here.path("")).unwrap();
        let mut mount = Command::new("mount");
        call(mount.args(["-o", "loop"]).arg(&image).arg(here.path("")));
        here
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("mounted").join(name)
    }

    /// A domain, root's and 0640.
    fn domain(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, DOMAIN).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        path
    }

    fn directory(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path("")).status();
    }
}

fn call(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}");
}

/// `before` is what runs the program, if anything.
fn convert(before: &[&str], output: Option<&Path>, file: &Path) -> Output {
    let mut words: Vec<std::ffi::OsString> = before.iter().map(Into::into).collect();
    words.push(program().into());
    let arguments = "convert --to commandline --no-host --device text --target share";
    words.extend(arguments.split(' ').map(Into::into));
    match output {
        Some(output) => words.extend(["--output".into(), output.into()]),
        None => words.push("--in-place".into()),
    }
    words.push(file.into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    run(command, "")
}

fn in_place(file: &Path) -> Output {
    convert(&[], None, file)
}

/// What can be seen of a file: content, owner, group, mode, attributes.
type Seen = (String, u32, u32, u32, Vec<(String, Vec<u8>)>);

fn look(path: &Path) -> Seen {
    let meta = fs::symlink_metadata(path).unwrap();
    let attributes = [ACL, "user.virt9p.test", "trusted.virt9p.test"];
    let attributes = attributes.into_iter().filter_map(|name| {
        let mut value = vec![0; 1024];
        let length = lgetxattr(path, name, value.as_mut_slice()).ok()?;
        value.truncate(length);
        Some((name.to_owned(), value))
    });
    (
        fs::read_to_string(path).unwrap(),
        meta.uid(),
        meta.gid(),
        meta.mode() & 0o7777,
        attributes.collect(),
    )
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// It is refused for `why`, and nothing in its directory is another.
fn assert_refused(why: &str, file: &Path, call: impl FnOnce() -> Output) {
    let directory = file.parent().unwrap();
    let before = (look(file), names(directory));
    let output = call();
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(why), "{told}");
    assert!((look(file), names(directory)) == before, "changed: {told}");
}

/// It is converted, and but for its content as it was; so is its backup.
fn assert_kept(file: &Path, call: impl FnOnce() -> Output) {
    let before = look(file);
    let inode = fs::metadata(file).unwrap().ino();
    let output = call();
    assert!(output.status.success(), "{}", said(&output));
    let after = look(file);
    assert!(after.0.contains("-fsdev"), "{}", said(&output));
    assert_eq!(
        (after.1, after.2, after.3, &after.4),
        (before.1, before.2, before.3, &before.4)
    );
    let backup = PathBuf::from(format!("{}~", file.display()));
    assert!(look(&backup) == before);
    assert_eq!(fs::metadata(&backup).unwrap().ino(), inode, "its backup");
    fs::remove_file(backup).unwrap();
}

/// The kernel's form of an access control list: version 2, then tag, permissions and number.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut out = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, number) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(permissions.to_le_bytes());
        out.extend(number.to_le_bytes());
    }
    out
}

const NOBODY: u32 = u32::MAX;

/// The owner and USER may; the group may not, though the mode shows its bits: they are the mask.
fn list(group: u16) -> Vec<u8> {
    acl(&[
        (0x01, 6, NOBODY),
        (0x02, 6, USER),
        (0x04, group, NOBODY),
        (0x10, 6, NOBODY),
        (0x20, 0, NOBODY),
    ])
}

#[test]
#[ignore = "needs root, to mount"]
fn attributes_stay() {
    let here = Mounted::ext4();
    let file = here.domain("web.xml");
    chown(&file, Some(USER), Some(12345)).unwrap();
    assert_kept(&file, || in_place(&file));

    let file = here.domain("list.xml");
    setxattr(&file, ACL, &list(0), XattrFlags::empty()).unwrap();
    for name in ["user.virt9p.test", "trusted.virt9p.test"] {
        setxattr(&file, name, b"value", XattrFlags::empty()).unwrap();
    }
    assert_eq!(look(&file).3, 0o660);
    assert_eq!(look(&file).4.len(), 3);
    assert_kept(&file, || in_place(&file));
    // Where names cannot be exchanged, as on NFS.
    let file = here.domain("linked.xml");
    setxattr(&file, ACL, &list(0), XattrFlags::empty()).unwrap();
    let inject = "inject=renameat2:error=EINVAL";
    let strace = [
        "strace",
        "-o",
        "/dev/null",
        "-e",
        "trace=renameat2",
        "-e",
        inject,
    ];
    assert_kept(&file, || convert(&strace, None, &file));

    let file = here.domain("flags.xml");
    call(Command::new("chattr").arg("+dA").arg(&file));
    assert_kept(&file, || in_place(&file));
    let flags = Command::new("lsattr").arg(&file).output().unwrap();
    let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
    assert!(flags.split(' ').next().unwrap().contains('A'), "{flags}");

    // Another file that is written over keeps them, too.
    let old = here.domain("old.xml");
    setxattr(&old, ACL, &list(0), XattrFlags::empty()).unwrap();
    let before = look(&old);
    let output = convert(&[], Some(&old), &here.domain("from.xml"));
    assert!(output.status.success(), "{}", said(&output));
    let after = look(&old);
    assert_eq!((after.3, &after.4), (before.3, &before.4));
}

/// A directory can give each new file a list that lets more people in.
#[test]
#[ignore = "needs root, to mount"]
fn a_directorys_list_lets_nobody_in() {
    let here = Mounted::ext4();
    let directory = here.directory("shared", 0o755);
    setxattr(&directory, DEFAULT_ACL, &list(6), XattrFlags::empty()).unwrap();
    let file = here.domain("shared/web.xml");
    // Made by hand, so without a list of its own.
    removexattr(&file, ACL).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    assert!(look(&file).4.is_empty());
    assert_kept(&file, || in_place(&file));

    let new = here.path("shared/new.xml");
    let output = convert(&[], Some(&new), &file);
    assert_eq!(
        output.status.code(),
        Some(1),
        "it has no such share any more"
    );
    let output = convert(&[], Some(&new), &here.domain("from.xml"));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(look(&new).3, 0o600, "its mask lets nobody through");
}

/// The profile of a guest, when its block changes and when it goes.
#[test]
fn a_profile_keeps_its_list() {
    let host = crate::situation::host();
    let share = |path: &str| crate::rawshare::Share {
        path: path.to_owned(),
        readonly: false,
    };
    host.prepare(&domain_xml("", &[share("/srv/share")]));
    let file = host.profile_path();
    setxattr(&file, ACL, &list_to_read(), XattrFlags::empty()).unwrap();
    let before = look(&file);
    assert_eq!((before.3, before.4.len()), (0o640, 1));
    for shares in [&[share("/srv/other")][..], &[]] {
        host.prepare(&domain_xml("", shares));
        let after = look(&file);
        assert!(after.0 != before.0);
        assert_eq!((after.3, &after.4), (before.3, &before.4));
    }
}

/// Others may not write it, or it would not be fit; the group may not even read it.
fn list_to_read() -> Vec<u8> {
    acl(&[
        (0x01, 6, NOBODY),
        (0x02, 4, USER),
        (0x04, 0, NOBODY),
        (0x10, 4, NOBODY),
        (0x20, 0, NOBODY),
    ])
}

#[test]
#[ignore = "needs root, to mount"]
fn what_cannot_be_done_whole_is_not_done() {
    let here = Mounted::ext4();
    let file = here.domain("web.xml");
    let other = here.path("other-name.xml");
    fs::hard_link(&file, &other).unwrap();
    assert_refused("2 hard links", &file, || in_place(&file));
    let from = here.domain("from.xml");
    assert_refused("2 hard links", &file, || convert(&[], Some(&file), &from));
    fs::remove_file(other).unwrap();

    for flag in ["i", "a"] {
        call(Command::new("chattr").arg(format!("+{flag}")).arg(&file));
        assert_refused("cannot be kept", &file, || in_place(&file));
        call(Command::new("chattr").arg(format!("-{flag}")).arg(&file));
    }

    // An attribute that the file system has no room for, or the caller no right to.
    setxattr(&file, "user.virt9p.test", b"value", XattrFlags::empty()).unwrap();
    let inject = "inject=fsetxattr:error=ENOSPC";
    let strace = [
        "strace",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsetxattr",
        "-e",
        inject,
    ];
    assert_refused("attribute user.virt9p.test cannot be kept", &file, || {
        convert(&strace, None, &file)
    });

    // No name is left for a backup: what was exchanged goes back.
    let long = here.domain(&"n".repeat(255));
    assert_refused("File name too long", &long, || in_place(&long));

    call(
        Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(here.path("")),
    );
    assert_refused("Read-only file system", &file, || in_place(&file));
    call(
        Command::new("mount")
            .args(["-o", "remount,rw"])
            .arg(here.path("")),
    );

    let mut filler = File::create(here.path("filler")).unwrap();
    let _ = std::io::copy(&mut std::io::repeat(1), &mut filler);
    drop(filler);
    let mut number = 0;
    while fs::write(here.path(&format!("filler{number}")), [1; 1024]).is_ok() {
        number += 1;
    }
    assert_refused("No space left", &file, || in_place(&file));
    assert_refused("No space left", &file, || convert(&[], Some(&file), &from));
}

/// Who can write a directory decides what a name in it leads to.
#[test]
#[ignore = "needs root, to give files away"]
fn a_directory_of_others_is_not_trusted() {
    let here = Mounted::ext4();
    let from = here.domain("from.xml");
    here.directory("closed", 0o755);
    let closed = here.domain("closed/web.xml");
    for (name, owner, mode) in [
        ("user", USER, 0o755),
        ("group", 0, 0o775),
        ("sticky", 0, 0o1777),
    ] {
        let directory = here.directory(name, mode);
        chown(&directory, Some(owner), None).unwrap();
        // Its links are not followed, wherever they stand in the path.
        let link = directory.join("link.xml");
        symlink(&closed, &link).unwrap();
        symlink(here.path("closed"), directory.join("way")).unwrap();
        for path in [link, directory.join("way/web.xml")] {
            assert_refused("symbolic link", &closed, || in_place(&path));
            assert_refused("symbolic link", &closed, || {
                convert(&[], Some(&path), &from)
            });
        }
        // No owner is taken over.
        let file = here.domain(&format!("{name}/web.xml"));
        chown(&file, Some(USER), Some(USER)).unwrap();
        assert_refused("belongs to user 65534", &file, || in_place(&file));
        assert_refused("belongs to user 65534", &file, || {
            convert(&[], Some(&file), &from)
        });
        // Root's own stays root's; another content gets no reader that it had not.
        chown(&file, Some(0), Some(0)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        assert_kept(&file, || in_place(&file));
        let output = convert(&[], Some(&file), &from);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!((look(&file).1, look(&file).3), (0, 0o600));
        // What somebody reads from is not written to.
        let fifo = directory.join("fifo");
        call(Command::new("mkfifo").arg(&fifo));
        let timeout = ["timeout", "5"];
        let output = convert(&timeout, Some(&fifo), &from);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    }
    // Where nobody else can write, all of it is done.
    let link = here.path("closed/link.xml");
    symlink("../closed/web.xml", &link).unwrap();
    chown(&closed, Some(USER), Some(USER)).unwrap();
    let output = in_place(&link);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!((look(&closed).1, look(&closed).3), (USER, 0o640));
    assert!(look(&closed).0.contains("-fsdev"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// Whoever mounts a file system of FUSE has it say of owners and modes what they like.
#[test]
#[ignore = "needs root and FUSE, to mount"]
fn a_directory_that_only_says_it_is_roots_is_not_trusted() {
    let here = Mounted::ext4();
    let from = here.domain("from.xml");
    here.directory("closed", 0o755);
    let closed = here.domain("closed/web.xml");
    let theirs = here.directory("theirs", 0o755);
    symlink(&closed, theirs.join("link.xml")).unwrap();
    here.directory("theirs/below", 0o755);
    symlink(&closed, theirs.join("below/link.xml")).unwrap();
    here.directory("sticky", 0o1777);
    let at = here.directory("sticky/mounted", 0o755);
    call(Command::new("bindfs").arg(&theirs).arg(&at));
    let outcome = std::panic::catch_unwind(|| {
        for link in ["link.xml", "below/link.xml"] {
            let link = at.join(link);
            assert_eq!(look(&link).1, 0, "its owner");
            assert_refused("symbolic link", &closed, || in_place(&link));
            // As its daemon may have it answer when it is asked what it is.
            let inject = "inject=fstatfs:error=EIO";
            let strace = "strace -o /dev/null -e trace=fstatfs -e".split(' ');
            let strace: Vec<&str> = strace.chain([inject]).collect();
            assert_refused("symbolic link", &closed, || convert(&strace, None, &link));
            assert_refused("symbolic link", &closed, || {
                convert(&[], Some(&link), &from)
            });
        }
    });
    call(Command::new("umount").arg(&at));
    outcome.unwrap();
}

/// The file that is replaced is the one that was read: another one that is saved in between, even
/// at the last moment, stays.
#[test]
#[ignore = "needs root, to mount"]
fn what_is_saved_meanwhile_stays() {
    let here = Mounted::ext4();
    for calls in ["rename,renameat,renameat2", "fsync"] {
        let file = here.domain("web.xml");
        let trace = format!("trace={calls}");
        let inject = format!("inject={calls}:delay_enter=1500000:when=1");
        let strace = ["strace", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let output = std::thread::scope(|scope| {
            let call = scope.spawn(|| convert(&strace, None, &file));
            std::thread::sleep(Duration::from_millis(700));
            let new = here.path("new");
            fs::write(&new, "saved meanwhile").unwrap();
            fs::rename(new, &file).unwrap();
            call.join().unwrap()
        });
        let told = said(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("changed by somebody else"), "{told}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "saved meanwhile");
        let mut left = names(&here.path(""));
        left.retain(|name| name != "lost+found");
        assert_eq!(left, ["web.xml"], "{told}");
        assert!(getxattr(&file, ACL, &mut [0_u8; 64][..]).is_err());
    }
}

/// A write beyond it is a signal before it is an error.
#[test]
fn a_limit_on_the_size_of_files_leaves_no_part() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("web.xml");
    fs::write(&file, DOMAIN).unwrap();
    let limited = ["sh", "-c", "ulimit -f 1; exec \"$@\"", "sh"];
    for output in [None, Some(scratch.path().join("new.xml"))] {
        assert_refused("ulimit -f", &file, || {
            convert(&limited, output.as_deref(), &file)
        });
    }
}

/// The host of a test, with the user that QEMU runs as.
fn host_with(groups: &str) -> Host {
    let host = situation::host();
    fs::set_permissions(host.root(), Permissions::from_mode(0o755)).unwrap();
    fs::write(host.path("/etc/group"), groups).unwrap();
    host
}

/// The way that a start with this share goes: granted, or refused because QEMU's user cannot get in.
fn may_enter(host: &Host, path: &str) -> bool {
    let share = Share {
        path: path.to_owned(),
        readonly: true,
    };
    let output = host.hook("prepare", "begin", &domain_xml("", &[share]));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let granted = output.status.success();
    assert!(granted || told.contains("path-unreachable"), "{told}");
    granted
}

/// The list of a large site: the group that lets QEMU's user in stands behind the first MiB. Of a
/// list that is too long to be read whole nothing is believed, and nobody refused.
#[test]
#[ignore = "needs root, to give a directory to a group"]
fn a_long_list_of_groups_is_read_whole() {
    const GROUP: u32 = 5000;
    let line = |n: usize| format!("group-of-many-{n}:x:{}:someone,someone-else\n", 100_000 + n);
    let long: String = (0..40_000).map(line).collect();
    assert!(long.len() > 3 << 19);
    let endless = long.repeat(12);
    assert!(endless.len() > 16 << 20);
    for (what, groups, expected) in [
        ("no member", format!("{long}staff:x:{GROUP}:\n"), false),
        (
            "a member",
            format!("{long}staff:x:{GROUP}:libvirt-qemu\n"),
            true,
        ),
        ("too long", format!("{endless}staff:x:{GROUP}:\n"), true),
    ] {
        let host = host_with(&groups);
        host.create_directory(b"/srv/by-group");
        let directory = host.path("/srv/by-group");
        chown(&directory, Some(0), Some(GROUP)).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o750)).unwrap();
        assert_eq!(may_enter(&host, "/srv/by-group"), expected, "{what}");
    }
}

/// Unmounts when a test fails, too.
struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// The last entry of a list of more than 4 KiB counts like the first.
#[test]
#[ignore = "needs root, to mount"]
fn a_long_access_list_is_read_whole() {
    const QEMU: u32 = 64055;
    let host = host_with("kvm:x:106:\n");
    host.create_directory(b"/srv/listed");
    // ext4 holds no list of that length.
    let place = host.path("/srv/listed");
    call(
        Command::new("mount")
            .args(["-t", "tmpfs", "none"])
            .arg(&place),
    );
    let _unmount = Unmount(&place);
    let directory = place.join("inside");
    fs::create_dir(&directory).unwrap();
    let mut entered = Vec::new();
    for (last, bits) in [(QEMU, 5), (QEMU, 0), (QEMU + 1, 5)] {
        let others = (1000..1600).map(|user| (0x02, 7, user));
        let mut entries = vec![(0x01, 7, NOBODY)];
        entries.extend(others);
        entries.extend([
            (0x02, bits, last),
            (0x04, 0, NOBODY),
            (0x10, 7, NOBODY),
            (0x20, 0, NOBODY),
        ]);
        let list = acl(&entries);
        assert!(list.len() > 4096);
        setxattr(&directory, ACL, &list, XattrFlags::empty()).unwrap();
        entered.push(may_enter(&host, "/srv/listed/inside"));
    }
    assert_eq!(entered, [true, false, false]);
}
