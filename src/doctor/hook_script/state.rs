//! What is known of a script at some point of it.

use std::collections::BTreeMap;

use super::HookCall;
use crate::ordered;

/// The value of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordValue {
    /// Known to the last byte.
    Text(String),
    /// The domain XML.
    Xml,
    /// Not known.
    Unknown,
}

/// What there is on standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StdinState {
    /// The domain XML, all of it.
    Xml,
    /// Nothing any more: who has read it.
    Gone(usize),
    /// Not known.
    Unknown,
}

/// Why nothing comes after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The script ends in this line, with this status.
    Ended(usize, Option<i32>),
    /// What this line does is not known.
    Unclear(usize, String),
}

/// Whether the script goes on.
pub type Flow = Result<(), Stop>;

/// A script that is being followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Whether virt-9p would end with 1.
    pub refuses: bool,
    /// Variables, and the arguments `0` to `4`.
    pub variables: BTreeMap<String, WordValue>,
    /// Functions that it has defined: what they do is not known.
    pub functions: Vec<String>,
    /// `set -e`, where it counts.
    pub errexit: bool,
    /// What the next command would read.
    pub input: StdinState,
    /// Whether that is another command's output.
    pub fed: bool,
    /// What the last command has printed, for a pipe.
    pub output: WordValue,
    /// That of the last command, where it is known.
    pub status: Option<i32>,
    /// The call of virt-9p that counts: its path, and in which way.
    pub called: Option<(String, HookCall)>,
}

impl Run {
    /// Where the script begins: libvirt has called it for `prepare begin`.
    pub fn new(name: &str, refuses: bool, errexit: bool) -> Self {
        let text =
            |(name, value): (&str, &str)| (name.to_owned(), WordValue::Text(value.to_owned()));
        let words = [
            ("0", name),
            ("2", "prepare"),
            ("3", "begin"),
            ("4", "-"),
            ("#", "4"),
        ];
        Run {
            refuses,
            variables: ordered::map(words.into_iter().map(text)),
            functions: Vec::new(),
            errexit,
            input: StdinState::Xml,
            fed: false,
            output: WordValue::Unknown,
            status: Some(0),
            called: None,
        }
    }
}
