//! The time of spans, read for a third of what the system's clock costs.
//!
//! Between two *anchors* time is the last anchor plus the ticks counted since, at a rate measured
//! against the system's monotonic clock. After 10 ms the reader that comes first takes a new
//! anchor from the system's clocks, so no thread of ours is needed, and drift cannot add up.
//!
//! A time is two numbers. The **monotonic** one never goes back on a thread that reads a [`Watch`], whatever is
//! done to the wall clock: durations are differences of it. The **wall** one is the monotonic one plus an offset that every
//! anchor measures anew. So:
//!
//! - a wall time is off by what the rate is off over one interval, plus the time between the readings
//!   of an anchor, plus what counts as no step (1 µs): 2 µs at most on a machine that does not
//!   interrupt the reading of an anchor, which is repeated where it does;
//! - a step of the wall clock is followed within 10 ms, and no duration shows it: a span
//!   that is open meanwhile ends at its start plus its duration;
//! - slewing (NTP) moves the monotonic clock as well, so it is followed as drift is.
//!
//! Where the tick counter is not usable (see [`ticks`](self::ticks)), each reading asks the system.
//!
//! Crates in this place read the same counter at a rate that they measure once a process, by the sources of
//! fastant 0.1.11, minstant 0.1.7 and quanta 0.12.6. The first two do so until two windows of 10 ms agree to
//! a part in 10^5, which leaves up to 36 ms an hour; their wall time is that of an `Anchor` which the
//! caller makes, carried on at that rate. quanta stops at 200 ms at the latest, and has no wall clock.

pub(crate) mod ticks;

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, OnceLock, TryLockError};
#[cfg(feature = "performance")]
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::ticks::{Machine, TimeSource};

/// How long an anchor holds: 10 ms.
const INTERVAL_NANOS: u64 = 10_000_000;

/// How long the first measurement of the rate takes, once a process, on a machine that is left alone.
const CALIBRATION_NANOS: u64 = 2_000_000;
/// It is repeated over twice the time where it was disturbed, so often at most: 30 ms in all.
const CALIBRATIONS: u32 = 4;

/// The rate is measured over at least this time, once the process is that old.
const BASELINE_NANOS: u64 = 1_000_000_000;

/// Two readings of an anchor further apart than this were interrupted, and are taken again.
const CLOSE_NANOS: u64 = 1_000;
const ATTEMPTS: u32 = 5;

/// So often a thread looks whether another has taken the next anchor: some 10 µs.
const PATIENCE: u32 = 200;

/// The wall clock was set if it is further than this from where it was.
const STEP_NANOS: u64 = 1_000;

/// An instant, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since 1970.
    pub(crate) wall: u64,
    /// Since some moment of this process.
    pub(crate) monotonic: u64,
}

/// The clock of the running process.
pub(crate) fn clock() -> &'static Clock<Machine> {
    static CLOCK: OnceLock<Clock<Machine>> = OnceLock::new();
    CLOCK.get_or_init(|| Clock::new(Machine::new()))
}

/// A thread's copy of the anchor: no line is shared that another thread writes every 10 ms. An anchor
/// that has been replaced has run out, so a copy shows the same time as the original, or asks.
#[derive(Debug)]
pub(crate) struct Watch {
    anchor: Anchor,
    /// What it showed when it asked last.
    shown: u64,
}

impl Watch {
    /// Without an anchor so far.
    pub(crate) const fn new() -> Self {
        Self {
            anchor: Anchor::RUN_OUT,
            shown: 0,
        }
    }

    /// Now.
    #[inline(always)]
    pub(crate) fn now(&mut self) -> Moment {
        let ticks = Machine::read().wrapping_sub(self.anchor.ticks);
        if ticks < self.anchor.span {
            return self.anchor.after(ticks);
        }
        self.ask(clock(), ticks)
    }

