//! How the outcome of an export travels around the official exporter, which reports texts only.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_sdk::error::OTelSdkResult;

use super::super::log::lock;
use super::super::report::DropReason;
use super::super::sink::{Failure, Outcome, outcome_of};

/// Shared by the client below the official exporter and the sink above it. An exporter is never
/// called concurrently, so one slot is enough.
#[derive(Debug, Default)]
pub(super) struct Record {
    spans: AtomicU64,
    outcome: Mutex<Option<Outcome>>,
}

impl Record {
    /// An export of `spans` begins.
    pub(super) fn begin(&self, spans: u64) {
        self.spans.store(spans, Ordering::Relaxed);
        *lock(&self.outcome) = None;
    }

    /// The spans of the export that runs.
    pub(super) fn spans(&self) -> u64 {
        self.spans.load(Ordering::Relaxed)
    }

    pub(super) fn write(&self, outcome: Outcome) {
        *lock(&self.outcome) = Some(outcome);
    }

    /// What the client saw; where it was not even asked, what the exporter said.
    pub(super) fn finish(&self, result: OTelSdkResult) -> Outcome {
        match (lock(&self.outcome).take(), outcome_of(result)) {
            (Some(seen), _) => seen,
            (None, Outcome::Delivered) => Outcome::Dropped(Failure::new(
                DropReason::ExporterFailed,
                "the exporter reported success without sending",
            )),
            (None, said) => said,
        }
    }
}
