//! What brings requests that are written already to a receiver.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::sink::Outcome;

/// Brings requests to one destination. Several may be under way at once.
pub(crate) trait Carrier: Send + Sync + fmt::Debug {
    /// Sends a request with so many spans until it is delivered or given up.
    fn deliver(&self, request: Bytes, spans: u64) -> BoxFuture<'_, Outcome>;
}
