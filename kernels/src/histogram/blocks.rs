//! Eight values at a time, written so that the compiler makes vectors of them.
//!
//! A polynomial takes the logarithm's place. Where its error could matter, beside a boundary, and where a
//! value is special, the block is done again one by one: the result is always that of [`Mapping::index`].

use super::mapping::{Mapping, SIGNIFICAND_MASK, exponent, fraction, is_special};

const LANES: usize = 8;

#[inline(always)]
pub(super) fn append<T: Copy>(
    mapping: &Mapping,
    values: &[T],
    out: &mut Vec<i32>,
    to_float: impl Fn(T) -> f64,
) {
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        let mut floats = [0.0; LANES];
        for (float, value) in floats.iter_mut().zip(block) {
            *float = to_float(*value);
        }
        let mut indexes = [0; LANES];
        let sure = if mapping.scale > 0 {
            fine(mapping.scale, &floats, &mut indexes)
        } else {
            coarse(mapping.scale, &floats, &mut indexes)
        };
        if !sure {
            one_by_one(mapping, &floats, &mut indexes);
        }
        out.extend_from_slice(&indexes);
    }
    out.extend(rest.iter().map(|value| mapping.index(to_float(*value))));
}

#[cold]
fn one_by_one(mapping: &Mapping, values: &[f64; LANES], indexes: &mut [i32; LANES]) {
    for (index, value) in indexes.iter_mut().zip(values) {
        *index = mapping.index(*value);
    }
}

/// For scales up to zero: exponents alone. Whether all indexes are right.
#[inline(always)]
fn coarse(scale: i8, values: &[f64; LANES], indexes: &mut [i32; LANES]) -> bool {
    let mut special = false;
    for (index, value) in indexes.iter_mut().zip(values) {
        let bits = value.to_bits();
        special |= is_special(bits);
        let power_of_two = i32::from(bits & SIGNIFICAND_MASK == 0);
        *index = (exponent(bits) as i32 - 1 - power_of_two) >> -scale;
    }
    !special
}

/// For scales above zero. Whether all indexes are right.
#[inline(always)]
fn fine(scale: i8, values: &[f64; LANES], indexes: &mut [i32; LANES]) -> bool {
    /// Added to a small number, it leaves the nearest integer in the lowest bits.
    const TO_INTEGER: f64 = (1_u64 << 52) as f64 + (1_u64 << 51) as f64;
    /// More than the errors of [`binary_logarithm`] (7e-13) and of the exact formula's two roundings.
    const DOUBT: f64 = 1e-12;

    let buckets = (1_u32 << scale) as f64;
    let doubt = DOUBT * buckets;
    let mut unsure = false;
    for (index, value) in indexes.iter_mut().zip(values) {
        let bits = value.to_bits();
        let position = binary_logarithm(fraction(bits)) * buckets;
        let shifted = position + TO_INTEGER;
        let nearest = shifted - TO_INTEGER;
        unsure |= is_special(bits) | ((position - nearest).abs() <= doubt);
        let integer = shifted.to_bits().wrapping_sub(TO_INTEGER.to_bits()) as i32;
        let rounded_up = integer + i32::from(nearest < position);
        *index = ((exponent(bits) as i32) << scale) + rounded_up - 1;
    }
    !unsure
}

/// Of a number from 0.5 up to 1, within 7e-13: the series of the area hyperbolic tangent around the square
/// root of a half, seven terms. The first one left out is below 6.4e-13, and each next a thirtieth.
#[inline(always)]
fn binary_logarithm(fraction: f64) -> f64 {
    use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};
    const fn term(k: i32) -> f64 {
        2.0 * LOG2_E / (2 * k + 1) as f64
    }
    let ratio = (fraction - FRAC_1_SQRT_2) / (fraction + FRAC_1_SQRT_2);
    let square = ratio * ratio;
    let mut sum = term(6);
    sum = sum * square + term(5);
    sum = sum * square + term(4);
    sum = sum * square + term(3);
    sum = sum * square + term(2);
    sum = sum * square + term(1);
    sum = sum * square + term(0);
    sum * ratio - 0.5
}
