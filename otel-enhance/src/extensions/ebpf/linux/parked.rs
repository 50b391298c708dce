//! Figures of spans that are not active anywhere, until they are again or end: a bounded table without locks.
//!
//! A span is found by its id in one of two lines of eight: one is near, among so few that they stay in the cache, the
//! other far, where what waits longest of a full near line goes. Who holds an entry has set the lowest bit of its tag,
//! and alone may look at it. Where a far line is full, what waits longest makes room, and is counted as lost: such are as
//! a rule the leftovers of spans that ended while another thread still had them active.
#![expect(
    unsafe_code,
    reason = "an entry belongs to whoever has set the lowest bit of its tag"
)]

use std::alloc::{self, Layout};
use std::cell::UnsafeCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::extensions::ebpf::figures::{Figures, Sums};
use crate::fetch;

/// Spans that can wait at a time: 16,384 and a few more, in 3 MiB of which only what is used is there.
const FAR: usize = 2_048;
const NEAR: usize = 64;
const WAYS: usize = 8;

/// Where an entry is. Most spans are told by the first of its cache lines: the others are seldom touched.
#[repr(C, align(64))]
struct Place {
    /// When the entry was put here, by the clock of spans: beside it, for it is looked at without holding that.
    since: AtomicU64,
    entry: UnsafeCell<Entry>,
}

/// What is kept of a span.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Entry {
    span_id: u64,
    /// As two numbers, so that nothing is aligned to more than the line.
    trace: [u64; 2],
    /// Nanoseconds on a CPU, of slices that were nothing else: in all, and of its own.
    plain: [u64; 2],
    /// Slices of any kind; of none the rest says nothing.
    activations: u32,
    /// Slices that `total` and `own` have.
    others: u32,
    total: Sums,
    own: Sums,
}

const _: () =
    assert!(std::mem::offset_of!(Place, entry) + std::mem::offset_of!(Entry, total) <= 64);

impl Entry {
    /// Nothing of this span is here so far. What the rest says does not matter then, and is not touched.
    const fn begin(&mut self, span_id: u64, trace: u128) {
        self.span_id = span_id;
        self.trace = halves(trace);
        self.plain = [0; 2];
        self.activations = 0;
        self.others = 0;
    }

    /// A slice is over.
    pub(super) fn add(&mut self, total: Sums, own: Sums) {
        self.activations = self.activations.wrapping_add(1);
        if self.others == 0 {
            (self.total, self.own) = (total, own);
        } else {
            (self.total, self.own) = (self.total.plus(total), self.own.plus(own));
        }
        self.others = self.others.saturating_add(1);
    }

    /// The same of one that was nothing but time on a CPU.
    #[inline(always)]
    pub(super) const fn add_time(&mut self, total: u64, own: u64) {
        self.activations = self.activations.wrapping_add(1);
        let [all, of_own] = self.plain;
        self.plain = [all.wrapping_add(total), of_own.wrapping_add(own)];
    }

    /// The times in all and of its own, if that is one slice and nothing but time on a CPU.
    #[inline(always)]
    pub(super) const fn one_simple(&self) -> Option<(u64, u64)> {
        let [total, own] = self.plain;
        if self.activations == 1 && self.others == 0 {
            Some((total, own))
        } else {
            None
        }
    }

    /// What is here goes to `figures`.
    #[inline(always)]
    pub(super) fn give(&self, figures: &mut Figures) {
        let [total, own] = self.plain.map(Sums::only_active);
        figures.total = figures.total.plus(total);
        figures.own = figures.own.plus(own);
        figures.activations = figures.activations.wrapping_add(self.activations);
        if self.others != 0 {
            figures.total = figures.total.plus(self.total);
            figures.own = figures.own.plus(self.own);
        }
    }

    pub(super) const fn ids(&self) -> (u64, u128) {
        let [low, high] = self.trace;
        (self.span_id, low as u128 | (high as u128) << 64)
    }
}

const fn halves(trace: u128) -> [u64; 2] {
    [trace as u64, (trace >> 64) as u64]
}

#[repr(align(64))]
struct Line([AtomicU64; WAYS]);

/// See the module.
pub(super) struct Parked {
    tags: Box<[Line]>,
    places: Box<[Place]>,
    lost: AtomicU64,
    /// Whether anything was ever put there: where only annotated functions make spans, nothing is.
    is_used: AtomicBool,
    /// The same of far lines.
    is_far_used: AtomicBool,
}

// SAFETY: an entry is reached by who has set the lowest bit of its tag, alone; everything else is atomic.
unsafe impl Sync for Parked {}
// SAFETY: as above.
unsafe impl Send for Parked {}

/// The right to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held(u32);

