//! Spans to OTLP bytes in one pass (feature `simd`).
//!
//! The official exporter copies a batch of spans into messages, asks each of them for its length, and
//! writes it. Here each span is read once and written once, into buffers that are reused, and the bytes are
//! the same. `init!(…, simd)` and
//! [`with_simd_optimization`](crate::EnhancedPipeline::with_simd_optimization) put that into a pipeline,
//! [`SimdSpanExporter`] into a provider built by hand; [`SpanEncoder`] is the encoder alone.
//!
//! [`RedMetrics`] count calls, errors and durations of all spans, those included that the sampler drops:
//! `init!(…, simd(red_metrics = true))`, or
//! [`with_red_metrics`](crate::EnhancedPipeline::with_red_metrics).
//!
//! How fast it is on your machine: `cargo bench -p otel-enhance --features simd --bench encode`.

#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod exporter;
mod red;
#[cfg(test)]
#[cfg(all(feature = "otlp-json", feature = "otlp-grpc"))]
mod tests;

pub use crate::encode::SpanEncoder;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub use exporter::SimdSpanExporter;
#[cfg(feature = "tracezip")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) use exporter::WrappedExporter;
pub(crate) use red::{Aggregator, CountingSampler, is_dropped, nanos_between, starts_dropped};
pub use red::{
    DEFAULT_MAX_SERIES, PROMETHEUS_CONTENT_TYPE, RedDurations, RedMetrics, RedSeries, RedStatus,
    red_view,
};
