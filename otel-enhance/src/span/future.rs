//! The span of a future: active while it is polled, ended when it is done or dropped.

#![expect(
    unsafe_code,
    reason = "a clone of the context for each poll is a tenth of what the span of a future costs"
)]

use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::ptr;
use std::task::{Context as TaskContext, Poll};

use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, ContextGuard};
use pin_project_lite::pin_project;

use super::lent::{Between, Place};
use super::recorder::{Recorder, record_cancelled, record_panic};
#[cfg(feature = "performance")]
use crate::extensions::performance::SpanHandle;

/// A started span on its way to the future that it belongs to.
#[derive(Debug)]
#[must_use = "the span ends when it is dropped"]
pub struct OpenSpan {
    /// Nothing to be dropped where there is no span.
    context: ManuallyDrop<Context>,
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
        self.context = ManuallyDrop::new(context);
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
        self.context = ManuallyDrop::new(context);
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
            context: ManuallyDrop::new(Context::new()),
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
        self.put_off();
        self.wrap(future, Between::NOTHING, None)
    }

    /// Puts `future` under the span; `record` sees its output before the span ends.
    #[inline(always)]
    pub fn instrument_with<F: Future>(
        self,
        future: F,
        record: fn(&Recorder<'_>, &F::Output),
    ) -> Instrumented<F> {
        self.put_off();
        self.wrap(future, Between::NOTHING, Some(record))
    }

    /// Calls `make` under the span, and puts the future it returns under it.
    #[inline]
    pub fn instrument_made<F: Future>(self, make: impl FnOnce() -> F) -> Instrumented<F> {
        let future = self.make(make);
        self.wrap(future, Between::elsewhere(), None)
    }

    /// Both at once.
    #[inline]
    pub fn instrument_made_with<F: Future>(
        self,
        make: impl FnOnce() -> F,
        record: fn(&Recorder<'_>, &F::Output),
    ) -> Instrumented<F> {
        let future = self.make(make);
        self.wrap(future, Between::elsewhere(), Some(record))
    }

    /// The span has started, and who knows when its future is polled.
    #[cfg_attr(
        not(all(feature = "performance", feature = "ebpf")),
        expect(clippy::unused_self, reason = "nobody takes that for its time")
    )]
    #[inline(always)]
    fn put_off(&self) {
        #[cfg(all(feature = "performance", feature = "ebpf"))]
        if self.state == State::Recording {
            crate::extensions::ebpf::put_off();
        }
    }

    fn make<F>(&self, make: impl FnOnce() -> F) -> F {
        let is_on = self.state != State::Off;
        let _active = is_on.then(|| Context::clone(&self.context).attach());
        make()
    }

    #[inline(always)]
    fn wrap<F: Future>(
        self,
        future: F,
        between: Between,
        record: Option<fn(&Recorder<'_>, &F::Output)>,
    ) -> Instrumented<F> {
        Instrumented {
            future: Some(future),
            span: self,
            between,
            record,
        }
    }
}

impl Drop for OpenSpan {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_on() {
            drop_unfinished(self);
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
        between: Between,
        record: Option<fn(&Recorder<'_>, &F::Output)>,
    }

    impl<F: Future> PinnedDrop for Instrumented<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.span.is_on() {
                // What the future still holds is dropped under the span, as its body would do it.
                let polling = Polling::begin(this.span, this.between);
                this.future.set(None);
                polling.end(abandon);
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
    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        // Not by a reference to all of this, which would be one to the future, too, beside those that it has to itself.
        if self.as_mut().project().span.is_on() {
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
    let polling = Polling::begin(this.span, this.between);
    match future.poll(task) {
        Poll::Ready(output) => {
            // Still under the span, as the body was: what formats the output may start spans, or panic.
            if polling.span.state == State::Recording
                && let Some(record) = this.record
            {
                record(&Recorder::new(&polling.span.context.span()), &output);
            }
            polling.end(finish);
            Poll::Ready(output)
        }
        Poll::Pending => {
            polling.end(|span, active| take_back(span, active));
            Poll::Pending
        }
    }
}

// What follows is not generic and not inlined: users' futures hold calls, and no code of ours.

/// Of a span that is dropped, and there is none afterwards.
#[inline(never)]
fn drop_unfinished(span: &mut OpenSpan) {
    // The function did not get as far as its future, because it unwinds.
    if mem::replace(&mut span.state, State::Off) == State::Recording {
        unwinds(&span.context);
    }
    // SAFETY: there was a span, and there is none any more.
    unsafe { ManuallyDrop::drop(&mut span.context) };
}

#[cfg_attr(
    not(feature = "performance"),
    expect(unused_variables, reason = "every span is ended through its context")
)]
#[inline(always)]
fn end(span: &OpenSpan, context: &Context, place: &Place<'_>) {
    let end = || {
        #[cfg(feature = "performance")]
        if let Some(handle) = span.handle {
            return handle.end();
        }
        context.span().end();
    };
    place.while_ending(|| context.span().span_context().span_id(), end);
}

/// One poll: the span is active. If this is dropped, the poll unwinds.
///
/// Most futures are done with their first poll, and need their context no more then. So it is lent to the official
/// context stack, and not cloned, which two atomic operations would cost: the stack drops what it was lent, and
/// whoever needs the context after the poll makes a clone first.
struct Polling<'a> {
    span: &'a mut OpenSpan,
    active: ManuallyDrop<Lent<'a>>,
}

