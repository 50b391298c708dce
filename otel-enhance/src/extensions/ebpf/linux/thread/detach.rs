//! A context is detached: a slice of its span is over.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use otel_enhance_ebpf::loader::Lines;

use super::super::source::Snap;
use super::frame::{DEPTH, Frame, Kind};
use super::kept::{keep, keep_time};
use super::{Deep, Thread};
use crate::extensions::ebpf::figures::Sums;

impl Thread {
    #[inline(always)]
    pub(super) fn exit(&mut self, from: &Context, to: &Context) {
        if !self.exit_quickly(to) {
            self.exit_slowly(from, to);
        }
    }

    /// The top goes, of which nothing is left to be done.
    #[inline(always)]
    pub(super) fn exit_known(&mut self, to: &Context) {
        let at = self.depth.wrapping_sub(1) % DEPTH;
        self.depth = at;
        match self.lines {
            Some(lines) => self.leave_for_below(lines, to),
            None => self.catch_up(to),
        }
    }

    /// Of the top, if its span has ended or is kept, and nothing happens to the thread but that time passes. Says whether
    /// it is so.
    #[inline(always)]
    fn exit_quickly(&mut self, to: &Context) -> bool {
        let Some(lines) = self.lines else {
            return false;
        };
        let at = self.depth.wrapping_sub(1) % DEPTH;
        let top = &self.frames[at];
        let time = if top.is_plain() {
            let Some(now) = self.quickly(lines, None) else {
                return false;
            };
            let top = &self.frames[at];
            let active = now.saturating_sub(top.time);
            keep_time(top, active);
            active
        } else if top.kind == Kind::Ended
            && top.again == 0
            && let Ok(time) = top.gone()
        {
            time
        } else {
            return false;
        };
        self.depth = at;
        self.add_time_below(self.depth, time);
        self.leave_for_below(lines, to);
        true
    }

    /// The top has gone: others see what was below.
    #[inline(always)]
    fn leave_for_below(&mut self, lines: Lines<'_>, to: &Context) {
        let Some(below) = self.frames[..self.depth % DEPTH].last() else {
            return lines.leave();
        };
        if below.span_id != id_of(to) {
            self.catch_up(to);
        } else if below.kind == Kind::Outside {
            lines.leave();
        } else {
            let (trace, span_id) = (below.trace.to_le_bytes(), below.span_id.to_le_bytes());
            lines.enter(trace, span_id, below.trace_flags);
        }
    }

    /// The slice of a frame ends, and its span does not: the time, if there was nothing else, is kept.
    #[inline(always)]
    fn leave_quickly(&mut self, at: usize) -> Option<u64> {
        let active = self.quick_slice(at, None)?;
        keep_time(&self.frames[at], active);
        Some(active)
    }

    #[inline(never)]
    fn exit_slowly(&mut self, from: &Context, to: &Context) {
        if self.too_deep > 0 {
            return self.exit_too_deep(to);
        }
        let top = &mut self.frames[self.depth - 1];
        if top.again > 0 && top.span_id == id_of(to) && id_of(from) == top.span_id {
            top.again -= 1;
            return;
        }
        self.pop();
        self.catch_up(to);
    }

    /// One of those that are only counted goes, and with it as many as were detached below it, which is not told of: what
    /// is active again says whether all have.
    #[cold]
    fn exit_too_deep(&mut self, to: &Context) {
        self.too_deep -= 1;
        let span_id = id_of(to);
        let is_back = if span_id == 0 {
            !self.deep.is_outside
        } else {
            !self.deep.is_again && self.frames.iter().any(|frame| frame.span_id == span_id)
        };
        if is_back {
            self.too_deep = 0;
        }
        self.find_lines();
        if self.too_deep == 0 {
            self.deep = Deep::NOTHING;
            self.catch_up(to);
        }
    }

    /// What was detached below the top is not told of: it goes now.
    #[inline(never)]
    fn catch_up(&mut self, to: &Context) {
        let to = id_of(to);
        while self.depth > 0 && self.frames[self.depth - 1].span_id != to {
            self.pop();
        }
        self.tell_top();
    }

