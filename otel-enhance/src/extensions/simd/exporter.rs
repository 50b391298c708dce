//! The encoder in front of an official exporter.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::InitError;
use crate::export::encoded::EncodedSink;
use crate::export::log::{ErrorHandler, Log, ReportKind};
use crate::export::report::Delivery;
use crate::export::runtime::ExportRuntime;
use crate::export::sink::Outcome;
use crate::export::{Destination, DropReason, ErasedExporter, Shared, Sink, boxed};
use crate::wrappers::DeliveryWatch;

/// As in the specification's `OTEL_BSP_EXPORT_TIMEOUT`.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(30);

/// An official exporter whose spans go out written in one pass.
///
/// The wrapped exporter cannot be asked where it sends to, so it goes on delivering, and a notice says so
/// once, until [`with_destination`](Self::with_destination) names the place. From then on requests go there
/// over a transport of ours, with its retries. The wrapped exporter stays behind it: it gets a batch
/// that the destination refuses for good, such as one that does not speak this protocol, or
/// which never left because of unusable certificates. What may have arrived is not sent twice.
///
/// It is an [`EnhancedExporter`](crate::wrappers::EnhancedExporter) as well: panics are caught, an export
/// ends after 30 s, and [`watch`](Self::watch) has the account.
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use otel_enhance::export::Destination;
/// use otel_enhance::extensions::simd::SimdSpanExporter;
/// # use opentelemetry_sdk::{error::OTelSdkResult, trace::{SpanData, SpanExporter}};
/// # #[derive(Debug)] struct OfficialExporter;
/// # impl SpanExporter for OfficialExporter {
/// #     async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult { Ok(()) }
/// # }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = SimdSpanExporter::wrap(OfficialExporter)?
/// #   ;
/// # #[cfg(feature = "otlp-http")]
/// # let exporter = exporter
///     .with_destination(&Destination::http("http://collector:4318/v1/traces"))?;
/// let provider = SdkTracerProvider::builder()
///     .with_batch_exporter(exporter)
///     .build();
/// # drop(provider);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SimdSpanExporter {
    wrapped: WrappedExporter,
}

/// An exporter that cannot be asked where it sends to, and a way of ours beside it once that is told.
#[derive(Debug)]
pub(crate) struct WrappedExporter {
    inner: ErasedExporter,
    own: Arc<OnceLock<EncodedSink>>,
    shared: Shared,
}

impl SimdSpanExporter {
    /// Wraps `exporter`, which delivers until a destination is given. Messages go to stderr.
    ///
    /// # Errors
    ///
    /// [`InitError::Runtime`] if the thread of the runtime cannot be started.
    pub fn wrap<E: SpanExporter + 'static>(exporter: E) -> Result<Self, InitError> {
        WrappedExporter::new("SimdSpanExporter", exporter, None).map(|wrapped| Self { wrapped })
    }

    /// The same, with a handler that takes the messages.
    ///
    /// # Errors
    ///
    /// As [`wrap`](Self::wrap).
    pub fn wrap_with_error_handler<E: SpanExporter + 'static>(
        exporter: E,
        handler: ErrorHandler,
    ) -> Result<Self, InitError> {
        WrappedExporter::new("SimdSpanExporter", exporter, Some(handler))
            .map(|wrapped| Self { wrapped })
    }

    /// Sends to `destination` from now on.
    ///
    /// # Errors
    ///
    /// [`InitError::FeatureMissing`] if this build cannot speak to it, [`InitError::InvalidArgument`] if
    /// its URL, headers or timeout are not valid or a destination was given before.
    pub fn with_destination(self, destination: &Destination) -> Result<Self, InitError> {
        let sink = EncodedSink::new(destination.settings()?, self.wrapped.shared())?;
        self.wrapped.set_own(sink)?;
        Ok(self)
    }

    /// The account of what this exporter gets, readable after it has gone into a provider.
    #[must_use]
    pub fn watch(&self) -> DeliveryWatch {
        self.wrapped.watch()
    }
}

