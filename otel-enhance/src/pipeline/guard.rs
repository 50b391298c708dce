//! The handle to an installed pipeline.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::installed::Installed;
use super::span_path::Spans;
use crate::config::Diagnostics;
use crate::export::DeliveryReport;
use crate::wrappers::EnhancedTracer;

/// Keeps telemetry installed; flushes and ends it when it is shut down or dropped.
///
/// Hold it for as long as spans shall be exported, in `main` as a rule:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = otel_enhance::pipeline::new_enhanced_pipeline()
///     .with_service_name("shop")
///     .with_no_exporter()
///     .install_batch()?;
/// // The service runs.
/// guard.shutdown()?;
/// assert_eq!(guard.delivery().dropped_total(), 0);
/// # Ok(())
/// # }
/// ```
///
/// Its methods may be called from any thread, inside any runtime and outside of them, and block that
/// thread for their deadline at most. In a forked child, which has neither the threads nor the queue of
/// its parent, they return at once; the child may install a pipeline of its own.
#[derive(Debug)]
#[must_use = "telemetry ends when the guard is dropped: bind it to a name such as `_guard`, not to `_`"]
pub struct TelemetryGuard {
    installed: Arc<Installed>,
}

impl TelemetryGuard {
    pub(super) fn new(installed: Arc<Installed>) -> Self {
        Self { installed }
    }

    /// Takes the pipeline out and exports what is queued, within the shutdown timeout (5 s unless
    /// [`with_shutdown_timeout`](super::EnhancedPipeline::with_shutdown_timeout) says otherwise).
    ///
    /// Annotated functions and the official global provider are as they were before the install, except
    /// that a global provider which the application has set since stays. Propagators stay as well: the
    /// official API cannot hand out those that were set before. What is left in the queue at the
    /// deadline is counted as dropped. Calling it twice is harmless, and from several threads at once
    /// each waits for the end.
    ///
    /// # Errors
    ///
    /// [`Timeout`](opentelemetry_sdk::error::OTelSdkError::Timeout) if the deadline passed first. Spans
    /// that a receiver refused are no error here: see [`TelemetryGuard::delivery`].
    pub fn shutdown(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(self.installed.default_timeout())
    }

    /// [`TelemetryGuard::shutdown`] with another deadline.
    ///
    /// # Errors
    ///
    /// As [`TelemetryGuard::shutdown`].
    pub fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.installed.shutdown(timeout)
    }

    /// Exports the spans that have ended so far, within the shutdown timeout.
    ///
    /// # Errors
    ///
    /// [`Timeout`](opentelemetry_sdk::error::OTelSdkError::Timeout) if the deadline passed first, and
    /// [`AlreadyShutdown`](opentelemetry_sdk::error::OTelSdkError::AlreadyShutdown) if a shutdown came
    /// between.
    pub fn force_flush(&self) -> OTelSdkResult {
        self.force_flush_with_timeout(self.installed.default_timeout())
    }

    /// [`TelemetryGuard::force_flush`] with another deadline.
    ///
    /// # Errors
    ///
    /// As [`TelemetryGuard::force_flush`].
    pub fn force_flush_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.installed.flush(timeout)
    }

    /// What was wrong with the environment, and what holds instead.
    #[must_use]
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.installed.diagnostics
    }

    /// What has become of the spans so far.
    #[must_use]
    pub fn delivery(&self) -> DeliveryReport {
        self.installed.delivery()
    }

    /// The queue of the extension `performance`, and its metrics; `None` for a pipeline without it, and
    /// where nothing is exported.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = otel_enhance::init!(performance)?;
    /// if let Some(queue) = guard.queue() {
    ///     queue.report_to(&otel_enhance::global::meter("otel.sdk"));
    ///     assert_eq!(queue.queue().waiting, 0);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "performance")]
    #[must_use]
    pub fn queue(&self) -> Option<crate::extensions::performance::BatchWatch> {
        self.installed.queue.as_ref()?.watch()
    }

    /// What tracezip saves, and its metrics; `None` for a pipeline without it. See
    /// [`with_tracezip_compression`](super::EnhancedPipeline::with_tracezip_compression).
    #[cfg(feature = "tracezip")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    #[must_use]
    pub fn tracezip(&self) -> Option<crate::extensions::tracezip::TracezipWatch> {
        self.installed.tracezip.clone()
    }

    /// Calls, errors and durations of all spans; `None` for a pipeline that does not count them. See
    /// [`with_red_metrics`](super::EnhancedPipeline::with_red_metrics).
    #[cfg(feature = "simd")]
    #[must_use]
    pub fn red_metrics(&self) -> Option<crate::extensions::simd::RedMetrics> {
        self.installed.red.clone()
    }

    /// The same as Prometheus reads it; empty for a pipeline that does not count, and while nothing has
    /// been counted. See [`RedMetrics::prometheus_text`](crate::extensions::simd::RedMetrics::prometheus_text).
    #[cfg(feature = "simd")]
    #[must_use]
    pub fn prometheus_text(&self) -> String {
        match &self.installed.red {
            Some(metrics) => metrics.prometheus_text(),
            None => String::new(),
        }
    }

    /// What figures spans have, of the extension `ebpf`; `None` for a pipeline without it, and after its shutdown.
    /// See [`with_ebpf_profiling`](super::EnhancedPipeline::with_ebpf_profiling).
    ///
    /// **Minimum kernel:** none: it tells how much there is.
    #[cfg(feature = "ebpf")]
    #[must_use]
    pub fn ebpf(&self) -> Option<crate::extensions::ebpf::EbpfHandle> {
        let lease = &self.installed.ebpf;
        let lease = lease
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        lease
            .as_ref()
            .map(crate::extensions::ebpf::EbpfLease::handle)
    }

    /// What spans are made of, and why: see [`Spans`].
    #[must_use]
    pub fn spans(&self) -> Spans {
        self.installed.path.spans()
    }

    /// A tracer for spans written by hand, which are what those of annotated functions are: see
    /// [`spans`](Self::spans).
    ///
    /// ```
    /// use otel_enhance::trace::{Span, Tracer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = otel_enhance::new_enhanced_pipeline()
    ///     .with_no_exporter()
    ///     .install_batch()?;
    /// let tracer = guard.tracer("shop");
    /// tracer.start("checkout").end();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tracer(&self, name: impl Into<Cow<'static, str>>) -> EnhancedTracer {
        let scope = InstrumentationScope::builder(name).build();
        self.installed.path.tracer(&self.installed.provider, scope)
    }

    /// The official provider, for tracers of one's own. With `OTEL_SDK_DISABLED=true` it records
    /// nothing.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.installed.provider
    }

    /// What spans are attributed to: the service and what was detected about it.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.installed.resource
    }
}

impl Drop for TelemetryGuard {
    /// Shuts down as [`TelemetryGuard::shutdown`] does, within 1.5 s unless a shutdown timeout was set:
    /// a program whose `main` returns is gone within 2 s, whatever the receiver does.
    fn drop(&mut self) {
        if self.installed.is_foreign() {
            // Its parts wait for threads that exist in the parent only.
            std::mem::forget(Arc::clone(&self.installed));
            return;
        }
        // The log has the losses.
        let _ = self.installed.shutdown(self.installed.drop_timeout());
    }
}
