//! A shell script as a tree, as far as hooks need it (POSIX.1-2024, "Shell Command Language").
//! What is not read here makes the rest of the script unread, never a guess.

/// Deeper than people nest.
const MOST_DEPTH: usize = 40;

/// Larger than people write hooks.
const MOST_BYTES: usize = 64 << 10;

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
    fn plain(&self) -> &str {
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
    /// What it is.
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

/// Reads a script.
pub fn read(script: &str) -> ShellCommand {
    if script.len() > MOST_BYTES {
        let unread = CommandKind::Unread("a script of more than 64 KiB".to_owned());
        return ShellCommand {
            line: 1,
            kind: unread,
        };
    }
    read_at(script, 1, 0)
}

fn read_at(script: &str, line: usize, depth: usize) -> ShellCommand {
    let mut lexer = Lexer {
        rest: script,
        line,
        depth,
    };
    let mut tokens = Vec::new();
    let end = loop {
        match lexer.next() {
            Ok(Some(token)) => tokens.push(token),
            Ok(None) => break None,
            Err(Unreadable) => break Some((lexer.line, lexer.here())),
        }
    };
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        line,
        depth,
    };
    let mut nodes = Vec::new();
    let unread = match parser.list(&mut nodes) {
        Ok(()) => parser
            .tokens
            .peek()
            .map(|token| (token.line, token.shown()))
            .or(end),
        Err(Unreadable) => {
            let shown = parser.tokens.peek().map(ShellToken::shown);
            Some((parser.line, shown.unwrap_or_default()))
        }
    };
    nodes.extend(unread.map(|(line, text)| ShellCommand {
        line,
        kind: CommandKind::Unread(text),
    }));
    ShellCommand {
        line,
        kind: CommandKind::List(nodes),
    }
}

struct Unreadable;

struct ShellToken {
    line: usize,
    kind: Lexeme,
}

enum Lexeme {
    Word(ShellWord),
    Operator(&'static str),
    Newline,
}

impl ShellToken {
    fn shown(&self) -> String {
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

struct Lexer<'s> {
    rest: &'s str,
    line: usize,
    depth: usize,
}

impl<'s> Lexer<'s> {
    fn here(&self) -> String {
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

    fn next(&mut self) -> Result<Option<ShellToken>, Unreadable> {
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
                return Err(Unreadable);
            }
            Lexeme::Operator(operator)
        } else {
            let word = self.word()?;
            let is_number = word.raw.bytes().all(|byte| byte.is_ascii_digit());
            if is_number && self.rest.starts_with('>') {
                // `2>`: the number is no word.
                return self.next();
            } else if is_number && self.rest.starts_with('<') {
                return Err(Unreadable);
            }
            Lexeme::Word(word)
        };
        Ok(Some(ShellToken { line, kind }))
    }

