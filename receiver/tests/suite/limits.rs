//! Bounds under attack: size, time, memory, number.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::common::{JSON, PROTOBUF, connect, encoded, post, read_reply, until};
use otel_enhance_receiver::{BlockingReceiver, Limits, Receiver, channel};

const MIB: usize = 1024 * 1024;

fn serve(limits: Limits) -> (BlockingReceiver, SocketAddr) {
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_grpc("127.0.0.1:0")
        .with_limits(limits)
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    (receiver, address)
}

#[test]
fn body_over_the_limit_is_413_with_and_without_a_declared_length() {
    let (_receiver, address) = serve(Limits::default().with_max_body_bytes(100_000));
    let reply = post(address, &[PROTOBUF], &vec![0; 100_001]);
    assert_eq!(reply.status, 413);
    assert!(reply.rpc_status().message.contains("100000 bytes"));

    let mut stream = connect(address);
    stream
        .write_all(
            b"POST /v1/traces HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
              content-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .unwrap();
    for _ in 0..12 {
        stream.write_all(b"2710\r\n").unwrap();
        stream.write_all(&[0; 10_000]).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(read_reply(&mut stream).status, 413);
}

/// One request over HTTP/2 without TLS, by hyper's client.
async fn post_http2(address: SocketAddr, body: Vec<u8>) -> http::StatusCode {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}/v1/traces"))
        .header(PROTOBUF.0, PROTOBUF.1)
        .body(http_body_util::Full::new(bytes::Bytes::from(body)))
        .unwrap();
    sender.send_request(request).await.unwrap().status()
}

#[tokio::test]
async fn http2_is_spoken_on_the_http_port_and_refuses_large_bodies_with_413() {
    let (_receiver, address) = serve(Limits::default().with_max_body_bytes(3 * MIB));
    assert_eq!(post_http2(address, encoded(1)).await, 200);
    assert_eq!(post_http2(address, vec![0; 5 * MIB]).await, 413);
}

#[test]
fn client_that_expects_100_continue_is_refused_before_it_sends() {
    let (_receiver, address) = serve(Limits::default().with_max_body_bytes(1000));
    let mut stream = connect(address);
    stream
        .write_all(
            b"POST /v1/traces HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\
              content-type: application/x-protobuf\r\ncontent-length: 5000\r\n\r\n",
        )
        .unwrap();
    let start = Instant::now();
    assert_eq!(read_reply(&mut stream).status, 413);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn zstd_frame_that_demands_a_huge_window_is_refused() {
    let (_receiver, address) = serve(Limits::default());
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&encoded(1)).unwrap();
    let frame = encoder.finish().unwrap();
    let reply = post(address, &[PROTOBUF, ("content-encoding", "zstd")], &frame);
    assert_eq!(reply.status, 400);
}

#[test]
fn deep_nesting_is_400_in_both_notations() {
    let (_receiver, address) = serve(Limits::default());
    let mut value = Vec::new();
    for _ in 0..2000 {
        // AnyValue.array_value, ArrayValue.values
        for tag in [0x0a, 0x2a] {
            let mut outer = vec![tag];
            prost::encoding::encode_varint(value.len() as u64, &mut outer);
            outer.append(&mut value);
            value = outer;
        }
    }
    // KeyValue.value, Resource.attributes, ResourceSpans.resource, request
    for tag in [0x12, 0x0a, 0x0a, 0x0a] {
        let mut outer = vec![tag];
        prost::encoding::encode_varint(value.len() as u64, &mut outer);
        outer.append(&mut value);
        value = outer;
    }
    let reply = post(address, &[PROTOBUF], &value);
    assert_eq!(reply.status, 400);
    assert!(reply.rpc_status().message.contains("recursion"));

    let json = format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"value\":{}{}}}]}}}}]}}",
        "{\"arrayValue\":{\"values\":[".repeat(2000),
        "]}}".repeat(2000)
    );
    let reply = post(address, &[JSON], json.as_bytes());
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[test]
fn memory_of_requests_in_flight_is_bounded_and_senders_are_told_to_wait() {
    let (handler, mut requests) = channel(1000);
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(handler)
        .with_limits(Limits::default().with_max_memory_bytes(MIB))
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    let body = encoded(100);
    let mut taken = 0;
    let busy = loop {
        let reply = post(address, &[PROTOBUF], &body);
        if reply.status != 200 {
            break reply;
        }
        taken += 1;
        assert!(taken * body.len() < MIB);
    };
    assert!(taken > 0);
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("1")));
    assert!(receiver.stats().memory_bytes <= MIB);
    while requests.try_recv().is_ok() {}
    assert_eq!(receiver.stats().memory_bytes, 0);
    assert_eq!(post(address, &[PROTOBUF], &body).status, 200);
}

/// Waits until the server closes the connection, and says how long that took.
fn time_to_close(stream: &mut impl Read) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).ok();
    start.elapsed()
}

#[test]
fn connections_that_say_nothing_or_dribble_are_closed_in_time() {
    let limits = Limits::default()
        .with_header_timeout(Duration::from_millis(300))
        .with_read_timeout(Duration::from_millis(300));
    let (receiver, address) = serve(limits);
    let grpc = receiver.grpc_addr().unwrap();
    let patience = Duration::from_secs(5);
    for (name, address, start) in [
        ("silent", address, &b""[..]),
        ("silent on gRPC", grpc, b""),
        ("half a preface", address, b"PRI * HTT"),
        ("half a preface on gRPC", grpc, b"PRI * HTTP/2.0\r\n\r\nS"),
        (
            "half a head",
            address,
            b"POST /v1/traces HTTP/1.1\r\nhost: a long enough head\r\n",
        ),
        (
            "idle after an answer",
            address,
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
    ] {
        let mut stream = connect(address);
        stream.write_all(start).unwrap();
        let took = time_to_close(&mut stream);
        assert!(took < patience, "{name} took {took:?}");
    }

    // One byte now and then does not help: the time is for the whole.
    let mut stream = connect(address);
    stream
        .write_all(
            b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\
              content-type: application/x-protobuf\r\n\r\n",
        )
        .unwrap();
    let mut writer = stream.try_clone().unwrap();
    let dribble = std::thread::spawn(move || {
        let start = Instant::now();
        while start.elapsed() < patience && writer.write_all(b"\0").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
        start.elapsed()
    });
    let reply = {
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).ok();
        String::from_utf8_lossy(&raw).into_owned()
    };
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert!(dribble.join().unwrap() < patience);
    assert_eq!(post(address, &[PROTOBUF], &encoded(1)).status, 200);
}

#[test]
fn idle_http2_connection_is_closed_in_time() {
    let (receiver, _) = serve(Limits::default().with_idle_timeout(Duration::from_millis(200)));
    let mut stream = connect(receiver.grpc_addr().unwrap());
    // The preface, an empty SETTINGS frame, and silence.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    assert!(time_to_close(&mut stream) < Duration::from_secs(5));
}

#[test]
fn connections_beyond_the_limit_wait_for_a_free_slot() {
    let limits = Limits::default()
        .with_max_connections(2)
        .with_header_timeout(Duration::from_secs(60));
    let (receiver, address) = serve(limits);
    let held = [connect(address), connect(address)];
    until("two are served", || receiver.stats().connections == 2);
    let waiting = std::thread::spawn(move || post(address, &[PROTOBUF], &encoded(1)).status);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished());
    assert_eq!(receiver.stats().connections, 2);
    drop(held);
    assert_eq!(waiting.join().unwrap(), 200);
}
