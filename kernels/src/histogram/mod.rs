//! Bucket indexes of base-2 exponential histograms.
//!
//! At scale `s` the bucket `i` holds the values above `2^(i / 2^s)` up to and including `2^((i + 1) / 2^s)`
//! (OpenTelemetry metrics data model, "Exponential Scale"). The indexes equal those of the official SDK's
//! histogram, its rounding beside a boundary included.
//!
//! An index at a lower scale is that at a higher one shifted right by the difference: whoever changes the
//! scale later asks once, for the highest.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod blocks;
mod mapping;

use mapping::Mapping;

use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::proof::Proof;

/// The lowest scale that there is.
pub const MIN_SCALE: i8 = -10;
/// The highest scale that there is.
pub const MAX_SCALE: i8 = 20;
/// Instead of an index, for what has none: zero, infinities and NaN.
pub const NO_BUCKET: i32 = i32::MIN;

/// Appends the index of each value's magnitude. A scale outside of −10 to 20 is taken as the nearest one.
///
/// ```
/// use otel_enhance_kernels::histogram::{NO_BUCKET, append_indexes};
///
/// let mut indexes = Vec::new();
/// // Powers of two belong to the bucket below.
/// append_indexes(&[1.0, 1.5, 2.0, 2.1, 0.0], 0, &mut indexes);
/// assert_eq!(indexes, [-1, 0, 0, 1, NO_BUCKET]);
/// ```
pub fn append_indexes(values: &[f64], scale: i8, out: &mut Vec<i32>) {
    append_indexes_with(Level::active(), values, scale, out);
}

/// [`append_indexes`] on a given level.
pub fn append_indexes_with(level: Level, values: &[f64], scale: i8, out: &mut Vec<i32>) {
    let mapping = Mapping::new(scale);
    match level.proof() {
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(proof) => avx2::append(proof, &mapping, values, out),
        _ => blocks::append(&mapping, values, out, |value| value),
    }
}

/// Appends the index of each value, such as a duration in nanoseconds, taken as the nearest `f64`.
///
/// ```
/// use otel_enhance_kernels::histogram::append_indexes_u64;
///
/// let mut indexes = Vec::new();
/// append_indexes_u64(&[1_000_000, 1_048_576, 1_048_577], 0, &mut indexes);
/// assert_eq!(indexes, [19, 19, 20]);
/// ```
pub fn append_indexes_u64(values: &[u64], scale: i8, out: &mut Vec<i32>) {
    append_indexes_u64_with(Level::active(), values, scale, out);
}

/// [`append_indexes_u64`] on a given level.
pub fn append_indexes_u64_with(level: Level, values: &[u64], scale: i8, out: &mut Vec<i32>) {
    let mapping = Mapping::new(scale);
    match level.proof() {
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(proof) => avx2::append_u64(proof, &mapping, values, out),
        _ => blocks::append(&mapping, values, out, |value| value as f64),
    }
}

#[cfg(test)]
mod official;
#[cfg(test)]
mod tests;
