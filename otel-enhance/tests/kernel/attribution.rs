//! No span has what another did, however contexts come and go.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use otel_enhance::config::EbpfSpans;
use otel_enhance::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
};
use otel_enhance::{Context, enhanced_trace, global, task};

use crate::common::{BOTH, Path, Shares, alone, burn, install_full, install_with, number, spin};

pub(crate) const STEP: Duration = Duration::from_millis(5);
pub(crate) const STEP_NS: u64 = 5_000_000;

pub(crate) fn context(name: &'static str) -> Context {
    Context::current_with_span(global::tracer("attribution").start(name))
}

pub(crate) fn find<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    spans
        .iter()
        .find(|span| span.name == name || span.name.ends_with(&format!("::{name}")))
        .unwrap_or_else(|| panic!("no span {name}: {spans:?}"))
}

/// Computing for `steps` steps, as far as a busy machine can tell.
pub(crate) fn assert_cpu(what: &str, shares: Shares, steps: u64) {
    let (least, most) = (steps * STEP_NS, steps * STEP_NS + 4_000_000);
    assert!(
        shares.cpu + 100_000 >= least && shares.cpu <= most,
        "{what}: {steps} steps are not {shares:?}"
    );
}

#[test]
fn contexts_detached_in_another_order_leave_each_its_own() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let (a, b, c) = (context("a"), context("b"), context("c"));
        let attached_a = a.clone().attach();
        burn(STEP);
        let attached_b = b.clone().attach();
        burn(STEP);
        let attached_c = c.clone().attach();
        burn(STEP);
        // Nobody is told: `c` stays active, and `a` is next.
        drop(attached_b);
        burn(STEP);
        drop(attached_c);
        burn(STEP);
        drop(attached_a);
        burn(STEP);
        for context in [a, b, c] {
            context.span().end();
        }
        guard.shutdown().unwrap();
        let spans = kept.take();
        let own = |name| Shares::own(find(&spans, name)).unwrap();
        assert_cpu("a", own("a"), 2);
        assert_cpu("b", own("b"), 1);
        assert_cpu("c", own("c"), 2);
    }
}

#[test]
fn span_that_is_active_within_itself_is_counted_once() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let outer = context("outer");
        {
            let _outer = outer.clone().attach();
            burn(STEP);
            let inner = context("inner");
            {
                let _inner = inner.clone().attach();
                burn(STEP);
                let _again = outer.clone().attach();
                burn(STEP);
                // On top of itself directly, too, and with another value beside it.
                let _once_more = outer.with_value(7_u8).attach();
                burn(STEP);
            }
            inner.span().end();
        }
        outer.span().end();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let outer = find(&spans, "outer");
        assert_cpu("in all", Shares::total(outer).unwrap(), 4);
        assert_cpu("of its own", Shares::own(outer).unwrap(), 3);
        let inner = find(&spans, "inner");
        assert_cpu("inner in all", Shares::total(inner).unwrap(), 3);
        assert_cpu("inner's own", Shares::own(inner).unwrap(), 1);
    }
}

#[test]
fn span_ended_below_another_has_what_ran_on_top_so_far() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let root = context("root");
        let attached_root = root.clone().attach();
        let outer = context("outer");
        let attached = outer.clone().attach();
        burn(STEP);
        let inner = context("inner");
        let attached_inner = inner.clone().attach();
        burn(STEP);
        outer.span().end();
        burn(STEP);
        drop(attached_inner);
        inner.span().end();
        burn(STEP);
        drop(attached);
        drop(attached_root);
        root.span().end();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let total = |name| Shares::total(find(&spans, name)).unwrap();
        let own = |name| Shares::own(find(&spans, name)).unwrap();
        assert_cpu("outer in all", total("outer"), 2);
        assert_cpu("outer's own", own("outer"), 1);
        assert_cpu("inner", total("inner"), 2);
        assert_cpu("root in all", total("root"), 4);
        // What a span does after its end counts for the one around it.
        assert_cpu("root's own", own("root"), 1);
    }
}

