//! The reading side.

use super::{Coder, Model, SCALE_BITS, WORD_BITS};
use crate::error::{DecodeError, Result};

/// What a message consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams<'a> {
    pub(crate) symbols: &'a [u8],
    pub(crate) bits: &'a [u8],
    pub(crate) text: &'a [u8],
}

#[derive(Debug)]
pub(crate) struct Reader<'a> {
    code: u64,
    range: u64,
    symbols: &'a [u8],
    bits: &'a [u8],
    /// The next bit's index.
    bit: usize,
    text: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(streams: Streams<'a>) -> Self {
        let mut reader = Self {
            code: 0,
            range: u64::MAX,
            symbols: streams.symbols,
            bits: streams.bits,
            bit: 0,
            text: streams.text,
        };
        reader.code = (reader.word() << WORD_BITS) | reader.word();
        reader
    }

    /// The next word of symbols; beyond their end there are zeros, which the encoder dropped.
    fn word(&mut self) -> u64 {
        if let Some((word, rest)) = self.symbols.split_first_chunk() {
            self.symbols = rest;
            return u64::from(u32::from_be_bytes(*word));
        }
        let mut word = [0; 4];
        word[..self.symbols.len()].copy_from_slice(self.symbols);
        self.symbols = &[];
        u64::from(u32::from_be_bytes(word))
    }

    /// Whether everything was read that was there.
    pub(crate) fn is_at_end(&self) -> bool {
        self.symbols.is_empty() && self.text.is_empty() && self.bit.div_ceil(8) == self.bits.len()
    }

    fn few_bits(&mut self, count: u32) -> Result<u64> {
        let from = self.bit / 8;
        let shift = (self.bit % 8) as u32;
        let word = match self.bits.get(from..from + 8) {
            Some(word) => word.try_into().map(u64::from_le_bytes).unwrap_or_default(),
            None => {
                if self.bit + count as usize > self.bits.len() * 8 {
                    return Err(DecodeError::Truncated);
                }
                let mut word = [0; 8];
                let rest = &self.bits[from..];
                word[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(word)
            }
        };
        self.bit += count as usize;
        Ok((word >> shift) & ((1 << count) - 1))
    }
}

impl Coder for Reader<'_> {
    const ENCODES: bool = false;

    #[inline]
    fn symbol(&mut self, model: &mut Model, _symbol: usize) -> Result<usize> {
        let unit = self.range >> SCALE_BITS;
        let target = (self.code / unit).min((1 << SCALE_BITS) - 1);
        let symbol = model.find(target as u32);
        let (start, size) = model.range(symbol);
        self.code = self.code.wrapping_sub(unit * u64::from(start));
        self.range = unit * u64::from(size);
        if self.range < 1 << WORD_BITS {
            self.code = (self.code << WORD_BITS) | self.word();
            self.range <<= WORD_BITS;
        }
        model.learn(symbol);
        Ok(symbol)
    }

    #[inline]
    fn bits(&mut self, _value: u64, count: u32) -> Result<u64> {
        if count == 0 {
            return Ok(0);
        }
        if count <= 56 {
            return self.few_bits(count);
        }
        let low = self.few_bits(32)?;
        Ok(low | (self.few_bits(count - 32)? << 32))
    }

    fn text(&mut self, _text: &[u8], len: usize, out: &mut Vec<u8>) -> Result<()> {
        let (text, rest) = self
            .text
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.text = rest;
        out.extend_from_slice(text);
        Ok(())
    }
}
