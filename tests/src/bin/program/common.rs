//! What the cases share.

use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_enhance::export::DropReason;
use otel_enhance::{EnhancedPipeline, TelemetryGuard};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;
pub(crate) type Case = fn() -> Outcome;

/// Writes a line that the test reads.
pub(crate) fn fact(name: &str, value: impl Display) {
    println!("{name}={value}");
    let _ = std::io::stdout().flush();
}

/// A pipeline, with `performance` if the test asks for it.
pub(crate) fn new_enhanced_pipeline() -> EnhancedPipeline {
    let pipeline = otel_enhance::new_enhanced_pipeline();
    if std::env::var_os("TEST_PERFORMANCE").is_some() {
        pipeline.with_performance()
    } else {
        pipeline
    }
}

/// Ends `count` spans at `provider`.
pub(crate) fn end_spans(provider: &impl TracerProvider, count: usize) {
    let tracer = provider.tracer("program");
    for _ in 0..count {
        tracer.start("work").end();
    }
}

/// Writes the guard's books.
pub(crate) fn report(guard: &TelemetryGuard) {
    let report = guard.delivery();
    fact("ended", report.ended);
    fact("exported", report.exported);
    fact("dropped", report.dropped_total());
    fact("unfinished", report.unfinished);
    for reason in DropReason::ALL {
        fact(reason.as_str(), report.dropped(reason));
    }
}

/// Writes the names of the variables that the guard complains of.
pub(crate) fn diagnostics(guard: &TelemetryGuard) {
    let names: Vec<&str> = guard
        .diagnostics()
        .as_slice()
        .iter()
        .map(|diagnostic| diagnostic.name.as_str())
        .collect();
    fact("diagnostics", names.join(","));
}

/// An exporter that counts, and keeps what it got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting {
    pub(crate) spans: Arc<AtomicUsize>,
    pub(crate) batches: Arc<Mutex<Vec<SpanData>>>,
}

impl Counting {
    pub(crate) fn count(&self) -> usize {
        self.spans.load(Ordering::SeqCst)
    }
}

impl SpanExporter for Counting {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        self.spans.fetch_add(batch.len(), Ordering::SeqCst);
        if let Ok(mut kept) = self.batches.lock() {
            kept.extend(batch);
        }
        std::future::ready(Ok(()))
    }
}

/// An HTTP client that says what it was given, and that all is well.
#[derive(Debug)]
pub(crate) struct Telling;

#[async_trait::async_trait]
impl HttpClient for Telling {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        fact("path", request.uri().path());
        for (name, value) in request.headers() {
            fact(
                &format!("header.{name}"),
                String::from_utf8_lossy(value.as_bytes()),
            );
        }
        Ok(http::Response::new(Bytes::new()))
    }
}
