//! OTLP/HTTP over real sockets: statuses, notations, codings.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::{JSON, PROTOBUF, deflate, encoded, gzip, post, request, send, zstd};
use http::StatusCode;
use otel_enhance_receiver::proto::collector::trace::v1::ExportTraceServiceResponse;
use otel_enhance_receiver::{
    BlockingReceiver, BoxFuture, ContentType, Encoding, Faults, GrpcCode, Handler, Hook, Outcome,
    RawReply, RawRequest, Receiver, Refusal, Request, RequestHead, Store, Transport, Verdict,
    channel,
};
use prost::Message;

fn serve(handler: impl Handler) -> (BlockingReceiver, SocketAddr) {
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(handler)
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    (receiver, address)
}

fn answering(outcome: Outcome) -> (BlockingReceiver, SocketAddr) {
    serve(move |_: Request| std::future::ready(outcome.clone()))
}

#[test]
fn protobuf_request_is_decoded_and_answered_in_protobuf() {
    let store = Store::new();
    let (receiver, address) = serve(store.clone());
    let reply = post(address, &[PROTOBUF, ("x-tenant", "a")], &encoded(2));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(
        ExportTraceServiceResponse::decode(&*reply.body).unwrap(),
        ExportTraceServiceResponse::default()
    );

    let requests = store.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].message, request(2));
    assert_eq!(requests[0].body, encoded(2));
    assert_eq!(requests[0].wire_size, encoded(2).len());
    assert_eq!(requests[0].encoding, Encoding::Identity);
    assert_eq!(requests[0].content_type, ContentType::Protobuf);
    assert_eq!(requests[0].head.transport, Transport::Http);
    assert_eq!(requests[0].head.path, "/v1/traces");
    assert_eq!(requests[0].head.header("x-tenant"), Some("a"));
    assert_eq!(requests[0].head.peer.ip(), address.ip());
    assert!(!requests[0].head.encrypted);

    let spans = store.spans();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[1].span.name, "span 1");
    assert_eq!(spans[1].scope.name, "scope");
    assert_eq!(spans[1].resource.attributes[0].key, "service.name");
    assert_eq!(spans[1].schema_url, "https://scope.example/schema");
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.succeeded, stats.refused), (1, 1, 0));
    assert_eq!(stats.memory_bytes, 0);
}