    /// Where the clock itself had to do without an anchor, which another thread was interrupted in taking, its
    /// time may be a little ahead of the next one's: a watch never goes back.
    #[cold]
    #[inline(never)]
    fn ask<S: TimeSource>(&mut self, clock: &Clock<S>, ticks: u64) -> Moment {
        let floor = self.anchor.within(ticks).monotonic.max(self.shown);
        let mut now = clock.now();
        now.monotonic = now.monotonic.max(floor);
        if clock.has_ticks
            && let Some(anchor) = clock.anchor()
        {
            let ticks = clock.source.ticks().wrapping_sub(anchor.ticks);
            let behind = now.monotonic.saturating_sub(anchor.within(ticks).monotonic);
            self.anchor = Anchor {
                monotonic: anchor.monotonic + behind,
                offset: anchor.offset.wrapping_sub(behind),
                ..anchor
            };
        }
        self.shown = now.monotonic;
        now
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Clock<S> {
    source: S,
    has_ticks: bool,
    /// Odd while the anchor is being written.
    version: AtomicU64,
    anchor: SharedAnchor,
    /// Whoever holds it takes the next anchor. Nobody waits for it: it may be held by a thread that
    /// a fork has left behind.
    keeper: Mutex<Baseline>,
}

/// The fields of an [`Anchor`], one by one, because they are read while they are written.
#[derive(Debug, Default)]
struct SharedAnchor {
    ticks: AtomicU64,
    monotonic: AtomicU64,
    offset: AtomicU64,
    nanos_per_tick: AtomicU64,
    span: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    ticks: u64,
    /// At `ticks`.
    monotonic: u64,
    /// What is added (wrapping) to a monotonic time to get the wall time.
    offset: u64,
    /// With 32 bits of fraction.
    nanos_per_tick: u64,
    /// For so many ticks it holds.
    span: u64,
}

/// From where the rate is measured.
#[derive(Clone, Copy, Debug)]
struct Baseline {
    older: (u64, u64),
    newer: (u64, u64),
}

/// What the source's three clocks say at one moment.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    monotonic: u64,
    wall: u64,
}

impl<S: TimeSource> Clock<S> {
    /// Measures the rate, which takes 2 ms, or 30 where the machine is busy.
    pub(crate) fn new(source: S) -> Self {
        let first = read(&source);
        let mut clock = Self {
            has_ticks: false,
            version: AtomicU64::new(0),
            anchor: SharedAnchor::default(),
            keeper: Mutex::new(Baseline {
                older: (first.ticks, first.monotonic),
                newer: (first.ticks, first.monotonic),
            }),
            source,
        };
        if clock.source.has_ticks() {
            let rate = calibrate(&clock.source, first);
            if let Some(rate) = rate {
                clock.has_ticks = true;
                clock.set_anchor(Anchor::at(read(&clock.source), 0, rate));
            }
        }
        clock
    }

    /// Now.
    #[inline(always)]
    pub(crate) fn now(&self) -> Moment {
        if self.has_ticks
            && let Some(anchor) = self.anchor()
        {
            let ticks = self.source.ticks().wrapping_sub(anchor.ticks);
            if ticks <= anchor.span {
                return anchor.after(ticks);
            }
        }
        self.ask()
    }

    /// `None` while it is being written.
    #[inline(always)]
    fn anchor(&self) -> Option<Anchor> {
        let version = self.version.load(Ordering::Acquire);
        let anchor = self.anchor.load();
        fence(Ordering::Acquire);
        (version & 1 == 0 && self.version.load(Ordering::Relaxed) == version).then_some(anchor)
    }

    /// Only while the keeper's lock is held.
    fn set_anchor(&self, anchor: Anchor) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.anchor.store(anchor);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// Asks the system, and takes an anchor from its answer unless another thread does so just now.
    #[cold]
    #[inline(never)]
    fn ask(&self) -> Moment {
        self.ask_with(read(&self.source))
    }

