//! What the words of a command stand for.

use super::state::{Run, StdinState, Stop, WordValue};
use super::tree::{CommandKind, Redirection, ShellCommand, ShellWord, WordPart};

impl Run {
    /// The value of each word.
    ///
    /// # Errors
    /// Where what an expansion does is not known.
    pub fn values(&mut self, words: &[ShellWord], line: usize) -> Result<Vec<WordValue>, Stop> {
        words.iter().map(|word| self.value(word, line)).collect()
    }

    /// The value of a word, its expansions carried out.
    ///
    /// # Errors
    /// Where what an expansion does is not known.
    pub fn value(&mut self, word: &ShellWord, line: usize) -> Result<WordValue, Stop> {
        let mut all = Some(String::new());
        let mut xml = false;
        for part in &word.parts {
            let value = match part {
                WordPart::Text(text, _) => WordValue::Text(text.clone()),
                WordPart::Variable(name) if name == "?" => match self.status {
                    Some(status) => WordValue::Text(status.to_string()),
                    None => WordValue::Unknown,
                },
                WordPart::Variable(name) => {
                    let known = self.variables.get(name).cloned();
                    known.unwrap_or(WordValue::Unknown)
                }
                WordPart::Command(script) => self.substitution(script, line)?,
                WordPart::Other => WordValue::Unknown,
            };
            match value {
                // Texts that grow without end are nobody's.
                WordValue::Text(text) => {
                    all = all.map(|all| all + &text).filter(|all| all.len() < 4096);
                }
                WordValue::Xml => {
                    xml = true;
                }
                WordValue::Unknown => all = None,
            }
        }
        Ok(match all {
            Some(text) if xml && text.trim().is_empty() => WordValue::Xml,
            Some(text) if !xml => WordValue::Text(text),
            _ => WordValue::Unknown,
        })
    }

    /// `$(cat)`, `$(</dev/stdin)`, and what else reads or not.
    fn substitution(&mut self, script: &ShellCommand, line: usize) -> Result<WordValue, Stop> {
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
                return Ok(WordValue::Unknown);
            }
            let value = match self.input {
                StdinState::Xml => WordValue::Xml,
                _ => WordValue::Unknown,
            };
            self.input = StdinState::Gone(line);
            return Ok(value);
        }
        let mut inner = self.clone();
        inner.output = WordValue::Unknown;
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
    ///
    /// # Errors
    /// As [`Run::value`].
    pub fn pattern(&mut self, word: &ShellWord, line: usize) -> Result<Option<Vec<String>>, Stop> {
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
                        WordValue::Text(text) => append(&text, false),
                        _ => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(pieces))
    }
}
