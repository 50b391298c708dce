//! The span of a function that runs to its end on one thread.

#![expect(
    unsafe_code,
    reason = "a clone of the context, only to end its span, is a twentieth of what a span costs; a guard that does not come back in two registers is another twentieth"
)]

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::ptr;

use opentelemetry::trace::{SpanContext, SpanRef, TraceContextExt as _};
use opentelemetry::{Context, ContextGuard};

use super::recorder::{Recorder, record_panic};
#[cfg(feature = "performance")]
use crate::extensions::performance::{FastPlace, SpanHandle, Started};

/// Ends its span when dropped, and makes the span that was active before active again.
///
/// Expansions keep it in a variable of the annotated function: it dies before its thread does.
#[must_use = "the span ends when the guard is dropped"]
pub struct SpanGuard {
    place: Place,
    /// 0: no span. Else the kind of `place`, the official guard, and of a span of the fast path the
    /// generation: see [`Kind`]. One number, so that the guard is two scalars, which come back in
    /// registers.
    word: u64,
    /// As the official guard, it belongs to its thread.
    not_send: PhantomData<ContextGuard>,
}

union Place {
    nothing: (),
    /// What the official context stack holds for as long as the context is not detached.
    official: ManuallyDrop<SpanRef<'static>>,
    #[cfg(feature = "performance")]
    fast: FastPlace,
}

/// The lowest byte of a word that is not 0; the next two are the official guard, the upper half the
/// generation.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Official = 1,
    #[cfg(feature = "performance")]
    Fast = 2,
    /// Of the fast path, and not recording.
    #[cfg(feature = "performance")]
    Silent = 3,
}

const _: () = assert!(size_of::<SpanGuard>() == 16);
// Two bytes that are aligned to two are one number: there is no padding in the official guard.
const _: () = assert!(size_of::<ContextGuard>() == 2 && align_of::<ContextGuard>() == 2);

impl Kind {
    #[inline(always)]
    fn with(self, context: ContextGuard, generation: u32) -> u64 {
        // SAFETY: the assertion above says that it is one number. It comes back in `context_of`.
        let context = unsafe { mem::transmute::<ContextGuard, u16>(context) };
        u64::from(self as u8) | u64::from(context) << 16 | u64::from(generation) << 32
    }

    #[inline(always)]
    const fn is_of(self, word: u64) -> bool {
        word as u8 == self as u8
    }
}

/// The official guard in a word.
///
/// # Safety
///
/// `word` comes from [`Kind::with`], and comes here once.
#[inline(always)]
unsafe fn context_of(word: u64) -> ContextGuard {
    // SAFETY: these bits were a guard, which the caller says is nowhere else.
    unsafe { mem::transmute::<u16, ContextGuard>((word >> 16) as u16) }
}

