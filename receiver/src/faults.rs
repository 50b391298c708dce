//! Faults on purpose: what a sender meets in bad times, made to order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};

use crate::handler::BoxFuture;
use crate::hook::{Hook, Verdict};
use crate::outcome::Refusal;
use crate::request::{RequestHead, Transport};

/// A [`Hook`] that misbehaves as told, for testing senders. A clone shares its count of requests.
///
/// Delay comes first. Then hanging, garbage, redirection or a status, the first of them that is
/// set, for every request or the first few.
///
/// ```
/// use http::StatusCode;
/// use otel_enhance_receiver::{Faults, Receiver};
///
/// let twice_away = Faults::new()
///     .with_status(StatusCode::SERVICE_UNAVAILABLE)
///     .with_first_requests(2);
/// let builder = Receiver::builder().with_http("127.0.0.1:0").with_hook(twice_away);
/// # drop(builder);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults {
    latency: Duration,
    fault: Option<Fault>,
    retry_after: Option<Duration>,
    first_requests: Option<u64>,
    seen: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Fault {
    Hang,
    Garbage,
    Redirect(HeaderValue),
    Status(StatusCode),
}

impl Faults {
    /// No fault yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every request, faulty or not, waits this long.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Requests are refused with this status, or the gRPC code that means the same to an OTLP
    /// sender.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.fault = Some(Fault::Status(status));
        self
    }

    /// Refusals ask the sender to wait this long.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Requests are never answered.
    #[must_use]
    pub fn with_hang(mut self) -> Self {
        self.fault = Some(Fault::Hang);
        self
    }

    /// Requests are answered with 200, the right content type, and bytes that mean nothing.
    #[must_use]
    pub fn with_garbage(mut self) -> Self {
        self.fault = Some(Fault::Garbage);
        self
    }

    /// Requests are answered with 307 and this location.
    #[must_use]
    pub fn with_redirect(mut self, location: HeaderValue) -> Self {
        self.fault = Some(Fault::Redirect(location));
        self
    }

    /// Only the first `requests` meet the fault; 503 if none was chosen. Default: all do.
    #[must_use]
    pub fn with_first_requests(mut self, requests: u64) -> Self {
        self.first_requests = Some(requests);
        self
    }

    /// Requests seen so far.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    fn fault_for(&self, earlier: u64) -> Option<Fault> {
        match self.first_requests {
            Some(first) if earlier >= first => None,
            Some(_) => Some(
                self.fault
                    .clone()
                    .unwrap_or(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)),
            ),
            None => self.fault.clone(),
        }
    }
}

impl Hook for Faults {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let earlier = self.seen.fetch_add(1, Ordering::Relaxed);
            if !self.latency.is_zero() {
                tokio::time::sleep(self.latency).await;
            }
            match self.fault_for(earlier) {
                None => Verdict::Continue,
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::Garbage) => Verdict::Reply(garbage(head.transport)),
                Some(Fault::Redirect(location)) => {
                    let mut response = Response::new(Bytes::new());
                    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                    response.headers_mut().insert(LOCATION, location);
                    Verdict::Reply(response)
                }
                Some(Fault::Status(status)) => {
                    let refusal = Refusal::from_http_status(
                        status,
                        format!("refused on purpose with status {status}"),
                    );
                    Verdict::Refuse(match self.retry_after {
                        Some(delay) => refusal.with_retry_after(delay),
                        None => refusal,
                    })
                }
            }
        })
    }
}

/// No protobuf, no JSON, no gRPC frame.
fn garbage(transport: Transport) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"\xff\xfe<html>\x00garbage\xff\xff\xff"));
    let content_type = match transport {
        Transport::Http => "application/x-protobuf",
        Transport::Grpc => "application/grpc",
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
