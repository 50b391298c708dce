use otel_enhance::{enhanced_trace, testing};

/// # Safety
///
/// `numbers` is not empty.
#[enhanced_trace(name = "first")]
unsafe fn first(numbers: &[u32]) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { *numbers.get_unchecked(0) }
}

pub(crate) fn main() {
    let capture = testing::capture();
    // SAFETY: there is one number.
    assert_eq!(unsafe { first(&[3]) }, 3);
    capture.assert_names(&["first"]);
}
