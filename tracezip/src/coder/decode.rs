//! The reading side.

use core::hint::select_unpredictable;

use super::{Coder, LEAST, Model, SCALE_BITS, WORD_BITS};
use crate::error::{DecodeError, Outcome};

/// What a message consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams<'a> {
    pub(crate) symbols: &'a [u8],
    pub(crate) bits: &'a [u8],
    pub(crate) text: &'a [u8],
}

#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// The state that the next symbol is in, and the one after it.
    next: u64,
    other: u64,
    symbols: &'a [u8],
    bits: &'a [u8],
    /// The next bit's index.
    bit: usize,
    text: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(streams: Streams<'a>) -> Self {
        let mut reader = Self {
            next: 0,
            other: 0,
            symbols: streams.symbols,
            bits: streams.bits,
            bit: 0,
            text: streams.text,
        };
        for state in 0..2 {
            let low = reader.word();
            reader.skip(true);
            let high = reader.word();
            reader.skip(true);
            let state_of = [&mut reader.next, &mut reader.other];
            *state_of[state] = low | (high << WORD_BITS);
        }
        reader
    }

    /// The next word of symbols; zero if there is none: then what is left at the end is not the hash.
    #[inline]
    fn word(&self) -> u64 {
        let word = self.symbols.first_chunk().copied().unwrap_or_default();
        u64::from(u32::from_le_bytes(word))
    }

    #[inline]
    fn skip(&mut self, is_read: bool) {
        self.symbols = &self.symbols[(4 * usize::from(is_read)).min(self.symbols.len())..];
    }

    /// The hash of the request, if everything was read that was there, and is what was written.
    pub(crate) fn finish(&self) -> Option<u64> {
        let rest = self.bits.len() - self.bit.div_ceil(8);
        let is_at_end = self.symbols.is_empty() && self.text.is_empty() && rest == 0;
        let is_hash = self.next >> WORD_BITS == 1 && self.other >> WORD_BITS == 1;
        let low = self.next & (LEAST - 1);
        (is_at_end && is_hash).then_some(low | (self.other << WORD_BITS))
    }

    fn few_bits(&mut self, count: u32) -> Outcome<u64> {
        let from = self.bit / 8;
        let shift = (self.bit % 8) as u32;
        let word = match self.bits.get(from..from + 8) {
            Some(word) => word.try_into().map(u64::from_le_bytes).unwrap_or_default(),
            None => {
                if self.bit + count as usize > self.bits.len() * 8 {
                    return Err(DecodeError::Truncated.into());
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
    fn symbol(&mut self, model: &mut Model, _symbol: usize) -> usize {
        let state = self.next;
        let target = state as u32 & ((1 << SCALE_BITS) - 1);
        let symbol = model.find(target);
        let (start, size) = model.range(symbol);
        let state = u64::from(size) * (state >> SCALE_BITS) + u64::from(target - start);
        let is_short = state < LEAST;
        let longer = (state << WORD_BITS) | self.word();
        self.skip(is_short);
        self.next = self.other;
        self.other = select_unpredictable(is_short, longer, state);
        model.learn(symbol);
        symbol
    }

    #[inline]
    fn bits(&mut self, _value: u64, count: u32) -> Outcome<u64> {
        if count == 0 {
            return Ok(0);
        }
        if count <= 56 {
            return self.few_bits(count);
        }
        let low = self.few_bits(32)?;
        Ok(low | (self.few_bits(count - 32)? << 32))
    }

    fn text(&mut self, _text: &[u8], len: usize, out: &mut Vec<u8>) -> Outcome<()> {
        let (text, rest) = self
            .text
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.text = rest;
        out.extend_from_slice(text);
        Ok(())
    }
}
