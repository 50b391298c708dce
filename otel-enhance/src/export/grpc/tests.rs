//! Against a gRPC server of another make (hyper, not tonic's), and against sockets that misbehave.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use http::StatusCode;
use opentelemetry_sdk::trace::SpanExporter;
use otel_enhance_receiver::{GrpcCode, Outcome as Answer, Refusal, Transport};

use super::super::testing::receiver::Scripted;
use super::super::testing::{Pipeline, otlp, span};
use super::*;
use crate::config::Protocol;
use crate::export::ErasedExporter;

const LONG: Duration = Duration::from_secs(10);

fn exporter(settings: &OtlpSettings, pipeline: &Pipeline) -> ErasedExporter {
    let backoff = Backoff {
        initial: Duration::from_millis(20),
        max: Duration::from_millis(50),
    };
    let connector = Connector::plain(settings.timeout);
    let sink = pipeline
        .shared
        .runtime
        .build_guarded(|| sink(settings, connector, backoff, &pipeline.shared))
        .unwrap()
        .unwrap();
    pipeline.erase(sink, Duration::from_secs(20))
}

/// One batch of `spans` through a receiver that gives `answers`, one after the other.
fn export(answers: Vec<Answer>, spans: usize) -> (Scripted, Pipeline) {
    let receiver = Scripted::start(answers, None);
    let pipeline = Pipeline::new();
    let mut settings = otlp(Protocol::Grpc, &receiver.endpoint(Protocol::Grpc));
    settings.timeout = LONG;
    let exporter = exporter(&settings, &pipeline);
    pipeline.export(&exporter, vec![span("s"); spans]);
    (receiver, pipeline)
}

fn refusal(code: GrpcCode) -> Refusal {
    Refusal::new(StatusCode::IM_A_TEAPOT, code, "Bearer s3cret is not valid")
}

#[test]
fn export_accepted_arrives_with_metadata_of_the_settings_on_one_connection() {
    let receiver = Scripted::start([], None);
    let pipeline = Pipeline::new();
    let mut settings = otlp(Protocol::Grpc, &receiver.endpoint(Protocol::Grpc));
    settings.headers = vec![("x-tenant".into(), "blue".into())];
    let exporter = exporter(&settings, &pipeline);
    pipeline.export(&exporter, vec![span("a"), span("b")]);
    pipeline.export(&exporter, vec![span("c")]);

    assert_eq!(
        receiver.seen(otel_enhance_receiver::Request::span_count),
        [2, 1]
    );
    let heads = receiver.seen(|request| request.head.clone());
    assert_eq!(heads[0].transport, Transport::Grpc);
    assert_eq!(heads[0].header("x-tenant"), Some("blue"));
    assert!(
        heads[0]
            .header("user-agent")
            .unwrap()
            .starts_with("otel-enhance/")
    );
    assert_eq!(heads[0].peer, heads[1].peer);
    assert_eq!(pipeline.report().exported, 3);
    assert_eq!(pipeline.report().dropped_total(), 0);
}

#[test]
fn export_built_in_a_runtime_that_ends_still_delivers() {
    let receiver = Scripted::start([], None);
    let application = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pipeline = Pipeline::new();
    let settings = otlp(Protocol::Grpc, &receiver.endpoint(Protocol::Grpc));
    let exporter = application.block_on(async { exporter(&settings, &pipeline) });
    drop(application);
    pipeline.export(&exporter, vec![span("s")]);
    assert_eq!(pipeline.report().exported, 1);
}

#[cfg(all(feature = "gzip", feature = "zstd"))]
#[test]
fn export_compressed_arrives_in_the_encoding_asked_for() {
    use crate::config::Compression;
    use otel_enhance_receiver::Encoding;
    for (compression, encoding) in [
        (Compression::Gzip, Encoding::Gzip),
        (Compression::Zstd, Encoding::Zstd),
        (Compression::None, Encoding::Identity),
    ] {
        let receiver = Scripted::start([], None);
        let pipeline = Pipeline::new();
        let mut settings = otlp(Protocol::Grpc, &receiver.endpoint(Protocol::Grpc));
        settings.compression = compression;
        let exporter = exporter(&settings, &pipeline);
        pipeline.export(&exporter, vec![span("s"); 100]);
        assert_eq!(receiver.seen(|request| request.encoding), [encoding]);
        assert_eq!(pipeline.report().exported, 100);
    }
}

#[test]
fn export_answered_with_a_retryable_code_is_retried() {
    for code in [
        GrpcCode::Cancelled,
        GrpcCode::DeadlineExceeded,
        GrpcCode::Aborted,
        GrpcCode::OutOfRange,
        GrpcCode::Unavailable,
        GrpcCode::DataLoss,
    ] {
        let (receiver, pipeline) = export(vec![Answer::Refused(refusal(code))], 3);
        assert_eq!(receiver.seen(|_| ()).len(), 2, "{code:?}");
        let report = pipeline.report();
        assert_eq!(
            (report.exported, report.ambiguous_retries),
            (3, 3),
            "{code:?}"
        );
    }
}

