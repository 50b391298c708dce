//! What a thread knows of the spans that are active on it: one frame for each context that is attached.
//!
//! A slice is measured once, from its begin to its end, with whatever was on top of it; what was on top is taken off
//! when it goes. So nothing is read at a change but for the span that comes or goes, and a parent is not touched
//! while its children run.
#![expect(
    unsafe_code,
    reason = "what belongs to a thread is reached without asking whether it is destroyed"
)]

use std::cell::{Cell, RefCell, UnsafeCell};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use otel_enhance_ebpf::abi::UserLine;
use otel_enhance_ebpf::loader::{PinnedContexts, ThreadSlot};

use super::lent;
use super::parked::{Held, Parked, parked};
use super::running::{self, EPOCH};
use super::source::{self, Known, Snap, Source};
use super::thread_context;
use crate::clock::Watch;
use crate::extensions::ebpf::figures::{Between, Figures, Sums};
use crate::lifecycle::generation;

/// Contexts on top of each other that are told apart; what is above counts for the highest of these.
const DEPTH: usize = 64;

/// What a context on the stack is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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

/// What is known of a span that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// It was active and on a CPU from its begin to its end, and that is all.
    Plain,
    /// What was put there.
    Figures,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    span_id: u64,
    trace: u128,
    entered: Snap,
    /// [`Thread::turn`] when it was entered.
    turn: u64,
    /// What spans on top of it did, those that are gone.
    nested: Sums,
    /// Of one that has ended, all that it did.
    all: Sums,
    /// Where it is to be kept instead of in an entry: lent by the future that is being polled, or null.
    place: *mut Between,
    /// Of [`Held`], 0 for none.
    entry: u32,
    /// Attached so often again, directly on top of itself.
    again: u16,
    kind: Kind,
    /// Nothing was on top of it so far.
    is_alone: bool,
    /// As the span's context has them, for whoever reads which span is active.
    trace_flags: u8,
}

impl Frame {
    /// Of all that it did, what was not nested. What is nothing is not read: it was written just now, in other pieces.
    #[inline(always)]
    const fn own_of(&self, all: Sums) -> Sums {
        if self.is_alone {
            all
        } else {
            all.minus(self.nested)
        }
    }