impl Held {
    /// A number that is not 0.
    pub(super) const fn number(self) -> u16 {
        const { assert!((NEAR + FAR) * WAYS < u16::MAX as usize) };
        self.0 as u16 + 1
    }

    pub(super) const fn of_number(number: u16) -> Option<Self> {
        match number.checked_sub(1) {
            Some(at) => Some(Self(at as u32)),
            None => None,
        }
    }
}

const HELD: u64 = 1;
/// Who holds the entry moves it to another line.
const MOVING: u64 = 1 << 63;
/// Looks at a far line for an entry that is on its way there.
const LOOKS: usize = 256;

/// What the tag of a span's entry is while nobody holds it.
#[inline(always)]
const fn free_tag(span_id: u64) -> u64 {
    span_id & !(HELD | MOVING)
}

/// The table of the process, once a session was opened.
pub(super) fn parked() -> Option<&'static Parked> {
    TABLE.get()
}

/// Whether there ever was anything.
#[inline(always)]
pub(super) fn is_any_waiting() -> bool {
    parked().is_some_and(|table| table.is_used.load(Ordering::Relaxed))
}

static TABLE: OnceLock<Parked> = OnceLock::new();

/// Makes it.
pub(super) fn prepare() -> &'static Parked {
    TABLE.get_or_init(Parked::new)
}

