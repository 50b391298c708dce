//! Why a frame was not decoded.

/// Why a frame was rejected. Whatever the error, the decoder's state is what it was before the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame does not begin as one of ours: it may be plain OTLP.
    #[error("not a tracezip frame")]
    NotAFrame,
    /// A version, or a flag within it, that this decoder does not know.
    #[error("frame of an unknown version or with unknown flags: {0:#04x}")]
    Unsupported(u8),
    /// The frame ends before what it announces.
    #[error("frame is truncated")]
    Truncated,
    /// The frame holds something that no encoder writes.
    #[error("frame is corrupt: {0}")]
    Corrupt(&'static str),
    /// A declared size, or what the frame expands to, is over a limit.
    #[error("{what} of {declared} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How much of it the frame asks for.
        declared: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// The frame builds on a stream, epoch or message that this decoder does not hold: the sender must begin
    /// a new epoch.
    #[error("the state that the frame builds on is not known here")]
    StateLost,
    /// The frame defines an entry anew with other bytes.
    #[error("entry {0} is defined twice with different bytes")]
    Redefined(u16),
    /// What was decoded is not what was encoded.
    #[error("the decoded bytes do not have the hash that the frame declares")]
    Hash,
}

pub(crate) type Result<T, E = DecodeError> = core::result::Result<T, E>;

/// An error on its way out of what codes a message: of a size that results are passed in registers.
#[derive(Debug)]
pub(crate) struct Failure(Box<DecodeError>);

impl From<DecodeError> for Failure {
    #[cold]
    fn from(error: DecodeError) -> Self {
        Self(Box::new(error))
    }
}

impl From<Failure> for DecodeError {
    fn from(failure: Failure) -> Self {
        *failure.0
    }
}

/// What coding a part of a message comes to.
pub(crate) type Outcome<T> = Result<T, Failure>;
