//! Three to five times fewer bytes than OTLP with zstd, lossless (feature `tracezip`).
//!
//! Requests travel as frames of the `tracezip` codec, which say once what spans have in common and refer to it later.
//! The receiver must speak it: `otel-enhance-receiver` and the gateway do. One that does not is found out before the
//! first spans go, gets ordinary OTLP in the compression of the settings, and is asked again now and then; nothing is
//! lost by it.
//!
//! - `init!(…, tracezip)` or [`with_tracezip_compression`](crate::EnhancedPipeline::with_tracezip_compression) put it
//!   into a pipeline;
//! - `TracezipSpanExporter` in front of an official exporter;
//! - `TracezipHttpClient` below the official HTTP exporter;
//! - [`TracezipIdGenerator`] makes ids that take a tenth of a byte instead of eleven, because the receiver is told how
//!   to count them. A pipeline uses it by itself where the connection keeps the secret: TLS, or this machine.
//!
//! What it saves, and what it met, is in `TracezipStats`.

#[cfg(feature = "otlp-http")]
mod client;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod exporter;
mod ids;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod metrics;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod session;
#[cfg(test)]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod tests;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod watch;

#[cfg(feature = "otlp-http")]
pub use client::TracezipHttpClient;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub use exporter::TracezipSpanExporter;
pub(crate) use ids::RingGuard;
pub use ids::{FleetKeyError, TracezipIdGenerator};
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) use session::{Batch, Refusal, Said, Session, Told, is_probe};
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) use watch::Counts;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub use watch::{TracezipMode, TracezipStats, TracezipWatch};
