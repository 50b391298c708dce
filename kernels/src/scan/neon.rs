//! The filter on 16 positions at a time.
#![expect(
    unsafe_code,
    reason = "vector instructions behind a proof that they exist"
)]

use std::arch::aarch64::*;

use super::fingerprints::Fingerprints;
use super::table::WINDOW;
use super::{Hits, Match, scalar};
use crate::arm;
use crate::proof::Neon;

/// Positions of one vector.
const LANES: usize = 16;
/// Bytes that one step reads.
const READ: usize = LANES + WINDOW - 1;

pub(super) fn scan<F: FnMut(Match)>(_: Neon, fingerprints: &Fingerprints, hits: &mut Hits<'_, F>) {
    // SAFETY: the proof says that Advanced SIMD is there.
    unsafe { scan_neon(fingerprints, hits) }
}

#[target_feature(enable = "neon")]
fn scan_neon<F: FnMut(Match)>(fingerprints: &Fingerprints, hits: &mut Hits<'_, F>) {
    let tables = fingerprints
        .nibbles
        .map(|[low, high]| [arm::load16(&low), arm::load16(&high)]);
    let fold = vdupq_n_u8(fingerprints.fold);
    let mut start = 0;
    while let Some(bytes) = hits.arena[start..].first_chunk::<READ>() {
        let mut buckets = vdupq_n_u8(u8::MAX);
        for (at, [low, high]) in tables.iter().enumerate() {
            let text = vorrq_u8(arm::load16_at(bytes, at), fold);
            let by_low = vqtbl1q_u8(*low, vandq_u8(text, vdupq_n_u8(15)));
            let by_high = vqtbl1q_u8(*high, vshrq_n_u8::<4>(text));
            buckets = vandq_u8(buckets, vandq_u8(by_low, by_high));
        }
        // Four bits a position: the narrowing shift keeps half of each byte.
        let left = vreinterpretq_u16_u8(vtstq_u8(buckets, buckets));
        let mut left = vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(left)));
        while left != 0 {
            let within = left.trailing_zeros() as usize / 4;
            let window = bytes[within..].first_chunk();
            if window.is_none_or(|window| hits.table.may_begin(window)) {
                hits.check(start + within);
            }
            left &= !(0xf << (4 * within));
        }
        start += LANES;
    }
    scalar::scan(start, hits);
}
