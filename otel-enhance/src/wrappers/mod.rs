//! The names under which an application finds what wraps official parts.
//!
//! For services that keep their own provider and exporter and add one part of ours:
//!
//! ```
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//! use otel_enhance::wrappers::EnhancedExporter;
//! # use opentelemetry_sdk::{error::OTelSdkResult, trace::{SpanData, SpanExporter}};
//! # #[derive(Debug)] struct TheirExporter;
//! # impl SpanExporter for TheirExporter {
//! #     async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult { Ok(()) }
//! # }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = EnhancedExporter::wrap(TheirExporter)?;
//! let delivery = exporter.watch();
//! let provider = SdkTracerProvider::builder()
//!     .with_batch_exporter(exporter)
//!     .build();
//! otel_enhance::set_tracer_provider(provider.clone());
//! // The service runs.
//! provider.shutdown()?;
//! assert_eq!(delivery.report().dropped_total(), 0);
//! # Ok(())
//! # }
//! ```

mod exporter;
#[cfg(feature = "performance")]
mod tracer;

pub use crate::pipeline::EnhancedPipeline;
pub use exporter::{DeliveryWatch, EnhancedExporter};

#[cfg(feature = "performance")]
pub use tracer::{EnhancedSpan, EnhancedTracer};

/// An official tracer for spans written by hand. Without the extension `performance` it is the SDK's.
#[cfg(not(feature = "performance"))]
pub type EnhancedTracer = opentelemetry_sdk::trace::SdkTracer;
