//! Endpoints that are dead, slow, hang, refuse, redirect or babble: the application goes on as if they
//! were fine, its memory stays what it is, and every span is delivered or counted for the right reason.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};
use otel_enhance::config::Protocol;
use otel_enhance::export::{DeliveryReport, DropReason, Report, ReportKind};
use otel_enhance::{TelemetryGuard, enhanced_trace};
use otel_enhance_receiver::{Faults, Hook};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;
use otel_enhance_tests::nuisance::{babbling, dead};

/// What one call of an instrumented function may take at the very most. A caller that waited for the
/// network would take the timeout of an export or more; one that lost its processor to the machine's
/// other programs takes less.
const NEVER_LONGER: Duration = Duration::from_millis(900);
/// Of one export, its retries included.
const TIMEOUT: Duration = Duration::from_secs(1);
const QUEUE: usize = 256;
const BATCH: usize = 64;

#[enhanced_trace(name = "work", capture(number))]
fn work(number: u64) {}

/// What was said on the log channel.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<Report>>>);

impl Said {
    fn handler(&self) -> impl Fn(&Report) + Send + Sync + 'static {
        let said = Arc::clone(&self.0);
        move |report| {
            said.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(report.clone());
        }
    }

    fn messages(&self, kind: ReportKind) -> Vec<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = said.iter().filter(|report| report.kind == kind);
        of_kind.map(|report| report.message.clone()).collect()
    }
}

fn install(protocol: Protocol, endpoint: &str, said: &Said) -> TelemetryGuard {
    // Not by the macro: it has no place for a protocol that is known at run time only.
    otel_enhance::new_enhanced_pipeline()
        .with_protocol(protocol)
        .with_endpoint(endpoint)
        .with_timeout(TIMEOUT)
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(Duration::from_millis(10))
        .with_error_handler(said.handler())
        .install_batch()
        .unwrap()
}

/// Ends spans for a while; the longest that one took.
fn load(count: u64) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 0..count {
        let started = Instant::now();
        work(number);
        longest = longest.max(started.elapsed());
    }
    longest
}

/// What an endpoint must lead to.
struct Verdict {
    /// Why spans are dropped that were sent.
    reason: DropReason,
    /// What the log must say of it.
    says: &'static str,
}

/// Everything that must hold for any endpoint that never delivers.
fn withstands(protocol: Protocol, endpoint: &str, verdict: &Verdict) -> DeliveryReport {
    let said = Said::default();
    let guard = install(protocol, endpoint, &said);
    let mut longest = Duration::ZERO;
    let started = Instant::now();
    // More than the queue holds, and for longer than two exports take: outages are no matter of one.
    let mut rounds = 0;
    while started.elapsed() < TIMEOUT * 2 + Duration::from_millis(500) {
        longest = longest.max(load(500));
        rounds += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(longest < NEVER_LONGER, "a span took {longest:?}");

    let began = Instant::now();
    let flushed = guard.shutdown_with_timeout(Duration::from_millis(500));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "shutdown took {:?}: {flushed:?}",
        began.elapsed()
    );
    let report = guard.delivery();
    assert_eq!(report.ended, rounds * 500, "{report:?}");
    assert_eq!(
        report.exported + report.dropped_total(),
        report.ended,
        "{report:?}"
    );
    assert_eq!(report.exported, 0, "{report:?}");
    assert!(report.dropped(verdict.reason) > 0, "{report:?}");
    let explained = report.dropped(verdict.reason)
        + report.dropped(DropReason::QueueFull)
        + report.dropped(DropReason::ShutdownDeadline);
    assert_eq!(explained, report.dropped_total(), "{report:?}");
    // The queue and the one batch on its way are all that the deadline may have cut off.
    assert!(
        report.dropped(DropReason::ShutdownDeadline) <= (QUEUE + BATCH) as u64,
        "{report:?}"
    );
    let outages = said.messages(ReportKind::Outage);
    assert_eq!(outages.len(), 1, "{outages:?}");
    assert!(outages[0].contains(verdict.says), "{outages:?}");
    report
}