    /// The thread ends, and with it whatever is active there.
    #[cold]
    pub(super) fn keep_all(&mut self) {
        while self.depth > 0 {
            self.pop();
        }
    }

    /// Says what the top is.
    pub(super) fn tell_top(&mut self) {
        match self.frames[..self.depth].last() {
            Some(top) if top.kind != Kind::Outside => {
                self.tell(top.trace, top.span_id, top.trace_flags);
            }
            _ => self.tell_none(),
        }
    }

    fn pop(&mut self) {
        self.depth -= 1;
        let frame = &self.frames[self.depth];
        if frame.is_measured() || frame.kind == Kind::Outside {
            return self.leave();
        }
        match frame.gone() {
            Ok(time) => self.add_time_below(self.depth, time),
            Err(sums) => self.add_below(sums),
        }
    }

    /// What was on top of the top is gone.
    fn add_below(&mut self, nested: Sums) {
        if let Some(below) = self.frames[..self.depth].last_mut() {
            below.add_nested(nested);
        }
    }

    /// The same of what was at `at`, and was nothing but time on a CPU.
    #[inline(always)]
    pub(super) fn add_time_below(&mut self, at: usize, nested: u64) {
        if let Some(below) = self.frames[..at].last_mut() {
            below.add_nested_time(nested);
        }
    }

    /// The slice of what was the top ends, and its span does not.
    fn leave(&mut self) {
        if self.frames[self.depth].kind == Kind::Tracked
            && let Some(active) = self.leave_quickly(self.depth)
        {
            return self.add_time_below(self.depth, active);
        }
        self.leave_slowly();
    }

    #[cold]
    #[inline(never)]
    fn leave_slowly(&mut self) {
        let Some(now) = self.look(None) else {
            self.give_back(self.frames[self.depth].entry);
            return;
        };
        let frame = &self.frames[self.depth];
        let nested = if frame.kind == Kind::Tracked {
            let all = now.since(&frame.entered());
            keep(frame, all, now.time);
            all
        } else {
            self.leave_other(&now)
        };
        self.add_below(nested);
    }

    #[cold]
    fn leave_other(&mut self, now: &Snap) -> Sums {
        let frame = self.frames[self.depth];
        if self.depth == 0 {
            return Sums::ZERO;
        }
        let all = now.since(&frame.entered());
        if frame.kind == Kind::Again {
            self.count_below(&frame, all);
            return all;
        }
        // Outside of all spans.
        for below in &mut self.frames[..self.depth] {
            below.shift(all);
        }
        Sums::ZERO
    }

    /// What a span does that is active further down as well counts there as its own.
    fn count_below(&mut self, frame: &Frame, all: Sums) {
        let below = &mut self.frames[..self.depth];
        let is_it = |below: &Frame| below.span_id == frame.span_id && below.kind != Kind::Through;
        let Some(at) = below.iter().rposition(is_it) else {
            return;
        };
        if below[at..].iter().all(|frame| frame.kind != Kind::Outside) {
            let own = all.minus(frame.nested());
            let same = &mut below[at];
            return same.set_nested(same.nested().minus(own));
        }
        // What is outside of all spans will be taken off all that are below, and this with it. That is right for those
        // around the span, and it has to have this back.
        let is_first = |below: &Frame| is_it(below) && below.kind == Kind::Tracked;
        let Some(at) = below.iter().position(is_first) else {
            return;
        };
        let same = &mut below[at];
        same.shift(Sums::ZERO.minus(all));
        same.set_nested(same.nested().plus(frame.nested()));
        if let Some(around) = at.checked_sub(1) {
            let around = &mut below[around];
            around.set_nested(around.nested().minus(all));
        }
    }
}

/// Of its span, or 0.
#[inline(always)]
fn id_of(context: &Context) -> u64 {
    u64::from_le_bytes(context.span().span_context().span_id().to_bytes())
}