#[test]
fn span_that_ends_while_outside_of_all_has_nothing_of_that_but_its_own() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let around = context("around");
        let attached = around.clone().attach();
        let (a, b, c) = (context("a"), context("b"), context("c"));
        {
            let _a = a.clone().attach();
            burn(STEP);
            let _b = b.clone().attach();
            burn(STEP);
            let _nothing = Context::new().attach();
            burn(STEP * 2);
            let _again = a.clone().attach();
            burn(STEP);
            let _c = c.clone().attach();
            burn(STEP);
            a.span().end();
            burn(STEP);
        }
        burn(STEP);
        around.span().end();
        drop(attached);
        for context in [b, c] {
            context.span().end();
        }
        guard.shutdown().unwrap();
        let spans = kept.take();
        for (name, steps, own) in [("a", 4, 2), ("b", 1, 1), ("c", 2, 2), ("around", 3, 1)] {
            let span = find(&spans, name);
            assert_cpu(name, Shares::total(span).unwrap(), steps);
            assert_cpu(name, Shares::own(span).unwrap(), own);
        }
    }
}

#[test]
fn what_happens_outside_of_any_span_counts_for_none() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let a = context("a");
        {
            let _a = a.clone().attach();
            burn(STEP);
            let _nothing = Context::new().attach();
            burn(STEP);
            let remote = SpanContext::new(
                TraceId::from(1),
                SpanId::from(2),
                TraceFlags::SAMPLED,
                true,
                TraceState::NONE,
            );
            let _remote = Context::new().with_remote_span_context(remote).attach();
            burn(STEP);
        }
        a.span().end();
        guard.shutdown().unwrap();
        let spans = kept.take();
        assert_cpu("a", Shares::total(find(&spans, "a")).unwrap(), 1);
    }
}

#[test]
fn span_active_on_two_threads_has_what_both_did() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let shared = context("shared");
        let barrier = Arc::new(std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (context, barrier) = (shared.clone(), barrier.clone());
                scope.spawn(move || {
                    let _attached = context.attach();
                    barrier.wait();
                    burn(STEP);
                    barrier.wait();
                });
            }
        });
        shared.span().end();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let span = find(&spans, "shared");
        assert_cpu("both", Shares::total(span).unwrap(), 2);
        assert_eq!(number(span, "otel_enhance.polls"), Some(2));
    }
}

#[test]
fn span_that_a_thread_has_active_until_its_end_has_what_it_did() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let (around, forgotten) = (context("around"), context("forgotten"));
        let work = || {
            std::mem::forget(around.clone().attach());
            burn(STEP);
            std::mem::forget(forgotten.clone().attach());
            burn(STEP);
        };
        // Waits for the thread, and not for the work alone, as a scope does.
        std::thread::scope(|scope| scope.spawn(work).join().unwrap());
        around.span().end();
        forgotten.span().end();
        guard.shutdown().unwrap();
        let spans = kept.take();
        assert_cpu("around", Shares::total(find(&spans, "around")).unwrap(), 2);
        assert_cpu("its own", Shares::own(find(&spans, "around")).unwrap(), 1);
        let forgotten = Shares::total(find(&spans, "forgotten")).unwrap();
        assert_cpu("forgotten", forgotten, 1);
    }
}

#[enhanced_trace]
fn works_on_another_thread() {
    let context = Context::current();
    let work = || {
        let _attached = context.attach();
        burn(STEP);
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap());
}

/// The thread of the function itself never waits: it is on its CPU from begin to end, or waits for one.
#[enhanced_trace]
fn works_beside_another_thread() {
    let is_done = AtomicBool::new(false);
    let context = Context::current();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let attached = context.attach();
            burn(STEP);
            drop(attached);
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
    });
}

#[test]
fn function_whose_context_another_thread_attaches_has_what_both_did() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        works_on_another_thread();
        works_beside_another_thread();
        guard.shutdown().unwrap();
        let spans = kept.take();
        let span = find(&spans, "works_on_another_thread");
        assert_cpu("there", Shares::total(span).unwrap(), 1);
        assert_eq!(number(span, "otel_enhance.polls"), Some(2));
        let span = find(&spans, "works_beside_another_thread");
        let shares = Shares::total(span).unwrap();
        assert!(shares.cpu + 100_000 >= STEP_NS, "{path:?}: {shares:?}");
        assert_eq!(number(span, "otel_enhance.polls"), Some(2), "{path:?}");
    }
}

/// As `#[async_trait]` makes it of a method: the span starts with the call.
#[enhanced_trace]
fn boxed() -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async {})
}

