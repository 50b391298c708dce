//! RED metrics of whole pipelines, on the SDK's spans and on the quick ones: all spans are counted, those
//! included that are not sampled, and nobody else sees a difference.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Link, Span as _, SpanKind, Status, TraceId, TraceState, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor,
};
use otel_enhance::extensions::simd::RedSeries;
use otel_enhance::{EnhancedPipeline, TelemetryGuard, enhanced_trace, init, new_enhanced_pipeline};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;

/// Writes down what a processor gets to see.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl SpanProcessor for Seen {
    fn on_start(&self, span: &mut Span, _: &Context) {
        let sampled = span.span_context().is_sampled();
        self.0.lock().unwrap().push(format!("start {sampled}"));
    }

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(format!("end {}", span.name));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// By the span's name: sampled, recorded only, or dropped.
#[derive(Clone, Debug)]
struct ByName;

impl ShouldSample for ByName {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        name: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: match name {
                "sampled" => SamplingDecision::RecordAndSample,
                "recorded" => SamplingDecision::RecordOnly,
                _ => SamplingDecision::Drop,
            },
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

#[enhanced_trace(name = "outer", kind = "server", err, fields(items = 3))]
fn outer(fail: bool) -> Result<(), String> {
    inner();
    if fail {
        return Err("no".to_owned());
    }
    Ok(())
}

#[enhanced_trace(name = "inner")]
fn inner() {}

fn figures(guard: &TelemetryGuard) -> Vec<(String, u64, u64)> {
    let series = guard.red_metrics().unwrap().series();
    let figure = |one: RedSeries| {
        assert_eq!(one.durations.count, one.calls);
        let status = format!("{:?}", one.status.unwrap()).to_lowercase();
        let name = format!("{} {:?} {status}", one.span_name, one.kind.unwrap());
        (name, one.calls, one.errors)
    };
    let mut figures: Vec<_> = series.into_iter().map(figure).collect();
    figures.sort();
    figures
}

/// The two kinds of spans.
fn on_both_paths(test: &str, body: impl Fn(EnhancedPipeline)) {
    alone(test, &[], || {
        body(new_enhanced_pipeline());
        body(new_enhanced_pipeline().with_performance());
    });
}

#[test]
fn spans_that_the_sampler_drops_are_counted_and_not_exported() {
    on_both_paths(
        "spans_that_the_sampler_drops_are_counted_and_not_exported",
        |pipeline| {
            let loopback = Loopback::start();
            let guard = pipeline
                .with_service_name("shop")
                .with_endpoint(loopback.http())
                .with_sampler(Sampler::AlwaysOff)
                .with_red_metrics(true)
                .install_batch()
                .unwrap();
            for at in 0..10 {
                let _ = outer(at == 0);
            }
            let mut span = guard.tracer("by hand").start("by hand");
            assert!(span.is_recording() && !span.span_context().is_sampled());
            span.set_status(Status::Ok);
            span.update_name("renamed");
            span.end();
            let expected = [
                ("inner Internal unset".to_owned(), 10, 0),
                ("outer Server error".to_owned(), 1, 1),
                ("outer Server unset".to_owned(), 9, 0),
                ("renamed Internal ok".to_owned(), 1, 0),
            ];
            assert_eq!(figures(&guard), expected);
            guard.shutdown().unwrap();
            assert_eq!(guard.delivery().ended, 0);
            assert_eq!(guard.delivery().unfinished, 0);
            assert_eq!(loopback.names(), [""; 0]);
            assert_eq!(figures(&guard), expected, "readable after the end");
        },
    );
}

#[test]
fn spans_that_are_sampled_are_counted_and_exported_as_without_metrics() {
    on_both_paths(
        "spans_that_are_sampled_are_counted_and_exported_as_without_metrics",
        |pipeline| {
            let loopback = Loopback::start();
            let guard = pipeline
                .with_endpoint(loopback.http())
                .with_sampler(ByName)
                .with_red_max_series(10)
                .install_batch()
                .unwrap();
            let tracer = guard.tracer("by hand");
            for name in ["sampled", "recorded", "dropped"] {
                let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
                let mut span = tracer
                    .span_builder(name)
                    .with_start_time(start)
                    .with_attributes([KeyValue::new("items", 3)])
                    .start(&tracer);
                span.set_attribute(KeyValue::new("more", 4));
                span.add_event("paid", Vec::new());
                span.end_with_timestamp(start + Duration::from_millis(1_500));
            }
            let series = guard.red_metrics().unwrap().series();
            assert_eq!(series.len(), 3);
            for one in series {
                assert_eq!(
                    (one.calls, one.durations.sum),
                    (1, 1.5),
                    "{}",
                    one.span_name
                );
            }
            guard.shutdown().unwrap();
            assert_eq!(loopback.names(), ["sampled"]);
            let stored = loopback.wait(1);
            assert_eq!(stored[0].span.attributes.len(), 2);
            assert_eq!(stored[0].span.events.len(), 1);
            assert_eq!(guard.delivery().exported, 1);
        },
    );
}

#[test]
fn processors_of_the_application_see_what_they_see_without_metrics() {
    alone(
        "processors_of_the_application_see_what_they_see_without_metrics",
        &[("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")],
        || {
            let run = |pipeline: EnhancedPipeline| {
                let (all, ended) = (Seen::default(), Seen::default());
                let guard = pipeline
                    .with_no_exporter()
                    .with_span_processor(all.clone())
                    .with_end_processor(ended.clone())
                    .install_batch()
                    .unwrap();
                let tracer = guard.tracer("by hand");
                for name in ["sampled", "recorded", "dropped"] {
                    tracer.start(name).end();
                }
                guard.shutdown().unwrap();
                let seen = |seen: Seen| seen.0.lock().unwrap().clone();
                (seen(all), seen(ended))
            };
            let official = Sampler::TraceIdRatioBased(0.0);
            let cases: [fn() -> EnhancedPipeline; 2] = [
                || new_enhanced_pipeline().with_sampler(ByName),
                || new_enhanced_pipeline().with_sampler(Sampler::AlwaysOff),
            ];
            for pipeline in cases {
                let without = run(pipeline());
                let with = run(pipeline().with_red_metrics(true));
                assert_eq!(with, without);
            }
            let (all, _) = run(new_enhanced_pipeline().with_sampler(official));
            assert!(all.is_empty());
        },
    );
}

#[test]
fn processor_of_ended_spans_on_the_fast_path_does_not_see_dropped_ones() {
    alone(
        "processor_of_ended_spans_on_the_fast_path_does_not_see_dropped_ones",
        &[],
        || {
            let seen = Seen::default();
            let guard = new_enhanced_pipeline()
                .with_no_exporter()
                .with_performance()
                .with_sampler(ByName)
                .with_end_processor(seen.clone())
                .with_red_metrics(true)
                .install_batch()
                .unwrap();
            let tracer = guard.tracer("by hand");
            for name in ["sampled", "recorded", "dropped"] {
                tracer.start(name).end();
            }
            assert_eq!(guard.red_metrics().unwrap().series().len(), 3);
            let seen = seen.0.lock().unwrap().clone();
            assert_eq!(seen, ["end sampled", "end recorded"]);
        },
    );
}

#[test]
fn children_of_a_counted_span_are_as_unsampled_as_it_is_here_and_elsewhere() {
    on_both_paths(
        "children_of_a_counted_span_are_as_unsampled_as_it_is_here_and_elsewhere",
        |pipeline| {
            let guard = pipeline
                .with_no_exporter()
                .with_sampling_ratio(0.0)
                .with_red_metrics(true)
                .install_batch()
                .unwrap();
            let tracer = guard.tracer("by hand");
            tracer.in_span("parent", |parent| {
                let mut carrier = std::collections::HashMap::new();
                otel_enhance::global::get_text_map_propagator(|propagator| {
                    propagator.inject_context(&parent, &mut carrier);
                });
                assert!(carrier["traceparent"].ends_with("-00"), "{carrier:?}");
                assert_eq!(carrier.get("tracestate").map_or("", String::as_str), "");
                let child = tracer.start_with_context("child", &parent);
                assert!(!child.span_context().is_sampled());
            });
            assert_eq!(guard.red_metrics().unwrap().series().len(), 2);
        },
    );
}

#[test]
fn pipeline_without_the_argument_counts_nothing_and_records_no_dropped_span() {
    on_both_paths(
        "pipeline_without_the_argument_counts_nothing_and_records_no_dropped_span",
        |pipeline| {
            let guard = pipeline
                .with_no_exporter()
                .with_sampler(Sampler::AlwaysOff)
                .install_batch()
                .unwrap();
            assert!(!guard.tracer("by hand").start("a").is_recording());
            assert!(guard.red_metrics().is_none());
            assert_eq!(guard.prometheus_text(), "");
        },
    );
}

#[test]
fn metrics_go_with_an_exporter_that_is_not_otlp_when_the_encoder_is_off() {
    alone(
        "metrics_go_with_an_exporter_that_is_not_otlp_when_the_encoder_is_off",
        &[],
        || {
            let refused = init!(exporter = stdout, simd(red_metrics = true)).unwrap_err();
            assert!(refused.to_string().contains("encode = false"), "{refused}");
            let guard = init!(
                exporter = stdout,
                sampler = always_off,
                simd(encode = false, red_metrics = true, red_max_series = 2)
            )
            .unwrap();
            let _ = outer(false);
            let series = guard.red_metrics().unwrap().series();
            assert_eq!(series.len(), 2);
            assert!(series[0].is_overflow(), "the second name found no place");
        },
    );
}

#[test]
fn series_that_cannot_be_are_an_error_in_code() {
    alone("series_that_cannot_be_are_an_error_in_code", &[], || {
        for series in [0, 1, 1_000_001] {
            let error = init!(exporter = none, simd(red_max_series = series)).unwrap_err();
            assert!(error.to_string().contains("red_max_series"), "{error}");
        }
    });
}
