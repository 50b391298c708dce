//! What a receiver answers.

use crate::error::{DecodeError, Result};
use crate::wire::{self, put_varint};

/// What a receiver answers to a frame: what the sender may build on.
///
/// It says nothing about whether the spans went any further: a receiver that has to refuse them for now
/// acknowledges the frame all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The receiver, by a number that it drew at its start.
    pub instance: u64,
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

/// The first byte of an answer, and the bit that tells that state was lost.
const VERSION: u8 = 0x10;
const STATE_LOST: u8 = 1;

impl Acknowledgement {
    /// Appends the answer as bytes.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(VERSION | u8::from(self.state_lost));
        out.extend_from_slice(&self.instance.to_le_bytes());
        put_varint(u64::from(self.handle), out);
        put_varint(self.epoch, out);
        put_varint(self.sequence, out);
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`], [`DecodeError::Unsupported`], and [`DecodeError::Corrupt`] if more follows.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let (&first, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        if first & !STATE_LOST != VERSION {
            return Err(DecodeError::Unsupported(first));
        }
        let (instance, rest) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        let mut at = 0;
        let mut numbers = [0; 3];
        for number in &mut numbers {
            let varint = wire::varint(rest, at).ok_or(DecodeError::Truncated)?;
            *number = varint.value;
            at = varint.end;
        }
        let [handle, epoch, sequence] = numbers;
        let corrupt = DecodeError::Corrupt("an answer");
        if at != rest.len() {
            return Err(corrupt);
        }
        Ok(Self {
            instance: u64::from_le_bytes(*instance),
            handle: u32::try_from(handle).map_err(|_| corrupt)?,
            epoch,
            sequence,
            state_lost: first & STATE_LOST != 0,
        })
    }
}
