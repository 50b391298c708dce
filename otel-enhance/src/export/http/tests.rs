//! The whole way down from the erased exporter, against real sockets that misbehave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_sdk::trace::SpanExporter;
use prost::Message;

use super::super::erased::ErasedExporter;
use super::super::testing::server::{Answer, Server};
use super::super::testing::{Pipeline, otlp, span};
use super::*;
use crate::config::Protocol;
use crate::export::DropReason;

const QUICK: Backoff = Backoff {
    initial: Duration::from_millis(20),
    max: Duration::from_millis(50),
};

/// The exporter for `settings` with short waits between its attempts.
fn exporter(settings: &OtlpSettings, pipeline: &Pipeline) -> ErasedExporter {
    let connector = Connector::plain(settings.timeout);
    let sink = sink(settings, connector, QUICK, &pipeline.shared).unwrap();
    pipeline.erase(sink, Duration::from_secs(20))
}

fn settings(server: &Server) -> OtlpSettings {
    otlp(
        Protocol::HttpProtobuf,
        &format!("http://{}/v1/traces", server.address),
    )
}

/// One batch of `spans` through a server that gives `answers`, one after the other.
fn export(answers: Vec<Answer>, timeout: Duration, spans: usize) -> (Server, Pipeline) {
    let server = Server::start(answers);
    let pipeline = Pipeline::new();
    let mut settings = settings(&server);
    settings.timeout = timeout;
    let exporter = exporter(&settings, &pipeline);
    pipeline.export(&exporter, vec![span("s"); spans]);
    (server, pipeline)
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn export_answered_200_arrives_decodable_with_headers_of_the_settings() {
    let server = Server::start(vec![Answer::ok()]);
    let pipeline = Pipeline::new();
    let mut settings = settings(&server);
    settings.headers = vec![("x-tenant".into(), "blue".into())];
    let exporter = exporter(&settings, &pipeline);
    pipeline.export(&exporter, vec![span("a"), span("b")]);

    let [request] = &server.requests()[..] else {
        panic!("one request expected");
    };
    assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(
        request.header("content-type"),
        Some("application/x-protobuf")
    );
    assert_eq!(request.header("x-tenant"), Some("blue"));
    assert_eq!(request.header("content-encoding"), None);
    assert!(
        request
            .header("user-agent")
            .unwrap()
            .starts_with("otel-enhance/")
    );
    let body = ExportTraceServiceRequest::decode(&*request.body).unwrap();
    assert_eq!(body.resource_spans[0].scope_spans[0].spans.len(), 2);
    assert_eq!(pipeline.report().exported, 2);
    assert_eq!(pipeline.report().dropped_total(), 0);
}

#[test]
fn exports_one_after_the_other_share_connections() {
    let server = Server::start((0..10).map(|_| Answer::ok()).collect());
    let pipeline = Pipeline::new();
    let exporter = exporter(&settings(&server), &pipeline);
    for _ in 0..10 {
        pipeline.export(&exporter, vec![span("s")]);
        // A connection is put back by its own task, a moment after the answer.
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.requests().len(), 10);
    assert!(server.connections() <= 5, "{}", server.connections());
}

#[test]
fn export_to_dead_endpoint_is_dropped_as_unreachable_and_logged_once() {
    let pipeline = Pipeline::new();
    // Bound and dropped: a port on which nothing listens.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut settings = otlp(
        Protocol::HttpProtobuf,
        &format!("http://{address}/v1/traces"),
    );
    settings.timeout = Duration::from_millis(300);
    let exporter = exporter(&settings, &pipeline);
    for _ in 0..3 {
        pipeline.export(&exporter, vec![span("s"); 2]);
    }
    let report = pipeline.report();
    assert_eq!(report.dropped(DropReason::Unreachable), 6);
    assert_eq!((report.exported, report.ambiguous_retries), (0, 0));
    let said = pipeline.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("fail: ") && said[0].contains("2 spans dropped"),
        "{said:?}"
    );
}

#[test]
fn export_answered_503_then_200_is_delivered_after_a_retry() {
    let (server, pipeline) = export(vec![Answer::status(503), Answer::ok()], LONG, 3);
    assert_eq!(server.requests().len(), 2);
    assert_eq!(pipeline.report().exported, 3);
    // A 503 without Retry-After may come from a gateway that had sent the request on.
    assert_eq!(pipeline.report().ambiguous_retries, 3);
}