    const NONE: Self = Self {
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
    fn give_up_place(&mut self, is_within: bool, figures: &mut Figures) -> bool {
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

    const fn is_measured(&self) -> bool {
        matches!(self.kind, Kind::Tracked | Kind::Again)
    }
}

struct Thread {
    /// Of the session that it knows; see [`LEAVING`].
    epoch: u32,
    /// Contexts beyond [`DEPTH`].
    too_deep: u32,
    depth: usize,
    source: Source,
    known: Known,
    /// Another one whenever the thread was looked at closely: while it is the same and what is known holds, nothing
    /// happened to the thread but that time passed.
    turn: u64,
    /// What the kernel's clock is ahead of that of spans.
    ahead: u64,
    marked_only: bool,
    /// Whether others can see which span is active.
    is_published: bool,
    /// A map that says so as well; it is the thread's as long as this says so.
    pinned: Option<NonNull<PinnedContexts>>,
    /// By which that knows the thread, in the process of this generation.
    key: u64,
    generation: u32,
    /// What others see of the thread where it has no slot.
    record: UserLine,
    watch: Watch,
    frames: [Frame; DEPTH],
}

/// A record of no span.
const NO_SPAN: UserLine = UserLine {
    trace_id: [0; 16],
    span_id: [0; 8],
    valid: 0,
    trace_flags: 0,
    attrs_data_size: 0,
    padding: [0; 4],
    stack_end: 0,
    tag: 0,
    unused: [0; 16],
};

/// The thread is being torn down.
const LEAVING: u32 = u32::MAX;

thread_local! {
    static THREAD: UnsafeCell<Thread> = const { UnsafeCell::new(Thread {
        epoch: 0,
        too_deep: 0,
        depth: 0,
        source: Source::Nothing,
        known: Known::NOTHING,
        turn: 0,
        ahead: 0,
        marked_only: false,
        is_published: false,
        pinned: None,
        key: 0,
        generation: 0,
        record: NO_SPAN,
        watch: Watch::new(),
        frames: [Frame::NONE; DEPTH],
    }) };

    /// What the thread's source points to, and what gives it back.
    static SLOT: Owner = const { Owner(RefCell::new(Owned { slot: None, pinned: None })) };

    /// The span that was started last, and when, if that is known.
    static STARTED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// The slot, and what else knows the thread by it.
struct Owned {
    slot: Option<ThreadSlot>,
    pinned: Option<Arc<PinnedContexts>>,
}

struct Owner(RefCell<Owned>);

impl Drop for Owner {
    fn drop(&mut self) {
        with(|thread| {
            thread.forget();
            thread.part();
            thread.epoch = LEAVING;
        });
    }
}

/// Calls `f` with what the thread knows.
#[inline(always)]
fn with<R>(f: impl FnOnce(&mut Thread) -> R) -> R {
    THREAD.with(|thread| {
        // SAFETY: the thread's own. Nobody is called from within who could come back here: not contexts, not
        // spans, no code of the application's.
        f(unsafe { &mut *thread.get() })
    })
}

/// The fast path has started a span, at this time.
#[cfg(feature = "performance")]
#[inline(always)]
pub(crate) fn started(span_id: [u8; 8], time: u64) {
    if EPOCH.load(Ordering::Relaxed) != 0 {
        STARTED.set((u64::from_le_bytes(span_id), time));
    }
}

/// A span of the SDK has started: nothing of it waits anywhere.
#[inline(always)]
pub(crate) fn begun(span: &SpanContext) {
    if EPOCH.load(Ordering::Relaxed) != 0 {
        let span_id = u64::from_le_bytes(span.span_id().to_bytes());
        STARTED.set((span_id, UNKNOWN));
        if let Some(table) = parked() {
            table.expect(span_id);
        }
    }
}

/// In the place of a time.
const UNKNOWN: u64 = u64::MAX;

/// A span that has just started is one of those that shall have figures where others have none.
pub(crate) fn mark(span: &SpanContext) {
    if EPOCH.load(Ordering::Relaxed) == 0 || !running::is_marked_only() || !span.is_sampled() {
        return;
    }
    let span_id = u64::from_le_bytes(span.span_id().to_bytes());
    if let Some(table) = parked()
        && let Some(held) = table.claim(span_id, number_of(span.trace_id().to_bytes()))
    {
        // Whoever has waited longest makes room first: it has not waited yet.
        table.with(held, |entry| entry.since = u64::MAX);
        table.put_back(held);
    }
}

/// A context is attached.
#[inline]
pub(super) fn enter(to: &Context) {
    let epoch = EPOCH.load(Ordering::Relaxed);
    with(|thread| {
        if (thread.epoch == epoch && epoch != 0) || thread.refresh(epoch) {
            thread.enter(to);
        }
    });
}

/// A context is detached, and `to` is active again.
#[inline]
pub(super) fn exit(from: &Context, to: &Context) {
    let epoch = EPOCH.load(Ordering::Relaxed);
    with(|thread| {
        if thread.epoch == epoch && thread.depth > 0 {
            thread.exit(from, to);
        }
    });
}

/// A span ends: puts what it did into `figures`. `times` are those of its end, read just now, and of its begin by the
/// clock of spans, if they are known.
#[inline]
pub(crate) fn ended(
    trace_id: &[u8; 16],
    span_id: [u8; 8],
    times: Option<(u64, u64)>,
    figures: &mut Figures,
) -> Found {
    let epoch = EPOCH.load(Ordering::Relaxed);
    if epoch == 0 {
        return Found::Nothing;
    }
    let span_id = u64::from_le_bytes(span_id);
    let trace = number_of(*trace_id);
    with(|thread| {
        if thread.epoch == epoch {
            let found = thread.end(span_id, trace, times, figures);
            if found != Found::Nothing {
                return found;
            }
        }
        thread.unpark(span_id, trace, figures)
    })
}

/// A future whose poll is over has its place back: what of its span stays attached waits elsewhere from now on.
#[cold]
#[inline(never)]
pub(super) fn take_back(mut place: NonNull<Between>) {
    with(|thread| {
        for frame in &mut thread.frames[..thread.depth] {
            if frame.place == place.as_ptr() {
                frame.place = ptr::null_mut();
            }
        }
    });
    // SAFETY: borrowed by the caller, and no frame points to it any more.
    let between = unsafe { place.as_mut() };
    between.is_lent = false;
    between.is_elsewhere = true;
}

/// A trace's id as one number, which stays in registers: bytes go through memory, and are read from there in other
/// pieces than they were written, which stalls the processor.
#[inline(always)]
const fn number_of(trace_id: [u8; 16]) -> u128 {
    u128::from_be_bytes(trace_id)
}

#[inline(always)]
fn id_of(context: &Context) -> u64 {
    if context.has_active_span() {
        u64::from_le_bytes(context.span().span_context().span_id().to_bytes())
    } else {
        0
    }
}

impl Thread {
    /// Learns of the session that is open now; says whether there is one for this thread.
    #[cold]
    #[inline(never)]
    fn refresh(&mut self, epoch: u32) -> bool {
        if self.epoch == LEAVING {
            return false;
        }
        if self.epoch != epoch {
            // Waits for nobody: the next context will find out.
            let Some(joined) = running::join(epoch) else {
                return false;
            };
            self.forget();
            self.part();
            let slot = joined.as_ref().and_then(|joined| joined.register());
            let is_own = joined
                .as_ref()
                .is_some_and(|joined| joined.uses_own_accounts);
            let kept = SLOT.try_with(|owner| {
                let Ok(mut place) = owner.0.try_borrow_mut() else {
                    return;
                };
                *place = Owned {
                    // It goes by the number that the slot has.
                    pinned: joined
                        .as_ref()
                        .and_then(|joined| joined.pinned.clone())
                        .filter(|_| slot.is_some()),
                    slot,
                };
                self.pinned = place.pinned.as_deref().map(NonNull::from);
                if let Some(slot) = &place.slot {
                    self.key = slot.key();
                    self.generation = generation();
                    self.source = Source::Slot(NonNull::from(slot));
                } else if is_own {
                    self.source = Source::Own;
                }
            });
            self.epoch = if kept.is_ok() { epoch } else { LEAVING };
            if let Some(joined) = joined {
                if joined.publishes {
                    let record = match self.slot() {
                        Some(slot) => slot.thread_context().as_ptr().cast_const(),
                        None => &raw const self.record,
                    };
                    thread_context::publish(record);
                    self.is_published = true;
                }
                self.ahead = joined.ahead;
                self.marked_only = joined.marked_only;
            }
        }
        self.epoch == epoch && epoch != 0
    }

    /// Lets go of the slot, before it goes.
    fn part(&mut self) {
        if std::mem::take(&mut self.is_published) {
            thread_context::publish(std::ptr::null());
        }
        if self.pinned.is_some() {
            self.tell_map(None);
        }
        self.pinned = None;
        self.record = NO_SPAN;
        self.source = Source::Nothing;
        self.known = Known::NOTHING;
    }

    /// Says which span is active on the thread.
    #[inline(always)]
    fn tell(&mut self, trace: u128, span_id: u64, trace_flags: u8) {
        let trace_id = trace.to_be_bytes();
        let span_id = span_id.to_le_bytes();
        if self.pinned.is_some() {
            self.tell_map(Some((trace_id, span_id)));
        }
        if let Some(slot) = self.slot() {
            slot.enter(trace_id, span_id, trace_flags, 0);
        } else if self.is_published {
            // Whoever reads it has stopped the thread: the order of the stores is all that it takes.
            // SAFETY: a field of ours.
            unsafe { (&raw mut self.record.valid).write_volatile(0) };
            compiler_fence(Ordering::SeqCst);
            self.record.trace_id = trace_id;
            self.record.span_id = span_id;
            self.record.trace_flags = trace_flags;
            compiler_fence(Ordering::SeqCst);
            // SAFETY: a field of ours.
            unsafe { (&raw mut self.record.valid).write_volatile(1) };
        }
    }

    #[inline(always)]
    fn tell_none(&mut self) {
        if self.pinned.is_some() {
            self.tell_map(None);
        }
        if let Some(slot) = self.slot() {
            slot.leave();
        } else {
            // SAFETY: a field of ours.
            unsafe { (&raw mut self.record.valid).write_volatile(0) };
        }
    }

    #[cold]
    fn tell_map(&self, span: Option<([u8; 16], [u8; 8])>) {
        let Some(map) = self.pinned else {
            return;
        };
        if self.generation != generation() {
            // A forked child: the key is that of its parent's thread.
            return;
        }
        // SAFETY: it is in `SLOT`, as the slot is.
        let map = unsafe { map.as_ref() };
        match span {
            Some((trace_id, span_id)) => map.set(self.key, trace_id, span_id),
            None => map.remove(self.key),
        }
    }

    /// Nothing is active any more.
    fn forget(&mut self) {
        if let Some(table) = parked() {
            for frame in &self.frames[..self.depth] {
                if let Some(held) = Held::of_number(frame.entry) {
                    table.free(held);
                }
            }
        }
        self.depth = 0;
        self.too_deep = 0;
    }

    #[inline(always)]
    fn slot(&self) -> Option<&'static ThreadSlot> {
        match self.source {
            // SAFETY: it is in `SLOT`, which changes the source before it gives the slot up, and nobody keeps
            // the reference.
            Source::Slot(slot) => Some(unsafe { slot.as_ref() }),
            _ => None,
        }
    }

    /// This moment, or the given one just before, if nothing but to be on a CPU happened to the thread since it was
    /// looked at closely.
    #[inline(always)]
    fn quickly(&mut self, time: Option<u64>) -> Option<u64> {
        let slot = self.slot()?;
        let at = time.unwrap_or_else(|| self.watch.now().monotonic);
        let is_known = self.known.holds(slot) && (time.is_none() || self.known.held_at(at));
        is_known.then_some(at)
    }

    /// The same for the slice of a frame, which is the time that it took.
    #[inline(always)]
    fn quick_slice(&mut self, frame: usize, time: Option<u64>) -> Option<u64> {
        let now = self.quickly(time)?;
        let frame = &self.frames[frame];
        (frame.turn == self.turn).then(|| now.saturating_sub(frame.entered.time))
    }

    /// What the thread has done until now, or the given time just before.
    #[cold]
    #[inline(never)]
    fn look(&mut self, time: Option<u64>) -> Option<Snap> {
        // Whatever comes of it: who compares two looks does so by what they saw.
        self.turn += 1;
        match self.source {
            Source::Slot(_) => {
                let slot = self.slot()?;
                self.known.look(slot, &mut self.watch, time, self.ahead)
            }
            Source::Own => Some(source::own(&mut self.watch)),
            Source::Nothing => None,
        }
    }

    #[inline(always)]
    fn enter(&mut self, to: &Context) {
        let is_span = to.has_active_span();
        let span = to.span();
        let span = span.span_context();
        let span_id = if is_span {
            u64::from_le_bytes(span.span_id().to_bytes())
        } else {
            0
        };
        if self.depth == DEPTH || self.too_deep > 0 {
            self.too_deep += 1;
            return;
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
        let (started, time) = STARTED.get();
        let is_new = started == span_id && !self.marked_only;
        if is_new {
            // Once: the next time it is no longer new.
            STARTED.set((0, 0));
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
        let time = (is_new && time != UNKNOWN).then_some(time);
        let at = self.depth;
        let is_measured = match kind {
            Kind::Through | Kind::Ended => false,
            Kind::Outside => at > 0,
            Kind::Tracked | Kind::Again => true,
        };
        if !is_measured {
            self.frames[at].entered = Snap::ZERO;
        } else if let Some(now) = self.quickly(time) {
            let entered = &mut self.frames[at].entered;
            entered.time = now;
            entered.sums = self.known.sums;
        } else if let Some(entered) = self.look(time) {
            self.frames[at].entered = entered;
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
        frame.turn = self.turn;
        frame.span_id = span_id;
        frame.trace = trace;
        frame.trace_flags = trace_flags;
        frame.nested = Sums::ZERO;
        frame.place = place;
        frame.entry = entry;
        frame.again = 0;
        frame.kind = kind;
        frame.is_alone = true;
        self.depth += 1;
    }

    /// What is known of a span that did not start just now.
    #[inline(always)]
    fn known(&mut self, span_id: u64, trace: u128) -> (Kind, u32) {
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
    fn is_measured(&self, span_id: u64) -> bool {
        let below = &self.frames[..self.depth];
        below
            .iter()
            .any(|frame| frame.span_id == span_id && frame.is_measured())
    }

    fn give_back(&self, entry: u32) {
        if let (Some(table), Some(held)) = (parked(), Held::of_number(entry)) {
            table.put_back(held);
        }
    }

    #[inline(always)]
    fn exit(&mut self, from: &Context, to: &Context) {
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
    fn pop(&mut self) {
        self.depth -= 1;
        let frame = &self.frames[self.depth];
        let nested = match frame.kind {
            Kind::Ended if frame.is_alone => frame.all,
            Kind::Ended => frame.all.plus(frame.nested),
            Kind::Through => frame.nested,
            _ => return self.leave(),
        };
        self.add_below(nested);
    }

    /// What was on top of the top is gone.
    #[inline(always)]
    fn add_below(&mut self, nested: Sums) {
        if let Some(below) = self.frames[..self.depth].last_mut() {
            below.nested = below.nested.plus(nested);
            below.is_alone = false;
        }
    }

    /// The slice of what was the top ends, and its span does not.
    #[inline(never)]
    fn leave(&mut self) {
        if self.frames[self.depth].kind == Kind::Tracked
            && let Some(active) = self.quick_slice(self.depth, None)
        {
            let all = Sums::only_active(active);
            let frame = &self.frames[self.depth];
            keep(frame, all, frame.entered.time + active);
            return self.add_below(all);
        }
        self.leave_slowly();
    }

    #[cold]
    #[inline(never)]
    fn leave_slowly(&mut self) {
        let Some(now) = self.look(None) else {
            self.give_back(self.frames[self.depth].entry);
            return self.add_below(Sums::ZERO);
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
    fn leave_other(&mut self, now: &Snap) -> Sums {
        let frame = self.frames[self.depth];
        if self.depth == 0 {
            return Sums::ZERO;
        }
        let all = now.since(&frame.entered);
        if frame.kind == Kind::Again {
            self.count_below(&frame, all.minus(frame.nested));
            return all;
        }
        // Outside of all spans.
        for below in &mut self.frames[..self.depth] {
            below.entered.shifted(all);
        }
        Sums::ZERO
    }

    /// What a span does that is active further down as well counts there as its own.
    fn count_below(&mut self, frame: &Frame, own: Sums) {
        let below = self.frames[..self.depth].iter_mut().rev();
        let mut same = below.filter(|below| below.span_id == frame.span_id);
        if let Some(same) = same.find(|below| below.kind != Kind::Through) {
            same.nested = same.nested.minus(own);
        }
    }

    /// The span ends on this thread: all that it did, if it is active here.
    #[inline(always)]
    fn end(
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
            && frame.is_alone
        {
            return Found::Plain;
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
    fn end_below(
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
    fn running_on(&self, at: usize, now: &Snap) -> Sums {
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
    fn unpark(&self, span_id: u64, trace: u128, figures: &mut Figures) -> Found {
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

/// Adds what waits in the table of this span, which is taken out.
#[inline(never)]
fn add_waiting(figures: &mut Figures, span_id: u64, trace: u128) {
    if let Some(held) = parked().and_then(|table| table.take(span_id, trace)) {
        add_entry(figures, held.number());
    }
}

/// Adds what waited in the table, which is taken out.
#[inline(never)]
fn add_entry(figures: &mut Figures, entry: u32) {
    let Some(table) = parked() else {
        return;
    };
    let mut next = Held::of_number(entry);
    while let Some(held) = next {
        let (span_id, trace) = table.with(held, |entry| {
            entry.give(figures);
            entry.ids()
        });
        table.free(held);
        // Where it was active on two threads at once, both have put something there.
        next = table.take(span_id, trace);
    }
}

/// Keeps what a slice adds to its span until that is active again, or ends.
#[inline(always)]
fn keep(frame: &Frame, all: Sums, now: u64) {
    if frame.place.is_null() {
        return park(frame, all, now);
    }
    // SAFETY: the poll that lent it goes on, or this would be null.
    let between = unsafe { &mut *frame.place };
    between.is_lent = false;
    between.add(all, frame.own_of(all));
}

/// The same in the table.
#[inline(always)]
fn park(frame: &Frame, all: Sums, now: u64) {
    let Some(table) = parked() else {
        return;
    };
    let claim = |table: &Parked| table.claim(frame.span_id, frame.trace);
    let Some(held) = Held::of_number(frame.entry).or_else(|| claim(table)) else {
        return;
    };
    table.with(held, |entry| entry.add(all, frame.own_of(all), now));
    table.put_back(held);
}
