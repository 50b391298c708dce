use otel_enhance::{enhanced_trace, testing};

use otel_enhance::Context;
use otel_enhance::trace::TraceContextExt as _;

#[enhanced_trace(name = "cause")]
fn cause() -> Context {
    let context = Context::current();
    effect(&context);
    context
}

#[enhanced_trace(name = "effect", root, links = [cause.span().span_context()])]
fn effect(cause: &Context) {
    let _ = cause;
}

pub(crate) fn main() {
    let capture = testing::capture();
    cause();
    let effect = capture.assert_span("effect");
    effect.is_root();
    assert_eq!(effect.data().links.len(), 1);
}