    fn ask_with(&self, reading: Reading) -> Moment {
        if !self.has_ticks {
            return Moment {
                wall: reading.wall,
                monotonic: reading.monotonic,
            };
        }
        let mut baseline = match self.keeper.try_lock() {
            Ok(baseline) => baseline,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.while_another_asks(),
        };
        // Under the lock the anchor is whole.
        let old = self.anchor.load();
        let ticks = reading.ticks.wrapping_sub(old.ticks);
        if ticks <= old.span || is_negative(ticks) {
            // Another thread was quicker, or took its anchor while this one was interrupted after its reading.
            return old.within(ticks);
        }
        let rate = baseline.rate(reading).unwrap_or(old.nanos_per_tick);
        let mut new = Anchor::at(reading, old.last(), rate);
        // What is no step is the time between two readings: it would make the wall clock jitter.
        if new.offset.wrapping_sub(old.offset).wrapping_add(STEP_NANOS) < 2 * STEP_NANOS {
            new.offset = old.offset;
        }
        self.set_anchor(new);
        new.after(0)
    }

    /// Another thread takes the anchor. It needs a microsecond, after which this thread goes by that
    /// anchor, too: its own reading may be ahead of it by what two readings differ, and its next one
    /// would go back. If the other thread was interrupted, it goes without, and stays behind by as much.
    fn while_another_asks(&self) -> Moment {
        for _ in 0..PATIENCE {
            std::hint::spin_loop();
            if let Some(anchor) = self.anchor() {
                let ticks = self.source.ticks().wrapping_sub(anchor.ticks);
                if ticks <= anchor.span {
                    return anchor.after(ticks);
                }
            }
        }
        let reading = read(&self.source);
        let monotonic = reading.monotonic.saturating_sub(CLOSE_NANOS);
        Moment {
            wall: reading.wall,
            monotonic: monotonic.max(self.floor()),
        }
    }

    /// What no later reading may be below: the last time of the anchor that has run out, or the time by the next one,
    /// if that has been taken meanwhile.
    fn floor(&self) -> u64 {
        self.anchor().map_or(0, |anchor| {
            let ticks = self.source.ticks().wrapping_sub(anchor.ticks);
            anchor.within(ticks).monotonic
        })
    }
}

impl SharedAnchor {
    #[inline(always)]
    fn load(&self) -> Anchor {
        Anchor {
            ticks: self.ticks.load(Ordering::Relaxed),
            monotonic: self.monotonic.load(Ordering::Relaxed),
            offset: self.offset.load(Ordering::Relaxed),
            nanos_per_tick: self.nanos_per_tick.load(Ordering::Relaxed),
            span: self.span.load(Ordering::Relaxed),
        }
    }

    fn store(&self, anchor: Anchor) {
        self.ticks.store(anchor.ticks, Ordering::Relaxed);
        self.monotonic.store(anchor.monotonic, Ordering::Relaxed);
        self.offset.store(anchor.offset, Ordering::Relaxed);
        self.nanos_per_tick
            .store(anchor.nanos_per_tick, Ordering::Relaxed);
        self.span.store(anchor.span, Ordering::Relaxed);
    }
}

impl Anchor {
    const RUN_OUT: Self = Self {
        ticks: 0,
        monotonic: 0,
        offset: 0,
        nanos_per_tick: 0,
        span: 0,
    };

    /// An anchor at this reading, whose times are not below `floor`.
    fn at(reading: Reading, floor: u64, nanos_per_tick: u64) -> Self {
        Self {
            ticks: reading.ticks,
            monotonic: reading.monotonic.max(floor),
            offset: reading.wall.wrapping_sub(reading.monotonic),
            nanos_per_tick,
            span: (INTERVAL_NANOS << 32) / nanos_per_tick.max(1),
        }
    }

    /// The time so many ticks later, `span` of them at most: 10 ms shifted by 32 bits fit.
    #[inline(always)]
    fn after(&self, ticks: u64) -> Moment {
        let monotonic = self.monotonic + ((ticks * self.nanos_per_tick) >> 32);
        Moment {
            wall: monotonic.wrapping_add(self.offset),
            monotonic,
        }
    }

