//! The extension `tracezip` on real sockets: what arrives is what OTLP brings, whatever the other side is.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{IdGenerator, SpanData, SpanEvents, SpanExporter, SpanLinks};
use otel_enhance::config::{Compression, TlsSettings};
use otel_enhance::export::Destination;
use otel_enhance::extensions::simd::SimdSpanExporter;
use otel_enhance::extensions::tracezip::{
    TracezipIdGenerator, TracezipMode, TracezipSpanExporter, TracezipStats,
};
use otel_enhance_receiver::{
    BoxFuture, Encoding, Hook, RawReply, RawRequest, RequestHead, Verdict,
};
use otel_enhance_tests::certificates::Certificates;
use otel_enhance_tests::loopback::Loopback;
use otel_enhance_tests::nuisance::dead;
use otel_enhance_tests::proxy::{Fate, Proxy};
use prost::Message as _;

/// An official exporter that must not be needed.
#[derive(Debug)]
struct Unneeded;

impl SpanExporter for Unneeded {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        panic!("{} spans were refused", batch.len());
    }
}

/// Spans of which each differs a little from the one before.
fn batch(number: u64, spans: u64, ids: &impl IdGenerator) -> Vec<SpanData> {
    let scope = InstrumentationScope::builder("shop").build();
    let trace = ids.new_trace_id();
    (0..spans)
        .map(|index| {
            let start = std::time::UNIX_EPOCH
                + Duration::from_nanos(
                    1_795_475_076_000_000_000 + number * 1_000_003 + index * 1_009,
                );
            SpanData {
                span_context: SpanContext::new(
                    trace,
                    ids.new_span_id(),
                    TraceFlags::SAMPLED,
                    false,
                    TraceState::NONE,
                ),
                parent_span_id: SpanId::INVALID,
                parent_span_is_remote: false,
                span_kind: SpanKind::Server,
                name: format!("GET /item/{}", index % 3).into(),
                start_time: start,
                end_time: start + Duration::from_nanos(500 + index * 7),
                attributes: vec![
                    KeyValue::new("http.request.method", "GET"),
                    KeyValue::new("user.id", (number * 1000 + index) as i64),
                    KeyValue::new("url.path", format!("/item/{}", index % 3)),
                ],
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: Status::Unset,
                instrumentation_scope: scope.clone(),
            }
        })
        .collect()
}

/// Ids that nobody can foresee.
#[derive(Debug)]
struct Random(otel_enhance::extensions::performance::FastIdGenerator);

