//! Frames in front of an official exporter.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::{TracezipIdGenerator, TracezipWatch};
use crate::InitError;
use crate::config::Protocol;
use crate::export::encoded::EncodedSink;
use crate::export::frames::Frames;
use crate::export::log::ErrorHandler;
use crate::export::{Destination, frame_carrier};
use crate::extensions::simd::WrappedExporter;
use crate::wrappers::DeliveryWatch;

const NAME: &str = "TracezipSpanExporter";

/// An official exporter whose spans go out as frames of tracezip, where the receiver takes them.
///
/// The wrapped exporter cannot be asked where it sends to, so it goes on delivering, and a notice says so once, until
/// [`with_destination`](Self::with_destination) names the place. From then on requests go there over a transport of
/// ours, with its retries: as frames, or as OTLP to a receiver that does not speak tracezip. The wrapped exporter
/// stays behind it, for batches that the destination refuses for good.
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use otel_enhance::export::Destination;
/// use otel_enhance::extensions::tracezip::{TracezipIdGenerator, TracezipSpanExporter};
/// # use opentelemetry_sdk::{error::OTelSdkResult, trace::{SpanData, SpanExporter}};
/// # #[derive(Debug)] struct OfficialExporter;
/// # impl SpanExporter for OfficialExporter {
/// #     async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult { Ok(()) }
/// # }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ids = TracezipIdGenerator::new();
/// let exporter = TracezipSpanExporter::wrap(OfficialExporter)?
///     .with_compression(true)
///     .with_id_generator(&ids);
/// # #[cfg(feature = "otlp-http")]
/// let exporter =
///     exporter.with_destination(&Destination::http("https://gateway:4318/v1/traces"));
/// # #[cfg(all(feature = "otlp-http", feature = "tls-no-provider"))]
/// # let exporter = exporter?;
/// # #[cfg(all(feature = "otlp-http", feature = "tls-no-provider"))]
/// let provider = SdkTracerProvider::builder()
///     .with_id_generator(ids)
///     .with_batch_exporter(exporter)
///     .build();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TracezipSpanExporter {
    wrapped: WrappedExporter,
    frames: Frames,
}

impl TracezipSpanExporter {
    /// Wraps `exporter`, which delivers until a destination is given. Messages go to stderr.
    ///
    /// # Errors
    ///
    /// [`InitError::Runtime`] if the thread of the runtime cannot be started.
    pub fn wrap<E: SpanExporter + 'static>(exporter: E) -> Result<Self, InitError> {
        Self::new(exporter, None)
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
        Self::new(exporter, Some(handler))
    }

    fn new<E: SpanExporter + 'static>(
        exporter: E,
        handler: Option<ErrorHandler>,
    ) -> Result<Self, InitError> {
        Ok(Self {
            wrapped: WrappedExporter::new(NAME, exporter, handler)?,
            frames: Frames::new(None, None),
        })
    }

    /// Whether requests to the destination are frames. Otherwise they are OTLP. Default: they are.
    #[must_use]
    pub fn with_compression(self, enabled: bool) -> Self {
        let switch: &AtomicBool = &self.frames.enabled;
        switch.store(enabled, Ordering::Relaxed);
        self
    }

    /// How hard the text of frames is compressed: a level of zstd's, 1 to 22, beyond which the nearest holds. To be
    /// called before [`with_destination`](Self::with_destination). Default: 1.
    #[must_use]
    pub fn with_level(mut self, level: u8) -> Self {
        self.frames.level = Some(level);
        self
    }

    /// Tells the destination how to count the ids of this generator, if it is reached over TLS or within this machine.
    /// To be called before [`with_destination`](Self::with_destination). Default: ids are as random as they are.
    #[must_use]
    pub fn with_id_generator(mut self, ids: &TracezipIdGenerator) -> Self {
        self.frames.ids = Some(ids.clone());
        self
    }

    /// Sends to `destination` from now on.
    ///
    /// # Errors
    ///
    /// [`InitError::FeatureMissing`] if this build cannot speak to it, [`InitError::InvalidArgument`] if its URL,
    /// headers or timeout are not valid, it is one for JSON, or a destination was given before.
    pub fn with_destination(self, destination: &Destination) -> Result<Self, InitError> {
        let settings = destination.settings()?;
        if settings.protocol == Protocol::HttpJson {
            return Err(InitError::InvalidArgument {
                argument: "destination",
                value: "OTLP with JSON".to_owned(),
                expected: "`Destination::http` or `Destination::grpc`: frames hold protobuf"
                    .to_owned(),
            });
        }
        let carrier = frame_carrier(settings, &self.frames, self.wrapped.shared())?;
        self.wrapped
            .set_own(EncodedSink::over(carrier, settings.protocol))?;
        Ok(self)
    }

    /// The account of what this exporter gets, readable after it has gone into a provider.
    #[must_use]
    pub fn watch(&self) -> DeliveryWatch {
        self.wrapped.watch()
    }

    /// What tracezip saves, readable after the exporter has gone into a provider.
    #[must_use]
    pub fn tracezip(&self) -> TracezipWatch {
        TracezipWatch::new(Arc::clone(&self.frames.counts))
    }
}

impl SpanExporter for TracezipSpanExporter {
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
