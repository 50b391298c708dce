//! From a shape and values to a span's bytes, from the last to the first: so every length is known when it is
//! written.

use super::{Compiled, DEEPEST, Piece, Slot};
use crate::error::{DecodeError, Result};
use crate::wire::minimal_len;

/// A buffer of fixed size that fills from its end.
#[derive(Debug, Default)]
pub(crate) struct Backwards {
    bytes: Vec<u8>,
    /// Where what was written begins.
    start: usize,
}

impl Backwards {
    pub(crate) fn reset(&mut self, capacity: usize) {
        if self.bytes.len() < capacity {
            self.bytes = vec![0; capacity];
        }
        self.bytes.truncate(capacity);
        self.start = capacity;
    }

    pub(crate) fn start(&self) -> usize {
        self.start
    }

    pub(crate) fn get(&self, start: usize, end: usize) -> &[u8] {
        &self.bytes[start..end]
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let start = self
            .start
            .checked_sub(bytes.len())
            .ok_or(DecodeError::Corrupt("more spans than the declared size"))?;
        self.bytes[start..self.start].copy_from_slice(bytes);
        self.start = start;
        Ok(())
    }

    fn put_varint(&mut self, mut value: u64, width: u8) -> Result<()> {
        let mut bytes = [0; 10];
        let len = usize::from(width).max(minimal_len(value)).min(bytes.len());
        for byte in &mut bytes[..len - 1] {
            *byte = value as u8 | 0x80;
            value >>= 7;
        }
        bytes[len - 1] = value as u8;
        self.put(&bytes[..len])
    }

    /// Writes a span. Of its own values, bytes and trace ids are places in `scratch`.
    pub(crate) fn span(&mut self, leaf: &Compiled, values: &[u64], scratch: &[u8]) -> Result<()> {
        let mut ends = [0; DEEPEST + 2];
        let mut depth = 0;
        for piece in leaf.pieces.iter().rev() {
            match *piece {
                Piece::Literal { at, len } => {
                    let at = at as usize;
                    self.put(&leaf.bytes[at..at + len as usize])?;
                }
                Piece::Close => {
                    ends[depth] = self.start;
                    depth += 1;
                }
                Piece::Open(width) => {
                    depth -= 1;
                    let len = ends[depth] - self.start;
                    self.put_varint(len as u64, width)?;
                }
                Piece::Slot(slot, index) => {
                    let value = values[usize::from(index)];
                    match slot {
                        Slot::Varint(width) => self.put_varint(value, width)?,
                        Slot::Fixed32 => self.put(&(value as u32).to_le_bytes())?,
                        Slot::Bytes(width) => {
                            let bytes = place(scratch, value);
                            self.put(bytes)?;
                            self.put_varint(bytes.len() as u64, width)?;
                        }
                        Slot::TraceId | Slot::LinkTraceId => self.put(place(scratch, value))?,
                        _ => self.put(&value.to_le_bytes())?,
                    }
                }
            }
        }
        Ok(())
    }
}

fn place(scratch: &[u8], value: u64) -> &[u8] {
    let at = (value >> 32) as usize;
    &scratch[at..at + value as u32 as usize]
}
