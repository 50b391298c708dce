//! The pipeline builder behind `init!`, and the guard that it returns.
//!
//! `init!` expands to calls of [`EnhancedPipeline`] and nothing else: whoever outgrows the macro writes
//! them by hand. Without extensions a pipeline consists of official parts: `SdkTracerProvider`,
//! `BatchSpanProcessor` and the exporters of `opentelemetry-otlp`; what is ours stands at their
//! extension points and keeps deadlines and the account.

pub(crate) mod account;
mod builder;
pub(crate) mod closing;
mod ebpf;
mod global;
mod guard;
mod ids;
mod install;
mod installed;
mod limits;
mod otlp;
mod performance;
mod processor;
#[cfg(otel_enhance_has_ebpf)]
mod profiles;
mod queue;
mod red;
mod slot;
mod slots;
mod span_path;
mod span_queue;
mod tracezip;

#[cfg(unix)]
use std::time::Duration;

pub use builder::{EnhancedPipeline, new_enhanced_pipeline};
pub use guard::TelemetryGuard;
#[cfg(unix)]
pub(crate) use slot::SlotGuard;
pub use span_path::Spans;

/// Whether a pipeline lives that this thread can wait for.
#[cfg(unix)]
pub(crate) fn has_something_to_finish() -> bool {
    slot::current().is_some() && !crate::export::runtime::is_exporting()
}

/// The process exits in an orderly way, or a signal ends it.
#[cfg(unix)]
pub(crate) fn finish_at_exit(timeout: Duration) {
    if let Some(installed) = slot::current() {
        let timeout = timeout.min(installed.drop_timeout());
        // The log has the losses.
        let _ = installed.end(timeout);
    }
}

/// A panic is about to abort the process.
pub(crate) fn finish_at_abort() {
    if let Some(installed) = slot::current() {
        installed.abort();
    }
}
