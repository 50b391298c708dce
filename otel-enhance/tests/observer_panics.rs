//! An application's context observer that panics: a process has one, hence a binary of its own.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::context::{ContextObserver, GlobalContextObserver};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use otel_enhance::enhanced_trace;

static PANICS: AtomicBool = AtomicBool::new(false);

struct Panics;

impl ContextObserver for Panics {
    fn on_context_enter(&self, _: &Context, _: &Context) {
        // Once: the future is dropped under its span while this unwinds.
        assert!(!PANICS.swap(false, Ordering::Relaxed), "an observer");
    }

    fn on_context_exit(&self, _: &Context, _: &Context) {}
}

static ENDED: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Counts;

impl SpanProcessor for Counts {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {
        ENDED.fetch_add(1, Ordering::Relaxed);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// In the span's context: who has it, has the context.
#[derive(Clone)]
struct Owners(Arc<()>);

#[enhanced_trace]
async fn annotated() {
    let mut is_first = true;
    std::future::poll_fn(move |_| match std::mem::replace(&mut is_first, false) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    })
    .await;
}

#[test]
fn future_whose_context_cannot_be_attached_is_dropped_with_its_context_freed_once() {
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Counts)
        .build();
    opentelemetry::global::set_tracer_provider(provider);
    otel_enhance::follow_global();
    GlobalContextObserver::set(Arc::new(Panics));
    for panicking_poll in 0..2 {
        let owners = Owners(Arc::default());
        let count = || Arc::strong_count(&owners.0);
        {
            let base = Context::new().with_value(owners.clone()).attach();
            let mut future = Box::pin(annotated());
            let mut poll = || {
                let mut future = pin!(&mut future);
                future
                    .as_mut()
                    .poll(&mut TaskContext::from_waker(Waker::noop()))
            };
            if panicking_poll == 1 {
                assert_eq!(poll(), Poll::Pending);
            }
            PANICS.store(true, Ordering::Relaxed);
            assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
            drop(future);
            drop(base);
        }
        assert_eq!(count(), 1);
        assert_eq!(ENDED.load(Ordering::Relaxed), panicking_poll + 1);
    }
}
