//! What both transports share: the state of a receiver and the call of its handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::StatusCode;

use crate::budget::{Budget, Charge};
use crate::coding::Encoding;
use crate::decode;
use crate::handler::{DynHandler, guarded};
use crate::hook::{Hook, RawReply, RawRequest, Verdict};
use crate::limits::Limits;
use crate::outcome::{Refusal, Success};
use crate::outline;
use crate::request::{ContentType, Request, RequestHead};

/// The state of a running receiver.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    /// Protobuf is handed on without being decoded.
    pub(crate) undecoded: bool,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Counters,
    pub(crate) handler: Arc<dyn DynHandler>,
    pub(crate) hook: Option<Arc<dyn Hook>>,
    #[cfg(feature = "tracezip")]
    pub(crate) tracezip: Option<Arc<crate::tracezip::Shards>>,
}

impl Shared {
    /// Asks the hook, if there is one.
    pub(crate) async fn inspect(&self, head: &RequestHead) -> Result<Verdict, Refusal> {
        let Some(hook) = &self.hook else {
            return Ok(Verdict::Continue);
        };
        guarded(|| hook.inspect(head)).await.ok_or_else(panicked)
    }

    /// Gives a request that the hook has taken to it.
    pub(crate) async fn hook_handle(&self, request: RawRequest) -> Result<RawReply, Refusal> {
        let Some(hook) = &self.hook else {
            return Ok(RawReply::Outcome(crate::Outcome::Accepted));
        };
        guarded(|| hook.handle(request)).await.ok_or_else(panicked)
    }

    /// Decodes a request and gives it to the handler.
    pub(crate) async fn export(
        &self,
        head: RequestHead,
        content_type: ContentType,
        encoding: Encoding,
        wire_size: usize,
        body: Bytes,
        mut charge: Charge,
    ) -> Result<Success, Refusal> {
        let (message, counted) = if self.undecoded && content_type == ContentType::Protobuf {
            (Default::default(), Some(outline::spans(&body)?))
        } else {
            let message = decode::decode(content_type, &body, &self.limits, &mut charge)?;
            (message, None)
        };
        let request = Request {
            head,
            message,
            body,
            content_type,
            encoding,
            wire_size,
            counted,
            charge: Some(charge),
        };
        let outcome = guarded(|| self.handler.export_boxed(request))
            .await
            .ok_or_else(panicked)?;
        outcome.into_result()
    }
}

pub(crate) fn panicked() -> Refusal {
    Refusal::from_http_status(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the receiver failed at this request",
    )
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) failed_connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) succeeded: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Figures of a receiver since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that ended by an error: a broken handshake, a timeout, a protocol fault.
    pub failed_connections: u64,
    /// Requests whose head arrived.
    pub requests: u64,
    /// Requests answered with success.
    pub succeeded: u64,
    /// Requests answered with an error.
    pub refused: u64,
    /// Bytes that requests in flight take at the moment.
    pub memory_bytes: usize,
}

impl Shared {
    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            connections: read(&self.counters.connections),
            failed_connections: read(&self.counters.failed_connections),
            requests: read(&self.counters.requests),
            succeeded: read(&self.counters.succeeded),
            refused: read(&self.counters.refused),
            memory_bytes: self.budget.used(),
        }
    }
}
