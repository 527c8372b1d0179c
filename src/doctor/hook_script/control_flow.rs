//! Which commands of a script run, and in which state.

use super::state::{Flow, Run, StdinState, Stop, WordValue};
use super::test_command::test;
use super::tree::{CommandKind, Redirection, ShellCommand, ShellWord, WordPart};

impl Run {
    /// Runs a command and all in it.
    pub fn node(&mut self, node: &ShellCommand) -> Flow {
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
                    self.variables.insert(variable.clone(), WordValue::Unknown);
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
            if other.variables.get(name) != Some(&*value) {
                *value = WordValue::Unknown;
            }
        }
        for name in other.variables.keys() {
            if !self.variables.contains_key(name) {
                self.variables.insert(name.clone(), WordValue::Unknown);
            }
        }
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
        let WordValue::Text(text) = value else {
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
            side.output = WordValue::Unknown;
            side.node(node)?;
            if position == 0 {
                left = side.input;
            }
            if side.called != self.called {
                // Its status is lost behind it.
                return Err(Stop::Unclear(node.line, "virt-9p before a |".to_owned()));
            }
            self.input = match side.output {
                WordValue::Xml => StdinState::Xml,
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
                WordValue::Xml => StdinState::Xml,
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
        self.output = WordValue::Unknown;
        self.status = status;
        if !values.is_empty() {
            self.command(line, words, &values, is_redirected || self.fed)?;
        }
        if !prints {
            self.output = WordValue::Unknown;
        }
        if is_redirected {
            self.input = outer;
        }
        Ok(())
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
