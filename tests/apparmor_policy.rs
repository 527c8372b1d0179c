//! The profiles that the hook writes, judged by the real `apparmor_parser`.
//!
//! Each profile is compiled, and the compiled policy is asked about many paths, with and without
//! our block. The block must add the share and nothing else: for every path tried,
//! "with" = "without" + share. No test here reads the text of a rule.
//!
//! Needs `apparmor_parser`, AppArmor's feature file and libvirt's abstraction (Debian: apparmor,
//! libvirt-daemon-system), but no kernel with AppArmor and no root:
//!
//! ```text
//! cargo test --test apparmor_policy -- --ignored
//! ```
//!
//! `VIRT9P_SEED=N` repeats a run.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/awkward.rs"]
mod awkward;
#[path = "support/dump.rs"]
mod dump;
#[path = "support/grant.rs"]
mod grant;
#[path = "support/policy.rs"]
mod policy;
#[path = "support/rawshare.rs"]
mod rawshare;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use grant::{Grant, Verdict, check, show};
use policy::{Owner, Parser, Perms, Policy};
use rawshare::{Host, Share, UUID, domain_xml, rules_in, said, virt_9p, xml_can_carry};
use virt_9p::apparmor::guest_access::{self, GuestAccess};
use virt_9p::apparmor::rules::Grants;

const BEGIN: &str = "  # virt-9p begin (managed by virt-9p; do not edit)\n";
const END: &str = "  # virt-9p end\n";

fn seed() -> u64 {
    let seed = match std::env::var("VIRT9P_SEED") {
        Ok(text) => text.parse().expect("VIRT9P_SEED is a number"),
        Err(_) => fastrand::u64(..1_000_000_000),
    };
    eprintln!("VIRT9P_SEED={seed}");
    seed
}

/// A profile as libvirt makes it, with these lines in it.
fn profile(lines: &str) -> String {
    format!(
        "#include <tunables/global>\n\n\
         profile libvirt-{UUID} flags=(attach_disconnected) {{\n  \
           #include <abstractions/libvirt-qemu>\n  \
           #include <libvirt/libvirt-{UUID}.files>\n\
         {lines}\n}}\n"
    )
}

/// The profile without our block: what the host would have allowed anyway.
fn without_block(profile: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(profile).expect("a profile that we made is ASCII");
    assert!(text.is_ascii(), "not ASCII:\n{text}");
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("the line that begins the block");
    let (block, after) = rest.split_once(END).expect("the line that ends the block");
    assert!(
        !block.contains("# virt-9p") && !after.contains("# virt-9p"),
        "one block, and nothing of ours outside:\n{text}"
    );
    format!("{before}{after}").into_bytes()
}

// ---------------------------------------------------------------------------------------------
// The judge is judged first: a check that cannot fail proves nothing.

#[test]
#[ignore = "needs real apparmor_parser"]
fn evaluator_knows_what_known_rules_mean() {
    let text = format!(
        "profile known {{\n{}\n}}\n",
        r#"
  "/one/file" r,
  "/two/dir/" rw,
  "/three/*" rwk,
  "/four/**" rwl,
  "/five/[a-c]{x,y}?" r,
  "/six/a" a,
  owner "/seven/**" rw,
  "/eight/**" rw,
  deny "/eight/secret" w,
  "/nine/my\040share\052" r,
  "/ten/lib" rm,"#
    );
    for features in policy::feature_files() {
        let policy = Parser::with_features(&features).compile(text.as_bytes());
        let policy = policy.expect("rules that compile");
        assert_eq!(policy.name(), "known");
        let table: &[(&str, &str)] = &[
            ("/one/file", "r"),
            ("/one/file/", ""),
            ("/one/fil", ""),
            ("/one/filee", ""),
            ("/one/File", ""),
            ("/two/dir/", "rw"),
            ("/two/dir", ""),
            ("/two/dir/a", ""),
            ("/three/a", "rwk"),
            ("/three/.a", "rwk"),
            ("/three/", ""),
            ("/three/a/", ""),
            ("/three/a/b", ""),
            ("/four/", ""),
            ("/four/a", "rwl"),
            ("/four/a/", "rwl"),
            ("/four/a/b/c", "rwl"),
            ("/fourx/a", ""),
            ("/five/axz", "r"),
            ("/five/cy ", "r"),
            ("/five/dxz", ""),
            ("/five/axzz", ""),
            ("/five/[a-c]{x,y}?", ""),
            ("/six/a", "a"),
            ("/eight/a", "rw"),
            ("/nine/my share*", "r"),
            ("/nine/my share", ""),
            ("/nine/my shares", ""),
            ("/nine/my\\040share\\052", ""),
            ("/ten/lib", "rm"),
            ("/", ""),
            ("", ""),
            ("/etc/shadow", ""),
        ];
        for (path, letters) in table {
            assert_eq!(
                policy.perms(path.as_bytes()),
                Perms::letters(letters),
                "{path} with {features:?}"
            );
        }
        // Denied: some is left. That it is also kept quiet makes it differ from a plain `r`.
        let secret = policy.perms(b"/eight/secret");
        assert!(Perms::letters("r").within(secret), "{secret:?}");
        assert!(!Perms::letters("w").within(secret), "{secret:?}");
        // Owners only: neither what everybody gets nor nothing.
        let owners = policy.perms(b"/seven/a");
        assert_ne!(owners, Perms::letters("rw"));
        assert_ne!(owners, Perms::none());
        assert!(owners.within(Perms::letters("rw")));
    }
}

