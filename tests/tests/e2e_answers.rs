//! What a receiver may answer besides yes: come later, or not all of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use otel_enhance::export::DropReason;
use otel_enhance::{TelemetryGuard, enhanced_trace};
use otel_enhance_receiver::{Faults, Outcome, Receiver, Request};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;

#[enhanced_trace(name = "work", capture(number))]
fn work(number: u64) {}

fn load(count: u64) {
    for number in 0..count {
        work(number);
    }
}

/// The receiver asks for this; our own wait before a second attempt is at most half of it.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The first request is told to come back; the second one takes everything.
fn comes_back(loopback: &Loopback, faults: &Faults, guard: &TelemetryGuard) {
    let started = Instant::now();
    load(10);
    guard
        .shutdown_with_timeout(Duration::from_secs(20))
        .unwrap();
    let took = started.elapsed();
    assert!(took >= RETRY_AFTER, "came back after {took:?}");
    assert_eq!(faults.seen(), 2);
    assert_eq!(loopback.store().span_count(), 10);
    let report = guard.delivery();
    assert_eq!(report.exported, 10, "{report:?}");
    // Told to come back is told that nothing was taken.
    assert_eq!(report.ambiguous_retries, 0, "{report:?}");
}

fn throttling() -> (Faults, Loopback) {
    let faults = Faults::new()
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .with_retry_after(RETRY_AFTER)
        .with_first_requests(1);
    let loopback = Loopback::with_hook(faults.clone());
    (faults, loopback)
}

#[test]
fn http_receiver_that_sends_retry_after_is_asked_again_after_it() {
    alone(
        "http_receiver_that_sends_retry_after_is_asked_again_after_it",
        &[],
        || {
            let (faults, loopback) = throttling();
            let guard =
                otel_enhance::init!(exporter = otlp_http, endpoint = loopback.http()).unwrap();
            comes_back(&loopback, &faults, &guard);
        },
    );
}

#[test]
fn grpc_receiver_that_sends_retry_info_is_asked_again_after_it() {
    alone(
        "grpc_receiver_that_sends_retry_info_is_asked_again_after_it",
        &[],
        || {
            let (faults, loopback) = throttling();
            let guard =
                otel_enhance::init!(exporter = otlp_grpc, endpoint = loopback.grpc()).unwrap();
            comes_back(&loopback, &faults, &guard);
        },
    );
}

/// Rejects two spans of each request; the count of spans that came, and of requests.
fn choosy() -> (otel_enhance_receiver::BlockingReceiver, Arc<[AtomicU64; 2]>) {
    let came: Arc<[AtomicU64; 2]> = Arc::default();
    let counted = Arc::clone(&came);
    let receiver = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_grpc("127.0.0.1:0")
        .with_handler(move |request: Request| {
            counted[0].fetch_add(request.span_count() as u64, Ordering::SeqCst);
            counted[1].fetch_add(1, Ordering::SeqCst);
            async {
                Outcome::PartialSuccess {
                    rejected_spans: 2,
                    message: "two are too many".to_owned(),
                }
            }
        })
        .start_blocking()
        .unwrap();
    (receiver, came)
}

fn counts_partial_success(guard: &TelemetryGuard, came: &[AtomicU64; 2]) {
    for _ in 0..3 {
        load(10);
        guard.force_flush().unwrap();
    }
    guard.shutdown().unwrap();
    let requests = came[1].load(Ordering::SeqCst);
    assert_eq!(came[0].load(Ordering::SeqCst), 30, "each span came once");
    let report = guard.delivery();
    assert_eq!(
        report.dropped(DropReason::PartialSuccess),
        2 * requests,
        "{report:?}"
    );
    assert_eq!(report.exported, 30 - 2 * requests, "{report:?}");
    assert_eq!(report.dropped_total(), 2 * requests, "{report:?}");
}

#[test]
fn http_receiver_that_takes_a_part_has_the_rest_counted_and_never_resent() {
    alone(
        "http_receiver_that_takes_a_part_has_the_rest_counted_and_never_resent",
        &[],
        || {
            let (receiver, came) = choosy();
            let endpoint = receiver.http_endpoint().unwrap();
            let guard = otel_enhance::init!(exporter = otlp_http, endpoint = endpoint).unwrap();
            counts_partial_success(&guard, &came);
        },
    );
}

#[test]
fn json_receiver_that_takes_a_part_has_the_rest_counted_and_never_resent() {
    alone(
        "json_receiver_that_takes_a_part_has_the_rest_counted_and_never_resent",
        &[],
        || {
            let (receiver, came) = choosy();
            let endpoint = receiver.http_endpoint().unwrap();
            let guard = otel_enhance::init!(exporter = otlp_json, endpoint = endpoint).unwrap();
            counts_partial_success(&guard, &came);
        },
    );
}

#[test]
fn grpc_receiver_that_takes_a_part_has_the_rest_counted_and_never_resent() {
    alone(
        "grpc_receiver_that_takes_a_part_has_the_rest_counted_and_never_resent",
        &[],
        || {
            let (receiver, came) = choosy();
            let endpoint = receiver.grpc_endpoint().unwrap();
            let guard = otel_enhance::init!(exporter = otlp_grpc, endpoint = endpoint).unwrap();
            counts_partial_success(&guard, &came);
        },
    );
}
