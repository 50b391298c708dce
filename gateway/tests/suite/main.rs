//! The gateway over real sockets, beside real receivers and clients that are not ours.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in a helper fails the test that called it"
)]

mod common;
mod forwarding;
mod killed;
mod operation;
mod program;
mod proxies;
mod refusals;
mod tenants;
mod tls;
mod tracezip;
