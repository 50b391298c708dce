//! The span of a future: active while it is polled, ended when it is done or dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use pin_project_lite::pin_project;

use super::recorder::{Recorder, record_cancelled, record_panic};

/// A started span on its way to the future that it belongs to.
#[derive(Debug)]
#[must_use = "the span ends when it is dropped"]
pub struct OpenSpan(Option<Context>);

impl OpenSpan {
    pub(crate) const fn new(context: Option<Context>) -> Self {
        Self(context)
    }

    /// No span.
    #[inline(always)]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Puts `future` under the span.
    #[inline(always)]
    pub fn instrument<F: Future>(self, future: F) -> Instrumented<F> {
        self.wrap(future, None)
    }

    /// Puts `future` under the span; `record` sees its output before the span ends.
    #[inline(always)]
    pub fn instrument_with<F: Future>(
        self,
        future: F,
        record: fn(&Recorder<'_>, &F::Output),
    ) -> Instrumented<F> {
        self.wrap(future, Some(record))
    }

    /// Calls `make` under the span, and puts the future it returns under it.
    #[inline]
    pub fn instrument_made<F: Future>(self, make: impl FnOnce() -> F) -> Instrumented<F> {
        let future = self.make(make);
        self.wrap(future, None)
    }

    /// Both at once.
    #[inline]
    pub fn instrument_made_with<F: Future>(
        self,
        make: impl FnOnce() -> F,
        record: fn(&Recorder<'_>, &F::Output),
    ) -> Instrumented<F> {
        let future = self.make(make);
        self.wrap(future, Some(record))
    }

    fn make<F>(&self, make: impl FnOnce() -> F) -> F {
        let _active = self.0.as_ref().map(|context| context.clone().attach());
        make()
    }

    #[inline(always)]
    fn wrap<F: Future>(
        mut self,
        future: F,
        record: Option<fn(&Recorder<'_>, &F::Output)>,
    ) -> Instrumented<F> {
        Instrumented {
            future: Some(future),
            span: self.0.take(),
            record,
        }
    }
}

impl Drop for OpenSpan {
    /// The function did not get as far as its future.
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(context) = self.0.take() {
            give_up(&context);
        }
    }
}

pin_project! {
    /// A future under its span.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Instrumented<F: Future> {
        #[pin]
        future: Option<F>,
        span: Option<Context>,
        record: Option<fn(&Recorder<'_>, &F::Output)>,
    }

    impl<F: Future> PinnedDrop for Instrumented<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(context) = this.span.take() {
                // What the future still holds is dropped under the span, as its body would do it.
                let active = context.clone().attach();
                this.future.set(None);
                drop(active);
                abandon(&context);
            }
        }
    }
}

impl<F: Future> std::fmt::Debug for Instrumented<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instrumented")
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(future) = this.future.as_pin_mut() else {
            // Only `drop` takes the future out.
            return Poll::Pending;
        };
        if this.span.is_none() {
            return future.poll(task);
        }
        let mut polling = Polling::new(this.span);
        let polled = future.poll(task);
        if let Poll::Ready(output) = &polled {
            polling.finish(*this.record, output);
        }
        polled
    }
}

/// One poll: the span is active, and ended if the poll unwinds.
struct Polling<'a> {
    span: &'a mut Option<Context>,
    active: Option<opentelemetry::ContextGuard>,
    was_panicking: bool,
}

impl<'a> Polling<'a> {
    fn new(span: &'a mut Option<Context>) -> Self {
        let active = span.as_ref().map(|context| context.clone().attach());
        Self {
            span,
            active,
            was_panicking: std::thread::panicking(),
        }
    }

    #[inline]
    fn finish<T>(&mut self, record: Option<fn(&Recorder<'_>, &T)>, output: &T) {
        if let Some(context) = self.span.take() {
            if let Some(record) = record {
                record(&Recorder(context.span()), output);
            }
            end(&context);
        }
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && !self.was_panicking
            && let Some(context) = self.span.take()
        {
            record_panic(&context.span());
            end(&context);
        }
        drop(self.active.take());
    }
}

fn end(context: &Context) {
    context.span().end();
}

/// Ends a span whose future was never made: the function unwinds.
#[cold]
fn give_up(context: &Context) {
    let span = context.span();
    if std::thread::panicking() {
        record_panic(&span);
    }
    span.end();
}

/// Ends a span whose future will not finish.
#[cold]
fn abandon(context: &Context) {
    let span = context.span();
    record_cancelled(&span);
    span.end();
}
