//! Numbers: by their magnitude, and as differences to guesses.

use core::hint::select_unpredictable;

use super::{Models, Place};
use crate::coder::{Coder, Model, follow};
use crate::error::Outcome;

/// Numbers by magnitude: a token of two symbols says the value below 16, or its length in bits and the two
/// bits after the first; the others follow as they are.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Number {
    high: Model,
    low: [Place; 16],
}

/// Differences by sign and magnitude, to the best of several guesses: all but the models of the lower halves is
/// one line of a cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Difference {
    high: Model,
    low: [Place; CLASSES],
    /// What each of the guesses costs lately.
    costs: [u16; GUESSES],
    _rest: [u16; 4],
}

/// Magnitudes that lower halves are told apart by.
const CLASSES: usize = 8;
/// Guesses of a number at most.
pub(crate) const GUESSES: usize = 4;

impl Number {
    pub(super) const NEW: Self = Self {
        high: Model::NEW,
        low: [0; 16],
    };
}

impl Difference {
    pub(super) const NEW: Self = Self {
        high: Model::NEW,
        low: [0; CLASSES],
        costs: [0; GUESSES],
        _rest: [0; 4],
    };
}

impl Models {
    /// A number by its magnitude.
    #[inline]
    pub(crate) fn number<C: Coder>(&mut self, c: &mut C, at: Place, value: u64) -> Outcome<u64> {
        let token = if C::ENCODES { token(value) } else { 0 };
        let number = &mut self.numbers[at as usize];
        let high = c.symbol(&mut number.high, token >> 4) & 15;
        let mut low_at = usize::from(number.low[high]);
        if low_at == 0 {
            low_at = self.new_low(at, high);
        }
        let low = c.symbol(&mut self.symbols[low_at], token & 15);
        let token = (high << 4) | low;
        if token < 16 {
            return Ok(token as u64);
        }
        let rest = (token as u32 - 16) / 4 + 2;
        let bits = c.bits(value, rest)?;
        if C::ENCODES {
            return Ok(value);
        }
        Ok((((token as u64 & 3) | 4) << rest) | bits)
    }

    /// A difference of either sign.
    #[inline]
    pub(crate) fn signed<C: Coder>(&mut self, c: &mut C, at: Place, value: u64) -> Outcome<u64> {
        let (mut high, mut low, mut rest) = (0, 0, 0);
        let sign = (value as i64 >> 63) as u64;
        let magnitude = (value ^ sign).wrapping_sub(sign);
        if C::ENCODES {
            (high, low, rest) = split_magnitude(magnitude);
            high |= (sign & 8) as usize;
        }
        let number = &mut self.differences[at as usize];
        high = c.symbol(&mut number.high, high);
        let class = high % CLASSES;
        let mut low_at = usize::from(number.low[class]);
        if low_at == 0 {
            low_at = self.new_class(at, class);
        }
        low = c.symbol(&mut self.symbols[low_at], low);
        let mut first = 0;
        if !C::ENCODES {
            (first, rest) = match (class, low) {
                (0, _) => (low as u64, 0),
                (FAR_CLASS, FARTHEST) => (0, 64),
                (FAR_CLASS, _) => (1, low as u32 + FAR_BITS - 1),
                _ => ((low as u64 & 3) | 4, (4 * class + low / 4) as u32 - 2),
            };
        }
        let bits = c.bits(magnitude, rest)?;
        if C::ENCODES {
            return Ok(value);
        }
        let sign = 0_u64.wrapping_sub((high >> 3) as u64);
        let magnitude = first.unbounded_shl(rest) | bits;
        Ok((magnitude ^ sign).wrapping_sub(sign))
    }

    /// A number by its difference to the guess that was the best lately, both divided by `unit`; what the guesses
    /// cost is followed.
    #[inline]
    pub(crate) fn guessed<C: Coder>(
        &mut self,
        c: &mut C,
        at: Place,
        guesses: &[u64; GUESSES],
        unit: u32,
        value: u64,
    ) -> Outcome<u64> {
        let guess = guesses[cheapest(&self.differences[usize::from(at)].costs)];
        // Constants, so that nothing is divided by a variable.
        let value = match unit {
            1 => {
                let difference = self.signed(c, at, value.wrapping_sub(guess))?;
                guess.wrapping_add(difference)
            }
            100 => self.in_units::<100, C>(c, at, guess, value)?,
            1_000 => self.in_units::<1_000, C>(c, at, guess, value)?,
            _ => self.in_units::<1_000_000, C>(c, at, guess, value)?,
        };
        let costs = &mut self.differences[usize::from(at)].costs;
        follow(costs, value, guesses, &[0; GUESSES]);
        Ok(value)
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

/// The class of magnitudes whose lengths are told one by one, from so many bits on.
const FAR_CLASS: usize = CLASSES - 1;
const FAR_BITS: u32 = 29;
/// The symbol below it of those that are longer still.
const FARTHEST: usize = 15;

/// The class of a magnitude, the symbol below it, and how many bits follow.
#[inline]
fn split_magnitude(magnitude: u64) -> (usize, usize, u32) {
    if magnitude < 16 {
        return (0, magnitude as usize, 0);
    }
    let len = 64 - magnitude.leading_zeros();
    if len < FAR_BITS {
        let token = 4 * (len as usize - 1) + ((magnitude >> (len - 3)) & 3) as usize;
        return (token >> 4, token & 15, len - 3);
    }
    let low = (len - FAR_BITS) as usize;
    if low < FARTHEST {
        (FAR_CLASS, low, len - 1)
    } else {
        (FAR_CLASS, FARTHEST, 64)
    }
}

impl Models {
    /// The place of a number's model of lower halves, which it does not have yet.
    #[cold]
    fn new_low(&mut self, at: Place, high: usize) -> usize {
        let place = self.symbol_place(0);
        self.numbers[at as usize].low[high] = place;
        place as usize
    }

    /// Likewise, of a difference's.
    #[cold]
    fn new_class(&mut self, at: Place, class: usize) -> usize {
        let place = self.symbol_place(0);
        self.differences[usize::from(at)].low[class] = place;
        usize::from(place)
    }
}

fn token(value: u64) -> usize {
    if value < 16 {
        return value as usize;
    }
    let len = 64 - value.leading_zeros();
    ((len - 5) * 4 + 16) as usize + ((value >> (len - 3)) & 3) as usize
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
