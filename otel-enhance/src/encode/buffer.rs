//! The bytes that an encoder writes into: initialised once when they grow, and written in place from then
//! on by a [`Cursor`](super::cursor::Cursor).

use super::pool::LARGEST;

/// Bytes that are initialised throughout, and where the next one goes, which is never beyond their end.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    at: usize,
}

/// What the first growth makes, at least.
const SMALLEST: usize = 4096;

impl Buffer {
    /// Writes over `bytes`, whatever they hold.
    pub(super) fn over(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    /// What was written into, longer than what was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether it has grown so much that it must not be kept.
    pub(super) fn is_huge(&self) -> bool {
        self.bytes.len() > LARGEST
    }

    /// Where the next byte goes.
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes on at `position`, which may lie ahead of what was written: what is in between is left as it is.
    #[inline(always)]
    pub(super) fn set_position(&mut self, position: usize) {
        if position > self.bytes.len() {
            self.grow(position, 0);
        }
        self.at = position;
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }

    /// All bytes, those that are still to be written as well.
    #[inline(always)]
    pub(super) fn all(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// How many there are of [`all`](Self::all).
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes sure that `len` bytes fit from `position` on.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(&mut self, position: usize, len: usize) {
        let doubled = (self.bytes.len() * 2).max(SMALLEST);
        self.bytes.resize(doubled.max(position + len), 0);
    }

    /// Moves the last `len` bytes so that they begin at `to`.
    pub(super) fn move_tail(&mut self, len: usize, to: usize) {
        let from = self.at - len;
        self.set_position(to + len);
        self.bytes.copy_within(from..from + len, to);
    }

    /// Writes `bytes` at `position`, over what stands there.
    pub(super) fn overwrite(&mut self, position: usize, bytes: &[u8]) {
        self.bytes[position..position + bytes.len()].copy_from_slice(bytes);
    }
}
