//! The span of a function that runs to its end on one thread.

use opentelemetry::trace::{SpanId, TraceContextExt as _};
use opentelemetry::{Context, ContextGuard};

use super::recorder::{Recorder, record_panic};

/// Ends its span when dropped, and makes the span that was active before active again.
#[derive(Debug)]
#[must_use = "the span ends when the guard is dropped"]
pub struct SpanGuard(Option<Attached>);

#[derive(Debug)]
struct Attached {
    context: ContextGuard,
    /// `INVALID`: the span does not record, there is nothing to tell it.
    span_id: SpanId,
    /// The function was called by a destructor while its thread was already unwinding.
    was_panicking: bool,
}

impl SpanGuard {
    /// No span.
    #[inline(always)]
    pub const fn none() -> Self {
        Self(None)
    }

    #[inline(always)]
    pub(crate) fn new(context: ContextGuard, recording: Option<SpanId>) -> Self {
        Self(Some(Attached {
            context,
            span_id: recording.unwrap_or(SpanId::INVALID),
            was_panicking: std::thread::panicking(),
        }))
    }

    /// Hands what the function returns to `record`.
    #[inline]
    pub fn finish<T: ?Sized>(&self, output: &T, record: fn(&Recorder<'_>, &T)) {
        if let Some(attached) = &self.0
            && attached.span_id != SpanId::INVALID
        {
            record(&Recorder::active(attached.span_id), output);
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
    if attached.span_id != SpanId::INVALID
        && let Some(context) = active_context(attached.span_id)
    {
        let span = context.span();
        if std::thread::panicking() && !attached.was_panicking {
            record_panic(&span);
        }
        span.end();
    }
    drop(attached.context);
}

/// The active context, if its span is the one of this id.
fn active_context(span_id: SpanId) -> Option<Context> {
    Context::map_current(|current| {
        (current.span().span_context().span_id() == span_id).then(|| current.clone())
    })
}

/// Calls `f`: a closure that is passed here may give away what it borrowed, one that is called in
/// place may not.
#[inline(always)]
pub fn call<R>(f: impl FnOnce() -> R) -> R {
    f()
}
