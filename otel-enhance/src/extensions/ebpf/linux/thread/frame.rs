//! What a thread keeps of one attached context.
#![expect(
    unsafe_code,
    reason = "a frame points to a place that a poll has lent it, and what is small in it is looked at at once"
)]

use std::mem::offset_of;
use std::ptr;

use super::super::lent;
use super::super::source::Snap;
use crate::extensions::ebpf::figures::{Between, Figures, OnCpu, Sums};

/// Contexts on top of each other that are told apart; what is above counts for the highest of these.
pub(super) const DEPTH: usize = 64;

/// What a context on the stack is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A span that will have figures.
    Tracked,
    /// The same, which is active further down as well: its own time counts there.
    Again,
    /// It has ended, and its context is still attached.
    Ended,
    /// A span without figures: what it does counts for the one below.
    Through,
    /// No span of this process: what happens there counts for nobody.
    Outside,
}

/// What belongs to a context that comes and goes while nothing else happens is the first of its lines, which is written in
/// few pieces, and read back in the same ones: what is read in others than it was written just now stalls the processor.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Frame {
    pub(super) trace: u128,
    pub(super) span_id: u64,
    /// When it was entered.
    pub(super) time: u64,
    /// Where it is to be kept instead of in an entry: lent by the future that is being polled, or null.
    pub(super) place: *mut Between,
    /// How long spans on top of it were active, those that are gone.
    nested_time: u64,

    // These are one number, see `is_plain`.
    /// Of [`Held`](super::super::parked::Held), 0 for none.
    pub(super) entry: u16,
    /// Attached so often again, directly on top of itself.
    pub(super) again: u16,
    pub(super) kind: Kind,
    /// What the thread had done when this was entered is written here; else it is what is known of the thread, for
    /// nobody has looked closely since.
    has_sums: bool,
    /// Somebody has looked closely since it was entered.
    is_stale: bool,
    /// There was something else than time on a CPU: only then `nested` and `all` say something.
    is_split: bool,

    /// As the span's context has them, for whoever reads which span is active.
    pub(super) trace_flags: u8,

    sums: Sums,
    /// What else spans on top of it did.
    nested: Sums,
    /// Of one that has ended, all that it did and is not yet added to the one below.
    all: Sums,
}

const _: () = assert!(offset_of!(Frame, sums) <= 64);
// Without padding, and aligned.
const _: () = assert!(
    offset_of!(Frame, entry) % 8 == 0
        && offset_of!(Frame, trace_flags) == offset_of!(Frame, entry) + 8
);

impl Frame {
    pub(super) const NONE: Self = Self {
        trace: 0,
        span_id: 0,
        time: 0,
        place: ptr::null_mut(),
        nested_time: 0,
        entry: 0,
        again: 0,
        kind: Kind::Tracked,
        has_sums: false,
        is_stale: false,
        is_split: false,
        trace_flags: 0,
        sums: Sums::ZERO,
        nested: Sums::ZERO,
        all: Sums::ZERO,
    };

    /// A span becomes active that is nowhere below, and of which nothing is kept but in `place`, at a moment at which
    /// what is known of the thread holds.
    #[inline(always)]
    pub(super) const fn begin_plainly(
        &mut self,
        (trace, span_id, trace_flags): (u128, u64, u8),
        time: u64,
        place: *mut Between,
    ) {
        self.trace = trace;
        self.span_id = span_id;
        self.time = time;
        self.place = place;
        self.trace_flags = trace_flags;
        self.nested_time = 0;
        self.entry = 0;
        self.again = 0;
        self.kind = Kind::Tracked;
        self.has_sums = false;
        self.is_stale = false;
        self.is_split = false;
    }

    /// It is as it has begun so, but for what was on top of it, and that was nothing but time on a CPU: one comparison.
    #[inline(always)]
    pub(super) const fn is_plain(&self) -> bool {
        // SAFETY: eight bytes of the frame, without padding and aligned, as asserted above.
        let number = unsafe { (&raw const self.entry).cast::<u64>().read() };
        const { assert!(Kind::Tracked as u8 == 0) };
        number == 0
    }

    /// Entered at this moment, at which what is known of the thread holds.
    pub(super) const fn enter_at(&mut self, time: u64) {
        self.time = time;
        self.has_sums = false;
    }

    /// Entered when the thread had done this.
    pub(super) const fn set_entered(&mut self, entered: Snap) {
        self.time = entered.time;
        self.sums = entered.sums;
        self.has_sums = true;
    }

