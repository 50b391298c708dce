//! From batches of `SpanData` to a receiver, and the account of what arrived.

pub(crate) mod report;

pub use report::{DeliveryReport, DropReason};
