//! The span of a future: active while it is polled, ended when it is done or dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use opentelemetry::ContextGuard;
use opentelemetry::trace::TraceContextExt as _;
use pin_project_lite::pin_project;

use super::backend::Started;
use super::recorder::{Recorder, record_cancelled, record_panic};

/// A started span on its way to the future that it belongs to.
#[derive(Debug)]
#[must_use = "the span ends when it is dropped"]
pub struct OpenSpan(Option<Started>);

impl OpenSpan {
    pub(crate) const fn new(started: Option<Started>) -> Self {
        Self(started)
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
        let started = self.0.as_ref();
        let _active = started.map(|started| started.context.clone().attach());
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
    /// The function did not get as far as its future, because it unwinds.
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(started) = self.0.take() {
            unwinds(&started);
        }
    }
}

pin_project! {
    /// A future under its span.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Instrumented<F: Future> {
        #[pin]
        future: Option<F>,
        span: Option<Started>,
        record: Option<fn(&Recorder<'_>, &F::Output)>,
    }

    impl<F: Future> PinnedDrop for Instrumented<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(started) = this.span.take() {
                // What the future still holds is dropped under the span, as its body would do it.
                let active = started.context.clone().attach();
                this.future.set(None);
                drop(active);
                abandon(&started);
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
        let polled = poll_under(this.span.as_ref(), future, *this.record, task);
        if polled.is_ready() {
            *this.span = None;
        }
        polled
    }
}

/// Under a span or not: one call of `poll` for both, so that the compiler may inline it.
#[inline(always)]
fn poll_under<F: Future>(
    span: Option<&Started>,
    future: Pin<&mut F>,
    record: Option<fn(&Recorder<'_>, &F::Output)>,
    task: &mut TaskContext<'_>,
) -> Poll<F::Output> {
    let polling = span.map(Polling::new);
    let polled = future.poll(task);
    if let Some(polling) = polling {
        match &polled {
            Poll::Ready(output) => polling.finished(record, output),
            Poll::Pending => polling.suspended(),
        }
    }
    polled
}

/// One poll: the span is active. Dropped otherwise than by one of its methods, the poll unwinds.
struct Polling<'a> {
    started: &'a Started,
    active: Option<ContextGuard>,
}

impl<'a> Polling<'a> {
    fn new(started: &'a Started) -> Self {
        Self {
            started,
            active: Some(started.context.clone().attach()),
        }
    }

    fn suspended(mut self) {
        drop(self.active.take());
    }

    #[inline]
    fn finished<T>(mut self, record: Option<fn(&Recorder<'_>, &T)>, output: &T) {
        if self.started.is_recording {
            let span = self.started.context.span();
            if let Some(record) = record {
                record(&Recorder(self.started.context.span()), output);
            }
            span.end();
        }
        drop(self.active.take());
    }
}

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(active) = self.active.take() {
            unwinds(self.started);
            drop(active);
        }
    }
}

/// Ends a span whose function panics. What is done to it later, it ignores.
#[cold]
fn unwinds(started: &Started) {
    if started.is_recording {
        let span = started.context.span();
        record_panic(&span);
        span.end();
    }
}

/// Ends a span whose future will not finish.
#[cold]
fn abandon(started: &Started) {
    if started.is_recording {
        let span = started.context.span();
        record_cancelled(&span);
        span.end();
    }
}
