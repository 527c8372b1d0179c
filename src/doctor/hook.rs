//! The hook: where it is, whether this libvirt runs it, and what runs then.

use std::io;
use std::path::Path;

use crate::apparmor::policy::{Execution, Rule, execution};
use crate::doctor::{Line, NEEDS_ROOT, Subject};
use crate::host::hooks::{Content, Entry, FOLDER, MANY, Program, SINGLE};
use crate::text::{quoted, visible};
use crate::version::Version;

/// Where the program belongs.
const PROGRAM: &str = "/usr/sbin/virt-9p";

/// Which libvirt runs what is in qemu.d: 6.5 looks, and never runs anything (facts L2).
const MANY_SINCE: Version = Version(6, 6, 0);

/// What libvirt's own profiles for its daemons let be executed, from 4.0 to 12.8 (facts L3): for
/// hosts where that profile is not where libvirt installs it.
pub const USUAL_POLICY: &str =
    "/bin/* PUx,\n/sbin/* PUx,\n/usr/bin/* PUx,\n/usr/sbin/* PUx,\n/etc/libvirt/hooks/** rmix,\n";

/// What there is to judge.
pub struct Facts<'f> {
    /// Everything in libvirt's places for hooks.
    pub entries: Result<&'f [Entry], &'f io::Error>,
    /// The installed libvirt.
    pub libvirt: Option<Version>,
    /// The daemon to be reloaded, where one runs.
    pub daemon: Option<&'f str>,
    /// Rules of the daemon's profile, where AppArmor is on.
    pub policy: Option<&'f [Rule]>,
    /// What is at a host path.
    pub program: &'f dyn Fn(&str) -> Option<Program>,
}

/// An entry that is, or was meant to be, virt-9p's.
enum Ours {
    /// A link to nothing.
    Dangling,
    /// The program itself.
    Direct(Program),
    /// A script that calls it.
    Script(Program, Call, Option<Program>),
}

/// How a script calls virt-9p.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    program: String,
    as_hook: bool,
}

/// Judges all of it.
pub fn judge(facts: &Facts) -> Vec<Line> {
    const WHAT: &str = "for a hook that runs virt-9p";
    let entries = match facts.entries {
        Ok(entries) => entries,
        Err(error) => return vec![Line::unseen(Subject::Hook, WHAT, error)],
    };
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for entry in entries {
        match recognise(entry, facts.program) {
            Some(found) => ours.push((entry, found)),
            None => others.push(entry),
        }
    }
    let mut lines = vec![if ours.is_empty() {
        Line::fail(Subject::Hook, WHAT, missing(facts, &others))
    } else {
        let shown: Vec<String> = ours
            .iter()
            .map(|(entry, ours)| shown(entry, ours))
            .collect();
        Line::pass(Subject::Hook, WHAT).saying(shown.join(" and "))
    }];
    for (entry, found) in &ours {
        let called = called(facts, entry, found);
        let runs = called.verdict != crate::doctor::Verdict::Fail;
        lines.push(called);
        if runs {
            lines.extend(facts.policy.map(|policy| leaves(policy, entry, found)));
            lines.push(same(facts, entry, found));
        }
    }
    lines.extend(once(facts, &ours));
    lines.push(beside(facts, &others));
    lines
}

fn recognise(entry: &Entry, program: &dyn Fn(&str) -> Option<Program>) -> Option<Ours> {
    let is_named = |path: &str| {
        Path::new(path)
            .file_name()
            .is_some_and(|name| name == "virt-9p")
    };
    let Some(end) = &entry.end else {
        let link = entry.link.as_deref().unwrap_or("");
        return (is_named(link) || is_named(&entry.place)).then_some(Ours::Dangling);
    };
    let outside = !end.name.starts_with(FOLDER);
    match &end.content {
        Content::Same | Content::OtherBuild => Some(Ours::Direct(end.clone())),
        // Our program's name with something else in it, before a script is taken at its word.
        _ if outside && is_named(&end.name) => Some(Ours::Direct(end.clone())),
        Content::Script(text) => {
            let call = call(text)?;
            let callee = program(&call.program);
            Some(Ours::Script(end.clone(), call, callee))
        }
        Content::Other | Content::Unreadable => {
            is_named(&entry.place).then(|| Ours::Direct(end.clone()))
        }
    }
}

/// The call of virt-9p in a shell script, comments left out.
fn call(text: &str) -> Option<Call> {
    let mut found: Option<Call> = None;
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        let mut words = line
            .split(|c: char| c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')'))
            .map(|word| word.trim_matches(['"', '\'']))
            .peekable();
        // `exec -a "$0"` keeps the name that it was called by, which also makes it the hook.
        let keeps_name = line.contains("exec -a");
        while let Some(word) = words.next() {
            let (variable, path) = match word.rsplit_once('=') {
                Some((_, path)) => (true, path),
                None => (false, word),
            };
            if path != "virt-9p" && !path.ends_with("/virt-9p") {
                continue;
            }
            // A name put into a variable is called elsewhere, how is not followed.
            let as_hook = variable || keeps_name || words.peek() == Some(&"hook");
            let program = if path.starts_with('/') { path } else { PROGRAM };
            // A test such as `[ -x … ]` may come before the call.
            if found.as_ref().is_none_or(|found| !found.as_hook && as_hook) {
                found = Some(Call {
                    program: program.to_owned(),
                    as_hook,
                });
            }
        }
    }
    found
}

