//! A span ends.
#![expect(
    unsafe_code,
    reason = "what a future lends to its span that ends is looked at"
)]

use super::super::lent;
use super::super::parked::{Held, is_any_waiting, parked};
use super::super::source::{Snap, Source};
use super::frame::{DEPTH, Frame, Kind};
use super::kept::{add_entry, add_waiting};
use super::{Found, Next, Thread};
use crate::extensions::ebpf::figures::{Between, Figures, OnCpu, Sums};

impl Thread {
    /// The top's span ends, which was on a CPU whenever it was active, up to this time, and did nothing else.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(super) fn end_plainly(
        &mut self,
        epoch: u32,
        span_id: u64,
        trace: u128,
        time: u64,
    ) -> Option<OnCpu> {
        let lines = self.lines?;
        let at = self.depth.checked_sub(1)? % DEPTH;
        let top = &mut self.frames[at];
        if top.span_id != span_id
            || top.trace != trace
            || !top.is_plain()
            || is_any_waiting()
            || self.epoch != epoch
            || !self.known.holds(lines)
        {
            return None;
        }
        let active = time.saturating_sub(top.time);
        let own = active.wrapping_sub(top.nested_time());
        let all = top.give_up_place_after(active, own)?;
        self.end_top(at, active);
        self.next = Next::Leaves;
        Some(all)
    }

    /// The top's span, which was active for so long, has ended: the one below has it all.
    #[inline(always)]
    fn end_top(&mut self, at: usize, active: u64) {
        self.frames[at].end_simply();
        self.add_time_below(at, active);
    }

    /// The span ends on this thread: all that it did, if it is active here.
    #[inline(always)]
    pub(super) fn end(
        &mut self,
        span_id: u64,
        trace: u128,
        time: Option<u64>,
        figures: &mut Figures,
    ) -> Found {
        if self.depth == 0 {
            return Found::Nothing;
        }
        let at = (self.depth - 1) % DEPTH;
        let top = &self.frames[at];
        if top.span_id != span_id || top.kind != Kind::Tracked || top.trace != trace {
            return self.end_below(span_id, trace, time, figures);
        }
        match self.quick_slice(at, time) {
            Some(active) => self.end_simply(at, active, figures),
            None => self.end_slowly(at, time, figures),
        }
    }

    #[inline(never)]
    fn end_slowly(&mut self, at: usize, time: Option<u64>, figures: &mut Figures) -> Found {
        let Some(now) = self.look(time) else {
            return Found::Nothing;
        };
        let is_unsplit = matches!(self.source, Source::Own);
        let frame = &mut self.frames[at];
        let (span_id, trace) = (frame.span_id, frame.trace);
        let total = now.since(&frame.entered());
        let own = frame.own_of(total);
        frame.end(total);
        let is_longer = frame.give_up_place(frame.again > 0, figures);
        let entry = std::mem::take(&mut frame.entry);
        let last = Figures {
            total,
            own,
            activations: 1,
            is_unsplit,
        };
        *figures = if is_longer { last.plus(figures) } else { last };
        // It may have been active on other threads meanwhile.
        add_waiting(figures, span_id, trace);
        if entry != 0 {
            add_entry(figures, entry);
        }
        Found::Figures
    }

    /// The top's span was on a CPU for so long since it became active, and nothing else happened: not to those that were
    /// on top of it either, for then somebody would have looked closely.
    #[inline(always)]
    fn end_simply(&mut self, at: usize, active: u64, figures: &mut Figures) -> Found {
        let own = active.wrapping_sub(self.frames[at].nested_time());
        self.end_top(at, active);
        let frame = &mut self.frames[at];
        if self.lines.is_some() && frame.again == 0 {
            // Nothing is left to be done when the context is detached.
            self.next = Next::Leaves;
        }
        if frame.entry == 0
            && frame.again == 0
            && !is_any_waiting()
            && let Some(all) = frame.give_up_place_after(active, own)
        {
            return Found::OnCpu(all);
        }
        self.end_with_more(at, active, own, figures)
    }

    /// The same where something of it may be kept.
    #[inline(never)]
    fn end_with_more(&mut self, at: usize, active: u64, own: u64, figures: &mut Figures) -> Found {
        let frame = &mut self.frames[at];
        let is_longer = frame.give_up_place(frame.again > 0, figures);
        let entry = std::mem::take(&mut frame.entry);
        // It may have been active on other threads meanwhile.
        let (span_id, trace) = (frame.span_id, frame.trace);
        let waiting = parked().and_then(|table| table.take(span_id, trace));
        if !is_longer && entry == 0 && waiting.is_none() {
            return Found::OnCpu(OnCpu::once(active, own));
        }
        let last = OnCpu::once(active, own).figures();
        *figures = if is_longer { last.plus(figures) } else { last };
        for entry in [entry, waiting.map_or(0, Held::number)] {
            if entry != 0 {
                add_entry(figures, entry);
            }
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
        let outside = self.outside_of(at);
        // What it did itself while outside of all spans.
        let mut within = Sums::ZERO;
        // Where it is on top of itself as well, that is over, too.
        for again in at + 1..self.depth {
            let frame = self.frames[again];
            if frame.span_id == span_id && frame.kind == Kind::Again {
                let all = now.since(&frame.entered());
                let on_top = self.running_on(again, &now);
                let not_own = frame.nested().plus(on_top);
                let nested = self.frames[at].nested();
                if outside.is_some_and(|outside| outside < again) {
                    within = within.plus(all);
                    self.frames[at].set_nested(nested.plus(not_own));
                } else {
                    self.frames[at].set_nested(nested.minus(all.minus(not_own)));
                }
                // What is on top will be added when that goes, from its begin.
                self.frames[again].kind = Kind::Through;
                self.frames[again].set_nested(all.minus(on_top));
            }
        }
        let running = self.running_on(at, &now);
        let outside = self.since_outside(outside, &now);
        let frame = &mut self.frames[at];
        let around = now.since(&frame.entered()).minus(outside);
        let total = around.plus(within);
        let own = total.minus(frame.nested()).minus(running);
        // What runs on top of it will be added when that goes, from its begin.
        frame.end(around.minus(running));
        let entry = std::mem::take(&mut frame.entry);
        let last = Figures {
            total,
            own,
            activations: 1,
            is_unsplit: matches!(self.source, Source::Own),
        };
        let is_longer = frame.give_up_place(true, figures);
        *figures = if is_longer { last.plus(figures) } else { last };
        add_waiting(figures, span_id, trace);
        add_entry(figures, entry);
        Found::Figures
    }

    /// What those on top of a frame have done that will be added to it once they go.
    pub(super) fn running_on(&self, at: usize, now: &Snap) -> Sums {
        let mut sums = Sums::ZERO;
        for (at, frame) in self.frames[..self.depth].iter().enumerate().skip(at + 1) {
            match frame.kind {
                Kind::Through | Kind::Ended => {
                    let gone = frame.gone().map(Sums::only_active);
                    sums = sums.plus(gone.unwrap_or_else(|sums| sums));
                }
                Kind::Outside => return sums,
                Kind::Tracked | Kind::Again => {
                    let outside = self.since_outside(self.outside_of(at), now);
                    return sums.plus(now.since(&frame.entered()).minus(outside));
                }
            }
        }
        sums
    }

    /// The first frame on top of this one that is outside of all spans.
    fn outside_of(&self, at: usize) -> Option<usize> {
        let on_top = self.frames[..self.depth].iter().skip(at + 1);
        let outside = on_top
            .into_iter()
            .position(|frame| frame.kind == Kind::Outside)?;
        Some(at + 1 + outside)
    }

    /// What has happened since, which will be taken off those below when that goes.
    fn since_outside(&self, outside: Option<usize>, now: &Snap) -> Sums {
        outside.map_or(Sums::ZERO, |at| now.since(&self.frames[at].entered()))
    }

    /// What a span did that is active on no thread.
    #[inline(never)]
    pub(super) fn unpark(&self, span_id: u64, trace: u128, figures: &mut Figures) -> Found {
        let place = lent::of_ending(span_id);
        if !place.is_null() {
            return self.unpark_lent(place, span_id, trace, figures);
        }
        let Some(table) = parked() else {
            return Found::Nothing;
        };
        let Some(held) = table.take(span_id, trace) else {
            return Found::Nothing;
        };
        let is_split = !matches!(self.source, Source::Own);
        if is_split && let Some((active, own)) = table.with(held, |entry| entry.one_simple()) {
            table.free(held);
            match table.take(span_id, trace) {
                None => return Found::OnCpu(OnCpu::once(active, own)),
                Some(more) => {
                    *figures = OnCpu::once(active, own).figures();
                    add_entry(figures, more.number());
                }
            }
        } else {
            *figures = self.none();
            add_entry(figures, held.number());
            if figures.activations == 0 {
                return Found::Nothing;
            }
        }
        Found::Figures
    }

    /// The same where a future has something of it, whose span this is.
    #[cold]
    fn unpark_lent(
        &self,
        place: *mut Between,
        span_id: u64,
        trace: u128,
        figures: &mut Figures,
    ) -> Found {
        *figures = self.none();
        // SAFETY: lent for this call by the future; nobody else has it now.
        unsafe { (*place).give(figures) };
        add_waiting(figures, span_id, trace);
        if figures.activations == 0 {
            return Found::Nothing;
        }
        Found::Figures
    }

    const fn none(&self) -> Figures {
        Figures {
            is_unsplit: matches!(self.source, Source::Own),
            ..Figures::NONE
        }
    }
}
