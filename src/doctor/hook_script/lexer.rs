//! A shell script as tokens: words with their quotes and expansions, operators, line ends.

use super::tree::{ShellCommand, ShellWord, WordPart};

/// Deeper than people nest.
pub const MOST_DEPTH: usize = 40;

/// What is not read here.
pub struct NotRead;

/// A token, with the line that it begins in.
pub struct ShellToken {
    /// Counted from 1.
    pub line: usize,
    /// Word, operator or line end.
    pub kind: Lexeme,
}

/// What a token is.
pub enum Lexeme {
    /// A word, quotes and expansions in it.
    Word(ShellWord),
    /// `;`, `&&`, `<` and the like.
    Operator(&'static str),
    /// A line end.
    Newline,
}

impl ShellToken {
    /// As it stands, for messages.
    pub fn shown(&self) -> String {
        match &self.kind {
            Lexeme::Word(word) => word.raw.clone(),
            Lexeme::Operator(operator) => (*operator).to_owned(),
            Lexeme::Newline => String::new(),
        }
    }
}

/// Longer ones first.
const OPERATORS: [&str; 18] = [
    "<<<", "&>>", "<<", ">>", "&&", "||", ";;", ">&", "<&", "&>", ">|", "<>", "<", ">", "|", "&",
    ";", "(",
];

/// Takes a script apart.
pub struct Lexer<'s> {
    /// What is not taken yet.
    pub rest: &'s str,
    /// The line that it begins in.
    pub line: usize,
    /// How deep in `$(…)` it stands.
    pub depth: usize,
    /// Reads the script in a `$(…)`, from its line and depth.
    pub commands: fn(&str, usize, usize) -> ShellCommand,
}

impl<'s> Lexer<'s> {
    /// What comes next, for messages.
    pub fn here(&self) -> String {
        self.rest.lines().next().unwrap_or("").trim().to_owned()
    }

    fn eat(&mut self, start: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(start) else {
            return false;
        };
        self.rest = rest;
        self.line += start.matches('\n').count();
        true
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    /// The next token; none at the end.
    ///
    /// # Errors
    /// Where it is not read.
    pub fn next(&mut self) -> Result<Option<ShellToken>, NotRead> {
        loop {
            if self.eat(" ") || self.eat("\t") || self.eat("\\\n") {
                continue;
            }
            if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = self.rest.get(end..).unwrap_or("");
                continue;
            }
            break;
        }
        let line = self.line;
        let kind = if self.rest.is_empty() {
            return Ok(None);
        } else if self.eat("\n") {
            Lexeme::Newline
        } else if self.eat(")") {
            Lexeme::Operator(")")
        } else if let Some(operator) = OPERATORS.iter().find(|operator| self.eat(operator)) {
            // The text below a `<<` would be taken for commands.
            if *operator == "<<" {
                return Err(NotRead);
            }
            Lexeme::Operator(operator)
        } else {
            let word = self.word()?;
            let is_number = word.raw.bytes().all(|byte| byte.is_ascii_digit());
            if is_number && self.rest.starts_with('>') {
                // `2>`: the number is no word.
                return self.next();
            } else if is_number && self.rest.starts_with('<') {
                return Err(NotRead);
            }
            Lexeme::Word(word)
        };
        Ok(Some(ShellToken { line, kind }))
    }

    fn word(&mut self) -> Result<ShellWord, NotRead> {
        let before = self.rest;
        let mut parts = Vec::new();
        while let Some(c) = self.rest.chars().next() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    self.take();
                    let (text, _) = self.rest.split_once('\'').ok_or(NotRead)?;
                    self.eat(text);
                    self.take();
                    parts.push(WordPart::Text(text.to_owned(), false));
                }
                '"' => {
                    self.take();
                    parts.push(WordPart::Text(String::new(), false));
                    while !self.eat("\"") {
                        self.piece(&mut parts, true)?;
                    }
                }
                _ => self.piece(&mut parts, false)?,
            }
        }
        let raw = before.get(..before.len() - self.rest.len()).unwrap_or("");
        Ok(ShellWord {
            parts,
            raw: raw.to_owned(),
        })
    }

    /// A character, an escape or an expansion.
    fn piece(&mut self, parts: &mut Vec<WordPart>, quoted: bool) -> Result<(), NotRead> {
        match self.take().ok_or(NotRead)? {
            '\\' => match self.take().ok_or(NotRead)? {
                '\n' => {}
                c if quoted && !matches!(c, '$' | '`' | '"' | '\\') => {
                    text(parts, '\\', false);
                    text(parts, c, false);
                }
                c => text(parts, c, false),
            },
            '`' => return Err(NotRead),
            '$' => {
                let part = self.expansion()?;
                parts.push(part);
            }
            c => text(parts, c, !quoted),
        }
        Ok(())
    }

    /// What stands behind a `$`.
    fn expansion(&mut self) -> Result<WordPart, NotRead> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.rest.starts_with("((") {
            return Err(NotRead);
        }
        if self.eat("(") {
            let (line, start) = (self.line, self.rest);
            self.closing()?;
            let inner = start.get(..start.len() - self.rest.len() - 1).unwrap_or("");
            if self.depth >= MOST_DEPTH {
                return Err(NotRead);
            }
            return Ok(WordPart::Command(Box::new((self.commands)(
                inner,
                line,
                self.depth + 1,
            ))));
        }
        if self.eat("{") {
            let (inner, _) = self.rest.split_once('}').ok_or(NotRead)?;
            self.eat(inner);
            self.take();
            // A default does not matter where there is a value.
            let name = inner.split([':', '-']).next().unwrap_or("");
            let rest = inner.get(name.len()..).unwrap_or("");
            let is_default = rest.is_empty() || rest.starts_with(":-") || rest.starts_with('-');
            return Ok(
                if is_default && !name.is_empty() && name.chars().all(is_name) {
                    WordPart::Variable(name.to_owned())
                } else {
                    WordPart::Other
                },
            );
        }
        let first = self.rest.chars().next().unwrap_or(' ');
        let length = if matches!(first, '?' | '@' | '*' | '#' | '$' | '!' | '0'..='9') {
            1
        } else {
            self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len())
        };
        let name = self.rest.get(..length).unwrap_or("");
        self.eat(name);
        Ok(match name {
            "" => WordPart::Text("$".to_owned(), false),
            name => WordPart::Variable(name.to_owned()),
        })
    }

    /// To behind the parenthesis that closes what is open.
    fn closing(&mut self) -> Result<(), NotRead> {
        let mut open = 1_usize;
        while open > 0 {
            match self.take().ok_or(NotRead)? {
                '(' => open += 1,
                ')' => open -= 1,
                '\\' => {
                    self.take();
                }
                quote @ ('\'' | '"') => loop {
                    match self.take().ok_or(NotRead)? {
                        '\\' if quote == '"' => {
                            self.take();
                        }
                        c if c == quote => break,
                        _ => {}
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }
}

fn text(parts: &mut Vec<WordPart>, c: char, bare: bool) {
    match parts.last_mut() {
        Some(WordPart::Text(text, is_bare)) if *is_bare == bare => text.push(c),
        _ => parts.push(WordPart::Text(c.into(), bare)),
    }
}
