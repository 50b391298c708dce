//! The bytes that every span of a leaf has in a run, compared and copied as a whole.

/// Bytes that are compared at once; each run's are filled up to a multiple of it.
pub(super) const BLOCK: usize = 16;

/// Of a mask: whether every span has a byte, or each its own.
pub(super) const FIXED: u8 = 0xff;
pub(super) const HOLE: u8 = 0;

/// How blocks are compared.
pub(super) trait Compare: Copy {
    /// Whether bytes differ under a mask; all are of as many blocks.
    fn differ(self, found: &[u8], bytes: &[u8], mask: &[u8]) -> bool;
}

/// Whether a run that `found` begins with differs from `bytes` under the mask: both are of so many blocks. What was
/// found may have bytes behind it.
#[inline(always)]
pub(super) fn differs<C: Compare>(compare: C, found: &[u8], bytes: &[u8], mask: &[u8]) -> bool {
    match found.get(..bytes.len()) {
        Some(found) => compare.differ(found, bytes, mask),
        None => differs_at_end(compare, found, bytes, mask),
    }
}

/// At the end of the input, where the last block may be cut off.
#[inline(never)]
fn differs_at_end<C: Compare>(compare: C, found: &[u8], bytes: &[u8], mask: &[u8]) -> bool {
    let len = found.len() / BLOCK * BLOCK;
    let (whole, rest) = found.split_at(len);
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let (bytes, last_bytes) = bytes.split_at(len);
    let (mask, last_mask) = mask.split_at(len);
    let last_len = last_mask.len().min(BLOCK);
    compare.differ(whole, bytes, mask)
        || compare.differ(
            &last[..last_len],
            &last_bytes[..last_len],
            &last_mask[..last_len],
        )
        || last_mask
            .get(rest.len()..)
            .is_some_and(|missing| missing.contains(&FIXED))
}

/// Where the first byte is that differs under the mask.
pub(super) fn difference(found: &[u8], bytes: &[u8], mask: &[u8]) -> Option<usize> {
    let blocks = found
        .as_chunks()
        .0
        .iter()
        .zip(bytes.as_chunks().0)
        .zip(mask.as_chunks().0);
    for (((found, bytes), mask), block) in blocks.zip(0..) {
        let [found, bytes, mask] =
            [found, bytes, mask].map(|bytes: &[u8; BLOCK]| u128::from_le_bytes(*bytes));
        let different = (found ^ bytes) & mask;
        if different != 0 {
            return Some(block * BLOCK + different.trailing_zeros() as usize / 8);
        }
    }
    None
}

/// By any processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words;

impl Compare for Words {
    #[inline(always)]
    fn differ(self, found: &[u8], bytes: &[u8], mask: &[u8]) -> bool {
        let (found, bytes, mask) = (found.as_chunks().0, bytes.as_chunks().0, mask.as_chunks().0);
        let mut different = 0;
        for ((found, bytes), mask) in found.iter().zip(bytes).zip(mask) {
            let [found, bytes, mask] =
                [found, bytes, mask].map(|bytes: &[u8; BLOCK]| u128::from_le_bytes(*bytes));
            different |= (found ^ bytes) & mask;
        }
        different != 0
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "loads of vectors")]
mod avx2 {
    use core::arch::x86_64::{
        __m128i, __m256i, _mm_and_si128, _mm_loadu_si128, _mm_xor_si128, _mm256_and_si256,
        _mm256_loadu_si256, _mm256_or_si256, _mm256_setzero_si256, _mm256_testz_si256,
        _mm256_xor_si256, _mm256_zextsi128_si256,
    };

    use super::{BLOCK, Compare};

    /// By processors with AVX2: there is none of it on others.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Avx2(());

    impl Avx2 {
        #[inline]
        pub(in super::super) fn new() -> Option<Self> {
            std::is_x86_feature_detected!("avx2").then_some(Self(()))
        }
    }

    impl Compare for Avx2 {
        #[inline(always)]
        fn differ(self, found: &[u8], bytes: &[u8], mask: &[u8]) -> bool {
            // SAFETY: the processor has AVX2, for there is one of these.
            unsafe { differ(found, bytes, mask) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn differ(found: &[u8], bytes: &[u8], mask: &[u8]) -> bool {
        let (found, last_found) = found.as_chunks();
        let (bytes, last_bytes) = bytes.as_chunks();
        let (mask, last_mask) = mask.as_chunks();
        let mut different = _mm256_setzero_si256();
        for ((found, bytes), mask) in found.iter().zip(bytes).zip(mask) {
            let [found, bytes, mask] = [load(found), load(bytes), load(mask)];
            let here = _mm256_and_si256(_mm256_xor_si256(found, bytes), mask);
            different = _mm256_or_si256(different, here);
        }
        if let (Some(found), Some(bytes), Some(mask)) = (
            last_found.first_chunk(),
            last_bytes.first_chunk(),
            last_mask.first_chunk(),
        ) {
            let [found, bytes, mask] = [load_block(found), load_block(bytes), load_block(mask)];
            let here = _mm_and_si128(_mm_xor_si128(found, bytes), mask);
            different = _mm256_or_si256(different, _mm256_zextsi128_si256(here));
        }
        _mm256_testz_si256(different, different) == 0
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8; 2 * BLOCK]) -> __m256i {
        // SAFETY: a vector of bytes, which need not be aligned.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_block(bytes: &[u8; BLOCK]) -> __m128i {
        // SAFETY: likewise.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A run and its mask, filled up.
    fn filled(run: &[u8], holes: u64) -> (Vec<u8>, Vec<u8>) {
        let fixed = |at: usize| {
            if holes >> (at % 64) & 1 == 0 {
                FIXED
            } else {
                HOLE
            }
        };
        let mut mask: Vec<_> = (0..run.len()).map(fixed).collect();
        let mut bytes = run.to_vec();
        let len = run.len().next_multiple_of(BLOCK);
        bytes.resize(len, 0);
        mask.resize(len, HOLE);
        (bytes, mask)
    }

    /// What all ways to compare say.
    fn differ(found: &[u8], bytes: &[u8], mask: &[u8]) -> bool {
        let expected = differs(Words, found, bytes, mask);
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::new() {
            assert_eq!(differs(avx2, found, bytes, mask), expected);
        }
        expected
    }

    proptest! {
        #[test]
        fn run_differs_where_its_bytes_do(
            found in "[ab]{0,90}", run in "[ab]{0,90}", same in any::<bool>(), holes in any::<u64>(),
        ) {
            let run = if same { &found[..found.len() - found.len() / 4] } else { &run[..] };
            let (bytes, mask) = filled(run.as_bytes(), holes);
            let byte = |at: usize| found.as_bytes().get(at);
            let first = (0..run.len()).find(|&at| mask[at] == FIXED && byte(at) != Some(&bytes[at]));
            prop_assert_eq!(differ(found.as_bytes(), &bytes, &mask), first.is_some());
            if let Some(first) = first
                && found.len() >= bytes.len()
            {
                prop_assert_eq!(difference(found.as_bytes(), &bytes, &mask), Some(first));
            }
        }

        #[test]
        fn run_differs_by_any_bit(
            run in proptest::collection::vec(any::<u8>(), 1..90), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let (bytes, mask) = filled(&run, 0);
            let mut found = run.clone();
            found[at.index(run.len())] ^= 1 << bit;
            found.extend_from_slice(&[7; BLOCK]);
            prop_assert!(differ(&found, &bytes, &mask));
            prop_assert!(!differ(&run, &bytes, &mask));
            prop_assert_eq!(difference(&found, &bytes, &mask), Some(at.index(run.len())));
        }
    }
}
