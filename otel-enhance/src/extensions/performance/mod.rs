//! Quick spans, and pipelined exports without silent drops (feature `performance`).
//!
//! # Spans
//!
//! A span of this extension is a record from a pool behind a thin official `Span` in the official
//! `Context`. Everything that holds for the SDK's spans holds for it: children of either kind nest under
//! the other, `get_active_span` reads and writes it, samplers are asked, limits and dropped counts are the
//! same, what is written after the end is ignored. Annotated functions, `global::tracer` and
//! [`FastTracer`] make them.
//!
//! **What is given up.** A processor that sees spans *start* gets `&mut opentelemetry_sdk::trace::Span`,
//! which nobody but the SDK can make. So a pipeline with
//! [`with_span_processor`](crate::EnhancedPipeline::with_span_processor) has the SDK's spans, with all
//! that they cost; [`TelemetryGuard::spans`](crate::TelemetryGuard::spans) and the log say so. A processor
//! that looks at ended spans only belongs into
//! [`with_end_processor`](crate::EnhancedPipeline::with_end_processor).
//!
//! **The end of a span** puts its record into a ring of the thread, without a lock. A thread of ours takes
//! it from there, when a ring is half full and every 50 ms, and hands it to the queue. A flush, a shutdown
//! and a look at the account take what has ended until then along; a thread that ends leaves nothing
//! behind.
//!
//! **Bytes at once.** Where a pipeline exports OTLP over a transport of ours, the thread that collects
//! records writes them as OTLP there and then: a record is free again while it is still in the processor's
//! cache, and what waits in the queue is as large as on the wire. `SpanData` is made for official
//! exporters, for those given in code, and for end processors.
//!
//! **Memory.** A record takes 640 bytes, a ring 8 KiB (less with a small queue) for each thread that ends
//! spans. Records are used again and never freed: there are as many as spans ever were open or waiting at
//! once, and up to 128 for each thread that starts spans. In front of the queue at most 1024 spans a thread
//! wait, and 4096 of all threads besides; beyond those, whoever ends spans puts them into the queue itself.
//!
//! **Time.** Where the processor's tick counter is usable, start and end come from it, corrected every
//! 10 ms: within 2 µs of the system's clock. The duration of a span is that of the monotonic clock, whatever
//! is done to the wall clock meanwhile.
//!
//! **Not sampled.** A span that is not recorded has ids of its own, and its context, as the specification wants
//! it. With [`UnsampledId::InheritParent`] it keeps its parent's.
//!
//! # Exports
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

mod attribute;
mod backend;
mod batch;
mod contents;
mod desk;
mod ended;
mod engine;
mod hub;
mod ids;
mod inline;
mod metrics;
mod numbered;
mod pool;
mod provider;
mod queue;
mod quick;
mod record;
mod ring;
mod settings;
mod shelves;
mod span;
mod store;
mod sync;
mod tracer;
mod waiting;
mod weight;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod write;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod written;

use crate::clock;
pub use crate::config::{DropPolicy, UnsampledId};
pub use crate::export::operations::ExportTimes;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub use crate::export::{ConnectionPoolExporter, ConnectionPoolExporterBuilder};
pub use batch::{BatchOptimizedExporter, BatchOptimizedProcessor, BatchWatch, QueueLevel};

pub(crate) use backend::FastBackend;
pub(crate) use desk::ask_again;
pub(crate) use ended::{Ended, EndedSpans};
pub(crate) use engine::{Deliver, Engine, EngineProcessor};
#[cfg(unix)]
pub(crate) use hub::HubsGuard;
pub(crate) use hub::{Batches, Handling, HubConfig, Sampling, SpanSink};
pub use ids::FastIdGenerator;
#[cfg(unix)]
pub(crate) use pool::PoolGuard;
pub(crate) use provider::FastProvider;
pub(crate) use queue::BatchQueue;
pub(crate) use quick::{Early, Gathering, Started, early, start};
pub(crate) use settings::bounds;
pub use span::FastSpan;
pub(crate) use span::{FastPlace, SpanHandle};
pub(crate) use store::Store;
pub use tracer::FastTracer;
pub(crate) use waiting::RecordDelivery;
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) use write::WrittenDelivery;

#[cfg(all(test, not(otel_enhance_loom)))]
mod tests;
