//! otel-enhance: instrumentation on top of the official OpenTelemetry SDK.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Core: what a library crate that only annotates gets. Depends on the official API alone.
mod macros;
pub mod span;

#[cfg(feature = "sdk")]
pub mod config;
#[cfg(feature = "sdk")]
mod error;
#[cfg(feature = "sdk")]
pub mod export;
#[cfg(feature = "sdk")]
mod lifecycle;
#[cfg(feature = "sdk")]
pub mod pipeline;
#[cfg(feature = "sdk")]
mod resource;

#[cfg(feature = "sdk")]
pub use error::InitError;

#[doc(hidden)]
#[cfg(feature = "sdk")]
pub use macros::__init;
pub use macros::enhanced_trace;
