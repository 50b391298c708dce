//! Written requests over both transports, against a real receiver.

use std::time::Duration;

use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanExporter;
use otel_enhance_receiver::{
    ContentType, Encoding, GrpcCode, Outcome as Answer, Refusal, Request, Transport,
};
use prost::Message;

use super::super::report::DropReason;
use super::super::testing::receiver::Scripted;
use super::super::testing::{Pipeline, otlp, span};
use super::*;
use crate::config::Compression;
use crate::export::ErasedExporter;

const PROTOCOLS: [Protocol; 3] = [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc];

fn resource() -> Resource {
    Resource::builder_empty().with_service_name("shop").build()
}

/// The exporter that a pipeline would have, up to the processor.
fn exporter(settings: &OtlpSettings, pipeline: &Pipeline) -> ErasedExporter {
    let sink = EncodedSink::new(settings, &pipeline.shared).unwrap();
    let mut exporter = pipeline.erase(Box::new(sink), Duration::from_secs(20));
    exporter.set_resource(&resource());
    exporter
}

fn batch() -> Vec<SpanData> {
    (0..100)
        .map(|index| {
            let mut span = span("s");
            span.attributes = vec![
                KeyValue::new("index", index),
                KeyValue::new("url", format!("https://example.com/carts/{index}")),
            ];
            span
        })
        .collect()
}

/// What the official exporter would have sent.
fn official() -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: group_spans_by_resource_and_scope(batch(), &(&resource()).into()),
    }
}

#[test]
fn export_over_any_protocol_and_compression_arrives_as_the_official_one_does() {
    for protocol in PROTOCOLS {
        for (compression, encoding) in [
            (Compression::None, Encoding::Identity),
            (Compression::Gzip, Encoding::Gzip),
            (Compression::Zstd, Encoding::Zstd),
        ] {
            let receiver = Scripted::start([], None);
            let pipeline = Pipeline::new();
            let mut settings = otlp(protocol, &receiver.endpoint(protocol));
            settings.compression = compression;
            settings.headers = vec![("x-tenant".into(), "blue".into())];
            let exporter = exporter(&settings, &pipeline);
            pipeline.export(&exporter, batch());
            pipeline.export(&exporter, batch());

            let (transport, content_type) = match protocol {
                Protocol::Grpc => (Transport::Grpc, ContentType::Protobuf),
                Protocol::HttpJson => (Transport::Http, ContentType::Json),
                _ => (Transport::Http, ContentType::Protobuf),
            };
            let case = format!("{protocol:?} {compression:?}: {:?}", pipeline.said());
            let came = receiver.seen(|request| {
                let tenant = request.head.header("x-tenant") == Some("blue");
                (
                    request.head.transport,
                    request.content_type,
                    request.encoding,
                    tenant,
                )
            });
            assert_eq!(
                came,
                [(transport, content_type, encoding, true); 2],
                "{case}"
            );
            for message in receiver.seen(|request| request.message.clone()) {
                assert_eq!(message, official(), "{case}");
            }
            if protocol != Protocol::HttpJson {
                for body in receiver.seen(|request| request.body.clone()) {
                    assert!(*body == *official().encode_to_vec(), "{case}");
                }
            }
            assert_eq!(pipeline.report().exported, 200, "{case}");
        }
    }
}

#[test]
fn export_refused_for_a_while_is_sent_again_byte_for_byte_and_counted() {
    for protocol in PROTOCOLS {
        let busy = Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            GrpcCode::Unavailable,
            "busy",
        );
        let receiver = Scripted::start([Answer::Refused(busy)], None);
        let pipeline = Pipeline::new();
        let exporter = exporter(&otlp(protocol, &receiver.endpoint(protocol)), &pipeline);
        pipeline.export(&exporter, batch());
        let bodies = receiver.seen(|request| request.body.clone());
        assert_eq!(bodies.len(), 2, "{protocol:?}");
        assert!(bodies[0] == bodies[1], "{protocol:?}");
        let report = pipeline.report();
        assert_eq!(
            (report.exported, report.ambiguous_retries),
            (100, 100),
            "{protocol:?}"
        );
    }
}

#[test]
fn export_refused_for_good_is_dropped_as_rejected_after_one_attempt() {
    for protocol in PROTOCOLS {
        let no = Refusal::new(StatusCode::BAD_REQUEST, GrpcCode::InvalidArgument, "no");
        let receiver = Scripted::start([Answer::Refused(no)], None);
        let pipeline = Pipeline::new();
        let exporter = exporter(&otlp(protocol, &receiver.endpoint(protocol)), &pipeline);
        pipeline.export(&exporter, batch());
        assert_eq!(receiver.seen(Request::span_count), [100], "{protocol:?}");
        let report = pipeline.report();
        assert_eq!(report.dropped(DropReason::Rejected), 100, "{protocol:?}");
        assert_eq!(report.exported, 0, "{protocol:?}");
    }
}

#[test]
fn export_after_shutdown_is_dropped_without_being_sent() {
    let receiver = Scripted::start([], None);
    let pipeline = Pipeline::new();
    let protocol = Protocol::HttpProtobuf;
    let exporter = exporter(&otlp(protocol, &receiver.endpoint(protocol)), &pipeline);
    exporter.shutdown().unwrap();
    pipeline.export(&exporter, batch());
    assert_eq!(receiver.seen(Request::span_count), [0_usize; 0]);
    assert_eq!(pipeline.report().dropped(DropReason::AfterShutdown), 100);
}

#[test]
fn endpoint_that_is_no_url_is_refused_for_each_protocol() {
    let pipeline = Pipeline::new();
    for protocol in PROTOCOLS {
        let refused = EncodedSink::new(&otlp(protocol, "collector"), &pipeline.shared);
        assert!(
            matches!(
                refused,
                Err(InitError::InvalidArgument {
                    argument: "endpoint",
                    ..
                })
            ),
            "{protocol:?}: {refused:?}"
        );
    }
}
