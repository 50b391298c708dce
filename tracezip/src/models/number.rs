//! Numbers: by their magnitude, and as differences to guesses.

use core::hint::select_unpredictable;

use super::{Models, Place};
use crate::coder::{Coder, Model, follow};
use crate::error::{DecodeError, Outcome};

/// Differences to the best of several guesses: one line of a cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Guessed {
    model: Model,
    /// What each of the guesses costs lately.
    costs: [u16; GUESSES],
}

/// Guesses of a number at most.
pub(crate) const GUESSES: usize = 4;

impl Guessed {
    pub(super) const NEW: Self = Self {
        model: Model::NEW,
        costs: [0; GUESSES],
    };
}

/// Magnitudes by their lengths in bits: a symbol names several lengths; bits as they are say which of these it is, and
/// then what is below its first bit.
struct Classes {
    of: [Class; u64::BITS as usize + 1],
    /// By the symbol: the shortest of its lengths, and how many bits say by how much it is more.
    by: [(u8, u8); 16],
}

/// What a length is told by.
#[derive(Clone, Copy)]
struct Class {
    symbol: u8,
    /// Bits that follow.
    rest: u8,
    /// How many of them, the first, say by how much the length is more than the shortest.
    telling: u8,
    more: u8,
}

static NUMBERS: Classes = Classes::new(&[0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64]);
/// Of differences, whose signs are in the symbol too.
static DIFFERENCES: Classes = Classes::new(&[0, 1, 9, 13, 17, 21, 25, 64]);
const NEGATIVE: usize = 8;

impl Classes {
    /// By the longest length of each symbol.
    const fn new(longest: &[u8]) -> Self {
        let none = Class {
            symbol: 0,
            rest: 0,
            telling: 0,
            more: 0,
        };
        let mut classes = Self {
            of: [none; u64::BITS as usize + 1],
            by: [(0, 0); 16],
        };
        let (mut symbol, mut len) = (0, 0);
        while symbol < longest.len() {
            let shortest = len;
            let telling = (u8::BITS - (longest[symbol] - shortest).leading_zeros()) as u8;
            classes.by[symbol] = (shortest, telling);
            while len <= longest[symbol] {
                classes.of[len as usize] = Class {
                    symbol: symbol as u8,
                    rest: len.saturating_sub(1) + telling,
                    telling,
                    more: len - shortest,
                };
                len += 1;
            }
            symbol += 1;
        }
        classes
    }

    #[inline]
    fn of(&self, magnitude: u64) -> Class {
        self.of[(u64::BITS - magnitude.leading_zeros()) as usize]
    }

    /// What follows the symbol.
    #[inline]
    fn rest<C: Coder>(&self, c: &mut C, symbol: usize, magnitude: u64, of: Class) -> Outcome<u64> {
        if C::ENCODES {
            let (telling, more) = (u32::from(of.telling), u64::from(of.more));
            if u32::from(of.rest) > u64::BITS {
                c.bits(more, telling)?;
                return c.bits(magnitude, u64::BITS - 1 - magnitude.leading_zeros());
            }
            let first = (1 << 63) >> (magnitude.leading_zeros() % 64);
            let below = magnitude ^ first;
            return c.bits((below << telling) | more, u32::from(of.rest));
        }
        let (shortest, telling) = self.by[symbol % 16];
        let len = u32::from(shortest) + c.bits(0, u32::from(telling))? as u32;
        if len == 0 {
            return Ok(0);
        }
        if len > u64::BITS {
            return Err(DecodeError::Corrupt("a number's length").into());
        }
        Ok((1 << (len - 1)) | c.bits(0, len - 1)?)
    }
}

impl Models {
    /// A number by its magnitude.
    #[inline]
    pub(crate) fn number<C: Coder>(&mut self, c: &mut C, at: Place, value: u64) -> Outcome<u64> {
        let class = NUMBERS.of(value);
        let model = &mut self.symbols[usize::from(at)];
        let symbol = c.symbol(model, usize::from(class.symbol));
        let number = NUMBERS.rest(c, symbol, value, class)?;
        Ok(if C::ENCODES { value } else { number })
    }

    /// A difference of either sign.
    #[inline]
    pub(crate) fn signed<C: Coder>(&mut self, c: &mut C, at: Place, value: u64) -> Outcome<u64> {
        signed(c, &mut self.symbols[usize::from(at)], value)
    }

    /// A number by its difference to the guess that was the best lately; what the guesses cost is followed.
    #[inline]
    pub(crate) fn guessed<C: Coder>(
        &mut self,
        c: &mut C,
        at: Place,
        guesses: &[u64; GUESSES],
        value: u64,
    ) -> Outcome<u64> {
        let guessed = &mut self.guessed[usize::from(at)];
        let guess = guesses[cheapest(&guessed.costs)];
        let difference = signed(c, &mut guessed.model, value.wrapping_sub(guess))?;
        let value = guess.wrapping_add(difference);
        follow(&mut guessed.costs, value, guesses, &[0; GUESSES]);
        Ok(value)
    }