    /// What the thread had done when it was entered, once somebody has looked.
    pub(super) const fn entered(&self) -> Snap {
        Snap {
            time: self.time,
            sums: self.sums,
        }
    }

    /// As if what happened in `outside` had been before it was entered.
    pub(super) const fn shift(&mut self, outside: Sums) {
        let mut entered = self.entered();
        entered.shifted(outside);
        self.set_entered(entered);
    }

    /// Somebody looks closely, and until then the thread had done this.
    pub(super) const fn settle(&mut self, sums: Sums) {
        self.is_stale = true;
        if !self.has_sums {
            self.has_sums = true;
            self.sums = sums;
        }
    }

    /// Nothing was on top of it, and nobody has looked.
    #[inline(always)]
    pub(super) const fn begin(&mut self) {
        self.nested_time = 0;
        self.is_split = false;
        self.is_stale = false;
    }

    /// Nobody has looked since it was entered.
    #[inline(always)]
    pub(super) const fn is_fresh(&self) -> bool {
        !self.is_stale
    }

    #[inline(always)]
    pub(super) const fn is_measured(&self) -> bool {
        matches!(self.kind, Kind::Tracked | Kind::Again)
    }

    pub(super) const fn nested(&self) -> Sums {
        if !self.is_split {
            return Sums::only_active(self.nested_time);
        }
        Sums {
            active: self.nested_time,
            ..self.nested
        }
    }

    /// The time of it.
    #[inline(always)]
    pub(super) const fn nested_time(&self) -> u64 {
        self.nested_time
    }

    pub(super) const fn set_nested(&mut self, nested: Sums) {
        if !self.is_split {
            self.is_split = true;
            self.all = Sums::ZERO;
        }
        self.nested_time = nested.active;
        self.nested = nested;
    }

    /// What was on top of it is gone.
    pub(super) const fn add_nested(&mut self, more: Sums) {
        self.set_nested(self.nested().plus(more));
    }

    /// The same with what was nothing but time on a CPU.
    #[inline(always)]
    pub(super) const fn add_nested_time(&mut self, more: u64) {
        self.nested_time = self.nested_time.wrapping_add(more);
    }

    /// Of all that it did, what was not nested.
    pub(super) const fn own_of(&self, all: Sums) -> Sums {
        all.minus(self.nested())
    }

    /// The span has ended, and this is all that it did.
    pub(super) const fn end(&mut self, all: Sums) {
        self.end_simply();
        self.is_split = true;
        self.nested = Sums::ZERO;
        self.all = all;
    }

    /// The same of one that did nothing but to be on a CPU, for a time that is added to the one below at once.
    #[inline(always)]
    pub(super) const fn end_simply(&mut self) {
        self.kind = Kind::Ended;
        self.nested_time = 0;
        self.is_split = false;
    }

    /// What is to be added to the frame below when this one goes, of a span that has ended or has no figures; or only
    /// the time, if there was nothing else.
    #[inline(always)]
    pub(super) const fn gone(&self) -> Result<u64, Sums> {
        if !self.is_split {
            return Ok(self.nested_time);
        }
        Err(if matches!(self.kind, Kind::Ended) {
            self.all.plus(self.nested())
        } else {
            self.nested()
        })
    }

    /// The span ends after a slice that was nothing but time on a CPU, and nothing of it waits elsewhere: what it did
    /// with what its future kept, which has its place back; if that was nothing else, either.
    #[inline(always)]
    pub(super) fn give_up_place_after(&mut self, active: u64, own: u64) -> Option<OnCpu> {
        // SAFETY: null, or lent by a poll that goes on.
        let Some(between) = (unsafe { self.place.as_mut() }) else {
            return Some(OnCpu::once(active, own));
        };
        let all = between.give_after(active, own)?;
        between.is_lent = false;
        self.place = ptr::null_mut();
        Some(all)
    }

    /// The span ends: puts what its future kept into `figures`, if there is something, and says so.
    ///
    /// A poll whose span was active already has no frame of its own, and lends its place when the span ends.
    #[inline(always)]
    pub(super) fn give_up_place(&mut self, is_within: bool, figures: &mut Figures) -> bool {
        let mut place = std::mem::replace(&mut self.place, ptr::null_mut());
        if place.is_null() && is_within {
            place = lent::of_ending(self.span_id);
        }
        // SAFETY: null, or lent by a poll that goes on.
        let Some(between) = (unsafe { place.as_mut() }) else {
            return false;
        };
        between.is_lent = false;
        let is_any = between.is_any();
        if is_any {
            *figures = Figures::NONE;
            between.give(figures);
        }
        is_any
    }
}
