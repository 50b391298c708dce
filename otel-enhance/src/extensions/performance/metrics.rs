//! Telemetry about the queue, by the names of the semantic conventions.
//!
//! Source: semantic conventions, "OpenTelemetry SDK metrics" (`otel.sdk.*`, status: development).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::batch::BatchWatch;
use crate::export::{DeliveryReport, DropReason};

/// Numbers the processors of this process: `otel.component.name` tells them apart.
static INSTANCES: AtomicU64 = AtomicU64::new(0);

const PROCESSOR: &str = "otel_enhance_batch_optimized_processor";
const EXPORTER: &str = "otel_enhance_span_exporter";

/// Reasons that the processor answers for, in the conventions' words where they have some.
const BEFORE_THE_EXPORTER: [(DropReason, &str); 3] = [
    (DropReason::QueueFull, "queue_full"),
    (DropReason::QueueMemory, "queue_memory"),
    (DropReason::AfterShutdown, "already_shutdown"),
];

/// Reasons that lie behind it.
const IN_THE_EXPORTER: [(DropReason, &str); 7] = [
    (DropReason::Rejected, "rejected"),
    (DropReason::Unreachable, "unreachable"),
    (DropReason::Timeout, "timeout"),
    (DropReason::PartialSuccess, "partial_success"),
    (DropReason::ExporterFailed, "exporter_failed"),
    (DropReason::Credentials, "credentials"),
    (DropReason::ShutdownDeadline, "shutdown_deadline"),
];

/// Bounds of the histogram's buckets where no view says otherwise: those that the conventions advise for
/// requests over HTTP, in seconds, and the longest timeouts that are usual.
const EXPORT_SECONDS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
];

/// The attributes of one processor and its exporter.
#[derive(Debug)]
struct Components {
    processor: [KeyValue; 2],
    exporter: [KeyValue; 2],
}

impl Components {
    fn next() -> Self {
        let instance = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let of = |kind: &'static str| {
            [
                KeyValue::new("otel.component.type", kind),
                KeyValue::new("otel.component.name", format!("{kind}/{instance}")),
            ]
        };
        Self {
            processor: of(PROCESSOR),
            exporter: of(EXPORTER),
        }
    }
}

/// `component` with the cause of a failure.
fn failed(component: &[KeyValue; 2], cause: &'static str) -> [KeyValue; 3] {
    let [kind, name] = component.clone();
    [kind, name, KeyValue::new("error.type", cause)]
}

