//! The reading side.

use core::hint::select_unpredictable;

use super::{Coder, LEAST, Model, SCALE_BITS, STATES, WORD_BITS};
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
    /// The next symbol is in that whose turn it is.
    states: [u32; STATES],
    turn: usize,
    words: &'a [[u8; 2]],
    /// The next word's index.
    word: usize,
    /// A byte that is no word.
    odd: bool,
    bits: &'a [u8],
    /// The next bit's index.
    bit: usize,
    text: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(streams: Streams<'a>) -> Self {
        let (words, rest) = streams.symbols.as_chunks();
        let mut reader = Self {
            states: [0; STATES],
            turn: 0,
            words,
            word: 0,
            odd: !rest.is_empty(),
            bits: streams.bits,
            bit: 0,
            text: streams.text,
        };
        for at in 0..STATES {
            let low = reader.next_word();
            reader.word += 1;
            reader.states[at] = low | (reader.next_word() << WORD_BITS);
            reader.word += 1;
        }
        reader
    }

    /// The next word of symbols; zero if there is none: then more is read than there is.
    #[inline]
    fn next_word(&self) -> u32 {
        let word = self.words.get(self.word);
        word.map_or(0, |word| u32::from(u16::from_le_bytes(*word)))
    }

    /// The hash of the request, if everything was read that was there, and is what was written.
    pub(crate) fn finish(&self) -> Option<u64> {
        let rest = self.bits.len() - self.bit.div_ceil(8);
        let is_at_end =
            self.word == self.words.len() && !self.odd && self.text.is_empty() && rest == 0;
        let is_hash = self.states.iter().all(|state| state >> WORD_BITS == 1);
        let hash = self.states.iter().rev().fold(0, |hash, state| {
            (hash << WORD_BITS) | u64::from(state % LEAST)
        });
        (is_at_end && is_hash).then_some(hash)
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
        let turn = self.turn % STATES;
        let state = self.states[turn];
        self.turn = turn + 1;
        let target = state & ((1 << SCALE_BITS) - 1);
        let symbol = model.find(target);
        let (start, size) = model.range(symbol);
        let state = size * (state >> SCALE_BITS) + (target - start);
        let is_short = state < LEAST;
        let longer = (state << WORD_BITS) | self.next_word();
        self.word += usize::from(is_short);
        self.states[turn] = select_unpredictable(is_short, longer, state);
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
