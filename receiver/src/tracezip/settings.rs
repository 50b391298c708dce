//! How much a receiver does for tracezip.

use std::time::Duration;

/// Has a receiver take tracezip: `Content-Encoding: tracezip1` on the ordinary path over HTTP, and a unary service of
/// its own over gRPC.
///
/// What frames hold goes through the receiver's limits, hook and handler as if it had come as plain OTLP. The answer
/// to each frame travels in the body of the response, whatever its status.
///
/// ```
/// use std::time::Duration;
/// use otel_enhance_receiver::{Receiver, Tracezip};
///
/// let builder = Receiver::builder()
///     .with_http("127.0.0.1:0")
///     .with_tracezip(Tracezip::default().with_idle_timeout(Duration::from_secs(600)));
/// # drop(builder);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tracezip {
    /// Bytes of state of all streams; one takes 1 MiB at most. Beyond it the streams that were not used for the
    /// longest time are dropped, and their senders begin anew. Default: 256 MiB.
    pub max_state_bytes: usize,
    /// How long a stream is held of which nothing comes. It may be twice that. Default: 30 min.
    pub idle_timeout: Duration,
    /// Frames of different streams that can be decoded at once. Default: 8.
    pub shards: usize,
}

impl Default for Tracezip {
    fn default() -> Self {
        Self {
            max_state_bytes: 256 << 20,
            idle_timeout: Duration::from_secs(1800),
            shards: 8,
        }
    }
}

impl Tracezip {
    /// Sets [`max_state_bytes`](Self::max_state_bytes).
    #[must_use]
    pub fn with_max_state_bytes(mut self, bytes: usize) -> Self {
        self.max_state_bytes = bytes;
        self
    }

    /// Sets [`idle_timeout`](Self::idle_timeout).
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets [`shards`](Self::shards); 0 counts as 1.
    #[must_use]
    pub fn with_shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }
}
