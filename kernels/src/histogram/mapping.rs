//! One value's index, as the official SDK computes it.

use std::f64::consts::LOG2_E;

use super::{MAX_SCALE, MIN_SCALE, NO_BUCKET};

/// Bits of the significand that an `f64` stores.
const SIGNIFICAND_BITS: u32 = 52;
pub(super) const SIGNIFICAND_MASK: u64 = (1 << SIGNIFICAND_BITS) - 1;
/// The exponent field of a number from 0.5 up to 1.
const EXPONENT_OF_HALF: u64 = 0x3fe;
const EXPONENT_MASK: u64 = 0x7ff;

/// A scale, with what follows from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapping {
    pub(super) scale: i8,
    /// Buckets a doubling by the binary logarithm of e: from natural logarithms to buckets.
    factor: f64,
}

impl Mapping {
    pub(super) fn new(scale: i8) -> Self {
        let scale = scale.clamp(MIN_SCALE, MAX_SCALE);
        Self {
            scale,
            factor: LOG2_E * 2_f64.powi(i32::from(scale)),
        }
    }

    pub(super) fn index(&self, value: f64) -> i32 {
        let value = value.abs();
        if value == 0.0 || !value.is_finite() {
            return NO_BUCKET;
        }
        let (fraction, exponent) = split(value);
        if self.scale <= 0 {
            // A power of two belongs to the bucket that it ends.
            let below = if fraction == 0.5 { 2 } else { 1 };
            return (exponent - below) >> -self.scale;
        }
        // The logarithm is negative or zero: cutting its digits off rounds it up.
        (exponent << self.scale) + (fraction.ln() * self.factor) as i32 - 1
    }
}

/// The fraction, from 0.5 up to 1, and the power of two to multiply it by.
fn split(value: f64) -> (f64, i32) {
    let bits = value.to_bits();
    if exponent_field(bits) == 0 {
        // Subnormal: the significand starts lower.
        const SHIFT: i32 = 64;
        let (fraction, exponent) = split(value * 2_f64.powi(SHIFT));
        return (fraction, exponent - SHIFT);
    }
    (fraction(bits), exponent(bits) as i32)
}

#[inline(always)]
pub(super) fn exponent_field(bits: u64) -> u64 {
    (bits >> SIGNIFICAND_BITS) & EXPONENT_MASK
}

/// Whether the bits are those of an infinity, NaN, zero or subnormal number.
#[inline(always)]
pub(super) fn is_special(bits: u64) -> bool {
    let field = exponent_field(bits);
    (field == 0) | (field == EXPONENT_MASK)
}

#[inline(always)]
pub(super) fn exponent(bits: u64) -> i64 {
    exponent_field(bits) as i64 - EXPONENT_OF_HALF as i64
}

#[inline(always)]
pub(super) fn fraction(bits: u64) -> f64 {
    f64::from_bits((bits & SIGNIFICAND_MASK) | (EXPONENT_OF_HALF << SIGNIFICAND_BITS))
}