/// A context on the stack. The order of the fields is that of their end.
struct Lent<'a> {
    guard: ContextGuard,
    /// Where what the span does is kept when it is no longer there.
    place: Place<'a>,
    /// The stack drops the span's own context, not a clone of it.
    is_own: bool,
}

impl<'a> Polling<'a> {
    #[inline(always)]
    fn begin(span: &'a mut OpenSpan, between: &'a mut Between) -> Self {
        let active = ManuallyDrop::new(lend(span, between));
        Self { span, active }
    }

    /// The poll is over, and this is what comes of it.
    #[inline(always)]
    fn end(self, by: impl FnOnce(&mut OpenSpan, Lent<'_>)) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is taken once, for `this` is not dropped.
        let active = unsafe { ManuallyDrop::take(&mut this.active) };
        by(this.span, active);
    }
}

impl Drop for Polling<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: it is taken once: whoever takes it elsewhere forgets this.
        let active = unsafe { ManuallyDrop::take(&mut self.active) };
        unwind(self.span, active);
    }
}

/// Makes the span active, in a way that [`finish`] and [`take_back`] know.
#[inline(never)]
fn lend<'a>(span: &mut OpenSpan, between: &'a mut Between) -> Lent<'a> {
    let place = Place::of(between);
    let own = address(&span.context);
    if Context::map_current(address) == own {
        // It could not be told from the one below it.
        return Lent {
            guard: place.while_attaching(|| Context::clone(&span.context).attach()),
            place,
            is_own: false,
        };
    }
    // SAFETY: a `Context` is what its clones share, and no clone is distinguished, so it may be looked at through
    // either of two copies while one of them lives. The stack drops its copy when `guard` is dropped, which only `finish`
    // and `take_back` do; or now, if it is full. From then on nobody uses or drops the other: it was cloned before, and
    // the clone, which is equal to the last bit, forgotten; or there is no span any more.
    let copy = unsafe { ptr::read(&raw const span.context) };
    let unwinding = LentForGood(span);
    let guard = place.while_attaching(|| ManuallyDrop::into_inner(copy).attach());
    let span = unwinding.succeeded();
    if Context::map_current(address) != own {
        // A full stack (65,534 contexts deep) drops what it is given, which ends its span: what is written over has been
        // dropped.
        span.context = ManuallyDrop::new(Context::new());
        return Lent {
            guard,
            place,
            is_own: false,
        };
    }
    Lent {
        guard,
        place,
        is_own: true,
    }
}

/// An observer or a log of the application's may panic while a context is attached. The stack has dropped it then, or keeps
/// it: in neither case is it the future's any longer.
struct LentForGood<'a>(&'a mut OpenSpan);

impl<'a> LentForGood<'a> {
    #[inline(always)]
    fn succeeded(self) -> &'a mut OpenSpan {
        let this = ManuallyDrop::new(self);
        // SAFETY: it is taken once, for `this` is not dropped.
        unsafe { ptr::read(&raw const this.0) }
    }
}

impl Drop for LentForGood<'_> {
    #[cold]
    fn drop(&mut self) {
        // What is written over is the stack's.
        self.0.context = ManuallyDrop::new(Context::new());
    }
}

/// Where the span of a context is: by it we know it again.
#[inline(always)]
fn address(context: &Context) -> *const SpanContext {
    ptr::from_ref(context.span().span_context())
}

/// Ends the span of a future that is done, and detaches it.
#[inline(never)]
fn finish(span: &mut OpenSpan, active: Lent<'_>) {
    // Before it is detached: what a span does until its end counts for it. If a processor panics, the context is the
    // stack's all the same, or leaked.
    if mem::replace(&mut span.state, State::Off) == State::Recording {
        end(span, &span.context, &active.place);
    }
    leave(span, active);
}

/// Detaches a span that has ended.
#[inline(always)]
fn leave(span: &mut OpenSpan, active: Lent<'_>) {
    drop(active.guard);
    if !active.is_own {
        // SAFETY: there is no span any more, so nobody else does this; and the stack had a clone.
        unsafe { ManuallyDrop::drop(&mut span.context) };
    }
}

/// Detaches the span, which is not at its end.
#[inline(never)]
fn take_back(span: &OpenSpan, active: Lent<'_>) {
    if active.is_own {
        // In place of the one that the stack will drop.
        mem::forget(Context::clone(&span.context));
    }
    drop(active.guard);
}

#[cold]
fn unwind(span: &mut OpenSpan, active: Lent<'_>) {
    if span.state == State::Recording {
        unwinds(&span.context);
    }
    take_back(span, active);
}

/// Ends a span whose function panics. What is done to it later, it ignores.
#[cold]
fn unwinds(context: &Context) {
    let span = context.span();
    record_panic(&span);
    span.end();
}

/// Ends a span whose future will not finish, and detaches it.
#[cold]
fn abandon(open: &mut OpenSpan, active: Lent<'_>) {
    if mem::replace(&mut open.state, State::Off) == State::Recording {
        record_cancelled(&open.context.span());
        end(open, &open.context, &active.place);
    }
    leave(open, active);
}
