//! Spans that take nothing from the heap when they go into a context.
//!
//! The official context keeps a span in a `Box`, which costs nothing for a type without a size. Such a span cannot say
//! where its record is; its type can: there are [`COUNT`] of them, one for each number, and a number is one span's at a
//! time, until the last clone of its context is gone. Threads have a few free numbers each. Where all are taken, and for
//! what a number has no room for, a span goes into a [`Box`](super::span::Boxed).
#![expect(
    unsafe_code,
    reason = "what a number stands for is written by whoever has the number, and read by its span"
)]

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};

use super::contents::Contents;
use super::desk;
use super::record::Handle;
use super::span::{ContextSpan, Held};
use super::sync::{AtomicU64, Ordering};

/// Spans that may have a number at the same time. Each is 1.7 KB of an executable.
const COUNT: usize = 64;
/// So many a thread takes at once.
const TAKEN: u32 = 4;
/// The most free ones that a thread keeps.
const KEPT: u32 = 16;
/// Beyond [`KEPT`]: the thread keeps none.
const NONE_KEPT: u32 = 1 << 31;

/// What a number stands for, and how its span gets into a context. Threads write to different lines.
#[repr(align(128))]
struct Place {
    stands: UnsafeCell<Stands>,
    put: fn(&Context, &mut MaybeUninit<Context>),
}

struct Stands {
    handle: Option<Handle<Contents>>,
    /// Of this process and without a trace state: they are written over, not dropped.
    ids: SpanContext,
}

// SAFETY: it is written by whoever has the number, which then is nobody's but the span's, and read by that span.
// Numbers come to the next thread by an atomic.
unsafe impl Sync for Place {}

/// Numbers that no thread has, bit by bit.
struct Pool(AtomicU64);

#[cfg(not(otel_enhance_loom))]
static POOL: Pool = Pool(AtomicU64::new(u64::MAX));
#[cfg(otel_enhance_loom)]
static POOL: std::sync::LazyLock<Pool> = std::sync::LazyLock::new(|| Pool(AtomicU64::new(0)));

impl Pool {
    /// Some of them, as many as there are up to [`TAKEN`].
    fn take(&self) -> u64 {
        let mut free = self.0.load(Ordering::Relaxed);
        while free != 0 {
            let left = without_lowest(free, TAKEN);
            // Acquire: nobody reads any more what the numbers stood for.
            match self
                .0
                .compare_exchange_weak(free, left, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return free & !left,
                Err(now) => free = now,
            }
        }
        0
    }

    fn give(&self, numbers: u64) {
        self.0.fetch_or(numbers, Ordering::Release);
    }
}

fn without_lowest(numbers: u64, count: u32) -> u64 {
    (0..count).fold(numbers, |left, _| left & left.wrapping_sub(1))
}

thread_local! {
    static MINE: Mine = const { Mine::new() };
}

/// Free numbers of a thread.
struct Mine {
    free: Cell<u64>,
    /// How many they are; and [`NONE_KEPT`], where the thread has no desk, or none any more, that gives them back.
    count: Cell<u32>,
}

