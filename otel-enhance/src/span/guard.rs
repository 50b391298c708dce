//! The span of a function that runs to its end on one thread.

#![expect(
    unsafe_code,
    reason = "a clone of the context, only to end its span, is a twentieth of what a span costs"
)]

use std::cell::Cell;
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

/// Two scalars, so that it comes back in two registers.
#[derive(Debug)]
struct Attached {
    /// What the official context stack holds for as long as `context` is not dropped.
    span: SpanRef<'static>,
    context: ContextGuard,
}

const _: () = assert!(size_of::<SpanGuard>() == 16);

impl SpanGuard {
    /// No span.
    #[inline(always)]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Makes the span of `context` the active one.
    #[inline(always)]
    pub(crate) fn attach(context: Context) -> Self {
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
        if std::thread::panicking() {
            begun_in_unwind();
        }
        Self(attached.map(|span| Attached {
            span,
            context: guard,
        }))
    }

    /// The span's own context, by whose place in memory the span is known.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) fn span_context(&self) -> Option<*const SpanContext> {
        let attached = self.0.as_ref()?;
        Some(ptr::from_ref(attached.span.span_context()))
    }

    /// Hands what the function returns to `record`.
    #[inline]
    pub fn finish<T: ?Sized>(&self, output: &T, record: fn(&Recorder<'_>, &T)) {
        if let Some(attached) = &self.0
            && attached.span.is_recording()
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
    let Attached { span, context } = attached;
    if std::thread::panicking() {
        ended_in_unwind(&span);
    }
    #[cfg(feature = "performance")]
    if crate::extensions::performance::end_entered(ptr::from_ref(span.span_context())) {
        drop(context);
        return;
    }
    // To end a span that does not record is nothing, but asks the clock first; and to ask whether one
    // records takes its lock, which is saved where its flags tell.
    if span.span_context().is_sampled() || span.is_recording() {
        span.end();
    }
    drop(context);
}

thread_local! {
    /// How many guards this thread has made, and not dropped yet, while it was unwinding.
    static BEGUN_IN_UNWIND: Cell<u32> = const { Cell::new(0) };
}

#[cold]
fn begun_in_unwind() {
    BEGUN_IN_UNWIND.set(BEGUN_IN_UNWIND.get() + 1);
}

/// A destructor may call annotated functions while the thread unwinds, which return as usual. They
/// end in the reverse of their order, all of them before the functions that the panic goes through.
#[cold]
fn ended_in_unwind(span: &SpanRef<'_>) {
    match BEGUN_IN_UNWIND.get() {
        0 => record_panic(span),
        begun => BEGUN_IN_UNWIND.set(begun - 1),
    }
}

/// Calls `f`: a closure that is passed here may give away what it borrowed, one that is called in
/// place may not.
#[inline(always)]
pub fn call<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// A function that is called once, and so may give away what it borrowed.
#[inline(always)]
pub fn once<F: FnOnce(bool) -> R, R>(function: F) -> F {
    function
}

/// Calls `function` with a span. Not inlined: the registers that a span needs are saved here, and
/// not where there is none.
#[inline(never)]
pub fn with_span<R>(function: impl FnOnce(bool) -> R) -> R {
    function(true)
}