impl IdGenerator for Random {
    fn new_trace_id(&self) -> TraceId {
        self.0.new_trace_id()
    }
    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

const RANDOM: Random = Random(otel_enhance::extensions::performance::FastIdGenerator);

fn http(url: &str) -> Destination {
    Destination::http(format!("{url}/v1/traces"))
}

fn exporter(destination: &Destination) -> TracezipSpanExporter {
    TracezipSpanExporter::wrap_with_error_handler(Unneeded, Arc::new(|_| {}))
        .unwrap()
        .with_destination(destination)
        .unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

fn export(exporter: &impl SpanExporter, batch: Vec<SpanData>) {
    block_on(exporter.export(batch)).unwrap();
}

/// Exports so many batches of 50 spans, one after the other.
fn export_all(exporter: &TracezipSpanExporter, batches: u64) {
    for number in 0..batches {
        export(exporter, batch(number, 50, &RANDOM));
    }
}

/// Asserts that each span arrived, and none more often than the counter allows.
fn assert_accounted(loopbacks: &[&Loopback], exporter: &TracezipSpanExporter, spans: u64) {
    let mut arrivals: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for loopback in loopbacks {
        for stored in loopback.store().spans() {
            *arrivals.entry(stored.span.span_id).or_default() += 1;
        }
    }
    let report = exporter.watch().report();
    assert_eq!(arrivals.len() as u64, spans, "{report:?}");
    let twice: u64 = arrivals.values().map(|count| count - 1).sum();
    assert!(twice <= report.ambiguous_retries, "{twice}: {report:?}");
    assert_eq!((report.exported, report.dropped_total()), (spans, 0));
}

fn stats(exporter: &TracezipSpanExporter) -> TracezipStats {
    exporter.tracezip().stats()
}

#[test]
fn frames_bring_the_bytes_that_otlp_brings_over_both_protocols() {
    let (frames, plain) = (Loopback::with_tracezip(), Loopback::start());
    for (to_frames, to_plain) in [
        (http(frames.http()), http(plain.http())),
        (
            Destination::grpc(frames.grpc()),
            Destination::grpc(plain.grpc()),
        ),
    ] {
        let ours = exporter(&to_frames);
        let theirs = SimdSpanExporter::wrap(Unneeded)
            .unwrap()
            .with_destination(&to_plain)
            .unwrap();
        for number in 0..6 {
            let batch = batch(number, 200, &RANDOM);
            export(&theirs, batch.clone());
            export(&ours, batch);
        }
        let stats = stats(&ours);
        assert_eq!((stats.frames, stats.otlp_requests, stats.probes), (6, 0, 1));
        assert_eq!(stats.mode, TracezipMode::Stateful);
        assert!(stats.ratio() > 4.0, "{stats:?}");
        assert!(stats.state_bytes > 0);
        assert_eq!(ours.watch().report().exported, 1200);
    }
    let bodies = |loopback: &Loopback| -> Vec<Bytes> {
        let requests = loopback.store().requests();
        requests
            .iter()
            .map(|request| request.body.clone())
            .collect()
    };
    assert_eq!(bodies(&frames), bodies(&plain));
    for request in frames.store().requests() {
        assert_eq!(request.encoding, Encoding::Tracezip);
    }
    assert_eq!(frames.tracezip().repeated_frames, 0);
}

#[test]
fn receiver_without_tracezip_gets_otlp_in_the_compression_of_the_settings() {
    let loopback = Loopback::start();
    for destination in [http(loopback.http()), Destination::grpc(loopback.grpc())] {
        let exporter = exporter(&destination.with_compression(Compression::Zstd));
        export_all(&exporter, 4);
        let stats = stats(&exporter);
        assert_eq!((stats.frames, stats.otlp_requests, stats.probes), (0, 4, 1));
        assert_eq!(stats.mode, TracezipMode::Otlp);
        assert_eq!(exporter.watch().report().ambiguous_retries, 0);
    }
    assert_eq!(loopback.wait(400).len(), 400);
    for request in loopback.store().requests() {
        assert_eq!(request.encoding, Encoding::Zstd);
    }
}

/// Answers 200 to anything, and keeps what came.
#[derive(Clone, Default)]
struct Indifferent(Arc<Mutex<Vec<Bytes>>>);

impl Indifferent {
    /// How many frames came, and the ids of the spans that came as protobuf, which no frame is.
    fn understood(&self) -> (usize, BTreeSet<Vec<u8>>) {
        let (frames, requests): (Vec<Bytes>, _) = {
            let bodies = self.0.lock().unwrap();
            bodies.iter().cloned().partition(|body| body[0] == 0x07)
        };
        let requests = requests
            .into_iter()
            .map(|body| ExportTraceServiceRequest::decode(body).unwrap());
        let scopes = requests.flat_map(|request| request.resource_spans);
        let spans = scopes
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans);
        (frames.len(), spans.map(|span| span.span_id).collect())
    }
}

impl Hook for Indifferent {
    fn inspect<'a>(&'a self, _: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async { Verdict::Take })
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        Box::pin(async move {
            self.0.lock().unwrap().push(request.body);
            RawReply::Response(http::Response::new(Bytes::from_static(b"OK")))
        })
    }
}

#[test]
fn server_that_answers_200_to_anything_gets_no_spans_in_frames() {
    let indifferent = Indifferent::default();
    let loopback = Loopback::with_hook(indifferent.clone());
    let exporter = exporter(&http(loopback.http()));
    export_all(&exporter, 3);
    assert_eq!(stats(&exporter).otlp_requests, 3);
    let (frames, spans) = indifferent.understood();
    // The probe, which holds nothing.
    assert_eq!((frames, spans.len()), (1, 150));
    assert_eq!(exporter.watch().report().ambiguous_retries, 0);
}

#[test]
fn server_that_answers_200_to_anything_in_the_receivers_place_gets_what_follows() {
    let receiver = Loopback::with_tracezip();
    let endpoint = receiver.http().to_owned();
    let exporter = exporter(&http(&endpoint));
    export_all(&exporter, 3);
    assert_eq!(receiver.store().span_count(), 150);
    drop(receiver);
    let indifferent = Indifferent::default();
    let _stranger = Loopback::with_hook_at(&endpoint, indifferent.clone());
    export_all(&exporter, 3);
    let (frames, spans) = indifferent.understood();
    // One frame until it is known, and the probe that found out.
    assert!((1..=2).contains(&frames), "{frames}");
    assert_eq!(spans.len(), 150);
    let report = exporter.watch().report();
    assert_eq!((report.exported, report.dropped_total()), (300, 0));
    // Who says 200 to a frame may have understood it.
    assert_eq!(report.ambiguous_retries, 50);
}

/// Takes OTLP, and never answers what has the coding of frames.
struct Swallowing;

impl Hook for Swallowing {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async {
            if head.header("content-encoding") == Some("tracezip1") {
                std::future::pending::<()>().await;
            }
            Verdict::Continue
        })
    }
}

