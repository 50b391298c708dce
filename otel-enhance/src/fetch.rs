//! Memory that will be written to soon, and that another core may have had last.
#![cfg_attr(
    all(target_arch = "x86_64", not(otel_enhance_loom), not(miri)),
    expect(unsafe_code, reason = "a hint to the processor is an instruction")
)]

/// Has the processor fetch the cache line at this address while something else is done.
///
/// A store to a line that is elsewhere does not wait, but those after it do, and whoever reads what they wrote in other
/// pieces.
#[inline(always)]
pub(crate) fn to_write<T>(at: *const T) {
    #[cfg(all(target_arch = "x86_64", not(otel_enhance_loom), not(miri)))]
    // SAFETY: a hint, which changes no register, no memory and no flag, and faults on no address; a processor that does
    // not know it does nothing.
    unsafe {
        std::arch::asm!("prefetchw [{at}]", at = in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(otel_enhance_loom), not(miri))))]
    let _ = at;
}

/// The same for some of the cache lines from this address on.
#[cfg(any(feature = "simd", feature = "performance"))]
#[inline(always)]
pub(crate) fn lines_to_write<T>(from: *const T, lines: std::ops::Range<usize>) {
    for line in lines {
        to_write(from.cast::<u8>().wrapping_add(64 * line));
    }
}
