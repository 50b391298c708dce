//! OTLP/gRPC over real sockets, with tonic's client.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::{encoded, request};
use http::StatusCode;
use otel_enhance_receiver::proto::collector::trace::v1::trace_service_client::TraceServiceClient;
use otel_enhance_receiver::{
    BoxFuture, Encoding, Faults, GrpcCode, Hook, Limits, Outcome, RawReply, RawRequest, Receiver,
    ReceiverBuilder, Refusal, Request, RequestHead, Store, Transport, Verdict, channel,
};
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic_types::StatusExt;

async fn serve(builder: ReceiverBuilder) -> (Receiver, SocketAddr) {
    let receiver = builder.with_grpc("127.0.0.1:0").start().await.unwrap();
    let address = receiver.grpc_addr().unwrap();
    (receiver, address)
}

async fn client(address: SocketAddr) -> TraceServiceClient<Channel> {
    TraceServiceClient::connect(format!("http://{address}"))
        .await
        .unwrap()
}

#[tokio::test]
async fn export_is_decoded_and_acknowledged() {
    let store = Store::new();
    let (receiver, address) = serve(Receiver::builder().with_handler(store.clone())).await;
    let mut message = tonic::Request::new(request(2));
    message
        .metadata_mut()
        .insert("x-tenant", "a".parse().unwrap());
    let reply = client(address).await.export(message).await.unwrap();
    assert_eq!(reply.into_inner().partial_success, None);
    let spans = store
        .wait_for_spans_async(2, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(spans.len(), 2);
    let got = &store.requests()[0];
    assert_eq!(got.message, request(2));
    assert_eq!(got.body, encoded(2));
    assert_eq!(got.wire_size, encoded(2).len());
    assert_eq!(got.head.transport, Transport::Grpc);
    assert_eq!(got.head.header("x-tenant"), Some("a"));
    let stats = receiver.stats();
    assert_eq!((stats.succeeded, stats.refused), (1, 0));
}

#[tokio::test]
async fn compressed_exports_are_undone() {
    let store = Store::new();
    let (_receiver, address) = serve(Receiver::builder().with_handler(store.clone())).await;
    for (index, (theirs, ours)) in [
        (CompressionEncoding::Gzip, Encoding::Gzip),
        (CompressionEncoding::Zstd, Encoding::Zstd),
    ]
    .into_iter()
    .enumerate()
    {
        client(address)
            .await
            .send_compressed(theirs)
            .accept_compressed(theirs)
            .export(request(50))
            .await
            .unwrap();
        let got = &store.requests()[index];
        assert_eq!(got.message, request(50));
        assert_eq!(got.encoding, ours);
        assert!(got.wire_size < got.body.len() / 2);
    }
}

#[tokio::test]
async fn partial_success_arrives_whole() {
    let (_receiver, address) = serve(Receiver::builder().with_handler(|_: Request| async {
        Outcome::PartialSuccess {
            rejected_spans: 4,
            message: "ü".to_owned(),
        }
    }))
    .await;
    let reply = client(address).await.export(request(1)).await.unwrap();
    let partial = reply.into_inner().partial_success.unwrap();
    assert_eq!(
        (partial.rejected_spans, partial.error_message.as_str()),
        (4, "ü")
    );
}

#[tokio::test]
async fn every_outcome_has_its_code_and_its_time_to_wait() {
    let message = || "bücause\n%".to_owned();
    let delay = Duration::from_millis(1500);
    for (outcome, code, retry_after) in [
        (
            Outcome::Busy { retry_after: delay },
            GrpcCode::ResourceExhausted,
            Some(delay),
        ),
        (
            Outcome::Unavailable {
                retry_after: Some(delay),
                message: message(),
            },
            GrpcCode::Unavailable,
            Some(delay),
        ),
        (
            Outcome::Unavailable {
                retry_after: None,
                message: message(),
            },
            GrpcCode::Unavailable,
            None,
        ),
        (
            Outcome::Rejected { message: message() },
            GrpcCode::InvalidArgument,
            None,
        ),
        (
            Outcome::Unauthorized { message: message() },
            GrpcCode::Unauthenticated,
            None,
        ),
        (
            Outcome::Forbidden { message: message() },
            GrpcCode::PermissionDenied,
            None,
        ),
        (
            Outcome::Failed { message: message() },
            GrpcCode::Internal,
            None,
        ),
    ] {
        let answer = outcome.clone();
        let (receiver, address) = serve(
            Receiver::builder().with_handler(move |_: Request| std::future::ready(answer.clone())),
        )
        .await;
        let status = client(address).await.export(request(1)).await.unwrap_err();
        assert_eq!(status.code(), code, "{outcome:?}");
        if !matches!(outcome, Outcome::Busy { .. }) {
            assert_eq!(status.message(), message());
        }
        let told = status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay);
        assert_eq!(told, retry_after, "{outcome:?}");
        assert_eq!(receiver.stats().refused, 1);
    }
}