fn with_hook(protocol: Protocol, hook: impl Hook, verdict: &Verdict) -> (DeliveryReport, Loopback) {
    let loopback = Loopback::with_hook(hook);
    let endpoint = match protocol {
        Protocol::Grpc => loopback.grpc(),
        _ => loopback.http(),
    };
    let report = withstands(protocol, endpoint, verdict);
    assert_eq!(loopback.store().span_count(), 0);
    (report, loopback)
}

#[test]
fn dead_endpoint_over_http_costs_the_caller_nothing_and_is_counted_as_unreachable() {
    alone(
        "dead_endpoint_over_http_costs_the_caller_nothing_and_is_counted_as_unreachable",
        &[],
        || {
            let verdict = Verdict {
                reason: DropReason::Unreachable,
                says: "refused",
            };
            let report = withstands(Protocol::HttpProtobuf, &dead(), &verdict);
            assert!(report.dropped(DropReason::QueueFull) > 0, "{report:?}");
            assert_eq!(report.ambiguous_retries, 0, "{report:?}");
        },
    );
}

#[test]
fn dead_endpoint_over_grpc_costs_the_caller_nothing_and_is_counted_as_unreachable() {
    alone(
        "dead_endpoint_over_grpc_costs_the_caller_nothing_and_is_counted_as_unreachable",
        &[],
        || {
            let verdict = Verdict {
                reason: DropReason::Unreachable,
                says: "refused",
            };
            let report = withstands(Protocol::Grpc, &dead(), &verdict);
            assert!(report.dropped(DropReason::QueueFull) > 0, "{report:?}");
            assert_eq!(report.ambiguous_retries, 0, "{report:?}");
        },
    );
}

/// A timeout that leaves no time for a second attempt: what waits behind the first stays in the queue.
#[test]
fn dead_endpoint_with_a_short_timeout_costs_a_batch_a_timeout_and_not_the_queue() {
    alone(
        "dead_endpoint_with_a_short_timeout_costs_a_batch_a_timeout_and_not_the_queue",
        &[],
        || {
            for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
                let said = Said::default();
                let guard = otel_enhance::new_enhanced_pipeline()
                    .with_protocol(protocol)
                    .with_endpoint(dead())
                    .with_timeout(Duration::from_millis(200))
                    .with_max_queue_size(10_000)
                    .with_max_export_batch_size(BATCH)
                    .with_scheduled_delay(Duration::from_millis(10))
                    .with_error_handler(said.handler())
                    .install_batch()
                    .unwrap();
                let started = Instant::now();
                load(5000);
                std::thread::sleep(Duration::from_secs(1));
                let dropped = guard.delivery().dropped_total();
                let exports = started.elapsed().as_millis() as u64 / 200 + 1;
                assert!(
                    dropped > 0 && dropped <= exports * BATCH as u64,
                    "{dropped} spans dropped by at most {exports} exports"
                );
                guard.shutdown_with_timeout(Duration::from_millis(100)).ok();
            }
        },
    );
}

#[test]
fn hanging_endpoint_over_http_and_grpc_costs_the_caller_nothing_and_is_counted_as_timeout() {
    alone(
        "hanging_endpoint_over_http_and_grpc_costs_the_caller_nothing_and_is_counted_as_timeout",
        &[],
        || {
            for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
                let verdict = Verdict {
                    reason: DropReason::Timeout,
                    says: "no answer within the timeout",
                };
                let (report, _) = with_hook(protocol, Faults::new().with_hang(), &verdict);
                assert!(report.dropped(DropReason::QueueFull) > 0, "{report:?}");
            }
        },
    );
}