#[test]
fn export_answered_429_with_seconds_waits_that_long() {
    let begun = Instant::now();
    let throttled = Answer::status(429).with_header("Retry-After", "1");
    let (server, pipeline) = export(vec![throttled, Answer::ok()], LONG, 3);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests().len(), 2);
    let report = pipeline.report();
    assert_eq!((report.exported, report.ambiguous_retries), (3, 0));
}

#[test]
fn export_throttled_beyond_its_timeout_is_dropped_and_the_next_one_waits_as_well() {
    let server = Server::start(vec![
        Answer::status(503).with_header("Retry-After", "2"),
        Answer::ok(),
    ]);
    let pipeline = Pipeline::new();
    let mut settings = settings(&server);
    settings.timeout = Duration::from_millis(1500);
    let exporter = exporter(&settings, &pipeline);
    let begun = Instant::now();
    pipeline.export(&exporter, vec![span("lost")]);
    assert!(begun.elapsed() < Duration::from_millis(1400));
    pipeline.export(&exporter, vec![span("waits")]);
    pipeline.export(&exporter, vec![span("waits")]);
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(server.requests().len(), 2);
    let report = pipeline.report();
    assert_eq!(report.dropped(DropReason::Unreachable), 2);
    assert_eq!(report.exported, 1);
}

#[test]
fn export_refused_for_good_is_dropped_without_a_retry() {
    for status in [400, 401, 403, 404, 413, 500, 501] {
        let (server, pipeline) = export(vec![Answer::status(status), Answer::ok()], LONG, 3);
        assert_eq!(server.requests().len(), 1, "{status}");
        assert_eq!(
            pipeline.report().dropped(DropReason::Rejected),
            3,
            "{status}"
        );
        assert!(pipeline.said()[0].contains(&status.to_string()));
    }
}

#[test]
fn export_redirected_is_not_followed_and_says_so() {
    let other = Server::start(vec![Answer::ok()]);
    let to = format!("http://user:secret@{}/v1/traces?key=secret", other.address);
    for status in [301, 302, 307, 308] {
        let (_, pipeline) = export(
            vec![Answer::status(status).with_header("Location", &to)],
            LONG,
            1,
        );
        assert_eq!(pipeline.report().dropped(DropReason::Rejected), 1);
        let said = pipeline.said();
        assert!(
            said[0].contains("not followed") && said[0].contains("127.0.0.1"),
            "{said:?}"
        );
        assert!(!said[0].contains("secret"), "{said:?}");
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn export_to_hanging_endpoint_ends_at_its_timeout() {
    let begun = Instant::now();
    let (_, pipeline) = export(vec![Answer::Hang], Duration::from_millis(300), 2);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(pipeline.report().dropped(DropReason::Timeout), 2);
}

#[test]
fn export_whose_answer_stalls_within_its_body_ends_at_its_timeout() {
    let begun = Instant::now();
    let stalled = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true);
    let (_, pipeline) = export(vec![stalled], Duration::from_millis(300), 2);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(pipeline.report().dropped(DropReason::Timeout), 2);
}

#[test]
fn export_whose_connection_closes_without_answer_is_retried_and_counted_as_ambiguous() {
    let (server, pipeline) = export(vec![Answer::Close, Answer::ok()], LONG, 4);
    assert_eq!(server.requests().len(), 2);
    let report = pipeline.report();
    assert_eq!((report.exported, report.ambiguous_retries), (4, 4));
}

#[test]
fn export_whose_answer_breaks_off_is_retried_and_counted_as_ambiguous() {
    let cut = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false);
    let (server, pipeline) = export(vec![cut, Answer::ok()], LONG, 4);
    assert_eq!(server.requests().len(), 2);
    let report = pipeline.report();
    assert_eq!((report.exported, report.ambiguous_retries), (4, 4));
}

#[test]
fn export_answered_in_another_protocol_is_dropped_and_says_so() {
    let garbage = Answer::raw("220 mail.example ESMTP\r\n", false);
    let (server, pipeline) = export(vec![garbage, Answer::ok()], LONG, 4);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(pipeline.report().dropped(DropReason::Rejected), 4);
    assert!(
        pipeline.said()[0].contains("not HTTP/1.1"),
        "{:?}",
        pipeline.said()
    );
}

#[test]
fn export_answered_200_with_a_web_page_counts_as_exported_and_says_so_once() {
    let page = || Answer::body("<!doctype html><title>Welcome</title>");
    let server = Server::start(vec![page(), page()]);
    let pipeline = Pipeline::new();
    let exporter = exporter(&settings(&server), &pipeline);
    pipeline.export(&exporter, vec![span("s")]);
    pipeline.export(&exporter, vec![span("s")]);
    assert_eq!(pipeline.report().exported, 2);
    let said = pipeline.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("no OTLP response"), "{said:?}");
}