#[test]
#[ignore = "needs real apparmor_parser"]
fn evaluator_applies_the_rule_for_hard_links() {
    let text = "profile links {\n  /rw/** rwl,\n  /more/** rwkl,\n  /ro/** r,\n  /w/** rw,\n}\n";
    let policy = Parser::new().compile(text.as_bytes()).expect("it compiles");
    let table = [
        ("/rw/new", "/rw/old", true),
        ("/rw/new", "/more/old", true),
        // The new name would allow what the old one does not.
        ("/more/new", "/rw/old", false),
        ("/rw/new", "/ro/old", false),
        ("/rw/new", "/etc/shadow", false),
        // No `l` at all.
        ("/w/new", "/w/old", false),
        ("/ro/new", "/ro/old", false),
    ];
    for (name, target, allowed) in table {
        let answer = policy.may_link(name.as_bytes(), target.as_bytes(), Owner::Qemu);
        assert_eq!(answer, allowed, "{name} -> {target}");
    }
    for (name, target) in [("/w/new", "/w/old"), ("/ro/new", "/ro/old")] {
        assert!(!policy.may_link(name.as_bytes(), target.as_bytes(), Owner::Other));
    }
}

/// The comparison that all tests below rely on accepts right blocks and finds each known mistake.
#[test]
#[ignore = "needs real apparmor_parser"]
fn comparison_finds_each_known_mistake() {
    let parser = Parser::new();
    let without = parser.compile(profile("").as_bytes()).expect("it compiles");
    let wrong = |lines: &str, grants: &[Grant]| {
        let mut rng = fastrand::Rng::with_seed(1);
        let with = parser
            .compile(profile(lines).as_bytes())
            .expect("it compiles");
        check(&with, &without, grants, &mut rng).failures
    };
    let one = |path: &str| vec![Grant::new(path, false)];

    let right: &[(&str, Vec<Grant>)] = &[
        ("\"/srv/a/\" r,\n\"/srv/a/**\" rwl,", one("/srv/a")),
        (
            r#""/srv/my\040s\052/" r, "/srv/my\040s\052/**" rwl,"#,
            one("/srv/my s*"),
        ),
        (
            r#""/srv/\134040/" r, "/srv/\134040/**" rwl,"#,
            one("/srv/\\040"),
        ),
        (
            r#""/srv/\173a\054b\175/" r, "/srv/\173a\054b\175/**" rwl,"#,
            one("/srv/{a,b}"),
        ),
        (
            r#""/srv/\100\173HOME\175/" r, "/srv/\100\173HOME\175/**" rwl,"#,
            one("/srv/@{HOME}"),
        ),
        (r#""/" r, "/**" r,"#, vec![Grant::new("/", true)]),
    ];
    for (lines, grants) in right {
        assert_eq!(wrong(lines, grants), Vec::<String>::new(), "{lines}");
    }

    let mistakes: &[(&str, &str, &str)] = &[
        ("nothing granted", "", "/srv/a"),
        ("directory forgotten", r#""/srv/a/**" rwl,"#, "/srv/a"),
        ("contents forgotten", r#""/srv/a/" r,"#, "/srv/a"),
        (
            "directory without slash",
            r#""/srv/a" r, "/srv/a/**" rwl,"#,
            "/srv/a",
        ),
        (
            "directory writable",
            r#""/srv/a/" rw, "/srv/a/**" rwl,"#,
            "/srv/a",
        ),
        (
            "directory as in the old guides",
            r#""/srv/a/{,**}" rwl,"#,
            "/srv/a",
        ),
        ("no links", r#""/srv/a/" r, "/srv/a/**" rw,"#, "/srv/a"),
        ("locks too", r#""/srv/a/" r, "/srv/a/**" rwlk,"#, "/srv/a"),
        (
            "owners only",
            r#""/srv/a/" r, owner "/srv/a/**" rwl,"#,
            "/srv/a",
        ),
        (
            "one level only",
            r#""/srv/a/" r, "/srv/a/*" rwl,"#,
            "/srv/a",
        ),
        ("prefix only", r#""/srv/a/" r, "/srv/a**" rwl,"#, "/srv/a"),
        (
            "two slashes",
            r#""//srv/a/" r, "//srv/a/**" rwl,"#,
            "/srv/a",
        ),
        ("parent", r#""/srv/" r, "/srv/**" rwl,"#, "/srv/a"),
        (
            "neighbour too",
            "\"/srv/a/\" r, \"/srv/a/**\" rwl, \"/srv/b/\" r,",
            "/srv/a",
        ),
        ("star", r#""/srv/*/" r, "/srv/*/**" rwl,"#, "/srv/*"),
        (
            "question mark",
            r#""/srv/a?/" r, "/srv/a?/**" rwl,"#,
            "/srv/a?",
        ),
        (
            "class",
            r#""/srv/[a-c]/" r, "/srv/[a-c]/**" rwl,"#,
            "/srv/[a-c]",
        ),
        (
            "alternatives",
            r#""/srv/{a,b}/" r, "/srv/{a,b}/**" rwl,"#,
            "/srv/{a,b}",
        ),
        (
            "variable",
            r#""/srv/@{PROC}/" r, "/srv/@{PROC}/**" rwl,"#,
            "/srv/@{PROC}",
        ),
        (
            "variable whose brace is left",
            r#""/srv/\100{PROC}/" r, "/srv/\100{PROC}/**" rwl,"#,
            "/srv/@{PROC}",
        ),
        (
            "backslash",
            r#""/srv/a\b/" r, "/srv/a\b/**" rwl,"#,
            "/srv/a\\b",
        ),
        (
            "octal taken literally",
            r#""/srv/\040/" r, "/srv/\040/**" rwl,"#,
            "/srv/\\040",
        ),
        (
            "escaped twice",
            r#""/srv/a\134040b/" r, "/srv/a\134040b/**" rwl,"#,
            "/srv/a b",
        ),
        (
            "truncated at a space",
            r#""/srv/a/" r, "/srv/a/**" rwl,"#,
            "/srv/a b",
        ),
        (
            "lossy text",
            "\"/srv/\u{fffd}/\" r, \"/srv/\u{fffd}/**\" rwl,",
            "/srv/\u{e9}",
        ),
        ("audit", r#""/srv/a/" r, audit "/srv/a/**" rwl,"#, "/srv/a"),
    ];
    for (what, lines, path) in mistakes {
        assert!(!wrong(lines, &one(path)).is_empty(), "not found: {what}");
    }
    // A read-only share made so by `deny` takes away from its neighbour (facts A2.2).
    let shares = [Grant::new("/srv", true), Grant::new("/srv/rw", false)];
    let deny =
        "\"/srv/\" r,\n\"/srv/**\" r,\ndeny \"/srv/**\" w,\n\"/srv/rw/\" r,\n\"/srv/rw/**\" rwl,";
    assert!(!wrong(deny, &shares).is_empty(), "not found: deny");
}

/// A profile that does not compile is noticed.
#[test]
#[ignore = "needs real apparmor_parser"]
fn parser_refuses_what_is_no_profile() {
    let parser = Parser::new();
    for lines in [
        "  /srv/a b/ r,",
        "  \"/srv/a\" r",
        "  \"/srv/a\"b\" r,",
        "  \"srv\" r,",
        "  \"/srv/{a\" r,",
        "  /srv/a rwa,",
    ] {
        let answer = parser.compile(profile(lines).as_bytes());
        assert!(answer.is_err(), "compiles: {lines}");
    }
}

// ---------------------------------------------------------------------------------------------
// What the hook writes

/// How a share's directory is named in the XML.
enum Route {
    /// By its own name. The XML must be able to carry it.
    Name,
    /// By a symlink with a plain name: so any byte can come in, as it can on a real host.
    Link,
}

struct Case {
    grant: Grant,
    route: Route,
}

/// A host with the directories of these cases on it, and the shares that lead there.
fn host_with(cases: &[Case], rng: &mut fastrand::Rng) -> (Host, Vec<Share>) {
    let host = Host::new();
    host.create_directory(b"/links");
    let mut shares = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let directory = &case.grant.path;
        host.create_directory(directory);
        let path = match case.route {
            Route::Name => {
                let name = std::str::from_utf8(directory).expect("a name for XML");
                respell(name, rng)
            }
            Route::Link => {
                let link = format!("/links/l{n}");
                std::os::unix::fs::symlink(OsStr::from_bytes(directory), host.path(&link)).unwrap();
                link
            }
        };
        let readonly = case.grant.readonly;
        shares.push(Share { path, readonly });
    }
    (host, shares)
}

/// The same directory, now and then in one of the spellings that the kernel makes nothing of.
fn respell(path: &str, rng: &mut fastrand::Rng) -> String {
    if path.len() > 3000 {
        return path.to_owned();
    }
    match rng.u8(..12) {
        0 => format!("{path}/"),
        1 => format!("{path}//"),
        2 => format!("/{path}"),
        3 => format!("{path}/."),
        4 => format!("/links/..{path}"),
        5 => path.replacen('/', "/./", 1),
        _ => path.to_owned(),
    }
}

/// Run the hook on these cases and compare what it grants with what it should.
fn judge(parser: &Parser, cases: &[Case], rng: &mut fastrand::Rng) -> Verdict {
    let (host, shares) = host_with(cases, rng);
    let xml = domain_xml("", &shares);
    let text = host.prepare(&xml);
    let root = host.root().as_os_str().as_bytes();
    assert!(
        !text.windows(root.len()).any(|part| part == root),
        "the profile names a path of --root:\n{}",
        String::from_utf8_lossy(&text)
    );
    let with = compile(parser, &text);
    let without = compile(parser, &without_block(&text));
    assert_eq!(with.name(), format!("libvirt-{UUID}"));
    let grants: Vec<Grant> = cases.iter().map(|case| case.grant.clone()).collect();
    check(&with, &without, &grants, rng)
}

fn compile(parser: &Parser, text: &[u8]) -> Policy {
    parser
        .compile(text)
        .unwrap_or_else(|error| panic!("{error:#}\n{}", String::from_utf8_lossy(text)))
}

fn escaped_length(path: &[u8]) -> usize {
    let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-./".contains(*byte);
    let plain = path.iter().filter(plain).count();
    plain + 4 * (path.len() - plain)
}

/// As many cases in one domain as keep well below the limits: 64 shares, 64 KiB of escaped path.
/// The parser's time grows much faster than the length of the paths (facts A1.4).
fn batches(cases: Vec<Case>) -> Vec<Vec<Case>> {
    let mut batches: Vec<Vec<Case>> = vec![Vec::new()];
    let mut length = 0;
    for case in cases {
        let more = escaped_length(&case.grant.path);
        let last = batches.last().expect("never empty");
        if last.len() == 60 || length + more > 12 << 10 {
            batches.push(Vec::new());
            length = 0;
        }
        length += more;
        batches.last_mut().expect("never empty").push(case);
    }
    batches
}

fn judge_all(cases: Vec<Case>, rng: &mut fastrand::Rng, seed: u64) {
    let parser = Parser::new();
    let count = cases.len();
    let mut verdict = Verdict::default();
    for batch in batches(cases) {
        verdict.add(judge(&parser, &batch, rng));
    }
    eprintln!("{count} shares, {} probes", verdict.probes);
    verdict.expect_none_wrong(seed);
}

/// Directories for shares, some of them awkward themselves.
const PARENTS: [&str; 6] = [
    "/srv",
    "/srv",
    "/home/u",
    "/mnt/a b",
    "/data/{x,y}",
    "/data/p*q",
];

fn case(path: Vec<u8>, rng: &mut fastrand::Rng) -> Case {
    let carried = std::str::from_utf8(&path).is_ok_and(xml_can_carry);
    let grant = Grant::new(path, rng.bool());
    let route = if carried { Route::Name } else { Route::Link };
    Case { grant, route }
}

#[test]
#[ignore = "needs real apparmor_parser"]
fn every_byte_is_granted_as_itself() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut cases = Vec::new();
    for byte in (1..=255).filter(|byte| *byte != b'/') {
        if byte != b'.' {
            cases.push(case(vec![b'/', b's', b'r', b'v', b'/', byte], &mut rng));
        }
        let mut between = case([b"/srv/a", &[byte][..], b"c"].concat(), &mut rng);
        between.route = Route::Link;
        cases.push(between);
    }
    assert_eq!(cases.len(), 253 + 254);
    // So that a byte has other neighbours in each run.
    rng.shuffle(&mut cases);
    judge_all(cases, &mut rng, seed);
}

#[test]
#[ignore = "needs real apparmor_parser"]
fn awkward_and_random_names_are_granted_as_themselves() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut paths = BTreeSet::new();
    for name in awkward::NAMES {
        assert!(awkward::is_name(name), "{}", show(name));
        paths.insert([b"/srv/", *name].concat());
        paths.insert([b"/srv/", *name, b"/below"].concat());
    }
    for _ in 0..300 {
        let mut path = rng.choice(PARENTS).expect("not empty").as_bytes().to_vec();
        for _ in 0..rng.usize(1..4) {
            path.push(b'/');
            path.extend(awkward::random_name(&mut rng));
        }
        paths.insert(path);
    }
    let mut paths: Vec<Vec<u8>> = paths.into_iter().collect();
    rng.shuffle(&mut paths);
    let cases: Vec<Case> = paths.into_iter().map(|path| case(path, &mut rng)).collect();
    assert!(cases.len() >= 500, "only {}", cases.len());
    judge_all(cases, &mut rng, seed);
}

/// A component of 255 bytes, a path as long as the kernel takes, and both at their worst.
#[test]
#[ignore = "needs real apparmor_parser"]
fn long_names_are_granted_as_themselves() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let parser = Parser::new();
    let mut verdict = Verdict::default();

    let mut components = Vec::new();
    for byte in [&b"a"[..], b"*", b" ", b"\\", b"{", b"\xff"] {
        let path = [b"/srv/", byte.repeat(255).as_slice()].concat();
        components.push(case(path, &mut rng));
    }
    for batch in batches(components) {
        verdict.add(judge(&parser, &batch, &mut rng));
    }

    // The kernel's limit is 4096 with the zero byte; what --root puts in front counts too.
    let room = 4095 - Host::new().root().as_os_str().len();
    for byte in [Some(b'a'), Some(b'*'), Some(b'\xe9'), None] {
        let mut path = b"/srv".to_vec();
        while path.len() < room {
            path.push(b'/');
            for _ in 0..(room - path.len()).min(200) {
                path.push(byte.unwrap_or_else(|| grant::random_byte(&mut rng)));
            }
        }
        if path.ends_with(b"/") {
            path.pop();
        }
        verdict.add(judge(&parser, &[case(path, &mut rng)], &mut rng));
    }
    verdict.expect_none_wrong(seed);
}

/// The parser has limits of its own: an automaton of more than 65535 states does not fit its tables,
/// and long paths take it long. A domain that we grant must not come to grief there, because then
/// libvirt fails with a message that leads nowhere.
#[test]
#[ignore = "needs real apparmor_parser"]
fn largest_domain_that_is_granted_compiles() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    // One state for each byte if they are random, and the slowest we know of if they are not.
    let random: fn(&mut fastrand::Rng) -> char = fastrand::Rng::lowercase;
    let escaped: fn(&mut fastrand::Rng) -> char = |rng| rng.char('\u{100}'..'\u{400}');
    let same: fn(&mut fastrand::Rng) -> char = |_| 'a';
    for (what, letter, length) in [
        ("random", random, 250),
        ("random", random, 1000),
        ("random", random, 3900),
        ("escaped", escaped, 1000),
        ("equal", same, 3900),
    ] {
        let (count, profile) = largest_granted(letter, length, &mut rng);
        let start = std::time::Instant::now();
        let answer = Parser::new().compile(&profile);
        let seconds = start.elapsed().as_secs();
        let which = format!("{count} shares of {length} {what} bytes");
        eprintln!("{which}: {seconds} s");
        if let Err(error) = answer {
            panic!("{which} are granted: {error:#}");
        }
    }
}

/// The same of as many files as are granted beside one share, and of as many shares with them.
#[test]
#[ignore = "needs real apparmor_parser"]
fn as_many_files_as_are_granted_compile() {
    let mut rng = fastrand::Rng::with_seed(seed());
    for (shares, length) in [(1, 120), (64, 96)] {
        let mut grants = Grants::default();
        let name = |rng: &mut fastrand::Rng| -> Vec<u8> {
            let random = (0..length).map(|_| grant::random_byte(rng));
            [b"/srv/".as_slice(), &random.collect::<Vec<u8>>()].concat()
        };
        for _ in 0..shares {
            grants.add(&name(&mut rng), false);
        }
        while grants.add_file(&name(&mut rng), false, "rwk") {}
        let start = std::time::Instant::now();
        let rules = grants.render().unwrap();
        let answer = Parser::new().compile(profile(&rules).as_bytes());
        let seconds = start.elapsed().as_secs();
        eprintln!(
            "{} files beside {shares} shares: {seconds} s",
            grants.files()
        );
        assert!(grants.files() > 200);
        answer.unwrap_or_else(|error| panic!("{} files are granted: {error:#}", grants.files()));
    }
}

/// As many shares of this length as are granted together, and the profile that grants them.
fn largest_granted(
    letter: fn(&mut fastrand::Rng) -> char,
    length: usize,
    rng: &mut fastrand::Rng,
) -> (usize, Vec<u8>) {
    let host = Host::new();
    let mut shares = Vec::new();
    let mut granted = None;
    while shares.len() < 80 {
        let mut path = format!("/srv/{}", shares.len());
        while path.len() < length {
            path.push('/');
            path.extend((0..100.min(length - path.len())).map(|_| letter(rng)));
        }
        host.create_directory(path.as_bytes());
        let readonly = rng.bool();
        shares.push(Share { path, readonly });
        let output = host.hook("prepare", "begin", &domain_xml("", &shares));
        if !output.status.success() {
            let granted = granted.expect("one share is granted");
            return (shares.len() - 1, granted);
        }
        granted = Some(std::fs::read(host.profile_path()).unwrap());
    }
    panic!("{} shares of {length} bytes, and no limit", shares.len());
}

/// A profile that is there already, made by libvirt and changed by an admin, goes on to allow what it
/// allowed, and the share.
#[test]
#[ignore = "needs real apparmor_parser"]
fn profile_that_is_there_keeps_what_it_allows() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let parser = Parser::new();
    let plain = profile("");
    let anchor = format!("  #include <libvirt/libvirt-{UUID}.files>\n");
    let header = "flags=(attach_disconnected)";
    assert!(plain.contains(&anchor) && plain.contains(header));
    let inside = |more: &str| plain.replace(&anchor, &format!("{anchor}{more}"));
    let stale = format!("{BEGIN}  \"/srv/old/\" r,\n  \"/srv/old/**\" rwl,\n{END}");
    let shapes = [
        ("as libvirt makes it", plain.clone()),
        ("our block of an earlier start", inside(&stale)),
        (
            "our block moved to the end",
            plain.replace("\n}\n", &format!("\n{stale}}}\n")),
        ),
        (
            "in complain mode",
            plain.replace(header, "flags=(attach_disconnected, complain)"),
        ),
        (
            "libvirt 11.3",
            plain.replace("#include <libvirt/", "#include if exists <libvirt/"),
        ),
        ("without number signs", plain.replace("#include", "include")),
        ("no line end at the end", plain.trim_end().to_owned()),
        ("with CRLF", plain.replace('\n', "\r\n")),
        (
            "a comment on the line of the include",
            plain.replace(".files>", ".files> # disks"),
        ),
        (
            "comments that name the include",
            format!("# include <libvirt/libvirt-{UUID}.files>\n## {anchor}{plain}"),
        ),
        (
            "rules of the admin",
            inside("  /srv/admin/** rwk,\n  owner /srv/*/mine rw,\n  deny /srv/no/** w,\n"),
        ),
        (
            "a child profile",
            inside("  profile child {\n    /srv/child/** r,\n  }\n  /usr/bin/true cx -> child,\n"),
        ),
    ];
    let mut verdict = Verdict::default();
    for (what, there) in shapes {
        let cases = [Case {
            grant: Grant::new("/srv/new share", false),
            route: Route::Name,
        }];
        let (host, shares) = host_with(&cases, &mut rng);
        std::fs::write(host.profile_path(), &there).unwrap();
        let text = host.prepare(&domain_xml("", &shares));
        let text = String::from_utf8(text).unwrap();
        let without = compile(&parser, there.replace(&stale, "").as_bytes());
        let with = compile(&parser, text.as_bytes());
        assert_eq!(with.name(), without.name(), "{what}");
        let grants: Vec<Grant> = cases.iter().map(|case| case.grant.clone()).collect();
        let mut found = check(&with, &without, &grants, &mut rng);
        // What was granted before, by the admin or by us, is in neither list of paths.
        for path in [
            "/srv/admin/a",
            "/srv/a/mine",
            "/srv/no/a",
            "/srv/old/a",
            "/srv/child/a",
        ] {
            let (with, without) = (with.perms(path.as_bytes()), without.perms(path.as_bytes()));
            found.probes += 1;
            if with != without {
                found
                    .failures
                    .push(format!("{path} gets {with:?}, not {without:?}"));
            }
        }
        found
            .failures
            .iter_mut()
            .for_each(|text| *text = format!("{what}: {text}"));
        verdict.add(found);
    }
    verdict.expect_none_wrong(seed);
}

/// Shares within shares add up, whatever their order; the same directory twice is once.
#[test]
#[ignore = "needs real apparmor_parser"]
fn overlapping_shares_add_up() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut grants = vec![
        Grant::new("/srv", true),
        Grant::new("/srv/rw", false),
        Grant::new("/srv/rw/ro", true),
        Grant::new("/srv/rw/ro/rw*", false),
        Grant::new("/data/rw", false),
        Grant::new("/data/rw/ro", true),
        Grant::new("/data/rw", true),
        Grant::new("/data/twice", true),
        Grant::new("/data/twice", true),
        Grant::new("/data/twice2", false),
    ];
    let mut verdict = Verdict::default();
    for _ in 0..4 {
        let cases: Vec<Case> = grants
            .iter()
            .map(|grant| Case {
                grant: grant.clone(),
                route: Route::Name,
            })
            .collect();
        verdict.add(judge(&Parser::new(), &cases, &mut rng));
        rng.shuffle(&mut grants);
    }
    verdict.expect_none_wrong(seed);
}

/// A directory called `x (deleted)` looks as a removed `x` does. Whatever is made of it, `x` must
/// not come out of it.
#[test]
#[ignore = "needs real apparmor_parser"]
fn name_of_a_lost_directory_is_not_mistaken() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    for name in [
        "/srv/a (deleted)",
        "/srv/ (deleted)",
        "/srv/(unreachable)/a",
    ] {
        let case = Case {
            grant: Grant::new(name, false),
            route: Route::Name,
        };
        judge(&Parser::new(), &[case], &mut rng).expect_none_wrong(seed);
    }
}

/// `virt-9p rules` prints what the hook writes.
#[test]
#[ignore = "needs real apparmor_parser"]
fn rules_command_prints_the_rules_of_the_hook() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut cases = Vec::new();
    for name in awkward::NAMES.iter().take(40) {
        cases.push(case([b"/srv/", *name].concat(), &mut rng));
    }
    let (host, shares) = host_with(&cases, &mut rng);
    let xml = domain_xml("", &shares);
    let args = ["rules", "--root"].map(OsStr::new);
    let args = [&args[..], &[host.root().as_os_str()]].concat();
    let output = virt_9p(&args, &xml);
    assert!(output.status.success(), "{}", said(&output));
    let printed = rules_in(&output.stdout);
    assert!(!host.profile_path().exists(), "rules wrote a profile");
    assert_eq!(printed, rules_in(&host.prepare(&xml)));
    assert_eq!(printed.len(), 2 * cases.len());
}

