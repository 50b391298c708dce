//! What arrives: the decoded request with everything a handler may want to know about its way here.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::budget::Charge;
use crate::coding::Encoding;

/// The protocol that a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// OTLP/HTTP, over HTTP/1.1 or HTTP/2.
    Http,
    /// OTLP/gRPC.
    Grpc,
}

/// The notation of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `application/x-protobuf`, and every gRPC request.
    Protobuf,
    /// `application/json`: OTLP/JSON, with ids in hexadecimal.
    Json,
}

impl ContentType {
    /// The value of a `Content-Type` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// Reads a `Content-Type` header; parameters such as `charset` are ignored.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = value.split(';').next().unwrap_or(value).trim();
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|known| essence.eq_ignore_ascii_case(known.as_str()))
    }
}

/// What is known of a request before its body is read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestHead {
    /// The protocol that it came by.
    pub transport: Transport,
    /// The HTTP method; `POST` for every gRPC request.
    pub method: Method,
    /// The path without the query, such as `/v1/traces`.
    pub path: String,
    /// The HTTP headers, or the gRPC metadata together with gRPC's own headers.
    pub headers: HeaderMap,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// The client's verified certificate chain in DER, its own certificate first; empty without
    /// mTLS.
    pub client_certificates: Arc<[Bytes]>,
}

impl RequestHead {
    /// A header as text; `None` if it is absent or no visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One export request, decompressed and decoded.
///
/// While it lives, its size counts against
/// [`max_memory_bytes`](crate::Limits::max_memory_bytes): a queue of requests is bounded by that as
/// well as by its own length. [`detach`](Self::detach) ends the accounting.
#[non_exhaustive]
pub struct Request {
    /// Method, path, headers and peer.
    pub head: RequestHead,
    /// The decoded message; empty for protobuf that was to be left
    /// [undecoded](crate::ReceiverBuilder::with_undecoded_messages).
    pub message: ExportTraceServiceRequest,
    /// The message as it was sent, after decompression: protobuf or JSON by `content_type`.
    pub body: Bytes,
    /// The notation of `body`.
    pub content_type: ContentType,
    /// How the body was compressed on its way.
    pub encoding: Encoding,
    /// Bytes of the body on the wire, before decompression, without HTTP or gRPC framing.
    pub wire_size: usize,
    /// Spans in a message that was not decoded.
    pub(crate) counted: Option<usize>,
    pub(crate) charge: Option<Charge>,
}

impl Request {
    /// The number of spans in it.
    pub fn span_count(&self) -> usize {
        self.counted.unwrap_or_else(|| span_count(&self.message))
    }

    /// Stops counting this request against the receiver's memory limit. Whoever keeps requests for
    /// long calls this, and bounds them by means of their own.
    pub fn detach(&mut self) {
        self.charge = None;
    }
}

pub(crate) fn span_count(message: &ExportTraceServiceRequest) -> usize {
    message
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans)
        .map(|scope| scope.spans.len())
        .sum()
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("head", &self.head)
            .field("spans", &self.span_count())
            .field("body_bytes", &self.body.len())
            .field("content_type", &self.content_type)
            .field("encoding", &self.encoding)
            .field("wire_size", &self.wire_size)
            .finish_non_exhaustive()
    }
}
