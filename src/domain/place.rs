//! What a finding points at: a place in the domain XML, or in a raw argument.

use std::ops::Range;

use crate::domain::Domain;
use crate::text::Span;

/// What a finding points at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// The domain as a whole.
    Domain,
    /// A range of the XML text.
    Xml(Span),
    /// Bytes of a raw argument: index into `Domain::args`, and the range in its value.
    Arg(usize, Range<usize>),
}

impl Place {
    /// Tells places apart, and orders them.
    pub fn key(&self) -> (usize, usize, usize) {
        match self {
            Place::Domain => (0, 0, 0),
            Place::Xml(span) => (1, span.start, span.end),
            Place::Arg(index, range) => (index + 2, range.start, range.end),
        }
    }

    /// The range of the XML text, in `text`, from which `domain` was read.
    pub fn span(&self, domain: &Domain, text: &str) -> Span {
        match self {
            Place::Domain => domain.tag,
            Place::Xml(span) => *span,
            Place::Arg(index, range) => domain
                .args
                .get(*index)
                .map_or(Span::default(), |arg| arg.locate(text, range)),
        }
    }
}
