//! What a thread knows of the spans that are active on it: one frame for each context that is attached.
//!
//! A slice is measured once, from its begin to its end, with whatever was on top of it; what was on top is taken off
//! when it goes. So nothing is read at a change but for the span that comes or goes, and a parent is not touched
//! while its children run.
#![expect(
    unsafe_code,
    reason = "what belongs to a thread is reached without asking whether it is destroyed"
)]

#[cfg(feature = "performance")]
mod announced;
mod attach;
mod detach;
mod end;
mod frame;
mod kept;
mod session;
mod told;

use std::cell::UnsafeCell;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;

use opentelemetry::Context;
use opentelemetry::trace::SpanContext;
use otel_enhance_ebpf::abi::UserLine;
use otel_enhance_ebpf::loader::{Lines, Mark, PinnedContexts};

#[cfg(feature = "performance")]
pub(crate) use self::announced::{announce, as_announced};
use self::frame::{DEPTH, Frame};
use self::told::NO_SPAN;
use super::parked::parked;
use super::running::{self, EPOCH};
use super::source::{self, Known, Snap, Source};
use crate::clock::Watch;
use crate::extensions::ebpf::figures::{Between, Figures, OnCpu};

/// What is known of a span that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    OnCpu(OnCpu),
    /// What was put there.
    Figures,
}

/// The span that was started last.
#[derive(Clone, Copy, Debug)]
struct Started {
    /// Or 0.
    span_id: u64,
    /// When, or [`UNKNOWN`].
    time: u64,
    /// [`Thread::turn`] then: while it is the same, nobody has looked closely since that time was read.
    turn: u64,
}

impl Started {
    const NOTHING: Self = Self {
        span_id: 0,
        time: 0,
        turn: 0,
    };
}

/// The fields stand in the order of the cache lines: what each span touches is in the first two of them.
#[repr(C, align(64))]
struct Thread {
    /// Of the session that it knows; see [`LEAVING`].
    epoch: u32,
    next: Next,
    depth: usize,
    /// The slot where a context may come and go quickly: every span has figures, nobody else is told which is active,
    /// and no context is too deep.
    lines: Option<Lines<'static>>,
    /// Another one whenever the thread was looked at closely: while it is the same and what is known holds, nothing
    /// happened to the thread but that time passed.
    turn: u64,
    started: Started,
    watch: Watch,
    known: Known,
    source: Source,
    /// Contexts beyond [`DEPTH`], or more: those that were detached below others are not told of.
    too_deep: u32,
    deep: Deep,
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
    frames: [Frame; DEPTH],
}

/// What contexts beyond [`DEPTH`] have in common with those that are told apart.
#[derive(Clone, Copy, Debug)]
struct Deep {
    /// One of them is of no span.
    is_outside: bool,
    /// One of them is of a span that has a frame.
    is_again: bool,
}

impl Deep {
    const NOTHING: Self = Self {
        is_outside: false,
        is_again: false,
    };
}

/// What the observer is told next, where that is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Unknown,
    /// A context comes, whose frame is above the top already. It is so until [`as_announced`] is done.
    Enters,
    /// The top goes, of which there is nothing left to be done; or another one comes.
    Leaves,
}

const _: () = assert!(offset_of!(Thread, known) + size_of::<Mark>() <= 128);

thread_local! {
    static THREAD: UnsafeCell<Thread> = const { UnsafeCell::new(Thread {
        epoch: 0,
        next: Next::Unknown,
        depth: 0,
        lines: None,
        turn: 0,
        started: Started::NOTHING,
        watch: Watch::new(),
        known: Known::NOTHING,
        source: Source::Nothing,
        too_deep: 0,
        deep: Deep::NOTHING,
        ahead: 0,
        marked_only: false,
        is_published: false,
        pinned: None,
        key: 0,
        generation: 0,
        record: NO_SPAN,
        frames: [Frame::NONE; DEPTH],
    }) };
}

/// Calls `f` with what the thread knows.
#[inline(always)]
fn with<R>(f: impl FnOnce(&mut Thread) -> R) -> R {
    let thread = place();
    // SAFETY: the thread's own, which needs no destructor, and so is there for as long as the thread is. Nobody is
    // called from within who could come back here: not contexts, not spans, no code of the application's.
    f(unsafe { &mut *thread })
}

/// Where that is.
#[inline(always)]
fn place() -> *mut Thread {
    // The closure is small, and so is called in place.
    THREAD.with(UnsafeCell::get)
}

/// The fast path has started a span, at this time.
#[cfg(feature = "performance")]
#[inline(always)]
pub(crate) fn started(span_id: [u8; 8], time: u64) {
    if EPOCH.load(Ordering::Relaxed) != 0 {
        with(|thread| thread.set_started(u64::from_le_bytes(span_id), time));
    }
}

