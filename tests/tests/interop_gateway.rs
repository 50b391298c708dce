//! Two gateways with tracezip between them, in front of the real Collector: what applications in
//! several languages export arrives as if they had sent it there.
#![cfg(feature = "peers")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use otel_enhance_tests::collector_file::read_proto;
use otel_enhance_tests::loopback::sorted;
use otel_enhance_tests::peers::{Collector, Gateway, Service};
use otel_enhance_tests::sender::Sender;

const SENDER: &str = env!("CARGO_BIN_EXE_interop_sender");
const TIMEOUT: Duration = Duration::from_secs(30);

/// The Collector, the gateway in front of it, and the one in front of that.
fn line(grpc: bool) -> (Collector, Gateway, Gateway) {
    let collector = Collector::start();
    let to = collector.grpc_endpoint().replace("http", "grpc");
    let far = Gateway::start(&["--forward-to", &to]);
    let between = if grpc {
        far.gateway_endpoint()
    } else {
        far.http_endpoint()
    };
    let near = Gateway::start(&["--compress-to", &between]);
    (collector, far, near)
}

fn delivers(protocol: &str, grpc_between: bool) {
    let (mut collector, far, near) = line(grpc_between);
    let endpoint = match protocol {
        "grpc" => near.grpc_endpoint(),
        _ => near.http_endpoint(),
    };
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
    ];
    let record = Sender::start(SENDER, &[], &variables).finish();
    let made = sorted(record.made());
    assert!(made.len() > 1200, "the sender made {} spans", made.len());
    assert_eq!(record.exported, made.len() as u64);
    assert_eq!(record.dropped.len(), 0, "{:?}", record.dropped);
    assert_eq!(sorted(collector.wait_for_spans(made.len(), TIMEOUT)), made);
    assert!(near.metric("tracezip_frames_total") > 0);
    assert_eq!(near.metric("tracezip_fallbacks_total"), 0);
    assert_eq!(near.metric("output_spans_total"), made.len() as u64);
    assert_eq!(far.metric("output_spans_total"), made.len() as u64);
    assert!(near.stop().success());
    assert!(far.stop().success());
    collector.stop();
    assert_eq!(sorted(read_proto(&collector.proto_file()).unwrap()), made);
}

#[test]
fn collector_behind_two_gateways_has_every_span_sent_over_http() {
    delivers("http/protobuf", false);
}

#[test]
fn collector_behind_two_gateways_has_every_span_sent_over_grpc() {
    delivers("grpc", true);
}

#[test]
fn collector_behind_two_gateways_has_every_span_sent_as_json() {
    delivers("http/json", false);
}

/// The application's own exporter makes the frames.
#[test]
fn collector_behind_a_gateway_has_every_span_sent_as_frames() {
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start();
        let to = collector.grpc_endpoint().replace("http", "grpc");
        let gateway = Gateway::start(&["--forward-to", &to]);
        let endpoint = match protocol {
            "grpc" => gateway.grpc_endpoint(),
            _ => gateway.http_endpoint(),
        };
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("INTEROP_TRACEZIP", "1"),
        ];
        let record = Sender::start(SENDER, &[], &variables).finish();
        let made = sorted(record.made());
        assert!(made.len() > 1200, "the sender made {} spans", made.len());
        assert_eq!(
            (record.exported, record.dropped.len()),
            (made.len() as u64, 0)
        );
        assert_eq!(sorted(collector.wait_for_spans(made.len(), TIMEOUT)), made);
        let transport = protocol.split('/').next().unwrap();
        let frames =
            format!("received_requests_total{{transport=\"{transport}\",format=\"tracezip\"}}");
        assert!(gateway.metric(&frames) > 0);
        assert_eq!(gateway.metric("output_spans_total"), made.len() as u64);
        assert!(gateway.stop().success());
    }
}

#[test]
fn collector_behind_two_gateways_has_the_spans_of_python_and_javascript() {
    let (collector, far, near) = line(false);
    let endpoint = near.http_endpoint();
    let python = Service::python(&endpoint, "python");
    let javascript = Service::javascript(&endpoint, "javascript");
    let mut named = Vec::new();
    for _ in 0..20 {
        let first = python.call(Some(&javascript.url(None)), &[]);
        named.push(first.span_id.clone());
        named.push(first.next["span_id"].as_str().unwrap().to_owned());
    }
    // Each call makes a server span in both, and a client span in the first.
    let spans = collector.wait_for_spans(60, TIMEOUT);
    assert_eq!(spans.len(), 60, "the Collector said:\n{}", collector.log());
    let hex = |id: &[u8]| -> String { id.iter().map(|byte| format!("{byte:02x}")).collect() };
    let arrived: Vec<String> = spans.iter().map(|span| hex(&span.span.span_id)).collect();
    for id in &named {
        assert_eq!(arrived.iter().filter(|found| *found == id).count(), 1);
    }
    assert!(near.metric("tracezip_frames_total") > 0);
    assert_eq!(near.metric("tracezip_fallbacks_total"), 0);
    let (bytes, frames) = (
        near.metric("tracezip_framed_bytes_total"),
        near.metric("tracezip_frame_bytes_total"),
    );
    assert!(frames * 3 < bytes, "{frames} of {bytes}");
    assert!(far.stop().success());
}