#[test]
fn export_answered_with_endless_body_reads_a_bounded_part() {
    let endless = Answer::Endless;
    let begun = Instant::now();
    let (server, pipeline) = export(vec![endless], LONG, 1);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(pipeline.report().exported, 1);
    assert!(
        server.endless_bytes() < 64 << 20,
        "{}",
        server.endless_bytes()
    );
}

#[test]
fn export_partially_rejected_is_counted_and_never_resent() {
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 2,
            error_message: "too old".to_owned(),
        }),
    };
    let (server, pipeline) = export(
        vec![Answer::body(partial.encode_to_vec()), Answer::ok()],
        LONG,
        5,
    );
    assert_eq!(server.requests().len(), 1);
    let report = pipeline.report();
    assert_eq!(report.exported, 3);
    assert_eq!(report.dropped(DropReason::PartialSuccess), 2);
    assert!(pipeline.said()[0].contains("too old"));
}

#[test]
fn export_claimed_rejected_beyond_its_size_keeps_the_books() {
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: i64::MAX,
            error_message: String::new(),
        }),
    };
    let (_, pipeline) = export(vec![Answer::body(partial.encode_to_vec())], LONG, 5);
    let report = pipeline.report();
    assert_eq!(report.exported, 0);
    assert_eq!(report.dropped_total(), 5);
}

#[test]
fn export_after_an_outage_says_once_that_it_works_again() {
    let server = Server::start(vec![
        Answer::status(400),
        Answer::status(400),
        Answer::ok(),
        Answer::ok(),
    ]);
    let pipeline = Pipeline::new();
    let exporter = exporter(&settings(&server), &pipeline);
    for _ in 0..4 {
        pipeline.export(&exporter, vec![span("s")]);
    }
    let said = pipeline.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[1].ends_with("work again; 2 spans dropped so far"),
        "{said:?}"
    );
}

#[test]
fn endpoint_and_headers_given_nonsense_name_the_argument() {
    for text in [
        "",
        "localhost:4318",
        "ftp://localhost/",
        "http://",
        "http:// /",
        "/v1/traces",
    ] {
        let error = endpoint(text).unwrap_err();
        assert!(
            error.to_string().starts_with("`endpoint` is"),
            "{text}: {error}"
        );
    }
    let error = headers(&[("authorization".into(), "Bearer s3cret\n".into())]).unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn client_debug_output_hides_header_values() {
    let pipeline = Pipeline::new();
    let mut settings = otlp(Protocol::HttpProtobuf, "http://127.0.0.1:1/v1/traces");
    settings.headers = vec![("authorization".into(), "Bearer s3cret".into())];
    let exporter = exporter(&settings, &pipeline);
    assert!(!format!("{exporter:?}").contains("s3cret"));
    drop(Arc::new(exporter.shutdown()));
}

/// Runs the calling test anew in a process of its own with these variables, which no test may set
/// in a process that it shares with others. In that process it returns `true`, once.
fn in_child(test: &str, variables: &[(&str, &str)]) -> bool {
    const MARK: &str = "OTEL_ENHANCE_TEST_CHILD";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("export::http::tests::{test}"),
            "--nocapture",
        ])
        .env(MARK, "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

/// One export under a hostile environment, with settings that contradict all of it.
fn contradict_the_environment(protocol: Protocol) {
    let server = Server::start(vec![Answer::ok()]);
    let pipeline = Pipeline::new();
    let mut settings = settings(&server);
    settings.protocol = protocol;
    settings.headers = vec![("authorization".into(), "from code".into())];
    let exporter = exporter(&settings, &pipeline);
    pipeline.export(&exporter, vec![span("s")]);
    assert_eq!(pipeline.report().exported, 1, "{:?}", pipeline.said());
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(request.header("authorization"), Some("from code"));
    assert_eq!(request.header("x-env"), None);
    assert_eq!(request.header("x-env-traces"), None);
    assert_eq!(request.header("content-encoding"), None);
    match protocol {
        Protocol::HttpProtobuf => {
            assert_eq!(
                request.header("content-type"),
                Some("application/x-protobuf")
            );
            let body = ExportTraceServiceRequest::decode(&*request.body).unwrap();
            assert_eq!(body.resource_spans.len(), 1);
        }
        _ => {
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert!(request.body.starts_with(b"{\"resourceSpans\":["));
        }
    }
}

const HOSTILE: &[(&str, &str)] = &[
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ":: no URL ::"),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=env,x-env=1,content-type=text%2Fplain",
    ),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
];

