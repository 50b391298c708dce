//! Memory that is asked for before it is needed.

/// Bytes that come together.
const LINE: usize = 64;

/// Asks for the bytes from `from` on, as far as `to` or their end; where those begin that are yet to be asked for.
#[inline]
pub(crate) fn fetch(bytes: &[u8], from: usize, to: usize) -> usize {
    let (mut at, to) = (from, to.min(bytes.len()));
    while at < to {
        line(bytes, at);
        at += LINE;
    }
    at
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "a hint about memory")]
fn line(bytes: &[u8], at: usize) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 has this, and what it is given need not even be an address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn line(_: &[u8], _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_asked_for_once_and_no_further_than_they_go() {
        let bytes = [0; 200];
        assert_eq!(fetch(&bytes, 0, 65), 128);
        assert_eq!(fetch(&bytes, 128, 100), 128);
        assert_eq!(fetch(&bytes, 128, usize::MAX), 256);
        assert_eq!(fetch(&[], 0, 4096), 0);
    }
}