// ---------------------------------------------------------------------------------------------
// What the scenarios say the hook writes

/// Also where a scenario leaves damaged markers alone: to the parser they are comments.
#[test]
#[ignore = "needs real apparmor_parser"]
fn every_profile_of_every_scenario_compiles() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut expected: Vec<_> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{directory:?}: {error}"))
        .map(|entry| entry.unwrap().path().join("expected"))
        .filter(|path| path.is_file())
        .collect();
    expected.sort();
    let parser = Parser::new();
    let mut compiled = 0;
    let mut failures = Vec::new();
    for path in &expected {
        let scenario = path.parent().and_then(|path| path.file_name()).unwrap();
        let scenario = scenario.to_string_lossy();
        let dump = std::fs::read(path).unwrap();
        for (file, text) in dump::files(&String::from_utf8_lossy(&dump)) {
            let Some((_, uuid)) = file.split_once("/etc/apparmor.d/libvirt/libvirt-") else {
                continue;
            };
            if uuid.ends_with(".files") || !text.contains("# virt-9p begin") {
                continue;
            }
            match parser.compile(text.as_bytes()) {
                Ok(policy) if policy.name() == format!("libvirt-{uuid}") => compiled += 1,
                Ok(policy) => failures.push(format!("{scenario}: {uuid} is {}", policy.name())),
                Err(error) => failures.push(format!("{scenario}: {file}: {error:#}\n{text}")),
            }
        }
    }
    eprintln!(
        "{compiled} profiles of {} scenarios compile",
        expected.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        compiled >= 10,
        "only {compiled} profiles found in {directory:?}"
    );
}

