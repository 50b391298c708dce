//! Requests kept in memory: for tests and small programs.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::watch;

use crate::handler::Handler;
use crate::outcome::Outcome;
use crate::request::Request;

const DEFAULT_MAX_SPANS: usize = 1_000_000;
const DEFAULT_MAX_BYTES: usize = 256 * 1024 * 1024;

/// Keeps what arrives. A clone is the same store, so one goes to the receiver and one stays with
/// the test.
///
/// It is bounded: what does not fit is not kept, is counted by [`dropped_spans`](Self::dropped_spans),
/// and the sender learns of it by a partial success.
///
/// ```
/// use std::time::Duration;
/// use otel_enhance_receiver::{Receiver, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Store::new();
/// let receiver = Receiver::builder()
///     .with_http("127.0.0.1:0")
///     .with_handler(store.clone())
///     .start_blocking()?;
/// // ... export to receiver.http_endpoint() ...
/// let nothing = store.wait_for_spans(1, Duration::from_millis(10));
/// assert_eq!(nothing.unwrap_err().arrived, 0);
/// # drop(receiver);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    max_spans: usize,
    max_bytes: usize,
    kept: Mutex<Kept>,
    /// For threads that wait.
    arrived: Condvar,
    /// For tasks that wait; holds the number of requests.
    version: watch::Sender<usize>,
}

#[derive(Default)]
struct Kept {
    requests: Vec<Arc<Request>>,
    spans: usize,
    bytes: usize,
    dropped_spans: u64,
}

/// A span with what it belongs to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredSpan {
    /// Its resource; empty if the request gave none.
    pub resource: Arc<Resource>,
    /// Its instrumentation scope; empty if the request gave none.
    pub scope: Arc<InstrumentationScope>,
    /// The schema URL of the scope, or else of the resource.
    pub schema_url: String,
    /// The span.
    pub span: Span,
    /// Which of [`Store::requests`] brought it.
    pub request: usize,
}

/// Not as many spans or requests as wanted arrived in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{arrived} of {wanted} {what} arrived within {timeout:?}")]
#[non_exhaustive]
pub struct WaitError {
    /// `spans` or `requests`.
    pub what: &'static str,
    /// How many were wanted.
    pub wanted: usize,
    /// How many were there.
    pub arrived: usize,
    /// How long was waited.
    pub timeout: Duration,
}

impl Default for Store {
    fn default() -> Self {
        Self::with_limits(DEFAULT_MAX_SPANS, DEFAULT_MAX_BYTES)
    }
}