impl SpanGuard {
    /// No span.
    #[inline(always)]
    pub const fn none() -> Self {
        Self {
            place: Place { nothing: () },
            word: 0,
            not_send: PhantomData,
        }
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
                // do, and which `leave` does after its last use of the reference; what is pushed
                // and popped meanwhile moves `current`, but not the span behind it. The stack itself
                // ends with its thread, and so after the frame of the annotated function, which
                // holds the `SpanGuard`.
                unsafe { mem::transmute::<SpanRef<'_>, SpanRef<'static>>(current.span()) }
            })
        });
        if std::thread::panicking() {
            begun_in_unwind();
        }
        match attached {
            Some(span) => Self {
                place: Place {
                    official: ManuallyDrop::new(span),
                },
                word: Kind::Official.with(guard, 0),
                not_send: PhantomData,
            },
            None => Self::none(),
        }
    }

    /// The same with a span of the fast path, which is ended by its handle, and so need not be looked
    /// for; `None` for one that does not record.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) fn attach_fast(context: Context, span: Option<SpanHandle>) -> Self {
        Self::of_attached(context.attach(), span)
    }

    #[cfg(feature = "performance")]
    #[inline(always)]
    fn of_attached(guard: ContextGuard, span: Option<SpanHandle>) -> Self {
        if std::thread::panicking() {
            begun_in_unwind();
        }
        match span {
            Some(span) => {
                let (fast, generation) = span.brief();
                Self {
                    place: Place { fast },
                    word: Kind::Fast.with(guard, generation),
                    not_send: PhantomData,
                }
            }
            None => Self {
                place: Place { nothing: () },
                word: Kind::Silent.with(guard, 0),
                not_send: PhantomData,
            },
        }
    }

    /// The same with a span that has been started with the promise to attach it at once.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) fn attach_started(context: Context, span: Option<SpanHandle>) -> Self {
        #[cfg(feature = "ebpf")]
        let guard = crate::extensions::ebpf::as_announced(|| context.attach());
        #[cfg(not(feature = "ebpf"))]
        let guard = context.attach();
        Self::of_attached(guard, span)
    }

    /// The guard of what the fast path has started, if it has.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) fn of_started(started: Started<Self>) -> Option<Self> {
        match started {
            Started::Elsewhere => None,
            Started::Nowhere => Some(Self::none()),
            Started::Here(guard) => Some(guard),
        }
    }

    /// Hands what the function returns to `record`.
    #[inline]
    pub fn finish<T: ?Sized>(&self, output: &T, record: fn(&Recorder<'_>, &T)) {
        if Kind::Official.is_of(self.word) {
            // SAFETY: the kind says that this is what the place is.
            let span = unsafe { &*self.place.official };
            if span.is_recording() {
                record(&Recorder::new(span), output);
            }
        }
        // SAFETY: they are this guard's.
        #[cfg(feature = "performance")]
        if let Some(span) = unsafe { fast_of(&self.place, self.word) } {
            record(&Recorder::of_handle(&span), output);
        }
    }
}

impl fmt::Debug for SpanGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanGuard")
            .field("is_on", &(self.word != 0))
            .finish_non_exhaustive()
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
        let word = mem::take(&mut self.word);
        if word == 0 {
            return;
        }
        // SAFETY: the word comes from `Kind::with`, and is not 0, so this is the first time that it comes
        // here; the place goes with it, and has no destructor of its own.
        unsafe { leave(ptr::read(&self.place), word) }
    }
}

/// Ends the span at once: clones of its context that spawned tasks hold cannot delay it.
///
/// # Safety
///
/// Place and word are those of a guard, which is no more.
#[inline(never)]
unsafe fn leave(place: Place, word: u64) {
    #[cfg(feature = "performance")]
    if !Kind::Official.is_of(word) {
        if std::thread::panicking() {
            ended_in_unwind(|| {
                // SAFETY: as the caller says.
                if let Some(span) = unsafe { fast_of(&place, word) } {
                    record_panic(&span);
                }
            });
        }
        // SAFETY: as the caller says.
        if let Some(span) = unsafe { fast_of(&place, word) } {
            span.end();
        }
        // SAFETY: as the caller says.
        return drop(unsafe { context_of(word) });
    }
    // SAFETY: of the kinds that are left.
    let span = unsafe { &*place.official };
    if std::thread::panicking() {
        ended_in_unwind(|| record_panic(span));
    }
    // To end a span that does not record is nothing, but asks the clock first; and to ask whether one
    // records takes its lock, which is saved where its flags tell.
    if span.span_context().is_sampled() || span.is_recording() {
        span.end();
    }
    // SAFETY: as the caller says.
    drop(unsafe { context_of(word) });
}

/// The span of the fast path that a guard is of, unless it has ended.
///
/// # Safety
///
/// Place and word are those of a guard.
#[cfg(feature = "performance")]
#[inline(always)]
unsafe fn fast_of(place: &Place, word: u64) -> Option<SpanHandle> {
    if !Kind::Fast.is_of(word) {
        return None;
    }
    // SAFETY: the kind says that this is what the place is.
    unsafe { place.fast }.handle((word >> 32) as u32)
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
fn ended_in_unwind(record: impl FnOnce()) {
    match BEGUN_IN_UNWIND.get() {
        0 => record(),
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
