//! libvirt's configuration files, by its own grammar (virconf.c; tried on libvirt 9.0): lines of
//! `name = value`, where a value is a string in single, double or three double quotes, a number,
//! or a list of values in brackets, which may go over lines; `#` begins a comment, but not in a
//! list. Of two lines with one name the first counts, because virConfGetValue takes the first it
//! meets.

use crate::text::find_byte;

/// What stands behind a `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfValue {
    /// In quotes.
    Text(String),
    /// Not in quotes.
    Number(i64),
    /// In brackets.
    List(Vec<ConfValue>),
}

impl ConfValue {
    fn as_text(&self) -> Option<&str> {
        match self {
            ConfValue::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What a file sets, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conf(Vec<(String, ConfValue)>);

impl Conf {
    /// Reads a file up to its first mistake, where libvirt refuses all of it.
    pub fn read(text: &str) -> Conf {
        let mut conf = Conf::default();
        let mut at = Cursor(text);
        while let Some(setting) = at.setting() {
            conf.0.push(setting);
        }
        conf
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&ConfValue> {
        let mut settings = self.0.iter();
        settings
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Whether `name` stands there more than once.
    pub fn repeats(&self, name: &str) -> bool {
        self.0.iter().filter(|(known, _)| known == name).count() > 1
    }

    /// The value of `name`, where it is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    /// The value of `name`, where it is a list of strings; a string alone is a list of one.
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        match self.get(name)? {
            ConfValue::List(list) => list.iter().map(ConfValue::as_text).collect(),
            value => value.as_text().map(|text| vec![text]),
        }
    }

    /// The value of `name`, where it is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            ConfValue::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// What is left to read.
struct Cursor<'t>(&'t str);

impl<'t> Cursor<'t> {
    fn setting(&mut self) -> Option<(String, ConfValue)> {
        self.separators();
        let name = self.0.split(|c: char| !is_name(c)).next()?;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        self.0 = self.0.strip_prefix(name)?;
        self.blanks();
        self.0 = self.0.strip_prefix('=')?;
        self.blanks();
        let value = self.value()?;
        self.blanks();
        let ends = self.0.is_empty() || self.0.starts_with(['#', '\n', '\r']);
        ends.then(|| (name.to_owned(), value))
    }

    fn value(&mut self) -> Option<ConfValue> {
        // A list in a list is nothing that any setting takes.
        if self.0.starts_with('[') {
            return self.list();
        }
        self.scalar()
    }

    fn scalar(&mut self) -> Option<ConfValue> {
        for quote in ["\"\"\"", "\"", "'"] {
            if let Some(rest) = self.0.strip_prefix(quote) {
                let (text, rest) = rest.split_once(quote)?;
                if quote.len() == 1 && text.contains('\n') {
                    return None;
                }
                self.0 = rest;
                return Some(ConfValue::Text(text.to_owned()));
            }
        }
        let digits = self.0.strip_prefix('-').unwrap_or(self.0);
        let length = digits.len()
            - digits
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let (number, rest) = self
            .0
            .split_at_checked(self.0.len() - digits.len() + length)?;
        let number = number.parse().ok()?;
        self.0 = rest;
        Some(ConfValue::Number(number))
    }

    fn list(&mut self) -> Option<ConfValue> {
        let mut list = Vec::new();
        self.0 = self.0.strip_prefix('[')?;
        loop {
            self.white_space();
            if let Some(rest) = self.0.strip_prefix(']') {
                self.0 = rest;
                return Some(ConfValue::List(list));
            }
            list.push(self.scalar()?);
            self.white_space();
            match self.0.strip_prefix(',') {
                Some(rest) => self.0 = rest,
                None if self.0.starts_with(']') => {}
                None => return None,
            }
        }
    }

    fn white_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// Blanks, line ends and comments.
    fn separators(&mut self) {
        loop {
            self.white_space();
            if !self.0.starts_with('#') {
                return;
            }
            // All that the file of a distribution has.
            let end = find_byte(self.0.as_bytes(), b'\n');
            self.0 = end.and_then(|at| self.0.get(at..)).unwrap_or("");
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts() {
        let conf = Conf::read("#a = \"x\"\n  a = \"y\" # z\na = \"z\"\nab = 'w'\n\nn=-7\n");
        assert_eq!(conf.text("a"), Some("y"));
        assert_eq!(conf.text("ab"), Some("w"));
        assert_eq!(conf.number("n"), Some(-7));
        assert_eq!(conf.get("b"), None);
        assert_eq!((conf.repeats("a"), conf.repeats("ab")), (true, false));
    }

    #[test]
    fn lists_go_over_lines() {
        let text = "l = [ \"a#b\",\n  'd',\n  \"\"\"e\n\"f\" g\"\"\", ]\nempty = []\none = \"g\"\n";
        let conf = Conf::read(text);
        assert_eq!(
            conf.texts("l"),
            Some(vec!["a#b", "d", "e\n\"f\" g"]),
            "{conf:?}"
        );
        assert_eq!(conf.texts("empty"), Some(vec![]));
        assert_eq!(conf.texts("one"), Some(vec!["g"]));
    }

    #[test]
    fn nothing_is_read_behind_a_mistake() {
        for wrong in [
            "group=wheel",
            "1=2",
            "x = \"y\" z",
            "l = [ \"a\" \"b\" ]",
            "s = \"t",
            "n = -",
            "l = [ \"a\", # b\n ]",
            "s = \"t\nu\"",
        ] {
            let conf = Conf::read(&format!("a = 1\n{wrong}\nb = 2\n"));
            assert_eq!(
                (conf.number("a"), conf.number("b")),
                (Some(1), None),
                "{wrong}"
            );
        }
    }
}
