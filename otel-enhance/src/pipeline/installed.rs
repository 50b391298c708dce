//! What an install leaves behind: everything that a guard, a hook or a second install needs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::span_path::SpanPath;
use super::span_queue::SpanQueue;
use super::{global, slot};
use crate::config::Diagnostics;
use crate::export::log::{Log, ReportKind};
use crate::export::report::Delivery;
use crate::export::{DeliveryReport, DropReason};
use crate::lifecycle::{EXIT_DEADLINE, generation};
use crate::span::Registration;

/// `shutdown()` and `force_flush()` wait as long as the SDK's do, unless told otherwise.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Of the caller's timeout a part may have gone to what came first: the error names the whole of it.
fn within(timeout: Duration, result: OTelSdkResult) -> OTelSdkResult {
    match result {
        Err(OTelSdkError::Timeout(_)) => Err(OTelSdkError::Timeout(timeout)),
        result => result,
    }
}

/// A report waits so long for spans that are being collected.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Installed {
    pub(super) id: u64,
    pub(super) generation: u32,
    pub(super) provider: SdkTracerProvider,
    pub(super) resource: Resource,
    pub(super) diagnostics: Diagnostics,
    pub(super) path: SpanPath,
    /// `None` where nothing is exported.
    pub(super) queue: Option<SpanQueue>,
    pub(super) log: Log,
    /// As set in code.
    pub(super) shutdown_timeout: Option<Duration>,
    #[cfg(feature = "simd")]
    pub(super) red: Option<crate::extensions::simd::RedMetrics>,
    /// Until the end.
    #[cfg(feature = "ebpf")]
    pub(super) ebpf: Mutex<Option<crate::extensions::ebpf::EbpfLease>>,
    #[cfg(feature = "tracezip")]
    #[cfg(any(feature = "otlp-http", feature = "otlp-grpc"))]
    pub(super) tracezip: Option<crate::extensions::tracezip::TracezipWatch>,
    #[cfg(otel_enhance_has_ebpf)]
    pub(super) profiles: Mutex<Option<super::profiles::ProfileExports>>,
    pub(super) registration: Mutex<Option<Registration>>,
    pub(super) ended: AtomicBool,
}

impl Installed {
    /// It is another process's: this one is a forked child.
    pub(super) fn is_foreign(&self) -> bool {
        self.generation != generation()
    }

    pub(super) fn default_timeout(&self) -> Duration {
        self.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT)
    }

    pub(super) fn drop_timeout(&self) -> Duration {
        self.shutdown_timeout.unwrap_or(EXIT_DEADLINE)
    }

    pub(super) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        if self.is_foreign() {
            return Ok(());
        }
        let deadline = Instant::now() + timeout;
        self.path.collect(deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        match &self.queue {
            Some(queue) => within(timeout, queue.flush(left)),
            None => Ok(()),
        }
    }

    /// Takes the pipeline out, exports what is queued, and ends it.
    pub(super) fn shutdown(self: &Arc<Self>, timeout: Duration) -> OTelSdkResult {
        if self.is_foreign() {
            return Ok(());
        }
        let registration = self
            .registration
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(registration) = registration {
            registration.uninstall();
            global::restore(self.id);
        }
        let result = self.end(timeout);
        slot::release(self);
        result
    }

    /// The same for a process that is about to be gone: nothing is put back.
    pub(super) fn end(&self, timeout: Duration) -> OTelSdkResult {
        if self.is_foreign() {
            return Ok(());
        }
        let deadline = Instant::now() + timeout;
        let result = self.end_spans(timeout);
        // What spans are called is known by now.
        #[cfg(otel_enhance_has_ebpf)]
        if let Some(profiles) = self
            .profiles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            profiles.close(deadline);
        }
        let _ = deadline;
        // Nobody looks at figures any more.
        #[cfg(feature = "ebpf")]
        drop(
            self.ebpf
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        result
    }

    fn end_spans(&self, timeout: Duration) -> OTelSdkResult {
        let deadline = Instant::now() + timeout;
        self.path.close(deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        let provider = match self.provider.shutdown_with_timeout(left) {
            // By whom does not matter.
            Err(OTelSdkError::AlreadyShutdown) => Ok(()),
            result => result,
        };
        #[cfg(feature = "simd")]
        if let Some(red) = &self.red {
            red.close();
        }
        let Some(queue) = &self.queue else {
            return provider;
        };
        // Waits where another thread was first, and knows how it went.
        let result = queue.close(deadline.saturating_duration_since(Instant::now()));
        self.say_what_was_lost();
        within(timeout, result).and(provider)
    }

    /// The same where no lock of the application may be waited for.
    pub(super) fn abort(&self) {
        let Some(queue) = &self.queue else {
            return;
        };
        if self.is_foreign() {
            return;
        }
        self.path.close(Instant::now() + EXIT_DEADLINE);
        let unfinished = queue.account().unfinished();
        // The process ends in any case, and the log has the losses.
        let _ = queue.close(EXIT_DEADLINE);
        if unfinished > 0 {
            self.log.report(
                ReportKind::Notice,
                format!("{unfinished} spans were unfinished when the process aborted"),
            );
        }
        if self.delivery().dropped_total() > unfinished {
            self.say_what_was_lost();
        }
    }

    pub(super) fn delivery(&self) -> DeliveryReport {
        if !self.is_foreign() {
            self.path.collect(Instant::now() + REPORT_TIMEOUT);
        }
        match &self.queue {
            Some(queue) => queue.account().report(),
            None => Delivery::default().report(),
        }
    }

    /// Once, at the end: losses that no outage has announced.
    fn say_what_was_lost(&self) {
        if self.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        let report = self.delivery();
        if report.dropped_total() == 0 {
            return;
        }
        let reasons: Vec<String> = DropReason::ALL
            .into_iter()
            .filter(|reason| report.dropped(*reason) > 0)
            .map(|reason| format!("{} {}", report.dropped(reason), reason.as_str()))
            .collect();
        self.log.report(
            ReportKind::Notice,
            format!(
                "{} of {} spans were dropped: {}",
                report.dropped_total(),
                report.ended,
                reasons.join(", ")
            ),
        );
    }
}