#[test]
fn json_request_equals_its_protobuf_twin_and_is_answered_in_json() {
    let store = Store::new();
    let (_receiver, address) = serve(store.clone());
    let json = serde_json::to_vec(&request(3)).unwrap();
    let reply = post(
        address,
        &[("content-type", "Application/JSON; charset=utf-8")],
        &json,
    );
    assert_eq!((reply.status, reply.text().as_str()), (200, "{}"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(post(address, &[PROTOBUF], &encoded(3)).status, 200);
    let requests = store.requests();
    assert_eq!(requests[0].message, requests[1].message);
    assert_eq!(requests[0].content_type, ContentType::Json);
    assert_eq!(requests[0].body, json);
}

#[test]
fn every_content_encoding_in_both_notations_is_undone() {
    let store = Store::new();
    let (_receiver, address) = serve(store.clone());
    let json = serde_json::to_vec(&request(5)).unwrap();
    let mut sent = 0;
    for (content_type, plain) in [(PROTOBUF, encoded(5)), (JSON, json)] {
        for (name, encoding, body) in [
            ("identity", Encoding::Identity, plain.clone()),
            ("gzip", Encoding::Gzip, gzip(&plain)),
            ("x-gzip", Encoding::Gzip, gzip(&plain)),
            ("GZIP", Encoding::Gzip, gzip(&plain)),
            ("zstd", Encoding::Zstd, zstd(&plain)),
            ("deflate", Encoding::Deflate, deflate(&plain)),
        ] {
            let reply = post(address, &[content_type, ("content-encoding", name)], &body);
            assert_eq!(reply.status, 200, "{name}: {}", reply.text());
            let request_ = &store.requests()[sent];
            sent += 1;
            assert_eq!(request_.message, request(5), "{name}");
            assert_eq!(request_.body, plain, "{name}");
            assert_eq!(request_.encoding, encoding);
            assert_eq!(request_.wire_size, body.len());
        }
    }
}

#[test]
fn empty_request_is_accepted() {
    let (_receiver, address) = answering(Outcome::Accepted);
    assert_eq!(post(address, &[PROTOBUF], b"").status, 200);
    assert_eq!(post(address, &[JSON], b"{}").status, 200);
}

#[test]
fn chunked_request_over_a_reused_connection_is_accepted() {
    use std::io::Write;
    let store = Store::new();
    let (receiver, address) = serve(store.clone());
    let mut stream = crate::common::connect(address);
    let body = encoded(1);
    for last in [false, true] {
        let connection = if last { "close" } else { "keep-alive" };
        write!(
            stream,
            "POST /v1/traces?ignored=1 HTTP/1.1\r\nhost: a\r\nconnection: {connection}\r\n\
             content-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        .unwrap();
        for chunk in body.chunks(7) {
            write!(stream, "{:x}\r\n", chunk.len()).unwrap();
            stream.write_all(chunk).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
    }
    let replies = {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        text
    };
    assert_eq!(replies.matches("HTTP/1.1 200 OK").count(), 2, "{replies}");
    assert_eq!(store.span_count(), 2);
    assert_eq!(receiver.stats().connections, 1);
}

#[test]
fn partial_success_is_told_in_the_notation_of_the_request() {
    let (_receiver, address) = answering(Outcome::PartialSuccess {
        rejected_spans: 3,
        message: "too \"old\"".to_owned(),
    });
    let reply = post(address, &[PROTOBUF], &encoded(5));
    assert_eq!(reply.status, 200);
    let partial = ExportTraceServiceResponse::decode(&*reply.body)
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!(partial.rejected_spans, 3);
    assert_eq!(partial.error_message, "too \"old\"");

    let reply = post(address, &[JSON], b"{}");
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(json["partialSuccess"]["rejectedSpans"], "3");
    assert_eq!(json["partialSuccess"]["errorMessage"], "too \"old\"");
}

#[test]
fn malformed_body_is_400_with_an_rpc_status_in_the_notation_of_the_request() {
    let (_receiver, address) = answering(Outcome::Accepted);
    let reply = post(address, &[PROTOBUF], b"\xff\xff\xff");
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(reply.rpc_status().code, GrpcCode::InvalidArgument as i32);
    assert!(reply.rpc_status().message.contains("protobuf"));

    let reply = post(address, &[JSON], b"{\"resourceSpans\":");
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(json["code"], 3);
    assert!(json["message"].as_str().unwrap().contains("JSON"));

    for encoding in ["gzip", "zstd", "deflate"] {
        let reply = post(
            address,
            &[PROTOBUF, ("content-encoding", encoding)],
            b"not compressed at all",
        );
        assert_eq!(reply.status, 400, "{encoding}");
        assert!(reply.rpc_status().message.contains(encoding));
    }
}

#[test]
fn unknown_path_is_404_and_other_methods_are_405_with_allow() {
    let (_receiver, address) = answering(Outcome::Accepted);
    for path in ["/", "/v1/metrics", "/v1/logs", "/v1/traces/"] {
        let reply = send(address, "POST", path, &[PROTOBUF], &encoded(1));
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.rpc_status().code, GrpcCode::Unimplemented as i32);
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let reply = send(address, method, "/v1/traces", &[], b"");
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), Some("POST"));
        assert!(reply.text().contains("use POST"));
    }
}

#[test]
fn unknown_types_and_encodings_are_415() {
    let (_receiver, address) = answering(Outcome::Accepted);
    for headers in [&[][..], &[("content-type", "text/plain")][..]] {
        let reply = post(address, headers, &encoded(1));
        assert_eq!(reply.status, 415);
        assert!(reply.text().contains("application/x-protobuf"));
        assert_eq!(reply.header("accept-encoding"), None);
    }
    for encoding in ["br", "gzip, zstd", "tracezip1"] {
        let reply = post(address, &[PROTOBUF, ("content-encoding", encoding)], b"x");
        assert_eq!(reply.status, 415, "{encoding}");
        assert_eq!(
            reply.header("accept-encoding"),
            Some("gzip, zstd, deflate, identity")
        );
        assert!(reply.rpc_status().message.contains(encoding));
    }
}

#[test]
fn every_outcome_has_its_status() {
    let message = || "because".to_owned();
    let ms = Duration::from_millis;
    for (outcome, status, code, retry_after) in [
        (
            Outcome::Busy {
                retry_after: ms(1500),
            },
            429,
            GrpcCode::ResourceExhausted,
            Some("2"),
        ),
        (
            Outcome::Unavailable {
                retry_after: None,
                message: message(),
            },
            503,
            GrpcCode::Unavailable,
            None,
        ),
        (
            Outcome::Unavailable {
                retry_after: Some(ms(7000)),
                message: message(),
            },
            503,
            GrpcCode::Unavailable,
            Some("7"),
        ),
        (
            Outcome::Rejected { message: message() },
            400,
            GrpcCode::InvalidArgument,
            None,
        ),
        (
            Outcome::Unauthorized { message: message() },
            401,
            GrpcCode::Unauthenticated,
            None,
        ),
        (
            Outcome::Forbidden { message: message() },
            403,
            GrpcCode::PermissionDenied,
            None,
        ),
        (
            Outcome::Failed { message: message() },
            500,
            GrpcCode::Internal,
            None,
        ),
        (
            Outcome::Refused(Refusal::new(
                StatusCode::BAD_GATEWAY,
                GrpcCode::Unavailable,
                "because",
            )),
            502,
            GrpcCode::Unavailable,
            None,
        ),
    ] {
        let (receiver, address) = answering(outcome.clone());
        let reply = post(address, &[PROTOBUF], &encoded(1));
        assert_eq!(reply.status, status, "{outcome:?}");
        assert_eq!(reply.rpc_status().code, code as i32, "{outcome:?}");
        assert_eq!(reply.header("retry-after"), retry_after, "{outcome:?}");
        assert_eq!(
            reply.header("www-authenticate").is_some(),
            status == 401,
            "{outcome:?}"
        );
        assert_eq!(receiver.stats().refused, 1);
    }
}

#[test]
fn handler_that_panics_is_500_and_serves_on() {
    let (_receiver, address) = serve(|request: Request| async move {
        assert!(request.span_count() > 1, "on purpose");
        Outcome::Accepted
    });
    assert_eq!(post(address, &[PROTOBUF], &encoded(1)).status, 500);
    assert_eq!(post(address, &[PROTOBUF], &encoded(2)).status, 200);
}

#[test]
fn channel_that_is_full_is_busy_and_one_that_is_closed_is_unavailable() {
    let (handler, mut requests) = channel(1);
    let (receiver, address) = serve(handler);
    assert_eq!(post(address, &[PROTOBUF], &encoded(1)).status, 200);
    assert!(receiver.stats().memory_bytes >= encoded(1).len());
    let reply = post(address, &[PROTOBUF], &encoded(1));
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(requests.blocking_recv().unwrap().message, request(1));
    assert_eq!(receiver.stats().memory_bytes, 0);
    assert_eq!(post(address, &[PROTOBUF], &encoded(1)).status, 200);
    drop(requests);
    assert_eq!(post(address, &[PROTOBUF], &encoded(1)).status, 503);
}

#[test]
fn store_that_is_full_rejects_by_partial_success_and_counts() {
    let store = Store::with_limits(2, usize::MAX);
    let (_receiver, address) = serve(store.clone());
    post(address, &[PROTOBUF], &encoded(2));
    let reply = post(address, &[PROTOBUF], &encoded(3));
    let response = ExportTraceServiceResponse::decode(&*reply.body).unwrap();
    assert_eq!(response.partial_success.unwrap().rejected_spans, 3);
    assert_eq!((store.span_count(), store.dropped_spans()), (2, 3));
    store.clear();
    post(address, &[PROTOBUF], &encoded(1));
    assert_eq!((store.spans().len(), store.dropped_spans()), (1, 3));
}

#[test]
fn waiting_for_spans_ends_with_them_or_with_the_time() {
    let store = Store::new();
    let (_receiver, address) = serve(store.clone());
    let error = store
        .wait_for_spans(1, Duration::from_millis(20))
        .unwrap_err();
    assert_eq!((error.wanted, error.arrived), (1, 0));
    let sender = std::thread::spawn(move || {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(20));
            post(address, &[PROTOBUF], &encoded(1));
        }
    });
    assert_eq!(
        store
            .wait_for_spans(3, Duration::from_secs(20))
            .unwrap()
            .len(),
        3
    );
    assert_eq!(store.wait_for_requests(3, Duration::ZERO).unwrap().len(), 3);
    sender.join().unwrap();
}

