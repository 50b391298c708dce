//! Loops that the compiler vectorises.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use super::{deltas, frame};
use crate::proof::Avx2;

pub(super) fn append_deltas(_: Avx2, before: u64, values: &[u64], out: &mut Vec<u64>) {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { append_deltas_avx2(before, values, out) }
}

pub(super) fn range(_: Avx2, values: &[u64]) -> (u64, u64) {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { range_avx2(values) }
}

#[target_feature(enable = "avx2")]
fn append_deltas_avx2(before: u64, values: &[u64], out: &mut Vec<u64>) {
    deltas::append(before, values, out);
}

#[target_feature(enable = "avx2")]
fn range_avx2(values: &[u64]) -> (u64, u64) {
    frame::range(values)
}
