//! Spans to OTLP bytes in one pass (feature `simd`).
//!
//! The official exporter copies a batch of spans into messages, asks each of them for its length, and
//! writes it. [`SpanEncoder`] reads each span once and writes it once. The bytes are the same.

mod encoder;

pub use encoder::SpanEncoder;
