//! One exporter of the application's, kept from harm.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::InitError;
use crate::export::log::Log;
use crate::export::report::Delivery;
use crate::export::runtime::ExportRuntime;
use crate::export::{DeliveryReport, ErasedExporter, Shared, boxed};

/// An exporter in front of another one: a panic of the inner one costs a batch instead of the batch
/// thread, an export that does not end costs 30 s instead of all that follow, asynchronous clients find
/// a runtime wherever the processor polls them, and every span is counted.
#[derive(Debug)]
pub struct EnhancedExporter {
    inner: ErasedExporter,
    delivery: Arc<Delivery>,
}

/// As in the specification's `OTEL_BSP_EXPORT_TIMEOUT`.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(30);

impl EnhancedExporter {
    /// Wraps `exporter`. Losses are said on stderr, once per outage.
    ///
    /// # Errors
    ///
    /// [`InitError::Runtime`] if the thread of the runtime cannot be started.
    pub fn wrap<E: SpanExporter + 'static>(exporter: E) -> Result<Self, InitError> {
        let delivery = Arc::new(Delivery::default());
        let shared = Shared {
            delivery: Arc::clone(&delivery),
            log: Log::with_handler(None),
            runtime: ExportRuntime::new()?,
        };
        let sinks = vec![("the wrapped exporter".to_owned(), true, boxed(exporter))];
        Ok(Self {
            inner: ErasedExporter::new(sinks, EXPORT_TIMEOUT, None, shared),
            delivery,
        })
    }

    /// The account of what this exporter gets, readable after the exporter has gone into a provider.
    #[must_use]
    pub fn watch(&self) -> DeliveryWatch {
        DeliveryWatch::new(Arc::clone(&self.delivery))
    }
}

/// See [`EnhancedExporter::watch`].
#[derive(Clone, Debug)]
pub struct DeliveryWatch(Arc<Delivery>);

impl DeliveryWatch {
    pub(crate) fn new(delivery: Arc<Delivery>) -> Self {
        Self(delivery)
    }

    /// What has become of the spans so far.
    #[must_use]
    pub fn report(&self) -> DeliveryReport {
        self.0.report()
    }
}

impl SpanExporter for EnhancedExporter {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let sampled = batch.iter().filter(|span| span.span_context.is_sampled());
        self.delivery.ended(sampled.count() as u64);
        self.inner.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
