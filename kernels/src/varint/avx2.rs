//! Loops of the scalar twin, compiled for the instructions that make them pay.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use super::scalar;
use crate::proof::Avx2;

pub(super) fn total_len(_: Avx2, values: &[u64]) -> usize {
    // SAFETY: the proof says that these are there as well.
    unsafe { total_len_lzcnt(values) }
}

pub(super) fn total_len_u32(_: Avx2, values: &[u32]) -> usize {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { total_len_u32_avx2(values) }
}

/// The scalar loop, with the instruction that counts leading zeros, which the baseline lacks. Without AVX2:
/// the compiler would count them by tables, and vectors that compare with each power of 2^7 are slower too.
#[target_feature(enable = "lzcnt,bmi1,bmi2")]
fn total_len_lzcnt(values: &[u64]) -> usize {
    scalar::total_len(values)
}

#[target_feature(enable = "avx2")]
fn total_len_u32_avx2(values: &[u32]) -> usize {
    scalar::total_len_u32(values)
}
