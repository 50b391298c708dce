use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace]
fn pay(total: u32) -> u32 {
    total + 1
}

pub(crate) fn main() {
    let capture = testing::capture();
    assert_eq!(pay(1), 2);
    let spans = capture.spans();
    assert!(spans[0].name.ends_with("::pay"), "{}", spans[0].name);
}