    fn word(&mut self) -> Result<ShellWord, Unreadable> {
        let before = self.rest;
        let mut parts = Vec::new();
        while let Some(c) = self.rest.chars().next() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    self.take();
                    let (text, _) = self.rest.split_once('\'').ok_or(Unreadable)?;
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
    fn piece(&mut self, parts: &mut Vec<WordPart>, quoted: bool) -> Result<(), Unreadable> {
        match self.take().ok_or(Unreadable)? {
            '\\' => match self.take().ok_or(Unreadable)? {
                '\n' => {}
                c if quoted && !matches!(c, '$' | '`' | '"' | '\\') => {
                    text(parts, '\\', false);
                    text(parts, c, false);
                }
                c => text(parts, c, false),
            },
            '`' => return Err(Unreadable),
            '$' => {
                let part = self.expansion()?;
                parts.push(part);
            }
            c => text(parts, c, !quoted),
        }
        Ok(())
    }

    /// What stands behind a `$`.
    fn expansion(&mut self) -> Result<WordPart, Unreadable> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.rest.starts_with("((") {
            return Err(Unreadable);
        }
        if self.eat("(") {
            let (line, start) = (self.line, self.rest);
            self.closing()?;
            let inner = start.get(..start.len() - self.rest.len() - 1).unwrap_or("");
            if self.depth >= MOST_DEPTH {
                return Err(Unreadable);
            }
            return Ok(WordPart::Command(Box::new(read_at(
                inner,
                line,
                self.depth + 1,
            ))));
        }
        if self.eat("{") {
            let (inner, _) = self.rest.split_once('}').ok_or(Unreadable)?;
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
    fn closing(&mut self) -> Result<(), Unreadable> {
        let mut open = 1_usize;
        while open > 0 {
            match self.take().ok_or(Unreadable)? {
                '(' => open += 1,
                ')' => open -= 1,
                '\\' => {
                    self.take();
                }
                quote @ ('\'' | '"') => loop {
                    match self.take().ok_or(Unreadable)? {
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

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<ShellToken>>,
    /// Of the token that was last looked at.
    line: usize,
    depth: usize,
}

/// Words that end a list when they begin a command.
const CLOSING: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

impl Parser {
    fn operator(&mut self) -> Option<&'static str> {
        let token = self.tokens.peek()?;
        self.line = token.line;
        match token.kind {
            Lexeme::Operator(operator) => Some(operator),
            _ => None,
        }
    }

    fn eat(&mut self, operator: &str) -> bool {
        let eaten = self.operator() == Some(operator);
        if eaten {
            self.tokens.next();
        }
        eaten
    }

    /// The next token as a word that may be one of the language's own.
    fn keyword(&mut self) -> &str {
        match self.tokens.peek() {
            Some(ShellToken {
                kind: Lexeme::Word(word),
                line,
            }) => {
                self.line = *line;
                word.plain()
            }
            _ => "",
        }
    }

    fn eat_keyword(&mut self, keyword: &str) -> bool {
        let eaten = self.keyword() == keyword;
        if eaten {
            self.tokens.next();
        }
        eaten
    }

    fn expect(&mut self, keyword: &str) -> Result<(), Unreadable> {
        if self.eat_keyword(keyword) {
            Ok(())
        } else {
            Err(Unreadable)
        }
    }

    fn newlines(&mut self) {
        while let Some(ShellToken {
            kind: Lexeme::Newline,
            ..
        }) = self.tokens.peek()
        {
            self.tokens.next();
        }
    }

    fn word(&mut self) -> Option<ShellWord> {
        match self.tokens.peek() {
            Some(ShellToken {
                kind: Lexeme::Word(_),
                ..
            }) => match self.tokens.next()?.kind {
                Lexeme::Word(word) => Some(word),
                _ => None,
            },
            _ => None,
        }
    }

    /// Commands up to what closes the construct around them; those before a mistake are kept.
    fn list(&mut self, nodes: &mut Vec<ShellCommand>) -> Result<(), Unreadable> {
        loop {
            self.newlines();
            if self.tokens.peek().is_none()
                || matches!(self.operator(), Some(")" | ";;"))
                || CLOSING.contains(&self.keyword())
            {
                return Ok(());
            }
            nodes.push(self.and_or()?);
            // What runs beside the script may read what it reads.
            if self.operator() == Some("&") {
                return Err(Unreadable);
            }
            self.eat(";");
        }
    }

    /// A list as one command.
    fn block(&mut self) -> Result<ShellCommand, Unreadable> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Unreadable);
        }
        let line = self.line;
        let mut nodes = Vec::new();
        self.list(&mut nodes)?;
        self.depth -= 1;
        let kind = CommandKind::List(nodes);
        Ok(ShellCommand { line, kind })
    }

    fn and_or(&mut self) -> Result<ShellCommand, Unreadable> {
        let mut left = self.pipe()?;
        // Each is one level of the tree.
        for _ in 0..MOST_DEPTH {
            let is_and = match self.operator() {
                Some("&&") => true,
                Some("||") => false,
                _ => return Ok(left),
            };
            self.tokens.next();
            self.newlines();
            let right = Box::new(self.pipe()?);
            let line = left.line;
            let left_box = Box::new(left);
            let kind = if is_and {
                CommandKind::And(left_box, right)
            } else {
                CommandKind::Or(left_box, right)
            };
            left = ShellCommand { line, kind };
        }
        Err(Unreadable)
    }

    fn pipe(&mut self) -> Result<ShellCommand, Unreadable> {
        let is_not = self.eat_keyword("!");
        let first = self.command()?;
        let line = first.line;
        let mut all = vec![first];
        while self.eat("|") {
            self.newlines();
            all.push(self.command()?);
        }
        let node = match all.len() {
            1 => all.remove(0),
            _ => ShellCommand {
                line,
                kind: CommandKind::Pipe(all),
            },
        };
        Ok(if is_not {
            let kind = CommandKind::Not(Box::new(node));
            ShellCommand { line, kind }
        } else {
            node
        })
    }

    fn command(&mut self) -> Result<ShellCommand, Unreadable> {
        let keyword = self.keyword().to_owned();
        let operator = self.operator();
        let line = self.line;
        let kind = match keyword.as_str() {
            "if" => self.conditional()?,
            "case" => self.case()?,
            "for" => {
                self.tokens.next();
                let name = self.word().ok_or(Unreadable)?.raw;
                self.newlines();
                if self.eat_keyword("in") {
                    while self.word().is_some() {}
                }
                self.eat(";");
                self.newlines();
                self.expect("do")?;
                let body = self.block()?;
                self.expect("done")?;
                CommandKind::Loop(Some(name), Box::new(body))
            }
            "while" | "until" => {
                self.tokens.next();
                let condition = self.block()?;
                self.expect("do")?;
                let body = self.block()?;
                self.expect("done")?;
                let both = CommandKind::List(vec![condition, body]);
                CommandKind::Loop(None, Box::new(ShellCommand { line, kind: both }))
            }
            "{" => {
                self.tokens.next();
                let body = self.block()?;
                self.expect("}")?;
                body.kind
            }
            "function" | "select" | "coproc" | "time" => return Err(Unreadable),
            "[[" => self.test()?,
            _ if operator == Some("(") => {
                self.tokens.next();
                let body = self.block()?;
                if !self.eat(")") {
                    return Err(Unreadable);
                }
                CommandKind::Subshell(Box::new(body))
            }
            _ => return self.simple(line),
        };
        // A redirection of all of it is not followed.
        match self.operator() {
            Some(")" | ";" | ";;" | "&&" | "||" | "|" | "&") | None => {
                Ok(ShellCommand { line, kind })
            }
            Some(_) => Err(Unreadable),
        }
    }

    fn conditional(&mut self) -> Result<CommandKind, Unreadable> {
        let mut branches = Vec::new();
        while self.eat_keyword("if") || self.eat_keyword("elif") {
            let condition = self.block()?;
            self.expect("then")?;
            if branches.len() >= MOST_DEPTH {
                return Err(Unreadable);
            }
            branches.push((condition, self.block()?));
        }
        let otherwise = if self.eat_keyword("else") {
            Some(Box::new(self.block()?))
        } else {
            None
        };
        self.expect("fi")?;
        Ok(CommandKind::If(branches, otherwise))
    }

    fn case(&mut self) -> Result<CommandKind, Unreadable> {
        self.tokens.next();
        let word = self.word().ok_or(Unreadable)?;
        self.newlines();
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines();
            if self.eat_keyword("esac") {
                return Ok(CommandKind::Case(word, arms));
            }
            self.eat("(");
            let mut patterns = vec![self.word().ok_or(Unreadable)?];
            while self.eat("|") {
                patterns.push(self.word().ok_or(Unreadable)?);
            }
            if !self.eat(")") {
                return Err(Unreadable);
            }
            arms.push((patterns, self.block()?));
            if !self.eat(";;") && self.keyword() != "esac" {
                return Err(Unreadable);
            }
        }
    }

    fn test(&mut self) -> Result<CommandKind, Unreadable> {
        self.tokens.next();
        let mut words = Vec::new();
        while !self.eat_keyword("]]") {
            let token = self.tokens.next().ok_or(Unreadable)?;
            words.push(match token.kind {
                Lexeme::Word(word) => word,
                Lexeme::Operator(operator) => ShellWord {
                    parts: vec![WordPart::Text(operator.to_owned(), true)],
                    raw: operator.to_owned(),
                },
                Lexeme::Newline => continue,
            });
        }
        Ok(CommandKind::Test(words))
    }

    fn simple(&mut self, line: usize) -> Result<ShellCommand, Unreadable> {
        let (mut assigned, mut redirections) = (Vec::new(), Vec::new());
        let mut words: Vec<ShellWord> = Vec::new();
        loop {
            match self.operator() {
                // `name()`, which nothing else can be.
                Some("(") if words.len() == 1 && redirections.is_empty() => {
                    self.tokens.next();
                    if !self.eat(")") {
                        return Err(Unreadable);
                    }
                    self.newlines();
                    // Only a block can be its body here, and blocks are counted.
                    if self.keyword() != "{" {
                        return Err(Unreadable);
                    }
                    self.command()?;
                    let name = words.remove(0);
                    let kind = CommandKind::Function(name.raw);
                    return Ok(ShellCommand { line, kind });
                }
                Some(operator) if operator.contains(['<', '>']) => {
                    self.tokens.next();
                    let word = self.word().ok_or(Unreadable)?;
                    redirections.push(Redirection { operator, word });
                }
                Some("(") => return Err(Unreadable),
                Some(_) => break,
                None => match self.word() {
                    None => break,
                    Some(word) => match assignment(&word).filter(|_| words.is_empty()) {
                        Some(pair) => assigned.push(pair),
                        None => words.push(word),
                    },
                },
            }
        }
        if assigned.is_empty() && words.is_empty() && redirections.is_empty() {
            return Err(Unreadable);
        }
        let kind = CommandKind::Simple(assigned, words, redirections);
        Ok(ShellCommand { line, kind })
    }
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
