//! The extension `tracezip` in pipelines, and below the official exporter.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::SdkTracerProvider;
use otel_enhance::config::Protocol;
use otel_enhance::export::EnhancedHttpClient;
use otel_enhance::extensions::tracezip::{
    TracezipHttpClient, TracezipIdGenerator, TracezipMode, TracezipWatch,
};
use otel_enhance::{InitError, TelemetryGuard, enhanced_trace, new_enhanced_pipeline};
use otel_enhance_receiver::Encoding;
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;
use otel_enhance_tests::proxy::{Fate, Proxy};

#[enhanced_trace(capture(number))]
fn checkout(number: u64) {
    pay(number % 7);
}

#[enhanced_trace(kind = "client", capture(cents))]
fn pay(cents: u64) {}

/// Two spans each, in several batches.
fn work(guard: &TelemetryGuard, times: u64) {
    for number in 0..times {
        checkout(number);
        if number % 100 == 99 {
            guard.force_flush().unwrap();
        }
    }
    guard.shutdown().unwrap();
}

/// Works, and asserts that everything arrived as frames whose ids cost next to nothing.
fn works_in_frames(guard: &TelemetryGuard, loopback: &Loopback) {
    work(guard, 1000);
    let spans = 2000;
    let arrived = loopback.wait(spans);
    assert_eq!(arrived.len(), spans);
    let delivery = guard.delivery();
    assert_eq!(delivery.exported as usize, spans, "{delivery:?}");
    for request in loopback.store().requests() {
        assert_eq!(request.encoding, Encoding::Tracezip);
    }
    let stats = guard.tracezip().unwrap().stats();
    assert_eq!(stats.otlp_requests, 0);
    assert_eq!(stats.mode, TracezipMode::Stateful);
    assert!(stats.ratio() > 5.0, "{stats:?}");
    // Random ids alone would take twelve.
    assert!(stats.frame_bytes < 2000 * 8, "{stats:?}");
}

#[test]
fn init_with_tracezip_sends_frames_over_http_with_ids_that_cost_nothing() {
    alone(
        "init_with_tracezip_sends_frames_over_http_with_ids_that_cost_nothing",
        &[],
        || {
            let loopback = Loopback::with_tracezip();
            let guard = otel_enhance::init!(service = "shop", tracezip(endpoint = loopback.http()))
                .unwrap();
            works_in_frames(&guard, &loopback);
        },
    );
}

#[test]
fn init_with_tracezip_sends_frames_over_grpc_from_the_fast_path() {
    alone(
        "init_with_tracezip_sends_frames_over_grpc_from_the_fast_path",
        &[],
        || {
            let loopback = Loopback::with_tracezip();
            let guard = otel_enhance::init!(
                exporter = otlp_grpc,
                endpoint = loopback.grpc(),
                performance,
                tracezip(level = 12),
            )
            .unwrap();
            works_in_frames(&guard, &loopback);
        },
    );
}

#[test]
fn pipelined_exports_through_a_bad_network_bring_every_span_and_none_more_often_than_counted() {
    alone(
        "pipelined_exports_through_a_bad_network_bring_every_span_and_none_more_often_than_counted",
        &[],
        || {
            let receivers = [Loopback::with_tracezip(), Loopback::with_tracezip()];
            let targets = [receivers[0].http(), receivers[1].http()];
            let proxy = Proxy::start(&targets, |number, _| match number % 13 {
                3 => Fate::LoseAnswer,
                5 => Fate::AnswerLater(Duration::from_millis(50)),
                7 => Fate::Later(Duration::from_millis(25)),
                9 => Fate::LoseRequest,
                11 => Fate::Damage,
                _ => Fate::Pass,
            });
            let guard = new_enhanced_pipeline()
                .with_endpoint(proxy.url())
                .with_performance()
                .with_max_export_batch_size(64)
                .with_timeout(Duration::from_secs(60))
                .with_export_timeout(Duration::from_secs(60))
                .with_shutdown_timeout(Duration::from_secs(120))
                .with_tracezip_compression(true)
                .with_error_handler(|_| {})
                .install_batch()
                .unwrap();
            for number in 0..2000 {
                checkout(number);
            }
            guard.shutdown().unwrap();
            let delivery = guard.delivery();
            let mut ids: Vec<_> = receivers
                .iter()
                .flat_map(|receiver| receiver.store().spans())
                .map(|stored| stored.span.span_id)
                .collect();
            let all = ids.len() as u64;
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 4000, "{delivery:?}");
            assert_eq!((delivery.exported, delivery.dropped_total()), (4000, 0));
            assert!(
                all - 4000 <= delivery.ambiguous_retries,
                "{all} {delivery:?}"
            );
        },
    );
}

