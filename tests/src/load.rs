//! Spans for the tests of queues and transports, to which it does not matter what is in them.

use opentelemetry::trace::{Span as _, SpanBuilder, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;

/// Ends so many spans, one after the other.
pub fn load(provider: &SdkTracerProvider, spans: usize) {
    let tracer = provider.tracer("load");
    for _ in 0..spans {
        tracer.build(SpanBuilder::from_name("one")).end();
    }
}
