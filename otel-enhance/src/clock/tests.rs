#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use super::*;

/// A machine whose time passes when it is read, or when told.
#[derive(Debug, Default)]
struct Fake {
    /// True nanoseconds since some moment.
    now: AtomicU64,
    /// Added to the wall clock.
    stepped: AtomicI64,
    /// Ticks so far, and ticks in 1024 nanoseconds.
    ticks: AtomicU64,
    rate: AtomicU64,
    without_ticks: bool,
    /// At this time 100 µs pass of which the counter does not know.
    hiccup: Mutex<Option<u64>>,
    /// Whether the rate grows all the time.
    wanders: AtomicBool,
}

const READ_NANOS: u64 = 20;
const BOOT_WALL: u64 = 1_700_000_000_000_000_000;

impl Fake {
    /// 3 GHz.
    fn new() -> Arc<Self> {
        let fake = Self::default();
        fake.rate.store(3 * 1024, Ordering::Relaxed);
        Arc::new(fake)
    }

    fn pass(&self, nanos: u64) {
        let now = self.now.fetch_add(nanos, Ordering::Relaxed) + nanos;
        if self
            .hiccup
            .lock()
            .unwrap()
            .take_if(|at| *at <= now)
            .is_some()
        {
            self.now.fetch_add(100_000, Ordering::Relaxed);
        }
        if self.wanders.load(Ordering::Relaxed) {
            // Twice as quick each millisecond, up to a limit that a clock can believe.
            let rate = 1024 + (now / 1_000) * 20 % (64 * 1024);
            self.rate.store(rate, Ordering::Relaxed);
        }
        let ticks = u128::from(nanos) * u128::from(self.rate.load(Ordering::Relaxed)) / 1024;
        self.ticks
            .fetch_add(u64::try_from(ticks).unwrap(), Ordering::Relaxed);
    }

    fn true_monotonic(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn true_wall(&self) -> u64 {
        let stepped = self.stepped.load(Ordering::Relaxed);
        (BOOT_WALL + self.true_monotonic())
            .checked_add_signed(stepped)
            .unwrap()
    }
}

impl TimeSource for Arc<Fake> {
    fn has_ticks(&self) -> bool {
        !self.without_ticks
    }