#[test]
fn server_that_never_answers_a_frame_gets_every_span_as_otlp() {
    let loopback = Loopback::with_hook(Swallowing);
    let exporter = exporter(&http(loopback.http()).with_timeout(Duration::from_secs(4)));
    export_all(&exporter, 3);
    assert_accounted(&[&loopback], &exporter, 150);
    let stats = stats(&exporter);
    assert_eq!((stats.frames, stats.otlp_requests, stats.probes), (0, 3, 1));
}

#[test]
fn proxy_that_strips_the_header_is_found_out_by_the_probe() {
    let loopback = Loopback::with_tracezip();
    let proxy = Proxy::start(&[loopback.http()], |_, _| Fate::StripEncoding);
    let exporter = exporter(&http(&proxy.url()));
    export_all(&exporter, 3);
    assert_accounted(&[&loopback], &exporter, 150);
    assert_eq!(stats(&exporter).mode, TracezipMode::Otlp);
}

#[test]
fn receiver_started_anew_gets_the_rest_in_a_new_stream() {
    let mut receiver = Loopback::with_tracezip();
    let endpoint = receiver.http().to_owned();
    let exporter = exporter(&http(&endpoint));
    export_all(&exporter, 8);
    let bytes_of_eight = stats(&exporter).frame_bytes;
    let mut arrived = receiver.store().span_count();
    for _ in 0..2 {
        drop(receiver);
        receiver = Loopback::with_tracezip_at(&endpoint);
        export_all(&exporter, 8);
        arrived += receiver.store().span_count();
        assert_eq!(receiver.tracezip().state_losses, 1);
    }
    assert_eq!(arrived, 24 * 50);
    let stats = stats(&exporter);
    assert_eq!((stats.otlp_requests, stats.state_losses), (0, 2));
    assert_eq!(stats.mode, TracezipMode::Stateful);
    // What is learnt is built on again.
    assert!(stats.frame_bytes < 4 * bytes_of_eight, "{stats:?}");
}

#[test]
fn receivers_that_lose_their_state_all_the_time_get_frames_that_stand_alone() {
    let mut receiver = Loopback::with_tracezip();
    let endpoint = receiver.http().to_owned();
    let exporter = exporter(&http(&endpoint));
    export_all(&exporter, 3);
    for _ in 0..4 {
        drop(receiver);
        receiver = Loopback::with_tracezip_at(&endpoint);
        export_all(&exporter, 3);
        assert_eq!(receiver.store().span_count(), 150);
    }
    let stats = stats(&exporter);
    assert_eq!(stats.mode, TracezipMode::SelfContained);
    assert_eq!((stats.state_losses, stats.otlp_requests), (3, 0));
}

#[test]
fn answers_that_are_lost_cost_no_span_and_bring_none_twice() {
    let loopback = Loopback::with_tracezip();
    // The first is the probe.
    let proxy = Proxy::start(&[loopback.http()], |number, _| match number % 4 {
        2 => Fate::LoseAnswer,
        _ => Fate::Pass,
    });
    let exporter = exporter(&http(&proxy.url()));
    export_all(&exporter, 6);
    assert_accounted(&[&loopback], &exporter, 300);
    // The receiver knew each of them again.
    assert_eq!(loopback.store().span_count(), 300);
    assert!(loopback.tracezip().repeated_frames > 0);
    let stats = stats(&exporter);
    assert_eq!(stats.otlp_requests, 0);
    assert_eq!(stats.ambiguous_retries, loopback.tracezip().repeated_frames);
}

#[test]
fn requests_that_are_lost_damaged_doubled_late_and_swallowed_cost_no_span() {
    let loopback = Loopback::with_tracezip();
    let proxy = Proxy::start(&[loopback.http()], |number, _| match number {
        0 | 1 => Fate::Pass,
        _ => match number % 9 {
            2 => Fate::LoseRequest,
            3 => Fate::Twice,
            4 => Fate::Damage,
            6 => Fate::AnswerLater(Duration::from_millis(30)),
            7 => Fate::Later(Duration::from_millis(30)),
            8 => Fate::Swallow,
            _ => Fate::Pass,
        },
    });
    let exporter = exporter(&http(&proxy.url()));
    // What is swallowed as OTLP is lost to anybody: the plan spares it, as the numbers fall.
    export_all(&exporter, 4);
    assert_accounted(&[&loopback], &exporter, 200);
    assert!(stats(&exporter).refused_frames > 0);
}

#[test]
fn frame_that_was_damaged_goes_as_otlp_and_the_next_one_as_a_frame() {
    let loopback = Loopback::with_tracezip();
    let proxy = Proxy::start(&[loopback.http()], |number, _| match number {
        3 => Fate::Damage,
        _ => Fate::Pass,
    });
    let exporter = exporter(&http(&proxy.url()));
    export_all(&exporter, 5);
    assert_accounted(&[&loopback], &exporter, 250);
    let stats = stats(&exporter);
    assert_eq!(
        (stats.frames, stats.otlp_requests, stats.refused_frames),
        (4, 1, 1)
    );
    assert_eq!(stats.probes, 1);
}

