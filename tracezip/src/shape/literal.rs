//! Literals of at most sixteen bytes, compared and copied at once.

/// Bytes that a literal spans at most.
pub(super) const WIDTH: usize = 16;

/// Whether every span has a byte, or each its own.
pub(super) const FIXED: u8 = 1;
pub(super) const HOLE: u8 = 0;

/// Bytes that every span of a leaf has, at a place of a run; perhaps with others between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Literal {
    /// Zeros where there is something else, or nothing.
    bytes: [u8; WIDTH],
    /// Where in the run they are.
    offset: u32,
    /// How many are spanned, and a bit for each that every span has.
    len: u16,
    mask: u16,
}

impl Literal {
    /// Of bytes of which every span has those that are `FIXED`; as many as a literal may span, or less.
    pub(super) fn new(contents: &[u8], is_fixed: &[u8], offset: u32) -> Self {
        let (mut bytes, mut fixed) = ([0; WIDTH], [HOLE; WIDTH]);
        bytes[..contents.len()].copy_from_slice(contents);
        fixed[..is_fixed.len()].copy_from_slice(is_fixed);
        Self {
            bytes,
            offset,
            len: contents.len() as u16,
            mask: different(&fixed, &[HOLE; WIDTH]),
        }
    }

    /// Its bytes before a place of the run.
    pub(super) fn before(mut self, end: u32) -> Self {
        let bytes = end.saturating_sub(self.offset).min(WIDTH as u32);
        self.mask &= ((1_u32 << bytes) - 1) as u16;
        self
    }

    /// How much it tells.
    pub(super) fn weight(&self) -> u32 {
        self.mask.count_ones()
    }

    /// Whether a run that begins where `run` does has something else. It may have bytes behind it.
    #[inline]
    pub(super) fn differs(&self, run: &[u8]) -> bool {
        let at = self.offset as usize;
        match run.get(at..at + WIDTH).and_then(<[u8]>::first_chunk) {
            Some(bytes) => different(bytes, &self.bytes) & self.mask != 0,
            None => self.differs_at_end(run),
        }
    }

    /// Likewise, at the end of the input.
    #[cold]
    fn differs_at_end(&self, run: &[u8]) -> bool {
        let at = self.offset as usize;
        let Some(found) = run.get(at..at + usize::from(self.len)) else {
            return self.mask != 0;
        };
        let mut bytes = [0; WIDTH];
        bytes[..found.len()].copy_from_slice(found);
        different(&bytes, &self.bytes) & self.mask != 0
    }

    /// Writes it to a run, and zeros between and perhaps after it.
    #[inline]
    pub(super) fn put(&self, run: &mut [u8]) {
        let at = self.offset as usize;
        match run
            .get_mut(at..at + WIDTH)
            .and_then(<[u8]>::first_chunk_mut)
        {
            Some(to) => *to = self.bytes,
            None => self.put_at_end(&mut run[at..]),
        }
    }

    #[inline]
    fn put_at_end(&self, to: &mut [u8]) {
        let len = usize::from(self.len);
        match len {
            0..4 => {
                for (to, from) in to[..len].iter_mut().zip(&self.bytes) {
                    *to = *from;
                }
            }
            4..8 => ends::<4>(to, &self.bytes, len),
            _ => ends::<8>(to, &self.bytes, len),
        }
    }
}

/// A bit for each byte that differs.
#[inline]
fn different(one: &[u8; WIDTH], other: &[u8; WIDTH]) -> u16 {
    #[cfg(target_arch = "x86_64")]
    return sse2::different(one, other);
    #[cfg(not(target_arch = "x86_64"))]
    scalar::different(one, other)
}

/// Every x86-64 has these instructions.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "loads of vectors")]
mod sse2 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};

    use super::WIDTH;

    #[inline]
    pub(super) fn different(one: &[u8; WIDTH], other: &[u8; WIDTH]) -> u16 {
        // SAFETY: every x86-64 has SSE2; sixteen bytes are a vector, and loads need no alignment.
        unsafe {
            let one = _mm_loadu_si128(one.as_ptr().cast());
            let other = _mm_loadu_si128(other.as_ptr().cast());
            !_mm_movemask_epi8(_mm_cmpeq_epi8(one, other)) as u16
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod scalar {
    use super::WIDTH;

    pub(super) fn different(one: &[u8; WIDTH], other: &[u8; WIDTH]) -> u16 {
        let pairs = one.iter().zip(other).enumerate();
        pairs
            .map(|(at, (one, other))| u16::from(one != other) << at)
            .sum()
    }
}

/// Copies by the first and the last `N` bytes, which may overlap.
#[inline]
fn ends<const N: usize>(to: &mut [u8], from: &[u8], len: usize) {
    let (to, from) = (&mut to[..len], &from[..len]);
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        if let Some(to) = to.first_chunk_mut() {
            *to = *first;
        }
        if let Some(to) = to.last_chunk_mut() {
            *to = *last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn literal_differs_where_its_bytes_do(
            run in "[ab]{16,40}", contents in "[ab]{0,16}", holes in any::<u16>(), at in 0..24_usize,
        ) {
            let (run, contents) = (run.as_bytes(), contents.as_bytes());
            let fixed: Vec<u8> = (0..contents.len()).map(|at| (holes >> at & 1) as u8).collect();
            let literal = Literal::new(contents, &fixed, at as u32);
            prop_assume!(at + contents.len() <= run.len());
            let expected = (0..contents.len()).any(|byte| fixed[byte] == FIXED && run[at + byte] != contents[byte]);
            prop_assert_eq!(literal.differs(run), expected);
        }

        #[test]
        fn literal_is_put_where_it_should_be(contents in "[ab]{0,16}", at in 0..9_usize, more in 0..20_usize) {
            let end = at + contents.len();
            let mut run = vec![1; end + more];
            Literal::new(contents.as_bytes(), &[], at as u32).put(&mut run);
            prop_assert_eq!(&run[at..end], contents.as_bytes());
            prop_assert!(run[..at].iter().all(|byte| *byte == 1));
            prop_assert!(run[end..].iter().all(|byte| *byte <= 1));
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn vectors_differ_as_scalars_do() {
        let one = *b"0123456789abcdef";
        for at in 0..16 {
            let mut other = one;
            other[at] ^= 1;
            assert_eq!(
                sse2::different(&one, &other),
                scalar::different(&one, &other)
            );
        }
    }
}