fn shown(entry: &Entry, ours: &Ours) -> String {
    match (&entry.link, ours) {
        (_, Ours::Script(_, call, _)) => {
            format!("{}, a script that calls {}", entry.place, call.program)
        }
        (Some(link), _) => format!("{} -> {link}", entry.place),
        (None, _) => entry.place.clone(),
    }
}

fn missing(facts: &Facts, others: &[&Entry]) -> String {
    let program = match (facts.program)(PROGRAM) {
        Some(_) => String::new(),
        None => format!("install the program as {PROGRAM}, then "),
    };
    // One that does not run looks for hooks when it starts.
    let reload = facts.daemon.map_or(String::new(), |daemon| {
        format!(", then systemctl reload {daemon}")
    });
    if knows_many(facts) {
        return format!("none; {program}mkdir -p {MANY} && ln -s {PROGRAM} {MANY}/virt-9p{reload}");
    }
    if others.iter().any(|entry| entry.place == SINGLE) {
        return format!(
            "none, and before libvirt 6.6 {SINGLE} is the only place, where there is another hook: {program}let that one call \
             `{PROGRAM} hook \"$@\"` with the domain XML on standard input{reload}"
        );
    }
    format!("none; {program}ln -s {PROGRAM} {SINGLE}{reload}")
}

/// `hooks/qemu` or `hooks/qemu.d/NAME`; the first line tells the whole path.
fn short(entry: &Entry) -> &str {
    entry
        .place
        .strip_prefix("/etc/libvirt/")
        .unwrap_or(&entry.place)
}

/// Whether libvirt runs what is there.
fn called(facts: &Facts, entry: &Entry, ours: &Ours) -> Line {
    let what = format!("that libvirt runs {}", short(entry));
    let fail = |hint: String| Line::fail(Subject::Hook, what.clone(), hint);
    let end = match ours {
        Ours::Dangling => {
            let link = entry.link.as_deref().unwrap_or("");
            return fail(format!(
                "it points to {}, where nothing is: install the program as {PROGRAM}",
                quoted(link)
            ));
        }
        Ours::Direct(end) | Ours::Script(end, ..) => end,
    };
    if !end.executable {
        return fail(format!(
            "libvirt passes over what is not executable: chmod 0755 {}",
            end.name
        ));
    }
    if entry.place == SINGLE {
        return Line::pass(Subject::Hook, what);
    }
    let instead = format!("ln -s {PROGRAM} {SINGLE}");
    match facts.libvirt {
        None => Line::warn(
            Subject::Hook,
            what.clone(),
            "libvirt's version is not known, and before 6.6 it runs nothing in qemu.d",
        ),
        Some(version) if version < Version(6, 5, 0) => {
            fail(format!("libvirt {version} knows no qemu.d: {instead}"))
        }
        Some(version) if version < MANY_SINCE => fail(format!(
            "libvirt {version} looks into qemu.d, but by a mistake of its own never runs anything there: {instead}"
        )),
        Some(_) => Line::pass(Subject::Hook, what),
    }
}

/// Whether the daemon's profile lets the program run outside of it, where alone it may write the
/// profiles of guests.
fn leaves(policy: &[Rule], entry: &Entry, ours: &Ours) -> Line {
    let what = format!("that {} leaves the daemon's AppArmor profile", short(entry));
    let remedy = format!(
        "install the program as {PROGRAM} and make {} a symbolic link to it",
        entry.place
    );
    let refused = |name: &str| {
        format!(
            "the profile does not let {name} be executed, so every start fails with \"Permission denied\": {remedy}"
        )
    };
    let stays = |name: &str| {
        format!(
            "{name} runs inside the profile, which forbids writing the profiles of guests: {remedy}"
        )
    };
    let judged = |name: &str| execution(policy, name.as_bytes());
    let wrong = match ours {
        Ours::Dangling => None,
        Ours::Direct(end) => match judged(&end.name) {
            Execution::Leaves => None,
            Execution::Stays => Some(stays(&end.name)),
            Execution::Refused => Some(refused(&end.name)),
        },
        Ours::Script(script, _, callee) => match (judged(&script.name), callee) {
            (Execution::Refused, _) => Some(refused(&script.name)),
            (Execution::Leaves, _) | (_, None) => None,
            (Execution::Stays, Some(callee)) => match judged(&callee.name) {
                Execution::Leaves => None,
                Execution::Stays => Some(stays(&callee.name)),
                Execution::Refused => Some(refused(&callee.name)),
            },
        },
    };
    match wrong {
        None => Line::pass(Subject::Hook, what),
        Some(hint) => Line::fail(Subject::Hook, what, hint),
    }
}

