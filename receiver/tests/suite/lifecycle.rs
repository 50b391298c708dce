//! Starting, stopping, starting again.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::{PROTOBUF, connect, encoded, exchange, post, until};
use otel_enhance_receiver::{Faults, Receiver, ShutdownError, StartError, Store};

#[test]
fn builder_without_an_address_or_runtime_is_a_clear_error() {
    let error = Receiver::builder().start_blocking().unwrap_err();
    assert!(matches!(error, StartError::NoAddress), "{error}");

    let mut future = std::pin::pin!(Receiver::builder().with_http("127.0.0.1:0").start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = future.as_mut().poll(&mut context) else {
        panic!("it cannot start here");
    };
    assert!(matches!(error, StartError::NoRuntime), "{error}");
}

#[test]
fn address_in_use_or_nonsensical_is_an_error_that_names_it() {
    let first = Receiver::builder()
        .with_http("127.0.0.1:0")
        .start_blocking()
        .unwrap();
    let taken = first.http_addr().unwrap().to_string();
    for address in [taken.as_str(), "127.0.0.1", "127.0.0.1:99999"] {
        let error = Receiver::builder()
            .with_grpc(address)
            .start_blocking()
            .unwrap_err();
        assert!(matches!(error, StartError::Bind { .. }), "{error}");
        assert!(error.to_string().contains(address), "{error}");
        assert!(error.to_string().contains("gRPC"), "{error}");
    }
}

#[test]
fn addresses_and_endpoints_name_the_ports_taken() {
    let receiver = Receiver::builder()
        .with_http("0.0.0.0:0")
        .with_grpc("127.0.0.1:0")
        .start_blocking()
        .unwrap();
    let http = receiver.http_addr().unwrap();
    assert_ne!(http.port(), 0);
    assert_eq!(
        receiver.http_endpoint(),
        Some(&*format!("http://127.0.0.1:{}", http.port()))
    );
    assert_eq!(
        receiver.grpc_endpoint(),
        Some(&*format!("http://{}", receiver.grpc_addr().unwrap()))
    );
    let only_http = Receiver::builder()
        .with_http("127.0.0.1:0")
        .start_blocking()
        .unwrap();
    assert_eq!(only_http.grpc_addr(), None);
    assert_eq!(only_http.grpc_endpoint(), None);
}

#[test]
fn shutdown_lets_a_request_in_flight_finish_and_takes_no_new_connection() {
    let store = Store::new();
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_handler(store.clone())
        .with_hook(Faults::new().with_latency(Duration::from_millis(2000)))
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    let idle = connect(address);
    let sender = std::thread::spawn(move || post(address, &[PROTOBUF], &encoded(1)));
    until("the request arrives", || receiver.stats().requests == 1);
    let stopping = std::thread::spawn(move || receiver.shutdown(Duration::from_secs(20)));
    until("the port is closed", || {
        TcpStream::connect(address).is_err()
    });
    assert!(!sender.is_finished());
    assert_eq!(sender.join().unwrap().status, 200);
    stopping.join().unwrap().unwrap();
    assert_eq!(store.span_count(), 1);
    drop(idle);
}

#[test]
fn shutdown_beyond_its_deadline_cuts_what_hangs_and_says_so() {
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_hook(Faults::new().with_hang())
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    let mut hanging = connect(address);
    hanging
        .write_all(b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    until("the request arrives", || receiver.stats().requests == 1);
    let start = Instant::now();
    let error = receiver.shutdown(Duration::from_millis(200)).unwrap_err();
    let ShutdownError::DeadlineExceeded { connections, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(connections, 1);
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn port_can_be_taken_again_at_once_after_shutdown_and_after_drop() {
    let start = |address: &str| {
        Receiver::builder()
            .with_http(address)
            .start_blocking()
            .unwrap()
    };
    let mut receiver = start("127.0.0.1:0");
    let address = receiver.http_addr().unwrap();
    for round in 0..10 {
        // A connection that the server closes leaves its port in TIME_WAIT.
        let mut kept_alive = connect(address);
        kept_alive
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .unwrap();
        assert_eq!(post(address, &[PROTOBUF], &encoded(1)).status, 200);
        if round % 2 == 0 {
            receiver.shutdown(Duration::from_secs(5)).unwrap();
        } else {
            drop(receiver);
        }
        receiver = start(&address.to_string());
    }
}

#[tokio::test]
async fn blocking_receiver_works_and_ends_inside_a_runtime() {
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .start_blocking()
        .unwrap();
    let address = receiver.http_addr().unwrap();
    let mut stream = connect(address);
    assert_eq!(
        exchange(&mut stream, "POST", "/v1/traces", &[PROTOBUF], b"").status,
        200
    );
    drop(receiver);
    assert!(TcpStream::connect(address).is_err());
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .start_blocking()
        .unwrap();
    receiver.shutdown(Duration::from_secs(5)).unwrap();
}

#[tokio::test]
async fn receiver_on_the_callers_runtime_stops_by_shutdown_and_by_drop() {
    for by_drop in [false, true] {
        let receiver = Receiver::builder()
            .with_http("127.0.0.1:0")
            .with_grpc("127.0.0.1:0")
            .start()
            .await
            .unwrap();
        let address = receiver.http_addr().unwrap();
        let reply = tokio::task::spawn_blocking(move || post(address, &[PROTOBUF], &encoded(1)));
        assert_eq!(reply.await.unwrap().status, 200);
        if by_drop {
            drop(receiver);
            // The tasks end when the runtime comes to it.
            while TcpStream::connect(address).is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } else {
            receiver.shutdown(Duration::from_secs(5)).await.unwrap();
        }
        assert!(TcpStream::connect(address).is_err());
    }
}