impl SpanExporter for SimdSpanExporter {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        self.wrapped.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.wrapped.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.wrapped.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.wrapped.set_resource(resource);
    }
}

impl WrappedExporter {
    /// `name` is what messages call it by.
    pub(crate) fn new<E: SpanExporter + 'static>(
        name: &'static str,
        exporter: E,
        handler: Option<ErrorHandler>,
    ) -> Result<Self, InitError> {
        let shared = Shared {
            delivery: Arc::new(Delivery::default()),
            log: Log::with_handler(handler),
            runtime: ExportRuntime::new()?,
        };
        let own = Arc::new(OnceLock::new());
        let sink = Wrapping {
            name,
            wrapped: boxed(exporter),
            own: Arc::clone(&own),
            said_pass_through: AtomicBool::new(false),
            said_refused: AtomicBool::new(false),
            log: shared.log.clone(),
        };
        let sinks: Vec<(String, bool, Box<dyn Sink>)> =
            vec![("the wrapped exporter".to_owned(), true, Box::new(sink))];
        Ok(Self {
            inner: ErasedExporter::new(sinks, EXPORT_TIMEOUT, None, shared.clone()),
            own,
            shared,
        })
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Sends through `sink` from now on.
    pub(crate) fn set_own(&self, sink: EncodedSink) -> Result<(), InitError> {
        match self.own.set(sink) {
            Ok(()) => Ok(()),
            Err(_) => Err(InitError::InvalidArgument {
                argument: "destination",
                value: "given twice".to_owned(),
                expected: "one destination".to_owned(),
            }),
        }
    }

    pub(crate) fn watch(&self) -> DeliveryWatch {
        DeliveryWatch::new(Arc::clone(&self.shared.delivery))
    }
}

impl SpanExporter for WrappedExporter {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let sampled = batch.iter().filter(|span| span.span_context.is_sampled());
        self.shared.delivery.ended(sampled.count() as u64);
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

/// Our way where there is one, the wrapped exporter's where not.
#[derive(Debug)]
struct Wrapping {
    name: &'static str,
    wrapped: Box<dyn Sink>,
    own: Arc<OnceLock<EncodedSink>>,
    said_pass_through: AtomicBool,
    said_refused: AtomicBool,
    log: Log,
}

impl Wrapping {
    fn say_once(&self, said: &AtomicBool, what: impl Into<String>) {
        if !said.swap(true, Ordering::Relaxed) {
            self.log.report(ReportKind::Notice, what.into());
        }
    }
}

impl Sink for Wrapping {
    fn export(&self, batch: Vec<SpanData>) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let Some(own) = self.own.get() else {
                self.say_once(
                    &self.said_pass_through,
                    format!(
                        "{} has no destination: the wrapped exporter delivers as before. \
                         Name one with `.with_destination(…)`",
                        self.name
                    ),
                );
                return self.wrapped.export(batch).await;
            };
            let outcome = own.export_from(&batch).await;
            match &outcome {
                Outcome::Dropped(failure)
                    if matches!(
                        failure.reason,
                        DropReason::Rejected | DropReason::Credentials
                    ) =>
                {
                    self.say_once(
                        &self.said_refused,
                        format!(
                            "the destination of {} does not take a batch ({}): \
                             the wrapped exporter delivers it",
                            self.name, failure.detail
                        ),
                    );
                    self.wrapped.export(batch).await
                }
                _ => outcome,
            }
        })
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.wrapped.force_flush()
    }

    fn shutdown(&self) -> OTelSdkResult {
        let own = self.own.get().map_or(Ok(()), Sink::shutdown);
        self.wrapped.shutdown().and(own)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let own = self.own.get().map_or(Ok(()), Sink::shutdown);
        self.wrapped.shutdown_with_timeout(timeout).and(own)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.wrapped.set_resource(resource);
        if let Some(own) = self.own.get() {
            own.replace_resource(resource);
        }
    }
}