/// A span of the SDK has started: nothing of it waits anywhere.
#[inline(always)]
pub(crate) fn begun(span: &SpanContext) {
    if EPOCH.load(Ordering::Relaxed) != 0 {
        let span_id = u64::from_le_bytes(span.span_id().to_bytes());
        with(|thread| thread.set_started(span_id, UNKNOWN));
        if let Some(table) = parked() {
            table.expect(span_id);
        }
    }
}

/// The span that was started last is not active yet: that its time begins with its start does not hold for it.
#[cfg(feature = "performance")]
#[inline]
pub(crate) fn put_off() {
    if EPOCH.load(Ordering::Relaxed) != 0 {
        with(|thread| thread.started.time = UNKNOWN);
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
        table.put_back_since(held, u64::MAX);
    }
}

/// A context is attached.
#[inline(always)]
pub(super) fn enter(to: &Context) {
    let is_known = with(|thread| {
        let is_known = thread.next == Next::Enters;
        thread.next = Next::Unknown;
        thread.depth += usize::from(is_known);
        is_known
    });
    if !is_known {
        enter_unannounced(to);
    }
}

#[inline(never)]
fn enter_unannounced(to: &Context) {
    let epoch = EPOCH.load(Ordering::Relaxed);
    with(|thread| {
        if (thread.epoch == epoch && epoch != 0) || thread.refresh(epoch) {
            thread.enter(to);
        }
    });
}

/// A context is detached, and `to` is active again.
#[inline(always)]
pub(super) fn exit(from: &Context, to: &Context) {
    let is_known = with(|thread| {
        let is_known = thread.next == Next::Leaves;
        thread.next = Next::Unknown;
        if is_known {
            thread.exit_known(to);
        }
        is_known
    });
    if !is_known {
        exit_unannounced(from, to);
    }
}

#[inline(never)]
fn exit_unannounced(from: &Context, to: &Context) {
    let epoch = EPOCH.load(Ordering::Relaxed);
    with(|thread| {
        if thread.epoch == epoch && thread.depth > 0 {
            thread.exit(from, to);
        }
    });
}

/// A span of the fast path ends at this time, which was read just now: puts what it did into `figures`, if that takes
/// figures.
#[cfg(feature = "performance")]
#[inline(always)]
pub(crate) fn ended_now(
    trace_id: &[u8; 16],
    span_id: [u8; 8],
    time: u64,
    figures: &mut Figures,
) -> Found {
    let epoch = EPOCH.load(Ordering::Relaxed);
    let (id, trace) = (u64::from_le_bytes(span_id), number_of(*trace_id));
    // SAFETY: as of `with`, whose closure would be as large as to be called.
    let thread = unsafe { &mut *place() };
    match thread.end_plainly(epoch, id, trace, time) {
        Some(all) => Found::OnCpu(all),
        None => ended(trace_id, span_id, Some(time), figures),
    }
}

/// A span ends: puts what it did into `figures`, if that takes figures. `time` is that of its end by the clock of spans,
/// read just now, if it is one of the fast path.
#[inline(never)]
pub(crate) fn ended(
    trace_id: &[u8; 16],
    span_id: [u8; 8],
    time: Option<u64>,
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
            let found = thread.end(span_id, trace, time, figures);
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
    u128::from_le_bytes(trace_id)
}

impl Thread {
    #[inline(always)]
    const fn set_started(&mut self, span_id: u64, time: u64) {
        self.started = Started {
            span_id,
            time,
            turn: self.turn,
        };
    }

    /// This moment, or the given one, which was read since the thread was looked at closely, if nothing but to be on a
    /// CPU happened to it since.
    #[inline(always)]
    fn quickly(&mut self, lines: Lines<'_>, time: Option<u64>) -> Option<u64> {
        let at = time.unwrap_or_else(|| self.watch.now().monotonic);
        self.known.holds(lines).then_some(at)
    }

    /// The same for the slice of a frame, which is the time that it took.
    #[inline(always)]
    fn quick_slice(&mut self, frame: usize, time: Option<u64>) -> Option<u64> {
        let lines = match self.lines {
            Some(lines) => lines,
            None => self.slot()?.lines(),
        };
        let now = self.quickly(lines, time)?;
        let frame = &self.frames[frame];
        frame.is_fresh().then(|| now.saturating_sub(frame.time))
    }

    /// What the thread has done until now, or the given time just before.
    #[cold]
    #[inline(never)]
    fn look(&mut self, time: Option<u64>) -> Option<Snap> {
        // Whatever comes of it: who compares two looks does so by what they saw.
        self.turn += 1;
        self.settle();
        match self.source {
            Source::Slot(_) => {
                let slot = self.slot()?;
                self.known.look(slot, &mut self.watch, time, self.ahead)
            }
            Source::Own => Some(source::own(&mut self.watch)),
            Source::Nothing => None,
        }
    }

    /// What is known will be something else: frames that go by it have it written down. One that has just gone is among
    /// them.
    fn settle(&mut self) {
        let sums = self.known.sums;
        for frame in self.frames.iter_mut().take(self.depth + 1) {
            frame.settle(sums);
        }
    }
}
