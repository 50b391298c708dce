//! What the tests of this module share.

#[cfg(any(feature = "otlp-grpc", feature = "otlp-json"))]
pub(crate) mod receiver;
#[cfg(feature = "otlp-http")]
pub(crate) mod server;

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};

use super::log::tests::recording;
use super::log::{Report, lock};
use super::runtime::{ExportRuntime, block_on};
use super::{DeliveryReport, ErasedExporter, Shared, Sink};
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
use crate::config::{Compression, OtlpSettings, Protocol, TlsSettings};

/// A sampled span with nothing special about it.
pub(crate) fn span(name: &'static str) -> SpanData {
    SpanData {
        span_context: SpanContext::new(
            TraceId::from(42_u128),
            SpanId::from(7_u64),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: Cow::Borrowed(name),
        start_time: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        end_time: UNIX_EPOCH + Duration::from_millis(1_700_000_001_500),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: opentelemetry::InstrumentationScope::builder("test").build(),
    }
}

/// OTLP settings with defaults.
#[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
pub(crate) fn otlp(protocol: Protocol, endpoint: &str) -> OtlpSettings {
    OtlpSettings {
        protocol,
        endpoint: endpoint.to_owned(),
        headers: Vec::new(),
        compression: Compression::None,
        timeout: Duration::from_secs(10),
        tls: TlsSettings::default(),
    }
}

/// What an exporter stands on, with a log that is kept.
pub(crate) struct Pipeline {
    pub(crate) shared: Shared,
    said: Arc<Mutex<Vec<Report>>>,
}

impl Pipeline {
    pub(crate) fn new() -> Self {
        let (log, said) = recording();
        let shared = Shared {
            delivery: Arc::default(),
            log,
            runtime: ExportRuntime::new().unwrap(),
        };
        Self { shared, said }
    }

    pub(crate) fn erase(&self, sink: Box<dyn Sink>, timeout: Duration) -> ErasedExporter {
        let sinks = vec![("the test".to_owned(), true, sink)];
        ErasedExporter::new(sinks, timeout, None, self.shared.clone())
    }

    /// Exports as the batch processor does: on a plain thread that parks.
    pub(crate) fn export(&self, exporter: &ErasedExporter, batch: Vec<SpanData>) {
        // The account has the outcome.
        let _ = block_on(exporter.export(batch));
    }

    pub(crate) fn report(&self) -> DeliveryReport {
        self.shared.delivery.report()
    }

    pub(crate) fn said(&self) -> Vec<String> {
        lock(&self.said).iter().map(ToString::to_string).collect()
    }
}
