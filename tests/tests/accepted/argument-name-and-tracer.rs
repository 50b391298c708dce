use otel_enhance::{enhanced_trace, testing};

#[enhanced_trace(name = "checkout /order/{id}", tracer = "shop.checkout")]
fn pay() {}

pub(crate) fn main() {
    let capture = testing::capture();
    pay();
    let spans = capture.spans();
    assert_eq!(spans[0].name, "checkout /order/{id}");
    assert_eq!(spans[0].instrumentation_scope.name(), "shop.checkout");
}
