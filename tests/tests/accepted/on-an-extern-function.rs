use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "double")]
pub extern "C" fn double(number: i32) -> i32 {
    number * 2
}

#[enhanced_trace(name = "triple")]
unsafe extern "C" fn triple(number: i32) -> i32 {
    number * 3
}

pub(crate) fn main() {
    let capture = testing::capture();
    let callback: extern "C" fn(i32) -> i32 = double;
    assert_eq!(callback(2), 4);
    // SAFETY: it asks for nothing.
    assert_eq!(unsafe { triple(2) }, 6);
    capture.assert_names(&["double", "triple"]);
}
