//! Why a set of literals was refused.

use std::fmt;

/// Why a set of literals was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiteralError {
    /// It would occur everywhere.
    Empty {
        /// Which literal, counted from 0.
        literal: usize,
    },
    /// There are more literals than a set may have.
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl fmt::Display for LiteralError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { literal } => write!(
                f,
                "literal {literal} (counted from 0) is empty and would occur everywhere: remove it"
            ),
            Self::TooMany { count, limit } => write!(
                f,
                "{count} literals are more than the {limit} of one set: split them into several sets"
            ),
        }
    }
}

impl std::error::Error for LiteralError {}
