//! Programs that we did not write, started for a test and stopped with it.
//!
//! A peer that was not built, or that does not start, fails the test with what to do about it:
//! nothing here is skipped in silence. Everything listens on loopback alone.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "these are the hands of tests: what they cannot do is the test's failure"
)]

mod collector;
mod gateway;
mod http;
mod jaeger;
mod locate;
mod ports;
mod prometheus;
mod receiver;
mod running;
mod service;

pub use collector::{Collector, CollectorBuilder};
pub use gateway::Gateway;
pub use http::{Answer, get, post};
pub use jaeger::Jaeger;
pub use prometheus::{Family, Sample, read_prometheus};
pub use receiver::Receiver;
pub use service::{Called, Service};
