//! What cannot be had for less: no extension, but an observer that does nothing, or reads the tick counter whenever a
//! context comes or goes, and an exporter that gives each span six integers. No limits.
#![cfg_attr(
    all(feature = "ebpf", target_arch = "x86_64"),
    expect(unsafe_code, reason = "the tick counter is read")
)]

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_enhance::{KeyValue, TelemetryGuard};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observe {
    Nothing,
    /// The time of every change.
    Ticks,
}

/// A pipeline without the extension, and an observer in its place where there can be one.
pub(crate) fn install(fast: bool, observe: Observe) -> TelemetryGuard {
    observer::set(observe);
    let pipeline = otel_enhance::new_enhanced_pipeline()
        .with_service_name("bench")
        .with_error_handler(|_| {})
        .with_exporter(SixIntegers);
    let pipeline = if fast {
        pipeline.with_performance()
    } else {
        pipeline
    };
    pipeline.install_batch().expect("it installs")
}

/// Adds them where the extension would, in the binary that has it.
#[derive(Debug)]
struct SixIntegers;

impl SpanExporter for SixIntegers {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        if cfg!(feature = "ebpf") {
            for span in &mut batch {
                span.attributes.reserve_exact(6);
                for key in [
                    "cpu.time",
                    "blocked.time",
                    "run_queue.time",
                    "voluntary",
                    "involuntary",
                    "page_faults",
                ] {
                    span.attributes.push(KeyValue::new(key, 1));
                }
            }
        }
        Ok(())
    }
}

#[cfg(not(all(feature = "ebpf", target_arch = "x86_64")))]
mod observer {
    pub(super) const fn set(_: super::Observe) {}
}

#[cfg(all(feature = "ebpf", target_arch = "x86_64"))]
mod observer {
    use std::arch::x86_64::_rdtsc;
    use std::cell::Cell;
    use std::sync::Arc;

    use opentelemetry::context::{ContextObserver, GlobalContextObserver};
    use otel_enhance::Context;

    use super::Observe;

    struct Observer {
        reads: bool,
    }

    thread_local! {
        static LAST: Cell<u64> = const { Cell::new(0) };
    }

    impl Observer {
        fn change(&self) {
            if self.reads {
                // SAFETY: every such processor has it.
                LAST.set(unsafe { _rdtsc() });
            }
        }
    }

    impl ContextObserver for Observer {
        fn on_context_enter(&self, _: &Context, _: &Context) {
            self.change();
        }

        fn on_context_exit(&self, _: &Context, _: &Context) {
            self.change();
        }
    }

    pub(super) fn set(observe: Observe) {
        let reads = observe == Observe::Ticks;
        GlobalContextObserver::set(Arc::new(Observer { reads }));
    }
}
