//! Telemetry about the queue, collected by the official metrics SDK.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use otel_enhance::{enhanced_trace, init};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::gate::Gate;
use otel_enhance_tests::loopback::Loopback;
use otel_enhance_tests::nuisance::dead;

/// The last figures, by metric and `error.type`.
#[derive(Clone, Debug, Default)]
struct Figures(Arc<Mutex<BTreeMap<(String, String), i64>>>);

impl Figures {
    fn of(&self, metric: &str, error: &str) -> Option<i64> {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        figures.get(&(metric.to_owned(), error.to_owned())).copied()
    }
}

impl PushMetricExporter for Figures {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let points: Vec<_> = match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .map(|point| (point.attributes().cloned().collect(), point.value() as i64))
                    .collect(),
                AggregatedMetrics::I64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .map(|point| (point.attributes().cloned().collect(), point.value()))
                    .collect::<Vec<(Vec<_>, _)>>(),
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                    .data_points()
                    .map(|point| (point.attributes().cloned().collect(), point.count() as i64))
                    .collect(),
                other => unreachable!("{} is {other:?}", metric.name()),
            };
            for (attributes, value) in points {
                let error = attributes
                    .iter()
                    .find(|attribute| attribute.key.as_str() == "error.type")
                    .map(|attribute| attribute.value.to_string())
                    .unwrap_or_default();
                figures.insert((metric.name().to_owned(), error), value);
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

const DURATION: &str = "otel.sdk.exporter.operation.duration";

#[enhanced_trace(name = "work")]
fn work() {}

#[test]
fn official_meter_collects_what_the_queue_and_the_exporter_did() {
    alone(
        "official_meter_collects_what_the_queue_and_the_exporter_did",
        &[],
        || {
            let gate = Gate::shut();
            let loopback = Loopback::with_hook(gate.clone());
            let guard = init!(
                endpoint = loopback.http(),
                performance(queue = 20, batch = 20, in_flight = 1)
            )
            .unwrap();
            let figures = Figures::default();
            let meters = SdkMeterProvider::builder()
                .with_reader(PeriodicReader::builder(figures.clone()).build())
                .build();
            let queue = guard.queue().unwrap();
            queue.report_to(&meters.meter("otel.sdk"));

            for _ in 0..5 {
                work();
            }
            let begun = Instant::now();
            while gate.inside() == 0 {
                assert!(begun.elapsed() < Duration::from_secs(60));
                std::thread::yield_now();
            }
            let in_flight = queue.queue().in_flight as i64;
            for _ in 0..40 {
                work();
            }
            // Takes those along that are on their way to the queue.
            assert_eq!(guard.delivery().ended, 45);
            meters.force_flush().unwrap();
            let of = |metric: &str, error: &str| figures.of(metric, error);
            let dropped = 45 - 20 - in_flight;
            let processed = "otel.sdk.processor.span.processed";
            let exported = "otel.sdk.exporter.span.exported";
            assert_eq!(of("otel.sdk.processor.span.queue.size", ""), Some(20));
            assert_eq!(of("otel.sdk.processor.span.queue.capacity", ""), Some(20));
            assert_eq!(of("otel.sdk.exporter.span.inflight", ""), Some(in_flight));
            assert_eq!(of(processed, ""), Some(in_flight));
            assert_eq!(of(processed, "queue_full"), Some(dropped));
            assert_eq!(of(exported, ""), Some(0));
            assert_eq!(of("otel.sdk.span.live", ""), Some(0));
            assert_eq!(of("otel.sdk.span.started", ""), Some(45));
            assert_eq!(of(DURATION, ""), None);

            gate.open();
            guard.force_flush().unwrap();
            meters.force_flush().unwrap();
            assert_eq!(of(exported, ""), Some(45 - dropped));
            assert_eq!(of(processed, ""), Some(45 - dropped));
            assert_eq!(of("otel.sdk.processor.span.queue.size", ""), Some(0));
            assert_eq!(of("otel.sdk.exporter.span.inflight", ""), Some(0));
            let times = queue.export_times();
            assert_eq!(of(DURATION, ""), Some(times.exports as i64));
            assert!(times.exports >= 2 && times.failed == 0, "{times:?}");
            assert!(times.longest > Duration::ZERO && times.longest <= times.total);
            guard.shutdown().unwrap();
            meters.shutdown().unwrap();
        },
    );
}

#[test]
fn exports_that_fail_are_timed_with_the_cause_of_their_failure() {
    alone(
        "exports_that_fail_are_timed_with_the_cause_of_their_failure",
        &[],
        || {
            let guard = init!(
                endpoint = dead(),
                timeout = 20ms,
                performance,
                error_handler = |_| {}
            )
            .unwrap();
            let figures = Figures::default();
            let meters = SdkMeterProvider::builder()
                .with_reader(PeriodicReader::builder(figures.clone()).build())
                .build();
            let queue = guard.queue().unwrap();
            queue.report_to(&meters.meter("otel.sdk"));
            work();
            guard.force_flush().unwrap();
            meters.force_flush().unwrap();
            assert_eq!(figures.of(DURATION, "unreachable"), Some(1));
            assert_eq!(figures.of(DURATION, ""), None);
            let times = queue.export_times();
            assert_eq!((times.exports, times.failed), (1, 1));
            guard.shutdown().unwrap();
            meters.shutdown().unwrap();
        },
    );
}
