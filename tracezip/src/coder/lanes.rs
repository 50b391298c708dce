//! What is done to all sixteen frequencies of a model at once.

use super::Model;

/// A bit for each frequency that is above `target`, which is below 2^15.
#[inline]
pub(super) fn above(model: &Model, target: u16) -> u32 {
    #[cfg(target_arch = "x86_64")]
    return sse2::above(model, target);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::above(model, target)
}

/// A bit for each number that equals `wanted`.
#[inline]
pub(crate) fn equal(numbers: &[u16; 16], wanted: u16) -> u32 {
    #[cfg(target_arch = "x86_64")]
    return sse2::equal(numbers, wanted);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::equal(numbers, wanted)
}

/// A bit for each number that equals `wanted`.
#[inline]
pub(crate) fn equal_wide<const N: usize>(numbers: &[u64; N], wanted: u64) -> u32 {
    #[cfg(target_arch = "x86_64")]
    return sse2::equal_wide(numbers, wanted);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::equal_wide(numbers, wanted)
}

/// The first of the symbols with the least frequency, of those that have a bit in `among`, which has some.
#[inline]
pub(super) fn least(model: &Model, among: u16) -> usize {
    #[cfg(target_arch = "x86_64")]
    return sse2::least(model, among);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::least(model, among)
}

/// Moves each frequency to its target by a part of the distance.
#[inline]
pub(super) fn approach(model: &mut Model, targets: &Model, rate: u8) {
    #[cfg(target_arch = "x86_64")]
    sse2::approach(model, targets, rate);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::approach(model, targets, rate);
}

/// Lets four running costs follow what the differences of `value` to the guesses cost, and `more`.
#[inline]
pub(crate) fn follow(costs: &mut [u16; 4], value: u64, guesses: &[u64; 4], more: &[u16; 4]) {
    #[cfg(target_arch = "x86_64")]
    sse2::follow(costs, value, guesses, more);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::follow(costs, value, guesses, more);
}

/// 2^63 divided by each of four numbers below 2^15, and up to 2^12 more.
#[inline]
pub(super) fn reciprocals(of: [u32; 4]) -> [u64; 4] {
    #[cfg(target_arch = "x86_64")]
    return sse2::reciprocals(of);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::reciprocals(of)
}

/// What makes up for the rounding of a quotient below 2^63 as a double.
const MORE: u64 = 1 << 11;
const DIVIDED: f64 = (1_u64 << 63) as f64;

/// Every x86-64 has these instructions.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "aligned loads and stores of vectors")]
mod sse2 {
    use core::arch::x86_64::{
        __m128i, _mm_add_epi16, _mm_and_si128, _mm_andnot_si128, _mm_castpd_ps, _mm_castps_si128,
        _mm_castsi128_pd, _mm_cmpeq_epi16, _mm_cmpeq_epi32, _mm_cmpgt_epi16, _mm_cvtepi32_pd,
        _mm_cvtsi32_si128, _mm_cvtsi64_sd, _mm_cvttsd_si64, _mm_div_pd, _mm_insert_epi16,
        _mm_load_si128, _mm_loadl_epi64, _mm_loadu_si128, _mm_min_epi16, _mm_movemask_epi8,
        _mm_movemask_pd, _mm_or_si128, _mm_packs_epi16, _mm_packs_epi32, _mm_set1_epi16,
        _mm_set1_epi64x, _mm_set1_pd, _mm_setr_epi16, _mm_setzero_pd, _mm_shuffle_epi32,
        _mm_shuffle_ps, _mm_shufflelo_epi16, _mm_slli_epi32, _mm_slli_si128, _mm_sra_epi16,
        _mm_srai_epi16, _mm_srli_epi32, _mm_srli_si128, _mm_store_si128, _mm_storel_epi64,
        _mm_sub_epi16, _mm_unpackhi_pd, _mm_unpacklo_pd,
    };

    use super::{DIVIDED, MORE};
    use crate::coder::Model;

