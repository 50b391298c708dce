//! Futures under spans of either kind: their context is shared with the official stack, poll by poll.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};

use super::super::FastBackend;
use super::{Told, callsite, close, provider};
use crate::span::private::OpenSpan;
use crate::span::{Backend, ProviderBackend};

/// In every context of a test: who has it, has the context.
#[derive(Clone, Debug)]
struct Owners(Arc<()>);

impl Owners {
    fn count(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// Runs `test` with a span of the SDK, and with one of the fast path, under a context whose owners are
/// counted. The span ends, and no context stays.
fn of_either_kind(test: impl Fn(OpenSpan, &Owners)) {
    let told = Told::default();
    let fast = provider(&told, None);
    let official = SdkTracerProvider::builder()
        .with_span_processor(told.clone())
        .build();
    let backends: [(&str, &dyn Backend); 2] = [
        ("fast", &FastBackend::new(fast.clone())),
        ("official", &ProviderBackend::new(official)),
    ];
    for (kind, backend) in backends {
        let owners = Owners(Arc::default());
        let base = Context::new().with_value(owners.clone());
        assert_eq!(owners.count(), 2);
        let span = {
            let _base = base.attach();
            open(backend)
        };
        test(span, &owners);
        assert_eq!(told.take().len(), 1, "{kind}");
        assert_eq!(owners.count(), 1, "{kind}: contexts are left");
        assert!(!Context::map_current(Context::has_active_span));
    }
    close(&fast);
}

fn open(backend: &dyn Backend) -> OpenSpan {
    let mut open = OpenSpan::none();
    backend.open(&mut callsite().span(0), &mut open);
    open
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

/// Pending so many times.
async fn pend(times: u32) {
    for _ in 0..times {
        let mut is_first = true;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut is_first, false) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

fn is_active() -> bool {
    Context::map_current(|context| context.has_active_span() && context.span().is_recording())
}

#[test]
fn future_polled_to_its_end_has_its_span_in_each_poll_and_leaves_no_context() {
    for pending in 0..3 {
        of_either_kind(|span, _| {
            let mut future = pin!(span.instrument(async {
                assert!(is_active());
                pend(pending).await;
                assert!(is_active());
            }));
            for _ in 0..pending {
                assert_eq!(poll(future.as_mut()), Poll::Pending);
                assert!(!is_active());
            }
            assert_eq!(poll(future.as_mut()), Poll::Ready(()));
        });
    }
}

#[test]
fn future_dropped_before_its_end_leaves_no_context() {
    for polls in 0..3 {
        of_either_kind(|span, _| {
            let mut future = Box::pin(span.instrument(pend(10)));
            for _ in 0..polls {
                assert_eq!(poll(future.as_mut()), Poll::Pending);
            }
        });
    }
}

#[test]
fn future_that_panics_ends_its_span_and_leaves_no_context() {
    for pending in 0..2 {
        of_either_kind(|span, _| {
            let mut future = Box::pin(span.instrument(async {
                pend(pending).await;
                let _ = "none".parse::<i32>().unwrap();
            }));
            for _ in 0..pending {
                assert_eq!(poll(future.as_mut()), Poll::Pending);
            }
            assert!(catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).is_err());
            assert!(!is_active());
        });
    }
}

#[test]
fn future_that_keeps_a_guard_over_an_await_keeps_its_span() {
    of_either_kind(|span, _| {
        let left: std::cell::Cell<Option<ContextGuard>> = std::cell::Cell::new(None);
        let mut future = pin!(span.instrument(async {
            left.set(Some(Context::new().attach()));
            pend(2).await;
            assert!(is_active());
        }));
        assert_eq!(poll(future.as_mut()), Poll::Pending);
        // Out of order: what the future attached is above what its poll did.
        assert_eq!(poll(future.as_mut()), Poll::Pending);
        drop(left.take());
        assert_eq!(poll(future.as_mut()), Poll::Ready(()));
    });
}

#[test]
fn future_polled_under_its_own_span_keeps_it() {
    of_either_kind(|span, _| {
        let own = std::cell::Cell::new(None);
        let mut future = pin!(span.instrument(async {
            own.set(Some(Context::current()));
            pend(1).await;
            assert!(is_active());
        }));
        assert_eq!(poll(future.as_mut()), Poll::Pending);
        let _own = own.take().map(Context::attach);
        assert_eq!(poll(future.as_mut()), Poll::Ready(()));
    });
}

#[test]
fn clones_of_the_context_outlive_the_future() {
    of_either_kind(|span, owners| {
        let kept = std::cell::RefCell::new(Vec::new());
        let mut future = pin!(span.instrument(async {
            kept.borrow_mut().push(Context::current());
            pend(1).await;
            kept.borrow_mut().push(Context::current());
        }));
        assert_eq!(poll(future.as_mut()), Poll::Pending);
        assert_eq!(poll(future.as_mut()), Poll::Ready(()));
        for context in kept.take() {
            assert!(!context.span().is_recording());
            assert!(context.get::<Owners>().is_some());
        }
        assert_eq!(owners.count(), 1);
    });
}

#[test]
fn future_polled_where_the_context_stack_is_full_goes_on_without_its_span() {
    /// As deep as the official stack is.
    const FULL: usize = u16::MAX as usize - 1;
    for room in 0..2 {
        of_either_kind(|span, _| {
            let full: Vec<_> = (room..FULL).map(|_| Context::new().attach()).collect();
            let mut future = pin!(span.instrument(async {
                let seen = is_active();
                pend(1).await;
                seen
            }));
            assert_eq!(poll(future.as_mut()), Poll::Pending);
            // In order, as they were not attached.
            full.into_iter().rev().for_each(drop);
            assert_eq!(poll(future.as_mut()), Poll::Ready(room == 1));
        });
    }
}

/// Panics when a span ends.
#[derive(Debug)]
struct Panics;

impl SpanProcessor for Panics {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {
        let _ = "none".parse::<i32>().unwrap();
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn future_whose_processor_panics_leaves_no_context() {
    let official = SdkTracerProvider::builder()
        .with_span_processor(Panics)
        .build();
    let owners = Owners(Arc::default());
    let span = {
        let _base = Context::new().with_value(owners.clone()).attach();
        open(&ProviderBackend::new(official))
    };
    let mut future = Box::pin(span.instrument(pend(0)));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).is_err());
    drop(future);
    assert_eq!(owners.count(), 1);
}
