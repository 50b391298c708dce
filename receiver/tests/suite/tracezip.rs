//! Frames of tracezip over real sockets: what is delivered, what is answered, and what is told apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use otel_enhance_receiver::proto::collector::trace::v1::ExportTraceServiceResponse;
use otel_enhance_receiver::{
    BlockingReceiver, BoxFuture, Encoding, GrpcCode, Handler, Hook, Limits, Outcome, Receiver,
    ReceiverBuilder, Request, RequestHead, Store, Tracezip, Verdict,
};
use prost::Message;
use tracezip::{Acknowledgement, CONTENT_CODING, Encoder, GRPC_PATH, find_answer, put_probe};

use crate::common::{JSON, PROTOBUF, Reply, encoded, post, request, until};
use crate::grpc::call;

const FRAME: (&str, &str) = ("content-encoding", CONTENT_CODING);

fn start(builder: ReceiverBuilder) -> (BlockingReceiver, SocketAddr) {
    let receiver = builder
        .with_http("127.0.0.1:0")
        .with_grpc("127.0.0.1:0")
        .with_tracezip(Tracezip::default())
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    (receiver, address)
}

fn serve(handler: impl Handler) -> (BlockingReceiver, SocketAddr) {
    start(Receiver::builder().with_handler(handler))
}

fn send(address: SocketAddr, frame: &[u8]) -> Reply {
    post(address, &[PROTOBUF, FRAME], frame)
}

fn answer(reply: &Reply) -> Acknowledgement {
    find_answer(&reply.body).unwrap().unwrap().unwrap()
}

fn frame(encoder: &mut Encoder, request: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encoder.encode(request, &mut frame);
    frame
}

fn probe() -> Vec<u8> {
    let mut probe = Vec::new();
    put_probe(&mut probe);
    probe
}

#[test]
fn frames_arrive_as_the_requests_that_they_hold() {
    let store = Store::new();
    let (receiver, address) = serve(store.clone());
    let mut encoder = Encoder::new([1; 16]);
    let mut sizes = Vec::new();
    for spans in [3, 3, 3, 3] {
        let frame = frame(&mut encoder, &encoded(spans));
        sizes.push(frame.len());
        let reply = send(address, &frame);
        assert_eq!(reply.status, 200);
        // Whoever knows nothing of tracezip reads an ordinary response.
        let plain = ExportTraceServiceResponse::decode(&*reply.body).unwrap();
        assert_eq!(plain, ExportTraceServiceResponse::default());
        encoder.acknowledge(&answer(&reply));
    }
    // What was told once is not told again.
    assert!(sizes[3] * 2 < sizes[0], "{sizes:?}");
    for (got, size) in store.requests().iter().zip(sizes) {
        assert_eq!(got.message, request(3));
        assert_eq!(got.body, encoded(3));
        assert_eq!((got.encoding, got.wire_size), (Encoding::Tracezip, size));
    }
    let stats = receiver.tracezip_stats().unwrap();
    assert_eq!((stats.frames, stats.streams), (4, 1));
    assert_eq!(stats.decoded_bytes, 4 * encoded(3).len() as u64);
    assert!(stats.state_bytes > 0);
}

#[test]
fn probe_is_answered_and_not_delivered() {
    let store = Store::new();
    let (_receiver, address) = serve(store.clone());
    let reply = send(address, &probe());
    assert_eq!(reply.status, 200);
    assert_eq!(find_answer(&reply.body), Some(Ok(None)));
    assert!(store.requests().is_empty());
}

#[test]
fn receiver_that_was_not_asked_to_take_frames_says_so() {
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .start_blocking()
        .unwrap();
    assert!(receiver.tracezip_stats().is_none());
    let reply = send(receiver.http_addr().unwrap(), &probe());
    assert_eq!(reply.status, 415);
    assert_eq!(
        reply.header("accept-encoding"),
        Some("gzip, zstd, deflate, identity")
    );
    assert_eq!(find_answer(&reply.body), None);
}

#[test]
fn unknown_coding_is_told_that_tracezip_is_among_the_known_ones() {
    let (_receiver, address) = serve(Store::new());
    let reply = post(address, &[PROTOBUF, ("content-encoding", "br")], b"x");
    let accepted = reply.header("accept-encoding").unwrap();
    assert!(accepted.ends_with("tracezip1"), "{accepted}");
    // A frame is of protobuf.
    assert_eq!(post(address, &[JSON, FRAME], &probe()).status, 415);
}