    /// The time so many ticks later; the first or the last that the anchor has, where that is before or after.
    fn within(&self, ticks: u64) -> Moment {
        if is_negative(ticks) {
            self.after(0)
        } else {
            self.after(ticks.min(self.span))
        }
    }

    fn last(&self) -> u64 {
        self.after(self.span).monotonic
    }
}

impl Baseline {
    /// Nanoseconds a tick, with 32 bits of fraction, over the last one to two seconds.
    fn rate(&mut self, now: Reading) -> Option<u64> {
        let rate = rate(self.older, (now.ticks, now.monotonic));
        if now.monotonic.saturating_sub(self.newer.1) >= BASELINE_NANOS {
            self.older = self.newer;
            self.newer = (now.ticks, now.monotonic);
        }
        rate
    }
}

/// Whether a difference of two readings of the counter is one to the past.
const fn is_negative(ticks: u64) -> bool {
    ticks > u64::MAX / 2
}

/// `None` if the counter did not go forward, or at a rate that no machine has: below 100 MHz, above
/// 100 GHz.
fn rate(from: (u64, u64), to: (u64, u64)) -> Option<u64> {
    let ticks = u128::from(to.0.checked_sub(from.0)?);
    let nanos = u128::from(to.1.checked_sub(from.1)?);
    let rate = (nanos << 32).checked_div(ticks)?;
    let plausible = (1 << 32) / 100..=10 << 32;
    u64::try_from(rate)
        .ok()
        .filter(|rate| plausible.contains(rate))
}

/// Measures the rate twice, which must agree to a part in a thousand. On a busy machine, or a slow one,
/// the readings are far apart: then over longer, which makes less of that.
fn calibrate<S: TimeSource>(source: &S, mut first: Reading) -> Option<u64> {
    let mut half_of = CALIBRATION_NANOS / 2;
    for _ in 0..CALIBRATIONS {
        let half = later(source, first, half_of);
        let end = later(source, half, half_of);
        let measured = |from: Reading, to: Reading| {
            rate((from.ticks, from.monotonic), (to.ticks, to.monotonic))
        };
        let (one, two) = (measured(first, half)?, measured(half, end)?);
        if one.abs_diff(two) <= one / 1000 {
            return measured(first, end);
        }
        (first, half_of) = (end, half_of * 2);
    }
    None
}

/// A reading that is so much later.
fn later<S: TimeSource>(source: &S, from: Reading, nanos: u64) -> Reading {
    loop {
        let now = read(source);
        if now.monotonic.saturating_sub(from.monotonic) >= nanos {
            return now;
        }
        std::hint::spin_loop();
    }
}

/// Reads all clocks as close together as the scheduler allows.
fn read<S: TimeSource>(source: &S) -> Reading {
    let mut best = (
        u64::MAX,
        Reading {
            ticks: 0,
            monotonic: 0,
            wall: 0,
        },
    );
    for _ in 0..ATTEMPTS {
        let before = source.monotonic();
        let ticks = source.ticks();
        let wall = source.wall();
        let after = source.monotonic();
        let apart = after.saturating_sub(before);
        if apart < best.0 {
            let monotonic = before + apart / 2;
            best = (
                apart,
                Reading {
                    ticks,
                    monotonic,
                    wall,
                },
            );
        }
        if apart <= CLOSE_NANOS {
            break;
        }
    }
    best.1
}

/// Nanoseconds since 1970 as the official API has them.
#[cfg(feature = "performance")]
pub(crate) fn system_time(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

/// The other way; `None` for what does not fit: before 1970 and after 2554.
#[cfg(feature = "performance")]
pub(crate) fn nanos_since_1970(time: SystemTime) -> Option<u64> {
    let since_1970 = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since_1970.as_nanos()).ok()
}

#[cfg(all(test, feature = "performance"))]
mod tests;
