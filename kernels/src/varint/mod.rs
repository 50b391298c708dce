//! How many bytes integers take as protobuf varints: 7 bits a byte.
//!
//! An encoder that lays out a packed field or the lengths of a column of strings needs the total first.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;

use crate::Level;
#[cfg(target_arch = "x86_64")]
use crate::proof::Proof;

/// The bytes of all values together.
///
/// ```
/// assert_eq!(otel_enhance_kernels::varint::total_len(&[0, 127, 128, u64::MAX]), 1 + 1 + 2 + 10);
/// ```
pub fn total_len(values: &[u64]) -> usize {
    total_len_with(Level::active(), values)
}

/// [`total_len`] on a given level.
pub fn total_len_with(level: Level, values: &[u64]) -> usize {
    match level.proof() {
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(proof) => avx2::total_len(proof, values),
        _ => scalar::total_len(values),
    }
}

/// The bytes of all values together, as of a column of lengths.
///
/// ```
/// assert_eq!(otel_enhance_kernels::varint::total_len_u32(&[0, 127, 128, u32::MAX]), 1 + 1 + 2 + 5);
/// ```
pub fn total_len_u32(values: &[u32]) -> usize {
    total_len_u32_with(Level::active(), values)
}

/// [`total_len_u32`] on a given level.
pub fn total_len_u32_with(level: Level, values: &[u32]) -> usize {
    match level.proof() {
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(proof) => avx2::total_len_u32(proof, values),
        _ => scalar::total_len_u32(values),
    }
}

#[cfg(test)]
mod tests;