    /// A time by its difference to a guess, both divided by `unit`.
    #[inline]
    pub(crate) fn time<C: Coder>(
        &mut self,
        c: &mut C,
        at: Place,
        guess: u64,
        unit: u32,
        value: u64,
    ) -> Outcome<u64> {
        // Constants, so that nothing is divided by a variable.
        match unit {
            1 => {
                let difference = self.signed(c, at, value.wrapping_sub(guess))?;
                Ok(guess.wrapping_add(difference))
            }
            100 => self.in_units::<100, C>(c, at, guess, value),
            1_000 => self.in_units::<1_000, C>(c, at, guess, value),
            _ => self.in_units::<1_000_000, C>(c, at, guess, value),
        }
    }

    #[inline]
    fn in_units<const UNIT: u64, C: Coder>(
        &mut self,
        c: &mut C,
        at: Place,
        guess: u64,
        value: u64,
    ) -> Outcome<u64> {
        let (value, guess) = (value / UNIT, guess / UNIT);
        let difference = self.signed(c, at, value.wrapping_sub(guess))?;
        Ok(guess.wrapping_add(difference).wrapping_mul(UNIT))
    }
}

#[inline]
fn signed<C: Coder>(c: &mut C, model: &mut Model, value: u64) -> Outcome<u64> {
    let sign = (value as i64 >> 63) as u64;
    let magnitude = (value ^ sign).wrapping_sub(sign);
    let class = DIFFERENCES.of(magnitude);
    let symbol = usize::from(class.symbol) | (sign as usize & NEGATIVE);
    let symbol = c.symbol(model, symbol);
    let magnitude = DIFFERENCES.rest(c, symbol % NEGATIVE, magnitude, class)?;
    if C::ENCODES {
        return Ok(value);
    }
    let sign = 0_u64.wrapping_sub((symbol / NEGATIVE) as u64);
    Ok((magnitude ^ sign).wrapping_sub(sign))
}

/// The first of the least costs.
#[inline]
pub(crate) fn cheapest<const N: usize>(costs: &[u16; N]) -> usize {
    let (mut best, mut least) = (0, costs[0]);
    for (at, &cost) in costs.iter().enumerate().skip(1) {
        let is_less = cost < least;
        best = select_unpredictable(is_less, at, best);
        least = select_unpredictable(is_less, cost, least);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coder::{Reader, Streams, Writer};
    use proptest::prelude::*;

    /// What comes back of numbers and differences, and how many bytes of bits they took.
    fn coded(values: &[u64]) -> (Vec<u64>, usize) {
        let (mut writer, mut models) = (Writer::default(), Models::default());
        let (number, difference) = (models.symbol_place(0), models.symbol_place(0));
        writer.reset();
        for &value in values {
            models.number(&mut writer, number, value).unwrap();
            models.signed(&mut writer, difference, value).unwrap();
        }
        let (symbols, bits, text) = writer.finish(0);
        let len = bits.len();
        let mut reader = Reader::new(Streams {
            symbols,
            bits,
            text,
        });
        let mut models = Models::default();
        let (number, difference) = (models.symbol_place(0), models.symbol_place(0));
        let mut back = Vec::new();
        for _ in values {
            back.push(models.number(&mut reader, number, 0).unwrap());
            back.push(models.signed(&mut reader, difference, 0).unwrap());
        }
        assert_eq!(reader.finish(), Some(0));
        (back, len)
    }

    #[test]
    fn numbers_around_powers_of_two_come_back() {
        let powers = (0..64).map(|bit| 1_u64 << bit);
        let values = powers.flat_map(|power| [power - 1, power, power + 1, power.wrapping_neg()]);
        let values: Vec<_> = values.chain([u64::MAX, u64::MAX / 2]).collect();
        let twice: Vec<_> = values.iter().flat_map(|value| [*value; 2]).collect();
        assert_eq!(coded(&values).0, twice);
    }

    #[test]
    fn least_numbers_and_differences_take_no_bits() {
        assert_eq!(coded(&[0, 1, 0, 0, 1]).1, 0);
    }

    proptest! {
        #[test]
        fn numbers_come_back(values in proptest::collection::vec((any::<u64>(), 0..64_u32), 0..50)) {
            let values: Vec<_> = values.iter().map(|&(value, shift)| (value as i64 >> shift) as u64).collect();
            let twice: Vec<_> = values.iter().flat_map(|value| [*value; 2]).collect();
            prop_assert_eq!(coded(&values).0, twice);
        }
    }
}
