//! A span ends.
#![expect(
    unsafe_code,
    reason = "what a future lends to its span that ends is looked at"
)]

use super::super::lent;
use super::super::source::{Snap, Source};
use super::frame::{Frame, Kind};
use super::kept::{add_entry, add_waiting};
use super::{Found, Thread};
use crate::extensions::ebpf::figures::{Figures, Sums};

impl Thread {
    /// The span ends on this thread: all that it did, if it is active here.
    #[inline(always)]
    pub(super) fn end(
        &mut self,
        span_id: u64,
        trace: u128,
        times: Option<(u64, u64)>,
        figures: &mut Figures,
    ) -> Found {
        let Some(top) = self.frames[..self.depth].last() else {
            return Found::Nothing;
        };
        let time = times.map(|(end, _)| end);
        if top.span_id != span_id || top.kind != Kind::Tracked || top.trace != trace {
            return self.end_below(span_id, trace, time, figures);
        }
        let at = self.depth - 1;
        let quick = self.quick_slice(at, time);
        let total = match quick {
            Some(active) => Sums::only_active(active),
            None => match self.look(time) {
                Some(now) => now.since(&self.frames[at].entered),
                None => return Found::Nothing,
            },
        };
        let is_unsplit = matches!(self.source, Source::Own);
        let frame = &mut self.frames[at];
        frame.kind = Kind::Ended;
        frame.all = total;
        let is_longer = frame.give_up_place(frame.again > 0, figures);
        if let (Some(active), Some((end, begin))) = (quick, times)
            && active == end.saturating_sub(begin)
            && frame.entry == 0
            && !is_longer
        {
            if frame.is_alone {
                return Found::Plain;
            }
            // Nobody has looked closely meanwhile, so that was nothing but time on a CPU, too.
            let own = active.saturating_sub(frame.nested.active);
            frame.nested = Sums::ZERO;
            return Found::Own(own);
        }
        let own = frame.own_of(total);
        frame.nested = Sums::ZERO;
        let entry = std::mem::take(&mut frame.entry);
        let last = Figures {
            total,
            own,
            activations: 1,
            is_unsplit,
        };
        *figures = if is_longer { last.plus(figures) } else { last };
        // A span of the SDK may have been elsewhere between its start and this.
        if is_longer || times.is_none() {
            add_waiting(figures, span_id, trace);
        }
        if entry != 0 {
            add_entry(figures, entry);
        }
        Found::Figures
    }

    /// The same where others are on top of it.
    #[cold]
    pub(super) fn end_below(
        &mut self,
        span_id: u64,
        trace: u128,
        time: Option<u64>,
        figures: &mut Figures,
    ) -> Found {
        let is_it = |frame: &Frame| frame.span_id == span_id && frame.kind == Kind::Tracked;
        let Some(at) = self.frames[..self.depth].iter().rposition(is_it) else {
            return Found::Nothing;
        };
        let Some(now) = self.look(time) else {
            return Found::Nothing;
        };
        // Where it is on top of itself as well, that is over, too.
        for again in at + 1..self.depth {
            let frame = self.frames[again];
            if frame.span_id == span_id && frame.kind == Kind::Again {
                let all = now.since(&frame.entered);
                let on_top = self.running_on(again, &now);
                let own = all.minus(frame.nested).minus(on_top);
                self.frames[at].nested = self.frames[at].nested.minus(own);
                // What is on top will be added when that goes, from its begin.
                self.frames[again].kind = Kind::Through;
                self.frames[again].nested = all.minus(on_top);
            }
        }
        let running = self.running_on(at, &now);
        let frame = &mut self.frames[at];
        let total = now.since(&frame.entered);
        let own = total.minus(frame.nested).minus(running);
        frame.kind = Kind::Ended;
        // What runs on top of it will be added when that goes, from its begin.
        frame.all = total.minus(running);
        frame.nested = Sums::ZERO;
        let entry = std::mem::take(&mut frame.entry);
        let last = Figures {
            total,
            own,
            activations: 1,
            is_unsplit: matches!(self.source, Source::Own),
        };
        if frame.give_up_place(true, figures) {
            *figures = last.plus(figures);
            add_waiting(figures, span_id, trace);
        } else {
            *figures = last;
        }
        add_entry(figures, entry);
        Found::Figures
    }

    /// What those on top of a frame have done that will be added to it once they go.
    pub(super) fn running_on(&self, at: usize, now: &Snap) -> Sums {
        let mut sums = Sums::ZERO;
        for frame in &self.frames[at + 1..self.depth] {
            match frame.kind {
                Kind::Through => sums = sums.plus(frame.nested),
                Kind::Ended => sums = sums.plus(frame.all).plus(frame.nested),
                Kind::Outside => return sums,
                Kind::Tracked | Kind::Again => return sums.plus(now.since(&frame.entered)),
            }
        }
        sums
    }

    /// What a span did that is active on no thread.
    #[cold]
    pub(super) fn unpark(&self, span_id: u64, trace: u128, figures: &mut Figures) -> Found {
        *figures = Figures {
            is_unsplit: matches!(self.source, Source::Own),
            ..Figures::NONE
        };
        // SAFETY: null, or lent for this call by the future whose span this is; nobody else has it now.
        if let Some(between) = unsafe { lent::of_ending(span_id).as_mut() } {
            between.give(figures);
        }
        add_waiting(figures, span_id, trace);
        if figures.activations == 0 {
            return Found::Nothing;
        }
        Found::Figures
    }
}
