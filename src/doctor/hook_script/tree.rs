//! A shell script as a tree, as far as hooks need it (POSIX.1-2024, "Shell Command Language").

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordPart {
    /// As it stands; whether a `*` in it is one.
    Text(String, bool),
    /// `$name`, `${name}`, `$1`, `$?`, `$@`.
    Variable(String),
    /// `$(…)`: the script in it.
    Command(Box<ShellCommand>),
    /// An expansion that is not read.
    Other,
}

/// A word, with its text for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellWord {
    /// What it is made of.
    pub parts: Vec<WordPart>,
    /// As it stands in the script.
    pub raw: String,
}

impl ShellWord {
    /// The word, when nothing in it was quoted or is expanded.
    pub fn plain(&self) -> &str {
        match self.parts.as_slice() {
            [WordPart::Text(text, true)] => text,
            _ => "",
        }
    }
}

/// A command, with the line that it begins in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand {
    /// Counted from 1.
    pub line: usize,
    /// Simple, or made of others.
    pub kind: CommandKind,
}

impl ShellCommand {
    /// How its first line begins, for messages.
    pub fn shown(&self) -> String {
        let words = |words: &[ShellWord]| {
            let words: Vec<&str> = words.iter().map(|word| word.raw.as_str()).collect();
            words.join(" ")
        };
        match &self.kind {
            CommandKind::Simple(_, all, _) => words(all),
            CommandKind::Test(all) => format!("[[ {} ]]", words(all)),
            CommandKind::Case(word, _) => format!("case {} in", word.raw),
            CommandKind::Loop(..) => "the loop".to_owned(),
            CommandKind::List(nodes) | CommandKind::Pipe(nodes) => {
                nodes.first().map_or(String::new(), ShellCommand::shown)
            }
            CommandKind::And(left, _) | CommandKind::Or(left, _) => left.shown(),
            CommandKind::Not(inner) | CommandKind::Subshell(inner) => inner.shown(),
            CommandKind::If(branches, _) => {
                let first = branches.first().map(|(condition, _)| condition.shown());
                format!("if {}", first.unwrap_or_default())
            }
            CommandKind::Function(name) | CommandKind::Unread(name) => name.clone(),
        }
    }
}

/// What a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandKind {
    /// Assignments, words, redirections.
    Simple(Vec<(String, ShellWord)>, Vec<ShellWord>, Vec<Redirection>),
    /// `[[ … ]]`: the words, operators among them.
    Test(Vec<ShellWord>),
    /// One after the other.
    List(Vec<ShellCommand>),
    /// `a | b`
    Pipe(Vec<ShellCommand>),
    /// `a && b`
    And(Box<ShellCommand>, Box<ShellCommand>),
    /// `a || b`
    Or(Box<ShellCommand>, Box<ShellCommand>),
    /// `! a`
    Not(Box<ShellCommand>),
    /// Conditions with what is done then, and what else.
    If(Vec<(ShellCommand, ShellCommand)>, Option<Box<ShellCommand>>),
    /// A word, and patterns with what is done then.
    Case(ShellWord, Vec<(Vec<ShellWord>, ShellCommand)>),
    /// A loop: its variable, condition and body as one list.
    Loop(Option<String>, Box<ShellCommand>),
    /// `( … )`
    Subshell(Box<ShellCommand>),
    /// `name() …`
    Function(String),
    /// Up to here it could be read; what stands there.
    Unread(String),
}

/// `<file`, `<<<word`, `>file`; which descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirection {
    /// `<` and its kin begin with it.
    pub operator: &'static str,
    /// Where to or from.
    pub word: ShellWord,
}

/// `name=word`
pub fn assignment(word: &ShellWord) -> Option<(String, ShellWord)> {
    let Some((WordPart::Text(first, true), rest)) = word.parts.split_first() else {
        return None;
    };
    let (name, value) = first.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| {
        let mut parts = vec![WordPart::Text(value.to_owned(), true)];
        parts.extend_from_slice(rest);
        let raw = word.raw.clone();
        (name.to_owned(), ShellWord { parts, raw })
    })
}