#[test]
fn settings_under_a_hostile_environment_hold() {
    let traces = (
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "authorization=traces,x-env-traces=1",
    );
    let variables = [HOSTILE, &[traces]].concat();
    for variables in [HOSTILE, &variables] {
        if in_child("settings_under_a_hostile_environment_hold", variables) {
            return contradict_the_environment(Protocol::HttpProtobuf);
        }
    }
}

#[cfg(all(feature = "gzip", feature = "zstd"))]
#[test]
fn settings_without_compression_hold_although_the_environment_asks_for_it() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
    ] {
        let variables = [HOSTILE, &[(name, value)]].concat();
        let test = "settings_without_compression_hold_although_the_environment_asks_for_it";
        if in_child(test, &variables) {
            return contradict_the_environment(Protocol::HttpProtobuf);
        }
    }
}

#[cfg(feature = "otlp-json")]
#[test]
fn json_settings_under_a_hostile_environment_hold() {
    let variables = [HOSTILE, &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]].concat();
    if in_child("json_settings_under_a_hostile_environment_hold", &variables) {
        contradict_the_environment(Protocol::HttpJson);
    }
}

#[cfg(all(feature = "gzip", feature = "zstd", feature = "otlp-json"))]
#[test]
fn export_compressed_arrives_in_the_encoding_asked_for() {
    use super::super::testing::receiver::Scripted;
    use otel_enhance_receiver::{ContentType, Encoding};
    for (protocol, content_type) in [
        (Protocol::HttpProtobuf, ContentType::Protobuf),
        (Protocol::HttpJson, ContentType::Json),
    ] {
        for (compression, encoding) in [
            (Compression::Gzip, Encoding::Gzip),
            (Compression::Zstd, Encoding::Zstd),
            (Compression::None, Encoding::Identity),
        ] {
            let receiver = Scripted::start([], None);
            let pipeline = Pipeline::new();
            let mut settings = otlp(protocol, &receiver.endpoint(protocol));
            settings.compression = compression;
            let exporter = exporter(&settings, &pipeline);
            pipeline.export(&exporter, vec![span("s"); 100]);
            assert_eq!(
                receiver.seen(|request| (request.content_type, request.encoding)),
                [(content_type, encoding)]
            );
            assert_eq!(
                receiver.seen(otel_enhance_receiver::Request::span_count),
                [100]
            );
            assert_eq!(pipeline.report().exported, 100);
        }
    }
}

#[cfg(feature = "otlp-json")]
#[test]
fn json_carries_what_protobuf_carries() {
    use super::super::testing::receiver::Scripted;
    use opentelemetry::KeyValue;
    let receiver = Scripted::start([], None);
    let mut rich = span("rich");
    rich.attributes = vec![
        KeyValue::new("int", i64::MAX),
        KeyValue::new("double", 0.1),
        KeyValue::new("text", "ü\"\n"),
        KeyValue::new("bool", true),
        KeyValue::new("array", opentelemetry::Value::Array(vec![1_i64, -1].into())),
    ];
    rich.status = opentelemetry::trace::Status::error("no");
    let pipeline = Pipeline::new();
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let exporter = exporter(&otlp(protocol, &receiver.endpoint(protocol)), &pipeline);
        pipeline.export(&exporter, vec![rich.clone()]);
    }
    let messages = receiver.seen(|request| request.message.clone());
    assert_eq!(messages.len(), 2, "{:?}", pipeline.said());
    assert_eq!(messages[0], messages[1]);
}

#[test]
fn client_by_hand_works_where_tokio_is_not_and_passes_the_exporters_headers() {
    use opentelemetry_sdk::trace::SpanExporter;
    let server = Server::start(vec![Answer::status(503), Answer::ok(), Answer::status(418)]);
    let client = EnhancedHttpClient::builder()
        .with_error_handler(Arc::new(|_| {}))
        .build()
        .unwrap();
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_http_client(client)
        .with_retry_policy(RetryPolicy::disabled())
        .with_headers([("x-mine".to_owned(), "1".to_owned())].into())
        .with_endpoint(format!("http://{}/v1/traces", server.address))
        .build()
        .unwrap();
    let export = || crate::export::runtime::block_on(exporter.export(vec![span("s")]));
    export().unwrap();
    let error = export().unwrap_err();
    assert!(error.to_string().contains("418"), "{error}");
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1].header("x-mine"), Some("1"));
}