    fn ticks(&self) -> u64 {
        // Three times as quick as the system's clocks.
        self.pass(READ_NANOS / 3);
        self.ticks.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> u64 {
        self.pass(READ_NANOS);
        self.true_monotonic()
    }

    fn wall(&self) -> u64 {
        self.pass(READ_NANOS);
        self.true_wall()
    }
}

const BOUND: u64 = 2_000;

fn assert_accurate(clock: &Clock<Arc<Fake>>, fake: &Fake) {
    let now = clock.now();
    assert!(now.wall.abs_diff(fake.true_wall()) <= BOUND, "{now:?}");
    assert!(
        now.monotonic.abs_diff(fake.true_monotonic()) <= BOUND,
        "{now:?}"
    );
}

#[test]
fn clock_over_an_hour_of_drifting_ticks_stays_within_its_bound() {
    let fake = Fake::new();
    let clock = Clock::new(Arc::clone(&fake));
    assert!(clock.has_ticks);
    let mut last = 0;
    for step in 0..360_000_u64 {
        // 10 ms and a bit, or a seventh of that; the rate moves by 300 parts in a million.
        fake.pass(if step % 2 == 0 { 10_100_000 } else { 1_443_000 });
        if step % 10_000 == 0 {
            let rate = 3 * 1024 + (step / 10_000) % 2;
            fake.rate.store(rate, Ordering::Relaxed);
        }
        let now = clock.now().monotonic;
        assert!(now > last, "{now} after {last}");
        last = now;
        // The rate is known again when its baseline lies behind the change.
        if step % 10_000 > 1_000 || step < 10_000 {
            assert_accurate(&clock, &fake);
        }
    }
}

#[test]
fn wall_clock_stepped_is_followed_and_no_duration_shows_it() {
    for step in [3_600_000_000_000, -3_600_000_000_000_i64, 5_000_000] {
        let fake = Fake::new();
        let clock = Clock::new(Arc::clone(&fake));
        let start = clock.now();
        fake.stepped.store(step, Ordering::Relaxed);
        fake.pass(1_000_000);
        let duration = clock.now().monotonic - start.monotonic;
        assert!(duration.abs_diff(1_000_000) <= BOUND, "{duration}");
        fake.pass(INTERVAL_NANOS);
        assert_accurate(&clock, &fake);
        let duration = clock.now().monotonic - start.monotonic;
        assert!(duration.abs_diff(1_000_000 + INTERVAL_NANOS) <= BOUND);
    }
}

#[test]
fn wall_clock_within_one_anchor_does_not_jitter() {
    let fake = Fake::new();
    let clock = Clock::new(Arc::clone(&fake));
    let mut last = 0;
    for _ in 0..10_000 {
        fake.pass(9_999);
        let wall = clock.now().wall;
        assert!(wall > last);
        last = wall;
    }
}

#[test]
fn machine_without_usable_ticks_is_asked_each_time() {
    let fake = Arc::new(Fake {
        without_ticks: true,
        ..Fake::default()
    });
    let clock = Clock::new(Arc::clone(&fake));
    assert!(!clock.has_ticks);
    fake.pass(123_456_789);
    assert_accurate(&clock, &fake);
}

#[test]
fn counter_that_stands_still_is_not_used() {
    let fake = Fake::new();
    fake.rate.store(0, Ordering::Relaxed);
    let clock = Clock::new(Arc::clone(&fake));
    assert!(!clock.has_ticks);
    fake.pass(1_000);
    assert_accurate(&clock, &fake);
}

#[test]
fn counter_that_is_disturbed_while_it_is_measured_is_measured_again() {
    let fake = Fake::new();
    // A hundred microseconds between two readings of the first measurement, during which nothing is counted.
    *fake.hiccup.lock().unwrap() = Some(CALIBRATION_NANOS / 4);
    let clock = Clock::new(Arc::clone(&fake));
    assert!(clock.has_ticks && fake.hiccup.lock().unwrap().is_none());
    fake.pass(INTERVAL_NANOS);
    assert_accurate(&clock, &fake);
}

#[test]
fn counter_whose_rate_never_stays_is_not_used() {
    let fake = Fake::new();
    fake.wanders.store(true, Ordering::Relaxed);
    let clock = Clock::new(Arc::clone(&fake));
    assert!(!clock.has_ticks);
    assert_accurate(&clock, &fake);
}

#[test]
fn anchor_held_by_another_thread_is_not_waited_for() {
    let fake = Fake::new();
    let clock = Clock::new(Arc::clone(&fake));
    let held = clock.keeper.lock().unwrap();
    fake.pass(50 * INTERVAL_NANOS);
    assert_accurate(&clock, &fake);
    drop(held);
}

#[test]
fn reading_older_than_the_anchor_leaves_it() {
    let fake = Fake::new();
    let clock = Clock::new(Arc::clone(&fake));
    let interrupted = read(&fake);
    fake.pass(3 * INTERVAL_NANOS);
    let taken = clock.now();
    // The thread that was interrupted goes on, and knows the time since, not that of its reading.
    let now = clock.ask_with(interrupted);
    assert_eq!(now.monotonic, taken.monotonic);
    assert_accurate(&clock, &fake);
}

#[test]
fn anchor_taken_while_a_thread_waited_for_it_is_no_time_to_come() {
    let fake = Fake::new();
    let clock = Clock::new(Arc::clone(&fake));
    fake.pass(3 * INTERVAL_NANOS);
    // Taken by another thread, just when this one has given up waiting.
    let taken = clock.now();
    let told = clock.while_another_asks();
    let floor = clock.floor();
    let now = clock.now();
    for time in [told.monotonic, floor] {
        assert!(
            taken.monotonic <= time && time <= now.monotonic,
            "{time} {now:?}"
        );
    }
}

#[test]
fn watch_that_was_told_a_time_ahead_of_the_next_anchor_does_not_go_back() {
    let fake = Fake::new();
    let clock = Clock::new(Arc::clone(&fake));
    let mut watch = Watch::new();
    let now = watch.ask(&clock, 0);
    let ahead = now.monotonic + 5_000;
    watch.shown = ahead;
    for _ in 0..100 {
        fake.pass(INTERVAL_NANOS / 50);
        let ticks = fake.ticks().wrapping_sub(watch.anchor.ticks);
        let shown = if ticks < watch.anchor.span {
            watch.anchor.after(ticks)
        } else {
            watch.ask(&clock, ticks)
        };
        assert!(shown.monotonic >= watch.shown);
    }
    let ticks = fake.ticks().wrapping_sub(watch.anchor.ticks);
    let (shown, now) = (watch.ask(&clock, ticks), clock.now());
    assert!(
        shown.monotonic.abs_diff(now.monotonic) <= 5_000,
        "{shown:?} {now:?}"
    );
}

#[test]
fn machine_read_by_several_threads_never_goes_back_and_agrees_with_the_system() {
    let nearest = std::thread::scope(|scope| {
        let reader = || {
            let (mut watch, mut last) = (Watch::new(), 0);
            let mut nearest = u64::MAX;
            let started = std::time::Instant::now();
            while started.elapsed() < Duration::from_millis(100) {
                let before = nanos_since_1970(SystemTime::now()).unwrap();
                let now = watch.now();
                let after = nanos_since_1970(SystemTime::now()).unwrap();
                assert!(now.monotonic >= last);
                last = now.monotonic;
                let off = before
                    .saturating_sub(now.wall)
                    .max(now.wall.saturating_sub(after));
                nearest = nearest.min(off);
            }
            nearest
        };
        let threads = [(); 3].map(|()| scope.spawn(reader));
        threads.map(|thread| thread.join().unwrap())
    });
    // The nearest of many: what else the machine does can only add.
    assert!(nearest.iter().all(|off| *off <= BOUND), "{nearest:?}");
}

#[test]
fn system_time_there_and_back_is_the_same() {
    let now = SystemTime::now();
    assert_eq!(nanos_since_1970(now).map(system_time), Some(now));
    assert_eq!(nanos_since_1970(UNIX_EPOCH - Duration::from_nanos(1)), None);
    assert_eq!(
        nanos_since_1970(UNIX_EPOCH + Duration::from_secs(1 << 40)),
        None
    );
}

#[test]
fn watch_goes_with_the_clock_over_several_anchors() {
    let mut watch = Watch::new();
    let (mut last, mut nearest) = (0, u64::MAX);
    let until = std::time::Instant::now() + Duration::from_millis(35);
    while std::time::Instant::now() < until {
        let by_watch = watch.now();
        let by_clock = clock().now();
        assert!(by_watch.monotonic >= last);
        last = by_watch.monotonic;
        nearest = nearest.min(by_clock.monotonic.abs_diff(by_watch.monotonic));
    }
    // The nearest of many: what else the machine does can only add.
    assert!(nearest <= BOUND, "{nearest}");
}
