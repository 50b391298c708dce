//! The writing side.

use super::{Coder, Model, SCALE_BITS, Sink, WORD_BITS};
use crate::error::Result;

/// Three streams: coded symbols, bits as they are, text.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    low: u64,
    range: u64,
    symbols: Vec<u8>,
    word: u64,
    filled: u32,
    bits: Vec<u8>,
    text: Vec<u8>,
}

impl Writer {
    pub(crate) fn reset(&mut self) {
        self.low = 0;
        self.range = u64::MAX;
        self.word = 0;
        self.filled = 0;
        self.symbols.clear();
        self.bits.clear();
        self.text.clear();
    }

    /// Ends the streams: symbols, bits, text.
    pub(crate) fn finish(&mut self) -> (&[u8], &[u8], &[u8]) {
        // Of the numbers in the range, one that ends in as many zeros as can be: a reader supplies those.
        let last = self.low.wrapping_add(self.range - 1);
        let carried = last < self.low;
        let mut chosen = last;
        for zeros in (0..64).rev() {
            let candidate = last >> zeros << zeros;
            // With a carry, everything up to `last` lies above `low`.
            if carried || candidate >= self.low {
                chosen = candidate;
                break;
            }
        }
        if carried {
            self.carry();
        }
        self.symbols.extend_from_slice(&chosen.to_be_bytes());
        while self.symbols.last() == Some(&0) {
            self.symbols.pop();
        }
        let rest = self.filled.div_ceil(8) as usize;
        self.bits
            .extend_from_slice(&self.word.to_le_bytes()[..rest]);
        (&self.symbols, &self.bits, &self.text)
    }

    /// Adds one to the last byte written.
    fn carry(&mut self) {
        for byte in self.symbols.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
}

impl Sink for Writer {
    fn writer(&mut self) -> &mut Writer {
        self
    }
}

impl Coder for Writer {
    const ENCODES: bool = true;

    #[inline]
    fn symbol(&mut self, model: &mut Model, symbol: usize) -> Result<usize> {
        let (start, size) = model.range(symbol);
        let unit = self.range >> SCALE_BITS;
        let (low, carried) = self.low.overflowing_add(unit * u64::from(start));
        self.low = low;
        self.range = unit * u64::from(size);
        if carried {
            self.carry();
        }
        if self.range < 1 << WORD_BITS {
            self.symbols
                .extend_from_slice(&((self.low >> WORD_BITS) as u32).to_be_bytes());
            self.low <<= WORD_BITS;
            self.range <<= WORD_BITS;
        }
        model.learn(symbol);
        Ok(symbol)
    }

    #[inline]
    fn bits(&mut self, value: u64, count: u32) -> Result<u64> {
        if count == 0 {
            return Ok(value);
        }
        let kept = value & (u64::MAX >> (64 - count));
        self.word |= kept << self.filled;
        self.filled += count;
        if self.filled >= 64 {
            self.bits.extend_from_slice(&self.word.to_le_bytes());
            self.filled -= 64;
            self.word = if self.filled == 0 {
                0
            } else {
                kept >> (count - self.filled)
            };
        }
        Ok(value)
    }

    fn text(&mut self, text: &[u8], _len: usize, _out: &mut Vec<u8>) -> Result<()> {
        self.text.extend_from_slice(text);
        Ok(())
    }
}
