//! When a span starts and ends, as differences to what is known.
//!
//! There are several guesses of each time, and both sides use the one that was the best lately for spans of the
//! same leaf in the same situation: nothing has to be said about it.

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
        let (trace_start, trace_end) = (state.start, state.end);
        let is_new = state.seen.is_empty() || trace == 0;
        let (own, parent) = (relatives.at(own), relatives.at(parent));
        let (before_start, before_end) = (self.start, self.end);
        let (situation, starts) = if own.has_children {
            let sibling = if parent.has_children {
                parent.children_end
            } else {
                own.children_start
            };
            let starts = [own.children_start, sibling, trace_end, before_end];
            (situation::HAS_CHILDREN, starts)
        } else if parent.has_children {
            let starts = [
                parent.children_end,
                parent.last_child_start,
                before_end,
                before_start,
            ];
            (situation::HAS_SIBLINGS, starts)
        } else if parent.known {
            let starts = [parent.start, trace_start, trace_end, before_end];
            (situation::HAS_PARENT, starts)
        } else if !is_new {
            let starts = [trace_start, trace_end, before_end, before_start];
            (situation::HAS_TRACE, starts)
        } else {
            let starts = [before_end, before_start, before_end, before_start];
            (situation::ALONE, starts)
        };
        c.at(Column::Start);
        if let Some(slot) = leaf.start {
            let place = self.models.leaves[models].starts[situation];
            let place = self.models.difference_place(place);
            self.models.leaves[models].starts[situation] = place;
            let value = &mut values[usize::from(slot)];
            *value = self
                .models
                .guessed(c, place, &starts, leaf.start_unit, *value)?;
            self.start = *value;
        }
        let start = self.start;
        let last = if own.has_children {
            before_end
        } else if parent.known {
            parent.end
        } else {
            start
        };
        let ends = if own.has_children {
            [own.children_end, start, last, last]
        } else {
            [start, before_end, last, last]
        };
        c.at(Column::End);
        if let Some(slot) = leaf.end {
            let place = self.models.leaves[models].ends[situation];
            let place = self.models.difference_place(place);
            self.models.leaves[models].ends[situation] = place;
            let value = &mut values[usize::from(slot)];
            *value = self
                .models
                .guessed(c, place, &ends, leaf.end_unit, *value)?;
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
        let place = self.models.difference_place(self.models.slots[models].time);
        self.models.slots[models].time = place;
        self.models.guessed(c, place, &guesses, 1, value)
    }
}
