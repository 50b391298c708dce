//! One address of a receiver, and what is known of it.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::log::lock;
use super::super::retry::{Again, Trouble};
use super::super::wire::Wire;

/// After its first failure an address is left alone for this long, then for twice as long each time.
const AWAY: Duration = Duration::from_secs(1);
const LONGEST_AWAY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Target {
    /// The endpoint that it belongs to.
    pub(super) url: String,
    pub(super) address: SocketAddr,
    pub(super) wire: Wire,
    /// Requests under way.
    busy: AtomicUsize,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    away_until: Option<Instant>,
}

/// A request under way.
pub(super) struct Busy<'a>(&'a Target);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Target {
    pub(super) fn new(url: String, address: SocketAddr, wire: Wire) -> Self {
        Self {
            url,
            address,
            wire,
            busy: AtomicUsize::new(0),
            health: Mutex::default(),
        }
    }

    pub(super) fn begin(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self)
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Until when it is better left alone; `None` if it is there.
    pub(super) fn away_until(&self, now: Instant) -> Option<Instant> {
        lock(&self.health).away_until.filter(|until| *until > now)
    }

    pub(super) fn worked(&self) {
        let mut health = lock(&self.health);
        if health.failures > 0 {
            *health = Health::default();
        }
    }

    /// A request failed there. What will be refused everywhere says nothing about the address.
    pub(super) fn failed(&self, trouble: &Trouble, now: Instant) {
        let asked = match trouble.again {
            Again::No => return,
            Again::After(wait) => wait,
            Again::Backoff | Again::Elsewhere => Duration::ZERO,
        };
        let mut health = lock(&self.health);
        let mut away = asked;
        // Requests that fail together are one failure.
        if health.away_until.is_none_or(|until| until <= now) {
            let grown = AWAY.saturating_mul(1 << health.failures.min(16));
            away = away.max(grown.min(LONGEST_AWAY));
            health.failures = health.failures.saturating_add(1);
        }
        health.away_until = health.away_until.max(now.checked_add(away));
    }
}

/// The address for the next request: of those that are there the one with the fewest requests under way,
/// beginning at `turn`; if none is there, the one that will be back first.
pub(super) fn choose<T: AsRef<Target>>(targets: &[T], turn: usize, now: Instant) -> Option<&T> {
    let count = targets.len();
    let in_turn = || (0..count).map(|offset| &targets[(turn.wrapping_add(offset)) % count]);
    let there = in_turn().filter(|target| target.as_ref().away_until(now).is_none());
    there
        .min_by_key(|target| target.as_ref().busy())
        .or_else(|| in_turn().min_by_key(|target| target.as_ref().away_until(now)))
}

#[cfg(feature = "otlp-http")]
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::connect::Connector;
    use super::super::super::testing::otlp;
    use super::*;
    use crate::config::Protocol;

    fn target(port: u16) -> Arc<Target> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let url = format!("http://{address}");
        let settings = otlp(Protocol::HttpProtobuf, &url);
        let runtime = super::super::super::runtime::ExportRuntime::new().unwrap();
        let connector = Connector::plain(Duration::from_secs(1));
        let wire = runtime.build_guarded(|| Wire::new(&settings, connector.pinned_to(address)));
        Arc::new(Target::new(url, address, wire.unwrap().unwrap()))
    }

    #[test]
    fn target_with_the_fewest_requests_is_chosen_and_equals_take_turns() {
        let targets = [target(1), target(2), target(3)];
        let now = Instant::now();
        let port = |turn| choose(&targets, turn, now).unwrap().address.port();
        assert_eq!([port(0), port(1), port(2), port(3)], [1, 2, 3, 1]);
        let _first = targets[0].begin();
        let _second = targets[1].begin();
        assert_eq!([port(0), port(1), port(2)], [3, 3, 3]);
    }

    #[test]
    fn target_that_failed_is_chosen_again_when_its_time_is_over_or_no_other_is_there() {
        let targets = [target(1), target(2)];
        let now = Instant::now();
        let port = |at| choose(&targets, 0, at).unwrap().address.port();
        let broken = || Trouble::unreachable("refused", false);
        targets[0].failed(&broken(), now);
        assert_eq!(port(now), 2);
        assert_eq!(port(now + AWAY), 1);
        // The first is back sooner.
        targets[1].failed(&broken(), now + Duration::from_millis(500));
        assert_eq!(port(now + Duration::from_millis(600)), 1);
    }

    #[test]
    fn failures_at_the_same_time_count_once_and_a_success_forgets_them() {
        let target = target(1);
        let now = Instant::now();
        for _ in 0..8 {
            target.failed(&Trouble::unreachable("refused", false), now);
        }
        assert_eq!(target.away_until(now), Some(now + AWAY));
        let later = now + AWAY;
        target.failed(&Trouble::unreachable("refused", false), later);
        assert_eq!(target.away_until(later), Some(later + AWAY * 2));
        target.worked();
        assert_eq!(target.away_until(later), None);
        target.failed(&Trouble::rejected("malformed"), later);
        assert_eq!(target.away_until(later), None);
    }
}
