//! A context is detached: a slice of its span is over.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;

use super::super::source::Snap;
use super::Thread;
use super::frame::{Frame, Kind};
use super::kept::{keep, keep_time};
use crate::extensions::ebpf::figures::Sums;

impl Thread {
    #[inline(always)]
    pub(super) fn exit(&mut self, from: &Context, to: &Context) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let to = id_of(to);
        let top = &mut self.frames[self.depth - 1];
        if top.again > 0 && top.span_id == to && id_of(from) == to {
            top.again -= 1;
            return;
        }
        self.pop();
        // What was detached below the top is not told of: it goes now.
        while self.depth > 0 && self.frames[self.depth - 1].span_id != to {
            self.pop();
        }
        match self.frames[..self.depth].last() {
            Some(top) if top.kind != Kind::Outside => {
                self.tell(top.trace, top.span_id, top.trace_flags);
            }
            _ => self.tell_none(),
        }
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) {
        self.depth -= 1;
        let frame = &self.frames[self.depth];
        if frame.is_measured() || frame.kind == Kind::Outside {
            return self.leave();
        }
        match frame.gone() {
            Ok(time) => self.add_time_below(time),
            Err(sums) => self.add_below(sums),
        }
    }

    /// What was on top of the top is gone.
    fn add_below(&mut self, nested: Sums) {
        if let Some(below) = self.frames[..self.depth].last_mut() {
            below.add_nested(nested);
        }
    }

    #[inline(always)]
    fn add_time_below(&mut self, nested: u64) {
        if let Some(below) = self.frames[..self.depth].last_mut() {
            below.add_nested_time(nested);
        }
    }

    /// The slice of what was the top ends, and its span does not.
    #[inline(never)]
    pub(super) fn leave(&mut self) {
        if self.frames[self.depth].kind == Kind::Tracked
            && let Some(active) = self.quick_slice(self.depth, None)
        {
            keep_time(&self.frames[self.depth], active);
            return self.add_time_below(active);
        }
        self.leave_slowly();
    }

    #[cold]
    #[inline(never)]
    pub(super) fn leave_slowly(&mut self) {
        let Some(now) = self.look(None) else {
            self.give_back(self.frames[self.depth].entry);
            return self.add_time_below(0);
        };
        let frame = &self.frames[self.depth];
        let nested = if frame.kind == Kind::Tracked {
            let all = now.since(&frame.entered);
            keep(frame, all, now.time);
            all
        } else {
            self.leave_other(&now)
        };
        self.add_below(nested);
    }

    #[cold]
    pub(super) fn leave_other(&mut self, now: &Snap) -> Sums {
        let frame = self.frames[self.depth];
        if self.depth == 0 {
            return Sums::ZERO;
        }
        let all = now.since(&frame.entered);
        if frame.kind == Kind::Again {
            self.count_below(&frame, all.minus(frame.nested()));
            return all;
        }
        // Outside of all spans.
        for below in &mut self.frames[..self.depth] {
            below.entered.shifted(all);
        }
        Sums::ZERO
    }

    /// What a span does that is active further down as well counts there as its own.
    pub(super) fn count_below(&mut self, frame: &Frame, own: Sums) {
        let below = self.frames[..self.depth].iter_mut().rev();
        let mut same = below.filter(|below| below.span_id == frame.span_id);
        if let Some(same) = same.find(|below| below.kind != Kind::Through) {
            same.set_nested(same.nested().minus(own));
        }
    }
}

#[inline(always)]
pub(super) fn id_of(context: &Context) -> u64 {
    if context.has_active_span() {
        u64::from_le_bytes(context.span().span_context().span_id().to_bytes())
    } else {
        0
    }
}