/// 4xx and 5xx beyond those that the specification calls retryable.
#[test]
fn refusing_endpoint_is_not_asked_again_and_counted_as_rejected() {
    alone(
        "refusing_endpoint_is_not_asked_again_and_counted_as_rejected",
        &[],
        || {
            for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
                for status in [StatusCode::BAD_REQUEST, StatusCode::INTERNAL_SERVER_ERROR] {
                    let verdict = Verdict {
                        reason: DropReason::Rejected,
                        says: "fail",
                    };
                    let faults = Faults::new().with_status(status);
                    let (report, _) = with_hook(protocol, faults.clone(), &verdict);
                    // One request for each batch, at most that of the shutdown's deadline besides.
                    let rejected = report.dropped(DropReason::Rejected);
                    assert!(
                        faults.seen() <= rejected + 1,
                        "{} requests, {report:?}",
                        faults.seen()
                    );
                    assert_eq!(report.ambiguous_retries, 0, "{report:?}");
                }
            }
        },
    );
}

#[test]
fn overloaded_endpoint_is_asked_again_until_the_timeout_and_counted_as_unreachable() {
    alone(
        "overloaded_endpoint_is_asked_again_until_the_timeout_and_counted_as_unreachable",
        &[],
        || {
            for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
                let verdict = Verdict {
                    reason: DropReason::Unreachable,
                    says: "fail",
                };
                let faults = Faults::new().with_status(StatusCode::SERVICE_UNAVAILABLE);
                let (report, _) = with_hook(protocol, faults.clone(), &verdict);
                assert!(report.dropped(DropReason::QueueFull) > 0, "{report:?}");
                assert!(faults.seen() >= 2, "{} requests", faults.seen());
            }
        },
    );
}

#[test]
fn redirecting_endpoint_is_not_followed_and_counted_as_rejected() {
    alone(
        "redirecting_endpoint_is_not_followed_and_counted_as_rejected",
        &[],
        || {
            let elsewhere = Loopback::start();
            let location = format!("{}/v1/traces", elsewhere.http());
            let faults = Faults::new().with_redirect(HeaderValue::from_str(&location).unwrap());
            let verdict = Verdict {
                reason: DropReason::Rejected,
                says: "redirects to host 127.0.0.1 are not followed",
            };
            with_hook(Protocol::HttpProtobuf, faults, &verdict);
            assert_eq!(elsewhere.store().span_count(), 0);
        },
    );
}

