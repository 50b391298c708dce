//! The law for futures: a span is active while it is polled, on whichever thread.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use otel_enhance::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use otel_enhance::{Context, KeyValue, enhanced_trace, global};

use crate::common::{BOTH, Path, Random, Shares, alone, clock, install_full, number, spin};

const TOLERANCE: u64 = 2_000;

#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    least: u64,
    most: u64,
    polls: u64,
}

type Truth = Arc<Mutex<HashMap<u64, Bounds>>>;

/// Takes down how long and how often a future is polled, from outside.
struct Timed<F> {
    future: Pin<Box<F>>,
    truth: Truth,
    n: u64,
}

impl<F: Future> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let before = clock();
        let polled = self.future.as_mut().poll(task);
        let took = clock() - before;
        let n = self.n;
        let mut truth = self.truth.lock().unwrap();
        let bounds = truth.entry(n).or_default();
        bounds.most += took;
        bounds.polls += 1;
        drop(truth);
        polled
    }
}

/// What one future does, and how long it was at it by its own account.
async fn body(truth: Truth, n: u64) {
    let mut random = Random((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut least = 0;
    for _ in 0..random.below(4) {
        let begin = clock();
        match random.below(4) {
            0 => spin(Duration::from_micros(random.below(60))),
            1 => std::thread::sleep(Duration::from_micros(random.below(60))),
            _ => {}
        }
        least += clock() - begin;
        if random.below(2) == 0 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_micros(random.below(200))).await;
        }
    }
    truth.lock().unwrap().entry(n).or_default().least = least;
}

#[enhanced_trace(fields(n = n))]
async fn annotated(truth: Truth, n: u64) {
    body(truth, n).await;
}

async fn by_hand(truth: Truth, n: u64) {
    let tracer = global::tracer("by hand");
    let span = tracer
        .span_builder("by_hand")
        .with_attributes([KeyValue::new("n", i64::try_from(n).unwrap())])
        .start(&tracer);
    let context = Context::current_with_span(span);
    body(truth, n).with_context(context.clone()).await;
    context.span().end();
}

fn law<F>(path: Path, span: fn(Truth, u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    const SPANS: u64 = 10_000;
    let _alone = alone();
    let (guard, kept) = install_full(path);
    let truth = Truth::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for first in (0..SPANS).step_by(500) {
            let tasks: Vec<_> = (first..first + 500)
                .map(|n| {
                    let truth = Arc::clone(&truth);
                    let future = Box::pin(span(Arc::clone(&truth), n));
                    tokio::spawn(Timed { future, truth, n })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
    });
    drop(runtime);
    guard.shutdown().unwrap();
    let spans = kept.take();
    let truth = truth.lock().unwrap();
    assert_eq!(spans.len() as u64, SPANS);
    let mut several = 0;
    for span in &spans {
        let bounds = truth[&number(span, "n").unwrap()];
        let total = Shares::total(span).unwrap_or_else(|| panic!("no figures: {span:?}"));
        let active = total.active();
        assert!(
            active + TOLERANCE >= bounds.least && active <= bounds.most + TOLERANCE,
            "{active} is not within {bounds:?}: {total:?}"
        );
        let polls = number(span, "otel_enhance.polls").unwrap_or(1);
        assert_eq!(polls, bounds.polls, "{span:?}");
        if polls > 1 {
            several += 1;
            let duration = span.end_time.duration_since(span.start_time).unwrap();
            let duration = u64::try_from(duration.as_nanos()).unwrap();
            let between = number(span, "otel_enhance.between_polls.time").unwrap();
            assert_eq!(between, duration.saturating_sub(active));
        }
    }
    assert!(several > SPANS / 2, "{several}");
}

#[test]
fn ten_thousand_annotated_futures_add_up_over_their_polls() {
    for path in BOTH {
        law(path, annotated);
    }
}

#[test]
fn ten_thousand_futures_by_hand_add_up_over_their_polls() {
    for path in BOTH {
        law(path, by_hand);
    }
}