/// Whether what runs is virt-9p, and this one.
fn same(facts: &Facts, entry: &Entry, ours: &Ours) -> Line {
    let what = format!("that {} runs this virt-9p", short(entry));
    let fail = |hint: String| Line::fail(Subject::Hook, what.clone(), hint);
    let program = match ours {
        Ours::Dangling => return fail("it runs nothing".to_owned()),
        Ours::Direct(end) => end,
        Ours::Script(_, call, callee) => {
            let Some(callee) = callee.as_ref().filter(|callee| callee.executable) else {
                return fail(format!("it calls {}, where no program is", call.program));
            };
            if !call.as_hook {
                return fail(format!(
                    "it calls {} as a command line, which refuses libvirt's words: write `{} hook \"$@\"`",
                    call.program, call.program
                ));
            }
            callee
        }
    };
    let name = &program.name;
    if program.loose {
        return fail(format!(
            "{name} can be written by others than root: chown root {name} && chmod 0755 {name}"
        ));
    }
    match &program.content {
        Content::Same => Line::pass(Subject::Hook, what),
        Content::OtherBuild => Line::warn(
            Subject::Hook,
            what.clone(),
            format!("{name} is another build of virt-9p than the one that you run now"),
        ),
        Content::Script(_) => fail(format!(
            "{name} is a script: something was written over the program, as a download onto a symbolic link does. Install virt-9p \
             again, and put the script beside it in {}",
            if knows_many(facts) { MANY } else { SINGLE }
        )),
        Content::Other => fail(format!("{name} is not virt-9p: install it again")),
        Content::Unreadable => Line::warn(Subject::Hook, what.clone(), NEEDS_ROOT),
    }
}

/// Whether libvirt runs it; an unknown libvirt is taken for one that knows qemu.d.
fn runs(facts: &Facts, entry: &Entry) -> bool {
    let looks = entry.place == SINGLE || knows_many(facts);
    looks && entry.end.as_ref().is_some_and(|end| end.executable)
}

fn knows_many(facts: &Facts) -> bool {
    facts.libvirt.is_none_or(|version| version >= MANY_SINCE)
}

/// Whether it runs once for each start.
fn once(facts: &Facts, ours: &[(&Entry, Ours)]) -> Option<Line> {
    let places: Vec<&str> = ours
        .iter()
        .filter(|(entry, _)| runs(facts, entry))
        .map(|(entry, _)| entry.place.as_str())
        .collect();
    let what = "that virt-9p runs once for each start";
    match places.as_slice() {
        [] => None,
        [_] => Some(Line::pass(Subject::Hook, what)),
        [_, rest @ ..] => Some(Line::warn(
            Subject::Hook,
            what,
            format!(
                "it runs {} times: remove {}",
                places.len(),
                rest.join(" and ")
            ),
        )),
    }
}

/// Other programs that libvirt runs for the same guests.
fn beside(facts: &Facts, others: &[&Entry]) -> Line {
    const LEFT: [&str; 9] = [
        "~",
        ".bak",
        ".orig",
        ".old",
        ".save",
        ".swp",
        ".rpmsave",
        ".rpmnew",
        ".disabled",
    ];
    let what = "for other hooks beside it";
    let run: Vec<&str> = others
        .iter()
        .filter(|entry| runs(facts, entry))
        .map(|entry| entry.place.as_str())
        .collect();
    let left: Vec<&str> = run
        .iter()
        .copied()
        .filter(|place| {
            LEFT.iter().any(|end| place.ends_with(end))
                || place.contains(".dpkg-")
                || place.contains(".ucf-")
        })
        .collect();
    if !left.is_empty() {
        return Line::warn(
            Subject::Hook,
            what,
            format!(
                "libvirt runs every executable file in qemu.d, also what looks like a backup: remove {}",
                visible(&left.join(" and "))
            ),
        );
    }
    let line = Line::pass(Subject::Hook, what);
    if run.is_empty() {
        line
    } else {
        line.saying(format!("libvirt also runs {}", visible(&run.join(" and "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calls_in_scripts() {
        for (script, expected) in [
            (include_str!("../../hooks/qemu"), Some((PROGRAM, true))),
            (
                "[ -x /opt/virt-9p ] && /opt/virt-9p hook \"$@\"",
                Some(("/opt/virt-9p", true)),
            ),
            (
                "exec -a \"$0\" \"/usr/sbin/virt-9p\" \"$@\"",
                Some((PROGRAM, true)),
            ),
            ("exec /usr/sbin/virt-9p \"$@\"", Some((PROGRAM, false))),
            (
                "v=/usr/bin/virt-9p\n$v hook \"$@\"",
                Some(("/usr/bin/virt-9p", true)),
            ),
            (
                "printf %s \"$xml\" | virt-9p hook \"$@\"",
                Some((PROGRAM, true)),
            ),
            ("#!/bin/sh\n# exec /usr/sbin/virt-9p\nexit 0\n", None),
        ] {
            let found = call(script);
            let found = found
                .as_ref()
                .map(|call| (call.program.as_str(), call.as_hook));
            assert_eq!(found, expected, "{script}");
        }
    }
}
