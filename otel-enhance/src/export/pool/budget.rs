//! How often this process may try again, all destinations together.
//!
//! During an outage every export that is under way comes back again and again, and at its end all of them
//! at once. Each keeps its own backoff; this bounds their sum.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::super::log::lock;

/// Retries that may come at once, and those that are earned in a second.
const BURST: f64 = 16.0;
const EARNED: f64 = 4.0;

/// A bucket of retries.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    state: Mutex<Option<State>>,
    burst: f64,
    earned: f64,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Below 0 where retries are promised that are yet to be earned.
    left: f64,
    since: Instant,
}

static PROCESS: RetryBudget = RetryBudget::new(BURST, EARNED);

impl RetryBudget {
    const fn new(burst: f64, earned: f64) -> Self {
        Self {
            state: Mutex::new(None),
            burst,
            earned,
        }
    }

    /// The one of this process.
    pub(crate) fn process() -> &'static Self {
        &PROCESS
    }

    /// Promises a retry and says how long to wait for it; `None` if that were longer than `at_most`.
    pub(crate) fn take(&self, at_most: Duration) -> Option<Duration> {
        self.take_at(Instant::now(), at_most)
    }

    fn take_at(&self, now: Instant, at_most: Duration) -> Option<Duration> {
        let mut state = lock(&self.state);
        let known = state.get_or_insert(State {
            left: self.burst,
            since: now,
        });
        let earned = now.saturating_duration_since(known.since).as_secs_f64() * self.earned;
        known.left = (known.left + earned).min(self.burst);
        known.since = now;
        let missing = (1.0 - known.left).max(0.0);
        let wait = Duration::from_secs_f64(missing / self.earned);
        if wait > at_most {
            return None;
        }
        known.left -= 1.0;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_free_and_what_exceeds_it_waits_its_turn() {
        let budget = RetryBudget::new(2.0, 4.0);
        let now = Instant::now();
        let long = Duration::from_secs(10);
        let waits: Vec<_> = (0..4).map(|_| budget.take_at(now, long).unwrap()).collect();
        let quarter = Duration::from_millis(250);
        assert_eq!(
            waits,
            [Duration::ZERO, Duration::ZERO, quarter, quarter * 2]
        );
        // A second later two of the four that were earned are left.
        let later = now + Duration::from_secs(1);
        assert_eq!(budget.take_at(later, long), Some(Duration::ZERO));
        assert_eq!(budget.take_at(later, long), Some(Duration::ZERO));
        assert_eq!(budget.take_at(later, long), Some(quarter));
    }

    #[test]
    fn retry_that_would_come_too_late_is_not_promised() {
        let budget = RetryBudget::new(1.0, 1.0);
        let now = Instant::now();
        assert_eq!(budget.take_at(now, Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(budget.take_at(now, Duration::from_millis(999)), None);
        let second = Duration::from_secs(1);
        assert_eq!(budget.take_at(now, second), Some(second));
    }
}