impl Parked {
    fn new() -> Self {
        let line = || Line([const { AtomicU64::new(0) }; WAYS]);
        Self {
            tags: (0..NEAR + FAR).map(|_| line()).collect(),
            places: zeroed((NEAR + FAR) * WAYS),
            lost: AtomicU64::new(0),
            is_used: AtomicBool::new(false),
            is_far_used: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    fn near(&self, span_id: u64) -> (usize, &[AtomicU64; WAYS]) {
        let line = spread(span_id) as usize % NEAR;
        (line * WAYS, &self.tags[line].0)
    }

    fn far(&self, span_id: u64) -> (usize, &[AtomicU64; WAYS]) {
        let line = NEAR + (spread(span_id) >> 16) as usize % FAR;
        (line * WAYS, &self.tags[line].0)
    }

    /// Something of this span will be looked for, or put here, soon.
    #[inline]
    pub(super) fn expect(&self, span_id: u64) {
        if self.is_used.load(Ordering::Relaxed) {
            let (first, line) = self.near(span_id);
            fetch::to_write(line);
            // Of most lines the first is free.
            fetch::to_write(&raw const self.places[first]);
        }
    }

    /// The entry of this span, if nobody else holds it.
    #[inline]
    pub(super) fn take(&self, span_id: u64, trace: u128) -> Option<Held> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let near = self.take_from(self.near(span_id), span_id, trace);
        if near.is_some() || !self.is_far_used.load(Ordering::Relaxed) {
            return near;
        }
        self.take_far(span_id, trace)
    }

    /// The same of a span that is not in its near line, or was not yet in its far one a moment ago.
    fn take_far(&self, span_id: u64, trace: u128) -> Option<Held> {
        let far = || self.take_from(self.far(span_id), span_id, trace);
        let (_, line) = self.near(span_id);
        let moving = free_tag(span_id) | HELD | MOVING;
        // Whoever moves an entry is done with it after a few dozen instructions.
        for _ in 0..LOOKS {
            let is_moving = line.iter().any(|tag| tag.load(Ordering::Acquire) == moving);
            let found = far();
            if found.is_some() || !is_moving {
                return found;
            }
            std::hint::spin_loop();
        }
        None
    }

    #[inline]
    fn take_from(
        &self,
        (first, line): (usize, &[AtomicU64; WAYS]),
        span_id: u64,
        trace: u128,
    ) -> Option<Held> {
        let free = free_tag(span_id);
        for (way, tag) in line.iter().enumerate() {
            if tag.load(Ordering::Relaxed) != free || free == 0 {
                continue;
            }
            if tag
                .compare_exchange(free, free | HELD, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                continue;
            }
            let held = Held((first + way) as u32);
            let is_ours = self.with(held, |entry| entry.ids() == (span_id, trace));
            if is_ours {
                return Some(held);
            }
            self.put_back(held);
        }
        None
    }

    /// A new entry for this span; `None` where others hold the whole line.
    #[inline]
    pub(super) fn claim(&self, span_id: u64, trace: u128) -> Option<Held> {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
        let held = free_in(self.near(span_id), span_id).or_else(|| self.make_room(span_id))?;
        self.with(held, |entry| entry.begin(span_id, trace));
        self.since(held).store(0, Ordering::Relaxed);
        Some(held)
    }

    /// The place of what waits longest in the near line, for which there is one in a far line.
    #[cold]
    fn make_room(&self, span_id: u64) -> Option<Held> {
        // Before anything is on its way there.
        self.is_far_used.store(true, Ordering::Relaxed);
        let Some(held) = self.hold_oldest(self.near(span_id), HELD | MOVING) else {
            return self.claim_far(span_id);
        };
        let moved = self.with(held, |entry| *entry);
        if let Some(far) = self.claim_far(moved.span_id) {
            self.with(far, |entry| *entry = moved);
            self.put_back_since(far, self.since(held).load(Ordering::Relaxed));
        }
        self.rename(held, span_id);
        Some(held)
    }

    fn claim_far(&self, span_id: u64) -> Option<Held> {
        let far = self.far(span_id);
        free_in(far, span_id).or_else(|| {
            self.lost.fetch_add(1, Ordering::Relaxed);
            let held = self.hold_oldest(far, HELD)?;
            self.rename(held, span_id);
            Some(held)
        })
    }

    /// Holds what waits longest in a line; others are not held for that, for whoever looks for them just then would not
    /// find them.
    fn hold_oldest(&self, (first, line): (usize, &[AtomicU64; WAYS]), bits: u64) -> Option<Held> {
        let waiting = line.iter().enumerate().filter_map(|(way, tag)| {
            let old = tag.load(Ordering::Acquire);
            let held = Held((first + way) as u32);
            let is_waiting = old & HELD == 0 && old != 0;
            is_waiting.then(|| (self.since(held).load(Ordering::Relaxed), way, old))
        });
        let (_, way, old) = waiting.min()?;
        line[way]
            .compare_exchange(old, old | bits, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        Some(Held((first + way) as u32))
    }

    /// An entry that the caller holds is another span's.
    fn rename(&self, held: Held, span_id: u64) {
        // Release: the entry that was here is found elsewhere by who sees that it is no more here.
        self.tag(held)
            .store(free_tag(span_id) | HELD, Ordering::Release);
    }

    /// Calls `f` with an entry that the caller holds.
    #[inline]
    pub(super) fn with<R>(&self, held: Held, f: impl FnOnce(&mut Entry) -> R) -> R {
        // SAFETY: the tag's lowest bit is set by the caller, who was given `held` for that and gives it up by
        // `put_back` or `free`; `f` knows neither.
        f(unsafe { &mut *self.places[held.0 as usize].entry.get() })
    }

    #[inline]
    fn since(&self, held: Held) -> &AtomicU64 {
        &self.places[held.0 as usize].since
    }

    #[inline]
    fn tag(&self, held: Held) -> &AtomicU64 {
        let at = held.0 as usize;
        &self.tags[at / WAYS].0[at % WAYS]
    }

    /// Others may have it, which waits from now on.
    #[inline]
    pub(super) fn put_back_since(&self, held: Held, since: u64) {
        self.since(held).store(since, Ordering::Relaxed);
        self.put_back(held);
    }

    /// Others may have it.
    #[inline]
    pub(super) fn put_back(&self, held: Held) {
        let tag = self.tag(held);
        // Nobody else writes it while the bit is set.
        tag.store(free_tag(tag.load(Ordering::Relaxed)), Ordering::Release);
    }

    /// There is no such entry any more.
    #[inline]
    pub(super) fn free(&self, held: Held) {
        self.tag(held).store(0, Ordering::Release);
    }

    /// Nobody held anything: for a new session, and a forked child.
    pub(super) fn clear(&self) {
        for tag in self.tags.iter().flat_map(|line| &line.0) {
            // Those that are held will be given back, or were another process's.
            let old = tag.load(Ordering::Relaxed);
            if old != 0 && old & HELD == 0 {
                let _ = tag.compare_exchange(old, 0, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// Spans of which something was lost because their line was full.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Ids are random as a rule; where they are not, this spreads them.
#[inline(always)]
const fn spread(span_id: u64) -> u64 {
    span_id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// A place of a line that nobody has.
#[inline]
fn free_in((first, line): (usize, &[AtomicU64; WAYS]), span_id: u64) -> Option<Held> {
    let win = |tag: &AtomicU64| {
        tag.load(Ordering::Relaxed) == 0
            && tag
                .compare_exchange(
                    0,
                    free_tag(span_id) | HELD,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .is_ok()
    };
    let way = line.iter().position(win)?;
    Some(Held((first + way) as u32))
}

/// So many entries of zeroes, in memory that is not touched yet.
fn zeroed(places: usize) -> Box<[Place]> {
    let Ok(layout) = Layout::array::<Place>(places) else {
        return Box::default();
    };
    // SAFETY: the layout is not empty; it is that of the slice, and zeroes are a place.
    unsafe {
        let place = alloc::alloc_zeroed(layout).cast::<Place>();
        if place.is_null() {
            alloc::handle_alloc_error(layout);
        }
        Box::from_raw(std::ptr::slice_from_raw_parts_mut(place, places))
    }
}

#[cfg(test)]
mod tests;
