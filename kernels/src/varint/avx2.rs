//! Loops that the compiler vectorises, with the instructions that make it pay.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use super::scalar;
use crate::proof::Avx2;

pub(super) fn total_len(_: Avx2, values: &[u64]) -> usize {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { total_len_avx2(values) }
}

pub(super) fn total_len_u32(_: Avx2, values: &[u32]) -> usize {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { total_len_u32_avx2(values) }
}

/// Compares with each power of 2^7, four values at a time. The baseline has no 64-bit comparison, and
/// there this is slower than counting leading zeros.
#[target_feature(enable = "avx2")]
fn total_len_avx2(values: &[u64]) -> usize {
    let more: u64 = values
        .iter()
        .map(|value| {
            (1..10)
                .map(|k| u64::from(value >> (7 * k) != 0))
                .sum::<u64>()
        })
        .sum();
    values.len() + more as usize
}

#[target_feature(enable = "avx2")]
fn total_len_u32_avx2(values: &[u32]) -> usize {
    scalar::total_len_u32(values)
}
