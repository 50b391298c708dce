//! Pipelined exports without silent drops (feature `performance`).
//!
//! The official `BatchSpanProcessor` exports one batch after the other: a receiver that takes 10 ms to
//! answer takes 100 batches a second at most, and what comes faster is dropped. Here
//!
//! - up to 8 exports run at once;
//! - the queue is bounded by spans and by bytes, those in flight included, so that no outage takes more
//!   memory than was agreed;
//! - what is dropped when it is full is chosen ([`DropPolicy`]), and every drop is counted by its reason;
//! - flush and shutdown keep their deadline while an export hangs.
//!
//! For `init!` it is the argument `performance`, for the builder
//! [`EnhancedPipeline::with_performance`](crate::EnhancedPipeline::with_performance); a service that keeps
//! its own provider takes [`BatchOptimizedExporter`].

mod backend;
mod batch;
mod clock;
mod contents;
mod desk;
mod ended;
mod engine;
mod hub;
mod ids;
mod inline;
mod metrics;
mod pool;
mod provider;
mod queue;
mod record;
mod ring;
mod settings;
mod span;
mod sync;
mod ticks;
mod tracer;
mod weight;

pub use crate::config::DropPolicy;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub use crate::export::{ConnectionPoolExporter, ConnectionPoolExporterBuilder};
pub use batch::{BatchOptimizedExporter, BatchOptimizedProcessor, BatchWatch, QueueLevel};

pub(crate) use backend::FastBackend;
pub(crate) use ended::Ended;
pub(crate) use engine::{Engine, EngineProcessor, SpanEngine};
pub(crate) use hub::{Batches, HubConfig, SpanSink};
pub use ids::FastIdGenerator;
pub(crate) use pool::PoolGuard;
pub(crate) use provider::FastProvider;
pub(crate) use queue::BatchQueue;
pub(crate) use settings::bounds;
pub use span::FastSpan;
pub(crate) use span::{SpanHandle, end_entered};
pub use tracer::FastTracer;

#[cfg(all(test, not(otel_enhance_loom)))]
mod tests;
