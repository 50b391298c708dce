//! The aggregator against the official instruments, and at its bounds.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use proptest::prelude::*;

use super::*;

/// Nanoseconds that spans of real services took: the kernels' bench data has them in its fourth column.
fn real_durations(corpus: &str) -> Vec<u64> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../kernels/benches/data");
    let spans = std::fs::read_to_string(format!("{folder}/{corpus}.spans.tsv")).unwrap();
    let durations = spans.lines().map(|line| line.split('\t').nth(3).unwrap());
    durations.map(|nanos| nanos.parse().unwrap()).collect()
}

/// What one metric said of one series: attributes and figures as text.
type Said = BTreeMap<(String, String), String>;

/// Keeps what it was given last.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Said>>);

fn attributes<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut pairs: Vec<String> = attributes
        .map(|attribute| format!("{}={}", attribute.key, attribute.value))
        .collect();
    pairs.sort();
    pairs.join(",")
}

impl PushMetricExporter for Kept {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut said = self.0.lock().unwrap();
        said.clear();
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let of = |who: String| (metric.name().to_owned(), who);
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    for point in sum.data_points() {
                        let who = attributes(point.attributes());
                        said.insert(of(who), point.value().to_string());
                    }
                }
                AggregatedMetrics::F64(MetricData::ExponentialHistogram(data)) => {
                    for point in data.data_points() {
                        let durations = RedDurations {
                            count: point.count() as u64,
                            sum: point.sum(),
                            min: point.min().unwrap(),
                            max: point.max().unwrap(),
                            zero_count: point.zero_count(),
                            scale: point.scale(),
                            offset: point.positive_bucket().offset(),
                            buckets: point.positive_bucket().counts().collect(),
                        };
                        let who = attributes(point.attributes());
                        said.insert(of(who), format!("{durations:?}"));
                    }
                }
                other => panic!("{} is {other:?}", metric.name()),
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

/// Metrics that no pipeline fills.
fn metrics(max_series: usize) -> RedMetrics {
    RedMetrics::new(
        Arc::new(Aggregator::new("shop".to_owned(), max_series)),
        || {},
    )
}

fn count(metrics: &RedMetrics, name: &'static str, status: RedStatus, nanos: u64) {
    let name = Cow::Borrowed(name);
    metrics
        .aggregator
        .count(name, &SpanKind::Server, status, nanos);
}