/// A number that no span has.
pub(super) struct Number(&'static Place);

impl Number {
    #[inline(always)]
    pub(super) fn take() -> Option<Self> {
        // `with` would be a call.
        MINE.try_with(Mine::next)
            .ok()
            .flatten()
            .or_else(Self::take_more)
    }

    #[cold]
    #[inline(never)]
    fn take_more() -> Option<Self> {
        MINE.with(|mine| mine.take_more(&POOL, desk::is_there))
    }

    /// From now on the number stands for this span. Its ids are put together where they stay: to move what was just
    /// written stalls the processor.
    #[inline(always)]
    pub(super) fn stand_for(
        &mut self,
        handle: Handle<Contents>,
        (trace_id, span_id, flags): (TraceId, SpanId, TraceFlags),
    ) {
        let place = self.0.stands.get();
        // SAFETY: no span has the number, so nobody reads.
        unsafe {
            (&raw mut (*place).handle).write(Some(handle));
            (&raw mut (*place).ids).write(SpanContext::new(
                trace_id,
                span_id,
                flags,
                false,
                TraceState::NONE,
            ));
        }
    }

    /// Writes `base` with its span.
    #[inline(always)]
    pub(super) fn put(self, base: &Context, context: &mut MaybeUninit<Context>) {
        (self.0.put)(base, context);
    }
}

impl Mine {
    const fn new() -> Self {
        Self {
            free: Cell::new(0),
            count: Cell::new(NONE_KEPT),
        }
    }

    #[cfg(test)]
    fn take(&self, pool: &Pool, is_kept: fn() -> bool) -> Option<Number> {
        self.next().or_else(|| self.take_more(pool, is_kept))
    }

    /// One that the thread has.
    #[inline(always)]
    fn next(&self) -> Option<Number> {
        let free = self.free.get();
        if free == 0 {
            return None;
        }
        self.free.set(free & (free - 1));
        self.count.set(self.count.get() - 1);
        Some(Number(&PLACES[free.trailing_zeros() as usize]))
    }

    /// One of those that no thread has.
    #[cold]
    fn take_more(&self, pool: &Pool, is_kept: fn() -> bool) -> Option<Number> {
        if self.count.get() == NONE_KEPT && !is_kept() {
            return None;
        }
        let taken = pool.take();
        self.count.set(taken.count_ones());
        self.free.set(taken);
        self.next()
    }

    #[inline(always)]
    fn give(&self, number: usize, pool: &Pool) {
        self.free.set(self.free.get() | 1 << number);
        self.count.set(self.count.get() + 1);
        if self.count.get() > KEPT {
            self.give_up(pool);
        }
    }

    /// The thread has more than it keeps.
    #[cold]
    fn give_up(&self, pool: &Pool) {
        let (free, count) = (self.free.get(), self.count.get());
        let (kept, count) = if count > NONE_KEPT {
            (0, NONE_KEPT)
        } else {
            (without_lowest(free, KEPT / 2), count - KEPT / 2)
        };
        self.free.set(kept);
        self.count.set(count);
        pool.give(free & !kept);
    }

    /// The thread is at its end.
    fn leave(&self, pool: &Pool) {
        self.count.set(NONE_KEPT + 1);
        self.give_up(pool);
    }
}

/// The thread has no desk any more.
pub(super) fn leave() {
    MINE.with(|mine| mine.leave(&POOL));
}

/// The span of a number.
#[derive(Debug)]
pub(super) struct Numbered<const NUMBER: usize>(());

impl<const NUMBER: usize> Numbered<NUMBER> {
    #[inline(always)]
    const fn stands(&self) -> &Stands {
        // SAFETY: this is the number's span, and nobody writes while there is one.
        unsafe { &*PLACES[NUMBER].stands.get() }
    }

    /// Writes `base` with the span.
    fn put(base: &Context, context: &mut MaybeUninit<Context>) {
        context.write(base.with_span(ContextSpan::new(Self(()))));
    }
}

impl<const NUMBER: usize> Held for Numbered<NUMBER> {
    #[inline(always)]
    fn handle(&self) -> Option<Handle<Contents>> {
        self.stands().handle
    }

    #[inline(always)]
    fn ids(&self) -> &SpanContext {
        &self.stands().ids
    }

    #[inline(always)]
    fn leave(&mut self) {
        MINE.with(|mine| mine.give(NUMBER, &POOL));
    }
}

macro_rules! places {
    ($($number:literal)*) => {
        [$(Place {
            stands: UnsafeCell::new(Stands {
                handle: None,
                ids: SpanContext::NONE,
            }),
            put: Numbered::<$number>::put,
        }),*]
    };
}

static PLACES: [Place; COUNT] = places! {
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
};

#[cfg(all(test, otel_enhance_loom))]
mod model;
#[cfg(all(test, not(otel_enhance_loom)))]
mod tests;
