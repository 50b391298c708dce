//! The writing side.

use core::hint::select_unpredictable;

use zeroize::Zeroize;

use super::lanes::reciprocals;
use super::{Coder, LEAST, Model, SCALE_BITS, STATES, Sink, WORD_BITS};
use crate::error::Outcome;

/// Three streams: coded symbols, bits as they are, text.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Lower bound << 16 | frequency of each symbol: they are coded at the end, from the last to the first.
    ranges: Vec<u32>,
    /// The words of the symbols, from the last to the first.
    words: Vec<u16>,
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
        // A symbol takes less than sixteen bits, a word; each writes one, needed or not.
        let most = self.ranges.len() + 2;
        if self.words.len() < most {
            self.words.resize(most, 0);
        }
        let mut at = self.words.len() - 1;
        let mut states: [u32; STATES] =
            core::array::from_fn(|at| LEAST | ((hash >> (WORD_BITS as usize * at)) as u32 % LEAST));
        let (fours, rest) = self.ranges.as_chunks::<STATES>();
        let words = &mut self.words[..];
        for (&range, state) in rest.iter().zip(&mut states).rev() {
            let [reciprocal, ..] = reciprocals([range & 0xffff, 1, 1, 1]);
            *state = put(*state, range, reciprocal, words, &mut at);
        }
        for four in fours.iter().rev() {
            let reciprocals = reciprocals(four.map(|range| range & 0xffff));
            for of in (0..STATES).rev() {
                states[of] = put(states[of], four[of], reciprocals[of], words, &mut at);
            }
        }
        self.symbols.clear();
        for state in states {
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

/// Codes a symbol into a state, which may lose a word.
#[inline]
fn put(state: u32, range: u32, reciprocal: u64, words: &mut [u16], at: &mut usize) -> u32 {
    let (start, size) = (range >> 16, range & 0xffff);
    let is_full = state >= size << (32 - SCALE_BITS);
    if let Some(word) = words.get_mut(*at) {
        *word = state as u16;
    }
    *at -= usize::from(is_full);
    let state = select_unpredictable(is_full, state >> WORD_BITS, state);
    // Of what the reciprocal is too much, less than 2^-18 gets here, and the quotient is no closer to the next.
    let quotient = ((u128::from(state) * 2 * u128::from(reciprocal)) >> 64) as u32;
    quotient * ((1 << SCALE_BITS) - size) + state + start
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(state: u32, start: u32, size: u32) {
        let (mut words, mut at) = ([0; 2], 1);
        let range = (start << 16) | size;
        let [_, _, reciprocal, _] = reciprocals([1, 1, size, 1]);
        let coded = put(state, range, reciprocal, &mut words, &mut at);
        let state = if at == 0 { state >> WORD_BITS } else { state };
        let (quotient, rest) = (state / size, state % size);
        assert_eq!(
            coded,
            (quotient << SCALE_BITS) + rest + start,
            "{state} by {size}"
        );
    }

    #[test]
    fn states_next_to_multiples_are_divided_exactly() {
        for size in 1..(1 << SCALE_BITS) - 14 {
            let most = (size << (32 - SCALE_BITS)) - 1;
            for quotient in [2, 3, 1 << 15, (1 << 16) + 1, (1 << 17) - 1, 1 << 17] {
                for state in [quotient * size - 1, (quotient * size).min(most)] {
                    check(state.max(LEAST), 0, size);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn states_are_divided_exactly(state in LEAST.., size in 1_u32..32754, start in 0_u32..14) {
            check(state, start, size);
        }
    }
}