#[test]
fn tracezip_beside_what_has_no_protobuf_destination_is_an_error_that_says_so() {
    alone(
        "tracezip_beside_what_has_no_protobuf_destination_is_an_error_that_says_so",
        &[],
        || {
            let refused = [
                new_enhanced_pipeline()
                    .with_exporter(Nowhere)
                    .with_tracezip_compression(true)
                    .install_batch(),
                new_enhanced_pipeline()
                    .with_stdout_exporter()
                    .with_tracezip_compression(true)
                    .install_batch(),
                new_enhanced_pipeline()
                    .with_protocol(Protocol::HttpJson)
                    .with_tracezip_compression(true)
                    .install_batch(),
                new_enhanced_pipeline()
                    .with_tracezip_fleet_key("no key")
                    .install_batch(),
                new_enhanced_pipeline()
                    .with_tracezip_level(23)
                    .install_batch(),
            ];
            for refused in refused {
                let error = refused.unwrap_err();
                assert!(
                    matches!(&error, InitError::InvalidArgument { argument, .. } if argument.starts_with("tracezip")),
                    "{error:?}"
                );
                assert!(!error.to_string().contains("no key"));
            }
        },
    );
}

#[test]
fn environment_that_asks_for_json_gets_json_and_is_told() {
    alone(
        "environment_that_asks_for_json_gets_json_and_is_told",
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
        || {
            let loopback = Loopback::with_tracezip();
            let guard =
                otel_enhance::init!(endpoint = loopback.http(), tracezip, error_handler = |_| {},)
                    .unwrap();
            assert!(guard.tracezip().is_none());
            assert_eq!(guard.diagnostics().iter().count(), 1);
            checkout(1);
            guard.shutdown().unwrap();
            assert_eq!(loopback.wait(2).len(), 2);
        },
    );
}

/// An exporter of one's own.
#[derive(Debug)]
struct Nowhere;

impl opentelemetry_sdk::trace::SpanExporter for Nowhere {
    async fn export(&self, _: Vec<opentelemetry_sdk::trace::SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

/// A client as the official ones are: a refusal is a response with its body.
#[derive(Debug)]
struct Blocking(ureq::Agent);

impl Blocking {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A child must not go on with a connection of its parent's.
            .max_idle_connections(0)
            .build();
        Self(config.new_agent())
    }
}

#[async_trait]
impl HttpClient for Blocking {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut sent = self.0.post(parts.uri.to_string());
        for (name, value) in &parts.headers {
            sent = sent.header(name, value);
        }
        let mut response = sent.send(&body[..])?;
        let body = response.body_mut().read_to_vec()?;
        let mut answered = Response::new(body.into());
        *answered.status_mut() = response.status();
        Ok(answered)
    }
}

/// The official exporter on a client of ours.
fn provider(
    endpoint: &str,
    client: TracezipHttpClient,
    ids: &TracezipIdGenerator,
) -> SdkTracerProvider {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_retry_policy(RetryPolicy::disabled())
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()
        .unwrap();
    SdkTracerProvider::builder()
        .with_id_generator(ids.clone())
        .with_batch_exporter(exporter)
        .build()
}

fn end_spans(provider: &SdkTracerProvider, batches: usize) {
    for _ in 0..batches {
        for _ in 0..100 {
            provider.tracer("by-hand").start("order").end();
        }
        provider.force_flush().unwrap();
    }
}

fn through(client: TracezipHttpClient, loopback: &Loopback) -> TracezipWatch {
    let ids = TracezipIdGenerator::new();
    let client = client.with_id_generator(&ids);
    let watch = client.tracezip();
    let provider = provider(loopback.http(), client, &ids);
    end_spans(&provider, 4);
    provider.shutdown().unwrap();
    watch
}

#[test]
fn official_exporter_on_our_client_sends_frames() {
    let loopback = Loopback::with_tracezip();
    let ours = EnhancedHttpClient::builder().build().unwrap();
    for client in [
        TracezipHttpClient::wrap(ours),
        TracezipHttpClient::wrap(Blocking::new()),
    ] {
        let stats = through(client, &loopback).stats();
        assert_eq!((stats.frames, stats.otlp_requests, stats.probes), (4, 0, 1));
        assert!(stats.frame_bytes < 400 * 16, "{stats:?}");
    }
    assert_eq!(loopback.store().span_count(), 800);
}

