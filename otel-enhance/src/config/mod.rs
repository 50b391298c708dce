//! Settings: code over environment over default, every `OTEL_*` variable parsed by us.
//!
//! The SDK gets explicit values only. What follows is the whole of what is read.
//!
#![doc = include_str!("variables.md")]

pub(crate) mod batch;
mod diagnostics;
mod ebpf;
mod endpoint;
mod env;
mod exporters;
mod headers;
pub(crate) mod limits;
mod number;
mod otlp;
pub(crate) mod percent;
mod performance;
pub(crate) mod propagator;
mod resolve;
pub(crate) mod sampler;
mod settings;
#[cfg(feature = "simd")]
mod simd;
#[cfg(test)]
mod tests;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use ebpf::{EbpfSettings, EbpfSpans};
pub(crate) use env::{Env, Reader, shown};
#[cfg(all(
    feature = "performance",
    any(feature = "otlp-http", feature = "otlp-grpc")
))]
pub(crate) use otlp::otlp_alone;
pub(crate) use performance::Tuning;
pub use performance::{DropPolicy, UnsampledId};
pub(crate) use resolve::resolve;
pub use settings::{BatchSettings, Compression, OtlpSettings, Protocol, SpanLimits, TlsSettings};
pub(crate) use settings::{ExporterKind, Overrides, SamplerChoice, Settings};
