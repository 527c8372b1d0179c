//! The hook: where it is, whether this libvirt runs it, and what runs then.

use std::io;
use std::path::Path;

use crate::apparmor::policy::{Execution, Rule, execution};
use crate::doctor::hook_script::{HookCall, ScriptOutcome};
use crate::doctor::shebang;
use crate::doctor::{CheckLine, Grade, NEEDS_ROOT, Subject};
use crate::host::hooks_directory::{Content, HOOKS, HookEntry, MANY, Program, SINGLE};
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
pub struct HookFacts<'f> {
    /// Everything in libvirt's places for hooks.
    pub entries: Result<&'f [HookEntry], &'f io::Error>,
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
    /// A script that names it, what comes of it, and what is where it calls it.
    Script(Program, ScriptOutcome, Option<Program>),
}

/// Judges all of it.
pub fn lines(facts: &HookFacts) -> Vec<CheckLine> {
    const WHAT: &str = "for a hook that runs virt-9p";
    let entries = match facts.entries {
        Ok(entries) => entries,
        Err(error) => return vec![CheckLine::not_looked_at(Subject::Hook, WHAT, error)],
    };
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for entry in entries {
        match recognise(entry, facts.program) {
            Some(found) => ours.push((entry, found)),
            None => others.push(entry),
        }
    }
    let mut lines = vec![if ours.is_empty() {
        CheckLine::fail(Subject::Hook, WHAT, missing(facts, &others))
    } else {
        let shown: Vec<String> = ours
            .iter()
            .map(|(entry, ours)| shown(entry, ours))
            .collect();
        CheckLine::pass(Subject::Hook, WHAT).saying(shown.join(" and "))
    }];
    for (entry, found) in &ours {
        let called = called(facts, entry, found, &ours, &others);
        let runs = called.verdict != Grade::Fail && runs(facts, entry);
        lines.push(called);
        if runs {
            lines.extend(facts.policy.map(|policy| leaves(policy, entry, found)));
            lines.push(same(facts, entry, found));
        }
    }
    lines.extend(others.iter().filter_map(|entry| broken(facts, entry)));
    lines.extend(once(facts, &ours));
    lines.extend(beside(facts, &others));
    lines
}

fn recognise(entry: &HookEntry, program: &dyn Fn(&str) -> Option<Program>) -> Option<Ours> {
    let is_named = |path: &str| {
        Path::new(path)
            .file_name()
            .is_some_and(|name| name == "virt-9p")
    };
    let Some(end) = &entry.end else {
        let link = entry.link.as_deref().unwrap_or("");
        return (is_named(link) || is_named(&entry.place)).then_some(Ours::Dangling);
    };
    let outside = !end.name.starts_with(HOOKS);
    match &end.content {
        Content::Same | Content::OtherBuild => Some(Ours::Direct(end.clone())),
        // Our program's name with something else in it, before a script is taken at its word.
        _ if outside && is_named(&end.name) => Some(Ours::Direct(end.clone())),
        Content::Script(text) => {
            let outcome = shebang::follow(text, &entry.place);
            let callee = match &outcome {
                ScriptOutcome::Stranger => return None,
                ScriptOutcome::Calls { program: path, .. } => program(path),
                _ => None,
            };
            Some(Ours::Script(end.clone(), outcome, callee))
        }
        Content::Other | Content::Unreadable => {
            is_named(&entry.place).then(|| Ours::Direct(end.clone()))
        }
    }
}

fn shown(entry: &HookEntry, ours: &Ours) -> String {
    match (&entry.link, ours) {
        (_, Ours::Script(_, ScriptOutcome::Calls { program, .. }, _)) => {
            format!("{}, a script that calls {program}", entry.place)
        }
        (_, Ours::Script(..)) => format!("{}, a script that names virt-9p", entry.place),
        (Some(link), _) => format!("{} -> {link}", entry.place),
        (None, _) => entry.place.clone(),
    }
}

fn missing(facts: &HookFacts, others: &[&HookEntry]) -> String {
    if knows_many(facts) {
        let place = format!("mkdir -p {MANY} && ln -s {PROGRAM} {MANY}/virt-9p");
        return format!("none; {}{place}{}", install(facts), reload(facts));
    }
    format!("none; {}", one_place(facts, others))
}

/// What comes first where the program is not there.
fn install(facts: &HookFacts) -> String {
    match (facts.program)(PROGRAM) {
        Some(_) => String::new(),
        None => format!("install the program as {PROGRAM}, then "),
    }
}

