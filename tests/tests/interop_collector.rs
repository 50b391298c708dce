//! What `init!` exports, read back from the real Collector and compared span by span.
#![cfg(feature = "peers")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use otel_enhance_tests::certificates::Certificates;
use otel_enhance_tests::collector_file::{CollectedSpan, read_proto};
use otel_enhance_tests::peers::Collector;
use otel_enhance_tests::sender::Sender;

const SENDER: &str = env!("CARGO_BIN_EXE_interop_sender");
const TIMEOUT: Duration = Duration::from_secs(30);

/// By their ids, and every list of attributes by key: their order means nothing.
fn sorted(mut spans: Vec<CollectedSpan>) -> Vec<CollectedSpan> {
    for collected in &mut spans {
        collected
            .resource
            .attributes
            .sort_by(|a, b| a.key.cmp(&b.key));
        collected.span.attributes.sort_by(|a, b| a.key.cmp(&b.key));
    }
    spans.sort_by(|a, b| a.span.span_id.cmp(&b.span.span_id));
    spans
}

/// Runs the sender against `collector`; every span that it made must be in both of the
/// Collector's files, equal in every field.
fn delivers(mut collector: Collector, endpoint: &str, variables: &[(&str, &str)]) {
    let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
    all.extend_from_slice(variables);
    let record = Sender::start(SENDER, &[], &all).finish();
    let made = sorted(record.made());
    assert!(made.len() > 1200, "the sender made {} spans", made.len());
    assert_eq!(record.exported, made.len() as u64);
    assert_eq!(record.dropped.len(), 0, "{:?}", record.dropped);

    let arrived = sorted(collector.wait_for_spans(made.len(), TIMEOUT));
    assert_eq!(
        arrived.len(),
        made.len(),
        "the Collector said:\n{}",
        collector.log()
    );
    for (arrived, made) in arrived.iter().zip(&made) {
        assert_eq!(arrived, made);
    }
    collector.stop();
    assert_eq!(sorted(read_proto(&collector.proto_file()).unwrap()), made);
}

fn delivers_over_http(variables: &[(&str, &str)]) {
    let collector = Collector::start();
    let endpoint = collector.http_endpoint();
    delivers(collector, &endpoint, variables);
}

fn delivers_over_grpc(variables: &[(&str, &str)]) {
    let collector = Collector::start();
    let endpoint = collector.grpc_endpoint();
    let mut all = vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    all.extend_from_slice(variables);
    delivers(collector, &endpoint, &all);
}

#[test]
fn collector_given_http_protobuf_has_every_span() {
    delivers_over_http(&[]);
}

#[test]
fn collector_given_http_protobuf_with_gzip_has_every_span() {
    delivers_over_http(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]);
}

#[test]
fn collector_given_http_protobuf_with_zstd_has_every_span() {
    delivers_over_http(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")]);
}

#[test]
fn collector_given_http_json_has_every_span() {
    delivers_over_http(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
}

#[test]
fn collector_given_http_json_with_gzip_has_every_span() {
    delivers_over_http(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
}

#[test]
fn collector_given_http_json_with_zstd_has_every_span() {
    delivers_over_http(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
    ]);
}

#[test]
fn collector_given_grpc_has_every_span() {
    delivers_over_grpc(&[]);
}

#[test]
fn collector_given_grpc_with_gzip_has_every_span() {
    delivers_over_grpc(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]);
}

#[test]
fn collector_given_grpc_with_zstd_has_every_span() {
    delivers_over_grpc(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")]);
}

const SIMD: (&str, &str) = ("INTEROP_SIMD", "1");

#[test]
fn collector_given_http_protobuf_by_simd_has_every_span() {
    delivers_over_http(&[SIMD]);
}

#[test]
fn collector_given_http_protobuf_with_zstd_by_simd_has_every_span() {
    delivers_over_http(&[SIMD, ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")]);
}

#[test]
fn collector_given_http_json_by_simd_has_every_span() {
    delivers_over_http(&[SIMD, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
}

#[test]
fn collector_given_http_json_with_gzip_by_simd_has_every_span() {
    delivers_over_http(&[
        SIMD,
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
}

#[test]
fn collector_given_grpc_by_simd_has_every_span() {
    delivers_over_grpc(&[SIMD]);
}

#[test]
fn collector_given_grpc_with_gzip_by_simd_has_every_span() {
    delivers_over_grpc(&[SIMD, ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]);
}

#[derive(Clone, Copy)]
enum Protocol {
    Http,
    Grpc,
}

fn delivers_over_tls(protocol: Protocol, mutual: bool) {
    let certificates = Certificates::generate();
    let (server, key) = (certificates.server(), certificates.server_key());
    let collector = if mutual {
        Collector::builder()
            .with_mutual_tls(&server, &key, &certificates.authority())
            .start()
    } else {
        Collector::builder().with_tls(&server, &key).start()
    };
    let (protocol, endpoint) = match protocol {
        Protocol::Http => ("http/protobuf", collector.http_endpoint()),
        Protocol::Grpc => ("grpc", collector.grpc_endpoint()),
    };
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let (authority, client) = (path(certificates.authority()), path(certificates.client()));
    let client_key = path(certificates.client_key());
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.as_str()),
    ];
    if mutual {
        variables.push(("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client.as_str()));
        variables.push(("OTEL_EXPORTER_OTLP_CLIENT_KEY", client_key.as_str()));
    }
    delivers(collector, &endpoint, &variables);
}

#[test]
fn collector_over_http_with_tls_has_every_span() {
    delivers_over_tls(Protocol::Http, false);
}

#[test]
fn collector_over_http_with_mutual_tls_has_every_span() {
    delivers_over_tls(Protocol::Http, true);
}

#[test]
fn collector_over_grpc_with_tls_has_every_span() {
    delivers_over_tls(Protocol::Grpc, false);
}

#[test]
fn collector_over_grpc_with_mutual_tls_has_every_span() {
    delivers_over_tls(Protocol::Grpc, true);
}
