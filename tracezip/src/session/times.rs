//! When a span starts and ends, as differences to what is known.
//!
//! There are several guesses of each time, and both sides use the one that was the best lately for spans of the
//! same leaf in the same situation: nothing has to be said about it.

use super::span::Parent;
use super::{Book, Session};
use crate::coder::{Coder, Column};
use crate::dict::LeafHead;
use crate::error::Outcome;
use crate::models::{ENDS, Place, STARTS, cheapest, cost, follow};
use crate::traces::Relative;

/// What is known about a span's surroundings, the most telling first.
mod situation {
    pub(super) const HAS_CHILDREN: usize = 0;
    pub(super) const HAS_SIBLINGS: usize = 1;
    pub(super) const HAS_PARENT: usize = 2;
    pub(super) const HAS_TRACE: usize = 3;
    pub(super) const ALONE: usize = 4;
}

fn distance(value: u64, guess: u64) -> u16 {
    cost((value.wrapping_sub(guess) as i64).unsigned_abs())
}

impl<B: Book> Session<'_, B> {
    /// The span's times; leaves them in the session for what comes after it.
    pub(super) fn times<C: Coder>(
        &mut self,
        c: &mut C,
        trace: usize,
        models: usize,
        leaf: &LeafHead,
        own: &Relative,
        parent: Option<Parent>,
    ) -> Outcome<()> {
        let state = self.buffers.traces.get(trace);
        let (trace_start, trace_end) = (state.start, state.end);
        let is_new = state.seen.is_empty() || trace == 0;
        let parent = parent.map_or(Relative::default(), |parent| *parent.resolve(state));
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
        let mut start = before_start;
        c.at(Column::Start);
        if let Some(slot) = leaf.start {
            start = self.start(c, models, situation, &starts, leaf.start_unit, slot.into())?;
            self.start = start;
        }
        let ends: [u64; ENDS] = if own.has_children {
            [own.children_end, start, before_end]
        } else if parent.known {
            [start, before_end, parent.end]
        } else {
            [start, before_end, start]
        };
        c.at(Column::End);
        if let Some(slot) = leaf.end {
            self.end = self.end(c, models, situation, &ends, leaf.end_unit, slot.into())?;
        }
        self.duration = self.end.wrapping_sub(start);
        Ok(())
    }

    fn start<C: Coder>(
        &mut self,
        c: &mut C,
        models: usize,
        situation: usize,
        guesses: &[u64; STARTS],
        unit: u32,
        slot: usize,
    ) -> Outcome<u64> {
        let value = self.buffers.values[slot];
        let leaf = &self.models.leaves[models];
        let guess = guesses[cheapest(&leaf.start_costs[situation])];
        let place = self.models.number_place(leaf.starts[situation]);
        self.models.leaves[models].starts[situation] = place;
        let value = self.time(c, place, guess, unit, value)?;
        let costs = &mut self.models.leaves[models].start_costs[situation];
        for (running, guess) in costs.iter_mut().zip(guesses) {
            follow(running, distance(value, *guess));
        }
        self.buffers.values[slot] = value;
        Ok(value)
    }

    fn end<C: Coder>(
        &mut self,
        c: &mut C,
        models: usize,
        situation: usize,
        guesses: &[u64; ENDS],
        unit: u32,
        slot: usize,
    ) -> Outcome<u64> {
        let value = self.buffers.values[slot];
        let leaf = &self.models.leaves[models];
        let guess = guesses[cheapest(&leaf.end_costs[situation])];
        let place = self.models.number_place(leaf.ends[situation]);
        self.models.leaves[models].ends[situation] = place;
        let value = self.time(c, place, guess, unit, value)?;
        let costs = &mut self.models.leaves[models].end_costs[situation];
        for (running, guess) in costs.iter_mut().zip(guesses) {
            follow(running, distance(value, *guess));
        }
        self.buffers.values[slot] = value;
        Ok(value)
    }

    /// A time by its difference to a guess, in units of the span's clock.
    fn time<C: Coder>(
        &mut self,
        c: &mut C,
        place: Place,
        guess: u64,
        unit: u32,
        value: u64,
    ) -> Outcome<u64> {
        // Constants, so that nothing is divided by a variable.
        match unit {
            1 => {
                let difference = self.models.signed(c, place, value.wrapping_sub(guess))?;
                Ok(guess.wrapping_add(difference))
            }
            100 => self.time_in::<100, C>(c, place, guess, value),
            1_000 => self.time_in::<1_000, C>(c, place, guess, value),
            _ => self.time_in::<1_000_000, C>(c, place, guess, value),
        }
    }

    #[inline]
    fn time_in<const UNIT: u64, C: Coder>(
        &mut self,
        c: &mut C,
        place: Place,
        guess: u64,
        value: u64,
    ) -> Outcome<u64> {
        let (value, guess) = (value / UNIT, guess / UNIT);
        let difference = self.models.signed(c, place, value.wrapping_sub(guess))?;
        Ok(guess.wrapping_add(difference).wrapping_mul(UNIT))
    }

    /// The time of an event, or a second start or end.
    pub(super) fn event_time<C: Coder>(
        &mut self,
        c: &mut C,
        models: usize,
        before: u64,
        value: u64,
    ) -> Outcome<u64> {
        let guesses = [before, self.end, self.start];
        let slot = &self.models.slots[models];
        let guess = guesses[cheapest(&slot.costs)];
        let place = self.models.number_place(slot.number);
        self.models.slots[models].number = place;
        let difference = self.models.signed(c, place, value.wrapping_sub(guess))?;
        let value = guess.wrapping_add(difference);
        for (running, guess) in self.models.slots[models].costs.iter_mut().zip(guesses) {
            follow(running, distance(value, guess));
        }
        Ok(value)
    }
}
