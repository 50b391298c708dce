//! The figures through the official metrics API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::watch::{TracezipStats, TracezipWatch};

/// Numbers the exporters of this process: `otel.component.name` tells them apart.
static INSTANCES: AtomicU64 = AtomicU64::new(0);

const KIND: &str = "otel_enhance_tracezip_exporter";

/// Name, unit, description and figure of the counters.
type Counter = (
    &'static str,
    &'static str,
    &'static str,
    fn(&TracezipStats) -> u64,
);

const COUNTERS: [Counter; 8] = [
    (
        "otel_enhance.tracezip.frames",
        "{request}",
        "Requests delivered as frames.",
        |stats| stats.frames,
    ),
    (
        "otel_enhance.tracezip.fallbacks",
        "{request}",
        "Requests delivered as OTLP instead.",
        |stats| stats.otlp_requests,
    ),
    (
        "otel_enhance.tracezip.otlp.size",
        "By",
        "OTLP that the frames stand for.",
        |stats| stats.otlp_bytes,
    ),
    (
        "otel_enhance.tracezip.frame.size",
        "By",
        "Frames.",
        |stats| stats.frame_bytes,
    ),
    (
        "otel_enhance.tracezip.saved",
        "By",
        "What frames saved against uncompressed OTLP.",
        TracezipStats::bytes_saved,
    ),
    (
        "otel_enhance.tracezip.state.losses",
        "{loss}",
        "Frames whose state a receiver did not hold.",
        |stats| stats.state_losses,
    ),
    (
        "otel_enhance.tracezip.refused",
        "{request}",
        "Frames that a receiver could not read.",
        |stats| stats.refused_frames,
    ),
    (
        "otel_enhance.tracezip.ambiguous_retries",
        "{request}",
        "Requests sent again that may have arrived before.",
        |stats| stats.ambiguous_retries,
    ),
];

impl TracezipWatch {
    /// Reports the figures through the official metrics API, as long as its provider collects:
    ///
    /// | metric | what it is |
    /// |---|---|
    /// | `otel_enhance.tracezip.ratio` | bytes of OTLP for each byte of a frame, since the start |
    /// | `otel_enhance.tracezip.saved` | bytes that frames saved against uncompressed OTLP |
    /// | `otel_enhance.tracezip.otlp.size`, `.frame.size` | the two sides of it |
    /// | `otel_enhance.tracezip.frames`, `.fallbacks` | requests delivered as frames, and as OTLP instead |
    /// | `otel_enhance.tracezip.state.size` | bytes of state on our side |
    /// | `otel_enhance.tracezip.state.losses` | frames whose state a receiver did not hold |
    /// | `otel_enhance.tracezip.refused` | frames that a receiver could not read |
    /// | `otel_enhance.tracezip.ambiguous_retries` | requests sent again that may have arrived before |
    ///
    /// The attribute `otel.component.name` tells the exporters of a process apart. Called twice, it reports twice.
    pub fn report_to(&self, meter: &Meter) {
        let instance = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let component: Arc<[KeyValue]> = Arc::new([
            KeyValue::new("otel.component.type", KIND),
            KeyValue::new("otel.component.name", format!("{KIND}/{instance}")),
        ]);
        for (name, unit, description, figure) in COUNTERS {
            let (watch, by) = (self.clone(), Arc::clone(&component));
            meter
                .u64_observable_counter(name)
                .with_unit(unit)
                .with_description(description)
                .with_callback(move |observer| observer.observe(figure(&watch.stats()), &by))
                .build();
        }
        let (watch, by) = (self.clone(), Arc::clone(&component));
        meter
            .f64_observable_gauge("otel_enhance.tracezip.ratio")
            .with_unit("1")
            .with_description("Bytes of OTLP for each byte of a frame.")
            .with_callback(move |observer| observer.observe(watch.stats().ratio(), &by))
            .build();
        let watch = self.clone();
        meter
            .u64_observable_gauge("otel_enhance.tracezip.state.size")
            .with_unit("By")
            .with_description("State on the sender's side.")
            .with_callback(move |observer| {
                observer.observe(watch.stats().state_bytes as u64, &component);
            })
            .build();
    }
}