#[test]
fn official_exporter_on_our_client_sends_otlp_to_others() {
    let loopback = Loopback::start();
    let ours = EnhancedHttpClient::builder().build().unwrap();
    for client in [
        TracezipHttpClient::wrap(ours),
        TracezipHttpClient::wrap(Blocking::new()),
    ] {
        let stats = through(client, &loopback).stats();
        assert_eq!((stats.frames, stats.otlp_requests, stats.probes), (0, 4, 1));
    }
    assert_eq!(loopback.store().span_count(), 800);
}

#[test]
fn official_exporter_on_our_client_survives_receivers_that_begin_anew() {
    for blocking in [true, false] {
        let mut loopback = Loopback::with_tracezip();
        let endpoint = loopback.http().to_owned();
        let client = if blocking {
            TracezipHttpClient::wrap(Blocking::new())
        } else {
            TracezipHttpClient::wrap(EnhancedHttpClient::builder().build().unwrap())
        };
        let watch = client.tracezip();
        let provider = provider(&endpoint, client, &TracezipIdGenerator::new());
        end_spans(&provider, 3);
        drop(loopback);
        loopback = Loopback::with_tracezip_at(&endpoint);
        end_spans(&provider, 3);
        let arrived = loopback.store().span_count() as u64;
        let stats = watch.stats();
        assert!(arrived >= 300, "{arrived} {stats:?}");
        assert!(arrived - 300 <= 100 * stats.ambiguous_retries, "{stats:?}");
        assert!(stats.state_losses >= 1, "{stats:?}");
        provider.shutdown().unwrap();
    }
}

#[test]
fn official_exporter_that_compresses_is_undone_and_told_once() {
    let loopback = Loopback::with_tracezip();
    let said = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&said);
    let client = TracezipHttpClient::wrap(Blocking::new()).with_error_handler(Arc::new(
        move |report: &otel_enhance::export::Report| kept.lock().unwrap().push(report.to_string()),
    ));
    let watch = client.tracezip();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_compression(opentelemetry_otlp::Compression::Zstd)
        .with_endpoint(format!("{}/v1/traces", loopback.http()))
        .build()
        .unwrap();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .build();
    end_spans(&provider, 2);
    provider.shutdown().unwrap();
    assert_eq!(watch.stats().frames, 2);
    assert_eq!(loopback.store().span_count(), 200);
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("zstd"), "{said:?}");
}

/// Span ids that a process makes, as many as it takes to spend a block.
fn some_ids(ids: &TracezipIdGenerator) -> Vec<[u8; 8]> {
    use opentelemetry_sdk::trace::IdGenerator as _;
    (0..600).map(|_| ids.new_span_id().to_bytes()).collect()
}

/// What a child of this process writes.
#[expect(unsafe_code, reason = "there is no safe way to fork")]
fn in_a_child(fork: impl FnOnce() -> libc::pid_t, body: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let (mut reading, mut writing) = std::io::pipe().unwrap();
    let child = fork();
    if child == 0 {
        let written = writing.write_all(&body());
        // SAFETY: it does not return, and needs nothing.
        unsafe { libc::_exit(i32::from(written.is_err())) };
    }
    drop(writing);
    let mut made = Vec::new();
    reading.read_to_end(&mut made).unwrap();
    let mut status = 0;
    // SAFETY: waits for the one child, and writes to what is ours.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    made
}

#[expect(unsafe_code, reason = "there is no safe way to fork")]
fn fork() -> libc::pid_t {
    // SAFETY: the child does what it is given and is gone by `_exit`, which runs nothing of the parent's.
    unsafe { libc::fork() }
}

/// Asserts that no id of the child's is one of the parent's, before or after.
fn assert_child_makes_its_own(ids: &TracezipIdGenerator, fork: impl FnOnce() -> libc::pid_t) {
    let before = some_ids(ids);
    let made = in_a_child(fork, || some_ids(ids).concat());
    let mut ours = before;
    ours.extend(some_ids(ids));
    assert_eq!(made.len(), 600 * 8);
    let theirs: std::collections::HashSet<&[u8]> = made.chunks(8).collect();
    assert_eq!(theirs.len(), 600);
    assert!(ours.iter().all(|id| !theirs.contains(&id[..])));
}

