//! What a receiver answers.

use crate::frame::StreamId;

/// What a receiver answers to a frame: what the sender may build on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The stream of the frame.
    pub stream: StreamId,
    /// What the sender may call the stream from now on, towards this receiver.
    pub handle: u32,
    /// The epoch of the frame.
    pub epoch: u64,
    /// The frame's number in the epoch.
    pub sequence: u64,
    /// The receiver does not hold what the frame builds on: nothing was decoded, and the sender must begin a new
    /// epoch.
    pub state_lost: bool,
}
