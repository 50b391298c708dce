use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "cfg", capture(there, gone))]
fn configured(#[cfg(not(any()))] there: u32, #[cfg(any())] gone: u32) -> u32 {
    there
}

#[enhanced_trace(name = "all", capture_all)]
fn all(#[cfg(any())] gone: u32, there: u32) -> u32 {
    there
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(configured(1) + all(2), 3);
    capture.assert_span("cfg").has("there", 1).lacks("gone");
    capture.assert_span("all").has("there", "2").lacks("gone");
}
