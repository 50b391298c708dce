//! The guard's text for Prometheus, read by a parser that we did not write.
#![cfg(feature = "peers")]
#![expect(clippy::panic, reason = "the hands of a test fail with it")]

use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use otel_enhance::new_enhanced_pipeline;
use otel_enhance_tests::peers::{Family, read_prometheus};

/// Names that need escapes, and some that only look so.
const NAMES: [&str; 5] = [
    "order",
    "say \"hi\"",
    "C:\\temp\\new",
    "two\nlines",
    "größe{a=\"b\"} 1 # é",
];

fn family<'f>(families: &'f [Family], name: &str) -> &'f Family {
    families
        .iter()
        .find(|family| family.name == name)
        .unwrap_or_else(|| panic!("no {name} in {families:?}"))
}

/// The only test here, so that the process is its own.
#[test]
fn parser_of_prometheus_reads_every_series_with_its_labels_and_buckets() {
    let guard = new_enhanced_pipeline()
        .with_service_name("the \\ \"shop\"")
        .with_no_exporter()
        .with_red_max_series(8)
        .install_batch()
        .unwrap();
    let tracer = guard.tracer("by hand");
    for (at, name) in NAMES.into_iter().enumerate() {
        for _ in 0..=at {
            let mut span = tracer
                .span_builder(name)
                .with_kind(SpanKind::Client)
                .start(&tracer);
            span.set_status(Status::error("no"));
            span.end();
        }
    }
    for name in ["a", "b", "c", "d"] {
        tracer.start(name).end();
    }
    let families = read_prometheus(&guard.prometheus_text());
    assert_eq!(families.len(), 3);

    let calls = family(&families, "traces_span_metrics_calls");
    assert_eq!(calls.kind, "counter");
    assert!(!calls.help.is_empty());
    assert_eq!(calls.samples.len(), 8);
    assert_eq!(
        calls.samples.iter().map(|sample| sample.value).sum::<f64>(),
        19.0
    );
    for (at, name) in NAMES.into_iter().enumerate() {
        let of_name = |sample: &&otel_enhance_tests::peers::Sample| {
            sample
                .labels
                .get("span_name")
                .is_some_and(|found| found == name)
        };
        let sample = calls.samples.iter().find(of_name).unwrap();
        assert_eq!(sample.value, (at + 1) as f64, "{name}");
        assert_eq!(sample.labels["service_name"], "the \\ \"shop\"");
        assert_eq!(sample.labels["span_kind"], "SPAN_KIND_CLIENT");
        assert_eq!(sample.labels["status_code"], "STATUS_CODE_ERROR");
    }
    let overflow = calls
        .samples
        .iter()
        .find(|sample| sample.labels.len() == 1)
        .unwrap();
    assert_eq!(overflow.labels["otel_metric_overflow"], "true");
    assert_eq!(overflow.value, 2.0, "c and d");

    let errors = family(&families, "traces_span_metrics_errors");
    assert_eq!(errors.kind, "counter");
    assert_eq!(
        errors
            .samples
            .iter()
            .map(|sample| sample.value)
            .sum::<f64>(),
        15.0
    );

    let durations = family(&families, "traces_span_metrics_duration_seconds");
    assert_eq!(durations.kind, "histogram");
    let mut before = (f64::INFINITY, 0.0);
    for sample in &durations.samples {
        let Some(bound) = sample.labels.get("le") else {
            continue;
        };
        let bound = bound.replace("+Inf", "inf").parse::<f64>().unwrap();
        if bound > before.0 {
            assert!(
                sample.value >= before.1,
                "buckets are cumulative: {sample:?}"
            );
        }
        before = (bound, sample.value);
    }
    let of = |suffix: &str| {
        let name = format!("traces_span_metrics_duration_seconds{suffix}");
        let samples = durations
            .samples
            .iter()
            .filter(move |sample| sample.name == name);
        samples.map(|sample| sample.value).sum::<f64>()
    };
    assert_eq!(of("_count"), 19.0);
    assert!(of("_sum") > 0.0);
}