/// Ours and the official instruments' account of the same spans.
fn both(
    max_series: usize,
    spans: &[(Cow<'static, str>, RedStatus, u64)],
) -> (Vec<RedSeries>, Said) {
    let metrics = metrics(max_series);
    let kept = Kept::default();
    let meters = SdkMeterProvider::builder()
        .with_view(red_view(max_series))
        .with_reader(PeriodicReader::builder(kept.clone()).build())
        .build();
    metrics.report_to(&meters.meter("spanmetrics"));
    for (name, status, nanos) in spans {
        metrics
            .aggregator
            .count(name.clone(), &SpanKind::Server, *status, *nanos);
    }
    meters.force_flush().unwrap();
    let said = kept.0.lock().unwrap().clone();
    meters.shutdown().unwrap();
    (metrics.series(), said)
}

fn assert_as_the_official(max_series: usize, spans: &[(Cow<'static, str>, RedStatus, u64)]) {
    let (series, said) = both(max_series, spans);
    let mut expected = Said::new();
    for one in &series {
        let who = if one.is_overflow() {
            "otel.metric.overflow=true".to_owned()
        } else {
            let status = format!("{:?}", one.status.unwrap()).to_uppercase();
            format!(
                "service.name={},span.kind=SPAN_KIND_SERVER,span.name={},status.code=STATUS_CODE_{status}",
                one.service_name, one.span_name
            )
        };
        let mut say = |metric: &str, what: String| {
            expected.insert((format!("traces.span.metrics.{metric}"), who.clone()), what);
        };
        say("calls", one.calls.to_string());
        say("duration", format!("{:?}", one.durations));
        if one.is_overflow() || one.status == Some(RedStatus::Error) {
            say("errors", one.errors.to_string());
        }
    }
    assert_eq!(expected, said);
    let calls: u64 = series.iter().map(|one| one.calls).sum();
    assert_eq!(calls, spans.len() as u64);
}

#[test]
fn real_durations_give_what_the_official_histogram_gives() {
    for corpus in ["polyshop", "rust-tracing"] {
        let spans: Vec<_> = real_durations(corpus)
            .into_iter()
            .enumerate()
            .map(|(at, nanos)| {
                let name = Cow::Borrowed(["order", "pay", "ship"][at % 3]);
                let status = if at % 7 == 0 {
                    RedStatus::Error
                } else {
                    RedStatus::Unset
                };
                (name, status, nanos)
            })
            .collect();
        assert!(spans.len() > 500);
        assert_as_the_official(DEFAULT_MAX_SERIES, &spans);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn spans_of_all_kinds_give_what_the_official_instruments_give(
        spans in prop::collection::vec(
            (
                prop_oneof![
                    (0..3_usize).prop_map(|at| Cow::Borrowed(["a", "b", "c"][at])),
                    "[a-d]{1}".prop_map(Cow::Owned),
                ],
                prop_oneof![Just(RedStatus::Unset), Just(RedStatus::Ok), Just(RedStatus::Error)],
                prop_oneof![0..20_u64, 0..5_000_000_u64, 0..u64::MAX, Just(500_000_000), Just(62_500_000)],
            ),
            0..300,
        ),
        max_series in 2..12_usize,
    ) {
        assert_as_the_official(max_series, &spans);
    }
}

#[test]
fn series_beyond_the_bound_are_counted_together_and_not_lost() {
    let metrics = metrics(3);
    for name in ["a", "b", "c", "d", "a", "d"] {
        count(&metrics, name, RedStatus::Error, 1_000);
    }
    let series = metrics.series();
    let figures: Vec<_> = series
        .iter()
        .map(|one| (one.span_name.as_str(), one.calls, one.errors))
        .collect();
    assert_eq!(figures, [("", 3, 3), ("a", 2, 2), ("b", 1, 1)]);
    assert!(series[0].is_overflow());
    let text = metrics.prometheus_text();
    assert!(
        text.contains("traces_span_metrics_errors_total{otel_metric_overflow=\"true\"} 3\n"),
        "{text}"
    );
}

#[test]
fn a_name_is_one_series_wherever_its_text_stands() {
    let metrics = metrics(10);
    let text = String::from("order order");
    let leaked: &'static str = Box::leak(text.into_boxed_str());
    for name in [
        Cow::Borrowed(&leaked[..5]),
        Cow::Borrowed(&leaked[6..]),
        Cow::Owned("order".to_owned()),
        Cow::Borrowed("order"),
    ] {
        metrics
            .aggregator
            .count(name, &SpanKind::Internal, RedStatus::Unset, 1);
    }
    let series = metrics.series();
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].calls, 4);
}

#[test]
fn threads_that_count_at_once_lose_nothing() {
    const EACH: u64 = 20_000;
    let metrics = metrics(10);
    metrics.aggregator.start().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for nanos in 0..EACH {
                    count(&metrics, "order", RedStatus::Ok, nanos);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..50 {
                let _ = metrics.series();
            }
        });
    });
    let series = metrics.series();
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].calls, 4 * EACH);
    let counted: u64 = series[0].durations.buckets.iter().sum();
    assert_eq!(counted + series[0].durations.zero_count, 4 * EACH);
}

#[test]
fn text_for_prometheus_has_its_families_with_labels_escaped_and_buckets_that_add_up() {
    let metrics = metrics(10);
    assert_eq!(metrics.prometheus_text(), "");
    for nanos in [0, 61_035, 61_036, 500_000_000, 500_000_001, 70_000_000_000] {
        count(&metrics, "say \"hi\"\\\nor not", RedStatus::Unset, nanos);
    }
    let text = metrics.prometheus_text();
    let labels = "service_name=\"shop\",span_kind=\"SPAN_KIND_SERVER\",\
                  span_name=\"say \\\"hi\\\"\\\\\\nor not\",status_code=\"STATUS_CODE_UNSET\"";
    for line in [
        "# HELP traces_span_metrics_calls_total Spans that have ended.".to_owned(),
        "# TYPE traces_span_metrics_calls_total counter".to_owned(),
        format!("traces_span_metrics_calls_total{{{labels}}} 6"),
        "# TYPE traces_span_metrics_errors_total counter".to_owned(),
        "# TYPE traces_span_metrics_duration_seconds histogram".to_owned(),
        format!(
            "traces_span_metrics_duration_seconds_bucket{{{labels},le=\"0.00006103515625\"}} 2"
        ),
        format!("traces_span_metrics_duration_seconds_bucket{{{labels},le=\"0.25\"}} 3"),
        format!("traces_span_metrics_duration_seconds_bucket{{{labels},le=\"0.5\"}} 4"),
        format!("traces_span_metrics_duration_seconds_bucket{{{labels},le=\"1\"}} 5"),
        format!("traces_span_metrics_duration_seconds_bucket{{{labels},le=\"64\"}} 5"),
        format!("traces_span_metrics_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 6"),
        format!("traces_span_metrics_duration_seconds_count{{{labels}}} 6"),
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "no line {line}\nin\n{text}"
        );
    }
}