#[test]
fn refused_spans_are_acknowledged_and_delivered_when_they_come_again() {
    let calls = Arc::new(AtomicU64::new(0));
    let store = Store::new();
    let (counted, kept) = (Arc::clone(&calls), store.clone());
    let handler = move |request: Request| {
        let kept = kept.clone();
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match call {
                0 => Outcome::Busy {
                    retry_after: Duration::from_secs(1),
                },
                1 => Outcome::Unavailable {
                    retry_after: None,
                    message: "away".to_owned(),
                },
                2 => Outcome::Rejected {
                    message: "no".to_owned(),
                },
                _ => kept.export(request).await,
            }
        }
    };
    let (receiver, address) = serve(handler);
    let mut encoder = Encoder::new([2; 16]);
    let frame = frame(&mut encoder, &encoded(2));
    for status in [429, 503, 400, 200, 200, 200] {
        let reply = send(address, &frame);
        assert_eq!(reply.status, status);
        assert_eq!(answer(&reply).sequence, 1);
        assert!(!answer(&reply).state_lost);
        if status != 200 {
            assert!(!reply.rpc_status().message.is_empty());
        }
    }
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    assert_eq!(store.span_count(), 2);
    assert_eq!(receiver.tracezip_stats().unwrap().repeated_frames, 5);
}

#[test]
fn partial_success_is_told_to_a_repetition_too() {
    let (_receiver, address) = serve(|_: Request| async {
        Outcome::PartialSuccess {
            rejected_spans: 1,
            message: "one".to_owned(),
        }
    });
    let frame = frame(&mut Encoder::new([2; 16]), &encoded(2));
    let replies = [send(address, &frame), send(address, &frame)];
    for reply in replies {
        let response = ExportTraceServiceResponse::decode(&*reply.body).unwrap();
        assert_eq!(response.partial_success.unwrap().rejected_spans, 1);
        assert_eq!(answer(&reply).sequence, 1);
    }
}

#[test]
fn frame_that_builds_on_lost_state_is_told_so() {
    let (first, address) = serve(Store::new());
    let mut encoder = Encoder::new([3; 16]);
    for _ in 0..2 {
        let frame = frame(&mut encoder, &encoded(1));
        encoder.acknowledge(&answer(&send(address, &frame)));
    }
    let late = frame(&mut encoder, &encoded(1));
    drop(first);
    let store = Store::new();
    let (second, address) = serve(store.clone());
    let reply = send(address, &late);
    assert_eq!(reply.status, 409);
    assert!(answer(&reply).state_lost);
    assert_eq!(store.span_count(), 0);
    encoder.acknowledge(&answer(&reply));
    assert_eq!(send(address, &frame(&mut encoder, &encoded(1))).status, 200);
    assert_eq!(store.span_count(), 1);
    assert_eq!(second.tracezip_stats().unwrap().state_losses, 1);
}

#[test]
fn late_repetition_of_what_was_delivered_is_no_lost_state() {
    let store = Store::new();
    let (receiver, address) = serve(store.clone());
    let mut encoder = Encoder::new([5; 16]);
    let mut frames = Vec::new();
    for _ in 0..12 {
        let next = frame(&mut encoder, &encoded(1));
        encoder.acknowledge(&answer(&send(address, &next)));
        frames.push(next);
    }
    // What these built on has made room for newer things.
    for late in &frames[1..6] {
        let reply = send(address, late);
        assert_eq!(reply.status, 200);
        assert!(!answer(&reply).state_lost);
    }
    assert_eq!(store.span_count(), 12);
    let stats = receiver.tracezip_stats().unwrap();
    assert_eq!(stats.state_losses, 0, "{stats:?}");
    assert_eq!(stats.repeated_frames, 5, "{stats:?}");
}

#[test]
fn what_is_no_frame_is_refused_without_an_answer() {
    let (receiver, address) = serve(Store::new());
    let mut broken = frame(&mut Encoder::new([4; 16]), &encoded(2));
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for body in [&encoded(1)[..], b"", &broken, &broken[..30]] {
        let reply = send(address, body);
        assert_eq!(reply.status, 400);
        assert_eq!(find_answer(&reply.body), None);
    }
    assert_eq!(receiver.tracezip_stats().unwrap().refused_frames, 4);
}

#[test]
fn frame_that_decodes_to_too_much_is_refused_before_it_is_decoded() {
    let limits = Limits::default().with_max_decompressed_bytes(100);
    let (_receiver, address) = start(Receiver::builder().with_limits(limits));
    let reply = send(address, &frame(&mut Encoder::new([5; 16]), &[0; 101]));
    assert_eq!(reply.status, 413);
}

