//! When a span starts and ends, as differences to what is known.
//!
//! What surrounds a span tells what its times are guessed from; those of events have several guesses, and both sides use
//! the one that was the best lately in that place: nothing has to be said about it.

use super::{Book, Session};
use crate::coder::{Coder, Column};
use crate::dict::LeafHead;
use crate::error::Outcome;

/// What is known about a span's surroundings, the most telling first.
mod situation {
    pub(super) const HAS_CHILDREN: usize = 0;
    pub(super) const HAS_SIBLINGS: usize = 1;
    pub(super) const HAS_PARENT: usize = 2;
    pub(super) const HAS_TRACE: usize = 3;
    pub(super) const ALONE: usize = 4;
}

impl<B: Book> Session<'_, B> {
    /// The span's times; leaves them in the session for what comes after it.
    pub(super) fn times<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        leaf: &LeafHead,
        (own, parent): (u32, u32),
        values: &mut [u64],
    ) -> Outcome<()> {
        let (state, relatives) = self.buffers.traces.parts(trace);
        let is_new = state.seen.is_empty() || trace == 0;
        let (own, parent) = (relatives.at(own), relatives.at(parent));
        let (situation, guess) = if own.has_children {
            (situation::HAS_CHILDREN, own.children_start)
        } else if parent.has_children {
            (situation::HAS_SIBLINGS, parent.children_end)
        } else if parent.known {
            (situation::HAS_PARENT, parent.start)
        } else if !is_new {
            (situation::HAS_TRACE, state.end)
        } else {
            (situation::ALONE, self.end)
        };
        c.at(Column::Start);
        if let Some(slot) = leaf.start {
            let place = self.models.leaves[models].starts[situation];
            let place = self.models.symbol_place(place);
            self.models.leaves[models].starts[situation] = place;
            let value = &mut values[usize::from(slot)];
            *value = self.models.time(c, place, guess, leaf.start_unit, *value)?;
            self.start = *value;
        }
        let start = self.start;
        let guess = if own.has_children {
            own.children_end
        } else {
            start
        };
        c.at(Column::End);
        if let Some(slot) = leaf.end {
            let place = self.models.leaves[models].ends[situation];
            let place = self.models.symbol_place(place);
            self.models.leaves[models].ends[situation] = place;
            let value = &mut values[usize::from(slot)];
            *value = self.models.time(c, place, guess, leaf.end_unit, *value)?;
            self.end = *value;
        }
        self.duration = self.end.wrapping_sub(start);
        Ok(())
    }

    /// The time of an event, or a second start or end.
    pub(super) fn event_time<C: Coder>(
        &mut self,
        c: &mut C,
        models: usize,
        before: u64,
        value: u64,
    ) -> Outcome<u64> {
        let guesses = [before, self.end, self.start, self.start];
        let place = self.models.guessed_place(self.models.slots[models].time);
        self.models.slots[models].time = place;
        self.models.guessed(c, place, &guesses, value)
    }
}
