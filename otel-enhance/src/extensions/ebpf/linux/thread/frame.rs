//! What a thread keeps of one attached context.
#![expect(
    unsafe_code,
    reason = "a frame points to a place that a poll has lent it"
)]

use std::ptr;

use super::super::lent;
use super::super::source::Snap;
use crate::extensions::ebpf::figures::{Between, Figures, Sums};

/// Contexts on top of each other that are told apart; what is above counts for the highest of these.
pub(super) const DEPTH: usize = 64;

/// What a context on the stack is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What belongs to a context that comes and goes while nothing else happens is written in few pieces, and read back in
/// the same ones: what is read in others than it was written just now stalls the processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) span_id: u64,
    pub(super) trace: u128,
    /// Of one that [has no sums](Self::has_sums) yet the time alone.
    pub(super) entered: Snap,
    /// [`Thread::turn`](super::Thread::turn) when it was entered.
    pub(super) turn: u64,
    /// Where it is to be kept instead of in an entry: lent by the future that is being polled, or null.
    pub(super) place: *mut Between,
    /// Of [`Held`](super::super::parked::Held), 0 for none.
    pub(super) entry: u32,
    /// Attached so often again, directly on top of itself.
    pub(super) again: u16,
    pub(super) kind: Kind,
    /// As the span's context has them, for whoever reads which span is active.
    pub(super) trace_flags: u8,
    /// What the thread had done when this was entered is written here; else it is what is known of the thread, for
    /// nobody has looked closely since.
    pub(super) has_sums: bool,
    /// Nothing was on top of it so far, or since it has ended: `nested` says nothing.
    is_alone: bool,
    /// There was nothing but time on a CPU: of `nested` and `all` only that says something.
    is_simple: bool,
    /// What spans on top of it did, those that are gone.
    nested: Sums,
    /// Of one that has ended, all that it did.
    all: Sums,
}

impl Frame {
    pub(super) const NONE: Self = Self {
        span_id: 0,
        trace: 0,
        entered: Snap::ZERO,
        turn: 0,
        place: ptr::null_mut(),
        entry: 0,
        again: 0,
        kind: Kind::Tracked,
        trace_flags: 0,
        has_sums: true,
        is_alone: true,
        is_simple: true,
        nested: Sums::ZERO,
        all: Sums::ZERO,
    };

    /// Nothing was on top of it.
    #[inline(always)]
    pub(super) const fn begin(&mut self) {
        self.is_alone = true;
        self.is_simple = true;
    }

    #[inline(always)]
    pub(super) const fn is_measured(&self) -> bool {
        matches!(self.kind, Kind::Tracked | Kind::Again)
    }

    pub(super) const fn nested(&self) -> Sums {
        match (self.is_alone, self.is_simple) {
            (true, _) => Sums::ZERO,
            (false, true) => Sums::only_active(self.nested.active),
            (false, false) => self.nested,
        }
    }

    /// The time of it.
    #[inline(always)]
    pub(super) const fn nested_time(&self) -> u64 {
        if self.is_alone { 0 } else { self.nested.active }
    }

    pub(super) const fn set_nested(&mut self, nested: Sums) {
        if self.is_simple {
            self.is_simple = false;
            self.all = Sums::only_active(self.all.active);
        }
        self.is_alone = false;
        self.nested = nested;
    }

    /// What was on top of it is gone.
    pub(super) const fn add_nested(&mut self, more: Sums) {
        self.set_nested(self.nested().plus(more));
    }

    /// The same with what was nothing but time on a CPU.
    #[inline(always)]
    pub(super) const fn add_nested_time(&mut self, more: u64) {
        if !self.is_simple {
            return self.add_nested(Sums::only_active(more));
        }
        self.nested.active = self.nested_time().wrapping_add(more);
        self.is_alone = false;
    }

    /// Of all that it did, what was not nested.
    pub(super) const fn own_of(&self, all: Sums) -> Sums {
        if self.is_alone {
            all
        } else {
            all.minus(self.nested())
        }
    }

    /// The span has ended, and this is all that it did.
    pub(super) const fn end(&mut self, all: Sums) {
        self.kind = Kind::Ended;
        self.is_alone = true;
        self.is_simple = false;
        self.all = all;
    }

    /// The same of one that was on a CPU for so long, and nothing else.
    #[inline(always)]
    pub(super) const fn end_simply(&mut self, active: u64) {
        self.kind = Kind::Ended;
        self.is_alone = true;
        self.is_simple = true;
        self.all.active = active;
    }

    /// What is to be added to the frame below when this one goes, of a span that has ended or has no figures; or only
    /// the time, if there was nothing else.
    #[inline(always)]
    pub(super) const fn gone(&self) -> Result<u64, Sums> {
        let is_ended = matches!(self.kind, Kind::Ended);
        if self.is_simple {
            let all = if is_ended { self.all.active } else { 0 };
            return Ok(all.wrapping_add(self.nested_time()));
        }
        Err(if is_ended {
            self.all.plus(self.nested())
        } else {
            self.nested()
        })
    }

    /// The span ends: whether no future has kept anything of it; then it has its place back.
    #[inline(always)]
    pub(super) fn had_one_slice(&mut self) -> bool {
        // SAFETY: null, or lent by a poll that goes on.
        let Some(between) = (unsafe { self.place.as_mut() }) else {
            return true;
        };
        let has_more = between.is_any();
        if !has_more {
            between.is_lent = false;
            self.place = ptr::null_mut();
        }
        !has_more
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