/// What comes last. A daemon that does not run looks for hooks when it starts.
fn reload(facts: &HookFacts) -> String {
    facts.daemon.map_or(String::new(), |daemon| {
        format!(", then systemctl reload {daemon}")
    })
}

/// What to do where libvirt has one place for a hook. What is there is never written over.
fn one_place(facts: &HookFacts, others: &[&HookEntry]) -> String {
    let program = install(facts);
    let reload = reload(facts);
    if others.iter().any(|entry| entry.place == SINGLE) {
        return format!(
            "before libvirt 6.6 {SINGLE} is the only place, where there is another hook: {program}let that one do \
             `case $2 in prepare | release) {PROGRAM} hook \"$@\"; [ $? -ne 1 ] || exit 1 ;; esac`, with the domain XML on standard \
             input{reload}"
        );
    }
    format!("{program}ln -s {PROGRAM} {SINGLE}{reload}")
}

/// `hooks/qemu` or `hooks/qemu.d/NAME`; the first line tells the whole path.
fn short(entry: &HookEntry) -> &str {
    entry
        .place
        .strip_prefix("/etc/libvirt/")
        .unwrap_or(&entry.place)
}

/// Whether libvirt runs what is there.
fn called(
    facts: &HookFacts,
    entry: &HookEntry,
    found: &Ours,
    ours: &[(&HookEntry, Ours)],
    others: &[&HookEntry],
) -> CheckLine {
    let what = format!("that libvirt runs {}", short(entry));
    let fail = |hint: String| CheckLine::fail(Subject::Hook, what.clone(), hint);
    let in_one_place = || ours.iter().find(|(entry, _)| entry.place == SINGLE);
    if entry.place != SINGLE
        && let Some(version) = facts.libvirt.filter(|version| *version < MANY_SINCE)
    {
        let why = if version < Version(6, 5, 0) {
            format!("libvirt {version} knows no qemu.d")
        } else {
            format!(
                "libvirt {version} looks into qemu.d, but by a mistake of its own never runs anything there"
            )
        };
        return match in_one_place() {
            Some((other, _)) if runs(facts, other) => CheckLine::pass(Subject::Hook, what)
                .saying(format!("{why}, and need not: it runs {}", short(other))),
            Some((other, _)) => fail(format!("{why}, and {} does not run", short(other))),
            None => fail(format!("{why}: {}", one_place(facts, others))),
        };
    }
    let end = match found {
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
    if let Some(why) = shebang::wrong(end, facts.program) {
        return fail(why).for_every_guest();
    }
    if entry.place == SINGLE || facts.libvirt.is_some() {
        return CheckLine::pass(Subject::Hook, what);
    }
    CheckLine::warn(
        Subject::Hook,
        what,
        "libvirt's version is not known, and before 6.6 it runs nothing in qemu.d",
    )
}

/// A hook of somebody else's that cannot be run stops every guest as well.
fn broken(facts: &HookFacts, entry: &HookEntry) -> Option<CheckLine> {
    let end = entry.end.as_ref().filter(|_| runs(facts, entry))?;
    let why = shebang::wrong(end, facts.program)?;
    let what = format!("that libvirt can run {}", short(entry));
    Some(CheckLine::fail(Subject::Hook, what, why).for_every_guest())
}

/// Whether the daemon's profile lets the program run outside of it, where alone it may write the
/// profiles of guests.
fn leaves(policy: &[Rule], entry: &HookEntry, ours: &Ours) -> CheckLine {
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
        None => CheckLine::pass(Subject::Hook, what),
        Some(hint) => CheckLine::fail(Subject::Hook, what, hint),
    }
}

