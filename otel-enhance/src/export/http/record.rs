//! How the outcome of an export travels around the official exporter, which reports texts only.

use std::future::Future;
use std::sync::{Arc, Mutex};

use opentelemetry_sdk::error::OTelSdkResult;

use super::super::log::lock;
use super::super::report::DropReason;
use super::super::sink::{Failure, Outcome, outcome_of};

tokio::task_local! {
    /// The record of the export that is being polled.
    static CURRENT: Arc<Record>;
}

/// One export, as seen by the client below the official exporter and the sink above it.
#[derive(Debug, Default)]
pub(super) struct Record {
    spans: u64,
    outcome: Mutex<Option<Outcome>>,
}

impl Record {
    /// The outcome of `export`, which exports `spans`: what the client saw; where it was not even
    /// asked, what the exporter said.
    pub(super) async fn of(spans: u64, export: impl Future<Output = OTelSdkResult>) -> Outcome {
        let record = Arc::new(Self {
            spans,
            outcome: Mutex::new(None),
        });
        let result = CURRENT.scope(Arc::clone(&record), export).await;
        record.finish(result)
    }

    /// The record of the export that this thread polls.
    pub(super) fn current() -> Arc<Self> {
        CURRENT
            .try_with(Arc::clone)
            // The client is given to our exporters alone, which always have one.
            .unwrap_or_default()
    }

    /// The spans of the export that runs.
    pub(super) fn spans(&self) -> u64 {
        self.spans
    }

    pub(super) fn write(&self, outcome: Outcome) {
        *lock(&self.outcome) = Some(outcome);
    }

    fn finish(&self, result: OTelSdkResult) -> Outcome {
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
