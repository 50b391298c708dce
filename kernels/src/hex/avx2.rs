//! Sixteen bytes at a time: nibbles spread to 32 lanes, then one look-up for all.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use std::arch::x86_64::*;

use super::scalar;
use crate::proof::Avx2;
use crate::x86;

pub(super) fn append(_: Avx2, bytes: &[u8], out: &mut Vec<u8>) {
    // SAFETY: the proof says that AVX2 is there.
    unsafe { append_avx2(bytes, out) }
}

#[target_feature(enable = "avx2")]
fn append_avx2(bytes: &[u8], out: &mut Vec<u8>) {
    let digits = x86::both_halves(b"0123456789abcdef");
    let low = _mm256_set1_epi16(0x0f);
    let (blocks, rest) = bytes.as_chunks::<16>();
    out.reserve(2 * bytes.len());
    let (places, _) = out.spare_capacity_mut().as_chunks_mut::<32>();
    for (block, place) in blocks.iter().zip(places) {
        // Each byte in a lane of 16 bits, its high nibble below its low one.
        let wide = _mm256_cvtepu8_epi16(x86::load16(block));
        let nibbles = _mm256_or_si256(
            _mm256_srli_epi16::<4>(wide),
            _mm256_slli_epi16::<8>(_mm256_and_si256(wide, low)),
        );
        x86::write32(place, _mm256_shuffle_epi8(digits, nibbles));
    }
    // SAFETY: so much was reserved, so there was a place for each block, and each was written.
    unsafe { out.set_len(out.len() + 32 * blocks.len()) };
    scalar::append_rest(rest, out);
}
