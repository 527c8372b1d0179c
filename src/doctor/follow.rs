//! Whether a shell script that stands in libvirt's place for hooks gets as far as virt-9p: its
//! commands are followed as they run at `prepare begin`, with the domain XML on standard input.
//!
//! What a command does is known for few of them. The first that could change the outcome and is
//! not known ends it, and is named; nothing is guessed.

use std::collections::BTreeMap;

use crate::doctor::shell::{self, CommandKind, Redirection, ShellCommand, ShellWord, WordPart};

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
        call: Call,
    },
    /// It does not come to the call: it has ended here before, or has run to its end.
    Never(Option<usize>),
    /// What this line does is not known.
    Unclear(usize, String),
}

/// How it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
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
    let tree = shell::read(script);
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
        (Call::Hook, [Some(1..), _]) => Call::Failing,
        (Call::Hook, [_, Some(0)]) => Call::Deaf,
        (call, _) => call,
    };
    ScriptOutcome::Calls { program, call }
}

/// Whether it is in there, outside of comments.
fn names_us(script: &str) -> bool {
    let mut lines = script.lines().map(str::trim_start);
    lines.any(|line| !line.starts_with('#') && line.contains("virt-9p"))
}

/// The value of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Text(String),
    /// The domain XML.
    Xml,
    Unknown,
}

/// What there is on standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum StdinState {
    Xml,
    /// Nothing any more: who has read it.
    Gone(usize),
    Unknown,
}

/// Why nothing comes after.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Ended(usize, Option<i32>),
    Unclear(usize, String),
}

type Flow = Result<(), Stop>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    /// Whether virt-9p would end with 1.
    refuses: bool,
    variables: BTreeMap<String, Known>,
    functions: Vec<String>,
    /// `set -e`, where it counts.
    errexit: bool,
    input: StdinState,
    /// Whether that is another command's output.
    fed: bool,
    /// What the last command has printed, for a pipe.
    output: Known,
    status: Option<i32>,
    called: Option<(String, Call)>,
}

/// Where the program is when it is called by its name alone.
const PROGRAM: &str = "/usr/sbin/virt-9p";

/// Commands that read no standard input when they get arguments, and change nothing that matters
/// here.
const QUIET: [&str; 40] = [
    "basename",
    "chgrp",
    "chmod",
    "chown",
    "command",
    "cp",
    "cpupower",
    "cset",
    "date",
    "dirname",
    "dmesg",
    "ethtool",
    "hostname",
    "id",
    "install",
    "ip",
    "iptables",
    "kill",
    "ln",
    "logger",
    "ls",
    "mkdir",
    "modprobe",
    "mount",
    "mv",
    "nft",
    "pidof",
    "pgrep",
    "readlink",
    "rm",
    "setfacl",
    "sleep",
    "sync",
    "sysctl",
    "systemctl",
    "taskset",
    "touch",
    "type",
    "umount",
    "which",
];

impl Run {
    fn new(name: &str, refuses: bool, errexit: bool) -> Self {
        let text = |(name, value): (&str, &str)| (name.to_owned(), Known::Text(value.to_owned()));
        let words = [
            ("0", name),
            ("2", "prepare"),
            ("3", "begin"),
            ("4", "-"),
            ("#", "4"),
        ];
        Run {
            refuses,
            variables: words.into_iter().map(text).collect(),
            functions: Vec::new(),
            errexit,
            input: StdinState::Xml,
            fed: false,
            output: Known::Unknown,
            status: Some(0),
            called: None,
        }
    }

