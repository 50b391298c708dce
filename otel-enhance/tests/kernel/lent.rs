//! Figures that wait in a future between its polls: nothing of them is lost, however the span ends.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use otel_enhance::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use otel_enhance::{Context, enhanced_trace, global};

use crate::common::{BOTH, Shares, alone, burn, install_full, number};

const STEP: Duration = Duration::from_millis(5);
const STEP_NS: u64 = 5_000_000;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut TaskContext::from_waker(Waker::noop()))
}

fn find<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    spans
        .iter()
        .find(|span| span.name.ends_with(name))
        .unwrap_or_else(|| panic!("no span {name}: {spans:?}"))
}

/// Computing for `steps` steps, and so many polls.
fn assert_did(span: &SpanData, steps: u64, polls: Option<u64>) {
    let total = Shares::total(span).unwrap_or_else(|| panic!("no figures: {span:?}"));
    let (least, most) = (steps * STEP_NS, steps * STEP_NS + 4_000_000);
    assert!(
        total.cpu + 100_000 >= least && total.cpu <= most,
        "{steps} steps are not {total:?}"
    );
    assert_eq!(number(span, "otel_enhance.polls"), polls, "{span:?}");
}

async fn step() {
    burn(STEP);
    tokio::task::yield_now().await;
}

#[enhanced_trace]
async fn three_steps() {
    step().await;
    step().await;
    burn(STEP);
}

#[enhanced_trace]
async fn ends_early() {
    step().await;
    burn(STEP);
    Context::current().span().end();
    burn(STEP);
    tokio::task::yield_now().await;
    burn(STEP);
}

#[enhanced_trace]
async fn leaks_a_guard() {
    step().await;
    let other = Context::current_with_span(global::tracer("lent").start("leaked"));
    // The future's own guard is not the top when its poll returns.
    std::mem::forget(other.attach());
    burn(STEP);
    tokio::task::yield_now().await;
    burn(STEP);
}

#[enhanced_trace]
async fn works_elsewhere() {
    step().await;
    let elsewhere = async { burn(STEP) }.with_current_context();
    let thread = std::thread::spawn(move || {
        let mut elsewhere = pin!(elsewhere);
        assert!(poll(elsewhere.as_mut()).is_ready());
    });
    thread.join().unwrap();
    tokio::task::yield_now().await;
    burn(STEP);
}

#[enhanced_trace]
async fn shows_its_context(shown: Arc<Mutex<Option<Context>>>) {
    *shown.lock().unwrap() = Some(Context::current());
    step().await;
    burn(STEP);
}

#[test]
fn future_that_ends_under_its_own_context_attached_by_hand_has_the_polls_before() {
    let _alone = alone();
    for path in BOTH {
        for is_direct in [true, false] {
            let (guard, kept) = install_full(path);
            let shown = Arc::default();
            let mut future = Box::pin(shows_its_context(Arc::clone(&shown)));
            assert!(poll(future.as_mut()).is_pending());
            let context = shown.lock().unwrap().take().unwrap();
            let attached = context.attach();
            let other = Context::current_with_span(global::tracer("lent").start("other"));
            // Something on top of the span, or nothing.
            let between = (!is_direct).then(|| other.attach());
            assert!(poll(future.as_mut()).is_ready());
            drop(between);
            drop(attached);
            guard.shutdown().unwrap();
            assert_did(find(&kept.take(), "shows_its_context"), 2, Some(2));
        }
    }
}

#[test]
fn future_polled_on_three_threads_has_what_each_did() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let mut future = Box::pin(three_steps());
        for last in [false, false, true] {
            future = std::thread::spawn(move || {
                assert_eq!(poll(future.as_mut()).is_ready(), last);
                future
            })
            .join()
            .unwrap();
        }
        guard.shutdown().unwrap();
        assert_did(find(&kept.take(), "three_steps"), 3, Some(3));
    }
}

#[test]
fn future_dropped_between_polls_on_another_thread_has_what_it_did() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let mut future = Box::pin(three_steps());
        assert!(poll(future.as_mut()).is_pending());
        assert!(poll(future.as_mut()).is_pending());
        std::thread::spawn(move || drop(future)).join().unwrap();
        guard.shutdown().unwrap();
        assert_did(find(&kept.take(), "three_steps"), 2, Some(3));
    }
}

#[test]
fn span_ended_by_hand_within_a_poll_has_the_polls_before() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let mut future = Box::pin(ends_early());
        while poll(future.as_mut()).is_pending() {}
        guard.shutdown().unwrap();
        assert_did(find(&kept.take(), "ends_early"), 2, Some(2));
    }
}

#[test]
fn future_whose_context_stays_attached_beyond_its_poll_loses_nothing() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        // A thread of its own: what was leaked stays attached there.
        std::thread::spawn(|| {
            let mut future = Box::pin(leaks_a_guard());
            while poll(future.as_mut()).is_pending() {}
            drop(future);
            // Whoever comes next on this thread has no part of it.
            let mut next = pin!(three_steps());
            while poll(next.as_mut()).is_pending() {}
        })
        .join()
        .unwrap();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let leaky = find(&spans, "leaks_a_guard");
        let total = Shares::total(leaky).unwrap();
        assert!(
            total.cpu + 100_000 >= STEP_NS && total.cpu <= 3 * STEP_NS + 4_000_000,
            "{total:?}"
        );
        assert_did(find(&spans, "three_steps"), 3, Some(3));
    }
}

#[test]
fn work_under_a_futures_context_on_another_thread_counts_for_it() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let mut future = Box::pin(works_elsewhere());
        while poll(future.as_mut()).is_pending() {}
        guard.shutdown().unwrap();
        assert_did(find(&kept.take(), "works_elsewhere"), 3, Some(4));
    }
}

#[test]
fn span_active_elsewhere_before_it_is_here_has_both() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let context = Context::new().with_span(global::tracer("lent").start("both"));
        let there = context.clone();
        let work = move || {
            let _attached = there.attach();
            burn(STEP);
        };
        std::thread::spawn(work).join().unwrap();
        let attached = context.clone().attach();
        burn(STEP);
        context.span().end();
        drop(attached);
        guard.shutdown().unwrap();
        assert_did(find(&kept.take(), "both"), 2, Some(2));
    }
}
