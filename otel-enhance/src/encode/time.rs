//! The nanoseconds of a `SystemTime`, without the call and the comparisons of `duration_since`.
//!
//! A `SystemTime` shows nothing of itself but its differences to others, and what it feeds to a hasher.
//! On Unix that is the seconds and the nanoseconds since the epoch that it consists of, in two writes which
//! the compiler reads as two loads. Nobody promises that: so the shape is looked at with each time,
//! which costs nothing where it is that one, and the meaning once in a process, against differences. In
//! any other case the difference is taken.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the Unix epoch; 0 for earlier times, as the official transform has it.
#[inline(always)]
pub(crate) fn unix_nanos(time: SystemTime) -> u64 {
    static TRUSTED: OnceLock<bool> = OnceLock::new();
    match parts(time) {
        Some(parts) if *TRUSTED.get_or_init(parts_are_the_difference) => together(parts),
        _ => difference(time),
    }
}

/// Seconds and nanoseconds.
type Parts = (i64, u32);

/// Wraps in the year 2554, as the official transform does.
#[inline(always)]
fn together((seconds, nanos): Parts) -> u64 {
    match u64::try_from(seconds) {
        Ok(seconds) => seconds.wrapping_mul(SECOND).wrapping_add(u64::from(nanos)),
        Err(_) => 0,
    }
}

#[inline(never)]
fn difference(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::from(since.subsec_nanos());
    since.as_secs().wrapping_mul(SECOND).wrapping_add(nanos)
}

/// What the time feeds to a hasher, if that is an `i64` and a `u32`.
#[inline(always)]
fn parts(time: SystemTime) -> Option<Parts> {
    let mut seen = Seen::default();
    time.hash(&mut seen);
    match (seen.seconds, seen.nanos, seen.writes) {
        (Some(seconds), Some(nanos), 2) => Some((seconds, nanos)),
        _ => None,
    }
}

/// Whether the parts of times of every kind are what differences say.
#[cold]
fn parts_are_the_difference() -> bool {
    let after = |seconds, nanos| UNIX_EPOCH + Duration::new(seconds, nanos);
    let times = [
        UNIX_EPOCH,
        UNIX_EPOCH - Duration::from_nanos(1),
        UNIX_EPOCH - Duration::new(2, 5),
        after(0, 1),
        after(0, 999_999_999),
        after(1, 0),
        after(1_700_000_000, 123_456_789),
        after(u64::MAX / SECOND + 7, 5),
        SystemTime::now(),
    ];
    times
        .into_iter()
        .all(|time| parts(time).map(together) == Some(difference(time)))
}

/// A hasher that keeps what it is fed.
#[derive(Default)]
struct Seen {
    seconds: Option<i64>,
    nanos: Option<u32>,
    writes: u8,
}

impl Hasher for Seen {
    #[inline(always)]
    fn write_i64(&mut self, value: i64) {
        self.seconds = Some(value);
        self.writes = self.writes.saturating_add(1);
    }

    #[inline(always)]
    fn write_u32(&mut self, value: u32) {
        self.nanos = Some(value);
        self.writes = self.writes.saturating_add(1);
    }

    /// Anything else.
    #[inline(always)]
    fn write(&mut self, _bytes: &[u8]) {
        self.writes = u8::MAX;
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What this module is for; elsewhere the difference is as good.
    #[cfg(unix)]
    #[test]
    fn parts_of_a_time_on_unix_are_its_seconds_and_nanoseconds() {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        assert_eq!(parts(time), Some((1_700_000_000, 123_456_789)));
        assert!(parts_are_the_difference());
    }

    #[test]
    fn time_before_the_epoch_is_0() {
        assert_eq!(unix_nanos(UNIX_EPOCH - Duration::from_nanos(1)), 0);
        assert_eq!(unix_nanos(UNIX_EPOCH - Duration::from_secs(99)), 0);
    }

    proptest! {
        #[test]
        fn nanoseconds_of_any_time_are_the_difference(
            seconds in 0_u64..40_000_000_000,
            nanos in 0_u32..1_000_000_000,
            before in any::<bool>(),
        ) {
            let since = Duration::new(seconds, nanos);
            let time = if before { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) };
            if let Some(time) = time {
                prop_assert_eq!(unix_nanos(time), difference(time));
            }
        }
    }
}