    fn node(&mut self, node: &ShellCommand) -> Flow {
        match &node.kind {
            CommandKind::Simple(assigned, words, redirections) => {
                self.simple(node.line, assigned, words, redirections)?;
            }
            CommandKind::Test(words) => {
                let values = self.values(words, node.line)?;
                self.status = test(&values);
            }
            CommandKind::List(nodes) => {
                for node in nodes {
                    self.node(node)?;
                    let counts = matches!(
                        node.kind,
                        CommandKind::Simple(..) | CommandKind::Pipe(_) | CommandKind::Subshell(_)
                    );
                    if self.errexit && counts && self.status.is_some_and(|status| status != 0) {
                        return Err(Stop::Ended(node.line, self.status));
                    }
                }
            }
            CommandKind::Pipe(nodes) => self.pipe(nodes)?,
            CommandKind::And(left, right) => {
                self.asked(left)?;
                self.either(left, self.status.map(|status| status == 0), right)?;
            }
            CommandKind::Or(left, right) => {
                self.asked(left)?;
                self.either(left, self.status.map(|status| status != 0), right)?;
            }
            CommandKind::Not(inner) => {
                self.asked(inner)?;
                self.status = self.status.map(|status| i32::from(status == 0));
            }
            CommandKind::If(branches, otherwise) => self.conditional(branches, otherwise)?,
            CommandKind::Case(word, arms) => self.case(node, word, arms)?,
            CommandKind::Loop(variable, body) => {
                if let Some(variable) = variable {
                    self.variables.insert(variable.clone(), Known::Unknown);
                }
                self.either(node, None, body)?;
                self.status = None;
            }
            CommandKind::Subshell(inner) => {
                let variables = self.variables.clone();
                let ended = self.node(inner);
                self.variables = variables;
                match ended {
                    // Only the subshell has ended.
                    Err(Stop::Ended(_, status)) => self.status = status,
                    other => other?,
                }
            }
            CommandKind::Function(name) => self.functions.push(name.clone()),
            CommandKind::Unread(text) => return Err(Stop::Unclear(node.line, text.clone())),
        }
        Ok(())
    }

    /// Runs what is a condition: there a failure ends nothing.
    fn asked(&mut self, node: &ShellCommand) -> Flow {
        let errexit = std::mem::replace(&mut self.errexit, false);
        self.node(node)?;
        self.errexit = errexit;
        Ok(())
    }

    /// Runs `node`, or not. Where that is not known it must make no difference.
    fn either(
        &mut self,
        condition: &ShellCommand,
        runs: Option<bool>,
        node: &ShellCommand,
    ) -> Flow {
        match runs {
            Some(true) => self.node(node),
            Some(false) => Ok(()),
            None => {
                let mut other = self.clone();
                let flow = other.node(node);
                self.same(condition, flow, other)
            }
        }
    }

    /// Goes on where another run, which has begun as this one, leads to the same.
    fn same(&mut self, condition: &ShellCommand, flow: Flow, mut other: Run) -> Flow {
        if flow.is_err() || other.input != self.input || other.called != self.called {
            return Err(match flow {
                Err(Stop::Unclear(line, text)) => Stop::Unclear(line, text),
                _ => Stop::Unclear(condition.line, condition.shown()),
            });
        }
        for (name, value) in &mut self.variables {
            if other.variables.remove(name).as_ref() != Some(&*value) {
                *value = Known::Unknown;
            }
        }
        let more = other.variables.into_keys();
        self.variables
            .extend(more.map(|name| (name, Known::Unknown)));
        self.functions.append(&mut other.functions);
        self.status = None;
        Ok(())
    }

    fn conditional(
        &mut self,
        branches: &[(ShellCommand, ShellCommand)],
        otherwise: &Option<Box<ShellCommand>>,
    ) -> Flow {
        let Some(((condition, then), more)) = branches.split_first() else {
            self.status = Some(0);
            return otherwise.as_ref().map_or(Ok(()), |node| self.node(node));
        };
        self.asked(condition)?;
        match self.status {
            Some(0) => self.node(then),
            Some(_) => self.conditional(more, otherwise),
            None => {
                let mut other = self.clone();
                let flow = other.node(then);
                self.conditional(more, otherwise)?;
                self.same(condition, flow, other)
            }
        }
    }

