//! What can go wrong while starting and stopping a receiver.

use std::io;
use std::time::Duration;

/// Why a receiver did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Neither an HTTP nor a gRPC address was given.
    #[error("nothing to serve: give an address to `with_http`, to `with_grpc`, or to both")]
    NoAddress,
    /// [`start`](crate::ReceiverBuilder::start) was polled outside a tokio runtime.
    #[error("no tokio runtime here: await `start` inside one, or use `start_blocking`")]
    NoRuntime,
    /// An address could not be resolved or bound.
    #[error(
        "cannot listen on `{address}` for {transport}: {source}; expected HOST:PORT with a free port, or port 0"
    )]
    Bind {
        /// Which listener asked for it: `HTTP` or `gRPC`.
        transport: &'static str,
        /// The address as it was given.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The thread or runtime of [`start_blocking`](crate::ReceiverBuilder::start_blocking) could
    /// not be made.
    #[error("cannot start the receiver's own runtime: {0}")]
    Runtime(#[source] io::Error),
    /// The certificates do not make a TLS server.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
}

/// Why a shutdown was not clean.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Requests were still in flight when the time was up; their connections were cut.
    #[error("{connections} connections were still busy after {deadline:?} and were cut")]
    DeadlineExceeded {
        /// Connections that were cut.
        connections: usize,
        /// The time that was given.
        deadline: Duration,
    },
}
