//! What goes in comes out, byte for byte.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use otel_enhance_receiver::{ContentType, Encoding, Transport};
use prost::Message;
use tonic::codec::CompressionEncoding;

use crate::common::{
    JSON, PATIENCE, PROTOBUF, bodies, destination, encoded, endpoint, gateway, grpc_url, http_url,
    metric, post, request,
};

fn compressed(name: &str, body: &Bytes) -> Bytes {
    match name {
        "gzip" => {
            use std::io::Write;
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap().into()
        }
        "zstd" => zstd::encode_all(&**body, 3).unwrap().into(),
        _ => body.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transport_and_coding_forwards_the_bytes_that_came() {
    for grpc in [false, true] {
        for (coding, expected) in [
            ("none", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("zstd", Encoding::Zstd),
        ] {
            let (receiver, store) = destination().await;
            let to = endpoint(&receiver, grpc);
            let gateway = gateway(&format!(
                "outputs: [{{ otlp: {{ endpoint: '{to}', compression: {coding} }} }}]"
            ))
            .await;
            let mut sent = Vec::new();
            for (number, incoming) in (1..).zip(["identity", "gzip", "zstd"]) {
                // Unknown fields survive too.
                let mut body = encoded(number, 20).to_vec();
                body.extend_from_slice(&[0xba, 0x3e, 3, b'o', b'd', b'd']);
                let body = Bytes::from(body);
                let headers = [("content-encoding", incoming)];
                let wire = compressed(incoming, &body);
                let reply = post(&http_url(&gateway), PROTOBUF, &headers, &wire).await;
                assert_eq!(reply.status, 200);
                assert_eq!(reply.body, "");
                sent.push(body);
            }
            let mut client = TraceServiceClient::connect(grpc_url(&gateway))
                .await
                .unwrap()
                .send_compressed(CompressionEncoding::Gzip);
            client.export(request("shop", 9, 5)).await.unwrap();
            sent.push(encoded(9, 5));

            assert_eq!(bodies(&store), sent, "{to} {coding}");
            for request in store.requests() {
                assert_eq!(request.encoding, expected, "{to}");
                let transport = if grpc {
                    Transport::Grpc
                } else {
                    Transport::Http
                };
                assert_eq!(request.head.transport, transport);
            }
            assert_eq!(metric(&gateway, "output_spans_total").await, 65);
            gateway.shutdown(PATIENCE).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_stays_json_over_http_and_becomes_protobuf_over_grpc() {
    let body: Bytes = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
        "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"hello"}]}]}]}"#
        .into();
    for grpc in [false, true] {
        let (receiver, store) = destination().await;
        let to = endpoint(&receiver, grpc);
        let gateway = gateway(&format!("outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]")).await;
        let reply = post(&http_url(&gateway), JSON, &[], &body).await;
        assert_eq!((reply.status.as_u16(), &*reply.body), (200, &b"{}"[..]));
        let requests = store.requests();
        if grpc {
            assert_eq!(requests[0].content_type, ContentType::Protobuf);
        } else {
            assert_eq!(requests[0].content_type, ContentType::Json);
            assert_eq!(requests[0].body, body);
        }
        assert_eq!(store.spans()[0].span.name, "hello");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_outputs_all_get_each_request_and_headers_and_tenants_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans.pbld");
    let (receiver, store) = destination().await;
    let (http, grpc) = (endpoint(&receiver, false), endpoint(&receiver, true));
    let gateway = gateway(&format!(
        "tenant_header: X-Tenant
outputs:
- otlp: {{ endpoint: '{http}', headers: {{ X-Key: secret }}, tenant_header: X-Org }}
- otlp: {{ endpoint: '{grpc}', headers: {{ X-Key: secret }}, tenant_header: X-Org }}
- file: {{ path: '{}', sync: machine }}",
        path.display()
    ))
    .await;
    for number in 1..=3 {
        let headers = [("x-tenant", "a")];
        let reply = post(&http_url(&gateway), PROTOBUF, &headers, &encoded(number, 2)).await;
        assert_eq!(reply.status, 200);
    }
    let requests = store.requests();
    assert_eq!(requests.len(), 6);
    for request in requests {
        assert_eq!(request.head.header("x-key"), Some("secret"));
        assert_eq!(request.head.header("x-org"), Some("a"));
    }
    let mut expected = Vec::new();
    for number in 1..=3 {
        let message = request("shop", number, 2);
        message.encode_length_delimited(&mut expected).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_request_is_forwarded_and_accepted() {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, true);
    let gateway = gateway(&format!("outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]")).await;
    let reply = post(&http_url(&gateway), PROTOBUF, &[], &Bytes::new()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        store.requests()[0].message,
        ExportTraceServiceRequest::default()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_that_does_not_know_zstd_gets_gzip() {
    use otel_enhance_receiver::{BoxFuture, Hook, Refusal, RequestHead, Verdict};

    struct NoZstd;
    impl Hook for NoZstd {
        fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
            let zstd = ["content-encoding", "grpc-encoding"]
                .iter()
                .any(|name| head.header(name) == Some("zstd"));
            let verdict = if !zstd {
                Verdict::Continue
            } else if head.transport == Transport::Http {
                Verdict::Refuse(Refusal::from_http_status(
                    http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "no zstd here",
                ))
            } else {
                Verdict::Refuse(Refusal::from_http_status(
                    http::StatusCode::NOT_FOUND,
                    "none",
                ))
            };
            Box::pin(std::future::ready(verdict))
        }
    }

    for grpc in [false, true] {
        let store = otel_enhance_receiver::Store::new();
        let receiver = crate::common::plain_destination()
            .with_handler(store.clone())
            .with_hook(NoZstd)
            .start()
            .await
            .unwrap();
        let to = endpoint(&receiver, grpc);
        let gateway = gateway(&format!(
            "outputs: [{{ otlp: {{ endpoint: '{to}', compression: zstd }} }}]"
        ))
        .await;
        for number in 1..=2 {
            let reply = post(&http_url(&gateway), PROTOBUF, &[], &encoded(number, 2)).await;
            assert_eq!(reply.status, 200);
        }
        assert_eq!(bodies(&store), [encoded(1, 2), encoded(2, 2)]);
        // The second request was not tried by zstd any more.
        assert_eq!(receiver.stats().requests, 3);
        assert!(
            store
                .requests()
                .iter()
                .all(|request| request.encoding == Encoding::Gzip)
        );
    }
}
