//! From a shape and values to a span's bytes, from the last to the first: so every length is known when it is
//! written.

use super::DEEPEST;
use super::compiled::{Compiled, PADDING, SHALLOW, Step};
use crate::error::{DecodeError, Result};
use crate::wire::minimal_len;

/// A buffer that fills from its end, and grows as it is needed. Places are told by how far they are from the end.
#[derive(Debug, Default)]
pub(crate) struct Backwards {
    bytes: Vec<u8>,
    /// Where what was written begins.
    start: usize,
    /// Bytes that may be written.
    limit: usize,
}

/// Bytes that a buffer begins with.
const SMALLEST: usize = 4096;
/// Bytes that are kept for the next message.
const LARGEST: usize = 1 << 20;

impl Backwards {
    /// Begins anew, with room for `limit` bytes.
    pub(crate) fn reset(&mut self, limit: usize) {
        if self.bytes.len() > LARGEST {
            self.bytes = Vec::new();
        }
        self.start = self.bytes.len();
        self.limit = limit;
    }

    /// How far from the end what was written begins.
    pub(crate) fn written(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// What lies between two distances from the end.
    pub(crate) fn get(&self, start: usize, end: usize) -> &[u8] {
        let len = self.bytes.len();
        &self.bytes[len - start..len - end]
    }

    /// Room for `len` bytes before what was written.
    #[inline]
    fn room(&mut self, len: usize) -> Result<&mut [u8]> {
        if self.start < len {
            self.grow(len)?;
        }
        let end = self.start;
        self.start -= len;
        Ok(&mut self.bytes[self.start..end])
    }

    #[cold]
    fn grow(&mut self, len: usize) -> Result<()> {
        let written = self.written();
        if self.limit - written.min(self.limit) < len {
            return Err(DecodeError::Corrupt("more spans than the declared size"));
        }
        let size = (2 * self.bytes.len()).max(written + len).max(SMALLEST);
        let mut bytes = vec![0; size];
        bytes[size - written..].copy_from_slice(&self.bytes[self.start..]);
        self.start = size - written;
        self.bytes = bytes;
        Ok(())
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.room(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn put_varint(&mut self, value: u64, width: u8) -> Result<()> {
        if value < 0x80 && width == 0 {
            return self.put(&[value as u8]);
        }
        self.put_long_varint(value, width)
    }

    fn put_long_varint(&mut self, mut value: u64, width: u8) -> Result<()> {
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
        if leaf.depth < SHALLOW {
            self.steps::<SHALLOW>(leaf, values, scratch)?;
        } else {
            self.steps::<{ DEEPEST + 2 }>(leaf, values, scratch)?;
        }
        if self.written() > self.limit {
            return Err(DecodeError::Corrupt("more spans than the declared size"));
        }
        Ok(())
    }

    fn steps<const DEPTH: usize>(
        &mut self,
        leaf: &Compiled,
        values: &[u64],
        scratch: &[u8],
    ) -> Result<()> {
        let mut ends = [0; DEPTH];
        let mut depth = 0;
        for step in leaf.steps.iter().rev() {
            match *step {
                Step::Run {
                    first,
                    eights,
                    others,
                    end,
                    len,
                } => {
                    let run = self.room(len as usize)?;
                    for part in &leaf.parts[usize::from(first)..usize::from(eights)] {
                        let to = &mut run[part.offset as usize..];
                        put_literal(to, &leaf.bytes[part.at as usize..], part.len as usize);
                    }
                    for part in &leaf.parts[usize::from(eights)..usize::from(others)] {
                        let at = part.offset as usize;
                        run[at..at + 8].copy_from_slice(&values[part.at as usize].to_le_bytes());
                    }
                    for part in &leaf.parts[usize::from(others)..usize::from(end)] {
                        let (value, at) = (values[part.at as usize], part.offset as usize);
                        if part.len == 16 {
                            run[at..at + 16].copy_from_slice(place(scratch, value));
                        } else {
                            run[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
                        }
                    }
                }
                Step::Close => {
                    ends[depth] = self.written();
                    depth += 1;
                }
                Step::Open(width) => {
                    depth -= 1;
                    let len = self.written() - ends[depth];
                    self.put_varint(len as u64, width)?;
                }
                Step::Varint(width, index) => {
                    self.put_varint(values[usize::from(index)], width)?;
                }
                Step::Bytes(width, index) => {
                    let bytes = place(scratch, values[usize::from(index)]);
                    self.put(bytes)?;
                    self.put_varint(bytes.len() as u64, width)?;
                }
            }
        }
        Ok(())
    }
}

#[inline]
fn put_literal(to: &mut [u8], from: &[u8], len: usize) {
    if len <= PADDING
        && let Some(to) = to.first_chunk_mut::<PADDING>()
        && let Some(from) = from.first_chunk()
    {
        // More than is needed, and in one go: what is too much is written over by the parts to come.
        *to = *from;
    } else {
        to[..len].copy_from_slice(&from[..len]);
    }
}

fn place(scratch: &[u8], value: u64) -> &[u8] {
    let at = (value >> 32) as usize;
    &scratch[at..at + value as u32 as usize]
}