const FLEET: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

#[test]
fn forked_child_makes_ids_that_its_parent_does_not() {
    alone(
        "forked_child_makes_ids_that_its_parent_does_not",
        &[],
        || {
            assert_child_makes_its_own(&TracezipIdGenerator::new(), fork);
            let fleet = TracezipIdGenerator::with_fleet_key(FLEET).unwrap();
            assert_child_makes_its_own(&fleet, fork);
        },
    );
}

/// The kernel has wiped the key, which is how the child knows.
#[cfg(target_os = "linux")]
#[test]
fn child_of_which_the_c_library_knows_nothing_makes_ids_that_its_parent_does_not() {
    alone(
        "child_of_which_the_c_library_knows_nothing_makes_ids_that_its_parent_does_not",
        &[],
        || {
            assert_child_makes_its_own(&TracezipIdGenerator::new(), raw_fork);
            let fleet = TracezipIdGenerator::with_fleet_key(FLEET).unwrap();
            assert_child_makes_its_own(&fleet, raw_fork);
        },
    );
}

/// Past the hooks of the C library.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "there is no safe way to fork")]
fn raw_fork() -> libc::pid_t {
    // SAFETY: without a stack and without shared memory it is a fork; no other thread of this process is at work,
    // whose locks the child would find taken.
    unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t }
}

#[test]
fn forked_child_and_its_parent_are_two_streams_to_the_receiver() {
    alone(
        "forked_child_and_its_parent_are_two_streams_to_the_receiver",
        &[],
        || {
            let loopback = Loopback::with_tracezip();
            let client = TracezipHttpClient::wrap(Blocking::new());
            let watch = client.tracezip();
            let exporter = SpanExporter::builder()
                .with_http()
                .with_http_client(client)
                .with_retry_policy(RetryPolicy::disabled())
                .with_endpoint(format!("{}/v1/traces", loopback.http()))
                .build()
                .unwrap();
            // It exports on the thread that ends the span, which is the one that a child has.
            let provider = SdkTracerProvider::builder()
                .with_simple_exporter(exporter)
                .build();
            let end = |spans: usize| {
                for _ in 0..spans {
                    provider.tracer("by-hand").start("order").end();
                }
            };
            end(3);
            in_a_child(fork, || {
                end(5);
                Vec::new()
            });
            end(5);
            // The numbers of the child's frames are none of the parent's: it is no repetition.
            assert_eq!(loopback.store().span_count(), 13);
            assert_eq!(loopback.tracezip().repeated_frames, 0);
            assert_eq!((watch.stats().frames, watch.stats().state_losses), (8, 0));
        },
    );
}

/// The last figures, by metric.
#[derive(Clone, Debug, Default)]
struct Figures(Arc<Mutex<BTreeMap<String, f64>>>);

impl PushMetricExporter for Figures {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut figures = self.0.lock().unwrap();
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let value = match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    sum.data_points().next().map(|point| point.value() as f64)
                }
                AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
                    gauge.data_points().next().map(|point| point.value() as f64)
                }
                AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                    gauge.data_points().next().map(|point| point.value())
                }
                other => unreachable!("{} is {other:?}", metric.name()),
            };
            let name = metric.name().trim_start_matches("otel_enhance.tracezip.");
            figures.insert(name.to_owned(), value.unwrap());
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

#[test]
fn figures_are_reported_through_the_official_meter() {
    let loopback = Loopback::with_tracezip();
    let watch = through(TracezipHttpClient::wrap(Blocking::new()), &loopback);
    let figures = Figures::default();
    let meters = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(figures.clone()).build())
        .build();
    watch.report_to(&meters.meter("otel.sdk"));
    meters.force_flush().unwrap();
    let stats = watch.stats();
    let figures = figures.0.lock().unwrap();
    for (name, value) in [
        ("frames", 4.0),
        ("fallbacks", 0.0),
        ("otlp.size", stats.otlp_bytes as f64),
        ("frame.size", stats.frame_bytes as f64),
        ("saved", stats.bytes_saved() as f64),
        ("ratio", stats.ratio()),
        ("state.size", stats.state_bytes as f64),
        ("state.losses", 0.0),
        ("refused", 0.0),
        ("ambiguous_retries", 0.0),
    ] {
        assert_eq!(figures.get(name), Some(&value), "{name}: {figures:?}");
    }
    assert_eq!(figures.len(), 10);
}
