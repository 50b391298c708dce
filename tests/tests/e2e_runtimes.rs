//! `init!`, flush and shutdown wherever they are called: without a runtime, in one with many threads,
//! in one with a single thread, and after the runtime is gone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::global;
use opentelemetry::trace::{Span, Tracer};
use otel_enhance::export::DropReason;
use otel_enhance::{InitError, TelemetryGuard, enhanced_trace};
use otel_enhance_receiver::Faults;
use otel_enhance_tests::alone::alone;
use otel_enhance_tests::loopback::Loopback;
use tokio::runtime::{Builder, Runtime};

#[enhanced_trace(name = "work", capture(number))]
fn work(number: u64) {}

#[enhanced_trace(name = "task")]
async fn task() {
    tokio::task::yield_now().await;
}

const SPANS: usize = 10;

fn load() {
    for number in 0..SPANS as u64 {
        work(number);
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn many_threads() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Where a piece of a program runs.
#[derive(Clone, Copy, Debug)]
enum Place {
    NoRuntime,
    ManyThreads,
    /// In a task of that runtime: on its worker.
    Spawned,
    OneThread,
}

const PLACES: [Place; 4] = [
    Place::NoRuntime,
    Place::ManyThreads,
    Place::Spawned,
    Place::OneThread,
];

/// Runs `body` there; the runtime is gone afterwards.
fn at<T: Send + 'static>(place: Place, body: impl FnOnce() -> T + Send + 'static) -> T {
    match place {
        Place::NoRuntime => body(),
        Place::ManyThreads => many_threads().block_on(async { body() }),
        Place::Spawned => {
            let runtime = many_threads();
            let spawned = runtime.spawn(async { body() });
            runtime.block_on(spawned).unwrap()
        }
        Place::OneThread => one_thread().block_on(async { body() }),
    }
}

#[derive(Clone, Copy, Debug)]
enum By {
    Http,
    Grpc,
}

fn install(by: By, loopback: &Loopback) -> TelemetryGuard {
    match by {
        By::Http => otel_enhance::init!(exporter = otlp_http, endpoint = loopback.http()),
        By::Grpc => otel_enhance::init!(exporter = otlp_grpc, endpoint = loopback.grpc()),
    }
    .unwrap()
}

/// How a program ends its telemetry.
#[derive(Clone, Copy, Debug)]
enum End {
    Shutdown,
    Drop,
    Flush,
}

/// Installs in one place and ends in another, with spans after the first place is gone.
fn delivers(by: By, first: Place, last: Place, end: End) {
    let loopback = Arc::new(Loopback::start());
    let receiver = Arc::clone(&loopback);
    let guard = at(first, move || {
        let guard = install(by, &receiver);
        load();
        guard
    });
    load();
    let started = Instant::now();
    at(last, move || {
        load();
        match end {
            End::Shutdown => guard.shutdown().unwrap(),
            End::Drop => {}
            End::Flush => guard.force_flush().unwrap(),
        }
        drop(guard);
    });
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{by:?} {first:?} {last:?} {end:?}: {:?}",
        started.elapsed()
    );
    assert_eq!(
        loopback.store().span_count(),
        3 * SPANS,
        "{by:?} {first:?} {last:?} {end:?}"
    );
}

#[test]
fn grpc_installed_anywhere_outlives_the_runtime_it_was_installed_in() {
    alone(
        "grpc_installed_anywhere_outlives_the_runtime_it_was_installed_in",
        &[],
        || {
            for first in PLACES {
                delivers(By::Grpc, first, Place::NoRuntime, End::Shutdown);
            }
        },
    );
}

#[test]
fn http_installed_anywhere_outlives_the_runtime_it_was_installed_in() {
    alone(
        "http_installed_anywhere_outlives_the_runtime_it_was_installed_in",
        &[],
        || {
            for first in PLACES {
                delivers(By::Http, first, Place::NoRuntime, End::Shutdown);
            }
        },
    );
}

