//! The receiver over real sockets and as a real process.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a helper fails the test that called it"
)]

mod common;
mod grpc;
mod http;
mod lifecycle;
mod limits;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(unix)]
mod record;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tracezip")]
mod tracezip;
