//! The span of a future: active while it is polled, ended when it is done or dropped.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, ContextGuard};
use pin_project_lite::pin_project;

use super::recorder::{Recorder, record_cancelled, record_panic};
#[cfg(feature = "performance")]
use crate::extensions::performance::SpanHandle;

/// A started span on its way to the future that it belongs to.
#[derive(Debug)]
#[must_use = "the span ends when it is dropped"]
pub struct OpenSpan {
    context: Context,
    state: State,
    /// How it is ended without the context, where the backend has a way.
    #[cfg(feature = "performance")]
    handle: Option<SpanHandle>,
}

/// Apart from the context: an `Option<Context>` would be moved in pieces, which stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum State {
    /// No span.
    Off,
    /// A span that does not record: nothing to tell it.
    Silent,
    Recording,
}

impl OpenSpan {
    /// Starts the span, in place: a `Context` that is moved right after it was written stalls the
    /// processor.
    #[inline(always)]
    pub(crate) fn start(&mut self, context: impl FnOnce() -> (Context, bool)) {
        let (context, is_recording) = context();
        // What it was is empty, and needs no destructor.
        mem::forget(mem::replace(&mut self.context, context));
        self.state = if is_recording {
            State::Recording
        } else {
            State::Silent
        };
    }

    /// The span is one of the fast path, which records if it has a handle.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) fn set(&mut self, context: Context, handle: Option<SpanHandle>) {
        mem::forget(mem::replace(&mut self.context, context));
        self.state = if handle.is_some() {
            State::Recording
        } else {
            State::Silent
        };
        self.handle = handle;
    }

    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) const fn set_handle(&mut self, handle: Option<SpanHandle>) {
        self.handle = handle;
    }

    /// No span.
    #[inline(always)]
    pub fn none() -> Self {
        Self {
            context: Context::new(),
            state: State::Off,
            #[cfg(feature = "performance")]
            handle: None,
        }
    }

    /// Whether there is a span.
    #[inline(always)]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state != State::Off
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
        let is_on = self.state != State::Off;
        let _active = is_on.then(|| self.context.clone().attach());
        make()
    }

    #[inline(always)]
    fn wrap<F: Future>(
        self,
        future: F,
        record: Option<fn(&Recorder<'_>, &F::Output)>,
    ) -> Instrumented<F> {
        Instrumented {
            future: Some(future),
            span: self,
            record,
        }
    }
}

impl Drop for OpenSpan {
    /// The function did not get as far as its future, because it unwinds.
    #[inline(always)]
    fn drop(&mut self) {
        if self.state == State::Recording {
            unwinds(&self.context);
        }
    }
}

pin_project! {
    /// A future under its span.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Instrumented<F: Future> {
        #[pin]
        future: Option<F>,
        span: OpenSpan,
        record: Option<fn(&Recorder<'_>, &F::Output)>,
    }

    impl<F: Future> PinnedDrop for Instrumented<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.span.is_on() {
                // What the future still holds is dropped under the span, as its body would do it.
                let active = attach(&this.span.context);
                this.future.set(None);
                drop(active);
                abandon(this.span);
            }
        }
    }
}

impl<F: Future> Instrumented<F> {
    /// Without a span so far.
    #[inline(always)]
    pub fn new(future: F) -> Self {
        OpenSpan::none().instrument(future)
    }

    /// The same; `record` sees its output before the span ends.
    #[inline(always)]
    pub fn new_with(future: F, record: fn(&Recorder<'_>, &F::Output)) -> Self {
        OpenSpan::none().instrument_with(future, record)
    }

    /// The span that a future which was not polled yet is to have.
    #[inline(always)]
    pub fn span(self: Pin<&mut Self>) -> &mut OpenSpan {
        self.project().span
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

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        if self.span.is_on() {
            return poll_under_span(self, task);
        }
        match self.project().future.as_pin_mut() {
            Some(future) => future.poll(task),
            // Only `drop` takes the future out.
            None => Poll::Pending,
        }
    }
}

/// A poll under the span. Not inlined: where there is none, its registers need not be saved.
#[inline(never)]
fn poll_under_span<F: Future>(
    instrumented: Pin<&mut Instrumented<F>>,
    task: &mut TaskContext<'_>,
) -> Poll<F::Output> {
    let this = instrumented.project();
    let Some(future) = this.future.as_pin_mut() else {
        return Poll::Pending;
    };
    let mut polling = Polling::new(this.span);
    let polled = future.poll(task);
    // Still under the span, as the body was: what formats the output may start spans, or panic.
    if let Poll::Ready(output) = &polled
        && this.span.state == State::Recording
        && let Some(record) = this.record
    {
        record(&Recorder::new(&this.span.context.span()), output);
    }
    if polled.is_ready() {
        // Before it is detached: what a span does until its end counts for it.
        let active = polling.polled();
        drop(polling);
        finish(this.span, active);
    } else {
        drop(polling.polled());
    }
    polled
}

// What follows is not generic and not inlined: users' futures hold calls, and no code of ours.

/// Ends the span of a future that is done, and detaches it.
#[inline(never)]
fn finish(span: &mut OpenSpan, active: Option<ContextGuard>) {
    if span.state == State::Recording {
        end(span);
    }
    span.state = State::Off;
    drop(active);
    span.context = Context::new();
}

#[inline(always)]
fn end(span: &OpenSpan) {
    #[cfg(feature = "performance")]
    if let Some(handle) = span.handle {
        return handle.end();
    }
    span.context.span().end();
}

#[inline(never)]
fn attach(context: &Context) -> ContextGuard {
    context.clone().attach()
}

/// One poll: the span is active. If this is dropped before [`Polling::polled`], the poll unwinds.
struct Polling<'a> {
    /// `None`: nothing to tell a span.
    unwinding: Option<&'a Context>,
    active: Option<ContextGuard>,
}

impl<'a> Polling<'a> {
    #[inline(always)]
    fn new(span: &'a OpenSpan) -> Self {
        Self {
            unwinding: (span.state == State::Recording).then_some(&span.context),
            active: span.is_on().then(|| attach(&span.context)),
        }
    }

    #[inline(always)]
    fn polled(&mut self) -> Option<ContextGuard> {
        self.unwinding = None;
        self.active.take()
    }
}

impl Drop for Polling<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(context) = self.unwinding {
            unwinds(context);
        }
    }
}

/// Ends a span whose function panics. What is done to it later, it ignores.
#[cold]
fn unwinds(context: &Context) {
    let span = context.span();
    record_panic(&span);
    span.end();
}

/// Ends a span whose future will not finish.
#[cold]
fn abandon(open: &mut OpenSpan) {
    if open.state == State::Recording {
        let span = open.context.span();
        record_cancelled(&span);
        span.end();
    }
    open.state = State::Off;
}
