//! The blocks, compiled for AVX2: four 64-bit lanes, and comparisons of them.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use super::blocks;
use super::mapping::Mapping;
use crate::proof::Avx2;

pub(super) fn append(_: Avx2, mapping: &Mapping, values: &[f64], out: &mut Vec<i32>) {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { append_avx2(mapping, values, out) }
}

pub(super) fn append_u64(_: Avx2, mapping: &Mapping, values: &[u64], out: &mut Vec<i32>) {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { append_u64_avx2(mapping, values, out) }
}

#[target_feature(enable = "avx2")]
fn append_avx2(mapping: &Mapping, values: &[f64], out: &mut Vec<i32>) {
    blocks::append(mapping, values, out, |value| value);
}

#[target_feature(enable = "avx2")]
fn append_u64_avx2(mapping: &Mapping, values: &[u64], out: &mut Vec<i32>) {
    blocks::append(mapping, values, out, |value| value as f64);
}
