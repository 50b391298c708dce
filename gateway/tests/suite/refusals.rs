//! What is not taken, and what the sender is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use otel_enhance_gateway::Gateway;
use otel_enhance_receiver::{Outcome, Receiver, Refusal, Request};
use tonic::Code;
use tonic_types::StatusExt;

use crate::common::{
    PROTOBUF, Reply, destination, encoded, endpoint, gateway, grpc_url, held_destination, http_url,
    metric, plain_destination, post, request, until_asked,
};

async fn export(gateway: &Gateway, number: u64) -> Result<(), tonic::Status> {
    TraceServiceClient::connect(grpc_url(gateway))
        .await
        .unwrap()
        .export(request("shop", number, 1))
        .await
        .map(|_| ())
}

async fn answering(outcome: Outcome, grpc: bool) -> (Receiver, Gateway) {
    let receiver = plain_destination()
        .with_handler(move |_: Request| std::future::ready(outcome.clone()))
        .start()
        .await
        .unwrap();
    let to = endpoint(&receiver, grpc);
    let gateway = gateway(&format!("outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]")).await;
    (receiver, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_destination_answers_is_what_the_sender_is_told() {
    let second = Duration::from_secs(7);
    let refused = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        Outcome::Refused(Refusal::from_http_status(status, "because"))
    };
    let away = Outcome::Unavailable {
        retry_after: Some(second),
        message: "away".to_owned(),
    };
    for (outcome, status, code) in [
        (
            Outcome::Busy {
                retry_after: second,
            },
            429,
            Code::ResourceExhausted,
        ),
        (away, 503, Code::Unavailable),
        (refused(502), 503, Code::Unavailable),
        (refused(400), 400, Code::InvalidArgument),
        (refused(413), 413, Code::ResourceExhausted),
        (refused(500), 500, Code::Internal),
        (refused(401), 503, Code::Unavailable),
        (refused(403), 503, Code::Unavailable),
    ] {
        for grpc in [false, true] {
            let (_receiver, gateway) = answering(outcome.clone(), grpc).await;
            let reply = post(&http_url(&gateway), PROTOBUF, &[], &encoded(1, 1)).await;
            assert_eq!(reply.status, status, "{outcome:?} {grpc} {reply:?}");
            let error = export(&gateway, 1).await.unwrap_err();
            assert_eq!(error.code(), code, "{outcome:?} {grpc} {error:?}");
            if status == 429 {
                assert_eq!(reply.headers["retry-after"], "7");
                let info = error.get_details_retry_info().unwrap();
                assert_eq!(info.retry_delay, Some(second));
            }
            let dropped = metric(
                &gateway,
                "dropped_spans_total{reason=\"destination_rejected\"}",
            )
            .await;
            let lost = matches!(status, 400 | 413 | 500);
            assert_eq!(dropped, if lost { 2 } else { 0 }, "{outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_success_is_passed_on() {
    for grpc in [false, true] {
        let outcome = Outcome::PartialSuccess {
            rejected_spans: 2,
            message: "too old".to_owned(),
        };
        let (_receiver, gateway) = answering(outcome, grpc).await;
        let response = TraceServiceClient::connect(grpc_url(&gateway))
            .await
            .unwrap()
            .export(request("shop", 1, 5))
            .await
            .unwrap();
        let partial = response.into_inner().partial_success.unwrap();
        assert_eq!(
            (partial.rejected_spans, &*partial.error_message),
            (2, "too old")
        );
        assert_eq!(metric(&gateway, "output_spans_total").await, 3);
        assert_eq!(
            metric(&gateway, "dropped_spans_total{reason=\"partial").await,
            2
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_spans_are_counted_as_rejected_than_there_were() {
    let partial = Outcome::PartialSuccess {
        rejected_spans: i64::MAX as u64,
        message: "all and more".to_owned(),
    };
    for grpc in [false, true] {
        let (_receiver, gateway) = answering(partial.clone(), grpc).await;
        for number in 0..3 {
            let reply = post(&http_url(&gateway), PROTOBUF, &[], &encoded(number, 5)).await;
            assert_eq!(reply.status, 200);
        }
        let dropped = metric(&gateway, "dropped_spans_total{reason=\"partial").await;
        assert_eq!(dropped, 15);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_that_is_away_is_503_and_nothing_is_ambiguous() {
    let gateway = gateway("outputs: [{ otlp: { endpoint: 'http://127.0.0.1:1' } }]").await;
    let reply = post(&http_url(&gateway), PROTOBUF, &[], &encoded(1, 1)).await;
    assert_eq!(reply.status, 503);
    assert_eq!(
        export(&gateway, 1).await.unwrap_err().code(),
        Code::Unavailable
    );
    assert_eq!(metric(&gateway, "output_ambiguous_requests_total").await, 0);
    assert_eq!(metric(&gateway, "output_up").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_that_does_not_answer_in_time_is_503_and_ambiguous() {
    let (receiver, _gate) = held_destination().await;
    let to = endpoint(&receiver, false);
    let gateway = gateway(&format!(
        "outputs: [{{ otlp: {{ endpoint: '{to}', timeout: 200ms }} }}]"
    ))
    .await;
    let reply = post(&http_url(&gateway), PROTOBUF, &[], &encoded(1, 1)).await;
    assert_eq!(reply.status, 503);
    assert_eq!(metric(&gateway, "output_ambiguous_requests_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_bound_are_told_to_come_again() {
    let (receiver, gate) = held_destination().await;
    let to = endpoint(&receiver, false);
    let gateway = Arc::new(
        gateway(&format!(
            "outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]
limits: {{ requests: 2, retry_after: 3s }}"
        ))
        .await,
    );
    let held: Vec<_> = (0..2)
        .map(|number| {
            let url = http_url(&gateway);
            tokio::spawn(async move { post(&url, PROTOBUF, &[], &encoded(number, 1)).await })
        })
        .collect();
    while metric(&gateway, "in_flight_requests").await < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let reply = post(&http_url(&gateway), PROTOBUF, &[], &encoded(3, 1)).await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["retry-after"], "3");
    let error = export(&gateway, 4).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    let delay = error.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(delay, Some(Duration::from_secs(3)));
    assert_eq!(
        metric(&gateway, "refused_requests_total{reason=\"busy\"}").await,
        2
    );
    gate.add_permits(2);
    for held in held {
        assert_eq!(held.await.unwrap().status, 200);
    }
    assert_eq!(metric(&gateway, "in_flight_requests").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_malformed_and_unknown_requests_have_their_status() {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, false);
    let gateway = gateway(&format!(
        "receivers: {{ http: 127.0.0.1:0, grpc: 127.0.0.1:0, max_body: 2KiB, max_decompressed: 4KiB }}
outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]"
    ))
    .await;
    let url = http_url(&gateway);
    let large = encoded(1, 100);
    let bomb = Bytes::from(zstd::encode_all(&vec![0_u8; 1 << 20][..], 3).unwrap());
    let zstd = [("content-encoding", "zstd")];
    assert_eq!(post(&url, PROTOBUF, &[], &large).await.status, 413);
    assert_eq!(post(&url, PROTOBUF, &zstd, &bomb).await.status, 413);
    assert_eq!(
        post(&url, PROTOBUF, &[], &"\x07garbage".into())
            .await
            .status,
        400
    );
    assert_eq!(
        post(&url, PROTOBUF, &zstd, &"garbage".into()).await.status,
        400
    );
    let frame = [("content-encoding", "tracezip1")];
    assert_eq!(
        post(&url, PROTOBUF, &frame, &"garbage".into()).await.status,
        400
    );
    assert_eq!(
        post(&url, "text/html", &[], &Bytes::new()).await.status,
        415
    );
    let brotli = [("content-encoding", "br")];
    assert_eq!(
        post(&url, PROTOBUF, &brotli, &Bytes::new()).await.status,
        415
    );
    let mut client = TraceServiceClient::connect(grpc_url(&gateway))
        .await
        .unwrap();
    let error = client.export(request("shop", 1, 100)).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.get_details_retry_info().is_none());
    assert!(store.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_before_their_bodies_are_read() {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, false);
    let gateway = gateway(&format!(
        "auth: {{ tokens: [{{ token: sesame, tenant: a }}, {{ token: other, tenant: b }}] }}
outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]"
    ))
    .await;
    let url = http_url(&gateway);
    let try_with = async |value: Option<&str>| -> Reply {
        let headers: Vec<_> = value
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        post(&url, PROTOBUF, &headers, &encoded(1, 1)).await
    };
    for value in [
        None,
        Some("Bearer wrong"),
        Some("Bearer "),
        Some("Basic sesame"),
    ] {
        let reply = try_with(value).await;
        assert_eq!(reply.status, 401, "{value:?}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    assert_eq!(
        export(&gateway, 1).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    assert!(store.requests().is_empty());
    assert_eq!(try_with(Some("Bearer sesame")).await.status, 200);
    assert_eq!(try_with(Some("bearer other")).await.status, 200);
    assert_eq!(
        metric(&gateway, "refused_requests_total{reason=\"unauthorized\"}").await,
        5
    );
}

/// Sends the beginning of a request and no more; what is answered, and after how long.
fn dawdle(address: SocketAddr, beginning: &str) -> (String, Duration) {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(beginning.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok();
    (answer, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_are_cut_while_others_are_served() {
    let (receiver, _store) = destination().await;
    let to = endpoint(&receiver, false);
    let gateway = gateway(&format!(
        "receivers: {{ http: 127.0.0.1:0, grpc: off, header_timeout: 300ms, read_timeout: 300ms }}
outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]"
    ))
    .await;
    let address = gateway.http_addr().unwrap();
    let slow: Vec<_> = (0..20)
        .map(|number| {
            let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\n";
            let body = "content-type: application/x-protobuf\r\ncontent-length: 100\r\n\r\nabc";
            let beginning = if number % 2 == 0 {
                head.to_owned()
            } else {
                format!("{head}{body}")
            };
            tokio::task::spawn_blocking(move || (number, dawdle(address, &beginning)))
        })
        .collect();
    let reply = post(&http_url(&gateway), PROTOBUF, &[], &encoded(1, 1)).await;
    assert_eq!(reply.status, 200);
    for slow in slow {
        let (number, (answer, took)) = slow.await.unwrap();
        assert!(took < Duration::from_secs(15), "{took:?}");
        if number % 2 == 1 {
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_whose_sender_goes_away_is_dropped_and_counts_as_ambiguous() {
    let (receiver, _gate) = held_destination().await;
    let to = endpoint(&receiver, false);
    let gateway = gateway(&format!("outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]")).await;
    let url = http_url(&gateway);
    let sender = tokio::spawn(async move {
        let client = crate::common::client();
        crate::common::try_post(&client, &url, PROTOBUF, &[], &encoded(1, 1)).await
    });
    until_asked(&receiver).await;
    sender.abort();
    while metric(&gateway, "in_flight_requests").await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(metric(&gateway, "output_ambiguous_requests_total").await, 1);
    assert_eq!(metric(&gateway, "output_requests_under_way").await, 0);
    assert_eq!(metric(&gateway, "in_flight_bytes").await, 0);
}
