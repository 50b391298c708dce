//! From a shape and values to a span's bytes, from the last to the first: so every length is known when it is
//! written.

use super::{DEEPEST, Op, Slot, Template};
use crate::error::{DecodeError, Result};
use crate::wire::minimal_len;

/// What is in a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

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

    /// Writes a span; `value` gives what is in the slot of a number.
    pub(crate) fn span<'v>(
        &mut self,
        template: &Template,
        value: impl Fn(usize) -> Value<'v>,
    ) -> Result<()> {
        let mut ends = [0; DEEPEST + 2];
        let mut depth = 0;
        let mut slot = template.slots.len();
        for op in template.ops.iter().rev() {
            match *op {
                Op::Literal { at, len } => {
                    let at = at as usize;
                    self.put(&template.shape[at..at + usize::from(len)])?;
                }
                Op::Close => {
                    ends[depth] = self.start;
                    depth += 1;
                }
                Op::Open(width) => {
                    depth -= 1;
                    let len = ends[depth] - self.start;
                    self.put_varint(len as u64, width)?;
                }
                Op::Slot(kind) => {
                    slot -= 1;
                    match (kind, value(slot)) {
                        (Slot::Varint(width), Value::Number(number)) => {
                            self.put_varint(number, width)?;
                        }
                        (Slot::Fixed32, Value::Number(number)) => {
                            self.put(&(number as u32).to_le_bytes())?;
                        }
                        (Slot::Bytes(width), Value::Bytes(bytes)) => {
                            self.put(bytes)?;
                            self.put_varint(bytes.len() as u64, width)?;
                        }
                        (Slot::TraceId | Slot::LinkTraceId, Value::Bytes(id)) => self.put(id)?,
                        (_, Value::Number(number)) => self.put(&number.to_le_bytes())?,
                        (_, Value::Bytes(_)) => {
                            return Err(DecodeError::Corrupt("bytes where a number belongs"));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
