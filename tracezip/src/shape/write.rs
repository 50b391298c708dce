//! From a shape and values to a span's bytes, from the last to the first: so every length is known when it is
//! written.

use super::DEEPEST;
use super::compiled::{ChainItem, Compiled, Run, SHALLOW, Step};
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

    /// Writes a tag and the length of all that is before `end`.
    #[inline]
    pub(crate) fn put_head(&mut self, tag: u64, end: usize, width: u8) -> Result<()> {
        let len = self.written() - end;
        if width == 0
            && let 0x80..0x4000 = len
        {
            return self.put(&[tag as u8, len as u8 | 0x80, (len >> 7) as u8]);
        }
        self.put_varint(len as u64, width)?;
        self.put(&[tag as u8])
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
        let (mut depth, mut next) = (0, 0);
        let steps = leaf.backwards();
        while let Some(step) = steps.get(next) {
            next += 1;
            match *step {
                Step::Chain {
                    run,
                    slot,
                    item,
                    steps,
                } => {
                    let run = &leaf.runs[usize::from(run)];
                    let value = values[usize::from(slot)];
                    let item_len = match item {
                        ChainItem::Varint => minimal_len(value),
                        // One that is longer is too long below.
                        ChainItem::Bytes => 1 + (value as u32 as usize).min(0x80),
                    };
                    if item_len + usize::from(run.most) >= 0x80 {
                        continue;
                    }
                    next += usize::from(steps);
                    let run_len = run.len as usize;
                    let to = self.room(run_len + item_len)?;
                    put_run(to, leaf, run, item_len, values, scratch);
                    let to = &mut to[run_len..];
                    match item {
                        ChainItem::Varint => put_varint(to, value),
                        ChainItem::Bytes => {
                            to[0] = value as u8;
                            to[1..].copy_from_slice(place(scratch, value));
                        }
                    }
                }
                Step::Run(run) => {
                    let run = &leaf.runs[usize::from(run)];
                    let to = self.room(run.len as usize)?;
                    put_run(to, leaf, run, 0, values, scratch);
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

/// Writes a run where `to` begins, before an item of this length.
#[inline]
fn put_run(
    to: &mut [u8],
    leaf: &Compiled,
    run: &Run,
    item_len: usize,
    values: &[u64],
    scratch: &[u8],
) {
    let parts = &leaf.parts;
    let start = run.start as usize;
    to[..run.len as usize].copy_from_slice(&leaf.bytes[start..start + run.len as usize]);
    for part in &parts[usize::from(run.eights)..usize::from(run.others)] {
        let at = part.offset as usize;
        to[at..at + 8].copy_from_slice(&values[usize::from(part.at)].to_le_bytes());
    }
    for part in &parts[usize::from(run.others)..usize::from(run.lengths)] {
        let (value, at) = (values[usize::from(part.at)], part.offset as usize);
        if part.len == 16 {
            to[at..at + 16].copy_from_slice(place(scratch, value));
        } else {
            to[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
        }
    }
    for part in &parts[usize::from(run.lengths)..usize::from(run.end)] {
        to[part.offset as usize] = item_len as u8 + part.at as u8;
    }
}

/// Writes a varint that takes all of `to`.
#[inline]
fn put_varint(to: &mut [u8], mut value: u64) {
    let last = to.len() - 1;
    for byte in &mut to[..last] {
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    to[last] = value as u8;
}

fn place(scratch: &[u8], value: u64) -> &[u8] {
    let at = (value >> 32) as usize;
    &scratch[at..at + value as u32 as usize]
}
