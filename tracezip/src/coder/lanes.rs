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

/// Moves each frequency to its target by a part of the distance; the first becomes `seen`.
#[inline]
pub(super) fn approach(model: &mut Model, targets: &Model, rate: u8, seen: u16) {
    #[cfg(target_arch = "x86_64")]
    sse2::approach(model, targets, rate, seen);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::approach(model, targets, rate, seen);
}

/// Every x86-64 has these instructions.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "aligned loads and stores of vectors")]
mod sse2 {
    use core::arch::x86_64::{
        __m128i, _mm_add_epi16, _mm_cmpeq_epi16, _mm_cmpgt_epi16, _mm_cvtsi32_si128,
        _mm_insert_epi16, _mm_load_si128, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16,
        _mm_set1_epi16, _mm_sra_epi16, _mm_store_si128, _mm_sub_epi16,
    };

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
    pub(super) fn approach(model: &mut Model, targets: &Model, rate: u8, seen: u16) {
        // SAFETY: every x86-64 has SSE2.
        unsafe { approach_sse2(model, targets, rate, seen) }
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
    fn approach_sse2(model: &mut Model, targets: &Model, rate: u8, seen: u16) {
        let (low, high) = load(model);
        let (low_targets, high_targets) = load(targets);
        let rate = _mm_cvtsi32_si128(i32::from(rate));
        let low = _mm_add_epi16(low, _mm_sra_epi16(_mm_sub_epi16(low_targets, low), rate));
        let high = _mm_add_epi16(high, _mm_sra_epi16(_mm_sub_epi16(high_targets, high), rate));
        // In the vector: a store of its own would have the next load wait for both.
        let low = _mm_insert_epi16::<0>(low, i32::from(seen));
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
    use crate::coder::Model;

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

    pub(super) fn approach(model: &mut Model, targets: &Model, rate: u8, seen: u16) {
        for (bound, target) in model.0.iter_mut().zip(&targets.0) {
            let now = *bound as i16;
            *bound = (now + ((*target as i16 - now) >> rate)) as u16;
        }
        model.0[0] = seen;
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
                scalar::approach(&mut twin, &goal, 3, 7);
                approach(&mut model, &goal, 3, 7);
                prop_assert_eq!(model.0, twin.0);
                let wanted = model.0[symbol];
                prop_assert_eq!(equal(&model.0, wanted), scalar::equal(&model.0, wanted));
                model.learn(symbol);
            }
        }
    }
}
