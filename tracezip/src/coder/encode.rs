//! The writing side.

use core::hint::select_unpredictable;

use zeroize::Zeroize;

use super::{Coder, LEAST, Model, SCALE_BITS, Sink, WORD_BITS};
use crate::error::Outcome;

/// Three streams: coded symbols, bits as they are, text.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Lower bound << 16 | frequency of each symbol: they are coded at the end, from the last to the first.
    ranges: Vec<u32>,
    /// The words of the symbols, from the last to the first.
    words: Vec<u32>,
    symbols: Vec<u8>,
    word: u64,
    filled: u32,
    bits: Vec<u8>,
    text: Vec<u8>,
}

impl Writer {
    pub(crate) fn reset(&mut self) {
        self.ranges.clear();
        self.word = 0;
        self.filled = 0;
        self.bits.clear();
        self.text.clear();
    }

    /// Forgets the text, which has a key in it.
    pub(crate) fn wipe(&mut self) {
        self.text.zeroize();
    }

    /// Ends the streams: symbols, bits, text. Whoever has read all symbols is left with the hash.
    pub(crate) fn finish(&mut self, hash: u64) -> (&[u8], &[u8], &[u8]) {
        // A symbol takes less than sixteen bits; each write is of a whole word, needed or not.
        let most = self.ranges.len() / 2 + 4;
        if self.words.len() < most {
            self.words.resize(most, 0);
        }
        let mut at = self.words.len() - 1;
        let (mut next, mut other) = (LEAST | (hash & (LEAST - 1)), LEAST | (hash >> WORD_BITS));
        for &range in self.ranges.iter().rev() {
            let (start, size) = (u64::from(range >> 16), u64::from(range & 0xffff));
            let state = other;
            other = next;
            let is_full = state >= size << (64 - SCALE_BITS);
            if let Some(word) = self.words.get_mut(at) {
                *word = state as u32;
            }
            at -= usize::from(is_full);
            let state = select_unpredictable(is_full, state >> WORD_BITS, state);
            next = ((state / size) << SCALE_BITS) + state % size + start;
        }
        self.symbols.clear();
        for state in [next, other] {
            self.symbols.extend_from_slice(&state.to_le_bytes());
        }
        let words = self.words[at + 1..].iter();
        self.symbols
            .extend(words.flat_map(|word| word.to_le_bytes()));
        let rest = self.filled.div_ceil(8) as usize;
        self.bits
            .extend_from_slice(&self.word.to_le_bytes()[..rest]);
        (&self.symbols, &self.bits, &self.text)
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
    fn symbol(&mut self, model: &mut Model, symbol: usize) -> usize {
        let (start, size) = model.range(symbol);
        self.ranges.push((start << 16) | size);
        model.learn(symbol);
        symbol
    }

    #[inline]
    fn bits(&mut self, value: u64, count: u32) -> Outcome<u64> {
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

    fn text(&mut self, text: &[u8], _len: usize, _out: &mut Vec<u8>) -> Outcome<()> {
        self.text.extend_from_slice(text);
        Ok(())
    }
}
