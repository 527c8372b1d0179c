//! Whether a shell script that stands in libvirt's place for hooks gets as far as virt-9p: its
//! commands are followed as they run at `prepare begin`, with the domain XML on standard input.
//!
//! What a command does is known for few of them. The first that could change the outcome and is
//! not known ends it, and is named; nothing is guessed.

mod control_flow;
mod known_commands;
mod lexer;
mod parser;
mod state;
mod test_command;
mod tree;
mod values;

use state::{Run, Stop};

/// What comes of a script at `prepare begin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// It never names virt-9p.
    Stranger,
    /// It calls the program at this path.
    Calls {
        /// As it is written there, or found in PATH.
        program: String,
        /// In which way.
        call: HookCall,
    },
    /// It does not come to the call: it has ended here before, or has run to its end.
    Never(Option<usize>),
    /// What this line does is not known.
    Unclear(usize, String),
}

/// How it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookCall {
    /// As the hook, with the XML, and what it decides counts.
    Hook,
    /// As the hook, but a refusal of its own is lost.
    Deaf,
    /// As the hook, but the script fails though it does not.
    Failing,
    /// As a command line.
    CommandLine,
    /// The XML is gone: this line has read it.
    Empty(usize),
}

/// Follows `script`, which was called as `name`; `errexit` is whether its first line has the shell
/// end at the first command that fails.
pub fn follow(script: &str, name: &str, errexit: bool) -> ScriptOutcome {
    let tree = parser::read(script);
    let mut ends = Vec::new();
    let mut seen = None;
    for refuses in [false, true] {
        let mut run = Run::new(name, refuses, errexit);
        let stop = run.node(&tree).err();
        let Some(called) = run.called else {
            return match stop {
                _ if !names_us(script) => ScriptOutcome::Stranger,
                Some(Stop::Unclear(line, text)) => ScriptOutcome::Unclear(line, text),
                Some(Stop::Ended(line, _)) => ScriptOutcome::Never(Some(line)),
                None => ScriptOutcome::Never(None),
            };
        };
        ends.push(match stop {
            None => run.status,
            Some(Stop::Ended(_, status)) => status,
            Some(Stop::Unclear(..)) => None,
        });
        seen = Some(called);
    }
    let Some((program, call)) = seen else {
        return ScriptOutcome::Stranger;
    };
    let call = match (call, ends.as_slice()) {
        (HookCall::Hook, [Some(1..), _]) => HookCall::Failing,
        (HookCall::Hook, [_, Some(0)]) => HookCall::Deaf,
        (call, _) => call,
    };
    ScriptOutcome::Calls { program, call }
}

/// Whether it is in there, outside of comments.
fn names_us(script: &str) -> bool {
    let mut lines = script.lines().map(str::trim_start);
    lines.any(|line| !line.starts_with('#') && line.contains("virt-9p"))
}
