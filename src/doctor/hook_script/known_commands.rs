//! What single commands do to the state: those that are known.

use super::HookCall;
use super::state::{Flow, Run, StdinState, Stop, WordValue};
use super::test_command::test;
use super::tree::{self, ShellWord};

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
    /// Runs a command of these words, whose values are known or not.
    pub fn command(
        &mut self,
        line: usize,
        words: &[ShellWord],
        values: &[WordValue],
        redirected: bool,
    ) -> Flow {
        let text = |position: usize| match values.get(position) {
            Some(WordValue::Text(text)) => Some(text.as_str()),
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
                    [WordValue::Text(status)] => status.parse().ok(),
                    _ => None,
                };
                return Err(Stop::Ended(line, status));
            }
            ":" | "true" | "umask" | "export" | "local" | "readonly" | "ulimit" => {
                for word in words.get(1..).unwrap_or_default() {
                    if let Some((variable, word)) = tree::assignment(word) {
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
                    [inner @ .., WordValue::Text(end)] if name == "[" && end == "]" => inner,
                    inner => inner,
                };
                self.status = test(inner);
            }
            "echo" | "printf" => {
                self.status = Some(0);
                if arguments.contains(&WordValue::Xml) {
                    self.output = WordValue::Xml;
                }
            }
            "cat" | "tee" => {
                let reads = name == "tee"
                    || arguments.iter().all(|word| {
                        matches!(word, WordValue::Text(word) if word == "-" || word == "/dev/stdin")
                    });
                self.status = Some(0);
                if reads {
                    self.output = match &self.input {
                        StdinState::Xml => WordValue::Xml,
                        _ => WordValue::Unknown,
                    };
                    self.input = StdinState::Gone(line);
                } else if arguments.contains(&WordValue::Text("/dev/stdin".to_owned())) {
                    return Err(unclear());
                }
            }
            // A line of it at least, and more with dash's buffer.
            "read" if self.input == StdinState::Xml => self.input = StdinState::Gone(line),
            _ if self.functions.iter().any(|function| function == name) => return Err(unclear()),
            _ if QUIET.contains(&name) && !arguments.is_empty() => {
                let asks_for_us = matches!(name, "command" | "type" | "which")
                    && arguments.iter().any(
                        |word| matches!(word, WordValue::Text(word) if word.ends_with("virt-9p")),
                    );
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
                let is_us = values.iter().any(
                    |value| matches!(value, WordValue::Text(word) if word.ends_with("virt-9p")),
                );
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
            HookCall::CommandLine
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
                StdinState::Xml => HookCall::Hook,
                StdinState::Gone(reader) => HookCall::Empty(reader),
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
        if !matches!(self.called, Some((_, HookCall::Hook))) {
            self.called = Some((program.to_owned(), call));
        }
        self.input = StdinState::Gone(line);
        self.status = Some(match as_hook {
            true => i32::from(self.refuses),
            false => 2,
        });
        Ok(())
    }
}
