//! The span of a function that runs to its end on one thread.

use opentelemetry::trace::{SpanId, TraceContextExt as _};
use opentelemetry::{Context, ContextGuard};

use super::recorder::{Recorder, half, record_panic};

/// Ends its span when dropped, and makes the span that was active before active again.
#[derive(Debug)]
#[must_use = "the span ends when the guard is dropped"]
pub struct SpanGuard(Option<Attached>);

/// Small enough for a register: where nothing is installed, nothing is written to memory.
#[derive(Debug)]
struct Attached {
    /// The lower half of the span's id: by it we know our span again.
    id: u32,
    context: ContextGuard,
    state: State,
}

const _: () = assert!(size_of::<SpanGuard>() == 8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The span does not record: there is nothing to tell it.
    Silent,
    Recording,
    /// It records, and its function was called while the thread was already unwinding.
    RecordingInUnwind,
}

impl SpanGuard {
    /// No span.
    #[inline(always)]
    pub const fn none() -> Self {
        Self(None)
    }

    #[inline(always)]
    pub(crate) fn new(context: ContextGuard, recording: Option<SpanId>) -> Self {
        let state = match recording {
            None => State::Silent,
            Some(_) if std::thread::panicking() => State::RecordingInUnwind,
            Some(_) => State::Recording,
        };
        Self(Some(Attached {
            id: recording.map_or(0, half),
            context,
            state,
        }))
    }

    /// Hands what the function returns to `record`.
    #[inline]
    pub fn finish<T: ?Sized>(&self, output: &T, record: fn(&Recorder<'_>, &T)) {
        if let Some(attached) = &self.0
            && attached.state != State::Silent
        {
            record(&Recorder::active(attached.id), output);
        }
    }
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(attached) = self.0.take() {
            end(attached);
        }
    }
}

/// Ends the span at once: clones of its context that spawned tasks hold cannot delay it. The active
/// context is asked for it, which is cheaper than to keep one more reference while the function runs;
/// but it ends outside of the look-up, because a processor or an exporter that is told of it may
/// attach contexts.
#[inline(never)]
fn end(attached: Attached) {
    if attached.state != State::Silent
        && let Some(context) = active_context(attached.id)
    {
        let span = context.span();
        if attached.state == State::Recording && std::thread::panicking() {
            record_panic(&span);
        }
        span.end();
    }
    drop(attached.context);
}

/// The active context, if its span is the one of this id.
fn active_context(id: u32) -> Option<Context> {
    Context::map_current(|current| {
        (half(current.span().span_context().span_id()) == id).then(|| current.clone())
    })
}

/// Calls `f`: a closure that is passed here may give away what it borrowed, one that is called in
/// place may not.
#[inline(always)]
pub fn call<R>(f: impl FnOnce() -> R) -> R {
    f()
}