#[test]
fn grpc_ended_anywhere_and_anyhow_delivers_everything_first() {
    alone(
        "grpc_ended_anywhere_and_anyhow_delivers_everything_first",
        &[],
        || {
            for last in PLACES {
                for end in [End::Shutdown, End::Drop, End::Flush] {
                    delivers(By::Grpc, Place::OneThread, last, end);
                }
            }
        },
    );
}

#[test]
fn http_ended_anywhere_and_anyhow_delivers_everything_first() {
    alone(
        "http_ended_anywhere_and_anyhow_delivers_everything_first",
        &[],
        || {
            for last in PLACES {
                for end in [End::Shutdown, End::Drop, End::Flush] {
                    delivers(By::Http, Place::OneThread, last, end);
                }
            }
        },
    );
}

/// The receiver's answers do not come: shutdown is over at its deadline wherever it is called.
#[test]
fn shutdown_of_a_hanging_export_ends_at_its_deadline_and_counts() {
    alone(
        "shutdown_of_a_hanging_export_ends_at_its_deadline_and_counts",
        &[],
        || {
            for by in [By::Http, By::Grpc] {
                for last in PLACES {
                    let loopback = Loopback::with_hook(Faults::new().with_hang());
                    let guard = install(by, &loopback);
                    load();
                    let (took, result, report) = at(last, move || {
                        let started = Instant::now();
                        let result = guard.shutdown_with_timeout(Duration::from_millis(300));
                        (started.elapsed(), result, guard.delivery())
                    });
                    assert!(result.is_err(), "{by:?} {last:?}");
                    assert!(
                        took >= Duration::from_millis(300) && took < Duration::from_secs(2),
                        "{by:?} {last:?}: {took:?}"
                    );
                    assert_eq!(
                        report.dropped(DropReason::ShutdownDeadline),
                        SPANS as u64,
                        "{report:?}"
                    );
                }
            }
        },
    );
}

#[test]
fn shutdown_from_many_threads_at_once_waits_in_each_for_the_end() {
    alone(
        "shutdown_from_many_threads_at_once_waits_in_each_for_the_end",
        &[],
        || {
            let slow = Faults::new().with_latency(Duration::from_millis(300));
            let loopback = Loopback::with_hook(slow);
            let guard = Arc::new(install(By::Grpc, &loopback));
            load();
            let barrier = Arc::new(Barrier::new(8));
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let (guard, barrier) = (Arc::clone(&guard), Arc::clone(&barrier));
                    thread::spawn(move || {
                        barrier.wait();
                        guard.shutdown().unwrap();
                        // Whoever returns finds the books closed.
                        guard.delivery().exported
                    })
                })
                .collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), SPANS as u64);
            }
            guard.shutdown().unwrap();
            assert_eq!(loopback.store().span_count(), SPANS);
        },
    );
}

#[test]
fn second_init_while_a_guard_lives_is_an_error_and_after_shutdown_is_not() {
    alone(
        "second_init_while_a_guard_lives_is_an_error_and_after_shutdown_is_not",
        &[],
        || {
            let first_receiver = Loopback::start();
            let second_receiver = Loopback::start();
            let first = install(By::Http, &first_receiver);
            let refused = otel_enhance::init!(endpoint = second_receiver.http());
            let error = refused.expect_err("a guard lives");
            assert!(matches!(error, InitError::AlreadyInstalled), "{error:?}");
            assert!(
                error
                    .to_string()
                    .contains("shut the living TelemetryGuard down"),
                "{error}"
            );
            // The refused one has changed nothing.
            load();
            first.shutdown().unwrap();
            let second = install(By::Grpc, &second_receiver);
            load();
            // The first one has nothing to end any more.
            first.shutdown().unwrap();
            drop(first);
            load();
            second.shutdown().unwrap();
            assert_eq!(first_receiver.store().span_count(), SPANS);
            assert_eq!(second_receiver.store().span_count(), 2 * SPANS);
        },
    );
}