    fn case(
        &mut self,
        node: &ShellCommand,
        word: &ShellWord,
        arms: &[(Vec<ShellWord>, ShellCommand)],
    ) -> Flow {
        let line = node.line;
        let value = self.value(word, line)?;
        let Known::Text(text) = value else {
            for (_, arm) in arms {
                self.either(node, None, arm)?;
            }
            return Ok(());
        };
        for (patterns, arm) in arms {
            for pattern in patterns {
                let Some(pattern) = self.pattern(pattern, line)? else {
                    return Err(unclear(line, pattern));
                };
                if matches(&pattern, &text) {
                    return self.node(arm);
                }
            }
        }
        self.status = Some(0);
        Ok(())
    }

    fn pipe(&mut self, nodes: &[ShellCommand]) -> Flow {
        let Some((last, before)) = nodes.split_last() else {
            return Ok(());
        };
        let outer = self.clone();
        let mut left = self.input.clone();
        for (position, node) in before.iter().enumerate() {
            let mut side = outer.clone();
            side.input = self.input.clone();
            side.fed |= position > 0;
            side.output = Known::Unknown;
            side.node(node)?;
            if position == 0 {
                left = side.input;
            }
            if side.called != self.called {
                // Its status is lost behind it.
                return Err(Stop::Unclear(node.line, "virt-9p before a |".to_owned()));
            }
            self.input = match side.output {
                Known::Xml => StdinState::Xml,
                _ => StdinState::Unknown,
            };
        }
        self.fed = true;
        let ended = self.node(last);
        self.fed = outer.fed;
        self.variables = outer.variables;
        self.input = left;
        match ended {
            Err(Stop::Ended(_, status)) => self.status = status,
            other => other?,
        }
        Ok(())
    }

    fn simple(
        &mut self,
        line: usize,
        assigned: &[(String, ShellWord)],
        words: &[ShellWord],
        redirections: &[Redirection],
    ) -> Flow {
        let mut status = Some(0);
        for (name, word) in assigned {
            let value = self.value(word, line)?;
            if word
                .parts
                .iter()
                .any(|part| matches!(part, WordPart::Command(_)))
            {
                status = None;
            }
            self.variables.insert(name.clone(), value);
        }
        let values = self.values(words, line)?;
        let from = redirections
            .iter()
            .rev()
            .find(|one| one.operator.starts_with('<'));
        let inner = match from {
            None => None,
            Some(one) if one.operator == "<<<" => Some(match self.value(&one.word, line)? {
                Known::Xml => StdinState::Xml,
                _ => StdinState::Unknown,
            }),
            Some(_) => Some(StdinState::Unknown),
        };
        let outer = self.input.clone();
        let is_redirected = inner.is_some();
        if let Some(inner) = inner {
            self.input = inner;
        }
        let prints = redirections
            .iter()
            .all(|one| !matches!(one.operator, ">" | ">>" | ">|" | "&>" | "&>>"));
        self.output = Known::Unknown;
        self.status = status;
        if !values.is_empty() {
            self.command(line, words, &values, is_redirected || self.fed)?;
        }
        if !prints {
            self.output = Known::Unknown;
        }
        if is_redirected {
            self.input = outer;
        }
        Ok(())
    }