fn failures(
    observer: &dyn AsyncInstrument<u64>,
    report: &DeliveryReport,
    reasons: &[(DropReason, &'static str)],
    component: &[KeyValue; 2],
) {
    for (reason, cause) in reasons {
        let spans = report.dropped(*reason);
        if spans > 0 {
            observer.observe(spans, &failed(component, cause));
        }
    }
}

impl BatchWatch {
    /// Reports queue and account through the official metrics API, as long as its provider collects:
    ///
    /// | metric | what it counts |
    /// |---|---|
    /// | `otel.sdk.span.started` | sampled spans that have started |
    /// | `otel.sdk.span.live` | sampled spans that have started and not ended |
    /// | `otel.sdk.processor.span.queue.size` | spans that wait for their export |
    /// | `otel.sdk.processor.span.queue.capacity` | spans that may wait |
    /// | `otel.sdk.processor.span.processed` | spans handed to the exporter; with `error.type` those dropped before |
    /// | `otel.sdk.exporter.span.inflight` | spans that are being exported |
    /// | `otel.sdk.exporter.span.exported` | spans delivered; with `error.type` those that were not |
    ///
    /// | `otel.sdk.exporter.operation.duration` | a histogram: seconds that an export took from its first try to the end of its last, with `error.type` unless every span was accepted; of the exports that end from this call on |
    ///
    /// Spans that are not sampled are not counted as started: a counter would cost whoever starts them.
    /// The attribute `otel.component.name` tells the processors of a process apart. Called twice, it
    /// reports twice. A meter of the conventional name is `global::meter("otel.sdk")`.
    pub fn report_to(&self, meter: &Meter) {
        let components = Arc::new(Components::next());
        self.report_processor(meter, &components);
        self.report_exporter(meter, &components);
        self.report_operations(meter, &components);
        let watch = self.clone();
        meter
            .u64_observable_counter("otel.sdk.span.started")
            .with_unit("{span}")
            .with_description("Sampled spans that have started.")
            .with_callback(move |observer| {
                let report = watch.report();
                let sampled = KeyValue::new("otel.span.sampling_result", "RECORD_AND_SAMPLE");
                observer.observe(report.ended + report.unfinished, &[sampled]);
            })
            .build();
        let watch = self.clone();
        meter
            .i64_observable_up_down_counter("otel.sdk.span.live")
            .with_unit("{span}")
            .with_description("Sampled spans that have started and not ended.")
            .with_callback(move |observer| {
                let sampled = KeyValue::new("otel.span.sampling_result", "RECORD_AND_SAMPLE");
                observer.observe(signed(watch.report().unfinished), &[sampled]);
            })
            .build();
    }

    fn report_processor(&self, meter: &Meter, components: &Arc<Components>) {
        let (watch, by) = (self.clone(), Arc::clone(components));
        meter
            .i64_observable_up_down_counter("otel.sdk.processor.span.queue.size")
            .with_unit("{span}")
            .with_description("Spans that wait for their export.")
            .with_callback(move |observer| {
                observer.observe(signed(watch.queue().waiting as u64), &by.processor);
            })
            .build();
        let (watch, by) = (self.clone(), Arc::clone(components));
        meter
            .i64_observable_up_down_counter("otel.sdk.processor.span.queue.capacity")
            .with_unit("{span}")
            .with_description("Spans that may wait for their export.")
            .with_callback(move |observer| {
                observer.observe(signed(watch.queue().capacity as u64), &by.processor);
            })
            .build();
        let (watch, by) = (self.clone(), Arc::clone(components));
        meter
            .u64_observable_counter("otel.sdk.processor.span.processed")
            .with_unit("{span}")
            .with_description("Spans handed to the exporter, or dropped before.")
            .with_callback(move |observer| {
                observer.observe(watch.handed_over(), &by.processor);
                let report = watch.report();
                failures(observer, &report, &BEFORE_THE_EXPORTER, &by.processor);
            })
            .build();
    }

    fn report_operations(&self, meter: &Meter, components: &Arc<Components>) {
        let durations = meter
            .f64_histogram("otel.sdk.exporter.operation.duration")
            .with_unit("s")
            .with_description("How long exports took.")
            .with_boundaries(EXPORT_SECONDS.to_vec())
            .build();
        let by = Arc::clone(components);
        self.on_export(move |took, failure| {
            let seconds = took.as_secs_f64();
            match failure {
                None => durations.record(seconds, &by.exporter),
                Some(reason) => durations.record(seconds, &failed(&by.exporter, reason.as_str())),
            }
        });
    }

    fn report_exporter(&self, meter: &Meter, components: &Arc<Components>) {
        let (watch, by) = (self.clone(), Arc::clone(components));
        meter
            .i64_observable_up_down_counter("otel.sdk.exporter.span.inflight")
            .with_unit("{span}")
            .with_description("Spans that are being exported.")
            .with_callback(move |observer| {
                observer.observe(signed(watch.queue().in_flight as u64), &by.exporter);
            })
            .build();
        let (watch, by) = (self.clone(), Arc::clone(components));
        meter
            .u64_observable_counter("otel.sdk.exporter.span.exported")
            .with_unit("{span}")
            .with_description("Spans whose export has ended, well or not.")
            .with_callback(move |observer| {
                let report = watch.report();
                observer.observe(report.exported, &by.exporter);
                failures(observer, &report, &IN_THE_EXPORTER, &by.exporter);
            })
            .build();
    }
}

/// Up-down counters of the API count with a sign.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
