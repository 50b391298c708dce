//! The span of a function that runs to its end on one thread.

#![expect(
    unsafe_code,
    reason = "a clone of the context, only to end its span, is a twentieth of what a span costs"
)]

use std::mem;
use std::ptr;

use opentelemetry::trace::{SpanContext, SpanRef, TraceContextExt as _};
use opentelemetry::{Context, ContextGuard};

use super::recorder::{Recorder, record_panic};

/// Ends its span when dropped, and makes the span that was active before active again.
///
/// Expansions keep it in a variable of the annotated function: it dies before its thread does.
#[derive(Debug)]
#[must_use = "the span ends when the guard is dropped"]
pub struct SpanGuard(Option<Attached>);

/// Small enough for two registers: where nothing is installed, nothing is written to memory.
#[derive(Debug)]
struct Attached {
    /// What the official context stack holds for as long as `context` is not dropped.
    span: SpanRef<'static>,
    context: ContextGuard,
    state: State,
}

const _: () = assert!(size_of::<SpanGuard>() == 16);

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

    /// Makes the span of `context` the active one.
    #[inline(always)]
    pub(crate) fn attach(context: Context, is_recording: bool) -> Self {
        let expected = address(&context);
        let guard = context.attach();
        // A full stack (65,534 contexts deep) drops what it is given, which ends its span.
        let attached = Context::map_current(|current| {
            (address(current) == expected).then(|| {
                // SAFETY: `current` shares ownership of the span that the reference points into. It
                // stays on the stack of this thread until `guard` is dropped, which nobody else can
                // do, and which `Attached` does after its last use of the reference; what is pushed
                // and popped meanwhile moves `current`, but not the span behind it. The stack itself
                // ends with its thread, and so after the frame of the annotated function, which
                // holds the `SpanGuard`.
                unsafe { mem::transmute::<SpanRef<'_>, SpanRef<'static>>(current.span()) }
            })
        });
        let state = match is_recording {
            false => State::Silent,
            true if std::thread::panicking() => State::RecordingInUnwind,
            true => State::Recording,
        };
        Self(attached.map(|span| Attached {
            span,
            context: guard,
            state,
        }))
    }

    /// Hands what the function returns to `record`.
    #[inline]
    pub fn finish<T: ?Sized>(&self, output: &T, record: fn(&Recorder<'_>, &T)) {
        if let Some(attached) = &self.0
            && attached.state != State::Silent
        {
            record(&Recorder::new(&attached.span), output);
        }
    }
}

/// Where the span of a context is: by it we know it again.
#[inline(always)]
fn address(context: &Context) -> *const SpanContext {
    ptr::from_ref(context.span().span_context())
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(attached) = self.0.take() {
            end(attached);
        }
    }
}

/// Ends the span at once: clones of its context that spawned tasks hold cannot delay it.
#[inline(never)]
fn end(attached: Attached) {
    let Attached {
        span,
        context,
        state,
    } = attached;
    if state != State::Silent {
        if state == State::Recording && std::thread::panicking() {
            record_panic(&span);
        }
        span.end();
    }
    drop(context);
}

/// Calls `f`: a closure that is passed here may give away what it borrowed, one that is called in
/// place may not.
#[inline(always)]
pub fn call<R>(f: impl FnOnce() -> R) -> R {
    f()
}
