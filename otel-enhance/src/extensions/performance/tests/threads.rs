//! Threads that come and go, and threads that meet at one span.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};

use super::super::{Ended, FastProvider, HubConfig, SpanSink};
use super::{BATCHES, Batches, Told, close, collect, config, provider};

fn numbered(number: u64) -> KeyValue {
    KeyValue::new("number", i64::try_from(number).unwrap())
}

#[test]
fn short_threads_lose_no_span_and_leave_nothing() {
    const THREADS: usize = 10_000;
    let told = Told::default();
    let provider = provider(&told, Some(BATCHES));
    for chunk in 0..THREADS / 20 {
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let tracer = provider.tracer("short");
                    tracer.in_span("outer", |_| drop(tracer.start("inner")));
                });
            }
        });
        if chunk % 7 == 0 {
            collect(&provider);
        }
    }
    // A scope is left before the thread-locals of its threads are gone.
    let deadline = Instant::now() + Duration::from_secs(10);
    while provider.hub.shelves().len() > 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(provider.hub.shelves().len(), 0);
    collect(&provider);
    assert_eq!(told.take().len(), 2 * THREADS);
    assert_eq!(told.started(), 2 * THREADS as u64);
    close(&provider);
}

/// `std::thread::scope` waits for the closures of its threads, not for the destructors of their thread-locals.
#[test]
fn shutdown_while_threads_are_torn_down_misses_no_span_that_has_ended() {
    const ROUNDS: usize = 2_000;
    const SPANS: usize = 30;
    for bounds in [
        BATCHES,
        // What has no room is told by the thread itself, while the shutdown waits for that.
        Batches {
            ring: 8,
            backlog: 12,
        },
    ] {
        for round in 0..ROUNDS {
            let told = Told::default();
            let provider = provider(&told, Some(bounds));
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let tracer = provider.tracer("short");
                        for _ in 0..SPANS {
                            drop(tracer.start("one of many"));
                        }
                    });
                }
            });
            close(&provider);
            assert_eq!(told.take().len(), 2 * SPANS, "round {round}, {bounds:?}");
            assert_eq!(told.started(), 2 * SPANS as u64, "round {round}");
        }
    }
}

#[test]
fn span_that_outlives_its_thread_is_ended_by_another() {
    let told = Told::default();
    let provider = provider(&told, Some(BATCHES));
    let tracer = provider.tracer("test");
    let context = std::thread::spawn(move || Context::new().with_span(tracer.start("carried")))
        .join()
        .unwrap();
    context.span().set_attribute(numbered(1));
    context.span().end();
    collect(&provider);
    let spans = told.take();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].attributes, [numbered(1)]);
    close(&provider);
}

#[test]
fn span_ended_by_a_destructor_of_its_thread_is_not_lost() {
    thread_local! {
        static KEPT: std::cell::RefCell<Vec<super::super::FastSpan>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let told = Told::default();
    let provider = provider(&told, Some(BATCHES));
    let tracer = provider.tracer("test");
    std::thread::spawn(move || {
        // Initialised before the thread's desk, so destroyed after it.
        KEPT.with_borrow_mut(|kept| kept.reserve(1));
        let span = tracer.start("kept");
        KEPT.with_borrow_mut(|kept| kept.push(span));
    })
    .join()
    .unwrap();
    collect(&provider);
    assert_eq!(told.take().len(), 1);
    close(&provider);
}

#[test]
fn spans_beyond_ring_and_backlog_are_told_by_the_thread_that_ends_them() {
    let told = Told::default();
    let bounds = Batches {
        ring: 8,
        backlog: 20,
    };
    let provider = provider(&told, Some(bounds));
    let tracer = provider.tracer("test");
    for _ in 0..100 {
        drop(tracer.start("one of many"));
    }
    // No more than what the bounds allow waits.
    assert!((72..100).contains(&told.len()), "{}", told.len());
    collect(&provider);
    assert_eq!(told.take().len(), 100);
    assert_eq!(told.started(), 100);
    close(&provider);
}

#[test]
fn collector_thread_is_woken_by_a_ring_half_full() {
    let told = Told::default();
    let provider = provider(&told, Some(BATCHES));
    provider.start_collector(Duration::from_secs(3600)).unwrap();
    let tracer = provider.tracer("test");
    for _ in 0..BATCHES.ring {
        drop(tracer.start("one of many"));
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut collected = 0;
    while collected < BATCHES.ring / 2 && Instant::now() < deadline {
        collected += told.take().len();
        std::thread::yield_now();
    }
    assert!(collected >= BATCHES.ring / 2, "{collected}");
    close(&provider);
}

#[test]
fn writes_through_a_context_while_it_ends_reach_that_span_or_none() {
    const SPANS: u64 = 20_000;
    let told = Told::default();
    let provider = provider(
        &told,
        Some(Batches {
            ring: 32,
            ..BATCHES
        }),
    );
    provider.start_collector(Duration::from_millis(1)).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let current = Arc::new(std::sync::Mutex::new((0_u64, Context::new())));
    let written = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (done, current, written) = (&done, &current, &written);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let (number, context) = current.lock().unwrap().clone();
                    context.span().set_attribute(numbered(number));
                    context.span().add_event("late?", vec![numbered(number)]);
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..2 {
            let (provider, current) = (&provider, &current);
            scope.spawn(move || {
                let tracer = provider.tracer("test");
                for number in 0..SPANS / 2 {
                    let span = tracer
                        .span_builder("span")
                        .with_attributes([numbered(number)]);
                    let span = span.start(&tracer);
                    let handle = span.handle().unwrap();
                    let context = Context::new().with_span(span);
                    *current.lock().unwrap() = (number, context.clone());
                    // As the macro's guard does it: not through the context.
                    handle.end();
                    assert!(!context.span().is_recording());
                }
            });
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while told.len() < usize::try_from(SPANS).unwrap() && Instant::now() < deadline {
            collect(&provider);
            std::thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
    let spans = told.take();
    assert_eq!(spans.len() as u64, SPANS);
    for span in spans {
        let own = span.attributes[0].clone();
        assert!(span.attributes.iter().all(|attribute| *attribute == own));
        assert!(
            span.events
                .iter()
                .all(|event| event.attributes == [own.clone()])
        );
    }
    assert!(written.load(Ordering::Relaxed) > 0);
    close(&provider);
}

/// Takes its time.
#[derive(Debug)]
struct Slow(Told);

impl SpanSink for Slow {
    fn started(&self, spans: u64) {
        SpanSink::started(&self.0, spans);
    }

    fn ended(&self, span: Ended) {
        std::thread::sleep(Duration::from_millis(1));
        SpanSink::ended(&self.0, span);
    }

    fn forked(&self) {}
}

#[test]
fn collection_past_its_deadline_leaves_the_rest_for_the_next() {
    let told = Told::default();
    let provider = FastProvider::new(HubConfig {
        sink: Box::new(Slow(told.clone())),
        ..config(
            &told,
            Some(Batches {
                ring: 256,
                ..BATCHES
            }),
        )
    });
    let tracer = provider.tracer("test");
    for _ in 0..200 {
        drop(tracer.start("one of many"));
    }
    provider.collect(Instant::now());
    let first = told.take();
    assert!((1..200).contains(&first.len()), "{}", first.len());
    collect(&provider);
    let second = told.take();
    assert_eq!(first.len() + second.len(), 200);
    // In order.
    assert!(first.last().unwrap().start_time <= second[0].start_time);
    assert!(second.is_sorted_by_key(|span| span.start_time));
    close(&provider);
}
