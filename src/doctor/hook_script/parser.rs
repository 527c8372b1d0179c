//! From tokens to the tree. What is not read here makes the rest of the script unread, never a
//! guess.

use super::lexer::{Lexeme, Lexer, MOST_DEPTH, NotRead, ShellToken};
use super::tree::{CommandKind, Redirection, ShellCommand, ShellWord, WordPart, assignment};

/// Larger than people write hooks.
const MOST_BYTES: usize = 64 << 10;

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
        commands: read_at,
    };
    let mut tokens = Vec::new();
    let end = loop {
        match lexer.next() {
            Ok(Some(token)) => tokens.push(token),
            Ok(None) => break None,
            Err(NotRead) => break Some((lexer.line, lexer.here())),
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
        Err(NotRead) => {
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

    fn expect(&mut self, keyword: &str) -> Result<(), NotRead> {
        if self.eat_keyword(keyword) {
            Ok(())
        } else {
            Err(NotRead)
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
    fn list(&mut self, nodes: &mut Vec<ShellCommand>) -> Result<(), NotRead> {
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
                return Err(NotRead);
            }
            self.eat(";");
        }
    }

    /// A list as one command.
    fn block(&mut self) -> Result<ShellCommand, NotRead> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(NotRead);
        }
        let line = self.line;
        let mut nodes = Vec::new();
        self.list(&mut nodes)?;
        self.depth -= 1;
        let kind = CommandKind::List(nodes);
        Ok(ShellCommand { line, kind })
    }

    fn and_or(&mut self) -> Result<ShellCommand, NotRead> {
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
        Err(NotRead)
    }

    fn pipe(&mut self) -> Result<ShellCommand, NotRead> {
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

    fn command(&mut self) -> Result<ShellCommand, NotRead> {
        let keyword = self.keyword().to_owned();
        let operator = self.operator();
        let line = self.line;
        let kind = match keyword.as_str() {
            "if" => self.conditional()?,
            "case" => self.case()?,
            "for" => {
                self.tokens.next();
                let name = self.word().ok_or(NotRead)?.raw;
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
            "function" | "select" | "coproc" | "time" => return Err(NotRead),
            "[[" => self.test()?,
            _ if operator == Some("(") => {
                self.tokens.next();
                let body = self.block()?;
                if !self.eat(")") {
                    return Err(NotRead);
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
            Some(_) => Err(NotRead),
        }
    }

    fn conditional(&mut self) -> Result<CommandKind, NotRead> {
        let mut branches = Vec::new();
        while self.eat_keyword("if") || self.eat_keyword("elif") {
            let condition = self.block()?;
            self.expect("then")?;
            if branches.len() >= MOST_DEPTH {
                return Err(NotRead);
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

    fn case(&mut self) -> Result<CommandKind, NotRead> {
        self.tokens.next();
        let word = self.word().ok_or(NotRead)?;
        self.newlines();
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines();
            if self.eat_keyword("esac") {
                return Ok(CommandKind::Case(word, arms));
            }
            self.eat("(");
            let mut patterns = vec![self.word().ok_or(NotRead)?];
            while self.eat("|") {
                patterns.push(self.word().ok_or(NotRead)?);
            }
            if !self.eat(")") {
                return Err(NotRead);
            }
            arms.push((patterns, self.block()?));
            if !self.eat(";;") && self.keyword() != "esac" {
                return Err(NotRead);
            }
        }
    }

    fn test(&mut self) -> Result<CommandKind, NotRead> {
        self.tokens.next();
        let mut words = Vec::new();
        while !self.eat_keyword("]]") {
            let token = self.tokens.next().ok_or(NotRead)?;
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

    fn simple(&mut self, line: usize) -> Result<ShellCommand, NotRead> {
        let (mut assigned, mut redirections) = (Vec::new(), Vec::new());
        let mut words: Vec<ShellWord> = Vec::new();
        loop {
            match self.operator() {
                // `name()`, which nothing else can be.
                Some("(") if words.len() == 1 && redirections.is_empty() => {
                    self.tokens.next();
                    if !self.eat(")") {
                        return Err(NotRead);
                    }
                    self.newlines();
                    // Only a block can be its body here, and blocks are counted.
                    if self.keyword() != "{" {
                        return Err(NotRead);
                    }
                    self.command()?;
                    let name = words.remove(0);
                    let kind = CommandKind::Function(name.raw);
                    return Ok(ShellCommand { line, kind });
                }
                Some(operator) if operator.contains(['<', '>']) => {
                    self.tokens.next();
                    let word = self.word().ok_or(NotRead)?;
                    redirections.push(Redirection { operator, word });
                }
                Some("(") => return Err(NotRead),
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
            return Err(NotRead);
        }
        let kind = CommandKind::Simple(assigned, words, redirections);
        Ok(ShellCommand { line, kind })
    }
}
