//! One finding: what is wrong, where, how bad, and what to write instead.

use crate::domain::Place;
use crate::lint::catalogue::Code;
use crate::lint::fix::Replacement;
use crate::lint::unknown::Unknown;
use crate::text::quoted;

/// How bad it is; the order is that of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// It starts, but something is not as it looks, or depends on what is not known here.
    Warning,
    /// QEMU would refuse to start, the share would not be what the XML says, or granting it
    /// would be unsafe.
    Error,
}

impl Level {
    /// Its word in output.
    pub fn word(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// How many findings there are of each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

impl Counts {
    /// Counts them.
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = Counts::default();
        for finding in findings {
            *match finding.level {
                Level::Error => &mut counts.errors,
                Level::Warning => &mut counts.warnings,
                Level::Note => &mut counts.notes,
            } += 1;
        }
        counts
    }

    /// All of them.
    pub fn all(self) -> usize {
        self.errors + self.warnings + self.notes
    }
}

/// Another place that has to do with a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where it is.
    pub place: Place,
    /// What it has to do with it.
    pub message: String,
}

/// The key of an argument that a finding is about, for what follows from its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// It is not there.
    Lacks(&'static str),
    /// It was most likely meant by what is.
    Meant(&'static str),
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub code: Code,
    /// How bad.
    pub level: Level,
    /// Where.
    pub place: Place,
    /// What is wrong and what QEMU or libvirt does with it.
    pub message: String,
    /// What to do or write instead.
    pub help: Option<String>,
    /// What the level depends on and is not known.
    pub depends: Option<Unknown>,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
    /// The edits that fix it, where there is one right answer; taken together.
    pub fix: Vec<Replacement>,
    /// Which key it is about, where one lacks or is misspelt.
    pub key: Option<Key>,
}

impl Finding {
    /// An error.
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Finding {
            code,
            level: Level::Error,
            place,
            message: message.into(),
            help: None,
            depends: None,
            related: Vec::new(),
            fix: Vec::new(),
            key: None,
        }
    }

    /// A warning.
    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Finding {
            level: Level::Warning,
            ..Finding::error(code, place, message)
        }
    }

    /// A note.
    pub fn note(code: Code, place: Place, message: impl Into<String>) -> Self {
        Finding {
            level: Level::Note,
            ..Finding::error(code, place, message)
        }
    }

    /// An error where `certain` is true; a warning that QEMU's version could turn into an error (or
    /// take away) where it is not known; nothing where it is false.
    pub fn error_if(
        certain: Option<bool>,
        code: Code,
        place: Place,
        message: impl Into<String>,
    ) -> Option<Self> {
        match certain {
            Some(false) => None,
            Some(true) => Some(Finding::error(code, place, message)),
            None => Some(Finding {
                depends: Some(Unknown::Qemu),
                ..Finding::warning(code, place, message)
            }),
        }
    }

    /// The same with this help.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Finding {
            help: Some(help.into()),
            ..self
        }
    }

    /// The same about this key.
    #[must_use]
    pub fn about(self, key: Key) -> Self {
        Finding {
            key: Some(key),
            ..self
        }
    }

    /// The same where the level, if it depends on anything, depends on this.
    #[must_use]
    pub fn depends_on(self, unknown: Unknown) -> Self {
        Finding {
            depends: self.depends.map(|_| unknown),
            ..self
        }
    }

    /// No more than a warning, because this is not known.
    #[must_use]
    pub fn doubtful(self, unknown: Unknown) -> Self {
        Finding {
            level: self.level.min(Level::Warning),
            depends: (self.level == Level::Error)
                .then_some(unknown)
                .or(self.depends),
            ..self
        }
    }

    /// The same with another place that has to do with it.
    #[must_use]
    pub fn with(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push(Related {
            place,
            message: message.into(),
        });
        self
    }

    /// The same with one edit that fixes it, which is its help, too.
    #[must_use]
    pub fn write(self, place: Place, text: impl Into<String>) -> Self {
        let text = text.into();
        let help = format!("write {}", quoted(&text));
        self.fix([Replacement::new(place, text)]).help(help)
    }

    /// The same with edits that fix it, taken together.
    #[must_use]
    pub fn fix(mut self, edits: impl IntoIterator<Item = Replacement>) -> Self {
        self.fix.extend(edits);
        self
    }

    /// Why it is no more and no less than it is, and what would tell.
    pub fn reason(&self) -> Option<String> {
        let (why, how) = self.depends?.words();
        Some(format!("{}{how}", self.because(why)))
    }

    /// What is wrong, and on what the level depends.
    pub fn said(&self) -> String {
        match self.depends {
            Some(unknown) => {
                let because = self.because(unknown.words().0);
                format!("{} ({because})", self.message)
            }
            None => self.message.clone(),
        }
    }

    fn because(&self, why: &str) -> String {
        let article = if self.level == Level::Error {
            "an"
        } else {
            "a"
        };
        format!("{article} {}, because {why}", self.level.word())
    }
}
