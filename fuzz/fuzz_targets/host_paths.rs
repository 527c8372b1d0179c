//! Any words: no panic; what is opened stands in its word, at its place. And any path, spelled by
//! each grammar as QEMU reads it (tests/qemu_paths.rs asks QEMU itself): that very path is opened,
//! with its letters, and nothing else; what is granted for it is judged by its name alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_9p::apparmor::guest_access::{self, GuestAccess};
use virt_9p::apparmor::rules::Grants;
use virt_9p::domain::{Arg, Domain, Place};
use virt_9p::qemu::command_line::CommandLine;
use virt_9p::qemu::host_paths::{self, Access, HostPath};
use virt_9p::text::Span;

/// An option and its argument, with `{w}` for the path as it is, `{o}` with its commas doubled, `{j}`
/// as JSON; letters; characters that end a path there.
const FORMS: &[(&str, &str, &str, &[char])] = &[
    ("-fw_cfg", "name=opt/a,file={o}", "r", &[]),
    ("-fw_cfg", "opt/a,file={o},file={o}", "r", &[]),
    ("-object", "memory-backend-file,id=m,size=1M,mem-path={o}", "rw", &[]),
    ("-object", "{'qom-type':'memory-backend-file','id':'m','mem-path':{j}}", "rw", &[]),
    ("-object", "memory-backend-file,id=m,readonly=on,mem-path={o}", "r", &[]),
    ("-mem-path", "{w}", "rw", &[]),
    ("-serial", "file:{w}", "w", &[]),
    ("-monitor", "mon:pipe:{w}", "rw", &[]),
    ("-qmp", "unix:{o},server=on,wait=off", "rw", &['=']),
    ("-chardev", "socket,id=c,server=on,path={o}", "rw", &[]),
    ("-chardev", "file,id=c,path={o},append=on", "w", &[]),
    ("-chardev", "null,id=c,logfile={o}", "w", &[]),
    ("-acpitable", "sig=SSDT,data={o}", "r", &[':']),
    ("-smbios", "file={o}", "r", &[]),
    ("-blockdev", "{'driver':'file','node-name':'n','filename':{j}}", "rwk", &[]),
    ("-blockdev", "driver=raw,node-name=n,read-only=on,file.driver=file,file.filename={o}", "rk", &[]),
    ("-drive", "if=none,format=raw,file.driver=file,file.filename={o}", "rwk", &[]),
    ("-device", "e1000,romfile=/{o}", "r", &[]),
    ("-kernel", "{w}", "r", &[]),
    ("-D", "{w}", "w", &['%']),
    ("-pidfile", "{w}", "wk", &[]),
    ("-vnc", "unix:{o}", "rw", &['=']),
    ("-spice", "unix=on,addr={o}", "rw", &[]),
    ("-trace", "events={o}", "r", &[]),
];

fuzz_target!(|text: &str| {
    for path in read(text.lines()) {
        let Place::Arg(index, range) = &path.place else {
            panic!("a word is where an argument is");
        };
        let word = text.lines().nth(*index).expect("one of the words");
        let written = word.get(range.clone()).expect("a place in the word");
        // A key without a value is switched on, so `on` is the name of its file.
        if path.path == "on" || path.path == "off" {
            continue;
        }
        // A tap device opens it unasked.
        if path.path == "/dev/net/tun" {
            continue;
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '/';
        if matches!(path.access, Access::Opens(_)) && path.path.chars().all(is_plain) {
            assert!(written.contains(&path.path), "{path:?} of {word:?}");
        }
    }

    let mut characters = text.chars();
    let Some(first) = characters.next() else {
        return;
    };
    let (option, argument, letters, ends) = FORMS[first as usize % FORMS.len()];
    let path = characters.as_str();
    let is_no_path = path.is_empty() || path.starts_with("/dev/fdset/") || path.len() > 4000;
    if is_no_path || path.contains('\0') || path.contains(ends) {
        return;
    }
    let json = serde_json::to_string(path).expect("a string");
    let argument = argument
        .replace("{w}", "\u{1}w")
        .replace("{o}", "\u{1}o")
        .replace("{j}", "\u{1}j");
    let mut word = String::new();
    for (number, part) in argument.split('\u{1}').enumerate() {
        let spelled = match part.chars().next().filter(|_| number > 0) {
            Some('w') => path.to_owned(),
            Some('o') => path.replace(',', ",,"),
            Some('j') => json.clone(),
            _ => String::new(),
        };
        word.push_str(&spelled);
        word.push_str(if number > 0 { &part[1..] } else { part });
    }
    let all = read([option, word.as_str()].into_iter());
    let [only] = all.as_slice() else {
        panic!("{option} {word:?}: {all:?}");
    };
    let Access::Opens(opening) = only.access else {
        panic!("{option} {word:?}: {only:?}");
    };
    assert_eq!(only.path.trim_start_matches('/'), path.trim_start_matches('/'), "{option} {word:?}");
    assert_eq!(opening.letters.text(), letters, "{option} {word:?}");

    let name = format!("/{}", path.trim_start_matches('/'));
    let access = guest_access::judge(name.as_bytes(), "guest", letters, letters.contains('k'));
    let is_secret = ["/etc/shadow", "/proc/", "/run/libvirt/", "/dev/mem", "/run/docker.sock"];
    if is_secret.iter().any(|secret| name.starts_with(secret)) {
        assert!(matches!(access, GuestAccess::Refused(_)), "{name:?}: {access:?}");
    }
    let mut grants = Grants::default();
    if grants.add_file(name.as_bytes(), false, letters) {
        let rules = grants.render().expect("one rule");
        let end = format!("\" {letters},\n");
        assert!(rules.starts_with("  \"/") && rules.ends_with(&end) && rules.lines().count() == 1);
        assert!(rules.is_ascii() && !rules.contains(['*', '?', '[', '{', '@', '#']), "{rules}");
    }
});

fn read<'w>(words: impl Iterator<Item = &'w str>) -> Vec<HostPath> {
    let word = |value: &str| Arg::new(value.to_owned(), Span::default(), false);
    let domain = Domain {
        args: words.map(word).collect(),
        ..Domain::default()
    };
    host_paths::read(&domain, &CommandLine::read(&domain))
}