/// Whether what runs is virt-9p, and this one.
fn same(facts: &HookFacts, entry: &HookEntry, ours: &Ours) -> CheckLine {
    let what = format!("that {} runs this virt-9p", short(entry));
    let fail = |hint: String| CheckLine::fail(Subject::Hook, what.clone(), hint);
    let program = match ours {
        Ours::Dangling => return fail("it runs nothing".to_owned()),
        Ours::Direct(end) => end,
        Ours::Script(script, outcome, callee) => {
            if script.loose {
                return fail(loose(&script.name));
            }
            let path = match outcome {
                ScriptOutcome::Calls { program, .. } => program,
                _ => return unreached(what, script, outcome),
            };
            let Some(callee) = callee.as_ref().filter(|callee| callee.executable) else {
                return fail(format!("it calls {path}, where no program is"));
            };
            callee
        }
    };
    if let Ours::Script(
        _,
        ScriptOutcome::Calls {
            program: path,
            call,
        },
        _,
    ) = ours
        && let Some(hint) = wrongly(path, call)
    {
        return match call {
            HookCall::Deaf => CheckLine::warn(Subject::Hook, what, hint),
            HookCall::Failing => fail(hint).for_every_guest(),
            _ => fail(hint),
        };
    }
    let name = &program.name;
    if program.loose {
        return fail(loose(name));
    }
    match &program.content {
        Content::Same => CheckLine::pass(Subject::Hook, what),
        Content::OtherBuild => CheckLine::warn(
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
        Content::Unreadable => CheckLine::warn(Subject::Hook, what.clone(), NEEDS_ROOT),
    }
}

fn loose(name: &str) -> String {
    format!("{name} can be written by others than root: chown root {name} && chmod 0755 {name}")
}

/// A script in which the call was not come to.
fn unreached(what: String, script: &Program, outcome: &ScriptOutcome) -> CheckLine {
    let fail = |hint: String| CheckLine::fail(Subject::Hook, what.clone(), hint);
    match outcome {
        ScriptOutcome::Never(Some(line)) => fail(format!(
            "at `prepare begin` it ends in line {line}, before it calls virt-9p, so no share is checked or granted"
        )),
        ScriptOutcome::Never(None) => fail(
            "at `prepare begin` it does not call virt-9p, so no share is checked or granted: only then libvirt has not yet loaded the profile"
                .to_owned(),
        ),
        ScriptOutcome::Unclear(line, text) => CheckLine::warn(
            Subject::Hook,
            what,
            format!(
                "{}:{line}: {} is not followed here, so whether virt-9p is called at `prepare begin`, with the domain XML on standard \
                 input, is not known: start a guest with a raw share, and see whether it is in journalctl -t virt-9p",
                script.name,
                quoted(text)
            ),
        ),
        ScriptOutcome::Calls { .. } | ScriptOutcome::Stranger => fail("it does not call virt-9p".to_owned()),
    }
}

/// What is wrong with a call.
fn wrongly(program: &str, call: &HookCall) -> Option<String> {
    Some(match call {
        HookCall::Hook => return None,
        HookCall::CommandLine => format!(
            "it calls {program} as a command line, which refuses libvirt's words: write `{program} hook \"$@\"`"
        ),
        HookCall::Empty(line) => format!(
            "line {line} reads the domain XML, and virt-9p gets nothing: keep it, `xml=$(cat)`, and hand it on, \
             `printf '%s\\n' \"$xml\" | {program} hook \"$@\"`"
        ),
        HookCall::Deaf => format!(
            "it ends with 0 when virt-9p refuses a start, so the refusal is lost, and QEMU fails instead: write \
             `{program} hook \"$@\" || exit 1`"
        ),
        HookCall::Failing => {
            "it fails although virt-9p does not, so every start of every guest fails".to_owned()
        }
    })
}

/// Whether libvirt runs it; an unknown libvirt is taken for one that knows qemu.d.
fn runs(facts: &HookFacts, entry: &HookEntry) -> bool {
    let looks = entry.place == SINGLE || knows_many(facts);
    looks && entry.end.as_ref().is_some_and(|end| end.executable)
}

fn knows_many(facts: &HookFacts) -> bool {
    facts.libvirt.is_none_or(|version| version >= MANY_SINCE)
}

/// Whether it runs once for each start.
fn once(facts: &HookFacts, ours: &[(&HookEntry, Ours)]) -> Option<CheckLine> {
    let places: Vec<&str> = ours
        .iter()
        .filter(|(entry, _)| runs(facts, entry))
        .map(|(entry, _)| entry.place.as_str())
        .collect();
    let what = "that virt-9p runs once for each start";
    match places.as_slice() {
        [] => None,
        [_] => Some(CheckLine::pass(Subject::Hook, what)),
        [_, rest @ ..] => Some(CheckLine::warn(
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
fn beside(facts: &HookFacts, others: &[&HookEntry]) -> Option<CheckLine> {
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
        return Some(CheckLine::warn(
            Subject::Hook,
            what,
            format!(
                "libvirt runs every executable file in qemu.d, also what looks like a backup: remove {}",
                visible(&left.join(" and "))
            ),
        ));
    }
    let also = || format!("libvirt also runs {}", visible(&run.join(" and ")));
    (!run.is_empty()).then(|| CheckLine::pass(Subject::Hook, what).saying(also()))
}
