//! A receiver that records before it answers, killed in mid-run and started again: nothing that the
//! queue can hold is lost, and the books of both sides agree to the span.
//!
//! The short form is a few kills. The long form, a minute of them, is run by
//! `cargo test -p otel-enhance-tests --test e2e_restart -- --ignored`.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use otel_enhance_tests::programs;
use otel_enhance_tests::restarting::RecordingReceiver;
use otel_enhance_tests::sender::{Record, Sender};

const SENDER: &str = env!("CARGO_BIN_EXE_interop_sender");
/// Between two spans.
const PAUSE_MICROSECONDS: &str = "500";
/// Something arrives after each start within this time, however busy the machine is.
const ARRIVAL: Duration = Duration::from_secs(40);

fn program() -> PathBuf {
    programs::program("otel-enhance-receiver", "otel-enhance-receiver")
}

/// Of the run: how the sender reaches the receiver, what its queue holds, how often that is killed.
#[derive(Clone, Copy)]
struct Run {
    protocol: &'static str,
    endpoint: fn(&RecordingReceiver) -> String,
    spans: u64,
    kills: u64,
    queue: &'static str,
    timeout_ms: &'static str,
    /// How long it is away after each kill.
    away: Duration,
}

const HTTP: Run = Run {
    protocol: "http/protobuf",
    endpoint: RecordingReceiver::http,
    spans: 6_000,
    kills: 4,
    queue: "10000",
    timeout_ms: "60000",
    away: Duration::from_millis(50),
};

const GRPC: Run = Run {
    protocol: "grpc",
    endpoint: RecordingReceiver::grpc,
    ..HTTP
};

/// Runs sender and receiver; what the sender says, and the receiver with its record.
fn run(run: Run) -> (Record, RecordingReceiver) {
    let mut receiver = RecordingReceiver::start(&program());
    let endpoint = (run.endpoint)(&receiver);
    let spans = run.spans.to_string();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", run.protocol),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", run.timeout_ms),
        ("OTEL_BSP_EXPORT_TIMEOUT", run.timeout_ms),
        ("OTEL_BSP_MAX_QUEUE_SIZE", run.queue),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let sender = Sender::start(SENDER, &[&spans, PAUSE_MICROSECONDS], &variables);
    for number in 0..run.kills {
        wait_for_more(&receiver);
        // Not always at the same point of a request.
        thread::sleep(Duration::from_millis(37 * (number % 5)));
        receiver.kill();
        thread::sleep(run.away);
        receiver.start_again();
    }
    (sender.finish(), receiver)
}

/// Waits until the record has grown: the sender has found the receiver again.
fn wait_for_more(receiver: &RecordingReceiver) {
    let before = receiver.recorded_bytes();
    let deadline = Instant::now() + ARRIVAL;
    while receiver.recorded_bytes() == before {
        assert!(
            Instant::now() < deadline,
            "nothing arrived for {ARRIVAL:?} after a start"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// With room and time for everything, everything is there.
fn loses_nothing(what: Run) {
    let (record, receiver) = run(what);
    assert_eq!(record.ended, what.spans);
    assert_eq!(record.exported, what.spans, "{:?}", record.dropped);
    assert_eq!(record.dropped.len(), 0, "{:?}", record.dropped);
    let arrivals = receiver.arrivals();
    let made = record.made();
    assert_eq!(made.len() as u64, what.spans);
    let missing = made
        .iter()
        .filter(|made| !arrivals.contains_key(&made.span.span_id))
        .count();
    assert_eq!(missing, 0, "exported and not in the record");
    assert_eq!(
        arrivals.len(),
        made.len(),
        "the record has spans that nobody made"
    );
    let twice: u64 = arrivals.values().map(|count| count - 1).sum();
    assert!(
        twice <= record.ambiguous_retries,
        "{twice} spans are in the record twice, {} may",
        record.ambiguous_retries
    );
}

#[test]
fn receiver_killed_and_restarted_over_http_loses_nothing_that_the_queue_holds() {
    loses_nothing(HTTP);
}

#[test]
fn receiver_killed_and_restarted_over_grpc_loses_nothing_that_the_queue_holds() {
    loses_nothing(GRPC);
}

/// A queue that is too short for the time that the receiver is away: what is lost is counted.
#[test]
fn receiver_killed_with_a_queue_too_short_has_the_rest_counted() {
    let what = Run {
        spans: 10_000,
        kills: 1,
        queue: "128",
        timeout_ms: "2000",
        away: Duration::from_secs(3),
        ..HTTP
    };
    let (record, receiver) = run(what);
    let books = format!(
        "{} ended, {} exported, {} sent again, dropped: {:?}",
        record.ended, record.exported, record.ambiguous_retries, record.dropped
    );
    assert_eq!(record.ended, what.spans, "{books}");
    let dropped: u64 = record.dropped.values().sum();
    assert_eq!(record.exported + dropped, record.ended, "{books}");
    assert!(record.dropped.contains_key("queue_full"), "{books}");
    let known = ["queue_full", "unreachable", "timeout"];
    for reason in record.dropped.keys() {
        assert!(known.contains(&reason.as_str()), "{books}");
    }
    let arrivals = receiver.arrivals();
    let distinct = arrivals.len() as u64;
    let all: u64 = arrivals.values().sum();
    assert!(distinct >= record.exported, "{distinct} recorded; {books}");
    // A last attempt of which the answer was lost counts as dropped and may be in the record.
    let given_up: u64 = ["unreachable", "timeout"]
        .iter()
        .filter_map(|reason| record.dropped.get(*reason))
        .sum();
    let most = record.exported + record.ambiguous_retries + given_up;
    assert!(
        all <= most,
        "{all} recorded, at most {most} may be; {books}"
    );
    let twice = all - distinct;
    assert!(
        twice <= record.ambiguous_retries,
        "{twice} spans are in the record twice; {books}"
    );
}

#[test]
#[ignore = "the long form: a minute and more"]
fn receiver_killed_thirty_times_loses_nothing_that_the_queue_holds() {
    for what in [HTTP, GRPC] {
        loses_nothing(Run {
            spans: 100_000,
            kills: 30,
            queue: "200000",
            ..what
        });
    }
}
