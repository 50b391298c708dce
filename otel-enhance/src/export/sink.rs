//! One destination of spans, object safe, with an outcome that can be counted.

use std::fmt;
#[cfg(any(feature = "otlp-grpc", all(feature = "simd", feature = "otlp-http")))]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::report::DropReason;

/// What became of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it arrived.
    Delivered,
    /// It arrived, and the receiver threw `rejected` spans of it away.
    #[cfg_attr(
        not(any(feature = "otlp-http", feature = "otlp-grpc")),
        expect(dead_code, reason = "OTLP alone tells")
    )]
    Partial { rejected: u64, message: String },
    /// None of it arrived, as far as we know.
    Dropped(Failure),
}

#[cfg(feature = "performance")]
impl Outcome {
    /// What not every span arrived for.
    pub(super) fn failure(&self) -> Option<DropReason> {
        match self {
            Self::Delivered | Self::Partial { rejected: 0, .. } => None,
            Self::Partial { .. } => Some(DropReason::PartialSuccess),
            Self::Dropped(failure) => Some(failure.reason),
        }
    }
}

/// Why a batch was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: DropReason,
    /// For the log: what happened, in words.
    pub(crate) detail: String,
    /// The HTTP status that said so, if one did.
    pub(crate) http_status: Option<u16>,
}

impl Failure {
    pub(crate) fn new(reason: DropReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            http_status: None,
        }
    }
}

/// The official `SpanExporter`, made object safe, with outcomes instead of texts. What is left out is that
/// of a sink that holds nothing back.
pub(crate) trait Sink: Send + Sync + fmt::Debug {
    fn export(&self, batch: Vec<SpanData>) -> BoxFuture<'_, Outcome>;

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown(&self) -> OTelSdkResult;

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        self.shutdown()
    }

    fn set_resource(&mut self, resource: &Resource);

    /// The sink itself, if it takes requests that our encoder has written.
    #[cfg(feature = "performance")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    fn encoded(&self) -> Option<&super::encoded::EncodedSink> {
        None
    }
}

/// Whether a sink of ours has been shut down.
#[cfg(any(feature = "otlp-grpc", all(feature = "simd", feature = "otlp-http")))]
#[derive(Debug, Default)]
pub(super) struct Closed(AtomicBool);

#[cfg(any(feature = "otlp-grpc", all(feature = "simd", feature = "otlp-http")))]
impl Closed {
    /// What becomes of a batch that comes after that.
    pub(super) fn refusal(&self) -> Option<Outcome> {
        self.0.load(Ordering::Relaxed).then(|| {
            Outcome::Dropped(Failure::new(
                DropReason::AfterShutdown,
                "the exporter is shut down",
            ))
        })
    }

    /// Shuts it down, once.
    pub(super) fn close(&self) -> OTelSdkResult {
        if self.0.swap(true, Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        Ok(())
    }
}

/// Boxes an exporter given in code.
pub(crate) fn boxed<E: SpanExporter + 'static>(exporter: E) -> Box<dyn Sink> {
    Box::new(Foreign(exporter))
}

/// An exporter about which we know nothing but the official trait.
#[derive(Debug)]
struct Foreign<E>(E);

impl<E: SpanExporter> Sink for Foreign<E> {
    fn export(&self, batch: Vec<SpanData>) -> BoxFuture<'_, Outcome> {
        // Inside the block, so that an `export` that panics when called is caught as well.
        Box::pin(async move { outcome_of(self.0.export(batch).await) })
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.0.shutdown()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// The official result, as far as it tells.
pub(super) fn outcome_of(result: OTelSdkResult) -> Outcome {
    match result {
        Ok(()) => Outcome::Delivered,
        Err(error) => Outcome::Dropped(Failure::new(
            match error {
                OTelSdkError::Timeout(_) => DropReason::Timeout,
                OTelSdkError::AlreadyShutdown => DropReason::AfterShutdown,
                OTelSdkError::InternalFailure(_) => DropReason::ExporterFailed,
            },
            error.to_string(),
        )),
    }
}
