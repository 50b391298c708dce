//! A library that annotates its functions, with `default-features = false`. Whether and where spans go
//! is its application's to say.

use otel_enhance::trace::get_active_span;
use otel_enhance::{KeyValue, enhanced_trace};

/// Adds two numbers, in a span.
#[enhanced_trace(name = "library::add", capture(a, b))]
pub fn add(a: i64, b: i64) -> i64 {
    get_active_span(|span| span.set_attribute(KeyValue::new("sum", a + b)));
    a + b
}

/// Says whether a span is active, from within a span if there can be one.
#[enhanced_trace(name = "library::observed")]
pub fn observed() -> bool {
    get_active_span(|span| span.span_context().is_valid())
}
