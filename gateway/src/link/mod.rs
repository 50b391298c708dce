//! A connection to a server of OTLP, over HTTP or gRPC, whatever is said on it.

mod compress;
mod connect;
mod grpc;
mod http;

use std::error::Error;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, Request, Response, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::value::Endpoint;
use crate::config::{Compression, OtlpOutput};
use crate::delivery::Delivery;
use compress::Compressors;
use connect::Connector;
pub use connect::TlsError;
#[cfg(feature = "kafka")]
pub(crate) use connect::client as tls_client;

/// Answers are some bytes; what is longer than this is none.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Text of a stranger's, as it goes into logs and answers.
const MAX_MESSAGE_BYTES: usize = 300;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// OTLP in protobuf.
    Protobuf,
    /// OTLP in JSON; over HTTP alone.
    Json,
    /// A frame of tracezip.
    Frame,
}

/// The answer to a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) delivery: Delivery,
    /// The encoded response, or the encoded status of a refusal: where answers to frames are.
    pub(crate) message: Bytes,
    /// How many bytes went over the wire as the body.
    pub(crate) wire_bytes: usize,
    /// What the server said of the message's coding.
    pub(crate) coding: Coding,
}

/// What a server said of the message's coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Nothing.
    Unsaid,
    /// There was no answer, for the connection broke after the message had been begun.
    Broken,
    /// There was no answer in the time that there was.
    Silent,
    /// The server was not reached.
    NotReached,
    /// It does not know the coding, or the method: 415, 404, `UNIMPLEMENTED`.
    Unknown,
    /// The message is broken: 400, `INVALID_ARGUMENT`.
    Malformed,
    /// It lacks what the message builds on: 409, `FAILED_PRECONDITION`.
    StateLost,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client<Connector, Full<Bytes>>,
    endpoint: Endpoint,
    headers: HeaderMap,
    tenant_header: Option<HeaderName>,
    timeout: Duration,
    compressors: Compressors,
}

impl Link {
    pub(crate) fn new(config: &OtlpOutput) -> Result<Self, TlsError> {
        let connector = Connector::new(config)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(config.concurrency)
            .http2_only(config.endpoint.grpc)
            .http2_adaptive_window(false)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_timeout(Duration::from_secs(20));
        Ok(Self {
            client: builder.build(connector),
            endpoint: config.endpoint.clone(),
            headers: config.headers.iter().cloned().collect(),
            tenant_header: config.tenant_header.clone(),
            timeout: config.timeout,
            compressors: Compressors::new(config.compression),
        })
    }

    /// What a message may take, connecting included.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether JSON can be said as it is.
    pub(crate) fn takes_json(&self) -> bool {
        !self.endpoint.grpc
    }

    /// Sends a message, in the server's protocol and compressed, and waits for its answer. A server that
    /// does not know the coding gets another one: gzip, which every OTLP server must know, and at last none,
    /// which also passes those who take the name of the coding from the message.
    pub(crate) async fn send(&self, kind: Kind, message: &Bytes, tenant: &str) -> Answer {
        if kind == Kind::Frame {
            let coding = Compression::None;
            return self.send_coded(kind, message.clone(), coding, tenant).await;
        }
        let mut coding = self.compressors.coding();
        loop {
            let (body, done) = self.compressors.compress(message, coding);
            let answer = self.send_coded(kind, body, done, tenant).await;
            coding = match (answer.coding, done) {
                (Coding::Unknown, Compression::Zstd) => Compression::Gzip,
                (Coding::Unknown | Coding::Malformed, Compression::Zstd | Compression::Gzip) => {
                    Compression::None
                }
                _ => {
                    if matches!(
                        answer.delivery,
                        Delivery::Accepted | Delivery::Partial { .. }
                    ) {
                        self.compressors.settle(done);
                    }
                    return answer;
                }
            };
        }
    }

    async fn send_coded(
        &self,
        kind: Kind,
        body: Bytes,
        coding: Compression,
        tenant: &str,
    ) -> Answer {
        let wire_bytes = body.len();
        let mut request = if self.endpoint.grpc {
            grpc::request(&self.endpoint, kind, body, coding, self.timeout)
        } else {
            http::request(&self.endpoint, kind, body, coding)
        };
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(name) = &self.tenant_header
            && let Ok(value) = tenant.parse()
        {
            headers.insert(name, value);
        }
        let answer = |delivery| Answer {
            delivery,
            message: Bytes::new(),
            wire_bytes,
            coding: Coding::Unsaid,
        };
        match tokio::time::timeout(self.timeout, self.exchange(kind, request)).await {
            Err(_) => Answer {
                coding: Coding::Silent,
                ..answer(Delivery::Unavailable {
                    retry_after: None,
                    message: format!("no answer within {:?}", self.timeout),
                    ambiguous: true,
                })
            },
            Ok(Err(trouble)) => Answer {
                coding: if trouble.is_ambiguous() {
                    Coding::Broken
                } else {
                    Coding::NotReached
                },
                ..answer(trouble)
            },
            Ok(Ok(reply)) if self.endpoint.grpc => grpc::answer(&reply, wire_bytes),
            Ok(Ok(reply)) => http::answer(&reply, wire_bytes),
        }
    }

    async fn exchange(&self, kind: Kind, request: Request<Full<Bytes>>) -> Result<Reply, Delivery> {
        let response =
            self.client
                .request(request)
                .await
                .map_err(|error| Delivery::Unavailable {
                    retry_after: None,
                    message: chain(&error),
                    ambiguous: !error.is_connect(),
                })?;
        let (parts, body) = response.into_parts();
        let collected = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        match collected {
            Ok(collected) => {
                let trailers = collected.trailers().cloned().unwrap_or_default();
                Ok(Reply {
                    response: Response::from_parts(parts, collected.to_bytes()),
                    trailers,
                })
            }
            // The head of an answer over HTTP says all that matters, but to a frame.
            Err(_) if !self.endpoint.grpc && kind != Kind::Frame => Ok(Reply {
                response: Response::from_parts(parts, Bytes::new()),
                trailers: HeaderMap::new(),
            }),
            Err(error) => Err(Delivery::Unavailable {
                retry_after: None,
                message: format!("the answer broke off: {}", chain(error.as_ref())),
                ambiguous: true,
            }),
        }
    }
}

/// A whole answer.
struct Reply {
    response: Response<Bytes>,
    trailers: HeaderMap,
}

/// An error and what caused it.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A stranger's text, short and on one line.
fn printable(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = clean.take(MAX_MESSAGE_BYTES).collect();
    out.truncate(out.trim_end().len());
    out
}

/// The URL of a path at an endpoint.
fn at(endpoint: &Endpoint, path: &'static str) -> Uri {
    let mut parts = endpoint.uri.clone().into_parts();
    parts.path_and_query = Some(::http::uri::PathAndQuery::from_static(path));
    Uri::from_parts(parts).unwrap_or_else(|_| endpoint.uri.clone())
}
