//! The account of every span that ended: delivered, or dropped for a reason that can be read.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::lock;

/// Why a span was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// As many spans waited for their export as may.
    QueueFull,
    /// The spans that waited or were being exported held as many bytes as they may (`performance`).
    QueueMemory,
    /// The receiver refused the request (4xx, a final gRPC status).
    Rejected,
    /// The receiver could not be reached, or went on answering with retryable errors, until the deadline.
    Unreachable,
    /// The export took longer than its timeout.
    Timeout,
    /// The receiver took the request and rejected some of its spans (partial success).
    PartialSuccess,
    /// The exporter panicked, or failed in its own way.
    ExporterFailed,
    /// A certificate or key cannot be used; weaker security is no fallback.
    Credentials,
    /// The span ended after shutdown.
    AfterShutdown,
    /// Shutdown's deadline passed with the span still queued.
    ShutdownDeadline,
    /// The span ended in a forked child that did not call `init!` anew.
    Forked,
}

impl DropReason {
    /// Every reason, in the order of [`DeliveryReport`]'s table.
    pub const ALL: [Self; 11] = [
        Self::QueueFull,
        Self::QueueMemory,
        Self::Rejected,
        Self::Unreachable,
        Self::Timeout,
        Self::PartialSuccess,
        Self::ExporterFailed,
        Self::Credentials,
        Self::AfterShutdown,
        Self::ShutdownDeadline,
        Self::Forked,
    ];

    /// The reason in snake case, as it stands in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueMemory => "queue_memory",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::PartialSuccess => "partial_success",
            Self::ExporterFailed => "exporter_failed",
            Self::Credentials => "credentials",
            Self::AfterShutdown => "after_shutdown",
            Self::ShutdownDeadline => "shutdown_deadline",
            Self::Forked => "forked",
        }
    }
}

/// Counters that the processor and the exporter write, and the guard reads.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    ended: AtomicU64,
    exported: AtomicU64,
    /// Requests sent again whose first try may have arrived: the bound on duplicates.
    ambiguous_retries: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    /// What the last attempt ran into that is to be repeated: the cause, when time runs out first.
    trouble: Mutex<Option<String>>,
    #[cfg(feature = "performance")]
    pub(crate) operations: super::operations::Operations,
}

impl Delivery {
    /// An attempt failed and may be repeated.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) fn trouble(&self, detail: &str) {
        *lock(&self.trouble) = Some(detail.to_owned());
    }

    /// An attempt succeeded.
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(crate) fn no_trouble(&self) {
        *lock(&self.trouble) = None;
    }

    /// `what` put an end to an export, and this is why there still was one.
    pub(crate) fn because_of_trouble(&self, what: &str) -> String {
        match &*lock(&self.trouble) {
            Some(detail) => format!("{what}, and the last attempt failed: {detail}"),
            None => what.to_owned(),
        }
    }

    pub(crate) fn ended(&self, spans: u64) {
        self.ended.fetch_add(spans, Ordering::Relaxed);
    }

    pub(crate) fn exported(&self, spans: u64) {
        self.exported.fetch_add(spans, Ordering::Relaxed);
    }

    #[cfg_attr(
        not(any(feature = "otlp-http", feature = "otlp-grpc")),
        expect(dead_code, reason = "OTLP alone tells")
    )]
    pub(crate) fn ambiguous_retry(&self, spans: u64) {
        self.ambiguous_retries.fetch_add(spans, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: DropReason, spans: u64) {
        self.dropped[reason as usize].fetch_add(spans, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> DeliveryReport {
        DeliveryReport {
            ended: self.ended.load(Ordering::Relaxed),
            exported: self.exported.load(Ordering::Relaxed),
            ambiguous_retries: self.ambiguous_retries.load(Ordering::Relaxed),
            unfinished: 0,
            dropped: DropReason::ALL.map(|reason| {
                (
                    reason,
                    self.dropped[reason as usize].load(Ordering::Relaxed),
                )
            }),
        }
    }
}

/// What became of the spans so far. After a flush, `ended` = `exported` + [`DeliveryReport::dropped_total`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryReport {
    /// Sampled spans that ended.
    pub ended: u64,
    /// Spans that a receiver (or the exporter given in code) accepted.
    pub exported: u64,
    /// Spans in requests that were sent again although the first try may have arrived: the receiver
    /// may hold each of them twice.
    pub ambiguous_retries: u64,
    /// Sampled spans that have started and not ended. After shutdown it is 0: those that were open then
    /// count as ended and as dropped for [`DropReason::AfterShutdown`].
    pub unfinished: u64,
    dropped: [(DropReason, u64); DropReason::ALL.len()],
}

impl DeliveryReport {
    /// Adds spans that the exporter has not seen.
    pub(crate) fn add_dropped(&mut self, reason: DropReason, spans: u64) {
        self.dropped[reason as usize].1 += spans;
    }

    /// Spans dropped for one reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].1
    }

    /// Spans dropped for any reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(|(_, spans)| spans).sum()
    }
}
