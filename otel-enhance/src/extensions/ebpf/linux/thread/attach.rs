//! A context is attached.
#![expect(unsafe_code, reason = "a place that is lent is marked so")]

use std::ptr;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use otel_enhance_ebpf::loader::Lines;

use super::super::lent;
use super::super::parked::{Held, parked};
use super::super::source::{Snap, Source};
#[cfg(feature = "performance")]
use super::Next;
use super::frame::{DEPTH, Frame, Kind};
use super::{Thread, UNKNOWN, number_of};
use crate::extensions::ebpf::figures::Between;

impl Thread {
    #[inline(always)]
    pub(super) fn enter(&mut self, to: &Context) {
        if !self.enter_quickly(to.span().span_context()) {
            self.enter_slowly(to);
        }
    }

    /// A context is about to be attached, that of a span which has just started: if nothing happens to the thread but that
    /// time passes, everything is done now.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(super) fn announce(&mut self, epoch: u32, ids: (u128, u64, u8), time: u64) {
        if self.epoch == epoch
            && self.depth < DEPTH
            && let Some(lines) = self.lines
            && self.known.holds(lines)
        {
            self.begin_plainly(lines, ids, time, ptr::null_mut());
            self.next = Next::Enters;
        } else if epoch != 0 {
            self.set_started(ids.1, time);
        }
    }

    /// The frame of a context that comes, and what others see.
    #[inline(always)]
    fn begin_plainly(
        &mut self,
        lines: Lines<'_>,
        ids: (u128, u64, u8),
        time: u64,
        place: *mut Between,
    ) {
        let (trace, span_id, trace_flags) = ids;
        lines.enter(trace.to_le_bytes(), span_id.to_le_bytes(), trace_flags);
        self.frames[self.depth % DEPTH].begin_plainly(ids, time, place);
    }

    /// What was announced did not happen: the official stack is full, or what it told of that has panicked.
    #[cfg(feature = "performance")]
    #[cold]
    #[inline(never)]
    pub(super) fn call_off(&mut self) {
        if self.next == Next::Enters {
            self.tell_top();
        }
        self.next = Next::Unknown;
    }

    /// Of a span of which nothing waits elsewhere, while nothing happens to the thread but that time passes. Says whether
    /// it is one.
    #[inline(always)]
    fn enter_quickly(&mut self, span: &SpanContext) -> bool {
        let Some(lines) = self.lines else {
            return false;
        };
        let span_id = u64::from_le_bytes(span.span_id().to_bytes());
        let is_here = span.is_sampled() && span.is_valid() && !span.is_remote();
        let started = self.started;
        let is_new = started.span_id == span_id;
        let place = lent::lent();
        if !is_here || self.depth >= DEPTH || !(is_new || self.is_only_lent(place, span_id)) {
            return false;
        }
        let time = (is_new && started.time != UNKNOWN).then_some(started.time);
        if time.is_some() && started.turn != self.turn {
            return false;
        }
        let Some(now) = self.quickly(lines, time) else {
            return false;
        };
        if is_new {
            // Once: the next time it is no longer new.
            self.started.span_id = 0;
        }
        // SAFETY: null, or lent for this call, and until the future has it back, which clears it here.
        if let Some(between) = unsafe { place.as_mut() } {
            between.is_lent = true;
        }
        let trace = number_of(span.trace_id().to_bytes());
        let ids = (trace, span_id, span.trace_flags().to_u8());
        self.begin_plainly(lines, ids, now, place);
        self.depth += 1;
        true
    }

    /// A future polls under its span, which is active nowhere below.
    #[inline(always)]
    fn is_only_lent(&self, place: *const Between, span_id: u64) -> bool {
        let below = self.frames.iter().take(self.depth);
        !place.is_null() && below.into_iter().all(|frame| frame.span_id != span_id)
    }

    #[inline(never)]
    fn enter_slowly(&mut self, to: &Context) {
        let is_span = to.has_active_span();
        let span = to.span();
        let span = span.span_context();
        let span_id = if is_span {
            u64::from_le_bytes(span.span_id().to_bytes())
        } else {
            0
        };
        if self.depth == DEPTH || self.too_deep > 0 {
            return self.enter_too_deep(span_id);
        }
        if let Some(top) = self.frames[..self.depth].last_mut()
            && top.span_id == span_id
        {
            top.again = top.again.saturating_add(1);
            return;
        }
        let trace = number_of(span.trace_id().to_bytes());
        let trace_flags = span.trace_flags().to_u8();
        let is_here = is_span && span.is_valid() && !span.is_remote();
        if is_here {
            self.tell(trace, span_id, trace_flags);
        } else {
            self.tell_none();
        }
        let started = self.started;
        let is_new = started.span_id == span_id && span_id != 0 && !self.marked_only;
        if is_new {
            // Once: the next time it is no longer new.
            self.started.span_id = 0;
        }
        let mut kind = match (is_here, span.is_sampled()) {
            (true, true) => Kind::Tracked,
            (true, false) => Kind::Through,
            (false, _) => Kind::Outside,
        };
        let mut entry = 0;
        let mut place = lent::lent();
        if place.is_null() || self.marked_only {
            place = ptr::null_mut();
            if kind == Kind::Tracked && !is_new {
                (kind, entry) = self.known(span_id, trace);
            }
        } else if kind == Kind::Tracked && !is_new && self.is_measured(span_id) {
            kind = Kind::Again;
        }
        if kind == Kind::Tracked
            && matches!(self.source, Source::Own)
            && self.frames[..self.depth].iter().any(Frame::is_measured)
        {
            // Asking takes system calls: the outermost span has figures, as one.
            kind = Kind::Through;
            self.give_back(entry);
            entry = 0;
        }
        let time = (is_new && started.time != UNKNOWN).then_some(started.time);
        let at = self.depth;
        let is_measured = match kind {
            Kind::Through | Kind::Ended => false,
            Kind::Outside => at > 0,
            Kind::Tracked | Kind::Again => true,
        };
        let is_quick = time.is_none() || started.turn == self.turn;
        let now = match self.slot() {
            Some(slot) if is_measured && is_quick => self.quickly(slot.lines(), time),
            _ => None,
        };
        if !is_measured {
            self.frames[at].set_entered(Snap::ZERO);
        } else if let Some(now) = now {
            self.frames[at].enter_at(now);
        } else if let Some(entered) = self.look(time) {
            self.frames[at].set_entered(entered);
        } else {
            // The session has ended, or this is a forked child.
            kind = Kind::Through;
        }
        if kind != Kind::Tracked {
            place = ptr::null_mut();
        } else if !place.is_null() {
            // SAFETY: it is lent for this call, and until the future has it back, which clears it here.
            unsafe { (*place).is_lent = true };
        }
        let frame = &mut self.frames[at];
        frame.span_id = span_id;
        frame.trace = trace;
        frame.trace_flags = trace_flags;
        frame.place = place;
        frame.entry = entry;
        frame.again = 0;
        frame.kind = kind;
        frame.begin();
        self.depth += 1;
    }

    /// Is counted, and that is all. What it would be mistaken for when a context is active again is noted.
    #[cold]
    fn enter_too_deep(&mut self, span_id: u64) {
        self.too_deep += 1;
        if span_id == 0 {
            self.deep.is_outside = true;
        } else if !self.deep.is_again {
            self.deep.is_again = self.frames.iter().any(|frame| frame.span_id == span_id);
        }
        self.find_lines();
    }

    /// What is known of a span that did not start just now.
    #[inline(always)]
    pub(super) fn known(&mut self, span_id: u64, trace: u128) -> (Kind, u16) {
        if self.is_measured(span_id) {
            return (Kind::Again, 0);
        }
        match parked().and_then(|table| table.take(span_id, trace)) {
            Some(held) => (Kind::Tracked, held.number()),
            None if self.marked_only => (Kind::Through, 0),
            None => (Kind::Tracked, 0),
        }
    }

    /// Whether a span is active already.
    #[inline(always)]
    pub(super) fn is_measured(&self, span_id: u64) -> bool {
        let below = &self.frames[..self.depth];
        below
            .iter()
            .any(|frame| frame.span_id == span_id && frame.is_measured())
    }

    pub(super) fn give_back(&self, entry: u16) {
        if let (Some(table), Some(held)) = (parked(), Held::of_number(entry)) {
            table.put_back(held);
        }
    }
}