impl Store {
    /// A store for a million spans or 256 MiB of requests, whichever is reached first.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store for `max_spans` spans and `max_bytes` bytes of decompressed requests.
    pub fn with_limits(max_spans: usize, max_bytes: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                max_spans,
                max_bytes,
                kept: Mutex::default(),
                arrived: Condvar::new(),
                version: watch::Sender::new(0),
            }),
        }
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.lock().requests.clone()
    }

    /// All spans so far, in the order of their arrival.
    pub fn spans(&self) -> Vec<StoredSpan> {
        // Outside the lock: handlers shall not wait for a reader's copies.
        let requests = self.requests();
        let mut spans = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            flatten(index, request, &mut spans);
        }
        spans
    }

    /// The number of spans so far.
    pub fn span_count(&self) -> usize {
        self.lock().spans
    }

    /// Spans that did not fit.
    pub fn dropped_spans(&self) -> u64 {
        self.lock().dropped_spans
    }

    /// Forgets all requests.
    pub fn clear(&self) {
        let mut kept = self.lock();
        let dropped_spans = kept.dropped_spans;
        *kept = Kept {
            dropped_spans,
            ..Kept::default()
        };
    }

    /// Blocks until at least `spans` spans have arrived, and returns all that have.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if `timeout` passes first.
    pub fn wait_for_spans(
        &self,
        spans: usize,
        timeout: Duration,
    ) -> Result<Vec<StoredSpan>, WaitError> {
        self.wait("spans", spans, timeout, |kept| kept.spans)?;
        Ok(self.spans())
    }

    /// Blocks until at least `requests` requests have arrived, and returns all that have.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if `timeout` passes first.
    pub fn wait_for_requests(
        &self,
        requests: usize,
        timeout: Duration,
    ) -> Result<Vec<Arc<Request>>, WaitError> {
        self.wait("requests", requests, timeout, |kept| kept.requests.len())?;
        Ok(self.requests())
    }

    /// [`wait_for_spans`](Self::wait_for_spans) for tasks: it blocks no thread.
    ///
    /// # Errors
    ///
    /// [`WaitError`] if `timeout` passes first.
    pub async fn wait_for_spans_async(
        &self,
        spans: usize,
        timeout: Duration,
    ) -> Result<Vec<StoredSpan>, WaitError> {
        let mut version = self.inner.version.subscribe();
        let enough = version.wait_for(|_| self.span_count() >= spans);
        if tokio::time::timeout(timeout, enough).await.is_err() {
            return Err(WaitError {
                what: "spans",
                wanted: spans,
                arrived: self.span_count(),
                timeout,
            });
        }
        Ok(self.spans())
    }

    fn wait(
        &self,
        what: &'static str,
        wanted: usize,
        timeout: Duration,
        count: impl Fn(&Kept) -> usize,
    ) -> Result<(), WaitError> {
        let start = Instant::now();
        let mut kept = self.lock();
        loop {
            let arrived = count(&kept);
            if arrived >= wanted {
                return Ok(());
            }
            let Some(left) = timeout
                .checked_sub(start.elapsed())
                .filter(|left| !left.is_zero())
            else {
                return Err(WaitError {
                    what,
                    wanted,
                    arrived,
                    timeout,
                });
            };
            kept = self
                .inner
                .arrived
                .wait_timeout(kept, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// No code that can panic runs under this lock, so poison says nothing.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.inner
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, mut request: Request) -> Outcome {
        // The store has bounds of its own.
        request.detach();
        let spans = request.span_count();
        let bytes = request.body.len();
        {
            let mut kept = self.lock();
            if kept.spans + spans > self.inner.max_spans
                || kept.bytes + bytes > self.inner.max_bytes
            {
                kept.dropped_spans += spans as u64;
                return Outcome::PartialSuccess {
                    rejected_spans: spans as u64,
                    message: "the receiver's store is full".to_owned(),
                };
            }
            kept.spans += spans;
            kept.bytes += bytes;
            kept.requests.push(Arc::new(request));
        }
        self.inner.arrived.notify_all();
        self.inner.version.send_modify(|version| *version += 1);
        Outcome::Accepted
    }
}

impl Handler for Store {
    async fn export(&self, request: Request) -> Outcome {
        self.keep(request)
    }
}

fn flatten(index: usize, request: &Request, out: &mut Vec<StoredSpan>) {
    for resource_spans in &request.message.resource_spans {
        let resource = Arc::new(resource_spans.resource.clone().unwrap_or_default());
        for scope_spans in &resource_spans.scope_spans {
            let scope = Arc::new(scope_spans.scope.clone().unwrap_or_default());
            let schema_url = if scope_spans.schema_url.is_empty() {
                &resource_spans.schema_url
            } else {
                &scope_spans.schema_url
            };
            out.extend(scope_spans.spans.iter().map(|span| StoredSpan {
                resource: Arc::clone(&resource),
                scope: Arc::clone(&scope),
                schema_url: schema_url.clone(),
                span: span.clone(),
                request: index,
            }));
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.lock();
        f.debug_struct("Store")
            .field("requests", &kept.requests.len())
            .field("spans", &kept.spans)
            .field("dropped_spans", &kept.dropped_spans)
            .finish_non_exhaustive()
    }
}