/// Takes the tenant for who it says it is.
struct Tenants;

impl Hook for Tenants {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        let known = head.header("x-tenant").is_some();
        Box::pin(async move {
            if known {
                return Verdict::Continue;
            }
            Verdict::Refuse(otel_enhance_receiver::Refusal::from_http_status(
                StatusCode::UNAUTHORIZED,
                "who is it?",
            ))
        })
    }

    fn principal(&self, head: &RequestHead) -> u64 {
        head.header("x-tenant")
            .and_then(|tenant| tenant.parse().ok())
            .unwrap_or_default()
    }
}

#[test]
fn stream_of_one_principal_is_unknown_to_another() {
    let (receiver, address) = start(Receiver::builder().with_hook(Tenants));
    let mut encoder = Encoder::new([6; 16]);
    let by =
        |tenant: &str, frame: &[u8]| post(address, &[PROTOBUF, FRAME, ("x-tenant", tenant)], frame);
    assert_eq!(send(address, &probe()).status, 401);
    for _ in 0..2 {
        let reply = by("1", &frame(&mut encoder, &encoded(1)));
        encoder.acknowledge(&answer(&reply));
    }
    let third = frame(&mut encoder, &encoded(1));
    assert!(answer(&by("2", &third)).state_lost);
    assert_eq!(by("1", &third).status, 200);
    assert_eq!(receiver.tracezip_stats().unwrap().streams, 1);
}

#[test]
fn streams_of_which_nothing_comes_are_dropped() {
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_tracezip(Tracezip::default().with_idle_timeout(Duration::from_millis(50)))
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    for id in 0..20 {
        let frame = frame(&mut Encoder::new([id; 16]), &encoded(1));
        assert_eq!(send(address, &frame).status, 200);
    }
    until("no stream is left", || {
        let stats = receiver.tracezip_stats().unwrap();
        (stats.streams, stats.state_bytes) == (0, 0)
    });
}

#[test]
fn state_of_all_streams_is_bounded() {
    let bound = 256 << 10;
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_tracezip(
            Tracezip::default()
                .with_max_state_bytes(bound)
                .with_shards(2),
        )
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    for id in 0..200_u8 {
        let frame = frame(&mut Encoder::new([id; 16]), &encoded(20));
        assert_eq!(send(address, &frame).status, 200);
    }
    let stats = receiver.tracezip_stats().unwrap();
    assert!(stats.state_bytes <= bound, "{stats:?}");
    assert!(stats.streams < 200);
}

#[tokio::test]
async fn frames_over_grpc_are_answered_in_message_and_in_details() {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_grpc("127.0.0.1:0")
        .with_handler(store.clone())
        .with_tracezip(Tracezip::default())
        .start()
        .await
        .unwrap();
    let address = receiver.grpc_addr().unwrap();
    let reply = call(address, GRPC_PATH, &probe()).await.unwrap();
    assert_eq!(find_answer(&reply), Some(Ok(None)));

    let mut encoder = Encoder::new([7; 16]);
    for _ in 0..3 {
        let reply = call(address, GRPC_PATH, &frame(&mut encoder, &encoded(2))).await;
        encoder.acknowledge(&find_answer(&reply.unwrap()).unwrap().unwrap().unwrap());
    }
    assert_eq!(store.span_count(), 6);
    assert_eq!(store.requests()[2].body, encoded(2));

    // Under a handle that this receiver never gave.
    let mut stranger = Encoder::new([8; 16]);
    stranger.encode(&encoded(2), &mut Vec::new());
    let first = find_answer(
        &call(address, GRPC_PATH, &frame(&mut stranger, &encoded(2)))
            .await
            .unwrap(),
    );
    let mut told = first.unwrap().unwrap().unwrap();
    told.sequence = 1;
    told.handle += 100;
    stranger.acknowledge(&told);
    let lost = frame(&mut stranger, &encoded(2));
    let status = call(address, GRPC_PATH, &lost).await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::FailedPrecondition);
    let answer = find_answer(status.details()).unwrap().unwrap().unwrap();
    assert!(answer.state_lost);
}

#[tokio::test]
async fn receiver_without_tracezip_does_not_know_the_service() {
    let receiver = Receiver::builder()
        .with_grpc("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    let address = receiver.grpc_addr().unwrap();
    let status = call(address, GRPC_PATH, &probe()).await.unwrap_err();
    assert_eq!(status.code(), GrpcCode::Unimplemented);
}