#[test]
fn endpoint_that_speaks_another_protocol_is_given_up_and_counted() {
    alone(
        "endpoint_that_speaks_another_protocol_is_given_up_and_counted",
        &[],
        || {
            let verdict = Verdict {
                reason: DropReason::Rejected,
                says: "not HTTP/1.1",
            };
            let endpoint = babbling(b"220 mail.example ESMTP\r\n");
            withstands(Protocol::HttpProtobuf, &endpoint, &verdict);
            // Whatever speaks no HTTP/2 may be a proxy whose server is starting.
            let verdict = Verdict {
                reason: DropReason::Unreachable,
                says: "fail",
            };
            let endpoint = babbling(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            withstands(Protocol::Grpc, &endpoint, &verdict);
        },
    );
}

/// A gRPC call is over with its status, and garbage has none: nobody has taken these spans.
#[test]
fn grpc_endpoint_that_answers_with_garbage_is_counted_as_rejected() {
    alone(
        "grpc_endpoint_that_answers_with_garbage_is_counted_as_rejected",
        &[],
        || {
            let verdict = Verdict {
                reason: DropReason::Rejected,
                says: "fail",
            };
            with_hook(Protocol::Grpc, Faults::new().with_garbage(), &verdict);
        },
    );
}

/// It says 200, so the spans are not ours any more; that something is odd is said once.
#[test]
fn endpoint_that_answers_200_with_garbage_is_believed_and_reported_once() {
    alone(
        "endpoint_that_answers_200_with_garbage_is_believed_and_reported_once",
        &[],
        || {
            let loopback = Loopback::with_hook(Faults::new().with_garbage());
            let said = Said::default();
            let guard = install(Protocol::HttpProtobuf, loopback.http(), &said);
            for _ in 0..3 {
                load(QUEUE as u64 / 2);
                guard.force_flush().unwrap();
            }
            guard.shutdown().unwrap();
            let report = guard.delivery();
            assert_eq!(report.exported, report.ended, "{report:?}");
            let notices = said.messages(ReportKind::Notice);
            assert_eq!(notices.len(), 1, "{notices:?}");
            assert!(notices[0].contains("no OTLP response"), "{notices:?}");
        },
    );
}

#[test]
fn slow_endpoint_gets_every_span_that_fits_and_never_holds_the_caller_up() {
    alone(
        "slow_endpoint_gets_every_span_that_fits_and_never_holds_the_caller_up",
        &[],
        || {
            for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
                let slow = Faults::new().with_latency(Duration::from_millis(150));
                let loopback = Loopback::with_hook(slow);
                let endpoint = match protocol {
                    Protocol::Grpc => loopback.grpc(),
                    _ => loopback.http(),
                };
                let said = Said::default();
                let guard = install(protocol, endpoint, &said);
                let longest = load(3000);
                assert!(longest < NEVER_LONGER, "a span took {longest:?}");
                guard
                    .shutdown_with_timeout(Duration::from_secs(20))
                    .unwrap();
                let report = guard.delivery();
                assert_eq!(report.ended, 3000, "{report:?}");
                let full = report.dropped(DropReason::QueueFull);
                assert!(full > 0, "{report:?}");
                assert_eq!(report.exported + full, report.ended, "{report:?}");
                assert!(report.exported >= QUEUE as u64, "{report:?}");
                assert_eq!(loopback.store().span_count() as u64, report.exported);
            }
        },
    );
}

/// Resident memory in bytes.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes.unwrap().parse::<u64>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn hanging_endpoint_under_load_does_not_grow_the_application() {
    alone(
        "hanging_endpoint_under_load_does_not_grow_the_application",
        &[],
        || {
            let loopback = Loopback::with_hook(Faults::new().with_hang());
            let said = Said::default();
            let guard = install(Protocol::HttpProtobuf, loopback.http(), &said);
            load(20_000);
            let before = resident();
            // As spans in memory these would take a hundred times what is allowed.
            load(1_000_000);
            let growth = resident().saturating_sub(before);
            assert!(growth < 8 << 20, "grew by {growth} bytes");
            guard.shutdown_with_timeout(Duration::from_millis(200)).ok();
            let report = guard.delivery();
            assert_eq!(report.ended, 1_020_000, "{report:?}");
            assert_eq!(report.dropped_total(), report.ended, "{report:?}");
        },
    );
}

#[test]
fn endpoint_back_after_an_outage_gets_spans_and_both_are_said_once() {
    alone(
        "endpoint_back_after_an_outage_gets_spans_and_both_are_said_once",
        &[],
        || {
            let faults = Faults::new()
                .with_status(StatusCode::BAD_REQUEST)
                .with_first_requests(3);
            let loopback = Loopback::with_hook(faults);
            let said = Said::default();
            let guard = install(Protocol::HttpProtobuf, loopback.http(), &said);
            for _ in 0..6 {
                load(10);
                guard.force_flush().unwrap();
            }
            guard.shutdown().unwrap();
            let report = guard.delivery();
            assert_eq!(report.ended, 60);
            assert_eq!(loopback.store().span_count() as u64, report.exported);
            assert_eq!(
                report.exported + report.dropped(DropReason::Rejected),
                60,
                "{report:?}"
            );
            assert_eq!(said.messages(ReportKind::Outage).len(), 1);
            assert_eq!(said.messages(ReportKind::Recovered).len(), 1);
        },
    );
}
