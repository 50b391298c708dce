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

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) span_id: u64,
    pub(super) trace: u128,
    pub(super) entered: Snap,
    /// [`Thread::turn`] when it was entered.
    pub(super) turn: u64,
    /// What spans on top of it did, those that are gone.
    pub(super) nested: Sums,
    /// Of one that has ended, all that it did.
    pub(super) all: Sums,
    /// Where it is to be kept instead of in an entry: lent by the future that is being polled, or null.
    pub(super) place: *mut Between,
    /// Of [`Held`], 0 for none.
    pub(super) entry: u32,
    /// Attached so often again, directly on top of itself.
    pub(super) again: u16,
    pub(super) kind: Kind,
    /// Nothing was on top of it so far.
    pub(super) is_alone: bool,
    /// As the span's context has them, for whoever reads which span is active.
    pub(super) trace_flags: u8,
}

impl Frame {
    /// Of all that it did, what was not nested. What is nothing is not read: it was written just now, in other pieces.
    #[inline(always)]
    pub(super) const fn own_of(&self, all: Sums) -> Sums {
        if self.is_alone {
            all
        } else {
            all.minus(self.nested)
        }
    }

    pub(super) const NONE: Self = Self {
        span_id: 0,
        trace: 0,
        entered: Snap::ZERO,
        turn: 0,
        nested: Sums::ZERO,
        all: Sums::ZERO,
        place: ptr::null_mut(),
        entry: 0,
        again: 0,
        kind: Kind::Tracked,
        is_alone: false,
        trace_flags: 0,
    };

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

    pub(super) const fn is_measured(&self) -> bool {
        matches!(self.kind, Kind::Tracked | Kind::Again)
    }
}
