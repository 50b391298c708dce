//! Where the figures of a future's span wait between its polls: in the future itself, which is there whenever the
//! span becomes active again, on whichever thread, and belongs to nobody else meanwhile.
//!
//! The future lends its place to the frame of the thread that polls it, and has it back before the poll returns: a
//! frame that goes by then has cleared [`Between::is_lent`], any other is told to do without.
#![expect(
    unsafe_code,
    reason = "a frame points to a place that the poll which made it has borrowed"
)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use opentelemetry::trace::SpanId;

use super::thread;
use crate::extensions::ebpf::figures::Between;

thread_local! {
    /// The place of the span that is being attached on this thread just now.
    static LENT: Cell<*mut Between> = const { Cell::new(ptr::null_mut()) };

    /// The same of one that is being ended, and the span's id.
    static ENDING: Cell<(*mut Between, u64)> = const { Cell::new((ptr::null_mut(), 0)) };
}

/// What is lent to the context that is being attached; or null.
#[inline(always)]
pub(super) fn lent() -> *mut Between {
    LENT.get()
}

/// What is lent to this span, which ends; or null.
pub(super) fn of_ending(span_id: u64) -> *mut Between {
    let (place, of) = ENDING.get();
    if of == span_id {
        place
    } else {
        ptr::null_mut()
    }
}

/// Lends a place for the time of one call.
struct Lending;

impl Lending {
    #[inline(always)]
    fn of(place: NonNull<Between>) -> Self {
        LENT.set(place.as_ptr());
        Self
    }
}

impl Drop for Lending {
    #[inline(always)]
    fn drop(&mut self) {
        LENT.set(ptr::null_mut());
    }
}

/// Where the figures of a future's span wait, while a frame may point to it: until this is dropped, which must be after
/// the context was detached.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    place: NonNull<Between>,
    borrowed: PhantomData<&'a mut Between>,
}

impl Drop for Place<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: it is borrowed for as long as `self` is there.
        if unsafe { (*self.place.as_ptr()).is_lent } {
            thread::take_back(self.place);
        }
    }
}

impl<'a> Place<'a> {
    #[inline(always)]
    pub(crate) fn of(between: &'a mut Between) -> Self {
        Self {
            place: NonNull::from(between),
            borrowed: PhantomData,
        }
    }

    /// Calls `attach`, which attaches the span's context.
    #[inline(always)]
    pub(crate) fn while_attaching<R>(&self, attach: impl FnOnce() -> R) -> R {
        let _lending = Lending::of(self.place);
        attach()
    }

    /// Calls `end`, which ends the span: what waits here counts, where no frame has it.
    #[inline(always)]
    pub(crate) fn while_ending(&self, span: impl FnOnce() -> SpanId, end: impl FnOnce()) {
        // SAFETY: it is borrowed for as long as `self` is there; nobody else looks at it now.
        let between = unsafe { self.place.as_ref() };
        if between.is_lent || !between.is_any() {
            return end();
        }
        end_without_frame(self.place, span(), end);
    }
}

/// The thread could not tell that the context is attached.
#[cold]
fn end_without_frame(place: NonNull<Between>, span: SpanId, end: impl FnOnce()) {
    struct Ending;
    impl Drop for Ending {
        fn drop(&mut self) {
            ENDING.set((ptr::null_mut(), 0));
        }
    }
    ENDING.set((place.as_ptr(), u64::from_le_bytes(span.to_bytes())));
    let _ending = Ending;
    end();
}
