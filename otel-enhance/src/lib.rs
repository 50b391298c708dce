//! otel-enhance: instrumentation on top of the official OpenTelemetry SDK.
#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(otel_enhance_has_ebpf))))]

// Core: what a library crate that only annotates gets. Depends on the official API alone.
mod macros;
mod span;

#[doc(hidden)]
pub use span::private as __private;
pub use span::{
    AttributeElement, AttributeValue, Backend, Code, IntoLink, IntoParent, Parent, ProviderBackend,
    Registration, Scope, SpanStart, follow_global, install, set_tracer_provider, task,
};

// The official API, so that users need no dependency of their own to write to the active span.
pub use opentelemetry::{self, Context, Key, KeyValue, Value, baggage, global, propagation, trace};

#[cfg(any(feature = "performance", otel_enhance_has_ebpf))]
mod clock;
#[cfg(feature = "sdk")]
pub mod config;
#[cfg(any(feature = "simd", feature = "performance"))]
mod encode;
#[cfg(feature = "sdk")]
mod error;
#[cfg(feature = "sdk")]
pub mod export;
pub mod extensions;
#[cfg(any(feature = "simd", feature = "performance", feature = "ebpf"))]
mod fetch;
#[cfg(feature = "sdk")]
mod lifecycle;
#[cfg(feature = "sdk")]
pub mod pipeline;
#[cfg(feature = "sdk")]
pub mod resource;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "sdk")]
pub mod wrappers;

#[cfg(feature = "sdk")]
pub use error::InitError;
#[cfg(feature = "sdk")]
pub use opentelemetry_sdk as sdk;
#[cfg(feature = "sdk")]
pub use pipeline::{EnhancedPipeline, TelemetryGuard, new_enhanced_pipeline};

#[doc(hidden)]
#[cfg(feature = "sdk")]
pub use macros::__init;
pub use macros::enhanced_trace;
