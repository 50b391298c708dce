//! Every bound of a receiver in one place.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// The bounds within which a receiver works. Whatever exceeds one is refused with the status that
/// the OTLP specification gives it, never truncated and never a reason to grow.
///
/// ```
/// use std::time::Duration;
/// use otel_enhance_receiver::{Limits, Receiver};
///
/// let limits = Limits::default()
///     .with_max_body_bytes(4 * 1024 * 1024)
///     .with_read_timeout(Duration::from_secs(5));
/// let builder = Receiver::builder().with_http("127.0.0.1:0").with_limits(limits);
/// # drop(builder);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a body on the wire. Default: 16 MiB.
    pub max_body_bytes: usize,
    /// Bytes of a body after decompression. Default: 16 MiB.
    pub max_decompressed_bytes: usize,
    /// Estimated bytes of the decoded message: a few bytes of protobuf can stand for an empty span
    /// of some hundred. Default: 128 MiB.
    pub max_decoded_bytes: usize,
    /// Bytes that all requests in flight may take together, bodies and decoded messages; beyond it
    /// senders are told to come again. Default: 512 MiB.
    pub max_memory_bytes: usize,
    /// Connections served at once, for each of HTTP and gRPC; more wait in the listen queue. Each
    /// may hold 1 MiB that it has received and nobody has read yet, which
    /// [`max_memory_bytes`](Self::max_memory_bytes) does not know of. Default: 1024.
    pub max_connections: usize,
    /// Requests at once on one HTTP/2 connection. Default: 128.
    pub max_concurrent_streams: u32,
    /// Time for the TLS handshake and for the head of a request. Default: 10 s.
    pub header_timeout: Duration,
    /// Time for the whole body of a request. Default: 30 s.
    pub read_timeout: Duration,
    /// How long a connection without a request in flight is kept. Default: 5 min.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 * MIB,
            max_decompressed_bytes: 16 * MIB,
            max_decoded_bytes: 128 * MIB,
            max_memory_bytes: 512 * MIB,
            max_connections: 1024,
            max_concurrent_streams: 128,
            header_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
        }
    }
}

impl Limits {
    /// Sets [`max_body_bytes`](Self::max_body_bytes).
    #[must_use]
    pub fn with_max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// Sets [`max_decompressed_bytes`](Self::max_decompressed_bytes).
    #[must_use]
    pub fn with_max_decompressed_bytes(mut self, bytes: usize) -> Self {
        self.max_decompressed_bytes = bytes;
        self
    }

    /// Sets [`max_decoded_bytes`](Self::max_decoded_bytes).
    #[must_use]
    pub fn with_max_decoded_bytes(mut self, bytes: usize) -> Self {
        self.max_decoded_bytes = bytes;
        self
    }

    /// Sets [`max_memory_bytes`](Self::max_memory_bytes).
    #[must_use]
    pub fn with_max_memory_bytes(mut self, bytes: usize) -> Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// Sets [`max_connections`](Self::max_connections); 0 counts as 1.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// Sets [`max_concurrent_streams`](Self::max_concurrent_streams); 0 counts as 1.
    #[must_use]
    pub fn with_max_concurrent_streams(mut self, streams: u32) -> Self {
        self.max_concurrent_streams = streams.max(1);
        self
    }

    /// Sets [`header_timeout`](Self::header_timeout).
    #[must_use]
    pub fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// Sets [`read_timeout`](Self::read_timeout).
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Sets [`idle_timeout`](Self::idle_timeout).
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }
}
