//! The peers themselves: each starts, takes what it should, and gives it back. What the library
//! makes of them is tested in the other `interop_*` files.
#![cfg(feature = "peers")]

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use otel_enhance_tests::collector_file::{self, CollectedSpan};
use otel_enhance_tests::peers::{Called, Collector, Jaeger, Service, post};
use prost::Message;

const PROTOBUF: &str = "application/x-protobuf";
const TIMEOUT: Duration = Duration::from_secs(20);

/// A request with one span, different in every field for each `seed`.
fn request(seed: u8) -> ExportTraceServiceRequest {
    let text = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value)),
        }),
        ..KeyValue::default()
    };
    let span = Span {
        trace_id: vec![seed; 16],
        span_id: vec![seed; 8],
        name: format!("span {seed}"),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_000_000_000 + u64::from(seed),
        attributes: vec![
            text("greeting", "grüß \"dich\"".to_owned()),
            KeyValue {
                key: "large".to_owned(),
                value: Some(AnyValue {
                    value: Some(Value::IntValue(i64::MIN)),
                }),
                ..KeyValue::default()
            },
        ],
        // Set, because the peers write an empty one where none was sent.
        status: Some(Status {
            message: "why".to_owned(),
            code: 2,
        }),
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![text("service.name", format!("sender {seed}"))],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn send(endpoint: &str, request: &ExportTraceServiceRequest) {
    let answer = post(
        &format!("{endpoint}/v1/traces"),
        PROTOBUF,
        &request.encode_to_vec(),
    );
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
}

fn sent(request: &ExportTraceServiceRequest) -> &Span {
    &request.resource_spans[0].scope_spans[0].spans[0]
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn collector_given_a_span_writes_it_to_both_files() {
    let mut collector = Collector::start();
    let request = request(7);
    send(&collector.http_endpoint(), &request);

    let spans = collector.wait_for_spans(1, TIMEOUT);
    assert_eq!(spans.len(), 1, "{}", collector.log());
    assert_eq!(&spans[0].span, sent(&request));
    assert_eq!(
        spans[0].resource,
        request.resource_spans[0].resource.clone().unwrap()
    );

    collector.stop();
    assert_eq!(
        collector_file::read_proto(&collector.proto_file()).unwrap(),
        spans
    );
}

#[test]
fn collector_given_garbage_refuses_it() {
    let collector = Collector::start();
    let answer = post(
        &format!("{}/v1/traces", collector.http_endpoint()),
        PROTOBUF,
        b"\xff\xff\xff",
    );
    assert_eq!(answer.status, 400);
    assert_eq!(collector.spans(), []);
}

#[test]
fn collector_stopped_and_started_again_keeps_ports_and_spans() {
    let mut collector = Collector::start();
    let endpoint = collector.http_endpoint();
    send(&endpoint, &request(1));
    let status = collector.stop().expect("it was running");
    assert!(status.success(), "{status}: SIGTERM is an orderly end");
    assert_eq!(
        collector.spans().len(),
        1,
        "what was accepted is written before the end"
    );

    collector.start_again();
    assert_eq!(collector.http_endpoint(), endpoint);
    send(&endpoint, &request(2));
    let mut names: Vec<String> = collector
        .wait_for_spans(2, TIMEOUT)
        .into_iter()
        .map(|collected| collected.span.name)
        .collect();
    names.sort();
    assert_eq!(names, ["span 1", "span 2"]);
}

#[test]
fn jaeger_given_a_span_tells_of_it() {
    let jaeger = Jaeger::start();
    let request = request(9);
    let id = hex(&[9; 16]);
    assert_eq!(jaeger.trace(&id), [], "nothing was sent yet");
    send(&jaeger.http_endpoint(), &request);

    let spans = jaeger.wait_for_trace(&id, 1, TIMEOUT);
    assert_eq!(spans.len(), 1);
    assert_eq!(&spans[0].span, sent(&request));
    assert_eq!(jaeger.services(), ["sender 9"]);
    assert_eq!(jaeger.traces_of("sender 9"), [id]);
}

/// A chain of both languages, in both orders: what each service says about its ids must be what
/// its spans say in the Collector.
#[test]
fn services_in_a_chain_continue_one_trace() {
    let collector = Collector::start();
    let python = Service::python(&collector.http_endpoint(), "py");
    let javascript = Service::javascript(&collector.http_endpoint(), "js");
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let headers = [
        (
            "traceparent",
            &*format!("00-{trace_id}-b7ad6b7169203331-01"),
        ),
        ("tracestate", "vendor=value"),
        ("baggage", "user=alice,tier=gold"),
    ];

    let first = python.call(Some(&javascript.url(Some(&python.url(None)))), &headers);
    let second: Called = serde_json::from_value(first.next.clone()).unwrap();
    let third: Called = serde_json::from_value(second.next.clone()).unwrap();

    assert_eq!(
        [&*first.language, &*second.language, &*third.language],
        ["python", "javascript", "python"]
    );
    assert_eq!(first.parent_span_id.as_deref(), Some("b7ad6b7169203331"));
    for called in [&first, &second, &third] {
        assert_eq!(called.trace_id, trace_id);
        assert!(called.sampled);
        assert_eq!(called.tracestate, "vendor=value");
        let baggage: Vec<_> = called
            .baggage
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(baggage, [("tier", "gold"), ("user", "alice")]);
    }
    assert_eq!(third.next, serde_json::Value::Null);

    // Three server spans and the client spans of the two calls between them.
    let spans = collector.wait_for_spans(5, TIMEOUT);
    assert_eq!(spans.len(), 5);
    let find = |id: &str| -> &CollectedSpan {
        spans
            .iter()
            .find(|collected| hex(&collected.span.span_id) == id)
            .expect("each service exported its span")
    };
    for (caller, called) in [(&first, &second), (&second, &third)] {
        let client = find(called.parent_span_id.as_deref().unwrap());
        assert_eq!(hex(&client.span.parent_span_id), caller.span_id);
        assert_eq!(client.resource, find(&caller.span_id).resource);
    }
    assert!(
        spans
            .iter()
            .all(|collected| hex(&collected.span.trace_id) == trace_id)
    );
}
