//! Why packed values cannot be read.

use std::fmt;

/// Why packed values cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnpackError {
    /// The frame has more bits than an integer.
    Width {
        /// The frame's bits.
        width: u8,
    },
    /// The bytes end before the last value.
    Truncated {
        /// Bytes that the values take.
        needed: usize,
        /// Bytes that there are.
        available: usize,
    },
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Width { width } => {
                write!(f, "packed values of {width} bits: there are at most 64")
            }
            Self::Truncated { needed, available } => write!(
                f,
                "packed values take {needed} bytes, but only {available} are there"
            ),
        }
    }
}

impl std::error::Error for UnpackError {}
