//! The receiver killed in mid-run and started again: no span is lost that the queue could hold.

use std::thread;
use std::time::{Duration, Instant};

use otel_enhance_tests::peers::Receiver;
use otel_enhance_tests::sender::{Sender, assert_accounted};

const SENDER: &str = env!("CARGO_BIN_EXE_interop_sender");
/// Fewer than the queue holds, so that none need be lost while the receiver is away.
const SPANS: u64 = 1500;
const KILLS: usize = 3;

fn survives_kills(protocol: &str, endpoint: impl Fn(&Receiver) -> String) {
    let mut receiver = Receiver::start();
    let endpoint = endpoint(&receiver);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let sender = Sender::start(SENDER, &[&SPANS.to_string(), "3000"], &variables);
    for _ in 0..KILLS {
        // While requests come in.
        let seen = receiver.spans().len();
        let deadline = Instant::now() + Duration::from_secs(30);
        while receiver.spans().len() == seen {
            assert!(Instant::now() < deadline, "nothing arrives any more");
            thread::sleep(Duration::from_millis(10));
        }
        receiver.kill();
        thread::sleep(Duration::from_millis(300));
        receiver.start_again();
    }
    let record = sender.finish();
    assert_eq!(record.ended, SPANS);
    assert_accounted(&record, &receiver.spans());
}

#[test]
fn receiver_killed_over_http_has_every_span() {
    survives_kills("http/protobuf", Receiver::http_endpoint);
}

#[test]
fn receiver_killed_over_grpc_has_every_span() {
    survives_kills("grpc", Receiver::grpc_endpoint);
}