#[test]
fn time_between_the_start_of_a_futures_span_and_its_first_poll_counts_for_none() {
    const ROUNDS: usize = 100;
    const WAIT: Duration = Duration::from_micros(200);
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let poll = |future: Pin<&mut dyn Future<Output = ()>>| {
            // As a rule the thread is not switched meanwhile.
            burn(WAIT);
            let polled = future.poll(&mut std::task::Context::from_waker(Waker::noop()));
            assert!(polled.is_ready());
        };
        for _ in 0..ROUNDS {
            poll(boxed().as_mut());
            poll(std::pin::pin!(task::linked("linked", async {})));
        }
        guard.shutdown().unwrap();
        let spans = kept.take();
        for name in ["boxed", "linked"] {
            let of_name = spans.iter().filter(|span| span.name.ends_with(name));
            let cpu = of_name.map(|span| Shares::total(span).unwrap().cpu);
            let late = cpu.filter(|cpu| u128::from(*cpu) >= WAIT.as_nanos());
            // Some the machine interrupts for as long.
            let late = late.count();
            assert!(late < ROUNDS / 4, "{path:?}: {late} of {name}");
        }
    }
}

#[test]
fn span_that_was_never_active_has_no_figures() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let idle = context("idle");
        spin(STEP);
        idle.span().end();
        guard.shutdown().unwrap();
        let spans = kept.take();
        assert_eq!(Shares::total(find(&spans, "idle")), None);
    }
}

#[enhanced_trace(profile)]
fn marked() {
    burn(STEP);
    unmarked();
}

#[enhanced_trace]
fn unmarked() {
    burn(STEP);
}

#[enhanced_trace(profile)]
async fn marked_future() {
    burn(STEP);
    tokio::task::yield_now().await;
    burn(STEP);
}

#[test]
fn marked_functions_alone_have_figures_where_that_is_asked() {
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) =
            install_with(path, |pipeline| pipeline.with_ebpf_spans(EbpfSpans::Marked));
        unmarked();
        marked();
        unmarked();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(marked_future());
        guard.shutdown().unwrap();
        let spans = kept.take();
        assert_eq!(Shares::total(find(&spans, "unmarked")), None);
        let marked = find(&spans, "marked");
        // What is not marked counts for what is around it.
        assert_cpu("marked", Shares::own(marked).unwrap(), 2);
        let future = find(&spans, "marked_future");
        assert_cpu("future", Shares::total(future).unwrap(), 2);
        assert_eq!(number(future, "otel_enhance.polls"), Some(2));
    }
}

#[test]
fn spans_that_are_deeper_than_can_be_told_count_for_those_around_them() {
    #[enhanced_trace]
    fn deep(more: u32) {
        if more == 0 {
            burn(STEP);
        } else {
            deep(more - 1);
        }
    }
    let _alone = alone();
    for path in [Path::Sdk, Path::Fast] {
        let (guard, kept) = install_full(path);
        deep(99);
        deep(3);
        guard.shutdown().unwrap();
        let spans = kept.take();
        let with = spans.iter().filter(|span| Shares::total(span).is_some());
        assert_eq!(with.count(), 64 + 4);
        for span in spans.iter().filter(|span| Shares::total(span).is_some()) {
            assert_cpu("deep", Shares::total(span).unwrap(), 1);
        }
    }
}

#[enhanced_trace]
fn finds_no_room() {
    burn(STEP);
}

#[enhanced_trace]
fn finds_room() {
    burn(STEP);
}

#[test]
fn function_that_finds_the_official_stack_full_counts_for_the_span_around_it() {
    const MOST: usize = 65_534;
    let _alone = alone();
    for path in BOTH {
        let (guard, kept) = install_full(path);
        let outer = context("outer");
        let attached: Vec<_> = (0..MOST).map(|_| outer.clone().attach()).collect();
        finds_no_room();
        assert_eq!(
            Context::map_current(|active| active.span().span_context().span_id()),
            outer.span().span_context().span_id()
        );
        attached.into_iter().rev().for_each(drop);
        finds_room();
        let again = outer.clone().attach();
        finds_room();
        drop(again);
        outer.span().end();
        guard.shutdown().unwrap();
        let spans = kept.take();
        // To fill the stack takes a while, too.
        assert!(Shares::own(find(&spans, "outer")).unwrap().cpu + 100_000 >= STEP_NS);
        assert!(Shares::total(find(&spans, "finds_no_room")).is_none());
        let rooms: Vec<_> = spans
            .iter()
            .filter(|span| span.name.ends_with("::finds_room"))
            .collect();
        assert_eq!(rooms.len(), 2);
        for span in rooms {
            assert_cpu("finds_room", Shares::total(span).unwrap(), 1);
        }
    }
}
