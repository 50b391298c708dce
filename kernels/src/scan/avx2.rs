//! The filter on 32 positions at a time.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use std::arch::x86_64::*;

use super::fingerprints::Fingerprints;
use super::table::WINDOW;
use super::{Hits, Match, scalar};
use crate::proof::Avx2;
use crate::x86;

/// Positions of one vector.
const LANES: usize = 32;
/// Bytes that one step reads.
const READ: usize = LANES + WINDOW - 1;

pub(super) fn scan<F: FnMut(Match)>(_: Avx2, fingerprints: &Fingerprints, hits: &mut Hits<'_, F>) {
    // SAFETY: the proof says that AVX2 and BMI1 are there.
    unsafe { scan_avx2(fingerprints, hits) }
}

#[target_feature(enable = "avx2,bmi1")]
fn scan_avx2<F: FnMut(Match)>(fingerprints: &Fingerprints, hits: &mut Hits<'_, F>) {
    let tables = fingerprints
        .nibbles
        .map(|[low, high]| [x86::both_halves(&low), x86::both_halves(&high)]);
    let fold = _mm256_set1_epi8(fingerprints.fold as i8);
    let mut start = 0;
    while let Some(bytes) = hits.arena[start..].first_chunk::<READ>() {
        let mut buckets = _mm256_set1_epi8(-1);
        for (at, [low, high]) in tables.iter().enumerate() {
            let text = _mm256_or_si256(x86::load32_at(bytes, at), fold);
            let nibble = _mm256_set1_epi8(15);
            let by_low = _mm256_shuffle_epi8(*low, _mm256_and_si256(text, nibble));
            let shifted = _mm256_srli_epi16::<4>(text);
            let by_high = _mm256_shuffle_epi8(*high, _mm256_and_si256(shifted, nibble));
            buckets = _mm256_and_si256(buckets, _mm256_and_si256(by_low, by_high));
        }
        let none = _mm256_cmpeq_epi8(buckets, _mm256_setzero_si256());
        let mut left = !(_mm256_movemask_epi8(none) as u32);
        while left != 0 {
            let within = left.trailing_zeros() as usize;
            let window = bytes[within..].first_chunk();
            if window.is_none_or(|window| hits.table.may_begin(window)) {
                hits.check(start + within);
            }
            left &= left - 1;
        }
        start += LANES;
    }
    scalar::scan(start, hits);
}
