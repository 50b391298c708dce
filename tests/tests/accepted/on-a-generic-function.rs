use otel_enhance::{enhanced_trace, testing};

use std::fmt::Debug;

#[enhanced_trace(name = "largest", capture(?items))]
fn largest<T: PartialOrd + Debug + Copy, const N: usize>(items: [T; N]) -> Option<T> {
    items.into_iter().fold(None, |best, item| match best {
        Some(best) if best > item => Some(best),
        _ => Some(item),
    })
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(largest([1, 3, 2]), Some(3));
    capture.assert_span("largest").has("items", "[1, 3, 2]");
}
