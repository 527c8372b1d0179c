//! One finding: what is wrong, where, how bad, and what to write instead.

use crate::domain::Place;
use crate::lint::catalogue::Code;

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
    /// Whether knowing the host's versions could change the level.
    pub uncertain: bool,
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
            uncertain: false,
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

    /// An error where `certain` is true; a warning that a fact could turn into an error (or take
    /// away) where nothing is known; nothing where it is false.
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
                uncertain: true,
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
}