#[tokio::test]
async fn full_channel_is_resource_exhausted_with_retry_info() {
    let (handler, _requests) = channel(1);
    let (_receiver, address) = serve(Receiver::builder().with_handler(handler)).await;
    let mut client = client(address).await;
    client.export(request(1)).await.unwrap();
    let status = client.export(request(1)).await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn oversized_message_is_resource_exhausted_without_retry_info() {
    let limits = Limits::default()
        .with_max_body_bytes(20_000)
        .with_max_decompressed_bytes(20_000);
    let (_receiver, address) = serve(Receiver::builder().with_limits(limits)).await;
    let mut plain = client(address).await;
    let mut gzip = client(address)
        .await
        .send_compressed(CompressionEncoding::Gzip);
    plain.export(request(10)).await.unwrap();
    for client in [&mut plain, &mut gzip] {
        let status = client.export(request(1000)).await.unwrap_err();
        assert_eq!(status.code(), GrpcCode::ResourceExhausted);
        assert!(status.message().contains("20000 bytes"), "{status}");
        assert!(status.get_details_retry_info().is_none());
    }
    plain.export(request(10)).await.unwrap();
}

#[tokio::test]
async fn handler_that_panics_is_internal_and_the_connection_serves_on() {
    let (receiver, address) = serve(Receiver::builder().with_handler(
        |request: Request| async move {
            assert!(request.span_count() > 1, "on purpose");
            Outcome::Accepted
        },
    ))
    .await;
    let mut client = client(address).await;
    let status = client.export(request(1)).await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::Internal);
    client.export(request(2)).await.unwrap();
    assert_eq!(receiver.stats().connections, 1);
}

#[tokio::test]
async fn calls_at_once_on_one_connection_are_all_served() {
    let store = Store::new();
    let (receiver, address) = serve(
        Receiver::builder()
            .with_handler(store.clone())
            .with_hook(Faults::new().with_latency(Duration::from_millis(50))),
    )
    .await;
    let client = client(address).await;
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.export(request(1)).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(store.span_count(), 300);
    assert_eq!(receiver.stats().connections, 1);
}

/// A raw codec, as a client of its own service would have it.
#[derive(Clone, Default)]
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn encode(
        &mut self,
        item: Vec<u8>,
        buffer: &mut tonic::codec::EncodeBuf<'_>,
    ) -> Result<(), tonic::Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn decode(
        &mut self,
        buffer: &mut tonic::codec::DecodeBuf<'_>,
    ) -> Result<Option<Vec<u8>>, tonic::Status> {
        let mut bytes = vec![0; bytes::Buf::remaining(buffer)];
        bytes::Buf::copy_to_slice(buffer, &mut bytes);
        Ok(Some(bytes))
    }
}

pub(crate) async fn call(
    address: SocketAddr,
    path: &'static str,
    body: &[u8],
) -> Result<Vec<u8>, tonic::Status> {
    let channel = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    grpc.unary(
        tonic::Request::new(body.to_vec()),
        http::uri::PathAndQuery::from_static(path),
        Raw,
    )
    .await
    .map(tonic::Response::into_inner)
}

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

#[tokio::test]
async fn malformed_message_is_invalid_argument_and_unknown_method_is_unimplemented() {
    let (_receiver, address) = serve(Receiver::builder()).await;
    let status = call(address, EXPORT, b"\xff\xff\xff").await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::InvalidArgument);
    for path in [
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Other",
    ] {
        let status = call(address, path, b"").await.unwrap_err();
        assert_eq!(status.code(), GrpcCode::Unimplemented);
        assert!(status.message().contains(path));
    }
}

struct OwnService;

impl Hook for OwnService {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            match head.path.as_str() {
                "/own.Service/Call" => Verdict::Take,
                "/own.Service/Closed" => Verdict::Refuse(Refusal::from_http_status(
                    StatusCode::UNAUTHORIZED,
                    "who are you?",
                )),
                _ => Verdict::Continue,
            }
        })
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        Box::pin(async move {
            assert!(!request.compressed);
            if request.body.is_empty() {
                return RawReply::Outcome(Outcome::Rejected {
                    message: "empty".to_owned(),
                });
            }
            RawReply::Message(request.body.iter().rev().copied().collect())
        })
    }
}

#[tokio::test]
async fn hook_serves_a_method_of_its_own() {
    let (_receiver, address) = serve(Receiver::builder().with_hook(OwnService)).await;
    assert_eq!(
        call(address, "/own.Service/Call", b"abc").await.unwrap(),
        b"cba"
    );
    let status = call(address, "/own.Service/Call", b"").await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::InvalidArgument);
    let status = call(address, "/own.Service/Closed", b"x")
        .await
        .unwrap_err();
    assert_eq!(status.code(), GrpcCode::Unauthenticated);
    client(address).await.export(request(1)).await.unwrap();
}

#[tokio::test]
async fn faults_come_over_grpc_as_well() {
    let faults = Faults::new()
        .with_status(StatusCode::TOO_MANY_REQUESTS)
        .with_retry_after(Duration::from_secs(3))
        .with_first_requests(1);
    let (_receiver, address) = serve(Receiver::builder().with_hook(faults)).await;
    let mut tested = client(address).await;
    let status = tested.export(request(1)).await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::ResourceExhausted);
    let info = status.get_details_retry_info().unwrap();
    assert_eq!(info.retry_delay, Some(Duration::from_secs(3)));
    tested.export(request(1)).await.unwrap();

    let (_receiver, address) =
        serve(Receiver::builder().with_hook(Faults::new().with_garbage())).await;
    client(address).await.export(request(1)).await.unwrap_err();
}

#[tokio::test]
async fn plain_http_on_the_grpc_port_gets_no_answer_and_serves_on() {
    let (receiver, address) = serve(Receiver::builder()).await;
    let text = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = crate::common::connect(address);
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        // Closed or reset, and in any case at once.
        stream.read_to_end(&mut answer).ok();
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
    .unwrap();
    assert!(!text.contains("200 OK"), "{text}");
    client(address).await.export(request(1)).await.unwrap();
    assert_eq!(receiver.stats().failed_connections, 1);
}