    #[inline]
    pub(super) fn above(model: &Model, target: u16) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { above_sse2(model, target) }
    }

    #[inline]
    pub(super) fn equal(numbers: &[u16; 16], wanted: u16) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { equal_sse2(numbers, wanted) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal_sse2(numbers: &[u16; 16], wanted: u16) -> u32 {
        let at = numbers.as_ptr().cast::<__m128i>();
        // SAFETY: sixteen numbers are two vectors; loads need no alignment.
        let (low, high) = unsafe { (_mm_loadu_si128(at), _mm_loadu_si128(at.add(1))) };
        let wanted = _mm_set1_epi16(wanted as i16);
        let low = _mm_cmpeq_epi16(low, wanted);
        let high = _mm_cmpeq_epi16(high, wanted);
        _mm_movemask_epi8(_mm_packs_epi16(low, high)) as u32
    }

    #[inline]
    pub(super) fn equal_wide<const N: usize>(numbers: &[u64; N], wanted: u64) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { equal_wide_sse2(numbers, wanted) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal_wide_sse2<const N: usize>(numbers: &[u64; N], wanted: u64) -> u32 {
        let both = _mm_set1_epi64x(wanted as i64);
        let (pairs, rest) = numbers.as_chunks::<2>();
        let mut bits = 0;
        for (pair, at) in pairs.iter().zip(0..) {
            // SAFETY: two numbers are a vector; loads need no alignment.
            let pair = unsafe { _mm_loadu_si128(pair.as_ptr().cast()) };
            let halves = _mm_cmpeq_epi32(pair, both);
            let swapped = _mm_shuffle_epi32::<0b1011_0001>(halves);
            let equal = _mm_castsi128_pd(_mm_and_si128(halves, swapped));
            bits |= (_mm_movemask_pd(equal) as u32) << (2 * at);
        }
        for number in rest {
            bits |= u32::from(*number == wanted) << (N - 1);
        }
        bits
    }

    #[inline]
    pub(super) fn least(model: &Model, among: u16) -> usize {
        // SAFETY: every x86-64 has SSE2.
        unsafe { least_sse2(model, among) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn least_sse2(model: &Model, among: u16) -> usize {
        let (low, high) = load(model);
        let low = _mm_insert_epi16::<0>(low, 0);
        let next = _mm_or_si128(_mm_srli_si128::<2>(low), _mm_slli_si128::<14>(high));
        let last = _mm_insert_epi16::<7>(_mm_srli_si128::<2>(high), 1 << 15);
        // What is not among them is above any frequency.
        let bits = _mm_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128);
        let none = _mm_set1_epi16(i16::MAX);
        let frequencies = |frequencies, among: u16| {
            let is_among = _mm_cmpeq_epi16(_mm_and_si128(_mm_set1_epi16(among as i16), bits), bits);
            _mm_or_si128(frequencies, _mm_andnot_si128(is_among, none))
        };
        let low = frequencies(_mm_sub_epi16(next, low), among & 0xff);
        let high = frequencies(_mm_sub_epi16(last, high), among >> 8);
        let least = _mm_min_epi16(low, high);
        let least = _mm_min_epi16(least, _mm_shuffle_epi32::<0b0100_1110>(least));
        let least = _mm_min_epi16(least, _mm_shuffle_epi32::<0b1011_0001>(least));
        let least = _mm_min_epi16(least, _mm_shufflelo_epi16::<0b1011_0001>(least));
        let least = _mm_shuffle_epi32::<0>(_mm_shufflelo_epi16::<0>(least));
        let low = _mm_cmpeq_epi16(low, least);
        let high = _mm_cmpeq_epi16(high, least);
        let found = _mm_movemask_epi8(_mm_packs_epi16(low, high));
        (found.trailing_zeros() & 15) as usize
    }

    #[inline]
    pub(super) fn approach(model: &mut Model, targets: &Model, rate: u8) {
        // SAFETY: every x86-64 has SSE2.
        unsafe { approach_sse2(model, targets, rate) }
    }

    #[inline]
    pub(super) fn follow(costs: &mut [u16; 4], value: u64, guesses: &[u64; 4], more: &[u16; 4]) {
        // SAFETY: every x86-64 has SSE2.
        unsafe { follow_sse2(costs, value, guesses, more) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn follow_sse2(costs: &mut [u16; 4], value: u64, guesses: &[u64; 4], more: &[u16; 4]) {
        let double = |guess: u64| {
            let difference = value.wrapping_sub(guess) as i64 | 1;
            _mm_cvtsi64_sd(_mm_setzero_pd(), difference)
        };
        let [first, second, third, fourth] = guesses.map(double);
        let low = _mm_castpd_ps(_mm_unpacklo_pd(first, second));
        let high = _mm_castpd_ps(_mm_unpacklo_pd(third, fourth));
        // The upper halves, of which the upper halves without the sign are the costs.
        let upper = _mm_castps_si128(_mm_shuffle_ps::<0b1101_1101>(low, high));
        let new = _mm_srli_epi32::<17>(_mm_slli_epi32::<1>(upper));
        let new = _mm_packs_epi32(new, new);
        // SAFETY: four costs are half a vector, and that is what is read and written.
        unsafe {
            let more = _mm_loadl_epi64(more.as_ptr().cast());
            let running = _mm_loadl_epi64(costs.as_ptr().cast());
            let step = _mm_srai_epi16::<3>(_mm_sub_epi16(_mm_add_epi16(new, more), running));
            _mm_storel_epi64(costs.as_mut_ptr().cast(), _mm_add_epi16(running, step));
        }
    }

    #[inline]
    pub(super) fn reciprocals(of: [u32; 4]) -> [u64; 4] {
        // SAFETY: every x86-64 has SSE2.
        unsafe { reciprocals_sse2(of) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn reciprocals_sse2(of: [u32; 4]) -> [u64; 4] {
        // SAFETY: four numbers are a vector; loads need no alignment.
        let of = unsafe { _mm_loadu_si128(of.as_ptr().cast()) };
        let divided = _mm_set1_pd(DIVIDED);
        let low = _mm_div_pd(divided, _mm_cvtepi32_pd(of));
        let high = _mm_div_pd(
            divided,
            _mm_cvtepi32_pd(_mm_shuffle_epi32::<0b0000_1110>(of)),
        );
        // That of 1 is out of range, which makes it 2^63 as it should be.
        [
            low,
            _mm_unpackhi_pd(low, low),
            high,
            _mm_unpackhi_pd(high, high),
        ]
        .map(|reciprocal| _mm_cvttsd_si64(reciprocal) as u64 + MORE)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(model: &Model) -> (__m128i, __m128i) {
        let at = core::ptr::from_ref(model).cast::<__m128i>();
        // SAFETY: a model is two vectors long, and aligned as they are.
        unsafe { (_mm_load_si128(at), _mm_load_si128(at.add(1))) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn above_sse2(model: &Model, target: u16) -> u32 {
        let (low, high) = load(model);
        // Frequencies and targets are below 2^15, so that signed comparisons do.
        let target = _mm_set1_epi16(target as i16);
        let low = _mm_cmpgt_epi16(low, target);
        let high = _mm_cmpgt_epi16(high, target);
        _mm_movemask_epi8(_mm_packs_epi16(low, high)) as u32
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn approach_sse2(model: &mut Model, targets: &Model, rate: u8) {
        let (low, high) = load(model);
        let (low_targets, high_targets) = load(targets);
        let rate = _mm_cvtsi32_si128(i32::from(rate));
        let low = _mm_add_epi16(low, _mm_sra_epi16(_mm_sub_epi16(low_targets, low), rate));
        let high = _mm_add_epi16(high, _mm_sra_epi16(_mm_sub_epi16(high_targets, high), rate));
        let at = core::ptr::from_mut(model).cast::<__m128i>();
        // SAFETY: as above, and the model is ours alone.
        unsafe {
            _mm_store_si128(at, low);
            _mm_store_si128(at.add(1), high);
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod scalar {
    use super::{DIVIDED, MORE};
    use crate::coder::Model;

    pub(super) fn follow(costs: &mut [u16; 4], value: u64, guesses: &[u64; 4], more: &[u16; 4]) {
        for ((running, guess), more) in costs.iter_mut().zip(guesses).zip(more) {
            let double = (value.wrapping_sub(*guess) as i64 | 1) as f64;
            let cost = ((double.to_bits() >> 48) as u16 & 0x7fff) + more;
            *running = running.wrapping_add_signed((cost as i16 - *running as i16) >> 3);
        }
    }

    pub(super) fn reciprocals(of: [u32; 4]) -> [u64; 4] {
        of.map(|number| (DIVIDED / f64::from(number)) as u64 + MORE)
    }

    pub(super) fn above(model: &Model, target: u16) -> u32 {
        let bits = model.0.iter().enumerate();
        bits.map(|(at, &bound)| u32::from(bound > target) << at)
            .sum()
    }

    pub(super) fn equal(numbers: &[u16; 16], wanted: u16) -> u32 {
        let bits = numbers.iter().enumerate();
        bits.map(|(at, &number)| u32::from(number == wanted) << at)
            .sum()
    }

    pub(super) fn equal_wide<const N: usize>(numbers: &[u64; N], wanted: u64) -> u32 {
        let bits = numbers.iter().enumerate();
        bits.map(|(at, &number)| u32::from(number == wanted) << at)
            .sum()
    }

    pub(super) fn least(model: &Model, among: u16) -> usize {
        (0..16)
            .filter(|symbol| among >> symbol & 1 == 1)
            .min_by_key(|symbol| model.frequency(*symbol))
            .unwrap_or(0)
    }

    pub(super) fn approach(model: &mut Model, targets: &Model, rate: u8) {
        for (bound, target) in model.0.iter_mut().zip(&targets.0) {
            let now = *bound as i16;
            *bound = (now + ((*target as i16 - now) >> rate)) as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lanes_of_any_symbols_equal_the_scalar_twin(
            symbols in proptest::collection::vec((0_usize..16, 0_u32..1 << 15), 1..200)
        ) {
            let mut model = Model::NEW;
            for (symbol, target) in symbols {
                prop_assert_eq!(above(&model, target as u16), scalar::above(&model, target as u16));
                let (start, size) = model.range(model.find(target));
                prop_assert!(start <= target && target < start + size);
                let mut twin = model;
                let mut goal = model;
                goal.learn(symbol);
                scalar::approach(&mut twin, &goal, 3);
                approach(&mut model, &goal, 3);
                prop_assert_eq!(model.0, twin.0);
                let wanted = model.0[symbol];
                prop_assert_eq!(equal(&model.0, wanted), scalar::equal(&model.0, wanted));
                let among = target as u16 | 1;
                prop_assert_eq!(least(&model, among), scalar::least(&model, among));
                model.learn(symbol);
            }
        }

        #[test]
        fn costs_follow_as_those_of_the_scalar_twin(
            values in proptest::collection::vec((any::<u64>(), any::<[u64; 4]>(), 0..64_u32), 1..50)
        ) {
            let (mut costs, mut twin) = ([0; 4], [0; 4]);
            for (value, guesses, shift) in values {
                let guesses = guesses.map(|guess| value.wrapping_add((guess as i64 >> shift) as u64));
                let more = [0, 16, 3, 16];
                follow(&mut costs, value, &guesses, &more);
                scalar::follow(&mut twin, value, &guesses, &more);
                prop_assert_eq!(costs, twin);
            }
        }

        #[test]
        fn reciprocals_equal_those_of_the_scalar_twin(of in proptest::array::uniform4(1_u32..1 << 15)) {
            prop_assert_eq!(reciprocals(of), scalar::reciprocals(of));
        }

        #[test]
        fn wide_lanes_equal_where_numbers_do(numbers in any::<[u64; 9]>(), at in 0..9_usize) {
            let wanted = numbers[at];
            prop_assert_eq!(equal_wide(&numbers, wanted), scalar::equal_wide(&numbers, wanted));
            let other = wanted ^ (1 << (7 * at));
            prop_assert_eq!(equal_wide(&numbers, other), scalar::equal_wide(&numbers, other));
        }
    }
}
