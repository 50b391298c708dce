//! An encoder whose format is chosen at run time.

use bytes::Bytes;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;

use super::ahead;
use super::batch::{BatchEncoder, Format};
#[cfg(feature = "otlp-json")]
use super::json::Json;
use super::protobuf::Protobuf;

/// Turns batches of spans into OTLP requests, for whoever brings them to a receiver himself.
///
/// The protobuf bytes are those that the official exporter sends for the same batch and resource: an
/// `ExportTraceServiceRequest` with one `ResourceSpans`, in which scopes come in the order of their first
/// spans. A batch without spans gives a request with a resource and no scopes, as there.
///
/// Buffers are reused. The one under a request comes back when the last clone of the request is dropped;
/// up to 8 are kept, none larger than 16 MiB. What 256 scopes look like is remembered.
///
/// ```
/// use opentelemetry_sdk::Resource;
/// use otel_enhance::extensions::simd::SpanEncoder;
///
/// let resource = Resource::builder_empty().with_service_name("shop").build();
/// let mut encoder = SpanEncoder::protobuf(&resource);
/// let request = encoder.encode(Vec::new());
/// assert!(request.windows(4).any(|bytes| bytes == b"shop"));
/// ```
///
/// Source: <https://opentelemetry.io/docs/specs/otlp/> and `opentelemetry/proto/trace/v1/trace.proto`.
#[derive(Debug)]
pub struct SpanEncoder {
    inner: Encoding,
}

#[derive(Debug)]
enum Encoding {
    Protobuf(BatchEncoder<Protobuf>),
    #[cfg(feature = "otlp-json")]
    Json(BatchEncoder<Json>),
}

impl SpanEncoder {
    /// An encoder for OTLP protobuf, for spans of `resource`.
    #[must_use]
    pub fn protobuf(resource: &Resource) -> Self {
        Self {
            inner: Encoding::Protobuf(BatchEncoder::new(resource)),
        }
    }

    /// An encoder for OTLP/JSON, for spans of `resource` (feature `otlp-json`).
    ///
    /// The requests are equal, as JSON, to what serde makes of the official messages, on one line; but for
    /// numbers that are none, which are `"NaN"`, `"Infinity"` and `"-Infinity"` as protobuf's JSON has it,
    /// and not `null`.
    #[cfg(feature = "otlp-json")]
    #[must_use]
    pub fn json(resource: &Resource) -> Self {
        Self {
            inner: Encoding::Json(BatchEncoder::new(resource)),
        }
    }

    /// The request that carries `batch`.
    pub fn encode(&mut self, batch: Vec<SpanData>) -> Bytes {
        match &mut self.inner {
            Encoding::Protobuf(encoder) => encode(encoder, batch),
            #[cfg(feature = "otlp-json")]
            Encoding::Json(encoder) => encode(encoder, batch),
        }
    }

    /// Adds spans of one scope, written by a [`SpanWriter`](super::SpanWriter) of the same format, to the
    /// request that [`finish`](Self::finish) ends.
    #[cfg(feature = "performance")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) fn push_written(
        &mut self,
        scope: &opentelemetry::InstrumentationScope,
        spans: &[u8],
    ) {
        match &mut self.inner {
            Encoding::Protobuf(encoder) => encoder.push_written(scope, spans),
            #[cfg(feature = "otlp-json")]
            Encoding::Json(encoder) => encoder.push_written(scope, spans),
        }
    }

    /// The request of the spans since the last one.
    #[cfg(feature = "performance")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) fn finish(&mut self) -> Bytes {
        match &mut self.inner {
            Encoding::Protobuf(encoder) => encoder.finish(),
            #[cfg(feature = "otlp-json")]
            Encoding::Json(encoder) => encoder.finish(),
        }
    }

    /// The same from spans that are kept.
    pub fn encode_from(&mut self, batch: &[SpanData]) -> Bytes {
        match &mut self.inner {
            Encoding::Protobuf(encoder) => encode_from(encoder, batch),
            #[cfg(feature = "otlp-json")]
            Encoding::Json(encoder) => encode_from(encoder, batch),
        }
    }
}

fn encode_from<F: Format>(encoder: &mut BatchEncoder<F>, batch: &[SpanData]) -> Bytes {
    for span in batch {
        encoder.push(span);
    }
    encoder.finish()
}

fn encode<F: Format>(encoder: &mut BatchEncoder<F>, mut batch: Vec<SpanData>) -> Bytes {
    for index in 0..batch.len() {
        ahead::fetch(&batch[index + 1..]);
        let span = &mut batch[index];
        encoder.push(span);
        if !span.attributes.is_empty() {
            // Freed while they are in the processor's cache.
            drop(std::mem::take(&mut span.attributes));
        }
    }
    encoder.finish()
}
