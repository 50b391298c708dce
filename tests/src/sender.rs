//! The program `interop_sender`: what it writes down, and how a test runs it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose program fails has failed"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::TracesData;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use otel_enhance::Context;
use otel_enhance::export::{DeliveryReport, DropReason};
use serde::{Deserialize, Serialize};

use crate::collector_file::{CollectedSpan, flatten};

/// A processor that keeps every span beside the exporting one, as the SDK hands them over.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    spans: Arc<Mutex<Vec<SpanData>>>,
}

impl Recorder {
    /// The spans so far.
    pub fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanProcessor for Recorder {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// What the sender made, and what it says became of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    made: TracesData,
    /// Spans that ended.
    pub ended: u64,
    /// Spans that the receiver accepted.
    pub exported: u64,
    /// Spans that were sent again although the first try may have arrived.
    pub ambiguous_retries: u64,
    /// Spans that were dropped, by reason; what is zero is left out.
    pub dropped: BTreeMap<String, u64>,
}

impl Record {
    /// Puts together what the sender writes.
    pub fn new(spans: Vec<SpanData>, resource: &Resource, delivery: &DeliveryReport) -> Self {
        let dropped =
            DropReason::ALL.map(|reason| (reason.as_str().to_owned(), delivery.dropped(reason)));
        Self {
            made: TracesData {
                resource_spans: group_spans_by_resource_and_scope(spans, &resource.into()),
            },
            ended: delivery.ended,
            exported: delivery.exported,
            ambiguous_retries: delivery.ambiguous_retries,
            dropped: dropped
                .into_iter()
                .filter(|(_, spans)| *spans > 0)
                .collect(),
        }
    }

    /// The spans that it made.
    pub fn made(&self) -> Vec<CollectedSpan> {
        flatten(self.made.clone())
    }
}

/// Asserts what must hold when the receiver went away and came back, and the sender's queue could
/// hold everything meanwhile: each span arrived, and none more often than the ambiguous retries
/// explain.
///
/// # Panics
///
/// If it does not hold.
pub fn assert_accounted(record: &Record, arrived: &[CollectedSpan]) {
    let mut arrivals: BTreeMap<&[u8], u64> = BTreeMap::new();
    for collected in arrived {
        *arrivals.entry(&collected.span.span_id).or_default() += 1;
    }
    let made = record.made();
    let lost = made
        .iter()
        .filter(|made| !arrivals.contains_key(&*made.span.span_id))
        .count();
    let twice: u64 = arrivals.values().map(|count| count - 1).sum();
    assert_eq!(record.dropped, BTreeMap::new());
    assert_eq!(record.exported, record.ended);
    assert_eq!(lost, 0, "spans that nobody counts are missing");
    let retried = record.ambiguous_retries;
    assert!(
        twice <= retried,
        "{twice} spans arrived twice, {retried} may have"
    );
}

/// A sender at work.
#[derive(Debug)]
pub struct Sender {
    child: Child,
    folder: tempfile::TempDir,
}

impl Sender {
    /// Starts the program with these `OTEL_*` variables and no others.
    ///
    /// Cargo tells the path of the program to tests alone: pass
    /// `env!("CARGO_BIN_EXE_interop_sender")`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(
        program: impl AsRef<Path>,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("sender-")
            .tempdir()
            .expect("a temporary folder");
        let mut command = Command::new(program.as_ref());
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("OTEL_") {
                command.env_remove(variable);
            }
        }
        let child = command
            .arg(folder.path().join("record.json"))
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .expect("the sender can be started");
        Self { child, folder }
    }

    /// Waits until it has ended; what it wrote down.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn finish(mut self) -> Record {
        let status = self.child.wait().expect("the sender can be waited for");
        assert!(status.success(), "the sender failed: {status}");
        let record = std::fs::read(self.folder.path().join("record.json"))
            .expect("the sender wrote its record");
        serde_json::from_slice(&record)
            .unwrap_or_else(|error| panic!("the sender's record is unreadable: {error}"))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // An error means that it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
