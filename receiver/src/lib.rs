//! An embeddable OTLP receiver for traces, over HTTP and gRPC: for tests, examples and gateways.
//!
//! # Start
//!
//! A receiver on a free port, on threads of its own, that keeps what comes in memory:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::time::Duration;
//! use otel_enhance_receiver::{Receiver, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::new();
//! let receiver = Receiver::builder()
//!     .with_http("127.0.0.1:0")
//!     .with_grpc("127.0.0.1:0")
//!     .with_handler(store.clone())
//!     .start_blocking()?;
//! println!("OTLP/HTTP at {:?}, OTLP/gRPC at {:?}", receiver.http_endpoint(), receiver.grpc_endpoint());
//!
//! // An exporter would do this: one span by OTLP/JSON.
//! let body = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
//!     "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"hello"}]}]}]}"#;
//! let mut exporter = std::net::TcpStream::connect(receiver.http_addr().ok_or("not served")?)?;
//! write!(
//!     exporter,
//!     "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
//!      connection: close\r\ncontent-length: {}\r\n\r\n{body}",
//!     body.len()
//! )?;
//! let mut answer = String::new();
//! exporter.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK"));
//!
//! let spans = store.wait_for_spans(1, Duration::from_secs(5))?;
//! assert_eq!(spans[0].span.name, "hello");
//! receiver.shutdown(Duration::from_secs(1))?;
//! # Ok(())
//! # }
//! ```
//!
//! Inside tokio it is `start().await` instead of `start_blocking()`.
//!
//! # Who gets the requests
//!
//! | handler | acknowledges when | when full |
//! |---|---|---|
//! | an `async` closure or a [`Handler`] of your own | it says so, by an [`Outcome`] | it says so |
//! | [`Store`] | the request is in memory | partial success, counted |
//! | [`channel`] | the request is in the channel | 429 or `RESOURCE_EXHAUSTED`, with the time to wait |
//! | [`FileStore`] | the request is in the file | 503 or `UNAVAILABLE`, with the time to wait |
//!
//! A [`Hook`] sees each request before its body is read: for authentication, health pages, other
//! signals, own content codings and gRPC methods. [`Faults`] is one that misbehaves, for testing
//! senders.
//!
//! # What is spoken
//!
//! - **OTLP/HTTP** at `POST /v1/traces`, HTTP/1.1 and HTTP/2: `application/x-protobuf` and
//!   `application/json`; content codings gzip, zstd, deflate and identity. Errors carry a
//!   `google.rpc.Status` in the notation of the request.
//! - **OTLP/gRPC**: the trace service's `Export`, with the same codings.
//! - **tracezip** with the feature `tracezip` and `with_tracezip`: `Content-Encoding: tracezip1`
//!   over HTTP, and a service of its own over gRPC. Repeated frames are delivered once.
//! - Metrics and logs: not yet; 404 and `UNIMPLEMENTED`, unless a hook serves them.
//! - TLS and mTLS on both with the feature `tls` (default), see `ServerTls`.
//!
//! | refusal | HTTP | gRPC |
//! |---|---|---|
//! | malformed, or compressed in a broken way | 400 | `INVALID_ARGUMENT` |
//! | nothing there | 404 | `UNIMPLEMENTED` |
//! | other methods than POST | 405 with `Allow` | HTTP 405 |
//! | the body came too slowly | 408 | `DEADLINE_EXCEEDED` |
//! | too large, compressed, decompressed or decoded | 413 | `RESOURCE_EXHAUSTED`, without a time to wait |
//! | a frame of tracezip that builds on lost state | 409 | `FAILED_PRECONDITION` |
//! | unknown content type | 415 | HTTP 415 |
//! | unknown content coding | 415 with `Accept-Encoding` | `UNIMPLEMENTED` |
//! | no memory for more requests at once | 429 with `Retry-After` | `RESOURCE_EXHAUSTED` with `RetryInfo` |
//! | the handler panicked | 500 | `INTERNAL` |
//!
//! What a handler's answers become is in the table of [`Outcome`]. Every bound is in [`Limits`].
//!
//! # The program
//!
//! `otel-enhance-receiver --http 127.0.0.1:0 --record spans.otlp` does the same from a shell: it
//! prints the addresses, appends every request to a file before it answers, and stops on SIGTERM.
//! `--help` lists the rest, faults on purpose included. [`read_records`] reads the file.
//!
//! # Limits
//!
//! It records no telemetry of its own beyond [`Stats`]. Answers are not compressed. Streaming gRPC
//! calls are not served. Without a [`Hook`] nobody is authenticated, except by mTLS.

mod body;
mod budget;
mod builder;
mod channel;
mod coding;
mod connection;
mod decode;
mod error;
mod estimate;
mod faults;
mod grpc_front;
mod handle;
mod handler;
mod hook;
mod http_front;
mod io;
mod json;
mod limits;
mod listener;
mod outcome;
mod outline;
mod record;
mod reply;
mod request;
mod service;
mod store;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tracezip")]
mod tracezip;

pub use builder::ReceiverBuilder;
pub use channel::{ChannelHandler, channel};
pub use coding::Encoding;
pub use error::{ShutdownError, StartError};
pub use faults::Faults;
pub use handle::{BlockingReceiver, Receiver};
pub use handler::{BoxFuture, DynHandler, Handler};
pub use hook::{Hook, RawReply, RawRequest, Verdict};
pub use limits::Limits;
pub use outcome::{GrpcCode, Outcome, Refusal};
pub use record::{Durability, FileStore, RecordError, read_records};
pub use request::{ContentType, Request, RequestHead, Transport};
pub use service::Stats;
pub use store::{Store, StoredSpan, WaitError};
#[cfg(feature = "tls")]
pub use tls::{ServerTls, TlsError};
#[cfg(feature = "tracezip")]
pub use tracezip::{Tracezip, TracezipStats};

/// The OTLP messages that requests hold.
pub use opentelemetry_proto::tonic as proto;