/// Answers a path of its own, takes another over, guards a third.
struct TestHook;

impl Hook for TestHook {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            match head.path.as_str() {
                "/healthz" => Verdict::Reply(http::Response::new("ok".into())),
                "/own" => Verdict::Take,
                "/panic" => panic!("on purpose"),
                _ if head.header("content-encoding") == Some("own1") => Verdict::Take,
                _ if head.header("authorization") != Some("Bearer t") => Verdict::Refuse(
                    Refusal::from_http_status(StatusCode::UNAUTHORIZED, "who are you?"),
                ),
                _ => Verdict::Continue,
            }
        })
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        Box::pin(async move {
            if request.head.path == "/own" {
                RawReply::Message(request.body.iter().rev().copied().collect())
            } else {
                RawReply::Outcome(Outcome::Busy {
                    retry_after: Duration::from_secs(4),
                })
            }
        })
    }
}

#[test]
fn hook_answers_takes_over_refuses_or_lets_pass() {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(store.clone())
        .with_hook(TestHook)
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    let reply = send(address, "GET", "/healthz", &[], b"");
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    let reply = send(
        address,
        "POST",
        "/own",
        &[("content-encoding", "gzip")],
        b"abc",
    );
    assert_eq!((reply.status, reply.text().as_str()), (200, "cba"));
    assert_eq!(send(address, "POST", "/panic", &[], b"").status, 500);
    let reply = post(address, &[PROTOBUF, ("content-encoding", "own1")], b"\x07");
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("4"))
    );
    assert_eq!(post(address, &[PROTOBUF], &encoded(1)).status, 401);
    assert_eq!(store.span_count(), 0);
    let reply = post(
        address,
        &[PROTOBUF, ("authorization", "Bearer t")],
        &encoded(1),
    );
    assert_eq!((reply.status, store.span_count()), (200, 1));
}

