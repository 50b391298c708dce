//! The fast path's spans from threads that come and go, and from runtimes inside runtimes: none is lost,
//! and no memory stays behind. And what waits as bytes, under every policy.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_enhance::export::DropReason;
use otel_enhance::pipeline::Spans;
use otel_enhance::{TelemetryGuard, enhanced_trace, init};
use otel_enhance_receiver::{Outcome, Receiver, Request};
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::gate::Gate;
use otel_enhance_tests::loopback::Loopback;

/// Longer than anything on loopback takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

#[enhanced_trace(name = "work", capture(number))]
fn work(number: u64) {}

#[enhanced_trace(name = "outer", capture(text))]
fn outer(text: String) {
    work(text.len() as u64);
}

#[enhanced_trace(name = "asynchronous")]
async fn asynchronous(number: u64) {
    tokio::task::yield_now().await;
    work(number);
}

/// `ended` spans are received, or dropped for the reasons that are counted.
fn settle(guard: &TelemetryGuard, ended: u64) -> u64 {
    guard.shutdown_with_timeout(LONG).unwrap();
    let report = guard.delivery();
    assert_eq!(report.ended, ended, "{report:?}");
    assert_eq!(report.exported + report.dropped_total(), ended);
    report.exported
}

/// Bytes of this process that are in memory; `None` where nobody says.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[test]
fn short_threads_lose_no_span_and_leave_no_memory() {
    const THREADS: u64 = 10_000;
    alone(
        "short_threads_lose_no_span_and_leave_no_memory",
        &[],
        || {
            let received = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&received);
            let receiver = Receiver::builder()
                .with_http("127.0.0.1:0")
                .with_handler(move |request: Request| {
                    counted.fetch_add(request.span_count() as u64, Ordering::SeqCst);
                    async { Outcome::Accepted }
                })
                .start_blocking()
                .unwrap();
            let guard = init!(endpoint = receiver.http_endpoint().unwrap(), performance).unwrap();
            assert_eq!(guard.spans(), Spans::Fast);
            let mut settled = None;
            for chunk in 0..THREADS / 20 {
                let threads: Vec<_> = (0..20)
                    .map(|number| thread::spawn(move || outer("x".repeat(100 + number))))
                    .collect();
                for thread in threads {
                    thread.join().unwrap();
                }
                if chunk % 50 == 0 {
                    guard.force_flush().unwrap();
                }
                if chunk == THREADS / 20 / 2 {
                    settled = resident();
                }
            }
            let grown = resident()
                .zip(settled)
                .map(|(now, then)| now.saturating_sub(then));
            assert_eq!(settle(&guard, 2 * THREADS), 2 * THREADS);
            assert_eq!(received.load(Ordering::SeqCst), 2 * THREADS);
            // 5000 threads' rings alone would be 40 MB.
            assert!(grown.unwrap_or(0) < 16 << 20, "{grown:?} bytes more");
        },
    );
}

/// Counts what it gets.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicU64>);

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, Ordering::SeqCst);
        Ok(())
    }
}

/// A scope waits for the closures of its threads, not for the destructors of their thread-locals.
#[test]
fn shutdown_right_after_a_scope_of_threads_loses_no_span() {
    const ROUNDS: u64 = 200;
    const THREADS: u64 = 4;
    const SPANS: u64 = 100;
    alone(
        "shutdown_right_after_a_scope_of_threads_loses_no_span",
        &[],
        || {
            for round in 0..ROUNDS {
                let counted = Counting::default();
                let exporter = counted.clone();
                let guard = init!(exporter = exporter, performance).unwrap();
                thread::scope(|scope| {
                    for _ in 0..THREADS {
                        scope.spawn(|| (0..SPANS).for_each(work));
                    }
                });
                let exported = settle(&guard, THREADS * SPANS);
                assert_eq!(exported, THREADS * SPANS, "round {round}");
                assert_eq!(counted.0.load(Ordering::SeqCst), exported);
            }
        },
    );
}

#[test]
fn runtimes_inside_threads_of_runtimes_lose_no_span() {
    alone(
        "runtimes_inside_threads_of_runtimes_lose_no_span",
        &[],
        || {
            let loopback = Loopback::start();
            let guard = init!(endpoint = loopback.http(), performance).unwrap();
            assert_eq!(guard.spans(), Spans::Fast);
            let several = || {
                tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap()
            };
            let outermost = several();
            outermost.block_on(async {
                asynchronous(0).await;
                let inner = tokio::task::spawn_blocking(move || {
                    work(1);
                    // One of its own on a thread of the other, which both go while spans wait.
                    let inner = several();
                    let tasks: Vec<_> = (0..50).map(|n| inner.spawn(asynchronous(n))).collect();
                    inner.block_on(async {
                        for task in tasks {
                            task.await.unwrap();
                        }
                    });
                    let current = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    current.block_on(asynchronous(2));
                });
                inner.await.unwrap();
            });
            drop(outermost);
            let ended = 2 * (1 + 50 + 1) + 1;
            assert_eq!(settle(&guard, ended), ended);
            assert_eq!(loopback.store().span_count() as u64, ended);
        },
    );
}

/// The numbers of the spans that arrived.
fn numbers(loopback: &Loopback) -> BTreeSet<i64> {
    use otel_enhance_receiver::proto::common::v1::any_value::Value;

    let number = |span: &otel_enhance_receiver::StoredSpan| {
        let attribute = span.span.attributes.iter().find(|one| one.key == "number");
        match attribute.unwrap().value.as_ref().unwrap().value {
            Some(Value::IntValue(number)) => number,
            _ => panic!("{attribute:?}"),
        }
    };
    loopback.store().spans().iter().map(number).collect()
}

#[test]
fn spans_that_wait_as_bytes_keep_the_bounds_and_the_policy() {
    const SPANS: u64 = 5000;
    alone(
        "spans_that_wait_as_bytes_keep_the_bounds_and_the_policy",
        &[],
        || {
            for oldest in [false, true] {
                let gate = Gate::shut();
                let loopback = Loopback::with_hook(gate.clone());
                let guard = if oldest {
                    init!(
                        endpoint = loopback.http(),
                        performance(queue_bytes = 1 << 16, in_flight = 1, drop = "oldest")
                    )
                } else {
                    init!(
                        endpoint = loopback.http(),
                        performance(queue_bytes = 1 << 16, in_flight = 1)
                    )
                }
                .unwrap();
                for number in 0..SPANS {
                    work(number);
                }
                // What ended is in the queue, or beyond it.
                let begun = Instant::now();
                while guard.delivery().ended < SPANS {
                    assert!(begun.elapsed() < LONG);
                    thread::yield_now();
                }
                let level = guard.queue().unwrap().queue();
                assert!(level.peak_bytes <= 1 << 16, "{level:?}");
                // Bytes on the wire: as memory each would be several times as much.
                assert!(level.waiting + level.in_flight > 200, "{level:?}");
                gate.open();
                let exported = settle(&guard, SPANS);
                let report = guard.delivery();
                let reason = if oldest {
                    DropReason::QueueFull
                } else {
                    DropReason::QueueMemory
                };
                assert_eq!(report.dropped(reason), SPANS - exported, "{report:?}");
                let numbers = numbers(&loopback);
                assert_eq!(numbers.len() as u64, exported, "each came once");
                let newest = numbers.contains(&(SPANS as i64 - 1));
                assert_eq!(newest, oldest, "{:?}", numbers.last());
            }
        },
    );
}