#[test]
fn export_answered_with_a_final_code_is_dropped_without_a_retry() {
    for code in [
        GrpcCode::InvalidArgument,
        GrpcCode::NotFound,
        GrpcCode::PermissionDenied,
        GrpcCode::Unauthenticated,
        GrpcCode::Unimplemented,
        GrpcCode::Internal,
        GrpcCode::Unknown,
        // Without RetryInfo.
        GrpcCode::ResourceExhausted,
    ] {
        let (receiver, pipeline) = export(vec![Answer::Refused(refusal(code))], 3);
        assert_eq!(receiver.seen(|_| ()).len(), 1, "{code:?}");
        assert_eq!(
            pipeline.report().dropped(DropReason::Rejected),
            3,
            "{code:?}"
        );
        let said = pipeline.said();
        assert!(said[0].contains(&format!("{code:?}")), "{said:?}");
        assert!(!said[0].contains("s3cret"), "{said:?}");
    }
}

#[test]
fn export_throttled_with_retry_info_waits_that_long() {
    for code in [GrpcCode::ResourceExhausted, GrpcCode::Unavailable] {
        let begun = Instant::now();
        let wait = Duration::from_millis(600);
        let throttled = Answer::Refused(refusal(code).with_retry_after(wait));
        let (receiver, pipeline) = export(vec![throttled], 3);
        assert!(begun.elapsed() >= wait);
        assert_eq!(receiver.seen(|_| ()).len(), 2);
        let report = pipeline.report();
        assert_eq!((report.exported, report.ambiguous_retries), (3, 0));
    }
}

#[test]
fn export_partially_rejected_is_counted_and_never_resent() {
    let partial = Answer::PartialSuccess {
        rejected_spans: 2,
        message: "too old".into(),
    };
    let (receiver, pipeline) = export(vec![partial], 5);
    assert_eq!(receiver.seen(|_| ()).len(), 1);
    let report = pipeline.report();
    assert_eq!(report.exported, 3);
    assert_eq!(report.dropped(DropReason::PartialSuccess), 2);
}

#[test]
fn export_to_dead_endpoint_is_dropped_as_unreachable_and_never_ambiguous() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let pipeline = Pipeline::new();
    let mut settings = otlp(Protocol::Grpc, &format!("http://{address}"));
    settings.timeout = Duration::from_millis(300);
    let exporter = exporter(&settings, &pipeline);
    pipeline.export(&exporter, vec![span("s"); 2]);
    let report = pipeline.report();
    assert_eq!(report.dropped(DropReason::Unreachable), 2);
    assert_eq!(report.ambiguous_retries, 0);
}

/// What a listener does with each connection.
fn listen(serve: fn(std::net::TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || serve(stream));
        }
    });
    endpoint
}

#[test]
fn export_to_hanging_endpoint_ends_at_its_timeout() {
    let endpoint = listen(|mut stream| {
        let mut sink = [0; 1024];
        while stream.read(&mut sink).is_ok_and(|read| read > 0) {}
    });
    let pipeline = Pipeline::new();
    let mut settings = otlp(Protocol::Grpc, &endpoint);
    settings.timeout = Duration::from_millis(300);
    let exporter = exporter(&settings, &pipeline);
    let begun = Instant::now();
    pipeline.export(&exporter, vec![span("s"); 2]);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(pipeline.report().dropped(DropReason::Timeout), 2);
}

#[test]
fn export_to_something_else_than_grpc_is_dropped_by_its_timeout() {
    let endpoint = listen(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let pipeline = Pipeline::new();
    let mut settings = otlp(Protocol::Grpc, &endpoint);
    settings.timeout = Duration::from_millis(500);
    let exporter = exporter(&settings, &pipeline);
    let begun = Instant::now();
    pipeline.export(&exporter, vec![span("s"); 2]);
    assert!(begun.elapsed() < Duration::from_secs(5));
    let report = pipeline.report();
    assert_eq!((report.exported, report.dropped_total()), (0, 2));
}

#[test]
fn export_after_shutdown_is_dropped_for_that() {
    let receiver = Scripted::start([], None);
    let pipeline = Pipeline::new();
    let exporter = exporter(
        &otlp(Protocol::Grpc, &receiver.endpoint(Protocol::Grpc)),
        &pipeline,
    );
    exporter.shutdown().unwrap();
    pipeline.export(&exporter, vec![span("s")]);
    assert_eq!(pipeline.report().dropped(DropReason::AfterShutdown), 1);
}

#[test]
fn endpoint_given_nonsense_names_the_argument() {
    for text in ["", "localhost:4317", "ftp://localhost/", "/v1/traces"] {
        let error = endpoint(text).unwrap_err();
        assert!(
            error.to_string().starts_with("`endpoint` is"),
            "{text}: {error}"
        );
    }
}