    fn command(
        &mut self,
        line: usize,
        words: &[ShellWord],
        values: &[Known],
        redirected: bool,
    ) -> Flow {
        let text = |position: usize| match values.get(position) {
            Some(Known::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let shown = || {
            let words: Vec<&str> = words.iter().map(|word| word.raw.as_str()).collect();
            words.join(" ")
        };
        let unclear = || Stop::Unclear(line, shown());
        let Some(command) = text(0) else {
            return Err(unclear());
        };
        let name = command.rsplit('/').next().unwrap_or(command);
        let arguments = values.get(1..).unwrap_or_default();
        match name {
            "virt-9p" => {
                return self.call(line, command, words.get(1..).unwrap_or_default(), false);
            }
            "exec" => {
                let keeps_name = text(1) == Some("-a");
                let first = if keeps_name { 3 } else { 1 };
                let rest = words.get(first..).unwrap_or_default();
                let Some(command) = text(first) else {
                    // `exec >file` changes nothing here.
                    return if words.len() == 1 && !redirected {
                        Ok(())
                    } else {
                        Err(unclear())
                    };
                };
                if command.rsplit('/').next() != Some("virt-9p") {
                    return Err(Stop::Ended(line, None));
                }
                let as_hook = keeps_name && text(2).is_some_and(|name| name.contains("hooks/"));
                self.call(line, command, rest.get(1..).unwrap_or_default(), as_hook)?;
                return Err(Stop::Ended(line, self.status));
            }
            "exit" => {
                let status = match arguments {
                    [] => self.status,
                    [Known::Text(status)] => status.parse().ok(),
                    _ => None,
                };
                return Err(Stop::Ended(line, status));
            }
            ":" | "true" | "umask" | "export" | "local" | "readonly" | "ulimit" => {
                for word in words.get(1..).unwrap_or_default() {
                    if let Some((variable, word)) = shell::assignment(word) {
                        let value = self.value(&word, line)?;
                        self.variables.insert(variable, value);
                    }
                }
                self.status = Some(0);
            }
            "false" => self.status = Some(1),
            "set" if text(1).is_some_and(|word| word.starts_with(['-', '+']) && word != "--") => {
                if text(1).is_some_and(|word| word.starts_with('-') && word.contains('e'))
                    || text(2) == Some("errexit")
                {
                    self.errexit = true;
                }
                self.status = Some(0);
            }
            "[" | "test" => {
                let inner = match arguments {
                    [inner @ .., Known::Text(end)] if name == "[" && end == "]" => inner,
                    inner => inner,
                };
                self.status = test(inner);
            }
            "echo" | "printf" => {
                self.status = Some(0);
                if arguments.contains(&Known::Xml) {
                    self.output = Known::Xml;
                }
            }
            "cat" | "tee" => {
                let reads = name == "tee"
                    || arguments.iter().all(|word| {
                        matches!(word, Known::Text(word) if word == "-" || word == "/dev/stdin")
                    });
                self.status = Some(0);
                if reads {
                    self.output = match &self.input {
                        StdinState::Xml => Known::Xml,
                        _ => Known::Unknown,
                    };
                    self.input = StdinState::Gone(line);
                } else if arguments.contains(&Known::Text("/dev/stdin".to_owned())) {
                    return Err(unclear());
                }
            }
            // A line of it at least, and more with dash's buffer.
            "read" if self.input == StdinState::Xml => self.input = StdinState::Gone(line),
            _ if self.functions.iter().any(|function| function == name) => return Err(unclear()),
            _ if QUIET.contains(&name) && !arguments.is_empty() => {
                let asks_for_us = matches!(name, "command" | "type" | "which")
                    && arguments
                        .iter()
                        .any(|word| matches!(word, Known::Text(word) if word.ends_with("virt-9p")));
                let is_question = name != "command" || matches!(text(1), Some("-v" | "-V"));
                if !is_question {
                    return Err(unclear());
                }
                self.status = asks_for_us.then_some(0);
            }
            // Whoever gets another input, or finds nothing there any more, can take nothing away.
            _ if redirected || matches!(self.input, StdinState::Gone(_)) => {
                let is_language = matches!(
                    name,
                    "set"
                        | "shift"
                        | "return"
                        | "break"
                        | "continue"
                        | "eval"
                        | "."
                        | "source"
                        | "trap"
                        | "unset"
                        | "declare"
                        | "typeset"
                        | "alias"
                );
                let is_us = values
                    .iter()
                    .any(|value| matches!(value, Known::Text(word) if word.ends_with("virt-9p")));
                if is_language || is_us {
                    return Err(unclear());
                }
                self.status = None;
            }
            _ => return Err(unclear()),
        }
        Ok(())
    }

    fn call(&mut self, line: usize, command: &str, words: &[ShellWord], named: bool) -> Flow {
        let (as_hook, words) = match words.split_first() {
            Some((first, rest)) if first.raw == "hook" => (true, rest),
            _ => (named, words),
        };
        let raw: Vec<&str> = words.iter().map(|word| word.raw.as_str()).collect();
        let call = if !as_hook {
            Call::CommandLine
        } else if !matches!(
            raw.as_slice(),
            ["\"$@\"" | "$@" | "\"${@}\"" | "$*"]
                | [
                    "\"$1\"" | "$1",
                    "\"$2\"" | "$2",
                    "\"$3\"" | "$3",
                    "\"$4\"" | "$4"
                ]
        ) {
            let words = format!("{command} hook {}", raw.join(" "));
            return Err(Stop::Unclear(line, words));
        } else {
            match self.input {
                StdinState::Xml => Call::Hook,
                StdinState::Gone(reader) => Call::Empty(reader),
                StdinState::Unknown => {
                    let text = "the standard input of virt-9p".to_owned();
                    return Err(Stop::Unclear(line, text));
                }
            }
        };
        let program = if command.starts_with('/') {
            command
        } else {
            PROGRAM
        };
        // Of several calls, one that works is enough.
        if !matches!(self.called, Some((_, Call::Hook))) {
            self.called = Some((program.to_owned(), call));
        }
        self.input = StdinState::Gone(line);
        self.status = Some(match as_hook {
            true => i32::from(self.refuses),
            false => 2,
        });
        Ok(())
    }

    fn values(&mut self, words: &[ShellWord], line: usize) -> Result<Vec<Known>, Stop> {
        words.iter().map(|word| self.value(word, line)).collect()
    }

    fn value(&mut self, word: &ShellWord, line: usize) -> Result<Known, Stop> {
        let mut all = Some(String::new());
        let mut xml = false;
        for part in &word.parts {
            let value = match part {
                WordPart::Text(text, _) => Known::Text(text.clone()),
                WordPart::Variable(name) if name == "?" => match self.status {
                    Some(status) => Known::Text(status.to_string()),
                    None => Known::Unknown,
                },
                WordPart::Variable(name) => {
                    let known = self.variables.get(name).cloned();
                    known.unwrap_or(Known::Unknown)
                }
                WordPart::Command(script) => self.substitution(script, line)?,
                WordPart::Other => Known::Unknown,
            };
            match value {
                // Texts that grow without end are nobody's.
                Known::Text(text) => {
                    all = all.map(|all| all + &text).filter(|all| all.len() < 4096);
                }
                Known::Xml => {
                    xml = true;
                }
                Known::Unknown => all = None,
            }
        }
        Ok(match all {
            Some(text) if xml && text.trim().is_empty() => Known::Xml,
            Some(text) if !xml => Known::Text(text),
            _ => Known::Unknown,
        })
    }

    /// `$(cat)`, `$(</dev/stdin)`, and what else reads or not.
    fn substitution(&mut self, script: &ShellCommand, line: usize) -> Result<Known, Stop> {
        if let CommandKind::List(nodes) = &script.kind
            && let [
                ShellCommand {
                    kind: CommandKind::Simple(assigned, words, redirections),
                    ..
                },
            ] = nodes.as_slice()
            && let [
                Redirection {
                    operator: "<",
                    word,
                },
            ] = redirections.as_slice()
            && assigned.is_empty()
            && words.is_empty()
        {
            if word.raw != "/dev/stdin" {
                return Ok(Known::Unknown);
            }
            let value = match self.input {
                StdinState::Xml => Known::Xml,
                _ => Known::Unknown,
            };
            self.input = StdinState::Gone(line);
            return Ok(value);
        }
        let mut inner = self.clone();
        inner.output = Known::Unknown;
        match inner.node(script) {
            Err(stop @ Stop::Unclear(..)) => return Err(stop),
            Err(Stop::Ended(..)) | Ok(()) => {}
        }
        if inner.called != self.called {
            return Err(Stop::Unclear(line, "virt-9p in $( )".to_owned()));
        }
        self.input = inner.input;
        Ok(inner.output)
    }

    /// The texts between the `*` of a pattern; nothing where it is more than that.
    fn pattern(&mut self, word: &ShellWord, line: usize) -> Result<Option<Vec<String>>, Stop> {
        let mut pieces = vec![String::new()];
        let mut append = |text: &str, ends: bool| {
            if ends {
                pieces.push(String::new());
            }
            if let Some(last) = pieces.last_mut() {
                last.push_str(text);
            }
        };
        for part in &word.parts {
            match part {
                WordPart::Text(text, true) if text.contains(['?', '[']) => return Ok(None),
                WordPart::Text(text, true) => {
                    for (position, piece) in text.split('*').enumerate() {
                        append(piece, position > 0);
                    }
                }
                other => {
                    let parts = vec![other.clone()];
                    let raw = String::new();
                    match self.value(&ShellWord { parts, raw }, line)? {
                        Known::Text(text) => append(&text, false),
                        _ => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(pieces))
    }
}

fn unclear(line: usize, word: &ShellWord) -> Stop {
    Stop::Unclear(line, word.raw.clone())
}

/// Whether a text fits: begins with the first piece, ends with the last, and has the others in
/// between, one after the other.
fn matches(pieces: &[String], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return text.is_empty();
    };
    let Some(mut text) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    let Some((last, between)) = rest.split_last() else {
        return text.is_empty();
    };
    for piece in between {
        let Some((_, behind)) = text.split_once(piece.as_str()) else {
            return false;
        };
        text = behind;
    }
    text.ends_with(last.as_str())
}

/// test(1), and `[[ ]]` with plain words: its status, where it is known.
fn test(values: &[Known]) -> Option<i32> {
    let word = |position: usize| match values.get(position) {
        Some(Known::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    for (operator, decides) in [("||", true), ("&&", false), ("-o", true), ("-a", false)] {
        let at = values
            .iter()
            .position(|value| matches!(value, Known::Text(text) if text == operator));
        if let Some(at) = at {
            let left = test(values.get(..at)?)? == 0;
            let right = test(values.get(at + 1..)?);
            return if left == decides {
                Some(i32::from(!left))
            } else {
                right
            };
        }
    }
    if word(0) == Some("!") {
        return test(values.get(1..)?).map(|status| i32::from(status == 0));
    }
    let fine = match values.len() {
        2 => {
            let is_ours = word(1).is_some_and(|path| path.ends_with("/virt-9p"));
            match word(0)? {
                "-x" | "-e" | "-f" if is_ours => true,
                "-n" if values.get(1) == Some(&Known::Xml) => true,
                "-z" if values.get(1) == Some(&Known::Xml) => false,
                "-n" => !word(1)?.is_empty(),
                "-z" => word(1)?.is_empty(),
                _ => return None,
            }
        }
        3 => {
            let (left, right) = (word(0)?, word(2)?);
            let number = |text: &str| text.parse::<i64>().ok();
            match word(1)? {
                "=" | "==" if !right.contains(['*', '?', '[']) => left == right,
                "!=" if !right.contains(['*', '?', '[']) => left != right,
                "-eq" => number(left)? == number(right)?,
                "-ne" => number(left)? != number(right)?,
                "-gt" => number(left)? > number(right)?,
                "-ge" => number(left)? >= number(right)?,
                "-lt" => number(left)? < number(right)?,
                "-le" => number(left)? <= number(right)?,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(i32::from(!fine))
}
