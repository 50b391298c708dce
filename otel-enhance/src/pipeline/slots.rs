//! The places in a pipeline at which an extension may stand.
//!
//! Slots, not wrappers around wrappers: extensions combine in one order, whatever order they were asked
//! for. Each slot holds the official part until an extension that is built into this version fills it.

pub(super) use crate::export::Encoder;

/// What stands in each place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    pub(super) spans: Spans,
    pub(super) queue: Queue,
    /// What turns spans into OTLP (`simd`).
    pub(super) encoder: Encoder,
    pub(super) coding: Coding,
    pub(super) transport: Transport,
}

/// What a span is while it is open (`performance`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Spans {
    /// `opentelemetry_sdk::trace::Span`.
    #[default]
    Official,
    /// A record of ours, unless a processor needs the official span.
    #[cfg(feature = "performance")]
    Records,
}

/// What holds ended spans until their export (`performance`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Queue {
    /// `BatchSpanProcessor`.
    #[default]
    Official,
    /// A queue of ours with several exports at once.
    #[cfg(feature = "performance")]
    Pipelined,
}

/// What makes OTLP smaller (`tracezip`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Coding {
    /// The compression of the settings: none, gzip or zstd.
    #[default]
    Official,
    /// Frames of tracezip, where the receiver takes them.
    Tracezip,
}

/// What carries it away (`tracezip`, `performance`, `enterprise`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Transport {
    /// OTLP over HTTP or gRPC, through the official exporters.
    #[default]
    Official,
}
