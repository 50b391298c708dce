//! The real Collector, stopped and started again in mid-run.
#![cfg(feature = "peers")]

use std::thread;
use std::time::Duration;

use otel_enhance_tests::peers::Collector;
use otel_enhance_tests::sender::{Sender, assert_accounted};

const SENDER: &str = env!("CARGO_BIN_EXE_interop_sender");
/// Fewer than the queue holds, so that none need be lost while the Collector is away.
const SPANS: u64 = 1500;

/// SIGTERM lets the Collector write what it accepted: then the account must be exact.
fn survives_a_restart(protocol: &str, endpoint: impl Fn(&Collector) -> String) {
    let mut collector = Collector::start();
    let endpoint = endpoint(&collector);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let sender = Sender::start(SENDER, &[&SPANS.to_string(), "2000"], &variables);
    let before = collector.wait_for_spans(100, Duration::from_secs(30)).len();
    assert!(before >= 100, "nothing arrived before the restart");
    collector.stop();
    thread::sleep(Duration::from_millis(700));
    collector.start_again();
    let record = sender.finish();
    assert_eq!(record.ended, SPANS);

    // Everything that was accepted is in the file now.
    collector.stop();
    assert_accounted(&record, &collector.spans());
}

#[test]
fn collector_restarted_over_http_has_every_span() {
    survives_a_restart("http/protobuf", Collector::http_endpoint);
}

#[test]
fn collector_restarted_over_grpc_has_every_span() {
    survives_a_restart("grpc", Collector::grpc_endpoint);
}
