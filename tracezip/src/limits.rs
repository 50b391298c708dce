//! How much a decoder will do for a frame.

/// Bounds on what a frame may make a decoder do. What a frame declares is held against them before anything is
/// allocated or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes that a frame decodes to. Default: 16 MiB.
    pub decoded_bytes: usize,
    /// Bytes of state of all streams; one takes 1 MiB at most. Default: 64 MiB.
    pub total_state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            decoded_bytes: 16 << 20,
            total_state_bytes: 64 << 20,
        }
    }
}

impl Limits {
    /// Bounds the bytes that a frame decodes to.
    #[must_use]
    pub fn with_decoded_bytes(mut self, bytes: usize) -> Self {
        self.decoded_bytes = bytes;
        self
    }

    /// Bounds the state of all streams: the ones not used for the longest time are dropped.
    #[must_use]
    pub fn with_total_state_bytes(mut self, bytes: usize) -> Self {
        self.total_state_bytes = bytes;
        self
    }
}

/// Copies of a stream's models that a decoder keeps: the one that frames build on, and two that are to follow.
pub(crate) const SNAPSHOTS: usize = 3;

/// What is left of a stream's state for entries.
pub(crate) const ENTRIES: usize = (1 << 20) - (SNAPSHOTS + 1) * crate::models::BUDGET;
