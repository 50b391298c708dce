//! One pass from ended spans to the bytes of an OTLP request, without the messages in between.
//!
//! The official way copies a batch into `opentelemetry-proto`'s messages, asks each for its length, and
//! writes it. Here a span is read once and written once, from wherever its parts are kept: encoders
//! know spans by [`EncodeSpan`] alone. The bytes are the official ones.

mod ahead;
mod batch;
mod buffer;
mod cursor;
mod encoder;
#[cfg(feature = "otlp-json")]
mod json;
mod pool;
mod protobuf;
#[cfg(feature = "ebpf")]
mod rows;
mod scopes;
mod span;
#[cfg(test)]
#[cfg(feature = "otlp-http")]
pub(crate) mod tests;
#[cfg(feature = "otlp-json")]
mod text;
mod time;
mod wire;
#[cfg(feature = "performance")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
mod writer;

pub use encoder::SpanEncoder;
#[cfg(feature = "performance")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) use span::{EncodeSpan, ValueRef};
#[cfg(feature = "performance")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) use time::unix_nanos;
#[cfg(feature = "performance")]
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) use writer::SpanWriter;
