//! Sixteen bytes at a time: both nibbles looked up, and stored in turns.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use std::arch::aarch64::*;

use super::scalar;
use crate::arm;
use crate::proof::Neon;

pub(super) fn append(_: Neon, bytes: &[u8], out: &mut Vec<u8>) {
    // SAFETY: the proof says that Advanced SIMD is there.
    unsafe { append_neon(bytes, out) }
}

#[target_feature(enable = "neon")]
fn append_neon(bytes: &[u8], out: &mut Vec<u8>) {
    let digits = arm::load16(b"0123456789abcdef");
    out.reserve(2 * bytes.len());
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        let bytes = arm::load16(block);
        let high = vqtbl1q_u8(digits, vshrq_n_u8::<4>(bytes));
        let low = vqtbl1q_u8(digits, vandq_u8(bytes, vdupq_n_u8(15)));
        out.extend_from_slice(&arm::bytes16(vzip1q_u8(high, low)));
        out.extend_from_slice(&arm::bytes16(vzip2q_u8(high, low)));
    }
    scalar::append_rest(rest, out);
}