// ---------------------------------------------------------------------------------------------
// The rules that `check` proposes for other paths than shares.

#[test]
#[ignore = "needs real apparmor_parser"]
fn the_rule_for_a_file_opens_it_and_no_other() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut grants = Grants::default();
    let mut files = Vec::new();
    for letters in ["r", "w", "wk", "rw", "rk", "rwk"] {
        for any_end in [false, true] {
            for number in 0..4 {
                let mut name = format!("/srv/{letters}{number}{any_end}").into_bytes();
                for _ in 0..rng.usize(1..12) {
                    name.push(grant::random_byte(&mut rng));
                }
                name.extend_from_slice(if any_end { b"/qemu_back_mem." } else { b"e" });
                let judged = guest_access::judge(&name, "guest", letters, letters.contains('k'));
                assert_eq!(judged, GuestAccess::Rule, "{}", show(&name));
                assert!(grants.add_file(&name, any_end, letters));
                files.push((name, any_end, letters));
            }
        }
    }
    let text = grants.render().unwrap();
    let parser = Parser::new();
    let policy = parser.compile(format!("profile proposed {{\n{text}}}\n").as_bytes());
    let policy = policy.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
    for (name, any_end, letters) in files {
        let with = |more: &[u8]| [&name[..], more].concat();
        let own = if any_end {
            with(b"pc.ram.Ab12")
        } else {
            name.clone()
        };
        assert_eq!(
            policy.perms(&own),
            Perms::letters(letters),
            "seed {seed}: {}",
            show(&own)
        );
        let shorter = name[..name.len() - 1].to_vec();
        let directory = name[..name.iter().rposition(|byte| *byte == b'/').unwrap()].to_vec();
        let mut others = vec![shorter, directory, with(b"/"), with(b"/x")];
        if !any_end {
            others.push(with(b"x"));
        }
        for other in others {
            assert_eq!(
                policy.perms(&other),
                Perms::none(),
                "seed {seed}: {} by {}",
                show(&other),
                show(&name)
            );
        }
    }
}