#[test]
fn two_receivers_in_turn_get_every_span_once() {
    let receivers = [Loopback::with_tracezip(), Loopback::with_tracezip()];
    let proxy = Proxy::start(&[receivers[0].http(), receivers[1].http()], |_, _| {
        Fate::Pass
    });
    let exporter = exporter(&http(&proxy.url()));
    export_all(&exporter, 20);
    assert_accounted(&[&receivers[0], &receivers[1]], &exporter, 1000);
    let stats = stats(&exporter);
    assert_eq!((stats.frames, stats.otlp_requests), (20, 0));
    assert!(stats.state_losses <= 2, "{stats:?}");
    assert_eq!(exporter.watch().report().ambiguous_retries, 0);
}

#[test]
fn several_requests_under_way_through_a_bad_network_arrive() {
    let loopback = Loopback::with_tracezip();
    let proxy = Proxy::start(&[loopback.http()], |number, _| match number % 11 {
        3 => Fate::LoseAnswer,
        5 => Fate::AnswerLater(Duration::from_millis(40)),
        7 => Fate::Later(Duration::from_millis(20)),
        9 => Fate::Twice,
        _ => Fate::Pass,
    });
    let exporter = exporter(&http(&proxy.url()));
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let exporter = &exporter;
            scope.spawn(move || {
                for number in 0..8 {
                    export(exporter, batch(thread * 100 + number, 50, &RANDOM));
                }
            });
        }
    });
    assert_accounted(&[&loopback], &exporter, 1600);
}

#[test]
fn receiver_that_is_not_there_yet_is_asked_when_it_is() {
    let endpoint = dead();
    let exporter = exporter(&http(&endpoint).with_timeout(Duration::from_secs(60)));
    let batch = batch(0, 50, &RANDOM);
    let late = std::thread::scope(|scope| {
        let exporting = scope.spawn(|| export(&exporter, batch));
        std::thread::sleep(Duration::from_millis(300));
        let loopback = Loopback::with_tracezip_at(&endpoint);
        exporting.join().unwrap();
        loopback
    });
    assert_accounted(&[&late], &exporter, 50);
    let stats = stats(&exporter);
    assert_eq!((stats.frames, stats.otlp_requests), (1, 0));
}

#[test]
fn ids_of_our_generator_cost_next_to_nothing() {
    let loopback = Loopback::with_tracezip();
    let ids = TracezipIdGenerator::new();
    let size = |exporter: &TracezipSpanExporter, ids: &dyn Fn(u64) -> Vec<SpanData>| {
        for number in 0..4 {
            export(exporter, ids(number));
        }
        stats(exporter).frame_bytes
    };
    let destination = http(loopback.http());
    let random = size(&exporter(&destination), &|number| {
        batch(number, 200, &RANDOM)
    });
    let told = TracezipSpanExporter::wrap(Unneeded)
        .unwrap()
        .with_id_generator(&ids)
        .with_destination(&destination)
        .unwrap();
    let own = size(&told, &|number| batch(number, 200, &ids));
    // Eight bytes a span id, sixteen a trace id.
    assert!(own + 800 * 7 < random, "{own} {random}");
}

#[test]
fn compression_that_is_switched_off_is_otlp() {
    let loopback = Loopback::with_tracezip();
    let exporter = exporter(&http(loopback.http())).with_compression(false);
    export_all(&exporter, 2);
    let stats = stats(&exporter);
    assert_eq!((stats.frames, stats.otlp_requests, stats.probes), (0, 2, 0));
    assert_eq!(stats.mode, TracezipMode::Off);
}

#[test]
fn frames_and_keys_of_ids_travel_over_tls() {
    let certificates = Certificates::generate();
    let loopback = Loopback::with_tls(&certificates, false);
    let mut tls = TlsSettings::default();
    tls.ca_file = Some(certificates.authority());
    let ids = TracezipIdGenerator::new();
    let https = loopback.http().replace("127.0.0.1", "localhost");
    for destination in [
        http(&https),
        Destination::grpc(loopback.grpc().replace("127.0.0.1", "localhost")),
    ] {
        let exporter = TracezipSpanExporter::wrap(Unneeded)
            .unwrap()
            .with_id_generator(&ids)
            .with_destination(&destination.with_tls(tls.clone()))
            .unwrap();
        for number in 0..4 {
            export(&exporter, batch(number, 200, &ids));
        }
        let stats = stats(&exporter);
        assert_eq!((stats.frames, stats.otlp_requests), (4, 0));
        assert!(stats.frame_bytes < 800 * 8, "{stats:?}");
    }
    assert_eq!(loopback.store().span_count(), 1600);
}
