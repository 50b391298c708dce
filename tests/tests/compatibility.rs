//! A program with the official API only exports the same spans on our provider as on the plain SDK's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::{Context, global};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{
    Sampler, SdkTracerProvider, Span, SpanData, SpanLimits, SpanProcessor,
};
use otel_enhance::pipeline::Spans;
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::collector_file::CollectedSpan;
use otel_enhance_tests::loopback::{Loopback, collected};
use otel_enhance_tests::official;

/// What the program exports through the plain SDK.
fn plain(sampler: Sampler, limits: SpanLimits) -> BTreeMap<String, CollectedSpan> {
    let loopback = Loopback::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let exporter = {
        let _entered = runtime.enter();
        SpanExporter::builder()
            .with_tonic()
            .with_endpoint(loopback.grpc().to_owned())
            .build()
            .unwrap()
    };
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().build())
        .with_sampler(sampler)
        .with_span_limits(limits)
        .with_batch_exporter(exporter)
        .build();
    global::set_tracer_provider(provider.clone());
    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]));
    official::program();
    provider.shutdown().unwrap();
    comparable(&loopback)
}

/// Everything but the resource, which ours detects more of.
fn comparable(loopback: &Loopback) -> BTreeMap<String, CollectedSpan> {
    let mut spans = collected(&loopback.store().spans());
    for span in &mut spans {
        span.resource = Default::default();
    }
    official::comparable(spans)
}

fn equal(
    plain: &BTreeMap<String, CollectedSpan>,
    ours: &BTreeMap<String, CollectedSpan>,
    at_least: usize,
) {
    assert!(plain.len() >= at_least, "{:?}", plain.keys());
    assert_eq!(
        plain.keys().collect::<Vec<_>>(),
        ours.keys().collect::<Vec<_>>()
    );
    for (plain, ours) in plain.values().zip(ours.values()) {
        assert_eq!(plain, ours);
    }
}

#[test]
fn official_program_on_our_provider_exports_what_it_exports_on_the_plain_sdk() {
    alone(
        "official_program_on_our_provider_exports_what_it_exports_on_the_plain_sdk",
        &[],
        || {
            let parent_based = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
            let plain = plain(parent_based, SpanLimits::default());
            let loopback = Loopback::start();
            let guard =
                otel_enhance::init!(exporter = otlp_grpc, endpoint = loopback.grpc()).unwrap();
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 60);

            let loopback = Loopback::start();
            let guard = otel_enhance::init!(exporter = otlp_grpc, endpoint = loopback.grpc(), simd)
                .unwrap();
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 60);

            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_grpc,
                endpoint = loopback.grpc(),
                performance
            )
            .unwrap();
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 60);
        },
    );
}

#[test]
fn official_program_on_the_fast_path_exports_what_it_exports_on_the_plain_sdk() {
    alone(
        "official_program_on_the_fast_path_exports_what_it_exports_on_the_plain_sdk",
        &[],
        || {
            let parent_based = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
            let plain = plain(parent_based, SpanLimits::default());
            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_grpc,
                endpoint = loopback.grpc(),
                performance,
            )
            .unwrap();
            assert_eq!(guard.spans(), Spans::Fast);
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 60);

            // Both extensions, over every protocol: records go to bytes directly.
            for protocol in ["http", "json", "grpc"] {
                let loopback = Loopback::start();
                let guard = match protocol {
                    "http" => otel_enhance::init!(
                        exporter = otlp_http,
                        endpoint = loopback.http(),
                        performance,
                        simd,
                    ),
                    "json" => otel_enhance::init!(
                        exporter = otlp_json,
                        endpoint = loopback.http(),
                        performance,
                        simd,
                    ),
                    _ => otel_enhance::init!(
                        exporter = otlp_grpc,
                        endpoint = loopback.grpc(),
                        performance,
                        simd,
                    ),
                }
                .unwrap();
                assert_eq!(guard.spans(), Spans::Fast);
                official::program();
                guard.shutdown().unwrap();
                equal(&plain, &comparable(&loopback), 60);
            }

            // A processor that looks at ended spans: by way of `SpanData`.
            let loopback = Loopback::start();
            let guard = otel_enhance::new_enhanced_pipeline()
                .with_otlp_http()
                .with_endpoint(loopback.http())
                .with_performance()
                .with_end_processor(Noop)
                .install_batch()
                .unwrap();
            assert_eq!(guard.spans(), Spans::Fast);
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 60);
        },
    );
}

/// Looks at nothing.
#[derive(Debug)]
struct Noop;

