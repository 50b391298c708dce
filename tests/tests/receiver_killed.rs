//! A receiver that records before it answers, killed in mid-run and started again: nothing that the
//! queue can hold is lost, and the books of both sides agree to the span.
//!
//! The short form is a few kills. The long form, three minutes of them, is run by
//! `cargo test -p otel-enhance-tests --test receiver_killed -- --ignored`.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use otel_enhance_tests::peers::Receiver;
use otel_enhance_tests::sender::{Record, Sender, assert_accounted};

const SENDER: &str = env!("CARGO_BIN_EXE_interop_sender");
/// Between two spans.
const PAUSE_MICROSECONDS: &str = "500";
/// Something arrives after each start within this time, however busy the machine is.
const ARRIVAL: Duration = Duration::from_secs(40);

/// How the sender reaches the receiver, what its queue holds, how often that is killed.
#[derive(Clone, Copy)]
struct Run {
    protocol: &'static str,
    endpoint: fn(&Receiver) -> String,
    spans: u64,
    kills: u64,
    queue: &'static str,
    timeout_ms: &'static str,
    /// How long the receiver is away after each kill.
    away: Duration,
    /// Whether requests are frames of tracezip.
    tracezip: bool,
}

/// With room for every span.
const HTTP: Run = Run {
    protocol: "http/protobuf",
    endpoint: Receiver::http_endpoint,
    spans: 6_000,
    kills: 4,
    queue: "10000",
    timeout_ms: "60000",
    away: Duration::from_millis(50),
    tracezip: false,
};

const GRPC: Run = Run {
    protocol: "grpc",
    endpoint: Receiver::grpc_endpoint,
    ..HTTP
};

/// Runs sender and receiver; what the sender says, and the receiver with its record.
fn run(run: Run) -> (Record, Receiver) {
    let mut receiver = Receiver::start();
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
    let tracezip = run.tracezip.then_some(("INTEROP_TRACEZIP", "1"));
    let variables: Vec<_> = variables.into_iter().chain(tracezip).collect();
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
fn wait_for_more(receiver: &Receiver) {
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
    assert_accounted(&record, &receiver.spans());
}

#[test]
fn receiver_killed_over_http_has_every_span() {
    loses_nothing(HTTP);
}

#[test]
fn receiver_killed_over_grpc_has_every_span() {
    loses_nothing(GRPC);
}

/// The state that frames build on is gone with each kill.
#[test]
fn receiver_killed_while_frames_come_has_every_span() {
    for what in [HTTP, GRPC] {
        loses_nothing(Run {
            tracezip: true,
            ..what
        });
    }
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
    let mut arrivals: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for collected in receiver.spans() {
        *arrivals.entry(collected.span.span_id).or_default() += 1;
    }
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
#[ignore = "the long form: three minutes"]
fn receiver_killed_thirty_times_has_every_span() {
    for what in [HTTP, GRPC] {
        loses_nothing(Run {
            spans: 100_000,
            kills: 30,
            queue: "200000",
            ..what
        });
    }
}