/// The global provider of an application that had one of its own.
#[test]
fn global_provider_found_by_init_is_back_after_shutdown() {
    alone(
        "global_provider_found_by_init_is_back_after_shutdown",
        &[],
        || {
            let kept = otel_enhance_tests::sender::Recorder::default();
            let found = opentelemetry_sdk::trace::SdkTracerProvider::builder()
                .with_span_processor(kept.clone())
                .build();
            global::set_tracer_provider(found);
            let by_hand = |name: &'static str| global::tracer("by-hand").start(name).end();
            let loopback = Loopback::start();
            by_hand("before");
            for _ in 0..3 {
                let guard = install(By::Http, &loopback);
                by_hand("during");
                guard.shutdown().unwrap();
            }
            by_hand("after");
            let names: Vec<_> = kept.take().into_iter().map(|span| span.name).collect();
            assert_eq!(names, ["before", "after"]);
            assert_eq!(loopback.names(), ["during"; 3]);
        },
    );
}

/// Spans of async functions, on the application's runtime and ours beside it.
#[test]
fn async_application_on_one_thread_delivers_while_it_runs() {
    alone(
        "async_application_on_one_thread_delivers_while_it_runs",
        &[],
        || {
            let loopback = Loopback::start();
            one_thread().block_on(async {
                let guard = otel_enhance::init!(
                    exporter = otlp_grpc,
                    endpoint = loopback.grpc(),
                    batch(scheduled_delay = 50ms),
                )
                .unwrap();
                task().await;
                // No flush: the application's one thread is not needed for an export.
                let arrived = loopback
                    .store()
                    .wait_for_spans_async(1, Duration::from_secs(20));
                assert_eq!(arrived.await.unwrap()[0].span.name, "task");
                guard.shutdown().unwrap();
            });
        },
    );
}

/// Without batching: each span is on its way as soon as it ends, and its caller is not.
#[test]
fn simple_pipeline_anywhere_exports_each_span_by_itself() {
    alone(
        "simple_pipeline_anywhere_exports_each_span_by_itself",
        &[],
        || {
            for place in PLACES {
                for by in [By::Http, By::Grpc] {
                    let loopback = Arc::new(Loopback::start());
                    let receiver = Arc::clone(&loopback);
                    at(place, move || {
                        let guard = match by {
                            By::Http => otel_enhance::init!(
                                exporter = otlp_http,
                                endpoint = receiver.http(),
                                simple,
                            ),
                            By::Grpc => otel_enhance::init!(
                                exporter = otlp_grpc,
                                endpoint = receiver.grpc(),
                                simple,
                            ),
                        }
                        .unwrap();
                        load();
                        guard.shutdown().unwrap();
                    });
                    let requests = loopback.store().requests();
                    assert_eq!(requests.len(), SPANS, "{place:?} {by:?}");
                }
            }
        },
    );
}

#[test]
fn spans_of_many_threads_at_once_are_all_delivered() {
    alone(
        "spans_of_many_threads_at_once_are_all_delivered",
        &[],
        || {
            const THREADS: usize = 8;
            const EACH: u64 = 4000;
            let loopback = Loopback::start();
            let guard = otel_enhance::init!(
                exporter = otlp_http,
                endpoint = loopback.http(),
                batch(max_queue_size = 50_000, scheduled_delay = 20ms),
            )
            .unwrap();
            let barrier = Arc::new(Barrier::new(THREADS));
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    let barrier = Arc::clone(&barrier);
                    thread::spawn(move || {
                        barrier.wait();
                        (0..EACH).for_each(work);
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            guard
                .shutdown_with_timeout(Duration::from_secs(30))
                .unwrap();
            let report = guard.delivery();
            assert_eq!(report.exported, THREADS as u64 * EACH, "{report:?}");
            assert_eq!(report.dropped_total(), 0, "{report:?}");
            let ids: std::collections::HashSet<_> = loopback
                .store()
                .spans()
                .into_iter()
                .map(|stored| stored.span.span_id)
                .collect();
            assert_eq!(ids.len(), THREADS * EACH as usize);
        },
    );
}