impl SpanProcessor for Noop {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn official_program_beside_a_processor_exports_what_it_exports_on_the_plain_sdk() {
    alone(
        "official_program_beside_a_processor_exports_what_it_exports_on_the_plain_sdk",
        &[],
        || {
            let parent_based = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
            let plain = plain(parent_based, SpanLimits::default());
            let loopback = Loopback::start();
            let said = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&said);
            let guard = otel_enhance::new_enhanced_pipeline()
                .with_otlp_grpc()
                .with_endpoint(loopback.grpc())
                .with_performance()
                .with_span_processor(Noop)
                .with_error_handler(move |report| log.lock().unwrap().push(report.to_string()))
                .install_batch()
                .unwrap();
            assert_eq!(guard.spans(), Spans::SdkForProcessor);
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 60);
            let said = said.lock().unwrap();
            let reasons = said
                .iter()
                .filter(|line| line.contains("with_end_processor"));
            assert_eq!(reasons.count(), 1, "{said:?}");
        },
    );
}

#[test]
fn official_program_with_limits_and_a_ratio_exports_what_it_exports_on_the_plain_sdk() {
    alone(
        "official_program_with_limits_and_a_ratio_exports_what_it_exports_on_the_plain_sdk",
        &[],
        || {
            let limits = SpanLimits {
                max_attributes_per_span: 5,
                max_events_per_span: 2,
                max_links_per_span: 1,
                max_attributes_per_event: 1,
                max_attributes_per_link: 0,
            };
            let plain = plain(Sampler::TraceIdRatioBased(0.5), limits);
            // Of what has an id of its own the half is random: only the given ids are compared.
            let given = |spans: BTreeMap<String, CollectedSpan>| {
                spans
                    .into_iter()
                    .filter(|(name, _)| {
                        name.starts_with("sampled by") || name.starts_with("child of a remote")
                    })
                    .collect::<BTreeMap<_, _>>()
            };
            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_grpc,
                endpoint = loopback.grpc(),
                sampler = Sampler::TraceIdRatioBased(0.5),
                limits(
                    attributes_per_span = 5,
                    events_per_span = 2,
                    links_per_span = 1,
                    attributes_per_event = 1,
                    attributes_per_link = 0,
                ),
            )
            .unwrap();
            official::program();
            guard.shutdown().unwrap();
            let plain = given(plain);
            assert!(plain.len() < 60, "some are not sampled");
            equal(&plain, &given(comparable(&loopback)), 20);

            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_grpc,
                endpoint = loopback.grpc(),
                sampler = Sampler::TraceIdRatioBased(0.5),
                limits(
                    attributes_per_span = 5,
                    events_per_span = 2,
                    links_per_span = 1,
                    attributes_per_event = 1,
                    attributes_per_link = 0,
                ),
                simd,
            )
            .unwrap();
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &given(comparable(&loopback)), 20);
        },
    );
}

#[test]
fn official_program_with_tight_limits_exports_what_it_exports_on_the_plain_sdk() {
    alone(
        "official_program_with_tight_limits_exports_what_it_exports_on_the_plain_sdk",
        &[],
        || {
            let limits = SpanLimits {
                max_attributes_per_span: 5,
                max_events_per_span: 2,
                max_links_per_span: 1,
                max_attributes_per_event: 1,
                max_attributes_per_link: 0,
            };
            let plain = plain(Sampler::AlwaysOn, limits);
            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_http,
                endpoint = loopback.http(),
                sampler = Sampler::AlwaysOn,
                limits(
                    attributes_per_span = 5,
                    events_per_span = 2,
                    links_per_span = 1,
                    attributes_per_event = 1,
                    attributes_per_link = 0,
                ),
            )
            .unwrap();
            official::program();
            guard.shutdown().unwrap();
            let ours = comparable(&loopback);
            assert!(ours["beyond the limits"].span.dropped_attributes_count > 100);
            equal(&plain, &ours, 100);

            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_json,
                endpoint = loopback.http(),
                sampler = Sampler::AlwaysOn,
                limits(
                    attributes_per_span = 5,
                    events_per_span = 2,
                    links_per_span = 1,
                    attributes_per_event = 1,
                    attributes_per_link = 0,
                ),
                simd,
            )
            .unwrap();
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 100);

            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_http,
                endpoint = loopback.http(),
                sampler = Sampler::AlwaysOn,
                limits(
                    attributes_per_span = 5,
                    events_per_span = 2,
                    links_per_span = 1,
                    attributes_per_event = 1,
                    attributes_per_link = 0,
                ),
                performance,
            )
            .unwrap();
            official::program();
            guard.shutdown().unwrap();
            equal(&plain, &comparable(&loopback), 100);
        },
    );
}