#[test]
fn faults_come_as_ordered_and_end_after_the_first_requests() {
    let faults = Faults::new()
        .with_status(StatusCode::BAD_GATEWAY)
        .with_retry_after(Duration::from_secs(3))
        .with_first_requests(2);
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_hook(faults.clone())
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    for expected in [502, 502, 200, 200] {
        let reply = post(address, &[PROTOBUF], &encoded(1));
        assert_eq!(reply.status, expected);
        assert_eq!(reply.header("retry-after").is_some(), expected == 502);
    }
    assert_eq!(faults.seen(), 4);
}

#[test]
fn undecoded_protobuf_is_counted_and_handed_on_as_it_came() {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(store.clone())
        .with_undecoded_messages()
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    assert_eq!(post(address, &headers, &gzip(&encoded(3))).status, 200);
    let reply = post(address, &[PROTOBUF], &encoded(3)[1..]);
    assert_eq!(reply.status, 400);
    assert!(reply.rpc_status().message.contains("protobuf"));
    let json = serde_json::to_vec(&request(2)).unwrap();
    assert_eq!(post(address, &[JSON], &json).status, 200);

    let requests = store.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, encoded(3));
    assert_eq!(requests[0].span_count(), 3);
    assert!(requests[0].message.resource_spans.is_empty());
    assert_eq!(requests[1].message, request(2));
    assert_eq!(requests[1].span_count(), 2);
}
